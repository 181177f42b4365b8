"""The demonstration as a person sees it: trades, announced faults, equal books, a report."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from interlock.cli.demo_exchange import prune

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [str(Path(sys.executable).parent / "interlock"), "demo"]
LIMIT_S = 120


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_until(process: subprocess.Popen[str], sign: str) -> str:
    """What the process says up to the line with a sign."""
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if sign in line:
            return "".join(said)
    raise AssertionError(f"{sign!r} was never said: {''.join(said)}")


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=LIMIT_S)
    return said


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except FileNotFoundError:
        return False


def exchange_pid(folder: Path) -> int:
    pid: int = json.loads((folder / "live" / "demo" / "exchange.json").read_bytes())["pid"]
    return pid


def test_it_trades_survives_an_announced_fault_and_ends_with_equal_books(tmp_path: Path) -> None:
    process = begin(tmp_path, "--for", "34")
    said = read_until(process, "FAULT in 3 s")
    pid = exchange_pid(tmp_path)
    said += finish(process)
    assert process.returncode == 0, said
    assert re.search(r"SURVIVED il-\S+ was UNKNOWN for .* no duplicate", said), said
    assert "Books        equal to the unit" in said
    assert "none was sent twice" in said
    page = Path(re.search(r"^Report +(\S+)$", said, re.MULTILINE)[1])  # type: ignore[index]
    text = (tmp_path / page).read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    assert "http://" not in text and "https://" not in text
    assert "DIFFERENT" not in text
    assert "FAULT_INJECTED" in text and "FAULT_SURVIVED" in text
    assert not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_a_clean_end(tmp_path: Path, number: signal.Signals) -> None:
    process = begin(tmp_path, "--no-faults", "--for", "60")
    said = read_until(process, "TRADING")
    pid = exchange_pid(tmp_path)
    process.send_signal(number)
    said += finish(process)
    assert process.returncode == 0, said
    assert "Books        equal to the unit" in said
    assert not is_alive(pid)


def test_ctrl_c_in_make_run_ends_the_demonstration_and_not_make(tmp_path: Path) -> None:
    """As on a terminal: the key reaches whoever is in front."""
    words = ["make", "-f", str(ROOT / "Makefile"), "-o", ".venv/.ready", "run"]
    child, terminal = pty.fork()
    if not child:
        os.chdir(tmp_path)
        os.execvp(words[0], [*words, f"BIN={COMMAND[0].removesuffix('/interlock')}"])
    said, is_pressed = b"", False
    # A terminal whose programs have all ended reads as an error on Linux.
    with contextlib.suppress(OSError):
        while read := os.read(terminal, 1 << 16):
            said += read
            if not is_pressed and b"TRADING" in said:
                is_pressed = True
                os.write(terminal, b"\x03")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert is_pressed, said
    assert os.waitstatus_to_exitcode(status) == 0, said
    assert b"Books        equal to the unit" in said
    assert b"***" not in said


def test_the_newest_runs_stay(tmp_path: Path) -> None:
    names = [f"202601{day:02d}-120000" for day in range(1, 13)]
    for name in (*names, "notes"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").write_text("kept")
    prune(tmp_path)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [*names[3:], "notes"]
    prune(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == left


def test_after_a_kill_the_same_command_recovers_on_the_same_exchange(tmp_path: Path) -> None:
    first = begin(tmp_path, "--no-faults", "--for", "60")
    read_until(first, "1 fill")
    pid = exchange_pid(tmp_path)
    first.kill()
    first.communicate()
    assert is_alive(pid)
    second = begin(tmp_path, "--no-faults", "--for", "6")
    said = finish(second)
    assert second.returncode == 0, said
    assert "was killed still trades" in said
    assert "RECOVERED" in said
    assert "Books        equal to the unit" in said
    assert not is_alive(pid)
    killed, ended = sorted(tmp_path.glob("live/demo/*/sessions/*/report.html"))
    page = killed.read_text(encoding="utf-8")
    assert "killed: the process ended without a word" in page
    assert re.search(r"[1-9][0-9]* fills? of [1-9]", page), page[:3_000]
    assert "killed: the process" not in ended.read_text(encoding="utf-8")
    told = (ended.parent / "events.jsonl").read_text(encoding="utf-8")
    assert "REPORT_OF_KILLED" in told and killed.parent.name in told


def test_a_second_one_beside_it_is_refused(tmp_path: Path) -> None:
    first = begin(tmp_path, "--no-faults", "--for", "60")
    read_until(first, "[2/3]")
    second = finish(begin(tmp_path, "--for", "5"))
    first.send_signal(signal.SIGINT)
    finish(first)
    assert second.startswith("Error: another demonstration runs in live/demo")
    assert len(second.splitlines()) == 1


def test_the_backtests_are_still_there(tmp_path: Path) -> None:
    started = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "--backtest"],
        cwd=tmp_path,
        env={**os.environ, "INTERLOCK_HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < LIMIT_S
    assert len(list(tmp_path.glob("results/*/DONE"))) == 2
