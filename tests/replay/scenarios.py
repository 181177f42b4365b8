"""The runs whose every byte is kept: what each is for, its data, its orders and its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from interlock.model.order import OrderSpec, OrderType
from interlock.research.backtest import RunOptions
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import Dataset
from tests.replay import markets
from tests.scenario import EQUITY, PERPETUAL, SPOT

ETHER = msgspec.structs.replace(PERPETUAL, id="ETH-PERP.TEST", base="ETH")
BORROWED = msgspec.structs.replace(
    EQUITY, allow_short=True, leverage_max=2, borrow_rate_daily=200, lot=1
)
IN_BASE = msgspec.structs.replace(SPOT, fee_asset="BTC", quantity_exponent=8, lot=100_000)
FEES = {"maker_fee_bps": 2.0, "taker_fee_bps": 5.0}
PLAIN = {"cash": 10_000.0, "leverage": 5.0, "volume_cap_pct": None}
Act = Callable[[Any, Any, int], None]


class Acts(Strategy):
    """Calls one function with every bar, quote or book and the number of it."""

    def __init__(self, act: Act) -> None:
        super().__init__()
        self.act = act
        self.seen = 0

    def _next(self, event: Any) -> None:
        row, self.seen = self.seen, self.seen + 1
        self.act(self, event, row)

    def on_bar(self, bar: Any) -> None:
        self._next(bar)

    def on_quote(self, quote: Any) -> None:
        self._next(quote)

    def on_book(self, book: Any) -> None:
        self._next(book)


class OnSide(TargetStrategy):
    """Half of the equity long above the close ten bars ago, a quarter short below it."""

    def features(self, bars: Any) -> Mapping[str, Any]:
        before = bars.close.copy()
        before[10:] = bars.close[:-10]
        before[:10] = float("nan")
        return {"close": bars.close, "before": before}

    @staticmethod
    def target(f: Any, position: float) -> float:
        return 0.5 if f.close > f.before else -0.25


@dataclass(frozen=True)
class Scenario:
    """One kept run."""

    name: str
    explanation: str
    strategy: Callable[[], Any]
    data: Callable[[], Mapping[str, Any]]
    options: Mapping[str, Any] = field(default_factory=dict)

    def dataset(self) -> Dataset:
        """The rows of the run."""
        return Dataset(name=self.name, digest=self.name, synthetic=True, **self.data())

    def run_options(self) -> RunOptions:
        """The options of the run."""
        return RunOptions(**{**PLAIN, **FEES, **self.options})


def _bars(instrument: Any = PERPETUAL, seed: int = 1, count: int = 120, **walk: int) -> Any:
    return lambda: {"bars": (markets.bars(instrument, seed, count, **walk),)}


def _touch(seed: int, count: int) -> Any:
    def made() -> dict[str, Any]:
        touch = markets.quotes(PERPETUAL, seed, count)
        return {"quotes": (touch,), "trades": (markets.trades(touch, seed + 7),)}

    return made


def _turns(self: Any, bar: Any, row: int) -> None:
    if row % 20 == 5:
        self.market(1, 2, tag="in")
    elif row % 20 == 15:
        self.close()


def _brackets(self: Any, bar: Any, row: int) -> None:
    if row % 15 == 3 and not self.view.position_units():
        side = 1 if row % 2 else -1
        self.bracket(side, 3, stop=bar.close - 1.2 * side, target=bar.close + 1.5 * side)


def _trails(self: Any, bar: Any, row: int) -> None:
    held = self.view.position_units()
    if held and not self.view.open_orders():
        self.trailing_stop(-1, 2, 0.9, tag="trail")
    elif not held and row % 6 == 2:
        self.market(1, 2, tag="in")


def _large(self: Any, bar: Any, row: int) -> None:
    if row == 3:
        self.market(1, 9, tag="large")
    if row == 40:
        self.limit(-1, 9, bar.close + 0.2, tag="out")


def _holds(self: Any, bar: Any, row: int) -> None:
    if row == 1:
        self.target_quantity(10)
    if row == 70:
        self.target_quantity(-10)


def _all_in(self: Any, bar: Any, row: int) -> None:
    if row in (2, 60):
        self.target_exposure(4.9, tag="all in")


def _rotates(self: Any, bar: Any, row: int) -> None:
    names = (PERPETUAL.id, ETHER.id)
    if row % 30 == 4:
        first = (row // 30) % 2
        self.target_exposure(0.0, instrument=names[1 - first])
        self.target_exposure(1.5, instrument=names[first])


def _dated(self: Any, bar: Any, row: int) -> None:
    if row % 10 == 0:
        due = bar.ts_event + 4 * markets.MINUTE
        self.limit(1, 1, bar.close - 0.8, expire_ts=due, tag="dated")
    if row % 10 == 9 and self.view.position_units() > 0:
        self.close()


def _quoting(self: Any, quote: Any, row: int) -> None:
    if row % 4:
        return
    self.cancel_all()
    held = self.view.position_units()
    for side, price in ((1, quote.bid_units), (-1, quote.ask_units)):
        if held * side < 5_000:
            spec = OrderSpec(PERPETUAL.id, side, 1_000, OrderType.LIMIT, price, post_only=True)
            self.place(spec)


def _only(self: Any, quote: Any, row: int) -> None:
    held = self.view.position_units()
    if row % 9 == 1:
        self.limit(1, 2, quote.ask, post_only=True, tag="would take")
        self.limit(1, 2, quote.bid, post_only=True, tag="rests")
    if row % 9 == 6 and held > 0:
        self.market(-1, 50, reduce_only=True, tag="no more than held")
    if row % 9 == 8:
        self.cancel_all()


def _late(self: Any, quote: Any, row: int) -> None:
    if row % 10 == 0:
        side = 1 if row % 20 else -1
        self.limit(side, 1, quote.bid if side > 0 else quote.ask, tag="late")
    if row % 10 == 4:
        self.cancel_all()


def _deep(self: Any, book: Any, row: int) -> None:
    if row % 30 == 10:
        self.market(1 if row % 60 == 10 else -1, 5, tag="walks")
    if row % 30 == 20:
        side = -1 if row % 60 == 20 else 1
        spec = OrderSpec(
            PERPETUAL.id, side, 1_000, OrderType.LIMIT, 10_001 if side < 0 else 9_999, tag="rests"
        )
        self.place(spec)


def _stops(self: Any, bar: Any, row: int) -> None:
    if row % 12 == 1:
        self.stop(1, 1, bar.close + 0.5, limit=bar.close + 0.7, reduce_only=False, tag="breakout")
    if row % 12 == 8:
        self.cancel_all()
        if self.view.position_units() > 0:
            self.take_profit(-1, self.view.position().quantity, bar.close + 0.3, tag="take")


def _coins(self: Any, bar: Any, row: int) -> None:
    if row % 16 == 2:
        self.market(1, 20)
    if row % 16 == 10:
        self.close()


def _shares(self: Any, bar: Any, row: int) -> None:
    if row % 16 == 2:
        self.market(1, 40)
    if row % 16 == 10:
        self.close()


def _short(self: Any, bar: Any, row: int) -> None:
    if row == 2:
        self.market(-1, 50, tag="short")
    if row == 110:
        self.close()


def _two(self: Any, quote: Any, row: int) -> None:
    if row == 0 and quote.instrument.id == PERPETUAL.id:
        self.market(1, 2.4, instrument=PERPETUAL.id)
    if row == 3:
        self.market(1, 2.4, instrument=ETHER.id)


def _acts(act: Act) -> Callable[[], Strategy]:
    return lambda: Acts(act)


def _pair() -> dict[str, Any]:
    return {"bars": (markets.bars(PERPETUAL, 5, 120), markets.bars(ETHER, 9, 120))}


def _sinking() -> dict[str, Any]:
    first = markets.quotes(PERPETUAL, 5, 90)
    return {"quotes": (first, markets.quotes(ETHER, 9, 90, drift=-60))}


def _funded() -> dict[str, Any]:
    rates = [1_000_000, -500_000, 2_500_000, 1_000_000, -3_000_000]
    paid = markets.funding(PERPETUAL, rates, every=20)
    return {"bars": (markets.bars(PERPETUAL, 3, 120),), "funding": (paid,)}


def _two_strategies() -> dict[str, Strategy]:
    return {"Turns": Acts(_turns), "Brackets": Acts(_brackets)}


SCENARIOS = {
    item.name: item
    for item in (
        Scenario(
            "target_on_bars",
            "A target strategy on a perpetual: each decision trades at the next open, a basis "
            "point worse, with a taker's fee; the band of 5 % keeps small differences untraded.",
            OnSide,
            _bars(),
            {"slippage": "fixed", "slippage_bps": 1.0},
        ),
        Scenario(
            "same_close",
            "The same strategy filling at the close it decides on: prices are those of the bar "
            "before in target_on_bars, and there is no slippage.",
            OnSide,
            _bars(),
            {"fill": "same_close"},
        ),
        Scenario(
            "bracket",
            "Entries with a stop and a target: one exit ends the other; a stop fills as a taker "
            "at its level or at a worse open, a target as a maker at its price.",
            _acts(_brackets),
            _bars(seed=2),
        ),
        Scenario(
            "trailing_stop",
            "A stop that follows the best price of the walk at a distance of 0.9.",
            _acts(_trails),
            _bars(seed=4),
        ),
        Scenario(
            "stops_and_takes",
            "Stop-limit entries that trigger and then rest, and take-profit exits at the market.",
            _acts(_stops),
            _bars(seed=13),
        ),
        Scenario(
            "volume_cap",
            "Nine coins at 2.5 % of each bar's volume: the rest of a market order goes on at the "
            "next open, that of a limit whenever the price trades through it again.",
            _acts(_large),
            _bars(seed=6, count=90),
            {"volume_cap_pct": 2.5},
        ),
        Scenario(
            "funding",
            "Ten coins long, then ten short, over five funding instants of both signs: only the "
            "wallet moves by them, no fill does.",
            _acts(_holds),
            _funded,
        ),
        Scenario(
            "liquidation",
            "Almost five times the equity long in a falling market: the venue closes at the level "
            "inside a bar and takes its fee; the second entry is sized by what is left.",
            _acts(_all_in),
            _bars(seed=8, drift=-25),
            {"liquidation_fee_bps": 50.0},
        ),
        Scenario(
            "rotation",
            "Two perpetuals on one account: the exposure moves from one to the other and back.",
            _acts(_rotates),
            _pair,
        ),
        Scenario(
            "two_strategies",
            "Two strategies on one perpetual share cash and net position, and keep their own "
            "positions; an exit of one never uses the other's.",
            _two_strategies,
            _bars(seed=2),
        ),
        Scenario(
            "good_till_date",
            "Limits that end after four minutes: filled before that, or expired and never filled.",
            _acts(_dated),
            _bars(seed=10),
        ),
        Scenario(
            "spot_fee_in_base",
            "A cash account on a spot pair whose fee is taken out of the coins bought: sales are "
            "cut to what is held, dust stays.",
            _acts(_coins),
            _bars(IN_BASE, seed=11),
        ),
        Scenario(
            "equity_cash",
            "Whole shares on a cash account: bought and sold, never short.",
            _acts(_shares),
            _bars(EQUITY, seed=12),
        ),
        Scenario(
            "equity_borrowed",
            "A short sale on a margin account over midnight: borrowing is paid for each day that "
            "begins.",
            _acts(_short),
            lambda: {"bars": (_hourly(),)},
        ),
        Scenario(
            "quoting",
            "Post-only quotes at both sides of the touch: behind the shown queue, filled by "
            "trades that reach us or pass our price, always as a maker.",
            _acts(_quoting),
            _touch(14, 160),
        ),
        Scenario(
            "post_and_reduce_only",
            "A post-only order that would take is rejected, one that rests is a maker; a "
            "reduce-only sale of fifty sells no more than is held.",
            _acts(_only),
            _touch(15, 120),
        ),
        Scenario(
            "latency",
            "Orders are 400 ms on their way, answers 300 ms, data 200 ms: each order meets the "
            "touch of its arrival, and some cancels come too late.",
            _acts(_late),
            _touch(16, 160),
            {"order_latency_ms": 400.0, "ack_latency_ms": 300.0, "feed_latency_ms": 200.0},
        ),
        Scenario(
            "depth",
            "Market orders walk the levels of a book, one fill for each; resting orders wait "
            "behind the shown quantity, of which cancels come from both sides of us (power).",
            _acts(_deep),
            lambda: {"depth": (markets.depth(PERPETUAL, 17, 240),)},
            {"queue": "power"},
        ),
        Scenario(
            "shared_margin",
            "Two perpetuals on cross margin: the fall of one liquidates it first, and then the "
            "other as far as the rest does not carry it.",
            _acts(_two),
            _sinking,
            {"cash": 100.0},
        ),
    )
}


def _hourly() -> Any:
    part = markets.bars(BORROWED, 18, 120)
    ts = markets.START + 60 * (part.ts - markets.START)
    values = {name: array for name, array in part.arrays() if name != "ts"}
    return type(part)(instrument=BORROWED, step_ns=60 * markets.MINUTE, ts=ts, **values)
