"""``interlock data download`` as a process: whole, killed, interrupted, resumed, refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from interlock.adapters.ccxt_history.pages import NS_PER_MS
from interlock.model.units import parse_units
from interlock.research.catalog import Catalog
from interlock.strategy.columns import BarColumns
from tests.contract.loopback_venue import HOUR, MINUTE, START, Fault, LoopbackVenue, Market, bar

PROGRAM = "from interlock.cli.download import download; download()"
# A file may not grow beyond this many bytes: writing fails as it does on a full disk.
LIMITED = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)); "
PERPETUAL = "BTCUSDT-PERP.BINANCE"
BARS = 390
PATIENCE = 90


@pytest.fixture
def venue() -> Iterator[LoopbackVenue]:
    """Four pages of bars; request 0 is the list of markets, request n the n-th page."""
    with LoopbackVenue(Market(page_max=100)) as server:
        yield server


class User:
    """Somebody with a home folder who types the command."""

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url
        self.program = PROGRAM

    def start(
        self, *more: str, start: str = "2024-01-01", **variables: str
    ) -> subprocess.Popen[str]:
        """The command as a process of its own."""
        words = ["--venue", "binanceusdm", "--symbol", "BTC/USDT:USDT", "--url", self.url]
        words += ["--from", start, "--to", "2024-01-01T06:30:00Z"]
        environment = os.environ | {
            "INTERLOCK_HOME": str(self.home),
            "PYTHONWARNINGS": "error",
            # A proxy of the environment must not be asked.
            "http_proxy": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
        }
        environment |= variables
        return subprocess.Popen(
            [sys.executable, "-c", self.program, *words, *more],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *more: str, start: str = "2024-01-01") -> tuple[int, str, str]:
        """Exit code, output and errors of a run to its end."""
        return ended(self.start(*more, start=start))

    def bars(self) -> BarColumns:
        """The bars that the catalog holds, its digests verified."""
        catalog = Catalog(self.home / "catalog")
        catalog.verify(PERPETUAL, "bars-1m")
        return catalog.bars(PERPETUAL, "1m")

    def digest(self) -> str:
        """The digest of the stored bars."""
        return Catalog(self.home / "catalog").describe(PERPETUAL, "bars-1m").digest

    def jobs(self) -> list[Path]:
        """Folders of unfinished downloads."""
        return sorted((self.home / "cache" / "downloads").glob("*"))


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=PATIENCE)
    assert "Traceback" not in err, err
    return process.returncode, out, err


@pytest.fixture
def user(tmp_path: Path, venue: LoopbackVenue) -> User:
    return User(tmp_path / "home", venue.url)


@pytest.fixture(scope="module")
def whole_digest(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a run without any trouble stores."""
    with LoopbackVenue(Market(page_max=100)) as server:
        user = User(tmp_path_factory.mktemp("whole"), server.url)
        code, _, err = user.run()
        assert code == 0, err
        return user.digest()


def test_bars_trades_and_funding_arrive_exactly(user: User) -> None:
    code, out, err = user.run("--what", "bars,funding")
    assert code == 0, err
    code, _, err = user.run("--what", "trades", start="2024-01-01T06:00:00Z")
    assert code == 0, err
    assert f"{PERPETUAL} bars-1m: {BARS} rows" in out
    found = user.bars()
    times = [START + index * MINUTE for index in range(BARS)]
    assert found.ts.tolist() == [at * NS_PER_MS for at in times]
    assert found.close.tolist() == [parse_units(bar(at)[3], 1) for at in times]
    assert found.volume.tolist() == [parse_units(bar(at)[4], 3) for at in times]
    catalog = Catalog(user.home / "catalog")
    assert len(catalog.trades(PERPETUAL)) == 30 * 3
    assert catalog.funding(PERPETUAL).ts.tolist() == [START * NS_PER_MS]
    assert catalog.instrument(PERPETUAL).taker_rate == 500
    assert catalog.describe(PERPETUAL, "bars-1m").origin == "ccxt binanceusdm BTC/USDT:USDT"
    assert user.jobs() == []


@pytest.mark.parametrize("page", [1, 2, 4])
def test_a_killed_download_continues_and_ends_with_the_same_bytes(
    user: User, venue: LoopbackVenue, whole_digest: str, page: int
) -> None:
    venue.fail(Fault(manner="hold"), after=page)
    process = user.start()
    assert venue.held.wait(PATIENCE)
    process.kill()
    assert ended(process)[0] == -signal.SIGKILL
    venue.release.set()
    assert not (user.home / "catalog" / PERPETUAL).exists()
    before = len(venue.requests)
    code, out, err = user.run()
    assert code == 0, err
    kept = (page - 1) * 100
    assert (f"({kept} from an earlier run)" in out) == (kept > 0)
    starts = [path for path in venue.requests[before:] if "klines" in path]
    assert f"startTime={START + kept * MINUTE}" in starts[0]
    assert len(starts) == 4 - (page - 1)
    assert user.digest() == whole_digest
    assert user.jobs() == []


def test_an_interrupt_says_what_to_do_and_leaves_nothing_in_the_catalog(
    user: User, venue: LoopbackVenue, whole_digest: str
) -> None:
    venue.fail(Fault(manner="hold"), after=3)
    process = user.start()
    assert venue.held.wait(PATIENCE)
    process.send_signal(signal.SIGINT)
    code, _, err = ended(process)
    venue.release.set()
    assert code == 130
    assert "run the same command again, it continues where it stopped" in err
    assert not (user.home / "catalog" / PERPETUAL).exists()
    assert user.run()[0] == 0
    assert user.digest() == whole_digest


