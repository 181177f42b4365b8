"""A disk that refuses: full, or broken, at the N-th operation, once, for ever, or until freed."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from interlock.ports import LedgerFault
from tests.crash_points.crashes import START, Record, Tally, crashes, recording, scratch
from tests.crash_points.disk import Disk
from tests.crash_points.operations import Fault, Kind, Recorder
from tests.crash_points.trial import Promised, broken_promises, lay_out, read, start_engine
from tests.crash_points.workload import LEDGER, digests

# A renewal is not synced: what is committed after it rests on writes that nobody waited for.
RENEW_OFTEN = 3

FAULTS = {
    "full once": (errno.ENOSPC, "once"),
    "full for ever": (errno.ENOSPC, "forever"),
    "full until the reserve is given back": (errno.ENOSPC, "until freed"),
    "I/O error once": (errno.EIO, "once"),
    "I/O error for ever": (errno.EIO, "forever"),
}


def sweep_faults(record: Record, kind: str, numbers: Iterable[int]) -> Tally:
    """The workload with a fault at each of the operations; then a start on a disk that works.

    What was acknowledged before or in spite of the fault must be there. An engine may end with a
    LedgerFault and with nothing else; whatever else it raises is a defect and comes through.
    """
    code, lasts = FAULTS[kind]
    tally = Tally()
    with scratch() as folder:
        for number in numbers:
            lay_out(START, folder)
            recorder = Recorder(folder, Fault(number, code, lasts))
            player = record.player(recorder)
            ended = ""
            with recording(recorder):
                try:
                    player.play(record.workload.steps)
                except LedgerFault as fault:
                    ended = str(fault)
            outcome = read(folder, record.workload, record.digests)
            broken = broken_promises(outcome, _owed(recorder, record))
            broken += _silence(lasts, recorder)
            tally.points += 1
            tally.images += 1
            tally.judge(f"{kind} at {number}: {ended or 'went on'}", broken)
    return tally


def _owed(recorder: Recorder, record: Record) -> Promised:
    """Everything that was acknowledged; a tape may miss what its own warning told."""
    owed = Promised(record.digests).and_also(recorder.acknowledged, len(recorder.operations))
    return msgspec.structs.replace(owed, tape=0)


def _silence(lasts: str, recorder: Recorder) -> list[str]:
    """A commit that was acknowledged although the disk refused to write the ledger."""
    first = next(
        (at for at, one in enumerate(recorder.operations)
         if one.failed and one.kind is not Kind.SYNC and one.path.startswith(LEDGER)),
        None,
    )  # fmt: skip
    if lasts != "forever" or first is None:
        return []
    after = [value for at, what, value in recorder.acknowledged if at > first and what == "rows"]
    before = [value for at, what, value in recorder.acknowledged if at <= first and what == "rows"]
    if max(after, default=0) > max(before, default=0):
        return ["silent: a commit was acknowledged on a disk that refuses for ever"]
    return []


def sweep_lost_syncs(record: Record, numbers: Iterable[int]) -> Tally:
    """A failed sync, and then the power goes: after each of the next acknowledgments if the engine
    went on, and after a new start of the engine on the same machine.

    Linux marks pages clean whose write-back failed: what the failed sync was for is still read, and
    never reaches the disk unless it is written again.
    """
    tally = Tally()
    with scratch() as folder:
        for number in numbers:
            lay_out(START, folder)
            recorder = Recorder(folder, Fault(number, errno.EIO, "once"))
            with recording(recorder):
                with suppress(LedgerFault):
                    record.player(recorder).play(record.workload.steps)
                went_on = _next_promises(recorder, number)
                started = start_engine(folder, record.workload, recorder)
            label = f"sync {number} failed"
            broken = [f"refused: {started.refused}"] if started.refused else []
            tally.judge(f"{label}, started", broken)
            tally.points += 1
            tally.starts += 1
            known = digests(folder / LEDGER)
            for point in (*went_on, len(recorder.operations)):
                owed = Promised(known).and_also(recorder.acknowledged, point)
                owed = msgspec.structs.replace(owed, tape=0)
                for _, _, damage, image in crashes(
                    recorder.operations, Disk(START), [point], seed=number
                ):
                    lay_out(image, folder)
                    outcome = read(folder, record.workload, record.digests)
                    tally.images += 1
                    where = f"{label}, power lost at {point}, {damage}"
                    tally.judge(where, broken_promises(outcome, owed))
    return tally


def _next_promises(recorder: Recorder, number: int) -> list[int]:
    """The points of the first two acknowledged commits after an operation."""
    later = [at for at, what, _ in recorder.acknowledged if what == "rows" and at > number]
    return sorted(set(later))[:2]
