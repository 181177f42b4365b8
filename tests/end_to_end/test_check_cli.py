"""`interlock check` as a user types it: the examples pass, planted offenders exit with 1."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from interlock.cli import main

OFFENDER = """
import numpy as np
from interlock.strategy.api import TargetStrategy
from interlock.strategy.indicators import sma
from interlock.strategy.parameters import param


class Tomorrow(TargetStrategy):
    rows: int = param(1, 0, 10)

    def features(self, bars):
        honest = sma(bars.close, 20)
        ahead = np.concatenate([bars.close[self.rows:], bars.close[:self.rows]])
        return {"mean": honest, "edge": ahead - bars.close}

    @staticmethod
    def target(f, position):
        return 1.0 if f.edge > 0 else 0.0
"""
PEEKER = """
from interlock.strategy.api import Strategy


class Peeker(Strategy):
    def on_bar(self, bar):
        if bar.row + 1 < len(bar) and bar._close[bar.row + 1] > bar.close_units:
            self.target_exposure(0.5)
        else:
            self.target_exposure(0.0)
"""
UNDECLARED = """
from interlock.strategy.api import TargetStrategy
from interlock.strategy.indicators import ema


class Undeclared(TargetStrategy):
    def features(self, bars):
        return {"trend": ema(bars.close, 10) - ema(bars.close, 20)}

    @staticmethod
    def target(f, position):
        return 1.0 if f.trend > 0 else 0.0
"""
TIME = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERLOCK_HOME", str(tmp_path / "home"))
    return tmp_path


def check(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["check", *map(str, arguments)])


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_column_from_the_future_is_named_with_its_time(home: Path) -> None:
    path = written(home, "tomorrow.py", OFFENDER)
    result = check(path, "--rows", 1500)
    assert result.exit_code == 1, result.output
    assert re.search(rf"column edge, row \d+, {TIME}, tomorrow.py:\d+: the value", result.output)
    assert "It looks up to 1 row ahead: use shift with positive rows" in result.output
    assert "column mean" not in result.output
    assert "(SYNTHETIC)" in result.output
    assert result.output.rstrip().splitlines()[-1].startswith("CAUGHT")


def test_the_same_strategy_without_the_future_passes(home: Path) -> None:
    path = written(home, "tomorrow.py", OFFENDER)
    result = check(path, "-p", "rows=0", "--rows", 1500)
    assert result.exit_code == 0, result.output
    assert "CAUGHT" not in result.output
    assert "The strategy made no order on these data" in result.output


def test_an_event_strategy_that_peeks_is_stopped_at_its_line(home: Path) -> None:
    result = check(written(home, "peeker.py", PEEKER), "--rows", 600, "--json")
    assert result.exit_code == 1, result.output
    verdict = json.loads(result.stdout)
    (guard,) = [item for item in verdict["outcomes"] if item["test"] == "clock guard"]
    line = 1 + PEEKER.splitlines().index(
        "        if bar.row + 1 < len(bar) and bar._close[bar.row + 1] > bar.close_units:"
    )
    assert guard["findings"][0]["line"] == f"peeker.py:{line}"
    assert re.fullmatch(TIME, guard["findings"][0]["time"])
    assert verdict["caught"] is True


def test_warnings_fail_only_when_asked(home: Path) -> None:
    path = written(home, "undeclared.py", UNDECLARED)
    result = check(path, "--rows", 1500)
    assert result.exit_code == 0, result.output
    assert re.search(r"column trend, .*Set warmup = \d+", result.output)
    assert check(path, "--rows", 1500, "--strict").exit_code == 1


def test_a_file_can_be_the_data(home: Path) -> None:
    lines = ["open_time,open,high,low,close,volume"]
    for row in range(400):
        close = 42_000 + 300 * ((row // 60) % 2) + row % 7
        time = 1_704_067_200_000 + row * 60_000
        lines.append(f"{time},{close}.1,{close + 2}.0,{close - 2}.0,{close}.2,1000")
    data = written(home, "BTCUSDT-PERP-1m.csv", "\n".join(lines) + "\n")
    path = written(home, "tomorrow.py", OFFENDER)
    result = check(path, "--data", data, "--rows", 300)
    assert result.exit_code == 1, result.output
    assert "SYNTHETIC" not in result.output
    assert "2024-01-01T" in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no_such_file.py",), "there is no file"),
        (("ma_cross", "-p", "fast=0"), "parameter fast=0 is outside"),
        (("ma_cross", "--rows", "5"), "--rows"),
    ],
)
def test_a_wrong_command_line_is_refused(
    home: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = check(*arguments)
    assert result.exit_code in (1, 2)
    assert message in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("ma_cross", 2500),
        ("vol_trend", 2500),
        ("bracket_breakout", 2500),
        ("rotation", 2500),
        ("market_maker", 6000),
    ],
)
def test_the_examples_pass_without_a_warning(home: Path, name: str, rows: int) -> None:
    result = check(name, "--rows", rows, "--strict")
    assert result.exit_code == 0, result.output
    assert "made no order" not in result.output
    assert "No use of the future was found." in result.output
