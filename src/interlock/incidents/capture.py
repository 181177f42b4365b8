"""Capture: a window of a state folder into one file, also while the engine is running.

The ledger is read at one moment that its writer does not wait for. The tape is read afterwards: it
leaves the engine's process before every commit, so what belongs to those rows is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

import interlock
from interlock.adapters.storage import Database, FolderSnapshots
from interlock.adapters.storage.ledger import digest_after
from interlock.adapters.storage.migrations import require_newest
from interlock.adapters.storage.reading import checked, head
from interlock.adapters.tape import TapeReader
from interlock.incidents.contents import (
    FORMAT,
    ROWS,
    SNAPSHOT,
    TAPE,
    TERMS,
    VERSION,
    IncidentError,
    Manifest,
    Row,
    pack_rows,
    pack_tape,
    write_incident,
)
from interlock.live.start import EXTRA_INPUTS
from interlock.live.terms import Terms, TermsError, read_terms

_FIRST = "SELECT MIN(seq) FROM ledger WHERE ts >= ? AND seq <= ?"
_LATER = "SELECT MIN(seq) FROM ledger WHERE ts > ? AND seq <= ?"
_TIME = "SELECT ts FROM ledger WHERE seq = ?"
_EPOCHS = "SELECT seq, epoch FROM ledger WHERE seq > ? AND seq <= ? ORDER BY seq"
# Shorter than any key, longer than what stands in a ledger by chance.
_SECRET_LEAST = 12


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Which part of a run, by the rows' times in ns; 0 is open. ``span`` counts from the end.

    ``is_whole`` takes the run from its first row, without a snapshot, whatever the start is.
    """

    ts_from: int = 0
    ts_to: int = 0
    span: int = 0
    is_whole: bool = False


class Captured(msgspec.Struct, frozen=True):
    """What was written, and the seal to note elsewhere."""

    path: Path
    manifest: Manifest
    seal: str