@pytest.mark.parametrize("damage", ["torn line", "changed page", "lost page"])
def test_pages_that_cannot_be_trusted_are_fetched_again(
    user: User, venue: LoopbackVenue, whole_digest: str, damage: str
) -> None:
    venue.fail(Fault(status=451), after=4)
    assert user.run()[0] == 1
    (job,) = user.jobs()
    journal, page = job / "pages.jsonl", job / "page-000001.parquet"
    if damage == "torn line":
        journal.write_bytes(journal.read_bytes()[:-20])
    elif damage == "changed page":
        page.write_bytes(page.read_bytes()[:-1] + b"x")
    else:
        page.unlink()
    code, out, err = user.run()
    assert code == 0, err
    assert f"({200 if damage == 'torn line' else 100} from an earlier run)" in out
    assert user.digest() == whole_digest


def test_a_second_process_of_the_same_job_is_refused(
    user: User, venue: LoopbackVenue, whole_digest: str
) -> None:
    venue.fail(Fault(manner="hold"), after=2)
    first = user.start()
    assert venue.held.wait(PATIENCE)
    code, _, err = user.run()
    venue.release.set()
    assert code == 1
    assert "held by another process; wait until it has ended" in err
    assert ended(first)[0] == 0
    assert user.digest() == whole_digest


def test_a_long_ban_ends_the_run_with_one_message(user: User, venue: LoopbackVenue) -> None:
    venue.fail(Fault(status=429, headers={"Retry-After": "86400"}), after=2)
    code, out, err = user.run()
    assert (code, out) == (1, "")
    errors = [line for line in err.splitlines() if line.startswith("Error:")]
    assert len(errors) == 1
    assert "asks to wait 86400 s" in errors[0]
    assert "continues where it stopped" in errors[0]
    assert not (user.home / "catalog" / PERPETUAL).exists()


def test_a_disk_that_takes_no_more_ends_the_run_with_one_message(
    user: User, whole_digest: str
) -> None:
    user.program = LIMITED + PROGRAM
    code, _, err = ended(user.start(PYTHONDONTWRITEBYTECODE="1"))
    assert code == 1
    assert "cannot be written: File too large; free space" in err
    assert not (user.home / "catalog" / PERPETUAL).exists()
    user.program = PROGRAM
    assert user.run()[0] == 0
    assert user.digest() == whole_digest


def test_a_terminal_sees_a_bar(user: User, whole_digest: str) -> None:
    code, _, err = ended(user.start(FORCE_COLOR="1", COLUMNS="120"))
    assert code == 0
    assert f"{BARS} rows" in err
    assert "100%" in err
    assert user.digest() == whole_digest


def test_what_the_user_changed_in_the_instrument_stays(user: User) -> None:
    assert user.run(start="2024-01-01T05:00:00Z")[0] == 0
    path = user.home / "catalog" / PERPETUAL / "instrument.json"
    path.write_text(path.read_text().replace('"taker_rate": 500', '"taker_rate": 170'))
    code, out, _ = user.run()
    assert code == 0
    assert "margin" not in out
    assert Catalog(user.home / "catalog").instrument(PERPETUAL).taker_rate == 170


def test_a_repeated_and_a_longer_download_join_what_is_stored(user: User) -> None:
    assert user.run(start="2024-01-01T05:00:00Z")[0] == 0
    assert len(user.bars()) == 90
    assert user.run()[0] == 0
    code, out, _ = user.run()
    assert code == 0
    assert f"{BARS} rows" in out
    stored = user.bars()
    assert len(stored) == BARS
    assert bool(np.all(np.diff(stored.ts) == MINUTE * NS_PER_MS))


def test_missing_bars_are_told(user: User, venue: LoopbackVenue) -> None:
    venue.market.outages.append((START + HOUR, START + 2 * HOUR))
    code, out, _ = user.run()
    assert code == 0
    assert "60 bars in 1 gaps do not exist at the venue" in out
    assert "from 2024-01-01 01:00:00 UTC to 2024-01-01 02:00:00 UTC" in out


def test_units_that_contradict_the_catalog_are_refused_before_a_page(
    user: User, venue: LoopbackVenue
) -> None:
    assert user.run("--price-exponent", "2")[0] == 0
    # Without the option the stored units are kept.
    assert user.run()[0] == 0
    before = len(venue.requests)
    code, _, err = user.run("--price-exponent", "4")
    assert code == 1
    assert f"interlock data remove {PERPETUAL}" in err
    assert len(venue.requests) == before + 1


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--what", "bars,quotes"], 2, "'quotes' is not one of bars, trades, funding"),
        (["--from", "2024-02-01"], 2, "is not later than --from 2024-02-01"),
        (["--from", "soon"], 1, "time 'soon' is not an ISO date or time"),
        (["--symbol", "DOGE/USDT:USDT"], 1, "lists no symbol 'DOGE/USDT:USDT'"),
        (["--url", "localhost"], 1, "url 'localhost' must read http://host"),
    ],
)
def test_a_wrong_word_ends_with_its_remedy(
    user: User, words: list[str], code: int, message: str
) -> None:
    found, _, err = user.run(*words)
    assert found == code
    assert message in " ".join(err.split())
