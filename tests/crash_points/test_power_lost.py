"""The power goes at a sample of points: nothing acknowledged is lost, and the sweep can fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from interlock.adapters.storage import open_ledger, prepare, verify
from interlock.adapters.storage.database import Database
from interlock.adapters.storage.migrations import NEWEST, migrate
from interlock.adapters.tape import TapeReader
from interlock.live.start import EXTRA_INPUTS
from interlock.ports import LedgerFault
from tests import ledger_rows
from tests.crash_points.crashes import (
    START,
    Record,
    crashes,
    recording,
    sweep_doubles,
    sweep_points,
)
from tests.crash_points.damage import DAMAGES
from tests.crash_points.disk import Disk, Image
from tests.crash_points.operations import Kind, Recorder
from tests.crash_points.sqlite_files import UnreachableError
from tests.crash_points.trial import Outcome, lay_out, read
from tests.crash_points.workload import LEDGER, Workload
from tests.toy_venue import Splitmix

TRANSACTIONS = 24


def _record(mode: str = "FULL") -> Record:
    try:
        return Record(Workload(TRANSACTIONS), mode=mode)
    except UnreachableError as error:
        pytest.skip(f"no VFS can be put under this SQLite: {error}")


@pytest.fixture(scope="module")
def record() -> Record:
    """A small workload with two lives of the engine, played once."""
    return _record()


def promises(record: Record, what: str) -> list[int]:
    """The points right after which something was acknowledged."""
    return [at for at, name, value in record.acknowledged if name == what and value]


def damaged(record: Record, name: str, point: int) -> Image:
    """The disk after so many operations with one kind of damage."""
    disk = Disk(START)
    for operation in record.operations[:point]:
        disk.take(operation)
    (damage,) = [one for one in DAMAGES if one.name == name]
    return disk.image(damage, Splitmix(1))


def test_a_record_holds_every_byte_that_is_on_the_disk(record: Record) -> None:
    kept = damaged(record, "kept", len(record.operations))
    assert kept == record.left
    assert {path.partition("/")[0] for path in kept} >= {LEDGER, "tape", "snapshots"}
    assert {one.kind for one in record.operations} == set(Kind)


def test_all_damages_differ_somewhere(record: Record) -> None:
    point = promises(record, "rows")[-1] - 3
    assert len({str(damaged(record, one.name, point)) for one in DAMAGES}) >= 8


def test_nothing_acknowledged_is_lost_at_a_sample_of_points(record: Record) -> None:
    tally = sweep_points(record, range(3, record.points, 31), start_every=16)
    assert tally.examples == []
    assert tally.runs > 150
    assert tally.starts > 3


def test_nothing_is_lost_by_a_crash_in_the_recovery(record: Record) -> None:
    tally = sweep_doubles(record, range(4), each=4)
    assert tally.examples == []
    assert tally.runs == 20


def test_rows_that_no_sync_waited_for_are_found_to_be_lost() -> None:
    weak = _record("NORMAL")
    tally = sweep_points(weak, promises(weak, "rows")[6:8])
    assert tally.lost > 0
    assert tally.corrupt == tally.no_prefix == tally.refused == tally.other == 0


def test_a_database_that_syncs_nothing_is_found_to_be_damaged() -> None:
    weak = _record("OFF")
    copies = [
        at
        for at, one in enumerate(weak.operations)
        if one.path == LEDGER and one.kind is Kind.WRITE
    ]
    tally = sweep_points(weak, copies[-16:-13])
    assert tally.lost > 0
    assert tally.corrupt + tally.refused > 0


@pytest.mark.parametrize(
    ("path", "kind", "what"),
    [
        ("snapshots/", Kind.SYNC, "snapshot"),
        ("snapshots", Kind.SYNC_FOLDER, "snapshot"),
        ("tape/", Kind.SYNC, "tape"),
        ("tape", Kind.SYNC_FOLDER, "tape"),
    ],
)
def test_each_sync_of_a_file_and_of_its_name_is_needed(
    record: Record, path: str, kind: Kind, what: str
) -> None:
    point = promises(record, what)[0]
    assert sweep_points(record, [point]).examples == []
    tally = sweep_points(record.lying(path, kind=kind), [point])
    assert tally.lost > 0
    assert any(f"lost: {what}" in text for text in tally.examples)


def test_a_torn_snapshot_is_passed_over_and_the_ledger_used(record: Record, tmp_path: Path) -> None:
    newest, *older = sorted((one for one in record.left if ".state" in one), reverse=True)
    whole = _read(record, record.left, tmp_path)
    torn = {**record.left, newest: record.left[newest][:-1]}
    assert _read(record, torn, tmp_path).snapshot < whole.snapshot
    without = {**torn, **{name: record.left[name][:40] for name in older}}
    found = _read(record, without, tmp_path)
    assert (found.snapshot, found.rows) == (0, whole.rows)
    assert found.faults == []


def _read(record: Record, image: Image, folder: Path) -> Outcome:
    lay_out(image, folder / "state")
    return read(folder / "state", record.workload, record.digests)


def test_a_tape_cut_at_any_byte_keeps_its_beginning_and_says_so(
    record: Record, tmp_path: Path
) -> None:
    name = max(one for one in record.left if one.startswith("tape/"))
    whole = record.left[name]
    ends = {
        one.at + len(one.data)
        for one in record.operations
        if one.path == name and one.kind is Kind.WRITE
    }
    path = tmp_path / name.removeprefix("tape/")
    path.write_bytes(whole)
    written = [seq for seq, _ in TapeReader(tmp_path, extra=EXTRA_INPUTS).read()]
    counts = []
    for length in range(len(whole) + 1):
        path.write_bytes(whole[:length])
        reader = TapeReader(tmp_path, extra=EXTRA_INPUTS)
        found = [seq for seq, _ in reader.read()]
        assert found == written[: len(found)]
        assert bool(reader.findings) == (length not in ends)
        counts.append(len(found))
    assert counts == sorted(counts)
    assert counts[-1] == len(written) > 3


@pytest.mark.parametrize("reached", range(1, NEWEST))
def test_a_ledger_whose_making_was_cut_short_is_made_to_its_end(
    tmp_path: Path, reached: int
) -> None:
    path = tmp_path / LEDGER
    migrate(Database(path), reached)
    with pytest.raises(LedgerFault, match="schema version"):
        prepare(path, create=False)
    with open_ledger(path) as ledger:
        ledger.append([ledger_rows.intent(1)])
        assert ledger.commit() == 1


def test_a_crash_in_a_migration_keeps_every_row_and_can_be_gone_on_with(tmp_path: Path) -> None:
    rows = ledger_rows.every_kind()
    with open_ledger(tmp_path / "old" / LEDGER) as ledger:
        ledger.append(rows)
        ledger.commit()
    migrate(Database(tmp_path / "old" / LEDGER), 1)
    start = {**START, LEDGER: (tmp_path / "old" / LEDGER).read_bytes()}
    folder = tmp_path / "state"
    lay_out(start, folder)
    recorder = Recorder(folder)
    with recording(recorder):
        migrate(Database(folder / LEDGER))
    operations = recorder.operations
    tried = 0
    for _, _, _, image in crashes(operations, Disk(start), range(1, len(operations) + 1, 40)):
        lay_out(image, folder)
        migrate(Database(folder / LEDGER))
        found = verify(prepare(folder / LEDGER, create=False))
        assert (found.problem, found.rows) == (None, len(rows))
        tried += 1
    assert tried > 40