class _Read(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one moment, what precedes them, and the first one that was asked for."""

    rows: Sequence[Row]
    before: bytes
    asked: int
    snapshot: tuple[int, bytes] | None
    findings: tuple[str, ...]


def capture(
    folder: Path,
    target: Path,
    window: Window,
    *,
    ledger: str = "",
    secrets: Sequence[str] = (),
) -> Captured:
    """Seal a window of a state folder in ``target``.

    ``ledger`` is a path or URL where it is not in the folder. None of ``secrets`` may stand in the
    file. Raises IncidentError, TermsError, LedgerFault.
    """
    where = ledger or str(folder / "ledger.sqlite")
    database = Database(where, readonly=True)
    if not database.exists:
        raise IncidentError(
            f"{database.name} does not exist: {folder} is no state folder of `interlock live`; "
            "name one, or its ledger with --ledger"
        )
    require_newest(database)
    snapshots = FolderSnapshots(
        folder / "snapshots", anchor=lambda seq: digest_after(database, seq)
    )
    found = _read(database, snapshots, window)
    terms, judged = _terms(folder, found.rows)
    found = _since(found, snapshots, judged)
    first, last = found.rows[0].stored.seq, found.rows[-1].stored.seq
    tape, findings = _tape(folder, first - 1, last)
    manifest = Manifest(
        format=FORMAT,
        version=VERSION,
        written_by=interlock.__version__,
        account=terms.settings.account,
        mode=terms.settings.mode,
        first=first,
        last=last,
        judged=max(judged, first),
        asked=found.asked,
        ts_first=found.rows[0].stored.row.ts_event,
        ts_last=found.rows[-1].stored.row.ts_event,
        before=found.before.hex(),
        after=found.rows[-1].stored.digest.hex(),
        market=len(tape),
        has_snapshot=found.snapshot is not None,
        is_whole=first == 1,
        epochs=tuple(sorted({row.epoch for row in found.rows})),
        lacking=(*found.findings, *findings),
    )
    members = {
        ROWS: pack_rows(found.rows),
        TAPE: pack_tape(tape),
        TERMS: msgspec.json.format(msgspec.json.encode(terms), indent=1),
    }
    if found.snapshot is not None:
        members[SNAPSHOT] = found.snapshot[1]
    _refuse_secrets(members, secrets)
    return Captured(target, manifest, write_incident(target, manifest, members))


def _read(database: Database, snapshots: FolderSnapshots, window: Window) -> _Read:
    with database.faults("cannot be read"), closing(database.connect()) as connection:
        cursor = connection.cursor()
        database.stand_still(cursor)
        end = head(database, cursor).seq
        asked, last = _bounds(database, cursor, window, end)
        kept = None if window.is_whole else _snapshot(snapshots, asked - 1)
        base = 0 if kept is None else kept[0]
        stored = list(checked(database, cursor, after=base, upto=last))
        cursor.execute(database.sql(_EPOCHS), (base, last))
        epochs = [int(epoch) for _, epoch in cursor.fetchall()]
        before = digest_after(database, base)
    assert before is not None
    rows = [Row(row, epoch) for row, epoch in zip(stored, epochs, strict=True)]
    return _Read(
        rows=rows,
        before=before,
        asked=asked,
        snapshot=kept,
        findings=tuple(snapshots.findings),
    )


def _since(found: _Read, snapshots: FolderSnapshots, judged: int) -> _Read:
    """From the state that the start at row ``judged`` began with, when it had new terms.

    What an earlier start decided would be repeated with other code; its snapshot needs no code.
    Where that has been dropped, the first one after the start does.
    """
    first, last = found.rows[0].stored.seq, found.rows[-1].stored.seq
    if judged == first:
        return found
    kept = _snapshot(snapshots, judged - 1)
    later = [seq for seq in snapshots.sequences() if judged <= seq < last]
    if kept is None and later:
        kept = _snapshot(snapshots, min(later))
    cut = 0 if kept is None else max(0, kept[0] - first + 1)
    text = (
        f"the run was started with other parameters, limits or code at row {judged}: rows before "
        "it are left out or only rebuild the state"
    )
    return _Read(
        rows=found.rows[cut:],
        before=found.rows[cut - 1].stored.digest if cut else found.before,
        asked=max(found.asked, judged, first + cut),
        snapshot=kept if cut else found.snapshot,
        findings=(*found.findings, text),
    )


def _snapshot(snapshots: FolderSnapshots, upto: int) -> tuple[int, bytes] | None:
    """The newest snapshot before the window; a running engine may drop the oldest meanwhile."""
    try:
        return snapshots.latest(upto=upto)
    except FileNotFoundError:
        return snapshots.latest(upto=upto)


def _bounds(database: Database, cursor: Any, window: Window, end: int) -> tuple[int, int]:
    """The first row that is asked for and the last one."""
    if not end:
        raise IncidentError(f"{database.name} has no rows yet: nothing was traded; capture later")

    def ask(sql: str, *values: int) -> int | None:
        cursor.execute(database.sql(sql), values)
        found = cursor.fetchone()
        return None if found is None or found[0] is None else int(found[0])

    later = ask(_LATER, window.ts_to, end) if window.ts_to else None
    last = end if later is None else later - 1
    ts_from = window.ts_from
    if window.span:
        ts_from = (ask(_TIME, last) or 0) - window.span
    asked = ask(_FIRST, ts_from, end) if ts_from else 1
    if asked is None or last < 1 or asked > last:
        raise IncidentError(
            f'{database.name} has no row in that window; `interlock ledger query "SELECT '
            'MIN(time), MAX(time) FROM orders"` shows its times'
        )
    return asked, last


def _tape(folder: Path, base: int, last: int) -> tuple[list[tuple[int, Any]], tuple[str, ...]]:
    """The market from the base to the last row, and what is missing of it.

    What came after the last row was decided on in rows that are not in the window.
    """
    reader = TapeReader(folder / "tape", extra=EXTRA_INPUTS)
    tape = [(seq, event) for seq, event in reader.read(base) if seq < last]
    return tape, tuple(reader.findings)


def _terms(folder: Path, rows: Sequence[Row]) -> tuple[Terms, int]:
    """The terms of the last start, and the first row that was decided under them."""
    newest = read_terms(folder, rows[-1].epoch)
    judged, checked_epoch = rows[-1].stored.seq, rows[-1].epoch
    for row in reversed(rows):
        if row.epoch != checked_epoch:
            if not _are_alike(folder, newest, row.epoch):
                break
            checked_epoch = row.epoch
        judged = row.stored.seq
    return newest, judged


def _are_alike(folder: Path, newest: Terms, epoch: int) -> bool:
    """Whether an earlier start decides like the newest; libraries are told, not compared."""
    try:
        earlier = read_terms(folder, epoch)
    except TermsError:
        return False
    plain = [
        msgspec.structs.replace(terms, epoch=0, ts=0, versions={}) for terms in (newest, earlier)
    ]
    return plain[0] == plain[1]


def _refuse_secrets(members: dict[str, bytes], secrets: Sequence[str]) -> None:
    for secret in secrets:
        if len(secret) < _SECRET_LEAST:
            continue
        for name, content in members.items():
            if secret.encode() in content:
                raise IncidentError(
                    f"a key of the environment stands in {name}: nothing was written. A strategy "
                    "or its parameters hold it; read it from the environment instead, and take "
                    "the key out of use"
                )
