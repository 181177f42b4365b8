"""Where the ledger's contract is tried: a file for each test, or a database of a real server."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from tests.contract.postgresql_server import NoServerError, postgresql_server

Store = str


@pytest.fixture(scope="session")
def postgresql_url() -> Iterator[str]:
    """A server's URL with ``{}`` for the database; without a server the tests skip off CI."""
    try:
        with postgresql_server() as url:
            yield url
    except NoServerError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))


@pytest.fixture
def new_postgresql(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Makes an empty database on the server and returns its URL."""

    def make() -> Store:
        url: str = request.getfixturevalue("postgresql_url")
        name = f"t{abs(hash(str(tmp_path))):x}"
        with psycopg.connect(url.format("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name}")
            connection.execute(f"CREATE DATABASE {name}")
        return url.format(name)

    return make


@pytest.fixture(params=["sqlite", "postgresql"])
def store(
    request: pytest.FixtureRequest, tmp_path: Path, new_postgresql: Callable[[], Store]
) -> Store:
    """Where a ledger may be made: both kinds must behave alike."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return new_postgresql()
