"""Where contracts are tried: each store of the ledger, each venue adapter on its protocol."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from interlock.venue.certificates import Authority, ensure
from tests.contract.port_desk import KINDS, Kind, Story, trade
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


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A certificate authority of this session's own."""
    folder = tmp_path_factory.mktemp("authority")
    return ensure(folder, now=datetime.datetime.now(datetime.UTC))


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each adapter that the port's contract binds."""
    found: Kind = request.param
    return found


@pytest.fixture
def tell(kind: Kind, authority: Authority) -> Callable[..., None]:
    """Tells a story between the exchange and one adapter."""

    def run(story: Story, **options: Any) -> None:
        trade(kind, story, authority=authority, **options)

    return run
