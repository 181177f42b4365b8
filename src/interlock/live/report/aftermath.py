"""The report of a session that was killed, written by the next one in the same folder.

A session says at its begin which ledger rows are its own. One that has said so and has no report
was killed; the next start recovers the state that it left, so its report ends with that state. What
only lived in the dead process is missing: samples of equity and marks, and most latencies.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.storage import prepare, read_rows
from interlock.adapters.system import write_atomically
from interlock.live.record import Record
from interlock.live.report.page import Ended, render
from interlock.live.report.tally import tally_of
from interlock.live.report.writing import NAME
from interlock.live.session import Session
from interlock.runtime.loop import Lags
from interlock.runtime.values import Notice
from interlock.ui.read_model import Status

BEGUN = "session.json"
EVENTS = "events.jsonl"
STATE, REASON = "killed", "the process ended without a word"


class Begun(msgspec.Struct, frozen=True):
    """Where a session began: the newest row before it, its lease, ns."""

    first_seq: int
    epoch: int
    ts_started: int


class Left(msgspec.Struct, frozen=True):
    """A session that was killed, and the state in which the next one found everything."""

    folder: Path
    begun: Begun
    last_seq: int
    where: str
    status: Status
    instruments: tuple[Any, ...]


def begin(session: Session) -> Left | None:
    """Say where a session that has just started begins; returns the one before it, if killed."""
    started, folder = session.started, session.folder
    if started is None or folder is None:
        return None
    status, seq = session.status(), started.recovered.seq
    begun = Begun(seq, status.epoch, session.ts_started)
    write_atomically(folder / BEGUN, msgspec.json.encode(begun))
    found = _before(folder)
    if found is None:
        return None
    slots = started.driver.engine.desk.state.instruments.values()
    return Left(
        folder=found,
        begun=msgspec.json.decode((found / BEGUN).read_bytes(), type=Begun),
        last_seq=seq,
        where=session.plan.where,
        status=status,
        instruments=tuple(slot.instrument for slot in slots),
    )


def _before(folder: Path) -> Path | None:
    """The newest session before this one, if it began and has no report."""
    earlier = [path for path in folder.parent.iterdir() if path.name < folder.name]
    begun = [path for path in sorted(earlier) if (path / BEGUN).exists()]
    return begun[-1] if begun and not (begun[-1] / NAME).exists() else None


def write_left(left: Left) -> Path:
    """Write the report of a session that was killed. Reads its part of the ledger: may take long.

    Raises LedgerFault, OSError.
    """
    seen = [left.begun.ts_started]

    def rows() -> Iterator[tuple[int, Any]]:
        stored = read_rows(prepare(left.where, create=False), left.begun.first_seq)
        for seq, row in takewhile(lambda entry: entry[0] <= left.last_seq, stored):
            seen.append(row.ts_event)
            yield seq, row

    tally, record = tally_of(rows(), left.instruments), Record()
    for notice in _notices(left.folder / EVENTS):
        seen.append(notice.ts_event)
        record.hear(notice)
    status = msgspec.structs.replace(
        left.status,
        ts=max(seen),
        state=STATE,
        reason=REASON,
        epoch=left.begun.epoch,
        ledger_seq=left.last_seq,
    )
    ended = Ended(
        status=status,
        tally=tally,
        record=record,
        lags=Lags(),
        ts_started=left.begun.ts_started,
        first_seq=left.begun.first_seq,
        reason=REASON,
    )
    path = left.folder / NAME
    write_atomically(path, render(ended).encode())
    return path


def _notices(path: Path) -> Iterator[Notice]:
    """The notices of a session's events; a line that the kill cut off is left out."""
    if not path.exists():
        return
    for line in path.read_bytes().splitlines():
        try:
            found = msgspec.json.decode(line)
        except msgspec.DecodeError:
            continue
        # Facts of the kernel have other times; the ledger has them all.
        if not isinstance(found, dict) or "ts" not in found:
            continue
        found.pop("time", None)
        yield Notice(
            ts_event=found.pop("ts"),
            name=found.pop("event", ""),
            level=found.pop("level", "INFO"),
            subject=found.pop("subject", ""),
            text=found.pop("text", ""),
            fields=found,
        )
