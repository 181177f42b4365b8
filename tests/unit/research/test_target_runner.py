"""Target strategies in the kernel: what they are told when they go wrong."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from interlock.research import backtest, synthetic
from interlock.research.backtest import RunOptions, run
from interlock.research.options import BacktestError
from interlock.research.report.content import cautions
from interlock.research.target_runner import TargetRunner
from interlock.strategy.api import StrategyError, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset
from tests.scenario import PERPETUAL

MINUTE = 60 * 10**9
START = 1_700_006_400 * 10**9


class Odd(TargetStrategy):
    """Returns what is given to it once the close is above 101, and 0 before."""

    answer: Any = float("nan")

    def features(self, bars: Any) -> dict[str, Any]:
        return {"close": bars.close}

    def target(self, f: Any, position: float) -> Any:
        return self.answer if f.close > 101.0 else self.before

    before = 0.0


class OddQuantity(Odd):
    sizing = "quantity"


class Holding(Odd):
    """Holds a position when the odd answer comes: the rows before it are passed in blocks."""

    before = 0.5
    rebalance_band = 0.2


def four_bars() -> Dataset:
    price = np.array([10_000, 10_050, 10_200, 10_300])
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    bars = BarColumns(
        instrument=PERPETUAL,
        step_ns=MINUTE,
        ts=START + MINUTE * np.arange(4),
        volume=np.full(4, 10**9),
        **prices,
    )
    return Dataset(name="four", digest="", bars=(bars,))


@pytest.mark.parametrize("kind", [Odd, OddQuantity, Holding])
@pytest.mark.parametrize(
    ("answer", "shown", "rule"),
    [
        (float("nan"), "NaN", "must return a finite number"),
        (float("inf"), "inf", "must return a finite number"),
        (None, "None (NoneType)", "must return a number"),
        ("long", "'long' (str)", "must return a number"),
        ("0.5", "'0.5' (str)", "must return a number"),
        ([0.5], "[0.5] (list)", "must return a number"),
        (np.array([0.5, 0.5]), "array([0.5, 0.5]) (ndarray)", "must return a number"),
    ],
)
def test_an_answer_that_is_no_number_is_told_with_the_time_of_its_bar(
    kind: type[Odd], answer: Any, shown: str, rule: str
) -> None:
    strategy = kind()
    strategy.answer = answer
    with pytest.raises(StrategyError) as caught:
        run(strategy, four_bars(), RunOptions(leverage=2.0))
    text = str(caught.value)
    name = kind.__name__
    assert f"{name}.target returned {shown} on the bar of 2023-11-15T00:02:00Z (row 2" in text
    assert "close 102 USDT" in text
    assert rule in text
    assert "return a number, or the position to leave it as it is" in text


def test_an_exposure_beyond_any_account_is_told_with_its_bar() -> None:
    strategy = Odd()
    strategy.answer = 1e9
    with pytest.raises(StrategyError, match=r"returned 1e\+09 on the bar of .*share of equity"):
        run(strategy, four_bars(), RunOptions())


@pytest.mark.parametrize("answer", [1, True, Decimal("0.5"), np.float32(0.5), np.int64(1)])
def test_other_kinds_of_numbers_mean_what_they_say(answer: Any) -> None:
    found = []
    for value in (answer, float(answer)):
        strategy = Odd()
        strategy.answer = value
        found.append(run(strategy, four_bars(), RunOptions(leverage=2.0)).result_digest)
    assert found[0] == found[1]


def test_a_feature_of_text_is_refused_by_its_name() -> None:
    class Worded(Steady):
        def features(self, bars: Any) -> dict[str, Any]:
            return {"mood": ["calm"] * len(bars)}

    with pytest.raises(StrategyError, match=r"Worded.features: column mood is not numeric"):
        run(Worded(), four_bars(), RunOptions())


class Doubling(TargetStrategy):
    """All in, while the price doubles on every bar."""

    @staticmethod
    def target(f: Any, position: float) -> float:
        return 1.0

    def features(self, bars: Any) -> dict[str, Any]:
        return {}


def test_an_account_beyond_what_is_counted_is_told_with_its_moment() -> None:
    price = 10_000 * 2 ** np.arange(40)
    prices = dict.fromkeys(("open", "high", "low", "close"), price)
    bars = BarColumns(
        instrument=PERPETUAL,
        step_ns=MINUTE,
        ts=START + MINUTE * np.arange(40),
        volume=np.zeros(40, dtype=np.int64),
        **prices,
    )
    data = Dataset(name="doubling", digest="", bars=(bars,))
    with pytest.raises(BacktestError) as caught:
        run(Doubling(), data, RunOptions(cash=1e9, leverage=3.0))
    text = str(caught.value)
    assert "beyond 46,116,860,184 of its currency" in text
    assert "`interlock check` finds where" in text


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
