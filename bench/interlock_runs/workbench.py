"""The workloads as datasets, and S1 and S2 as strategies of the library."""

from __future__ import annotations

from typing import Any

import numpy as np

import interlock
from bench import workloads
from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.market import Bar, Quote
from interlock.model.order import OrderSpec, OrderType
from interlock.research.backtest import RunOptions
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset, QuoteColumns, TradeColumns
from interlock.strategy.indicators import Sma, crossed_above, crossed_below, shift, sma
from interlock.strategy.parameters import param

VERSION = interlock.__version__
UNIT = 10**workloads.QUANTITY_EXPONENT
# Filled at the deciding bar's close, as vectorbt and NautilusTrader do.
BARS = RunOptions(cash=workloads.CASH, fill="same_close", leverage=10.0)
TICKS = RunOptions(cash=workloads.CASH, leverage=10.0)


def instrument(*, taker_rate: int) -> Instrument:
    """The traded perpetual: tick 0.1, lot 0.001."""
    return Instrument(
        id="BTCUSDT-PERP.BENCH",
        kind=InstrumentKind.PERPETUAL,
        base="BTC",
        quote="USDT",
        price_exponent=workloads.PRICE_EXPONENT,
        quantity_exponent=workloads.QUANTITY_EXPONENT,
        price_rule=FixedTick(1),
        lot=1,
        taker_rate=taker_rate,
        leverage_max=10,
    )


def bar_set(count: int = 1_000_000, first: int | None = None) -> Dataset:
    """W1 (or its first rows, or more bars of the same generator) as a dataset."""
    columns = {name: values[:first] for name, values in workloads.integer_bars(count).items()}
    bars = BarColumns(instrument=instrument(taker_rate=400), step_ns=workloads.STEP_NS, **columns)
    return Dataset(name=f"W1 {len(bars)}", digest="W1", bars=(bars,))


def tick_set(first: int | None = None) -> Dataset:
    """W2 as a dataset: quotes and trades, no fee."""
    rows = workloads.ticks()[:first]
    quotes, trades = rows[rows[:, 1] == 0], rows[rows[:, 1] == 1]
    traded = instrument(taker_rate=0)
    shown = quotes[:, 5] * UNIT
    return Dataset(
        name="W2",
        digest="W2",
        quotes=(
            QuoteColumns(
                instrument=traded,
                ts=quotes[:, 0],
                bid=quotes[:, 2],
                bid_quantity=shown,
                ask=quotes[:, 3],
                ask_quantity=shown,
            ),
        ),
        trades=(
            TradeColumns(
                instrument=traded,
                ts=trades[:, 0],
                price=trades[:, 4],
                quantity=trades[:, 5] * UNIT,
                side=trades[:, 6],
            ),
        ),
    )


class Cross(TargetStrategy):
    """S1 as a target: one unit after a cross up, none after a cross down."""

    fast: int = param(workloads.FAST, 1)
    slow: int = param(workloads.SLOW, 2)
    sizing = "quantity"

    def features(self, bars: Any) -> dict[str, Any]:
        quick, calm = sma(bars.close, self.fast), sma(bars.close, self.slow)
        return {
            "quick": quick,
            "calm": calm,
            "was_quick": shift(quick, 1),
            "was_calm": shift(calm, 1),
        }

    @staticmethod
    def target(f: Any, position: float) -> float:
        if f.quick > f.calm:
            return 1.0 if f.was_quick <= f.was_calm else position
        return 0.0


class CrossSigns(TargetStrategy):
    """S1 with one column: +1 on a cross up, -1 on a cross down, else 0."""

    sizing = "quantity"

    def features(self, bars: Any) -> dict[str, Any]:
        quick, calm = sma(bars.close, workloads.FAST), sma(bars.close, workloads.SLOW)
        sign = crossed_above(quick, calm).astype(np.float64)
        sign[crossed_below(quick, calm)] = -1.0
        return {"sign": sign}

    @staticmethod
    def target(f: Any, position: float) -> float:
        if f.sign > 0.0:
            return 1.0
        return 0.0 if f.sign < 0.0 else position


class CrossEvents(Strategy):
    """S1 in callbacks, with the library's averages."""

    def on_start(self) -> None:
        self.fast = self.follow(Sma(workloads.FAST))
        self.slow = self.follow(Sma(workloads.SLOW))
        self.was: bool | None = None

    def on_bar(self, bar: Bar) -> None:
        slow = self.slow.value
        if slow != slow:
            return
        up = self.fast.value > slow
        was, self.was = self.was, up
        if was is None or up == was:
            return
        if up:
            self.market(1, 1.0)
        elif self.view.position_units():
            self.market(-1, 1.0, reduce_only=True)


class Idle(Strategy):
    """Hears every bar and does nothing."""

    def on_bar(self, bar: Bar) -> None:
        pass


class Quoter(Strategy):
    """S2: one bid and one ask, two ticks behind the touch."""

    def on_start(self) -> None:
        self.traded = self.view.instrument().id
        self.refs = {1: 0, -1: 0}
        self.prices = {1: 0, -1: 0}
        self.orders = self.cancels = 0

    def on_quote(self, quote: Quote) -> None:
        self.quote_side(1, quote.bid_units - workloads.QUOTE_OFFSET_TICKS)
        self.quote_side(-1, quote.ask_units + workloads.QUOTE_OFFSET_TICKS)

    def quote_side(self, side: int, price: int) -> None:
        ref = self.refs[side]
        if self.view.is_open(ref):
            if price == self.prices[side]:
                return
            self.cancel(ref)
            self.cancels += 1
        self.refs[side] = self.place(OrderSpec(self.traded, side, UNIT, OrderType.LIMIT, price))
        self.prices[side] = price
        self.orders += 1


def profit(equity: np.ndarray[Any, np.dtype[np.int64]]) -> float:
    """Final equity in money units less the cash, in quote currency."""
    return (int(equity[-1]) - round(workloads.CASH * 10**8)) / 10**8
