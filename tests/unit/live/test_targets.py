"""A target strategy in live trading decides as in a backtest that begins at the same bar."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from examples.ma_cross import MaCross
from examples.vol_trend import VolTrend
from interlock.adapters.tape import FolderTape, TapeReader
from interlock.kernel.engine import step
from interlock.kernel.state import State
from interlock.live.targets import HOLE_MOST, PAST_MOST, WINDOW_LEAST, LiveTarget, look_back
from interlock.model.events import PastBars, Started
from interlock.model.limits import Limits
from interlock.model.market import Bar
from interlock.research import synthetic
from interlock.research.backtest import RunOptions, run
from interlock.research.result import BacktestResult
from interlock.runtime.recovery import Member, Setup, recover
from interlock.strategy.api import Strategy, StrategyError, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset
from interlock.strategy.indicators import ema, rsi
from interlock.strategy.intents import Target
from tests.scenario import PERPETUAL, SPOT

OPTIONS = RunOptions(cash=100_000, slippage_bps=1)
NAMES = ("seq", "client_order_id")


class Fade(TargetStrategy):
    """Against the last move, with an endless and a wandering memory and a size in coins."""

    sizing = "quantity"
    warmup = 40

    def features(self, bars: Any) -> dict[str, Any]:
        return {"mean": ema(bars.close, 20), "strength": rsi(bars.close, 14), "close": bars.close}

    @staticmethod
    def target(f: Any, position: float) -> float:
        if f.strength > 60.0:
            return -0.5
        if f.strength < 40.0:
            return 0.5
        return 0.0 if (f.close - f.mean) * position > 0.0 else position


def bars_of(days: int) -> BarColumns:
    return synthetic.bars(["BTCUSDT-PERP"], days=days, step="1h")[0]


def played(strategy: Any, bars: BarColumns) -> BacktestResult:
    data = Dataset(name="live", digest="", synthetic=True, bars=(bars,))
    return run(strategy, data, OPTIONS, name="one")


def same_fills(ours: BacktestResult, theirs: BacktestResult) -> bool:
    """Equal but for numbers and names: a run over columns passes quiet bars over."""
    return ours.fills.drop(*NAMES).equals(theirs.fills.drop(*NAMES))


@pytest.mark.parametrize("kind", [MaCross, VolTrend, Fade])
def test_before_the_first_cut_it_is_the_backtest_to_the_last_unit(kind: Any) -> None:
    bars = bars_of(40)
    live, tested = LiveTarget(kind()), kind()
    ours, theirs = played(live, bars), played(tested, bars)
    assert not live.window.is_cut
    assert ours.fills.height > 3
    assert same_fills(ours, theirs)
    assert ours.result_digest == theirs.result_digest


@pytest.mark.parametrize("kind", [MaCross, Fade])
def test_after_cuts_the_decisions_stay_those_of_the_backtest(kind: Any) -> None:
    bars = bars_of(200)
    live = LiveTarget(kind())
    ours, theirs = played(live, bars), played(kind(), bars)
    assert live.window.is_cut
    assert len(bars) > 4 * WINDOW_LEAST > live.window.count
    assert ours.fills.height > 20
    assert same_fills(ours, theirs)


class Hand:
    """A clock that stands still."""

    def now_ns(self) -> int:
        return 0


class Desk:
    """A live target in a kernel, one bar at a time."""

    def __init__(self, live: LiveTarget) -> None:
        self.state = State(currency="USDT", cash=10**13, instruments=(PERPETUAL,), limits=Limits())
        self.state.add("T", live, 10**13)
        step(self.state, Started(0))

    def bar(self, number: int, price: int, step_ns: int = 60) -> list[Any]:
        bar = Bar.of(PERPETUAL, number * step_ns, price, price, price, price, 1_000)
        bar.step_ns = bar._ready_ns = step_ns
        return list(step(self.state, bar))


class Rising(TargetStrategy):
    def features(self, bars: Any) -> dict[str, Any]:
        before = np.concatenate((np.full(3, np.nan), bars.close[:-3]))
        return {"gain": bars.close - before}

    @staticmethod
    def target(f: Any, position: float) -> float:
        return 1.0 if f.gain > 0.0 else 0.0


def test_nothing_is_decided_before_the_features_are_there_and_after_a_long_hole() -> None:
    live = LiveTarget(Rising())
    desk = Desk(live)
    prices = [10_000 + 10 * number for number in range(4)]
    acts = [desk.bar(number, price) for number, price in enumerate(prices)]
    assert [bool(found) for found in acts] == [False, False, False, True]
    desk.bar(4 + HOLE_MOST, 10_100)
    assert live.window.count == 5  # a short hole is bridged, as in a backtest
    desk.bar(6 + 2 * HOLE_MOST, 10_200)
    assert live.window.count == 1


def test_bars_that_come_again_or_of_another_step_are_passed_over() -> None:
    live = LiveTarget(Rising())
    desk = Desk(live)
    desk.bar(5, 10_000)
    desk.bar(5, 10_000)
    desk.bar(4, 10_000)
    desk.bar(1, 10_000, step_ns=3_600)
    assert live.window.count == 1
    assert live.step_ns == 60


def test_its_state_is_kept_in_a_snapshot_and_goes_on() -> None:
    live = LiveTarget(MaCross(fast=2, slow=3))
    desk = Desk(live)
    for number in range(10):
        desk.bar(number, 10_000 + number)
    kept = pickle.loads(pickle.dumps(live.snapshot()))
    other = LiveTarget(MaCross(fast=2, slow=3))
    other.restore(kept)
    assert other.window.count == live.window.count == 10
    assert other.first_ready == live.first_ready == 3


def past(first: int, prices: list[int], step_ns: int = 60) -> PastBars:
    rows = tuple(
        (number * step_ns, price, price, price, price, 1_000)
        for number, price in enumerate(prices, first)
    )
    return PastBars((first + len(prices)) * step_ns, PERPETUAL.id, step_ns, rows)


def test_with_its_past_the_first_live_bar_is_decided_on_as_if_all_had_been_live() -> None:
    prices = [10_000 + 10 * (number % 7) + number for number in range(60)]
    heard, told = (Desk(LiveTarget(MaCross(fast=5, slow=30))) for _ in range(2))
    for number, price in enumerate(prices):
        heard.bar(number, price)
    alone = Desk(LiveTarget(MaCross(fast=5, slow=30)))
    assert list(step(told.state, past(0, prices[:-1]))) == []
    acts = told.bar(59, prices[-1])
    assert acts and not alone.bar(59, prices[-1])
    [ours] = told.state.strategies.values()
    [theirs] = heard.state.strategies.values()
    own, other = ours.strategy, theirs.strategy
    assert isinstance(own, LiveTarget) and isinstance(other, LiveTarget)
    assert own.first_ready == other.first_ready == 30
    for name in ("ts", "close"):
        columns = [live.window.columns(PERPETUAL, 60) for live in (own, other)]
        assert np.array_equal(getattr(columns[0], name), getattr(columns[1], name))


def test_the_past_is_no_price_and_moves_nothing_but_the_window() -> None:
    live = LiveTarget(Rising())
    desk = Desk(live)
    assert list(step(desk.state, past(0, [10_000 + 10 * number for number in range(50)]))) == []
    assert live.window.count == 50
    assert desk.state.instruments[PERPETUAL.id].last is None
    assert not desk.state.open


def test_a_past_goes_on_where_the_window_ends_or_takes_its_place() -> None:
    live = LiveTarget(Rising())
    desk = Desk(live)
    for number in range(6):
        desk.bar(number, 10_000 + number)
    step(desk.state, past(3, [10_000] * 6))
    assert (live.window.count, live.window.last_ts) == (9, 8 * 60)
    # Beyond a hole that no window bridges, only the new bars count.
    step(desk.state, past(100, [10_000 + number for number in range(20)]))
    assert (live.window.count, live.first_ready) == (20, 4)
    # Of another step, or too few for the features: nothing is said of them.
    step(desk.state, past(100, [10_000], step_ns=3_600))
    assert live.window.count == 20
    fresh = LiveTarget(Rising())
    step(Desk(fresh).state, past(0, [10_000] * 2))
    assert (fresh.window.count, fresh.first_ready) == (2, 0)


def test_how_far_a_target_looks_back() -> None:
    assert look_back(Rising()) == WINDOW_LEAST
    far = Rising()
    far.warmup = 300
    assert look_back(far) == 3_000
    far.warmup = 50_000
    assert look_back(far) == PAST_MOST


class Hasty(Strategy):
    """Places an order on bars of the past."""

    def on_past(self, bars: Any) -> None:
        self._outbox.append(Target(1, PERPETUAL.id, exposure=10**6))


def test_an_order_on_bars_of_the_past_is_refused() -> None:
    state = State(currency="USDT", cash=10**13, instruments=(PERPETUAL,), limits=Limits())
    owner = state.add("T", Hasty(), 10**13)
    step(state, Started(0))
    with pytest.raises(StrategyError, match="T placed an order on bars of the past"):
        step(state, past(0, [10_000]))
    assert not owner.outbox and not state.effects


def test_a_tape_gives_the_past_back_and_recovery_the_window(tmp_path: Path) -> None:
    prices = [10_000 + 10 * number for number in range(40)]
    live = LiveTarget(Rising())
    desk = Desk(live)
    tape = FolderTape(tmp_path, clock=Hand())
    event = past(0, prices[:30])
    step(desk.state, event)
    tape.write(0, event)
    for number, price in enumerate(prices[30:], 30):
        desk.bar(number, price)
        bar = Bar.of(PERPETUAL, number * 60, price, price, price, price, 1_000)
        bar.step_ns = bar._ready_ns = 60
        tape.write(0, bar)
    tape.close()
    again = LiveTarget(Rising())
    setup = Setup(instruments=(PERPETUAL,), members=[Member("T", again, 10**13)], currency="USDT")
    kept = list(TapeReader(tmp_path).read(0))
    assert [type(item) for _, item in kept[:2]] == [PastBars, Bar]
    found = recover(setup, tape=kept)
    assert found.market == 11
    columns = [item.window.columns(PERPETUAL, 60) for item in (live, again)]
    for name in ("ts", "open", "high", "low", "close", "volume"):
        assert np.array_equal(getattr(columns[0], name), getattr(columns[1], name))
    assert again.first_ready == live.first_ready == 4


def test_two_instruments_are_refused_with_the_remedy() -> None:
    live = LiveTarget(Rising())
    state = State(currency="USDT", cash=0, instruments=(PERPETUAL, SPOT), limits=Limits())
    state.add("T", live, 10**13)
    with pytest.raises(StrategyError, match="one instrument, the run has 2"):
        step(state, Started(0))
