"""The ledger: rows taken in by ``append`` become durable together by ``commit``, or not at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import Any, Self

from interlock.adapters.storage.database import (
    BUSY_MS,
    Database,
    begin_at_once,
    copy_log,
    is_of_disk,
    transaction,
)
from interlock.adapters.storage.migrations import is_unfinished, migrate, require_newest
from interlock.adapters.storage.projections import Projector
from interlock.adapters.storage.reading import Head, checked, digest_at, head
from interlock.adapters.storage.reserve import Reserve
from interlock.adapters.storage.verification import verify
from interlock.model.chain import link
from interlock.model.rows import AnyRow, LedgerRow, StoredRow, decode_row, encode_row
from interlock.ports import Lease, LedgerFault, LedgerFull, StaleLease

# How many of the last rows are checked before a ledger is written to. Older rows are checked when
# they are read, so that nothing unchecked reaches a state; all by `interlock ledger verify`.
TAIL = 10_000

_INSERT = "INSERT INTO ledger (seq, ts, kind, key, epoch, body, digest) VALUES (?,?,?,?,?,?,?)"
_MOVE_HEAD = "UPDATE ledger_head SET seq = ?, digest = ? WHERE id = 1 AND seq = ? AND digest = ?"
_FENCE = "SELECT epoch FROM leases WHERE account = ?"


# A row as it was given, None when it was given encoded, and encoded.
Pair = tuple[AnyRow | None, LedgerRow]


class SqlLedger:
    """A ledger in SQLite or PostgreSQL, open for writing under the given leases.

    One thread appends and one thread commits; they may be two. Every row carries the epoch of the
    first lease (0 without one), and a commit is refused when any lease has a later epoch.
    ``space_is_low`` says that the last commit needed the space that was set aside: stop taking
    risk, there is no more.
    """

    def __init__(self, database: Database, leases: Sequence[Lease] = ()) -> None:
        self.database = database
        self.space_is_low = False
        self._leases = tuple(leases)
        self._epoch = leases[0].epoch if leases else 0
        self._projector = Projector(database)
        self._insert = database.sql(_INSERT)
        self._move_head = database.sql(_MOVE_HEAD)
        # On PostgreSQL the lease is held until the commit, so that nobody takes it in between.
        self._fence = database.sql(_FENCE) + ("" if database.is_sqlite else " FOR SHARE")
        self._pending: deque[Pair] = deque()
        # Rows in the open transaction, and the head that they lead to.
        self._staged: tuple[list[Pair], Head] | None = None
        self._fault: LedgerFault | None = None
        self._connection = database.connect()
        try:
            # A transaction, so that a ledger that cannot be written is noticed now.
            with database.faults("cannot be written"), self._transaction() as cursor:
                self._head = head(database, cursor)
                self._projector.load(cursor)
                self._check_leases(cursor)
        except LedgerFault:
            self._connection.close()
            raise
        self._taken = self._head.seq
        self._reserve = None if database.path is None else Reserve(database.path)

    def append(self, rows: Sequence[AnyRow | LedgerRow]) -> int:
        """Take rows in, encoded or not; returns the last one's sequence. ``commit`` keeps them."""
        self._refuse_after_fault()
        pairs = [_both(row) for row in rows]
        # One call on one queue that is never replaced: a commit in another thread, which may have
        # begun meanwhile, takes all of these rows or leaves them for the next.
        self._pending.extend(pairs)
        self._taken += len(rows)
        return self._taken

    def stage(self) -> None:
        """Write what was appended into an open transaction, so that a commit only syncs it.

        Threads that take turns cost a commit more than its statements do. Whatever stands in the
        way (another writer, a fault) is left to ``commit``, which may wait and raises it.
        """
        if not (self._pending and self.database.is_sqlite and self._staged is None):
            return
        pending = self._take()
        connection = self._connection
        try:
            with self.database.faults("refused a commit"):
                if not begin_at_once(self.database, connection):
                    self._pending.extendleft(reversed(pending))
                    return
                self._staged = pending, self._write(connection.cursor(), pending)
        except LedgerFault:
            self._undo(pending)

    def commit(self) -> int:
        """Write and sync what was appended; returns the last durable sequence.

        After ``stage`` what was written then; the rest waits for the next commit.
        """
        self._refuse_after_fault()
        if self._staged is not None and self._commit_staged():
            return self._head.seq
        pending = self._take()
        if pending:
            try:
                self._head = self._commit(pending)
            except LedgerFault as fault:
                self._fault = fault
                raise
        return self._head.seq

    def read(self, after: int = 0) -> Iterator[tuple[int, AnyRow]]:
        """Durable rows above ``after``, checked against the chain; on a connection of its own."""
        return read_rows(self.database, after)

    def last(self) -> int:
        """The last durable sequence."""
        return self._head.seq

    def digest_at(self, seq: int) -> bytes | None:
        """The chain's digest after a durable row, None where there is none."""
        return digest_after(self.database, seq)

    def tidy(self) -> None:
        """Copy SQLite's log into its database, on a connection of its own: commits go on.

        A log that is copied to its end begins anew, and a commit into it does not grow the file.
        After an I/O error the ledger takes nothing more.
        """
        if not self.database.is_sqlite:
            return
        try:
            copy_log(self.database)
        except LedgerFault as fault:
            if is_of_disk(fault):
                # It may have been the log that was not synced, and what is in it counts.
                self._fault = self._fault or fault
            raise

    def close(self) -> None:
        """Let go of the database. What was not committed is forgotten."""
        self._fault = self._fault or LedgerFault(f"{self.database.name} was closed; open it again")
        with suppress(LedgerFault), self.database.faults("cannot be closed"):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _transaction(self) -> AbstractContextManager[Any]:
        return transaction(self.database, self._connection)

    def _refuse_after_fault(self) -> None:
        if self._fault is not None:
            raise self._fault

    def _take(self) -> list[Pair]:
        return [self._pending.popleft() for _ in range(len(self._pending))]

    def _commit_staged(self) -> bool:
        """Sync the open transaction; False when it must be written again from its beginning.

        A disk without space said so before the sync. A sync that failed is not tried again: the
        system forgets what it could not write, so the next one may succeed without it.
        """
        assert self._staged is not None
        (pending, reached), self._staged = self._staged, None
        try:
            with self.database.faults("refused a commit"):
                self._connection.execute("COMMIT")
        except LedgerFull:
            self._undo(pending)
            return False
        except LedgerFault as fault:
            self._undo(pending)
            self._fault = fault
            raise
        self._head = reached
        return True

    def _undo(self, pending: list[Pair]) -> None:
        """Nothing of these rows was kept; they are the next to be written."""
        with suppress(LedgerFault), self.database.faults("cannot be written"):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        self._pending.extendleft(reversed(pending))

    def _commit(self, pending: list[Pair]) -> Head:
        try:
            return self._write_whole(pending)
        except LedgerFull:
            if self._reserve is None or not self._reserve.release():
                raise
            self.space_is_low = True
            return self._write_whole(pending)

    def _write_whole(self, pending: list[Pair]) -> Head:
        with self.database.faults("refused a commit"), self._transaction() as cursor:
            return self._write(cursor, pending)

    def _write(self, cursor: Any, pending: list[Pair]) -> Head:
        seq, digest, epoch = self._head.seq, self._head.digest, self._epoch
        records, batch = [], []
        for row, encoded in pending:
            seq += 1
            digest = link(digest, seq, encoded, epoch=epoch)
            batch.append((seq, decode_row(encoded) if row is None else row))
            records.append(
                (seq, encoded.ts_event, encoded.kind, encoded.key, epoch, encoded.body, digest)
            )
        self._check_leases(cursor)
        cursor.execute(self._move_head, (seq, digest, self._head.seq, self._head.digest))
        if cursor.rowcount != 1:
            raise LedgerFault(
                f"{self.database.name} was written by somebody else after row "
                f"{self._head.seq}; one engine writes a ledger: stop the others, then start again"
            )
        cursor.executemany(self._insert, records)
        self._projector.apply(cursor, batch)
        return Head(seq, digest)

    def _check_leases(self, cursor: Any) -> None:
        for lease in self._leases:
            cursor.execute(self._fence, (lease.account,))
            found = cursor.fetchone()
            epoch = None if found is None else found[0]
            if epoch != lease.epoch:
                raise StaleLease(
                    f"account {lease.account}: this engine holds epoch {lease.epoch}, the ledger "
                    f"knows {epoch}; another engine took over: stop this one, it may send nothing"
                )


