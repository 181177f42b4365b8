"""`interlock live` on a ledger, disk or tape that is not as it should be: says so, never trades."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.kill_sweep import Exchange, Process

MAIN = "from interlock.cli import main; main()"
# Everything that a run imports, so that it may become a user who cannot read this folder.
NOBODY = (
    "import os, uvloop, interlock.cli.live_run, interlock.cli.errors, interlock.live.session; "
    "import interlock.adapters.binance, sqlalchemy.dialects.sqlite, email.parser, ast; "
    "import importlib.util, interlock.research.loading as loading; "
    "loading.load_strategy('market_maker'); "
    "os.setgroups([]); os.setuid(65534); "
)
LIMIT = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000)); "
ACCOUNTS = 4


@pytest.fixture(scope="module")
def exchange() -> Iterator[Exchange]:
    """An exchange for all tests of this file; each takes an account of its own."""
    with Process("kill_exchange", str(ACCOUNTS)) as process:
        yield Exchange(process)


def live(
    exchange: Exchange, account: int, folder: Path, *, before: str = "", seconds: float = 1.0
) -> subprocess.CompletedProcess[str]:
    """The real command, for a moment."""
    _, key, secret = exchange.keys[account]
    return subprocess.run(
        [
            *(sys.executable, "-c", before + MAIN, "live", "market_maker", "--json"),
            *("--url", exchange.url, "--state", str(folder), "--for", str(seconds)),
            *("--set", "patience_bps=0.01"),
        ],
        env={**os.environ, "INTERLOCK_KEY": key, "INTERLOCK_SECRET": secret},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def traded(exchange: Exchange, account: int) -> int:
    """How many orders the venue ever saw."""
    return len(exchange.books(account)["orders"])


@pytest.fixture(scope="module")
def kept(exchange: Exchange, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that went well leaves behind."""
    folder = tmp_path_factory.mktemp("kept") / "live"
    done = live(exchange, 0, folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """The same once more, to be damaged; nothing that starts from it may trade."""
    return Path(shutil.copytree(kept, tmp_path / "live"))


def place_of_row(path: Path, seq: int) -> int:
    """Where the bytes of a row lie in the file."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    (body,) = connection.execute("SELECT body FROM ledger WHERE seq = ?", (seq,)).fetchone()
    connection.close()
    return path.read_bytes().index(body)


def overwrite(path: Path, at: int, content: bytes) -> None:
    """Put other bytes into a file."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def refused(exchange: Exchange, folder: Path, *, account: int = 0, before: str = "") -> str:
    """What a run that must not trade said; nothing reached the venue."""
    orders = traded(exchange, account)
    done = live(exchange, account, folder, before=before)
    assert done.returncode != 0, done.stdout
    assert traded(exchange, account) == orders
    assert "Traceback" not in done.stderr
    return " ".join(done.stderr.split())


def test_a_changed_byte_refuses_the_start_and_says_how_to_restore(
    exchange: Exchange, folder: Path
) -> None:
    path = folder / "ledger.sqlite"
    overwrite(path, place_of_row(path, 5) + 2, b"\x00")
    said = refused(exchange, folder)
    assert "row 5" in said
    assert "restore the newest backup" in said


def test_a_damaged_page_refuses_the_start(exchange: Exchange, folder: Path) -> None:
    path = folder / "ledger.sqlite"
    overwrite(path, place_of_row(path, 5) // 4096 * 4096, b"\xa5" * 4096)
    said = refused(exchange, folder)
    assert "restore" in said.lower()


def test_a_locked_ledger_refuses_the_start_in_time(exchange: Exchange, folder: Path) -> None:
    holder = sqlite3.connect(folder / "ledger.sqlite", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        said = refused(exchange, folder)
    finally:
        holder.close()
    assert "locked" in said


def test_a_disk_that_is_full_from_the_start_refuses_it(exchange: Exchange, tmp_path: Path) -> None:
    tiny = LIMIT.replace("400_000", "20_000")
    said = refused(exchange, tmp_path, account=1, before=tiny)
    assert "ledger" in said


def test_a_disk_that_fills_up_ends_trading_with_a_reason(
    exchange: Exchange, tmp_path: Path
) -> None:
    done = live(exchange, 2, tmp_path, before=LIMIT, seconds=20)
    assert done.returncode not in (0, -25), done.stdout
    said = " ".join(done.stderr.split())
    assert "refused a commit" in said
    assert "ENGINE_STOPPED" in "".join(p.read_text() for p in tmp_path.glob("logs/*.jsonl"))
    # The same folder goes on when there is space again, and the books are the venue's.
    done = live(exchange, 2, tmp_path)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    account = exchange.books(2)["account"]
    held = sum(line["quantity"] for line in account["positions"])
    assert float(last["positions"][0]["quantity"]) * 1000 == held
    assert last["counts"].get("COID_DUPLICATE", 0) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_folder_that_may_not_be_written_refuses_the_start(exchange: Exchange, kept: Path) -> None:
    # Pytest's own folders are closed to everybody else.
    outside = Path(tempfile.mkdtemp(prefix="interlock-open-"))
    outside.chmod(0o755)
    try:
        folder = Path(shutil.copytree(kept, outside / "live"))
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        said = refused(exchange, folder, before=NOBODY)
        assert "permission" in said
    finally:
        shutil.rmtree(outside)


def test_a_tape_that_was_cut_warns_and_trading_goes_on(exchange: Exchange, tmp_path: Path) -> None:
    assert live(exchange, 3, tmp_path).returncode == 0
    segment = max((tmp_path / "tape").glob("*.seg"))
    segment.write_bytes(segment.read_bytes()[:-7])
    for snapshot in (tmp_path / "snapshots").iterdir():
        snapshot.unlink()
    done = live(exchange, 3, tmp_path)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert last["counts"]["LEFT_OUT"] == 1
    (notice,) = [line for line in last["notices"] if line["name"] == "LEFT_OUT"]
    assert str(segment) in notice["text"]


def test_a_snapshot_beyond_the_ledger_refuses_the_start(exchange: Exchange, folder: Path) -> None:
    for left in folder.glob("ledger.sqlite*"):
        left.unlink()
    said = refused(exchange, folder)
    assert "snapshot" in said
    assert "Restore" in said
