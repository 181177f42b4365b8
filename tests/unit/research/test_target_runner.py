"""Target strategies in the kernel: what they are told when they go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from interlock.research.backtest import RunOptions, run
from interlock.strategy.api import StrategyError, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset
from tests.scenario import PERPETUAL

MINUTE = 60 * 10**9
START = 1_700_006_400 * 10**9


class NotANumber(TargetStrategy):
    sizing = "quantity"

    def features(self, bars: Any) -> dict[str, Any]:
        return {"close": bars.close}

    @staticmethod
    def target(f: Any, position: float) -> float:
        return float("nan") if f.close > 101.0 else 0.0


def test_nan_is_told_with_the_time_of_its_bar() -> None:
    price = np.array([10_000, 10_050, 10_200, 10_300])
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    bars = BarColumns(
        instrument=PERPETUAL,
        step_ns=MINUTE,
        ts=START + MINUTE * np.arange(4),
        volume=np.ones(4, dtype=np.int64),
        **prices,
    )
    with pytest.raises(StrategyError) as caught:
        run(NotANumber(), Dataset(name="four", digest="", bars=(bars,)), RunOptions())
    text = str(caught.value)
    assert "NotANumber.target returned NaN on the bar of 2023-11-15T00:02:00Z (row 2 of" in text
    assert "close 102 USDT" in text
    assert "return a number" in text
