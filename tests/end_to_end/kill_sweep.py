"""Kill the engine at every counted point of a scripted session, and hold it to the venue's books.

    python -m tests.end_to_end.kill_sweep                    every point
    python -m tests.end_to_end.kill_sweep 3 17 arrival:2     these points
    python -m tests.end_to_end.kill_sweep --postgresql       every point, on a PostgreSQL ledger

A number is a point inside the engine. ``arrival:N`` is the moment at which the engine's Nth trading
request has reached the venue whole and was not executed, ``execution:N`` the moment after that at
which nothing was answered.

After each kill the engine starts again on what it left behind and finishes the script. Then:
the venue has each order of the script once, the ledger has an older intent for each, every
execution is in the books once, position and wallet are the venue's to the unit, and a strategy
that hears the same events again wants the same orders, those that never left excepted.
"""

from __future__ import annotations

import argparse
import http.client
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import psycopg
from msgspec.structs import replace

from interlock.adapters.storage import FolderSnapshots, open_ledger
from interlock.adapters.storage.ledger import read_stored
from interlock.adapters.tape import TapeReader
from interlock.live.start import EXTRA_INPUTS
from interlock.model.rows import FillRow, InstrumentRow, IntentRow
from interlock.runtime.recovery import Member, Recovered, Setup, pack, recover
from tests.contract.postgresql_server import postgresql_server
from tests.end_to_end.kill_engine import BTC, CASH, SETTINGS, Ended, Life, Scripted

ROOT = Path(__file__).resolve().parents[2]
POINTS_MOST = 200
KILLED = -9
# Every so many points the second life dies too, while it recovers.
TWICE_EVERY = 4
TWICE_AT = "3"
OUTSIDE = ("arrival", "execution")
# More trading requests than a session has.
REQUESTS_MOST = 12
# An engine that finds an order of its own without an intent will never go on.
PATIENCE_S, HASTY_PATIENCE_S = 25.0, 12.0
WORKERS = 2


