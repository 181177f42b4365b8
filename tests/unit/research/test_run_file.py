"""The run file: what is written is read back, and what cannot be meant is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from interlock.research.options import BacktestError, RunOptions
from interlock.research.run_file import (
    RunFileError,
    RunSpec,
    read_options,
    read_run_file,
    write_run_file,
)


def spec(folder: Path) -> RunSpec:
    return RunSpec(
        strategy=f"{folder / 'mine.py'}:Mine",
        parameters={"fast": 20, "scale": 1e-7, "flip": True, "name": 'a "quoted" \\ \n name'},
        data=("BTCUSDT-PERP.BINANCE:1m", "synthetic:crypto-ticks", str(folder / "bars.csv")),
        seed=7,
        start="2024-01-01",
        end="2024-02-01T12:00:00Z",
        options=RunOptions(cash=5_000.5, volume_cap_pct=None, maker_fee_bps=-0.5),
        source_sha256="ab" * 32,
        data_digest="cd" * 32,
        result_digest="ef" * 32,
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    wanted = spec(tmp_path)
    folder = tmp_path / "results" / "run"
    folder.mkdir(parents=True)
    text = write_run_file(wanted, folder=folder, version="1.0")
    assert str(tmp_path) not in text, "files of the project are named from the run file"
    (folder / "run.toml").write_text(text, encoding="utf-8")
    assert read_run_file(folder / "run.toml") == wanted


def test_a_project_may_be_moved(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "results" / "run").mkdir(parents=True)
    text = write_run_file(spec(old), folder=old / "results" / "run", version="1.0")
    (old / "results" / "run" / "run.toml").write_text(text, encoding="utf-8")
    old.rename(new)
    got = read_run_file(new / "results" / "run" / "run.toml")
    assert got.strategy == f"{new / 'mine.py'}:Mine"


def test_a_file_elsewhere_keeps_its_whole_path(tmp_path: Path) -> None:
    text = write_run_file(spec(Path("/elsewhere")), folder=tmp_path / "r" / "x", version="1.0")
    assert tomllib.loads(text)["strategy"]["reference"] == "/elsewhere/mine.py:Mine"


def test_a_short_file_by_hand_is_enough(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text(
        '[strategy]\nreference = "ma_cross"\n[data]\nfrom = 2025-01-01\n[options]\ncash = 5000\n'
    )
    got = read_run_file(path)
    assert (got.strategy, got.start, got.options.cash) == ("ma_cross", "2025-01-01", 5000.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "is not TOML.*correct that line"),
        ("", r'\[strategy\] needs reference = "path/to/file.py"'),
        ('strategy = "a"', r"write \[strategy\] on its own line"),
        ('[strategi]\nreference = "a"', "'strategi' is not known; the sections are strategy,"),
        ('[strategy]\nreference = "a"\nfile = "b"', "'file' is not known; there are: reference"),
        ('[strategy]\nreference = "a"\n[data]\nseed = "1"', "seed='1' must be a whole number"),
        ('[strategy]\nreference = "a"\n[data]\nselections = "x"', r"must be a list such as"),
        ('[strategy]\nreference = "a"\n[data]\nfrom = 3', "from=3 must be text in quotes"),
        ('[strategy]\nreference = "a"\n[options]\ncsh = 3', "'csh' is not known; there are: cash"),
        ('[strategy]\nreference = "a"\n[options]\ncash = "x"', "cash"),
        ('format = 9\n[strategy]\nreference = "a"', "format 9; this version reads 1"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises((RunFileError, BacktestError), match=message) as caught:
        read_run_file(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_says_where_run_files_are(tmp_path: Path) -> None:
    with pytest.raises(RunFileError, match="every result folder holds a run.toml"):
        read_run_file(tmp_path / "run.toml")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fill": "never"}, "fill='never' must be one of next_open, same_close"),
        ({"slippage_bps": 0.001}, "slippage_bps=0.001 is finer than 0.01 basis points"),
        ({"leverage": "two"}, "leverage='two' is not a number$"),
        ({"volume_cap_pct": "none"}, "volume_cap_pct='none' is not a number or off$"),
        ({"open_orders_max": 1.5}, "open_orders_max=1.5 is not a whole number or off$"),
        ({"touch_fills": "maybe"}, "touch_fills='maybe' is not true or false$"),
        ({"slippage": "none", "slippage_bps": 5}, "slippage='none' contradicts slippage_bps=5"),
        ({"slippage": "square_root"}, "slippage='square_root' needs its size"),
        ({"queue": "best"}, "queue='best'.*use risk_averse, proportional"),
        ({"cash": -1}, "cash=-1.0 must be at least"),
    ],
)
def test_options_out_of_range_are_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(BacktestError, match=message):
        read_options(values)


def test_options_may_be_given_as_text() -> None:
    got = read_options({"volume_cap_pct": "off", "touch_fills": "true", "cash": "5000"})
    assert (got.volume_cap_pct, got.touch_fills, got.cash) == (None, True, 5000.0)


def test_one_half_of_the_slippage_replaces_both() -> None:
    none, impact = RunOptions(), RunOptions(slippage="square_root", slippage_bps=10)
    found = [
        read_options({"slippage_bps": 5}, start=none),
        read_options({"slippage_bps": 5}, start=impact),
        read_options({"slippage": "none"}, start=impact),
    ]
    pairs = [(item.slippage, item.slippage_bps) for item in found]
    assert pairs == [("fixed", 5.0), ("square_root", 5.0), ("none", 0.0)]
