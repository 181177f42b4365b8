"""Reading rows in order, each checked against the chain before anybody sees it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import error as StructError
from typing import Any

from interlock.adapters.storage.database import Database
from interlock.model.chain import GENESIS, link
from interlock.model.rows import LedgerRow, StoredRow
from interlock.ports import LedgerFault

_BATCH = 2_000
_SELECT = """
SELECT seq, ts, kind, key, epoch, body, digest FROM ledger WHERE seq > ? AND seq <= ?
ORDER BY seq"""

RESTORE = (
    "do not trade on it: keep this ledger aside, restore the newest backup that passes "
    "`interlock ledger verify` (docs/ledger.md, Restore), then start again"
)


class BrokenChain(LedgerFault):
    """A row that is missing, or whose bytes are not those that were written; ``seq`` is the first.

    Nothing at and after that sequence can be trusted.
    """

    def __init__(self, database: str, seq: int, what: str) -> None:
        super().__init__(f"{database}: row {seq} {what}; rows from {seq} on are void; {RESTORE}")
        self.seq = seq
        self.what = what


@dataclass(frozen=True, slots=True)
class Head:
    """The last row that a commit has acknowledged."""

    seq: int
    digest: bytes


def head(database: Database, cursor: Any) -> Head:
    """What the last commit said it reached."""
    cursor.execute("SELECT seq, digest FROM ledger_head WHERE id = 1")
    found = cursor.fetchone()
    if found is None:
        raise LedgerFault(f"{database.name} has lost the record of its last row; {RESTORE}")
    return Head(int(found[0]), bytes(found[1]))


def digest_at(database: Database, cursor: Any, seq: int) -> bytes | None:
    """The chain's digest after a row, None when there is no such row."""
    if seq == 0:
        return GENESIS
    cursor.execute(database.sql("SELECT digest FROM ledger WHERE seq = ?"), (seq,))
    found = cursor.fetchone()
    return None if found is None else bytes(found[0])


def checked(
    database: Database, cursor: Any, *, after: int, upto: int | None = None
) -> Iterator[StoredRow]:
    """Rows above ``after``, in order; raises BrokenChain at the first that is not as written.

    Without ``upto`` it goes to the acknowledged end and checks that nothing lies beyond it.
    """
    end = head(database, cursor) if upto is None else None
    last = end.seq if end is not None else upto or 0
    before = digest_at(database, cursor, after)
    if before is None:
        raise BrokenChain(database.name, after, "is missing")
    seq = after
    while seq < last:
        cursor.execute(database.sql(_SELECT), (seq, min(seq + _BATCH, last)))
        batch = cursor.fetchall()
        if not batch:
            raise BrokenChain(database.name, seq + 1, f"is missing; the ledger ends at {last}")
        for record in batch:
            stored = _checked_row(database, record, seq + 1, before)
            yield stored
            seq, before = stored.seq, stored.digest
    if end is not None:
        _check_end(database, cursor, end, before)


def _checked_row(database: Database, record: Any, wanted: int, before: bytes) -> StoredRow:
    seq, ts, kind, key, epoch, body, digest = record
    if seq != wanted:
        raise BrokenChain(database.name, wanted, f"is missing; the next one is {seq}")
    try:
        row = LedgerRow(ts_event=ts, kind=kind, key=key, body=bytes(body))
        digest = bytes(digest)
        is_intact = link(before, seq, row, epoch=epoch) == digest
    except (AttributeError, TypeError, ValueError, StructError):
        # A damaged record can hold values of another type.
        is_intact = False
    if not is_intact:
        raise BrokenChain(database.name, seq, "does not match its digest: it was changed")
    return StoredRow(seq=seq, digest=digest, row=row)


def _check_end(database: Database, cursor: Any, end: Head, before: bytes) -> None:
    if before != end.digest:
        raise BrokenChain(database.name, end.seq, "is not the last row that was acknowledged")
    cursor.execute("SELECT MAX(seq) FROM ledger")
    highest = cursor.fetchone()[0] or 0
    if highest > end.seq:
        raise BrokenChain(
            database.name, end.seq + 1, "was written past the acknowledged end, by no ledger"
        )
