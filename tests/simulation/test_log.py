"""The log of sweeps: what is written is read, and only sweeps of the present order path count."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from interlock.simulation.log import (
    append,
    commit_of,
    line_of,
    rarest,
    read,
    since_change,
    table,
)
from interlock.simulation.sweep import Summary
from interlock.world.kinds import KINDS
from interlock.world.marks import MARKS

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def _summary(first: int, clean: int) -> Summary:
    return Summary(
        first=first, minutes=30, seeds=10, clean=clean, simulated_ns=5 * 3_600 * 10**9, cpu_s=4.0
    )


def _git(folder: Path, *words: str) -> None:
    name = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True)


def test_a_line_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [line_of(_summary(n, 9), commit="abc", date="2026-01-01 00:00 UTC") for n in (1, 11)]
    for line in lines:
        append(path, line)
    assert read(path) == lines
    lines += [
        line_of(_summary(n, 10), commit=commit, date="") for n, commit in ((31, "abc"), (1, "d"))
    ]
    told = table(lines).splitlines()[2:]
    assert "| abc | 1 to 20, 31 to 40 | 30 | 28 of 30 | 15 | 0 | 4,500 |" in told[0]
    assert "| d | 1 to 10 | 30 | 10 of 10 | 5 | 0 | 4,500 |" in told[1]


def test_a_line_tells_its_venue_and_an_older_one_is_of_binance(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    other = Summary(first=1, minutes=30, venue="hyperliquid", seeds=10, clean=10)
    append(path, line_of(_summary(1, 10), commit="abc", date=""))
    older = path.read_bytes().replace(b'"venue":"binance",', b"")
    assert older != path.read_bytes()
    path.write_bytes(older)
    append(path, line_of(other, commit="abc", date=""))
    lines = read(path)
    assert [line.venue for line in lines] == ["binance", "hyperliquid"]
    told = table(lines).splitlines()[2:]
    assert "| abc | 1 to 10 | 30 |" in told[0]
    assert "| abc | 1 to 10 on hyperliquid | 30 |" in told[1]


def test_the_log_adds_up_what_mattered_and_names_the_rarest() -> None:
    often = _summary(1, 10)
    often.mattered.update(dict.fromkeys((kind.name for kind in KINDS), 60))
    often.marks.update(dict.fromkeys(MARKS, 70))
    other = _summary(11, 10)
    other.mattered.update({kind.name: 50 for kind in KINDS[1:]})
    other.marks.update({mark: 50 for mark in MARKS if mark != "lease lost"})
    lines = [
        line_of(item, commit="", date="")
        for item in (often, other, Summary(first=1, minutes=30, seeds=99))
    ]
    assert rarest(lines, 3) == (20, [(KINDS[0].name, 60), ("lease lost", 70), (KINDS[1].name, 110)])


@needs_git
def test_a_change_of_the_order_path_begins_the_count_anew(tmp_path: Path) -> None:
    kernel, below = tmp_path / "src/interlock/kernel", tmp_path / "src/interlock/cli"
    kernel.mkdir(parents=True)
    below.mkdir()
    (kernel / "engine.py").write_text("one")
    _git(tmp_path, "init", "-q")
    _git(tmp_path, "add", ".")
    _git(tmp_path, "commit", "-q", "-m", "one")
    first = commit_of(below)
    lines = [line_of(_summary(1, 9), commit=first, date="")]
    (tmp_path / "README").write_text("words")
    assert commit_of(below) == first
    assert since_change(below, lines) == 9
    (kernel / "engine.py").write_text("two")
    assert commit_of(below) == f"{first}+"
    assert since_change(below, lines) == 0
    _git(tmp_path, "commit", "-qam", "two")
    lines.append(line_of(_summary(11, 10), commit=commit_of(below), date=""))
    assert since_change(below, lines) == 10


@needs_git
def test_outside_of_a_checkout_there_is_no_commit(tmp_path: Path) -> None:
    assert commit_of(tmp_path) == ""
