"""Leases with fencing epochs: who may trade an account, kept beside the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from interlock.adapters.storage.database import Database, transaction
from interlock.adapters.storage.ledger import prepare
from interlock.ports import Lease

_ROW = "INSERT INTO leases VALUES (?, '', 0, 0) ON CONFLICT (account) DO NOTHING"
_READ = "SELECT holder, epoch, ts_expires FROM leases WHERE account = ?"
_TAKE = "UPDATE leases SET holder = ?, epoch = ?, ts_expires = ? WHERE account = ?"
_KEEP = "UPDATE leases SET ts_expires = ? WHERE account = ? AND holder = ? AND epoch = ?"
_RAISE = "UPDATE leases SET epoch = ? WHERE account = ? AND epoch < ?"


class SqlLeases:
    """Leases in a ledger's database. Every call is one transaction of its own connection, durable
    but for renewals.

    An epoch is never given twice: a released or expired lease keeps its number. The holder of a
    living lease who asks again, after a crash say, gets a new epoch at once, which ends the old
    one. Times are the callers': when their clocks differ a lease may end early, and the ledger's
    fence then stops its holder.
    """

    def __init__(self, where: str | Path | Database) -> None:
        self._database = where if isinstance(where, Database) else prepare(where)

    def acquire(self, account: str, holder: str, *, ts: int, ttl_ns: int) -> Lease | None:
        """A new lease with a new epoch, or None while another holder's is alive."""
        with self._transaction() as run:
            run(_ROW, account)
            (found,) = run(_READ + ("" if self._database.is_sqlite else " FOR UPDATE"), account)
            owner, epoch, expires = found
            if owner != holder and expires > ts:
                return None
            run(_TAKE, holder, epoch + 1, ts + ttl_ns, account)
        return Lease(account=account, holder=holder, epoch=epoch + 1, ts_expires=ts + ttl_ns)

    def renew(self, lease: Lease, *, ts: int, ttl_ns: int) -> Lease | None:
        """The same epoch for longer, or None when a later epoch exists.

        In SQLite the next sync of the ledger makes it last: who is there to see an older time is
        a process of this machine, after a crash that took the holder too.
        """
        expires = ts + ttl_ns
        if not self._keep(lease, expires, is_synced=False):
            return None
        return Lease(
            account=lease.account, holder=lease.holder, epoch=lease.epoch, ts_expires=expires
        )

    def release(self, lease: Lease) -> None:
        """Let others have the account at once; a later epoch stays as it is."""
        self._keep(lease, 0)

    def current(self, account: str) -> Lease | None:
        """The newest lease of the account, alive or not; None where there never was one."""
        with self._transaction() as run:
            found = run(_READ, account)
        for holder, epoch, expires in found:
            return Lease(account=account, holder=holder, epoch=epoch, ts_expires=expires)
        return None

    def raise_epoch(self, account: str, least: int) -> None:
        """Give no epoch up to ``least`` again: ids outlive a ledger that a backup replaced."""
        with self._transaction() as run:
            run(_ROW, account)
            run(_RAISE, least, account, least)

    def _keep(self, lease: Lease, expires: int, *, is_synced: bool = True) -> bool:
        with self._transaction(is_synced=is_synced) as run:
            changed: int = run.changed(_KEEP, expires, lease.account, lease.holder, lease.epoch)
        return changed == 1

    @contextmanager
    def _transaction(self, *, is_synced: bool = True) -> Iterator[_Statements]:
        database = self._database
        with database.faults("refused a lease"), closing(database.connect()) as connection:
            if database.is_sqlite and not is_synced:
                connection.execute("PRAGMA synchronous = NORMAL")
            with transaction(database, connection) as cursor:
                yield _Statements(database, cursor)


class _Statements:
    """Statements of one transaction."""

    def __init__(self, database: Database, cursor: Any) -> None:
        self._database = database
        self._cursor = cursor

    def __call__(self, text: str, *values: Any) -> list[Any]:
        self._cursor.execute(self._database.sql(text), values)
        return [] if self._cursor.description is None else list(self._cursor.fetchall())

    def changed(self, text: str, *values: Any) -> int:
        self._cursor.execute(self._database.sql(text), values)
        return int(self._cursor.rowcount)
