"""NautilusTrader, Python strategies: `python -m bench.peers.nautilus w1_pass|w1_sma|w2_quotes`.

On bars a market order fills at the close of the bar that decided it. Logging is bypassed and the
closing analysis is off; the pre-trade risk engine stays on, as a user has it.
"""

from __future__ import annotations

import sys
from decimal import Decimal

import nautilus_trader
import numpy as np
import pandas as pd
from nautilus_trader.backtest.config import BacktestEngineConfig
from nautilus_trader.backtest.engine import BacktestEngine
from nautilus_trader.config import LoggingConfig
from nautilus_trader.indicators import SimpleMovingAverage
from nautilus_trader.model.currencies import BTC, USDT
from nautilus_trader.model.data import Bar, BarType, QuoteTick, TradeTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Money, Price, Quantity
from nautilus_trader.persistence.wranglers import BarDataWrangler
from nautilus_trader.trading.strategy import Strategy

from bench import workloads
from bench.measure import Stopwatch, emit, peak_rss_mb

VENUE = Venue("SIM")
SYMBOL = Symbol("BTCUSDT-PERP")
BUYER, SELLER = 1, 2
# One tick in the integer units of this build (9 or 16 decimals).
TICK_RAW = Price.from_str("0.1").raw
OFFSET_RAW = workloads.QUOTE_OFFSET_TICKS * TICK_RAW
# Float means leave noise around ties that are exact on paper.
TIE_NOISE = 1e-6


def perpetual() -> CryptoPerpetual:
    return CryptoPerpetual(
        instrument_id=InstrumentId(SYMBOL, VENUE),
        raw_symbol=SYMBOL,
        base_currency=BTC,
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=workloads.PRICE_EXPONENT,
        size_precision=workloads.QUANTITY_EXPONENT,
        price_increment=Price.from_str("0.1"),
        size_increment=Quantity.from_str("0.001"),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal("0.01"),
        margin_maint=Decimal("0.005"),
        maker_fee=Decimal("0"),
        taker_fee=Decimal("0.0004"),
    )


class Nothing(Strategy):
    """Receives every bar and does nothing."""

    orders = cancels = 0

    def __init__(self, bar_type: BarType) -> None:
        super().__init__()
        self.bar_type = bar_type

    def on_start(self) -> None:
        self.subscribe_bars(self.bar_type)

    def on_bar(self, bar: Bar) -> None:
        pass


class AverageCross(Nothing):
    """S1 with the library's own averages."""

    def __init__(self, bar_type: BarType) -> None:
        super().__init__(bar_type)
        self.fast = SimpleMovingAverage(workloads.FAST)
        self.slow = SimpleMovingAverage(workloads.SLOW)
        self.was_above: bool | None = None
        self.is_long = False
        self.unit = Quantity.from_str("1.000")

    def on_start(self) -> None:
        for average in (self.fast, self.slow):
            self.register_indicator_for_bars(self.bar_type, average)
        super().on_start()

    def on_bar(self, bar: Bar) -> None:
        if not self.slow.initialized:
            return
        above = self.fast.value > self.slow.value + TIE_NOISE
        before, self.was_above = self.was_above, above
        if before is None or before == above or above == self.is_long:
            return
        self.is_long = above
        self.orders += 1
        side = OrderSide.BUY if above else OrderSide.SELL
        name = self.bar_type.instrument_id
        self.submit_order(self.order_factory.market(name, side, self.unit))


class TouchQuoter(Strategy):
    """S2: an order on each side, two ticks behind the touch."""

    def __init__(self, name: InstrumentId) -> None:
        super().__init__()
        self.name = name
        self.unit = Quantity.from_str("1.000")
        self.live = [None, None]
        self.priced = [0, 0]
        self.orders = self.cancels = 0

    def on_start(self) -> None:
        self.subscribe_quote_ticks(self.name)

    def on_quote_tick(self, quote: QuoteTick) -> None:
        self.keep(0, OrderSide.BUY, quote.bid_price.raw - OFFSET_RAW)
        self.keep(1, OrderSide.SELL, quote.ask_price.raw + OFFSET_RAW)

    def keep(self, index: int, side: OrderSide, wanted: int) -> None:
        order = self.live[index]
        if order is not None and not order.is_closed:
            if self.priced[index] == wanted:
                return
            self.cancel_order(order)
            self.cancels += 1
        price = Price.from_raw(wanted, workloads.PRICE_EXPONENT)
        order = self.order_factory.limit(self.name, side, self.unit, price)
        self.live[index], self.priced[index] = order, wanted
        self.orders += 1
        self.submit_order(order)


