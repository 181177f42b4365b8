"""Questions to a ledger that cannot change it: SQL, the views, copies and exports."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.storage.database import Database
from interlock.adapters.storage.ledger import read_stored
from interlock.adapters.storage.verification import Verified, verify
from interlock.adapters.storage.views import views
from interlock.model.rows import decode_row
from interlock.ports import LedgerFault

_BATCH = 1_000
_REGISTRY = """
SELECT client_order_id, instrument, side, type, status, quantity, filled, price, strategy, account,
  epoch, time, updated, venue_order_id, payload_hash FROM orders ORDER BY seq"""


@dataclass(frozen=True, slots=True)
class Found:
    """The names of the columns and the records, read as they are asked for."""

    columns: tuple[str, ...]
    records: Iterator[tuple[Any, ...]]


class Reader:
    """A read-only connection: the database refuses whatever would change something."""

    def __init__(self, where: str | Path) -> None:
        self.database = Database(where, readonly=True)
        if not self.database.exists:
            raise LedgerFault(f"{self.database.name} does not exist; name the engine's ledger")
        self._connection = self.database.connect()
        if not self.database.is_sqlite:
            # One transaction that only reads, so that no statement can lift the rule again.
            self._connection.autocommit = False
            self._connection.read_only = True

    def ask(self, sql: str) -> Found:
        """Run one SELECT. Raises LedgerFault for what is none, or does not fit the tables."""
        cursor = self._connection.cursor()
        with self._asking(sql):
            if self.database.is_sqlite:
                cursor.execute(sql)
            else:
                # Prepared, because only then the server takes one statement and no more.
                cursor.execute(sql.encode(), prepare=True)
        if cursor.description is None:
            raise LedgerFault("the statement returns no table; ask with SELECT")
        names = tuple(column[0] for column in cursor.description)
        return Found(names, self._records(cursor, sql))

    def views(self) -> list[tuple[str, tuple[str, ...], int]]:
        """Name, columns and how many records of every view."""
        answers = []
        for name in sorted(views(self.database.engine.dialect.name)):
            count = next(self.ask(f"SELECT COUNT(*) FROM {name}").records)[0]
            answers.append((name, self.ask(f"SELECT * FROM {name} LIMIT 0").columns, count))
        return answers

    def registry(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every client order id that was ever drawn, oldest first, with what became of it."""
        found = self.ask(_REGISTRY)
        for record in found.records:
            entry = dict(zip(found.columns, record, strict=True))
            yield str(entry.pop("client_order_id")), entry

    def rows(self, after: int = 0) -> Iterator[dict[str, Any]]:
        """The ledger's rows as plain values, checked against the chain."""
        for stored in read_stored(self.database, after):
            body = msgspec.to_builtins(decode_row(stored.row), builtin_types=(bytes,))
            yield {"seq": stored.seq, **body, "digest": stored.digest.hex()}

    def verify(self, *, tail: int = 0) -> Verified:
        """Check the chain, and with no ``tail`` the database's structure."""
        return verify(self.database, tail=tail)

    def close(self) -> None:
        """Let go of the database."""
        self._connection.close()

    def _records(self, cursor: Any, sql: str) -> Iterator[tuple[Any, ...]]:
        with self._asking(sql):
            while batch := cursor.fetchmany(_BATCH):
                yield from (tuple(record) for record in batch)

    def _asking(self, sql: str) -> Any:
        return _Asking(self.database, sql)


class _Asking:
    """An error of the statement is about the statement, not about the ledger."""

    def __init__(self, database: Database, sql: str) -> None:
        self._faults = database.faults("cannot be asked")
        self._sql = sql

    def __enter__(self) -> None:
        self._faults.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        if _is_about_statement(error):
            shown = " ".join(self._sql.split())
            text = " ".join(str(error).split())
            raise LedgerFault(
                f"{shown!r} cannot be answered: {text}; a query may only read, one SELECT over "
                "the views that `interlock ledger views` lists"
            ) from error
        return self._faults.__exit__(kind, error, trace)


def _is_about_statement(error: BaseException | None) -> bool:
    if isinstance(error, sqlite3.Warning | sqlite3.ProgrammingError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return code & 0xFF in (sqlite3.SQLITE_ERROR, sqlite3.SQLITE_READONLY)
    state = str(getattr(error, "sqlstate", None) or "")
    return state.startswith(("42", "22")) or state == "25006"


def backup(where: str | Path, target: Path) -> Verified:
    """Copy a SQLite ledger, also while an engine writes to it, and verify the copy.

    Raises LedgerFault when the copy fails its check; it is then removed.
    """
    reader = Reader(where)
    with closing(reader):
        if not reader.database.is_sqlite:
            raise LedgerFault("PostgreSQL is copied by pg_dump; see docs/ledger.md, Backup")
        if target.exists():
            raise LedgerFault(f"{target} exists; name a file that does not")
        with reader.database.faults("cannot be copied"), closing(sqlite3.connect(target)) as copy:
            source: sqlite3.Connection = reader._connection
            source.backup(copy)
            copy.execute("PRAGMA journal_mode = WAL")
    found = verify(Database(target))
    if found.problem is not None:
        target.unlink()
        raise found.problem
    return found
