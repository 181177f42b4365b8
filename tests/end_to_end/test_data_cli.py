"""`interlock data` as a user types it: import, list, describe, check, remove."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from interlock.cli.data import data
from interlock.research.catalog import instant

ID = "BTCUSDT-PERP.BINANCE"
START = instant("2024-01-01") // 10**6


def csv(path: Path, rows: int = 120, **replaced: str) -> Path:
    """A Binance kline file; ``row12="..."`` replaces the data row 12 (from 0)."""
    lines = ["open_time,open,high,low,close,volume"]
    lines += [f"{START + row * 60_000},42000.1,42000.2,42000.0,42000.1,1.5" for row in range(rows)]
    for name, text in replaced.items():
        lines[int(name.removeprefix("row")) + 1] = text
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(data, [str(item) for item in arguments])


def load(path: Path, *more: str) -> Result:
    return run("import", path, "--instrument", ID, "--tick", "0.1", "--lot", "0.001", *more)


def test_a_newcomer_imports_lists_describes_and_checks(home: Path, tmp_path: Path) -> None:
    imported = load(csv(tmp_path / "BTCUSDT-1m-2024-01.csv"))
    assert imported.exit_code == 0, imported.output
    assert "120 rows from 1 file(s)" in imported.output
    assert "fees: maker 2 bps, taker 5 bps" in imported.output
    assert len(list((home / "catalog" / ID).glob("bars-1m.*.parquet"))) == 1
    listed = run("list")
    assert ID in listed.output
    assert "bars-1m" in listed.output
    described = json.loads(run("describe", ID, "--json").output)
    assert described["instrument"]["lot"] == 1
    assert described["entries"][0]["rows"] == 120
    shown = " ".join(run("describe", ID).output.replace("\u2502", " ").split())
    for words in ("tick 0.1 USDT", "lot 0.001 BTC", "maker fee", " bps", "funding every 8 h"):
        assert words in shown
    checked = run("check", ID)
    assert checked.exit_code == 0, checked.output
    assert "no findings" in checked.output


def test_an_empty_catalog_says_what_to_do(home: Path) -> None:
    listed = run("list")
    assert listed.exit_code == 0
    assert "interlock data import" in listed.output
    checked = run("check")
    assert checked.exit_code == 1
    assert "interlock data import" in checked.stderr


def test_a_check_names_the_row_and_fails(home: Path, tmp_path: Path) -> None:
    wrong = f"{START + 12 * 60_000},42000.1,42000.0,42000.0,42000.1,1.5"
    load(csv(tmp_path / "a-1m-.csv", row12=wrong))
    checked = run("check", ID, "bars-1m")
    assert checked.exit_code == 1
    assert "ohlc_contradiction" in checked.output
    assert "row 12 2024-01-01T00:12:00Z" in checked.output
    printed = run("check", ID, "--json")
    assert printed.exit_code == 1
    finding = json.loads(printed.stdout)[f"{ID}:bars-1m"][0]
    assert (finding["code"], finding["rows"][0]["row"]) == ("ohlc_contradiction", 12)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_an_import_whose_check_finds_errors_fails_and_counts_them(
    home: Path, tmp_path: Path, more: tuple[str, ...]
) -> None:
    wrong = {f"row{at}": f"{START + at * 60_000},42000.1,42000.0,42000.0,42000.1,1.5"
             for at in (12, 40, 41)}  # fmt: skip
    imported = load(csv(tmp_path / "a-1m-.csv", **wrong), *more)
    assert imported.exit_code == 1
    assert "ohlc_contradiction 3" in imported.stderr
    assert f"interlock data remove {ID} bars-1m" in imported.stderr
    if more:
        findings = json.loads(imported.stdout)["findings"]
        assert [(item["code"], item["count"]) for item in findings] == [("ohlc_contradiction", 3)]
    # What the message promises: the rows are there, and the corrected file takes their place.
    assert json.loads(run("describe", ID, "--json").output)["entries"][0]["rows"] == 120
    assert load(csv(tmp_path / "b-1m-.csv"), "--replace").exit_code == 0
    assert run("check", ID).exit_code == 0


def test_warnings_fail_only_a_strict_check(home: Path, tmp_path: Path) -> None:
    path = csv(tmp_path / "a-1m-.csv")
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:13] + lines[15:]) + "\n")
    assert load(path).exit_code == 0
    checked = run("check")
    assert checked.exit_code == 0
    assert "2 bars in 1 holes" in checked.output
    assert run("check", "--strict").exit_code == 1


def test_a_damaged_file_fails_the_check(home: Path, tmp_path: Path) -> None:
    load(csv(tmp_path / "a-1m-.csv"))
    [path] = (home / "catalog" / ID).glob("*.parquet")
    path.write_bytes(path.read_bytes()[:-10])
    checked = run("check")
    assert checked.exit_code == 1
    assert "corrupt" in checked.output
    path.with_name("bars-1m.json").unlink()
    listed = run("list")
    assert listed.exit_code == 0
    assert "not trusted" in listed.stderr


@pytest.mark.parametrize(
    ("row", "more", "words"),
    [
        ("x,1,1,1,1,1", (), "time x in data row 6 is not a number"),
        (f"{START + 300_000},NaN,1,1,1,1", (), "open NaN in data row 6"),
        (f"{START + 300_000},1,1,1,1,1", ("--columns", "open=Open"), "no column 'Open'"),
        (f"{START + 300_000},1,1,1,1,1", ("--timezone", "Mars/Base"), "Mars/Base"),
        (f"{START + 300_000},1,1,1,1,1", ("--price-exponent", "x"), "--price-exponent"),
        (f"{START + 300_000},1,1,1,1,1", ("--columns", "open"), "FIELD=COLUMN"),
        (f"{START + 300_000},1,1,1,1,1", ("--merge", "--replace"), "exclude each other"),
    ],
)
def test_bad_input_is_one_message_and_a_non_zero_exit(
    home: Path, tmp_path: Path, row: str, more: tuple[str, ...], words: str
) -> None:
    result = load(csv(tmp_path / "a-1m-.csv", row5=row), *more)
    assert result.exit_code != 0
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert not list(home.rglob("*.parquet"))


def test_an_instrument_without_a_tick_is_one_message(home: Path, tmp_path: Path) -> None:
    path = csv(tmp_path / "a-1m-.csv")
    result = run("import", path, "--instrument", "XYZUSDT.KRAKEN", "--lot", "1")
    assert result.exit_code == 1
    assert "--tick 0.1 (or --tick auto" in result.stderr


def test_import_prints_json_for_programs(home: Path, tmp_path: Path) -> None:
    printed = json.loads(load(csv(tmp_path / "a-1m-.csv"), "--json").stdout)
    assert printed["rows"] == 120
    assert len(printed["entry"]["digest"]) == 64


def test_another_folder_can_hold_the_catalog(home: Path, tmp_path: Path) -> None:
    load(csv(tmp_path / "a-1m-.csv"), "--catalog", str(tmp_path / "elsewhere"))
    assert (tmp_path / "elsewhere" / ID).is_dir()
    assert not home.exists()


def test_remove_asks_before_it_deletes_an_instrument(home: Path, tmp_path: Path) -> None:
    load(csv(tmp_path / "a-1m-.csv"))
    assert run("remove", ID).exit_code == 1
    assert run("remove", ID, "bars-5m").exit_code == 1
    assert run("remove", ID, "bars-1m").exit_code == 0
    assert run("remove", ID, "--yes").exit_code == 0
    assert run("describe", ID).exit_code == 1


def test_a_home_that_is_a_file_is_one_message(home: Path) -> None:
    home.write_text("")
    result = run("list")
    assert result.exit_code == 1
    assert "INTERLOCK_HOME" in result.stderr


def test_every_command_has_a_help_text() -> None:
    assert isinstance(data, click.Group)
    for name in data.commands:
        result = run(name, "--help")
        assert result.exit_code == 0
        assert "Usage" in result.output
