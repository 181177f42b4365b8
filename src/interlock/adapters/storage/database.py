"""One database by URL: how it is opened so that a commit is durable, and how its errors read."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from interlock.ports import LedgerFault, LedgerFull

# How long a writer waits for another one before it refuses.
BUSY_MS = 5_000
# The write-ahead log is copied into the database in quiet moments by ``Ledger.tidy``; this many
# pages (64 MB) are the bound when there are none.
_LOG_PAGES = 16_384
# What was committed while a log was copied is copied after it.
_COPY_PASSES = 3

_RESTORE = (
    "do not trade on it: stop the engine, keep the damaged files aside, restore the newest backup "
    "that passes `interlock ledger verify` (docs/ledger.md, Restore), then start again"
)
_REMEDIES = {
    sqlite3.SQLITE_BUSY: (
        "another process writes to it and did not finish in time; stop the second engine or the "
        "tool that holds it, then start again"
    ),
    sqlite3.SQLITE_LOCKED: "another connection of this process holds it; close that one",
    sqlite3.SQLITE_FULL: (
        "the disk or the file limit is reached; free space on that disk, then start again: nothing "
        "of this commit was kept, everything before it is there"
    ),
    sqlite3.SQLITE_READONLY: (
        "the file, its folder or the disk is read-only for this user; change that, or name "
        "another place"
    ),
    sqlite3.SQLITE_CANTOPEN: (
        "check that the path exists and that this user may write to the file and its folder"
    ),
    sqlite3.SQLITE_IOERR: (
        "the disk refused to read or write; look at the system's log, free space or replace the "
        "disk, run `interlock ledger verify`, and only then start again"
    ),
    sqlite3.SQLITE_CORRUPT: _RESTORE,
    sqlite3.SQLITE_NOTADB: _RESTORE,
    sqlite3.SQLITE_CONSTRAINT: (
        "the rows break a rule that keeps orders from doubling (one intent per client order id, "
        "every fill once); this is a defect of the writer: keep the ledger and report it"
    ),
}
_LOST = (
    "the connection or the server failed; a commit under way may or may not have been kept: start "
    "again, the start path reads what was"
)


class Database:
    """A database, its dialect, and the two ways in: SQLAlchemy's, and a bare connection."""

    def __init__(self, where: str | Path, *, readonly: bool = False, busy_ms: int = BUSY_MS):
        self.url = database_url(where)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.readonly = readonly
        self.busy_ms = busy_ms
        self.path = Path(self.url.database or "") if self.is_sqlite else None
        self.name = self.url.render_as_string(hide_password=True)
        self.engine = self._engine()

    def sql(self, text: str) -> str:
        """The statement with this driver's way to write a parameter."""
        return text if self.is_sqlite else text.replace("?", "%s")

    @property
    def begin(self) -> str:
        """The statement that opens a writing transaction."""
        return "BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN"

    @property
    def exists(self) -> bool:
        """Whether there is a file; a server's database exists."""
        try:
            return self.path is None or (self.path.exists() and self.path.stat().st_size > 0)
        except OSError as error:
            remedy = _REMEDIES[sqlite3.SQLITE_CANTOPEN]
            raise LedgerFault(
                f"{self.name} cannot be reached: {error.strerror}; {remedy}"
            ) from error

    def connect(self) -> Any:
        """A bare connection of the driver, which begins and ends transactions only when told."""
        with self.faults("cannot be opened"):
            connection = self.engine.raw_connection()
            driver = connection.driver_connection
            connection.detach()
        return driver

    def stand_still(self, cursor: Any) -> None:
        """Let everything that the connection reads be of one moment, while others go on writing.

        The moment ends with the connection.
        """
        mode = "" if self.is_sqlite else " ISOLATION LEVEL REPEATABLE READ, READ ONLY"
        cursor.execute("BEGIN" + mode)

    @contextmanager
    def faults(self, what: str) -> Iterator[None]:
        """Turn an error of the driver into a LedgerFault that says what, why and the way on."""
        try:
            yield
        except DBAPIError as error:
            raise self._fault(what, error.orig or error) from error
        except self._driver_error as error:
            raise self._fault(what, error) from error
        except UnicodeDecodeError as error:
            raise LedgerFault(f"{self.name} {what}: its text is damaged; {_RESTORE}") from error

    def _engine(self) -> Engine:
        url = self.url
        if self.is_sqlite and self.readonly:
            url = url.set(database=f"file:{self.path}", query={"mode": "ro", "uri": "true"})
        options: dict[str, Any] = {"poolclass": NullPool}
        if self.is_sqlite:
            options["connect_args"] = {
                "check_same_thread": False,
                "timeout": self.busy_ms / 1000,
            }
        engine = sqlalchemy.create_engine(url, **options)
        dialect: Any = engine.dialect
        self._driver_error: type[Exception] = dialect.dbapi.Error
        if self.is_sqlite:
            event.listen(engine, "connect", self._prepare_sqlite)
            event.listen(engine, "begin", self._begin_sqlite)
        else:
            event.listen(engine, "connect", self._prepare_postgresql)
        return engine

    def _prepare_sqlite(self, connection: Any, record: object) -> None:
        connection.isolation_level = None
        if self.readonly:
            connection.execute("PRAGMA query_only = ON")
            return
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise LedgerFault(
                f"{self.name} cannot use a write-ahead log (its journal mode stays {mode}); the "
                "ledger needs a local disk, not a network folder or memory"
            )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}")

    def _begin_sqlite(self, connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if self.readonly else self.begin)

    def _prepare_postgresql(self, connection: Any, record: object) -> None:
        connection.autocommit = True
        # An answer before the rows are on disk would be a lie, whatever the server's default is.
        connection.execute("SET synchronous_commit = on")
        connection.execute(f"SET lock_timeout = '{self.busy_ms}ms'")
        if self.readonly:
            connection.execute("SET default_transaction_read_only = on")
        connection.autocommit = False

    def _fault(self, what: str, error: BaseException) -> LedgerFault:
        code = getattr(error, "sqlite_errorcode", None)
        text = " ".join(str(error).split()) or type(error).__name__
        if code is not None:
            # The low byte is the error, the rest its variant.
            remedy = _REMEDIES.get(code & 0xFF, "see docs/ledger.md, Faults, before trading on")
        else:
            remedy = _postgresql_remedy(error)
        kind = LedgerFull if remedy == _REMEDIES[sqlite3.SQLITE_FULL] else LedgerFault
        return kind(f"{self.name} {what}: {text}; {remedy}")


