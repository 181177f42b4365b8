"""`interlock top` and `interlock control` against a real engine on the local exchange."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

INTERLOCK = str(Path(sys.executable).parent / "interlock")


Done = subprocess.CompletedProcess[str]


def interlock(*words: str) -> Done:
    """One command, as a shell runs it."""
    return subprocess.run([INTERLOCK, *words], capture_output=True, text=True, check=False)


class Engine:
    """A process that trades in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.end_to_end.local_engine", str(folder)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )

    def says(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word

    def ask(self, *words: str) -> Done:
        return interlock(*words, "--state", str(self.folder))

    def control(self, verb: str, *words: str, code: int = 0) -> dict[str, object]:
        done = self.ask("control", verb, "--reason", "a drill", "--json", *words)
        assert done.returncode == code, done.stderr
        said: dict[str, object] = json.loads(done.stdout)
        return said

    def status(self) -> dict[str, object]:
        done = self.ask("top", "--once", "--json")
        assert done.returncode == 0, done.stderr
        said: dict[str, object] = json.loads(done.stdout)
        return said


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setenv("INTERLOCK_ACTOR", "alice")
    # A socket's path is short, and pytest's folders are long.
    with tempfile.TemporaryDirectory(prefix="il-") as folder:
        made = Engine(Path(folder) / "run")
        try:
            made.says("ready")
            # Its doors are open; the first look at the account takes a few more questions.
            assert any(made.status()["is_trading"] for _ in range(50))
            yield made
        finally:
            made.process.kill()
            made.process.communicate()


@pytest.mark.capability("S3-224", "S4-101", "S4-103", "S4-105")
def test_verbs_from_weak_to_strong_end_flat(engine: Engine) -> None:
    assert engine.control("reconcile", "--wait")["is_done"]
    assert engine.control("pause")["status"]["state"] == "paused"  # type: ignore[index]
    halted = engine.control("halt", "--wait")["status"]
    assert halted["state"] == "halted"  # type: ignore[index]
    assert not halted["orders"]  # type: ignore[index]
    refused = engine.control("pause", code=1)
    assert refused["text"] == "halted is stronger than pause and stays"
    assert engine.control("resume")["status"]["state"] == "trading"  # type: ignore[index]
    one = engine.control("pause", "--scope", "BTCUSDT-PERP")
    assert one["scope"] == "BTCUSDT-PERP.BINANCE"
    assert one["status"]["positions"][0]["is_paused"]  # type: ignore[index]
    wrong = engine.ask("control", "emergency-stop", "--reason", "x", "--account", "other")
    assert wrong.returncode == 2
    assert "this engine trades 'main', not 'other'; nothing was sent" in wrong.stderr
    flat = engine.control("emergency-stop", "--account", "main")
    assert flat["is_done"]
    assert flat["status"]["state"] == "flat"  # type: ignore[index]
    assert not any(
        float(line["quantity"])
        for line in flat["status"]["positions"]  # type: ignore[index]
    )
    assert engine.control("resume")["status"]["state"] == "halted"  # type: ignore[index]
    assert engine.control("shutdown", "--wait")["is_done"]
    engine.says("ended")
    asked = "SELECT * FROM audit WHERE actor = 'alice'"
    ledger = engine.folder / "ledger.sqlite"
    told = interlock("ledger", "query", asked, "--ledger", str(ledger))
    assert told.returncode == 0, told.stderr
    assert "a drill" in told.stdout


@pytest.mark.capability("S2-053")
def test_top_shows_the_engine_and_says_when_there_is_none(engine: Engine) -> None:
    status = engine.status()
    assert status["account"] == "main"
    assert status["is_trading"]
    shown = engine.ask("top", "--once")
    assert "TRADING" in shown.stdout
    assert "BTCUSDT-PERP" in shown.stdout
    engine.control("shutdown", "--wait")
    engine.says("ended")
    for words in (("top", "--once"), ("control", "pause", "--reason", "x")):
        gone = engine.ask(*words)
        assert gone.returncode == 3
        assert "start one with `interlock live`" in gone.stderr


def test_control_says_before_and_after_what_happens_to_orders_and_positions(
    engine: Engine,
) -> None:
    done = engine.ask("control", "halt", "--reason", "a drill", "--wait")
    assert done.returncode == 0, done.stderr
    assert "by alice: a drill" in done.stdout
    for words in (
        "entries          canceled",
        "positions        stay",
        "Before: trading",
        "After:",
    ):
        assert words in done.stdout
    silent = engine.ask("control", "pause")
    assert silent.returncode == 2
    assert "--reason TEXT" in silent.stderr


@pytest.mark.capability("S2-053")
def test_a_person_at_a_terminal_halts_with_keys_and_leaves(engine: Engine) -> None:
    person = Person(["top", "--state", str(engine.folder)])
    person.sees("TRADING")
    person.types("h")
    person.sees("reason:")
    person.types("fat finger\r")
    person.sees("HALTED: fat finger")
    person.types("e")
    person.sees("type main to go on")
    person.types("\x1b")
    person.sees("taken back, nothing was sent")
    engine.control("shutdown", "--wait")
    person.sees("ENGINE GONE")
    person.types("q")
    assert person.leaves() == 0
    assert engine.process.wait(10) == 0


class Person:
    """Someone at a terminal of 80 by 24 without color."""

    def __init__(self, words: list[str]) -> None:
        self.host, guest = pty.openpty()
        fcntl.ioctl(guest, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {**os.environ, "TERM": "xterm", "NO_COLOR": "1"}
        for name in ("COLUMNS", "LINES"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            [INTERLOCK, *words], stdin=guest, stdout=guest, stderr=guest, env=environment
        )
        os.close(guest)
        self.seen = ""

    def types(self, text: str) -> None:
        self.seen = ""
        os.write(self.host, text.encode())

    def sees(self, words: str) -> None:
        while words not in self.seen:
            data = os.read(self.host, 65_536).decode("utf-8", "replace")
            self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data)

    def leaves(self) -> int:
        code = self.process.wait(10)
        os.close(self.host)
        return code
