"""A live start that cannot be is one clean line and a non-zero exit, and nothing is sent."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

COMMAND = Path(sys.executable).parent / "interlock"


class Local(NamedTuple):
    """A local exchange, and the environment that has keys of its account."""

    url: str
    keys: dict[str, str]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Local]:
    arguments = ["venue", "--json", "--quiet", "--port", "0", "--admin-port", "0"]
    with subprocess.Popen([COMMAND, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        facts: dict[str, Any] = json.loads(process.stdout.readline())
        account = facts["accounts"][0]
        yield Local(
            facts["venues"]["binance"]["url"],
            {"INTERLOCK_KEY": account["key"], "INTERLOCK_SECRET": account["secret"]},
        )
        process.terminate()


def start(
    folder: Path, arguments: Sequence[str], keys: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("INTERLOCK_")
    }
    return subprocess.run(
        [COMMAND, "live", "--state", str(folder), "--for", "1", *arguments],
        env={**environment, **keys},
        capture_output=True,
        text=True,
        timeout=60,
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    lines = done.stderr.strip().splitlines()
    assert done.returncode not in (0, None), done.stdout
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("Error: ")
    for word in words:
        assert word in lines[0]


def free_port() -> int:
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        port: int = made.getsockname()[1]
        return port


def test_no_keys(local: Local, tmp_path: Path) -> None:
    done = start(tmp_path, ["pulse", "--url", local.url], {})
    refused(done, "INTERLOCK_KEY", "interlock venue")


def test_a_wrong_key_and_a_wrong_secret_are_told_apart(local: Local, tmp_path: Path) -> None:
    wrong = {**local.keys, "INTERLOCK_KEY": "abc"}
    refused(start(tmp_path, ["pulse", "--url", local.url], wrong), "-2015", "check INTERLOCK_KEY")
    wrong = {**local.keys, "INTERLOCK_SECRET": "abc"}
    refused(start(tmp_path, ["pulse", "--url", local.url], wrong), "-1022", "INTERLOCK_SECRET")


def test_nobody_listens_there(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    keys = {"INTERLOCK_KEY": "a", "INTERLOCK_SECRET": "b"}
    refused(start(tmp_path, ["pulse", "--url", url], keys), url, "is an exchange running")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["pulse", "--instrument", "FOOUSDT-PERP.BINANCE"], ["does not list it", "--instrument"]),
        (["nosuch"], ["'nosuch'", "names no strategy"]),
        (["ma_cross"], ["MaCross", "--timeframe"]),
        (["pulse", "--timeframe", "7s"], ["'7s'", "5s"]),
        (["pulse", "--venue", "nowhere"], ["'nowhere'", "binance"]),
        (["pulse", "--set", "share=9"], ["share=9.0", "outside"]),
    ],
)
def test_what_cannot_be_traded(
    local: Local, tmp_path: Path, arguments: list[str], words: list[str]
) -> None:
    refused(start(tmp_path, [*arguments, "--url", local.url], local.keys), *words)


def test_an_account_that_another_engine_trades(local: Local, tmp_path: Path) -> None:
    """The lease is in the shared ledger; the other engine's folder is another one."""
    where = str(tmp_path / "shared.sqlite")
    common = ["pulse", "--url", local.url, "--ledger", where]
    first = subprocess.Popen(
        [COMMAND, "live", *common, "--state", str(tmp_path / "first"), "--json"],
        env={**os.environ, **local.keys},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    try:
        assert json.loads(first.stdout.readline())["ready"]
        second = start(tmp_path / "second", common, local.keys)
    finally:
        first.terminate()
        said, _ = first.communicate(timeout=30)
    refused(second, "'main' is traded by", "stop that engine")
    last = json.loads(said.splitlines()[-1])
    assert first.returncode == 0
    assert last["state"] == "stopped"
    assert Path(last["report"]).is_file()


def test_a_damaged_ledger_is_never_traded_on(local: Local, tmp_path: Path) -> None:
    common = ["pulse", "--url", local.url]
    assert start(tmp_path, common, local.keys).returncode == 0
    for kept in (tmp_path / "snapshots").iterdir():
        kept.unlink()
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite")) as database, database:
        guards = database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        for (name,) in guards.fetchall():
            database.execute(f"DROP TRIGGER {name}")
        changed = database.execute("UPDATE ledger SET body = x'80' WHERE seq = 3").rowcount
    assert changed == 1
    refused(start(tmp_path, common, local.keys), "row 3", "restore")


def test_a_file_that_is_no_ledger(local: Local, tmp_path: Path) -> None:
    (tmp_path / "ledger.sqlite").write_bytes(bytes(range(256)) * 32)
    refused(start(tmp_path, ["pulse", "--url", local.url], local.keys), "not a database", "restore")


NOTED = """
from interlock import Strategy, param


class Note:
    count = 0


class Noted(Strategy):
    size: int = param(3)

    def on_start(self):
        self.note = Note()
"""


def test_a_book_goes_on_with_its_parameters_and_without_the_old_place_of_a_file(
    local: Local, tmp_path: Path
) -> None:
    state, strategy = tmp_path / "state", tmp_path / "noted.py"
    strategy.write_text(NOTED)
    where = ["--url", local.url]
    assert start(state, [str(strategy), *where], local.keys).returncode == 0
    other = start(state, [str(strategy), "--set", "size=4", *where], local.keys)
    refused(other, "size=3, now size=4", "--state")
    strategy.write_text(NOTED.replace("param(3)", "param(5)"))
    refused(start(state, [str(strategy), *where], local.keys), "size=3, now size=5")
    # What the snapshot holds is of a module that is not there any more: the rows have the rest.
    moved = strategy.rename(tmp_path / "moved.py")
    done = start(state, [str(moved), "--set", "size=3", "--json", *where], local.keys)
    assert done.returncode == 0, done.stderr
    assert "is not used" in "".join(path.read_text() for path in state.rglob("*.jsonl"))