def _postgresql_remedy(error: BaseException) -> str:
    state = str(getattr(error, "sqlstate", None) or "")
    if state.startswith("23"):
        return _REMEDIES[sqlite3.SQLITE_CONSTRAINT]
    if state == "55P03":
        return _REMEDIES[sqlite3.SQLITE_BUSY]
    if state == "53100":
        return _REMEDIES[sqlite3.SQLITE_FULL]
    if state == "25006":
        return "the server or the session is read-only; name the primary server"
    if state.startswith("XX") or state == "58030":
        return _RESTORE
    return _LOST


def database_url(where: str | Path) -> URL:
    """A path or a URL as SQLAlchemy reads it; raises LedgerFault for another kind of database."""
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(Path(where).expanduser().absolute()))
    try:
        url = make_url(where)
    except ArgumentError as error:
        raise LedgerFault(f"{where!r} is not a database URL: {error}; {_FORMS}") from error
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return URL.create("sqlite", database=str(Path(url.database).expanduser().absolute()))
    if backend in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    raise LedgerFault(f"{url.render_as_string()} cannot hold a ledger; {_FORMS}")


_FORMS = "name a file, sqlite:///FILE or postgresql://USER@HOST/DATABASE"


def is_of_disk(fault: LedgerFault) -> bool:
    """Whether SQLite was refused a read, write or sync, for another reason than space."""
    code = getattr(fault.__cause__, "sqlite_errorcode", 0)
    return bool(code & 0xFF == sqlite3.SQLITE_IOERR)


def copy_log(database: Database) -> None:
    """Copy SQLite's log into its database, to its end if writers leave a moment for that."""
    with database.faults("cannot be tidied"), closing(database.connect()) as connection:
        for _ in range(_COPY_PASSES):
            copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if copied[1] == copied[2]:
                return


def begin_at_once(database: Database, connection: Any) -> bool:
    """Open a writing transaction of SQLite; False, at once, when another connection has one."""
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute(database.begin)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    finally:
        connection.execute(f"PRAGMA busy_timeout = {database.busy_ms}")
    return True


@contextmanager
def transaction(database: Database, connection: Any) -> Iterator[Any]:
    """A cursor inside one writing transaction: all of it becomes durable, or nothing."""
    cursor = connection.cursor()
    try:
        cursor.execute(database.begin)
        yield cursor
        cursor.execute("COMMIT")
    except BaseException:
        # A dead connection or a transaction that the database ended itself: nothing to undo.
        with suppress(database.engine.dialect.dbapi.Error):  # type: ignore[union-attr]
            cursor.execute("ROLLBACK")
        raise
    finally:
        cursor.close()
