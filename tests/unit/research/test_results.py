"""Result folders: round trip, completeness, listing, comparison, and the commands over them."""

import dataclasses
import json
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner
from polars.testing import assert_frame_equal

from interlock.cli.results import results as commands
from interlock.research import results
from interlock.research.result import BacktestResult
from tests.unit.research.demo_result import CONFIG, demo_result

WHEN = 1_767_268_800_000_000_000  # 2026-01-01 12:00 UTC
FRAMES = ("orders", "fills", "equity", "round_trips", "bars")


@pytest.fixture(scope="module")
def demo() -> BacktestResult:
    return demo_result(rows=2_000)


def other(demo: BacktestResult) -> BacktestResult:
    fills = demo.fills.with_columns(
        price_units=pl.when(pl.col("seq") == 5)
        .then(pl.col("price_units") + 1)
        .otherwise(pl.col("price_units"))
    )
    config = CONFIG | {"parameters": {"fast": 10, "slow": 100, "target_volatility": 0.3}}
    return dataclasses.replace(demo, fills=fills, config=config, result_digest="c" * 64)


def test_run_id_names_strategy_time_and_digest() -> None:
    got = results.run_id("my strategy/v1", when_ns=WHEN, result_digest="0123456789")
    assert got == "my-strategy-v1-20260101-120000-01234567"


def test_a_saved_result_loads_as_it_was(demo: BacktestResult, tmp_path: Path) -> None:
    folder = results.save(demo, tmp_path, when_ns=WHEN, run_toml="x = 1\n", page=False)
    got = results.load(folder, verify=True)
    for name in FRAMES:
        assert_frame_equal(getattr(got, name), getattr(demo, name))
    for name in set(demo.__dataclass_fields__) - set(FRAMES):
        assert getattr(got, name) == getattr(demo, name), name
    assert (folder / "run.toml").read_text(encoding="utf-8") == "x = 1\n"


def test_saving_the_same_run_again_keeps_the_folder(demo: BacktestResult, tmp_path: Path) -> None:
    folder = results.save(demo, tmp_path, when_ns=WHEN, page=False)
    before = (folder / "DONE").stat().st_mtime_ns
    assert results.save(demo, tmp_path, when_ns=WHEN, page=False) == folder
    assert (folder / "DONE").stat().st_mtime_ns == before


def test_an_interrupted_folder_is_listed_and_refused(demo: BacktestResult, tmp_path: Path) -> None:
    folder = results.save(demo, tmp_path, when_ns=WHEN, page=False)
    (folder / "DONE").unlink()
    [run] = results.list_runs(tmp_path)
    assert not run.complete
    with pytest.raises(results.ResultError, match="no DONE file"):
        results.load(folder)
    again = results.save(demo, tmp_path, when_ns=WHEN, page=False)
    assert results.list_runs(tmp_path)[0].complete
    assert again == folder


def test_a_changed_file_is_refused(demo: BacktestResult, tmp_path: Path) -> None:
    folder = results.save(demo, tmp_path, when_ns=WHEN, page=False)
    config = folder / "config.json"
    config.write_text(config.read_text(encoding="utf-8").replace("20", "21", 1), encoding="utf-8")
    results.load(folder)
    with pytest.raises(results.ResultError, match="was changed"):
        results.load(folder, verify=True)
    (folder / "fills.parquet").write_bytes(b"")
    with pytest.raises(results.ResultError, match="fills.parquet was changed"):
        results.load(folder)


