"""The ledger under faults of its machine: it refuses, says how to go on, and loses nothing."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from interlock.adapters.storage import open_ledger, prepare, verify
from interlock.adapters.storage.queries import Reader, backup
from interlock.ports import LedgerFault
from tests import ledger_rows

ROOT = Path(__file__).resolve().parents[2]

# Commits one order after the other and says each sequence when its commit has returned.
_WRITER = """
import sys
from interlock.adapters.storage import open_ledger
from interlock.ports import LedgerFault
from tests.ledger_rows import intent
{before}
ledger = open_ledger(sys.argv[1])
{after}
number = ledger.last()
try:
    while True:
        ledger.append([intent(number + k) for k in range({batch})])
        number = ledger.commit()
        print(number, ledger.space_is_low, flush=True)
except LedgerFault as fault:
    print(type(fault).__name__, fault, flush=True)
    sys.exit(3)
"""


def _writer(before: str = "", after: str = "", batch: int = 1) -> list[str]:
    return [sys.executable, "-c", _WRITER.format(before=before, after=after, batch=batch)]


def _run(command: list[str], where: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*command, str(where)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )


def _written(folder: Path) -> Path:
    path = folder / "ledger.db"
    with open_ledger(path) as ledger:
        for row in ledger_rows.every_kind():
            ledger.append([row])
            ledger.commit()
    return path


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_killed_in_the_middle_of_a_commit_every_acknowledged_row_is_there(
    store: str, acknowledged: int
) -> None:
    for _ in range(2):
        process = subprocess.Popen([*_writer(), store], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        for _ in range(acknowledged):
            said = int(process.stdout.readline().split()[0])
        process.send_signal(signal.SIGKILL)
        said = max([said, *(int(line.split()[0]) for line in process.stdout if "\n" in line)])
        process.wait()
        process.stdout.close()
        with open_ledger(store) as ledger:
            assert ledger.last() >= said
            found = [row for _, row in ledger.read()]
        assert found == [ledger_rows.intent(number) for number in range(len(found))]


def test_a_file_limit_stops_it_and_leaves_what_was_acknowledged(tmp_path: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, 2_000_000))"
    path = tmp_path / "ledger.db"
    done = _run(_writer(after=limit, batch=50), path)
    *said, last = done.stdout.splitlines()
    assert done.returncode == 3, done.stderr
    assert last.startswith("Ledger")
    assert "refused a commit" in last
    with open_ledger(path) as ledger:
        assert ledger.last() == int(said[-1].split()[0])
        assert verify(ledger.database).problem is None


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk of our own needs root")
def test_a_full_disk_gives_its_reserve_and_then_refuses(tmp_path: Path) -> None:
    path = tmp_path / "disk" / "ledger.db"
    path.parent.mkdir()
    copy = tmp_path / "copy"
    fill = (
        "import os, pathlib\n"
        "pathlib.Path(sys.argv[1] + '.filler').write_bytes("
        "bytes(os.statvfs(os.path.dirname(sys.argv[1])).f_bavail * 4096 - 400_000))"
    )
    inner = _writer(after=fill, batch=100)
    script = (
        f'mount -t tmpfs -o size=90m none {path.parent} || exit 77; "$@"; code=$?; '
        f"cp -r {path.parent} {copy}; exit $code"
    )
    done = _run(["unshare", "--mount", "sh", "-c", script, "sh", *inner], path)
    if done.returncode in (1, 77) and "Permission" in done.stderr:
        pytest.skip("this machine gives no mounts")
    *said, last = done.stdout.splitlines()
    assert done.returncode == 3, done.stderr
    assert last.startswith("LedgerFull")
    assert "free space on that disk" in last
    low = [line.split()[1] == "True" for line in said]
    assert not low[0]
    assert low[-1]
    (copy / "ledger.db.filler").unlink()
    with open_ledger(copy / "ledger.db") as ledger:
        assert ledger.last() == int(said[-1].split()[0])
        assert verify(ledger.database).problem is None


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user reaches; pytest's are for their owner."""
    folder = Path(tempfile.mkdtemp(prefix="interlock-open-"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_file_that_may_not_be_written_is_refused(open_folder: Path) -> None:
    path = _written(open_folder)
    whole = path.read_bytes()
    for file in open_folder.iterdir():
        file.chmod(0o444)
    open_folder.chmod(0o555)
    # Root may write everywhere: the writer becomes nobody when its modules are loaded.
    demote = "import os\nif os.geteuid() == 0: os.setgroups([]); os.setuid(65534)"
    done = _run(_writer(before=demote), path)
    assert done.returncode != 0
    assert "LedgerFault" in done.stderr
    assert "read-only" in done.stderr or "may write to the file" in done.stderr, done.stderr
    assert path.read_bytes() == whole


def test_a_ledger_that_another_process_holds_is_refused_in_time(tmp_path: Path) -> None:
    path = _written(tmp_path)
    holder = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); sys.stdin.readline()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holder, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(LedgerFault, match="another process writes to it"):
        open_ledger(path, busy_ms=100)
    process.communicate("\n")
    open_ledger(path, busy_ms=100).close()


def test_a_flipped_byte_is_found_or_changes_nothing(tmp_path: Path) -> None:
    path = _written(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    whole = path.read_bytes()
    written = list(enumerate(ledger_rows.every_kind(), start=1))
    refused = 0
    for offset in range(17, len(whole), len(whole) // 150):
        damaged = tmp_path / "damaged.db"
        for old in tmp_path.glob("damaged.db*"):
            old.unlink()
        data = bytearray(whole)
        data[offset] ^= 0xFF
        damaged.write_bytes(data)
        try:
            with open_ledger(damaged) as ledger:
                assert list(ledger.read()) == written, f"byte {offset}"
        except LedgerFault as fault:
            refused += 1
            assert str(damaged) in str(fault)
    assert refused > 10


def test_a_damaged_row_names_its_sequence_and_the_way_back(tmp_path: Path) -> None:
    path = _written(tmp_path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    data = path.read_bytes()
    at = data.index(b"daily_loss")
    path.write_bytes(data[:at] + b"D" + data[at + 1 :])
    found = verify(prepare(path))
    assert found.problem is not None
    assert "row 16 does not match its digest" in str(found.problem)
    assert "restore the newest backup" in str(found.problem)
    with pytest.raises(LedgerFault, match="row 16"):
        open_ledger(path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(b"something else " * 400)
    with pytest.raises(LedgerFault, match="restore the newest backup"):
        open_ledger(path)
    assert path.read_bytes().startswith(b"something else")


def test_a_backup_made_beside_a_writer_verifies_and_can_take_its_place(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(path) as ledger:
        ledger.append(ledger_rows.every_kind())
        ledger.commit()
        ledger.append([ledger_rows.intent(50)])
        found = backup(path, tmp_path / "copy.db")
        ledger.commit()
    assert found.last == len(ledger_rows.every_kind())
    with pytest.raises(LedgerFault, match="exists"):
        backup(path, tmp_path / "copy.db")
    shutil.copy(tmp_path / "copy.db", tmp_path / "restored.db")
    with open_ledger(tmp_path / "restored.db") as ledger:
        assert [row for _, row in ledger.read()] == ledger_rows.every_kind()


def test_a_question_can_change_nothing(store: str) -> None:
    with open_ledger(store) as ledger:
        ledger.append(ledger_rows.every_kind())
        ledger.commit()
        digest = verify(ledger.database).digest
    for statement in (
        "DELETE FROM leases",
        "UPDATE projected_orders SET status = 'open'",
        "INSERT INTO leases VALUES ('a', 'b', 9, 9)",
        "DROP TABLE ledger",
        "SELECT 1; DELETE FROM leases",
        "COMMIT",
        "nonsense",
    ):
        reader = Reader(store)
        with pytest.raises(LedgerFault):
            list(reader.ask(statement).records)
        reader.close()
    assert verify(prepare(store)).digest == digest
    reader = Reader(store)
    assert next(reader.ask("SELECT status FROM orders").records) == ("filled",)
    reader.close()
