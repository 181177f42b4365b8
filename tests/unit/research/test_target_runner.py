"""Target strategies in the kernel: what they are told when they go wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from interlock.research import backtest, synthetic
from interlock.research.backtest import RunOptions, run
from interlock.research.report.content import cautions
from interlock.research.target_runner import TargetRunner
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


class Steady(TargetStrategy):
    """Long or short by a slow wave, at a size that a band leaves alone for most of the time."""

    warmup = 30
    rebalance_band = 0.05

    def features(self, bars: Any) -> dict[str, Any]:
        wave = np.sin(np.arange(len(bars)) / 40.0)
        wave[::17] = np.nan
        return {"wave": wave}

    @staticmethod
    def target(f: Any, position: float) -> float:
        return 0.0 if abs(f.wave) < 0.2 else 0.7 if f.wave > 0.0 else -1.4


class Announced(TargetRunner):
    """The same with every row announced."""

    def scan(self, low: int, high: int) -> int:
        return low


@pytest.mark.parametrize("band", [0.0, 0.02, 0.3])
@pytest.mark.parametrize("leverage", [1.0, 3.0])
def test_rows_that_leave_a_position_alone_may_be_passed(
    band: float, leverage: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = synthetic.dataset("crypto-bars", days=40, symbols=["BTCUSDT-PERP"], step="15m")
    options = RunOptions(leverage=leverage, slippage_bps=2)
    found = []
    for runner in (TargetRunner, Announced):
        strategy = Steady()
        strategy.rebalance_band = band
        monkeypatch.setattr(backtest, "TargetRunner", runner)
        found.append(run(strategy, data, options))
    passed, announced = found
    assert passed.counters["fills"] > 20
    assert passed.result_digest == announced.result_digest
    assert passed.journal_digest == announced.journal_digest
    assert (
        passed.orders["client_order_id"].to_list() == announced.orders["client_order_id"].to_list()
    )
    assert passed.counters["events"] < announced.counters["events"]


class Late(TargetStrategy):
    """One feature that comes later than the declared warm-up."""

    warmup = 5
    first = 9

    def features(self, bars: Any) -> dict[str, Any]:
        column = np.ones(len(bars))
        column[: self.first] = np.nan
        return {"soon": np.ones(len(bars)), "late": column}

    @staticmethod
    def target(f: Any, position: float) -> float:
        return 1.0


def test_a_feature_that_is_never_there_is_told() -> None:
    data = synthetic.dataset("crypto-bars", days=1, symbols=["BTCUSDT-PERP"], step="1h")
    strategy = Late()
    strategy.first = 24
    result = run(strategy, data, RunOptions())
    note = "Late: no row has all features (late is NaN on every row); no decision was made"
    assert (result.config["notes"], result.fills.height) == ([note], 0)
    assert f"{note}." in cautions(result)


def test_a_feature_later_than_the_warm_up_is_named() -> None:
    data = synthetic.dataset("crypto-bars", days=1, symbols=["BTCUSDT-PERP"], step="1h")
    result = run(Late(), data, RunOptions())
    [note] = result.config["notes"]
    assert note == "Late: feature late starts at row 9, warmup says 5; set warmup = 9"
    strategy = Late()
    strategy.first = 5
    assert "notes" not in run(strategy, data, RunOptions()).config