def bar_objects(perp: CryptoPerpetual) -> tuple[BarType, list[Bar]]:
    rows = workloads.bars()
    kind = BarType.from_str(f"{perp.id}-1-MINUTE-LAST-EXTERNAL")
    closes = pd.to_datetime((rows[:, 0] + 60).astype(np.int64), unit="s", utc=True)
    names = ["open", "high", "low", "close", "volume"]
    return kind, BarDataWrangler(kind, perp).process(
        pd.DataFrame(rows[:, 1:], columns=names, index=closes)
    )


def tick_objects(perp: CryptoPerpetual) -> list[QuoteTick | TradeTick]:
    rows = workloads.ticks()
    precisions = (workloads.PRICE_EXPONENT, workloads.QUANTITY_EXPONENT)
    quotes, trades = rows[rows[:, 1] == 0], rows[rows[:, 1] == 1]
    times = [part[:, 0].astype(np.uint64) for part in (quotes, trades)]
    sizes = [part[:, 5].astype(np.float64) for part in (quotes, trades)]
    bid, ask, last = quotes[:, 2] / 10, quotes[:, 3] / 10, trades[:, 4] / 10
    objects = QuoteTick.from_raw_arrays_to_list(
        perp.id, *precisions, bid, ask, sizes[0], sizes[0], times[0], times[0]
    )
    aggressors = np.where(trades[:, 6] > 0, BUYER, SELLER).astype(np.uint8)
    names = [str(number) for number in range(len(trades))]
    objects += TradeTick.from_raw_arrays_to_list(
        perp.id, *precisions, last, sizes[1], aggressors, names, times[1], times[1]
    )
    return objects


def make_engine(perp: CryptoPerpetual, *, on_trades: bool) -> BacktestEngine:
    quiet = LoggingConfig(bypass_logging=True)
    engine = BacktestEngine(BacktestEngineConfig(logging=quiet, run_analysis=False))
    engine.add_venue(
        VENUE,
        OmsType.NETTING,
        AccountType.MARGIN,
        [Money(workloads.CASH, USDT)],
        base_currency=USDT,
        default_leverage=Decimal(10),
        bar_execution=True,
        trade_execution=on_trades,
    )
    engine.add_instrument(perp)
    return engine


def profit_of(engine: BacktestEngine) -> float:
    """Balance change plus the open position valued at the touch it would be closed at."""
    balance = engine.cache.account_for_venue(VENUE).balance_total(USDT).as_double()
    unrealized = engine.portfolio.unrealized_pnls(VENUE).get(USDT)
    return balance - workloads.CASH + (unrealized.as_double() if unrealized else 0.0)


def main(mode: str) -> None:
    perp = perpetual()
    with Stopwatch() as loading:
        if mode == "w2_quotes":
            data, strategy = tick_objects(perp), TouchQuoter(perp.id)
        else:
            kind, data = bar_objects(perp)
            strategy = AverageCross(kind) if mode == "w1_sma" else Nothing(kind)
        engine = make_engine(perp, on_trades=mode == "w2_quotes")
        engine.add_data(data)
    engine.add_strategy(strategy)
    before = peak_rss_mb()
    with Stopwatch() as watch:
        engine.run()
    emit(
        "NautilusTrader",
        mode,
        watch,
        version=nautilus_trader.__version__,
        events=len(data),
        fills=sum(order.filled_qty > 0 for order in engine.cache.orders()),
        orders=strategy.orders,
        cancels=strategy.cancels,
        position=float(engine.portfolio.net_position(perp.id)),
        profit=profit_of(engine),
        compile_seconds=0.0,
        load_seconds=loading.seconds,
        rss_before_mb=before,
    )


if __name__ == "__main__":
    main(sys.argv[1])