def test_a_folder_that_cannot_be_written_is_named(demo: BacktestResult, tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.write_text("not a folder", encoding="utf-8")
    with pytest.raises(results.ResultError, match="cannot write the result folder .*file"):
        results.save(demo, root, when_ns=WHEN, page=False)


def test_a_value_that_json_cannot_hold_leaves_no_folder(
    demo: BacktestResult, tmp_path: Path
) -> None:
    broken = demo_result(rows=200, costs={"fees": float("nan")})
    with pytest.raises(results.ResultError, match="cannot write"):
        results.save(broken, tmp_path, when_ns=WHEN, page=False)
    assert results.list_runs(tmp_path) == []


def test_runs_are_found_by_any_unique_part_of_their_ends(
    demo: BacktestResult, tmp_path: Path
) -> None:
    first = results.save(demo, tmp_path, when_ns=WHEN, page=False)
    second = results.save(other(demo), tmp_path, when_ns=WHEN, page=False)
    assert results.find(tmp_path, first.name) == first
    assert results.find(tmp_path, "cccccccc") == second
    assert results.find(tmp_path, str(first)) == first
    with pytest.raises(results.ResultError, match="2 runs match"):
        results.find(tmp_path, "volatility")
    with pytest.raises(results.ResultError, match="no run 'nothing'"):
        results.find(tmp_path, "nothing")


def test_comparison_names_settings_and_the_first_differing_fill(
    demo: BacktestResult, tmp_path: Path
) -> None:
    first = results.save(demo, tmp_path, when_ns=WHEN, page=False)
    second = results.save(other(demo), tmp_path, when_ns=WHEN, page=False)
    got = results.compare(first, second)
    assert got.settings == [("parameters.fast", "20", "10")]
    assert got.fill is not None
    assert got.fill.index == 5
    assert got.same_data
    assert not got.same_result
    assert results.compare(first, first).fill is None


def test_a_run_with_more_fills_differs_after_the_shared_ones(demo: BacktestResult) -> None:
    got = results.first_fill_difference(demo.fills, demo.fills.head(7))
    assert got is not None
    assert (got.index, got.second) == (7, None)
    assert results.first_fill_difference(demo.fills.head(0), demo.fills.head(0)) is None


def test_commands_list_compare_and_open(demo: BacktestResult, tmp_path: Path) -> None:
    runner, root = CliRunner(), ["--results", str(tmp_path)]
    empty = runner.invoke(commands, ["list", *root])
    assert "No results in" in empty.output
    missing = runner.invoke(commands, ["open", *root])
    assert missing.exit_code == 1
    assert "no complete result" in missing.output
    first = results.save(demo, tmp_path, when_ns=WHEN)
    second = results.save(other(demo), tmp_path, when_ns=WHEN + 10**9, page=False)
    listed = runner.invoke(commands, ["list", *root])
    assert listed.exit_code == 0
    assert listed.output.index(second.name) < listed.output.index(first.name)
    assert "SYNTHETIC" in listed.output
    lines = runner.invoke(commands, ["list", "--json", *root]).output.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [second.name, first.name]
    compared = runner.invoke(commands, ["compare", first.name, "cccccccc", *root])
    assert compared.exit_code == 0
    assert "Setting parameters.fast: 20 | 10" in compared.output
    assert "First differing fill: number 6" in compared.output
    opened = runner.invoke(commands, ["open", first.name, "--path", *root])
    assert opened.output.strip() == str(first / "report.html")
    without = runner.invoke(commands, ["open", second.name, "--path", *root])
    assert without.exit_code == 1
    assert "has no report.html" in without.output


def test_runs_of_one_minute_are_listed_newest_first(demo: BacktestResult, tmp_path: Path) -> None:
    made = []
    for number, (name, digest) in enumerate((("zeta", "f"), ("alpha", "0"), ("mid", "8"))):
        one = dataclasses.replace(
            demo, config=CONFIG | {"strategy": name}, result_digest=digest * 64
        )
        when = WHEN + number * 400_000_000
        made.append(results.save(one, tmp_path, when_ns=when, page=False).name)
    assert [run.id for run in results.list_runs(tmp_path)] == made[::-1]


def test_a_run_of_an_older_version_is_placed_by_its_id(
    demo: BacktestResult, tmp_path: Path
) -> None:
    older = results.save(demo, tmp_path, when_ns=WHEN + 10**9, page=False) / "metrics.json"
    content = json.loads(older.read_text(encoding="utf-8"))
    del content["summary"]["ran_ns"]
    older.write_text(json.dumps(content), encoding="utf-8")
    one = dataclasses.replace(demo, config=CONFIG | {"strategy": "zeta"})
    first = results.save(one, tmp_path, when_ns=WHEN, page=False)
    assert [run.path for run in results.list_runs(tmp_path)] == [older.parent, first]
