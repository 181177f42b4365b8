"""A target strategy in live trading decides as in a backtest that begins at the same bar."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

from examples.ma_cross import MaCross
from examples.vol_trend import VolTrend
from interlock.kernel.engine import step
from interlock.kernel.state import Limits, State
from interlock.live.targets import HOLE_MOST, WINDOW_LEAST, LiveTarget
from interlock.model.events import Started
from interlock.model.market import Bar
from interlock.research import synthetic
from interlock.research.backtest import RunOptions, run
from interlock.research.result import BacktestResult
from interlock.strategy.api import StrategyError, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset
from interlock.strategy.indicators import ema, rsi
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


def test_two_instruments_are_refused_with_the_remedy() -> None:
    live = LiveTarget(Rising())
    state = State(currency="USDT", cash=0, instruments=(PERPETUAL, SPOT), limits=Limits())
    state.add("T", live, 10**13)
    with pytest.raises(StrategyError, match="one instrument, the run has 2"):
        step(state, Started(0))