def _both(row: AnyRow | LedgerRow) -> Pair:
    return (None, row) if isinstance(row, LedgerRow) else (row, encode_row(row))


def open_ledger(
    where: str | Path,
    *,
    leases: Sequence[Lease] = (),
    create: bool = True,
    tail: int = TAIL,
    busy_ms: int = BUSY_MS,
) -> SqlLedger:
    """Open a ledger for writing, a new one with ``create``; refuses one that fails its check.

    Raises LedgerFault: wrong version, damaged or missing rows among the last ``tail``, no way to
    write, another writer; StaleLease: a lease has a later epoch.
    """
    database = prepare(where, create=create, busy_ms=busy_ms)
    last = verify(database, tail=tail)
    if last.problem is not None:
        raise last.problem
    return SqlLedger(database, leases)


def prepare(where: str | Path, *, create: bool = True, busy_ms: int = BUSY_MS) -> Database:
    """The database of a ledger in the newest version; with ``create`` made or its making ended."""
    database = Database(where, busy_ms=busy_ms)
    if create and is_unfinished(database):
        if database.path is not None:
            database.path.parent.mkdir(parents=True, exist_ok=True)
        migrate(database)
    require_newest(database)
    return database


def read_rows(database: Database, after: int = 0) -> Iterator[tuple[int, AnyRow]]:
    """Durable rows above ``after``, each checked against the chain."""
    for stored in read_stored(database, after):
        yield stored.seq, decode_row(stored.row)


def read_stored(database: Database, after: int = 0) -> Iterator[StoredRow]:
    """The same as they are stored."""
    with database.faults("cannot be read"), closing(database.connect()) as connection:
        cursor = connection.cursor()
        database.stand_still(cursor)
        yield from checked(database, cursor, after=after)


def digest_after(database: Database, seq: int) -> bytes | None:
    """The chain's digest after a durable row, None where there is none."""
    with database.faults("cannot be read"), closing(database.connect()) as connection:
        return digest_at(database, connection.cursor(), seq)
