"""Bars that cannot be believed, and bars without a volume: said with the run, not passed over."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

import interlock
from interlock.research.backtest import RunOptions, conventions, run
from interlock.research.doubts import broken_bars, without_volume
from interlock.research.options import BacktestError
from interlock.strategy.api import Strategy
from interlock.strategy.columns import BarColumns, Dataset


@pytest.fixture(scope="module")
def bars() -> BarColumns:
    made: BarColumns = interlock.synthetic.bars(["BTCUSDT-PERP"], days=2, step="1h")[0]
    return made


def changed(bars: BarColumns, **columns: Any) -> Dataset:
    part = dataclasses.replace(bars, **columns)
    return Dataset(name="changed", digest="changed", synthetic=True, bars=(part,))


def test_sound_bars_leave_no_doubt(bars: BarColumns) -> None:
    assert broken_bars(changed(bars)) == []
    assert without_volume(changed(bars)) == []


def test_broken_bars_are_counted_and_said_with_the_run(bars: BarColumns) -> None:
    low, high = bars.low.copy(), bars.high.copy()
    low[3], high[7], low[9] = 0, bars.close[7] - 1, bars.open[9] + 1
    dataset = changed(bars, low=low, high=high)
    (sentence,) = broken_bars(dataset)
    assert sentence.startswith("3 of 48 bars of BTCUSDT-PERP.SYNTHETIC have a price of 0 or less")
    assert sentence in conventions(RunOptions(), dataset)["Data"]


def test_a_cap_that_bars_without_volume_cannot_have_is_not_claimed(bars: BarColumns) -> None:
    dataset = changed(bars, volume=np.zeros_like(bars.volume))
    told = conventions(RunOptions(), dataset)["Volume"]
    assert "no cap on BTCUSDT-PERP.SYNTHETIC, whose bars have no volume" in told
    assert "no volume" not in conventions(RunOptions(volume_cap_pct=None), dataset)["Volume"]


class Counts(Strategy):
    """Buys once, on its third bar."""

    def on_bar(self, bar: Any) -> None:
        self.count = getattr(self, "count", 0) + 1
        if self.count == 3:
            self.market(1, 0.1)


def test_an_object_that_ran_is_not_run_again(bars: BarColumns) -> None:
    strategy = Counts()
    assert len(interlock.backtest(strategy, bars).fills) == 1
    with pytest.raises(BacktestError, match="this Counts object ran before.*a new object"):
        interlock.backtest(strategy, bars)


class Forgets(Strategy):
    """Leaves out what the base class sets up."""

    def __init__(self) -> None:
        self.count = 0


def test_a_strategy_without_its_base_is_told_what_to_call(bars: BarColumns) -> None:
    with pytest.raises(BacktestError, match=r"Forgets.__init__ never called super\(\)"):
        run(Forgets(), changed(bars))


class AtOnce(Strategy):
    """Wants a position before there is a price."""

    def on_start(self) -> None:
        self.target_exposure(1.0)


def test_a_target_before_the_first_price_is_denied(bars: BarColumns) -> None:
    assert run(AtOnce(), changed(bars)).counters["denied NO_PRICE"] == 1
