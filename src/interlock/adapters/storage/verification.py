"""Verification: is every row as it was written, and do the projections say what the rows say?"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import Any

from interlock.adapters.storage.database import Database
from interlock.adapters.storage.reading import BrokenChain, checked, digest_at, head
from interlock.model.rows import RowError, decode_row
from interlock.ports import LedgerFault


@dataclass(frozen=True, slots=True)
class Verified:
    """What was checked: ``problem`` is None, or the fault with the first bad sequence in it."""

    first: int
    last: int
    digest: str
    problem: LedgerFault | None = None

    @property
    def rows(self) -> int:
        """How many rows passed."""
        return max(0, self.last - self.first + 1)


def verify(database: Database, *, tail: int = 0) -> Verified:
    """Check the last ``tail`` rows, or all of them and the database's own structure with 0.

    Damage is the answer, not an exception; an exception is that nothing could be read at all.
    """
    with database.faults("cannot be read"), closing(database.connect()) as connection:
        cursor = connection.cursor()
        database.stand_still(cursor)
        end = head(database, cursor)
        after = max(0, end.seq - tail) if tail else 0
        try:
            if not tail:
                _check_structure(database, cursor)
            last = _walk(database, cursor, after)
        except LedgerFault as problem:
            good = problem.seq - 1 if isinstance(problem, BrokenChain) else after
            return Verified(after + 1, good, "", problem)
        return Verified(after + 1, last, end.digest.hex())


def check_anchor(database: Database, seq: int, digest: bytes) -> LedgerFault | None:
    """Whether the row ``seq`` still has the digest that somebody noted elsewhere."""
    with database.faults("cannot be read"), closing(database.connect()) as connection:
        found = digest_at(database, connection.cursor(), seq)
    if found == digest:
        return None
    what = "is missing" if found is None else "has another digest than was noted elsewhere"
    return BrokenChain(database.name, seq, what)


def _walk(database: Database, cursor: Any, after: int) -> int:
    last = after
    for stored in checked(database, cursor, after=after):
        try:
            decode_row(stored.row)
        except RowError as error:
            raise BrokenChain(database.name, stored.seq, f"cannot be read: {error}") from error
        last = stored.seq
    return last


def _check_structure(database: Database, cursor: Any) -> None:
    if not database.is_sqlite:
        return
    cursor.execute("PRAGMA integrity_check(1)")
    said = cursor.fetchone()[0]
    if said != "ok":
        raise LedgerFault(
            f"{database.name} is damaged ({' '.join(said.split())}); do not trade on it: keep it "
            "aside, restore the newest backup that passes `interlock ledger verify` "
            "(docs/ledger.md, Restore), then start again"
        )
