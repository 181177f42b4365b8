"""Migrations: every version of the schema with its way up and its way down.

Rules of this file. A step runs in one transaction. The chain of rows is never changed by a step,
only what stands around it; a step that changes a projection drops all of them on the way up and
makes them again from the rows. A version that was released is not edited.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, inspect

from interlock.adapters.storage import schema
from interlock.adapters.storage.database import Database
from interlock.adapters.storage.rebuild import rebuild_in
from interlock.adapters.storage.views import views
from interlock.model.chain import GENESIS
from interlock.ports import LedgerFault


@dataclass(frozen=True, slots=True)
class Migration:
    """One version: what it brings, and how it comes and goes."""

    version: int
    name: str
    up: Callable[[Database, Connection], None]
    down: Callable[[Database, Connection], None]


def _chain_up(database: Database, connection: Connection) -> None:
    schema.core.create_all(connection)
    connection.execute(schema.ledger_head.insert().values(id=1, seq=0, digest=GENESIS))


def _chain_down(database: Database, connection: Connection) -> None:
    for table in (schema.ledger, schema.ledger_head, schema.leases):
        table.drop(connection)


def _projections_up(database: Database, connection: Connection) -> None:
    schema.projections.create_all(connection)
    for name, select in views(connection.dialect.name).items():
        statement = f"CREATE VIEW {name} AS {select}"
        # Through SQLAlchemy psycopg always looks for parameters, sqlite3 never for this kind.
        connection.exec_driver_sql(
            statement if database.is_sqlite else statement.replace("%", "%%")
        )
    rebuild_in(database, connection)


def _projections_down(database: Database, connection: Connection) -> None:
    for name in reversed(views(connection.dialect.name)):
        connection.exec_driver_sql(f"DROP VIEW {name}")
    schema.projections.drop_all(connection)


def _guards_up(database: Database, connection: Connection) -> None:
    """The database itself refuses to change or remove a row, whoever asks."""
    if not database.is_sqlite:
        connection.exec_driver_sql(
            "CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$"
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER ledger_keeps_rows BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only()"
        )
        return
    for verb in ("UPDATE", "DELETE"):
        connection.exec_driver_sql(
            f"CREATE TRIGGER ledger_refuses_{verb.lower()} BEFORE {verb} ON ledger "
            "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END"
        )


def _guards_down(database: Database, connection: Connection) -> None:
    if not database.is_sqlite:
        connection.exec_driver_sql("DROP TRIGGER ledger_keeps_rows ON ledger")
        connection.exec_driver_sql("DROP FUNCTION ledger_is_append_only()")
        return
    for verb in ("update", "delete"):
        connection.exec_driver_sql(f"DROP TRIGGER ledger_refuses_{verb}")


MIGRATIONS = (
    Migration(1, "chain of rows and leases", _chain_up, _chain_down),
    Migration(2, "projections and views", _projections_up, _projections_down),
    Migration(3, "rows guarded by the database", _guards_up, _guards_down),
)
NEWEST = MIGRATIONS[-1].version


def version(database: Database) -> int:
    """The schema's version, 0 where there is no ledger."""
    if not database.exists:
        return 0
    with database.faults("cannot be read"), database.engine.connect() as connection:
        return _version(connection)


def is_unfinished(database: Database) -> bool:
    """Whether there is no ledger yet, or one whose making was cut short: old and without a row."""
    found = version(database)
    return not found or (found < NEWEST and not _rows(database))


def migrate(database: Database, to: int = NEWEST) -> list[str]:
    """Bring the schema to a version, up or down; returns what was done, step by step."""
    if not 0 <= to <= NEWEST:
        raise LedgerFault(f"there is no schema version {to}; name one from 0 to {NEWEST}")
    if not to:
        _refuse_to_empty(database)
    done = []
    while step := _next_step(database, to):
        done.append(step)
    return done


def require_newest(database: Database) -> None:
    """Refuse a schema that this program does not write."""
    found = version(database)
    if found == NEWEST:
        return
    if not found:
        raise LedgerFault(f"{database.name} holds no ledger; check the name")
    if found > NEWEST:
        raise LedgerFault(
            f"{database.name} has schema version {found}, this program knows {NEWEST}; start the "
            f"newer program, or let it run `interlock ledger migrate --to {NEWEST}` first"
        )
    raise LedgerFault(
        f"{database.name} has schema version {found}, this program writes {NEWEST}; run "
        "`interlock ledger backup` and then `interlock ledger migrate`"
    )


def _refuse_to_empty(database: Database) -> None:
    rows = _rows(database) if version(database) else 0
    if rows:
        raise LedgerFault(
            f"{database.name} holds {rows} rows; the first version is not undone while there are "
            "any: move the ledger away instead of emptying it"
        )


def _rows(database: Database) -> int:
    with database.faults("cannot be read"), database.engine.connect() as connection:
        return int(connection.exec_driver_sql("SELECT seq FROM ledger_head").scalar_one())


def _next_step(database: Database, to: int) -> str:
    with database.faults("cannot be migrated"), database.engine.begin() as connection:
        if not database.is_sqlite:
            # Two engines that start at once make one ledger.
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4711)")
        at = _version(connection)
        if at > NEWEST:
            raise LedgerFault(
                f"{database.name} has schema version {at}, which this program does not know how "
                "to undo; use the program that made it"
            )
        if at == to:
            return ""
        step = MIGRATIONS[at if to > at else at - 1]
        if to > at:
            step.up(database, connection)
            entry = schema.schema_version.insert()
            connection.execute(entry.values(version=step.version, name=step.name))
            return f"up to {step.version}: {step.name}"
        step.down(database, connection)
        table = schema.schema_version
        connection.execute(table.delete().where(table.c.version == step.version))
        return f"down to {step.version - 1}: without {step.name}"


def _version(connection: Connection) -> int:
    if not inspect(connection).has_table(schema.schema_version.name):
        return 0
    found = connection.exec_driver_sql("SELECT MAX(version) FROM schema_version").scalar()
    return int(found or 0)
