"""Failures become one message and an exit code; a strategy that raises shows its own lines."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from interlock.cli.errors import INTERRUPTED, Refusals, StrategyFailures, known_refusals
from interlock.research.loading import LoadingError, load_strategy
from interlock.research.options import BacktestError


def test_a_refusal_keeps_its_message() -> None:
    with pytest.raises(click.ClickException, match="cash=0 must be at least"), Refusals():
        raise BacktestError("cash=0 must be at least 1")


def test_a_full_disk_names_the_file_and_the_remedy() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/data/fills.parquet")
    with (
        pytest.raises(click.ClickException, match="fills.parquet cannot.*No space.*another disk"),
        Refusals(),
    ):
        raise error


def test_an_interrupt_exits_130(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(click.exceptions.Exit) as caught, Refusals():
        raise KeyboardInterrupt
    assert caught.value.exit_code == INTERRUPTED
    assert "interrupted" in capsys.readouterr().err


def test_a_fault_of_ours_is_not_dressed_up() -> None:
    with pytest.raises(ZeroDivisionError), Refusals(), StrategyFailures():
        raise ZeroDivisionError


def test_every_named_refusal_exists() -> None:
    code = (
        "import sys, importlib\n"
        "from interlock.cli import errors\n"
        "for name in errors._REFUSALS: importlib.import_module(name.partition(':')[0])\n"
        "assert len(errors.known_refusals()) == len(errors._REFUSALS)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert LoadingError in known_refusals()


@pytest.fixture
def failing(tmp_path: Path) -> Callable[..., None]:
    """Loads a user's file that raises inside the context."""

    def run(body: str, **settings: bool) -> None:
        path = tmp_path / "mine.py"
        path.write_text(f"{body}\nfrom interlock import Strategy\nclass Mine(Strategy): pass\n")
        context = StrategyFailures(
            path=path,
            parameters={"fast": 3},
            pdb=settings.get("pdb", False),
            everything=settings.get("everything", False),
        )
        with pytest.raises(click.exceptions.Exit) as caught, context:
            load_strategy(str(path))
        assert caught.value.exit_code == 1

    return run


ACT = "import json\n\ndef act():\n    inner = 41\n    json.loads('{')\n\nact()\n"


def test_only_the_lines_of_the_user_are_shown(
    failing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ACT)
    shown = capsys.readouterr().err
    assert "the strategy raised JSONDecodeError in mine.py, line 5" in shown
    assert "json.loads('{')" in shown
    assert "decoder.py" not in shown
    assert "with fast=3" in shown
    assert "--pdb" in shown


def test_everything_is_shown_on_request(
    failing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing(ACT, everything=True)
    assert "decoder.py" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_shows_the_place(
    failing: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    failing("class Mine(:")
    shown = capsys.readouterr().err
    assert "cannot be read (SyntaxError)" in shown
    assert 'mine.py", line 1' in shown
    assert "--pdb" not in shown


def test_the_debugger_opens_at_the_frame_of_the_user(
    failing: Callable[..., None],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    typed = tmp_path / "typed"
    typed.write_text("p inner + 1\nq\n")
    with typed.open() as keys:
        monkeypatch.setattr("sys.stdin", keys)
        failing(ACT, pdb=True)
    shown = capsys.readouterr().out
    assert "mine.py(5)act()" in shown
    assert "42" in shown