class Process:
    """A module of these tests as a process that talks in lines."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.end_to_end.{module}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, line: str = "") -> str:
        assert self._process.stdin is not None and self._process.stdout is not None
        if line:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        return self._process.stdout.readline()

    def close(self) -> None:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.terminate()
        self._process.wait(10)
        self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


class Run(msgspec.Struct, frozen=True):
    """One run: its folder and ledger, where each of its lives ends, whether it is to be found."""

    folder: Path
    ledger: str = ""
    kills: tuple[str, ...] = ()
    is_hasty: bool = False

    @property
    def where(self) -> str:
        """Path or URL of the ledger."""
        return self.ledger or str(self.folder / "ledger.sqlite")


class Exchange:
    """The exchange process: accounts for runs, and its books."""

    def __init__(self, process: Process) -> None:
        ready = json.loads(process.ask())
        self.url = ready["url"]
        self._admin = ready["admin"]
        self.keys = ready["keys"]

    def life(self, number: int, run: Run) -> Life:
        """A life of a run that nobody ends."""
        _, key, secret = self.keys[number]
        return Life(
            folder=str(run.folder),
            url=self.url,
            key=key,
            secret=secret,
            target=str(run.folder.parent / key),
            patience=HASTY_PATIENCE_S if run.is_hasty else PATIENCE_S,
            ledger=run.ledger,
        )

    def books(self, number: int) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._admin, timeout=10)
        connection.request("GET", f"/books/binance/{self.keys[number][0]}")
        found = json.loads(connection.getresponse().read())
        connection.close()
        return found


class Outcome(msgspec.Struct):
    """How a run with a kill ended; ``faults`` is what was wrong, empty when nothing was."""

    point: str
    label: str = ""
    lives: int = 1
    points: int = 0
    seconds: float = 0.0
    proved_absent: int = 0
    wanted: list[tuple[int, int, str, int, int]] = []
    faults: list[str] = []


def run_point(engine: Process, exchange: Exchange, number: int, run: Run) -> Outcome:
    """One run: die at each of its kills, one per life, then go to the end."""
    started, folder = time.monotonic(), run.folder
    outcome = Outcome(point=run.kills[0] if run.kills else "")
    for kill in (*run.kills, "0"):
        where, _, at = kill.rpartition(":")
        life = replace(
            exchange.life(number, run),
            kill_at=int(at),
            kill_where=where or "engine",
            is_hasty=run.is_hasty and kill != "0",
        )
        code = int(engine.ask(msgspec.json.encode(life).decode()))
        if code != KILLED:
            break
        outcome.lives += 1
    outcome.seconds = time.monotonic() - started
    died = folder / f"died-{outcome.point}.txt"
    if code:
        outcome.label = died.read_text() if died.exists() else ""
        outcome.faults = [
            f"exit {code}: {(folder / 'errors.txt').read_text()[-500:]}",
            (folder / "facts.txt").read_text()[-3_000:],
        ]
        return outcome
    ended = msgspec.json.decode((folder / "ended.json").read_bytes(), type=Ended)
    outcome.label = died.read_text() if died.exists() else f"{ended.points} points"
    outcome.points = ended.points
    _compare(outcome, ended, exchange.books(number))
    _compare_ledger(outcome, run, exchange.books(number))
    return outcome


def _compare(outcome: Outcome, ended: Ended, books: Any) -> None:
    account = books["account"]
    wallet = sum(line["wallet"] for line in account["balances"])
    position = sum(line["quantity"] for line in account["positions"] if line["symbol"] == BTC)
    if (ended.wallet, ended.position) != (wallet, position):
        outcome.faults.append(
            f"wallet and position {ended.wallet} {ended.position}, the venue's {wallet} {position}"
        )
    open_there = sorted(
        (
            line["client_id"],
            line["side"],
            line["quantity"],
            line["price"] or line["trigger"],
            line["filled"],
        )
        for line in (*books["open"], *books["open_conditional"])
    )
    if [list(line) for line in open_there] != [list(line) for line in ended.open]:
        outcome.faults.append(f"open {ended.open}, at the venue {open_there}")


def _compare_ledger(outcome: Outcome, run: Run, books: Any) -> None:
    with closing(open_ledger(run.where)) as ledger:
        rows = [row for _, row in ledger.read()]
    intents = [row for row in rows if isinstance(row, IntentRow)]
    there = [line["client_id"] for line in (*books["orders"], *books["conditional"])]
    if len(there) != len(set(there)):
        outcome.faults.append(f"an id was used twice: {sorted(there)}")
    given = {row.client_order_id for row in intents}
    if not set(there) <= given:
        outcome.faults.append(f"no intent for {set(there) - given}")
    outcome.proved_absent = len(given - set(there))
    outcome.wanted = [
        (row.spec.side, row.spec.quantity, row.spec.type.value, row.spec.price, row.spec.trigger)
        for row in intents
        if row.client_order_id in there
    ]
    if "COID_DUPLICATE" in (run.folder / "facts.txt").read_text():
        outcome.faults.append("an id was about to be used twice")
    fills = sorted(row.fill.trade_id for row in rows if isinstance(row, FillRow))
    fills_there = sorted(line["fill_id"] for line in books["fills"])
    if fills != fills_there:
        outcome.faults.append(f"executions {fills}, the venue's {fills_there}")
    _decide_again(outcome, run, [row for row in rows if isinstance(row, InstrumentRow)])


def _decide_again(outcome: Outcome, run: Run, listed: list[InstrumentRow]) -> None:
    """The whole tape and ledger through a new strategy: it must want what the ledger holds."""
    setup = Setup(
        instruments=[row.instrument for row in {row.instrument.id: row for row in listed}.values()],
        members=[Member("scripted", Scripted(), CASH)],
        currency="USDT",
        settings=SETTINGS,
    )
    with closing(open_ledger(run.where)) as ledger:
        kept = FolderSnapshots(run.folder / "snapshots", anchor=ledger.digest_at).latest()
        assert kept is not None
        # The row that names a snapshot is written right after the state was taken.
        rows = (row for row in read_stored(ledger.database, 0) if row.seq < kept[0])
        tape = TapeReader(run.folder / "tape", extra=EXTRA_INPUTS).read(0)
        again: Recovered = recover(setup, rows=rows, tape=tape)
    # The tape of a commit is out before anything leaves, but maybe after its rows are durable: a
    # kill between the two leaves an order that never left, and whose reason nobody hears again.
    if again.adopted > outcome.proved_absent:
        outcome.faults.append(f"{again.adopted} orders that the same events do not lead to")
    if pack(again.state, again.books, kept[0]) != kept[1]:
        outcome.faults.append("the same events lead to another state than the one that was kept")


@contextmanager
def stage(runs: int) -> Iterator[tuple[Exchange, list[Process], Path]]:
    """An exchange, engines and a folder."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Process("kill_exchange", str(runs), folder) as venue,
    ):
        engines = [Process("kill_engine") for _ in range(WORKERS)]
        try:
            yield Exchange(venue), engines, Path(folder)
        finally:
            for engine in engines:
                engine.close()


