"""Sweeps: every trial recorded, repeatable, resumable, and the best confirmed by the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from interlock.research.options import RunOptions
from interlock.research.sweep import SweepError, load_sweep, parse_grid, sweep
from interlock.research.sweep.folder import DONE, JOURNAL
from interlock.strategy.parameters import ParameterError
from tests.unit.research.strategies_to_sweep import (
    BuysOnce,
    Cross,
    Divides,
    Powers,
    Raises,
    market,
)

GRID: dict[str, Any] = {"fast": [3, 5, 8], "slow": [20, 40]}


def test_a_grid_records_every_trial_and_confirms_the_best() -> None:
    found = sweep(Cross, market(), GRID, jobs=2, top=2)
    assert found.trials["fast"].to_list() == [3, 3, 5, 5, 8, 8]
    assert found.trials["state"].unique().to_list() == ["completed"]
    assert found.trials["path"].unique().to_list() == ["compiled"]
    assert found.search["trials"] == 6
    assert all(item.agrees for item in found.top)
    assert found.best.metrics["sharpe"] == pytest.approx(found.trials["sharpe"].max())
    assert found.best.metrics["trials"] == 6
    assert found.best.metrics["deflated_sharpe"] is not None
    assert found.best.result is not None
    table = found.heatmap()
    assert table.columns == ["fast", "20", "40"] and table.height == 3


def test_compiled_metrics_are_the_kernels() -> None:
    compiled = sweep(Cross, market(), {"fast": [5]}).trials
    kernel = sweep(
        Cross, market(), {"fast": [5]}, options=RunOptions(order_notional_max=1e9)
    ).trials
    assert kernel["path"].to_list() == ["kernel"]
    for name in ("sharpe", "sortino", "calmar", "total_return", "cagr", "max_drawdown",
                 "annual_volatility", "final_equity", "fees", "fills"):  # fmt: skip
        assert compiled[name][0] == pytest.approx(kernel[name][0], rel=1e-9), name


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_sampled_sweep_repeats_for_any_number_of_jobs(sampler: str) -> None:
    settings: dict[str, Any] = {"sampler": sampler, "trials": 24, "seed": 3}
    one = sweep(Cross, market(600), jobs=1, **settings).trials
    two = sweep(Cross, market(600), jobs=2, **settings).trials
    assert one.equals(two)
    assert not one.equals(sweep(Cross, market(600), jobs=1, **{**settings, "seed": 4}).trials)


@pytest.mark.parametrize("settings", [{}, {"sampler": "tpe", "trials": 25}])
def test_an_interrupted_sweep_resumes_to_the_same_table(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    grid = GRID if not settings else {}
    whole = sweep(Cross, market(600), grid, folder=tmp_path / "whole", **settings)
    lines = (tmp_path / "whole" / JOURNAL).read_bytes().splitlines(keepends=True)
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / JOURNAL).write_bytes(b"".join(lines[:3]) + lines[3][:20])
    with pytest.raises(SweepError, match="no complete sweep"):
        load_sweep(tmp_path / "cut")
    seen: list[int] = []
    again = sweep(
        Cross, market(600), grid, folder=tmp_path / "cut",
        progress=lambda done, total: seen.append(done), **settings,
    )  # fmt: skip
    assert seen[0] == 3
    assert again.trials.equals(whole.trials)
    stored = pl.read_parquet(tmp_path / "cut" / "trials.parquet")
    assert stored.equals(whole.trials)
    loaded = load_sweep(tmp_path / "cut")
    assert loaded.trials.equals(whole.trials)
    assert loaded.best == again.best
    assert (tmp_path / "cut" / DONE).exists()
    assert "<html" in (tmp_path / "cut" / "report.html").read_text()


def test_a_folder_of_another_sweep_is_refused(tmp_path: Path) -> None:
    sweep(Cross, market(100), {"fast": [3]}, folder=tmp_path / "one")
    with pytest.raises(SweepError, match="another sweep"):
        sweep(Cross, market(100), {"fast": [4]}, folder=tmp_path / "one")


def test_a_strategy_that_raises_makes_failed_trials_with_its_line() -> None:
    found = sweep(Raises, market(100), GRID)
    failed = found.trials.filter(state="failed")
    assert failed["fast"].to_list() == [8, 8]
    assert "fast is too large" in failed["reason"][0]
    assert "strategies_to_sweep.py" in failed["reason"][0]


@pytest.mark.filterwarnings("ignore:.*divide.*")
def test_all_failed_is_an_error() -> None:
    with pytest.raises(SweepError, match="all 1 trials failed.*ZeroDivisionError"):
        sweep(Divides, market(100), {"fast": [3]})


def test_a_target_that_is_not_compiled_runs_in_the_kernel_and_says_why() -> None:
    found = sweep(Powers, market(400), {"fast": [3, 5]}, jobs=1)
    assert found.trials["path"].to_list() == ["kernel", "kernel"]
    assert "**" in found.config["kernel_reason"]
    assert found.best.agrees


def test_callbacks_run_in_processes() -> None:
    found = sweep(BuysOnce, market(400), {"wait": [2, 5, 9]}, jobs=2)
    assert found.trials["path"].to_list() == ["kernel"] * 3
    assert found.trials["fills"].to_list() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("grid", "settings", "error", "text"),
    [
        ({}, {}, SweepError, "grid is empty"),
        ({"fast": []}, {}, SweepError, "empty"),
        ({"fsat": [1]}, {}, ParameterError, "no parameter 'fsat'"),
        ({"fast": [99]}, {}, ParameterError, "outside"),
        (GRID, {"metric": "luck"}, SweepError, "not one of"),
        (GRID, {"trails": 3}, SweepError, "trails"),
        (GRID, {"sampler": "guess"}, SweepError, "sampler 'guess'"),
        (GRID, {"jobs": -1}, SweepError, "jobs"),
        (GRID, {"cluster": "spark://here:1"}, SweepError, "dask://"),
        (GRID, {"cluster": "dask://here:1"}, SweepError, "interlock.dask"),
    ],
)
def test_what_cannot_be_swept(
    grid: dict[str, Any], settings: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        sweep(Cross, market(50), grid, **settings)


def test_grids_from_text() -> None:
    assert parse_grid(Cross, ["fast=5:9:2", "size=0.1:0.5:0.1", "slow=20,40"]) == {
        "fast": [5, 7, 9],
        "size": [0.1, 0.2, 0.3, 0.4, 0.5],
        "slow": [20, 40],
    }
    for text in ("fast", "fast=", "fast=9:5:1", "fast=1:2:3:4", "fast=5:9:0"):
        with pytest.raises(SweepError):
            parse_grid(Cross, [text])
