"""Makes the projections again from the rows, and compares what stands there with what should."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from sqlalchemy import Connection

from interlock.adapters.storage import schema
from interlock.adapters.storage.database import Database, transaction
from interlock.adapters.storage.projections import Projector
from interlock.adapters.storage.reading import checked, head
from interlock.model.rows import AnyRow, decode_row

_BATCH = 5_000


def rebuild(database: Database) -> int:
    """Empty the projections and fill them from the ledger, in one transaction; returns the rows."""
    with database.faults("cannot be rebuilt"):
        connection = database.connect()
        try:
            with transaction(database, connection) as cursor:
                return _rebuild(database, connection, cursor)
        finally:
            connection.close()


def rebuild_in(database: Database, connection: Connection) -> int:
    """The same inside a transaction that is under way."""
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor()
    try:
        return _rebuild(database, driver, cursor)
    finally:
        cursor.close()


def _rebuild(database: Database, connection: Any, cursor: Any) -> int:
    for table in reversed(schema.projections.sorted_tables):
        cursor.execute(f"DELETE FROM {table.name}")
    projector = Projector(database)
    reader = connection.cursor()
    try:
        last = head(database, reader).seq
        found = _decoded(database, reader)
        while batch := list(islice(found, _BATCH)):
            projector.apply(cursor, batch)
        return last
    finally:
        reader.close()


def _decoded(database: Database, reader: Any) -> Iterator[tuple[int, AnyRow]]:
    for stored in checked(database, reader, after=0):
        yield stored.seq, decode_row(stored.row)