def sweep(
    points: Iterable[int | str],
    *,
    told: Any = None,
    ledgers: Callable[[int], str] = lambda number: "",
    is_hasty: bool = False,
) -> list[Outcome]:
    """Run the undisturbed session, then one run for each point that the session has.

    ``ledgers`` gives each run the URL of an empty database, or "" for a file in its folder.
    """
    wanted = [str(point) for point in points]
    found: list[Outcome] = []
    with stage(len(wanted) + 1) as (exchange, engines, folder):
        calm = run_point(engines[0], exchange, 0, Run(folder / "calm", ledgers(0)))
        found.append(calm)
        idle = list(engines)

        def one(number: int, point: str) -> Outcome:
            engine = idle.pop()
            is_twice = point.isdecimal() and not int(point) % TWICE_EVERY
            kills = (point, TWICE_AT) if is_twice else (point,)
            place = folder / point.replace(":", "-")
            try:
                run = Run(place, ledgers(number), kills, is_hasty)
                return run_point(engine, exchange, number, run)
            finally:
                idle.append(engine)

        with ThreadPoolExecutor(WORKERS) as pool:
            for outcome in pool.map(one, range(1, len(wanted) + 1), wanted):
                if outcome.lives == 1 and not outcome.faults:
                    continue  # The session was over before this point came.
                if outcome.wanted != calm.wanted and not outcome.faults:
                    outcome.faults = [f"orders {outcome.wanted}, undisturbed {calm.wanted}"]
                found.append(outcome)
                if told is not None:
                    told(outcome)
    return found


def every_point() -> list[str]:
    """Timing moves a few points; those after the end of a session are left out later."""
    inside = range(1, min(count_points(), POINTS_MOST) + 1)
    outside = [f"{where}:{at}" for at in range(1, REQUESTS_MOST) for where in OUTSIDE]
    return [*map(str, inside), *outside]


def databases(server: str) -> Callable[[int], str]:
    """Makes an empty database for each run on a server, whose URL has {} for its name."""

    def made(number: int) -> str:
        with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE run{number}".encode())
        return server.format(f"run{number}")

    return made


def count_points() -> int:
    """How many points an undisturbed session passes."""
    with stage(1) as (exchange, engines, folder):
        outcome = run_point(engines[0], exchange, 0, Run(folder / "calm"))
        if outcome.faults:
            raise SystemExit(f"the undisturbed session fails: {outcome.faults}")
        return outcome.points


def _tell(outcome: Outcome) -> None:
    mark = "ok" if not outcome.faults else "FAULT"
    print(
        f"{outcome.point:>12}  {mark:5s}  lives {outcome.lives}  {outcome.seconds:5.2f} s  "
        f"absent {outcome.proved_absent}  {outcome.label}",
        flush=True,
    )
    for fault in outcome.faults:
        print(f"      {fault}", flush=True)


def main() -> None:
    """Sweep and say how it went."""
    started = time.monotonic()
    given = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    given.add_argument("points", nargs="*")
    given.add_argument("--postgresql", action="store_true")
    options = given.parse_args()
    points = options.points or every_point()
    with ExitStack() as stack:
        ledgers: Callable[[int], str] = lambda number: ""  # noqa: E731
        if options.postgresql:
            ledgers = databases(stack.enter_context(postgresql_server()))
        found = sweep(points, told=_tell, ledgers=ledgers)
    faults = [outcome for outcome in found if outcome.faults]
    for outcome in found[:1]:
        _tell(outcome)
    print(f"{len(found) - 1} kills, {len(faults)} faults, {time.monotonic() - started:.0f} s")
    raise SystemExit(bool(faults))


if __name__ == "__main__":
    main()
