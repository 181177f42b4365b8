"""A disk that is full or broken at a sample of operations, and what an engine makes of it."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from interlock.ports import LedgerFault, LedgerFull
from tests.crash_points.crashes import START, Record, Tally, recording
from tests.crash_points.faults import FAULTS, sweep_faults, sweep_lost_syncs
from tests.crash_points.operations import Fault, Kind, Recorder
from tests.crash_points.sqlite_files import UnreachableError
from tests.crash_points.sweep import verdict
from tests.crash_points.trial import lay_out
from tests.crash_points.workload import LEDGER, RESERVE, Player, Workload


@pytest.fixture(scope="module")
def record() -> Record:
    """A small workload, played once on a disk that works."""
    try:
        return Record(Workload(8), renew_every=1)
    except UnreachableError as error:
        pytest.skip(f"no VFS can be put under this SQLite: {error}")


def last_commit(record: Record, kind: Kind) -> int:
    """The last operation of a kind on the write-ahead log within a commit."""
    end = max(at for at, what, _ in record.acknowledged if what == "rows")
    log = LEDGER + "-wal"
    return max(
        at for at, one in enumerate(record.operations[:end]) if one.kind is kind and one.path == log
    )


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_at_a_sample_of_operations_loses_nothing(record: Record, kind: str) -> None:
    tally = sweep_faults(record, kind, range(5, len(record.operations), 29))
    assert tally.examples == []
    assert tally.runs > 8


def test_what_a_failed_sync_was_for_is_not_built_on(record: Record) -> None:
    """Renewals are not synced: a commit after a failed sync would rest on what is lost."""
    end = last_commit(record, Kind.SYNC)
    log = LEDGER + "-wal"
    syncs = [
        at
        for at, one in enumerate(record.operations[: end + 1])
        if one.kind is Kind.SYNC and one.path == log
    ]
    tally = sweep_lost_syncs(record, syncs[-3:])
    assert tally.examples == []
    assert tally.runs == 3 * 13


def _play(record: Record, folder: Path, fault: Fault) -> tuple[Player, LedgerFault | None]:
    lay_out(START, folder)
    recorder = Recorder(folder, fault)
    player = record.player(recorder)
    with recording(recorder):
        try:
            player.play(record.workload.steps)
        except LedgerFault as error:
            return player, error
    return player, None


def test_the_reserve_carries_a_commit_over_a_full_disk(record: Record, tmp_path: Path) -> None:
    fault = Fault(last_commit(record, Kind.WRITE), errno.ENOSPC, "until freed")
    player, ended = _play(record, tmp_path / "state", fault)
    assert ended is None
    assert player.low
    assert not (tmp_path / "state" / RESERVE).exists()
    done = [value for _, what, value in player.recorder.acknowledged if what == "rows"]
    assert max(done) == len(record.digests) - 1


def test_a_disk_that_stays_full_ends_the_ledger_as_full(record: Record, tmp_path: Path) -> None:
    fault = Fault(last_commit(record, Kind.WRITE), errno.ENOSPC, "forever")
    _, ended = _play(record, tmp_path / "state", fault)
    assert isinstance(ended, LedgerFull)
    assert "free space on that disk" in str(ended)


@pytest.mark.parametrize("kind", [Kind.WRITE, Kind.SYNC])
def test_a_broken_disk_ends_the_ledger_with_the_way_on(
    record: Record, tmp_path: Path, kind: Kind
) -> None:
    fault = Fault(last_commit(record, kind), errno.EIO)
    player, ended = _play(record, tmp_path / "state", fault)
    assert "interlock ledger verify" in str(ended)
    done = [value for _, what, value in player.recorder.acknowledged if what == "rows"]
    assert max(done) < len(record.digests) - 1


def test_a_sweep_fails_for_what_it_found_and_for_what_it_did_not() -> None:
    clean, bad = Tally(), Tally()
    clean.judge("a run", [])
    bad.judge("another", ["lost: rows 3 of 4"])
    assert verdict({"synchronous FULL": clean, "synchronous NORMAL": bad}) == []
    assert verdict({"synchronous FULL": bad}) == ["synchronous FULL: another: lost: rows 3 of 4"]
    assert "were not found" in verdict({"synchronous NORMAL": clean})[0]
    assert "was not found" in verdict({"synchronous OFF": bad})[0]
