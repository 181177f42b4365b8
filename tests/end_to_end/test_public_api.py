"""`import interlock`: light, complete, and friendly to a notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import interlock
from interlock import Strategy, TargetStrategy, indicators, param
from interlock.research.catalog import NotFound
from interlock.research.options import BacktestError
from interlock.research.runs import RunResult, load_result
from interlock.strategy.parameters import ParameterError


class Trend(TargetStrategy):
    length: int = param(50, 2, 500)

    def features(self, bars: Any) -> dict[str, Any]:
        return {"close": bars.close, "mean": indicators.sma(bars.close, self.length)}

    @staticmethod
    def target(f: Any, position: float) -> float:
        return 1.0 if f.close > f.mean else 0.0


class Buyer(Strategy):
    def on_bar(self, bar: Any) -> None:
        if not self.view.position_units(bar.instrument.id):
            self.market(+1, 1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


SHORT = {"data": "synthetic:1h", "end": "2025-02-01"}


def test_every_public_name_is_there() -> None:
    for name in interlock.__all__:
        assert getattr(interlock, name) is not None, name
    assert set(interlock.__all__) <= set(dir(interlock))
    with pytest.raises(AttributeError, match="no attribute 'backtset'"):
        _ = interlock.backtset  # type: ignore[attr-defined]


def test_the_import_itself_is_light() -> None:
    code = (
        "import sys, interlock\n"
        "heavy = {'numpy', 'polars', 'numba', 'ccxt', 'bokeh'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_class_an_object_and_a_path_give_the_same_run(home: Path) -> None:
    by_class = interlock.backtest(Trend, **SHORT, parameters={"length": 30})
    by_object = interlock.backtest(Trend(length=30), **SHORT)
    assert by_class.result_digest == by_object.result_digest
    assert by_class.fills.height > 0
    assert by_class.equity.height == 744
    example = interlock.backtest("ma_cross", **SHORT)
    assert example.config["strategy"] == "MaCross"
    assert example.config["parameters"] == {"fast": 20, "slow": 100}


def test_data_may_be_a_selection_a_dataset_or_columns() -> None:
    dataset = interlock.synthetic.dataset(symbols=["BTCUSDT-PERP"], step="1h", days=31)
    by_dataset = interlock.backtest(Trend, dataset)
    by_text = interlock.backtest(Trend, **SHORT)
    assert by_dataset.result_digest == by_text.result_digest
    by_columns = interlock.backtest(Buyer, dataset.bars[0], taker_fee_bps=0)
    assert by_columns.costs["fees"] == by_columns.costs["funding"] == 0.0
    part = interlock.backtest(Trend, dataset, start="2025-01-10", end="2025-01-20")
    assert part.equity.height == 240
    with pytest.raises(NotFound, match="choose dates inside"):
        interlock.backtest(Trend, dataset, start="2026-01-10")


def test_options_are_those_of_a_run() -> None:
    free = interlock.backtest(Trend, **SHORT, taker_fee_bps=0, maker_fee_bps=0, cash=50_000)
    assert free.initial_equity == 50_000
    assert free.costs["fees"] == 0.0
    other = interlock.backtest(Trend, **SHORT, seed=4)
    assert other.data_digest != free.data_digest


def test_a_result_shows_itself_and_can_be_kept(home: Path) -> None:
    result = interlock.backtest(Trend, **SHORT, save=True)
    assert isinstance(result, interlock.BacktestResult)
    assert repr(result).startswith("<Trend: SYNTHETIC DATA, total_return ")
    assert "SYNTHETIC DATA" in result._repr_html_()
    assert "Sharpe ratio" in result._repr_html_()
    assert result.folder is not None
    assert result.folder.parent == home / "results"
    again = interlock.load_result(result.folder.name)
    assert again.result_digest == result.result_digest
    assert again.fills.equals(result.fills)
    assert result.report(home / "page.html").stat().st_size > 100_000


def test_a_run_from_python_repeats_from_its_run_file(home: Path) -> None:
    path = home / "mine.py"
    path.write_text(
        "from interlock import TargetStrategy\n\nclass Mine(TargetStrategy):\n"
        "    def features(self, bars):\n        return {'close': bars.close}\n\n"
        "    @staticmethod\n    def target(f, position):\n        return 0.5\n"
    )
    first = interlock.backtest(path, **SHORT, slippage="fixed", slippage_bps=2, save=True)
    assert first.folder is not None
    call = "from interlock.cli import main; main()"
    run = [sys.executable, "-c", call, "backtest", str(first.folder / "run.toml"), "--quiet"]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    again = load_result(Path(done.stdout.strip()))
    assert isinstance(again, RunResult)
    assert again.result_digest == first.result_digest


def test_data_from_python_cannot_be_repeated_from_a_file_and_says_so(home: Path) -> None:
    dataset = interlock.synthetic.dataset(symbols=["BTCUSDT-PERP"], step="1h", days=31)
    first = interlock.backtest("ma_cross", dataset, save=True)
    assert first.folder is not None
    call = "from interlock.cli import main; main()"
    run = [sys.executable, "-c", call, "backtest", str(first.folder / "run.toml")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "came from a Python program" in done.stderr


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(BacktestError, match="is no strategy; pass a class"):
        interlock.backtest(3)  # type: ignore[arg-type]
    with pytest.raises(BacktestError, match="option 'csh' is not known; there are: cash"):
        interlock.backtest(Trend, **SHORT, csh=3)
    with pytest.raises(BacktestError, match="pass the class Trend with parameters"):
        interlock.backtest(Trend(), **SHORT, parameters={"length": 3})
    with pytest.raises(ParameterError, match="did you mean length"):
        interlock.backtest(Trend, **SHORT, parameters={"lenth": 3})
    with pytest.raises(BacktestError, match="data is a ndarray; pass a selection"):
        interlock.backtest(Trend, np.zeros(3))  # type: ignore[arg-type]
