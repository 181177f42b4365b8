"""The engine of the kill tests: a scripted session that ends itself at a counted point.

Started as ``python -m tests.end_to_end.kill_engine`` it is a small server: it reads one life per
line from its input, forks a process for it, and answers how that process ended. A fork is a
process of its own with everything imported, so that a sweep spends its time on sessions.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from interlock.adapters.binance import BinanceVenue, Endpoints, Feeds, Keys
from interlock.adapters.signing import HmacSigner
from interlock.adapters.system import SystemClock
from interlock.live.driver import Driver
from interlock.live.start import Entry, Plan, start
from interlock.model.events import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
    Report,
    UpdateRejected,
)
from interlock.model.instrument import Instrument
from interlock.model.market import Quote
from interlock.model.order import OrderSpec
from interlock.model.venue import (
    AmendRequest,
    Answer,
    CancelRequest,
    FillSeen,
    OrderSeen,
    PlaceRequest,
    Request,
)
from interlock.ports import Ledger, Venue
from interlock.runtime.commits import Doors
from interlock.runtime.settings import Settings
from interlock.strategy.api import Strategy

BTC = "BTCUSDT-PERP.BINANCE"
MS = 1_000_000
CASH = 100_000 * 10**8
# The local exchange answers at once and tells no late truth, so a proof of absence is short.
SETTINGS = Settings(
    attempt_ns=800 * MS,
    answer_ns=1_000 * MS,
    clock_error_ns=20 * MS,
    query_lag_ns=50 * MS,
    query_first_ns=20 * MS,
    query_most_ns=200 * MS,
    fill_grace_ns=50 * MS,
    attempt_least_ns=20 * MS,
)
DONE = 7


class Scripted(Strategy):
    """Seven steps, one after the other; a step that did not take place is tried again.

    Rest, amend, cancel, buy, protect, sell a part, rest again: the prices are absolute, so that
    every run wants the same orders.
    """

    def __init__(self) -> None:
        super().__init__()
        self.step = 0
        self.ref = 0
        self.waits = False

    def on_quote(self, quote: Quote) -> None:
        if self.waits or self.step >= DONE:
            return
        self.waits = True
        match self.step:
            case 0:
                self.ref = self.limit(1, 0.010, 55_000)
            case 1:
                self.amend(self.ref, quantity=0.012, price=55_100)
            case 2:
                self.cancel(self.ref)
            case 3:
                self.ref = self.market(1, 0.020)
            case 4:
                self.ref = self.stop(-1, 0.020, 50_000)
            case 5:
                self.ref = self.market(-1, 0.005, reduce_only=True)
            case 6:
                self.ref = self.limit(1, 0.010, 54_000)

    def on_order(self, ref: int, report: Report) -> None:
        if ref != self.ref or not self.waits:
            return
        if isinstance(report, _ENDS[self.step]):
            if isinstance(report, OrderFilled) and self.view.is_open(ref):
                return
            self.step += 1
            self.waits = False
        elif isinstance(report, OrderRejected | UpdateRejected | CancelRejected | OrderExpired):
            self.waits = False


_ENDS: tuple[type[Report], ...] = (
    OrderAccepted,
    OrderUpdated,
    OrderCanceled,
    OrderFilled,
    OrderAccepted,
    OrderFilled,
    OrderAccepted,
)


class Life(msgspec.Struct):
    """One life of the engine: where it remembers, whom it trades with, when it dies (0: never).

    ``kill_where`` is the engine, or the exchange at the ``arrival`` or after the ``execution`` of a
    request; the exchange finds whom to kill in the file ``target``. ``is_hasty``: see HastyLedger.
    A life that has not done its script after ``patience`` seconds has failed.
    """

    folder: str
    url: str
    key: str
    secret: str
    target: str
    patience: float
    ledger: str = ""
    kill_at: int = 0
    kill_where: str = "engine"
    is_hasty: bool = False


class Target(msgspec.Struct):
    """For the exchange: which process to kill, at or after which trading request of it."""

    pid: int
    where: str
    at: int


class Ended(msgspec.Struct):
    """The books of a life that went to its end, and how many points it passed."""

    points: int
    labels: list[str]
    position: int
    wallet: int
    open: list[tuple[str, int, int, int, int]]
    adopted: int


class Points:
    """Counts the moments at which a crash could matter; at the chosen one the process is dead."""

    def __init__(self, kill_at: int, died: Path) -> None:
        self.kill_at = kill_at
        self.died = died
        self.labels: list[str] = []

    def pass_by(self, label: str) -> None:
        self.labels.append(label)
        if len(self.labels) == self.kill_at:
            self.died.write_text(label)
            os.kill(os.getpid(), signal.SIGKILL)


class HastyLedger:
    """A ledger that calls rows durable before they are: each commit keeps those of the last one.

    What an engine sends with it leaves before its row is on the disk. The sweep must find that.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seq = ledger.last()
        self._new: list[Any] = []
        self._late: list[Any] = []

    def append(self, rows: Sequence[Any]) -> int:
        self._new += rows
        self._seq += len(rows)
        return self._seq

    def stage(self) -> None:
        """Nothing: the rows are not with the ledger yet."""

    def commit(self) -> int:
        late, self._late, self._new = self._late, self._new, []
        if late:
            self._ledger.append(late)
            self._ledger.commit()
        return self._seq

    def read(self, after: int = 0) -> Iterator[Any]:
        return self._ledger.read(after)

    def last(self) -> int:
        return self._seq

    def tidy(self) -> None:
        self._ledger.tidy()

    def close(self) -> None:
        self._ledger.close()


class CountedLedger:
    """A ledger whose every append and commit is a point, before and after."""

    def __init__(self, ledger: Ledger, points: Points) -> None:
        self._ledger = ledger
        self._points = points

    def append(self, rows: Sequence[Any]) -> int:
        self._points.pass_by("append")
        return self._ledger.append(rows)

    def stage(self) -> None:
        self._ledger.stage()
        self._points.pass_by("staged")

    def commit(self) -> int:
        self._points.pass_by("before a commit")
        last = self._ledger.commit()
        self._points.pass_by("after a commit")
        return last

    def read(self, after: int = 0) -> Iterator[Any]:
        return self._ledger.read(after)

    def last(self) -> int:
        return self._ledger.last()

    def tidy(self) -> None:
        self._ledger.tidy()

    def close(self) -> None:
        self._ledger.close()


class CountedVenue:
    """A venue whose every attempt, answer to one, and word of the user stream is a point."""

    def __init__(self, venue: Venue, points: Points) -> None:
        self.name = venue.name
        self._venue = venue
        self._points = points
        self._attempts: dict[int, str] = {}

    def instruments(self) -> Iterable[Instrument]:
        return self._venue.instruments()

    async def connect(self, heard: Callable[[Any], None]) -> None:
        def counted(event: Any) -> None:
            if isinstance(event, Answer) and event.request_id in self._attempts:
                self._points.pass_by(f"answer to {self._attempts[event.request_id]}")
            elif isinstance(event, OrderSeen | FillSeen):
                self._points.pass_by(type(event).__name__)
            heard(event)

        await self._venue.connect(counted)

    def request(self, request: Request) -> None:
        name = type(request).__name__
        if isinstance(request, PlaceRequest | CancelRequest | AmendRequest):
            self._attempts[request.request_id] = name
            self._points.pass_by(f"before {name}")
        self._venue.request(request)
        if request.request_id in self._attempts:
            self._points.pass_by(f"after {name}")

    async def close(self) -> None:
        await self._venue.close()


def plan_of(folder: Path, ledger: str = "") -> Plan:
    """The plan of every life."""
    return Plan(
        folder=folder,
        ledger=ledger,
        entries=[Entry("scripted", Scripted, CASH)],
        currency="USDT",
        settings=SETTINGS,
    )


async def live(life: Life) -> Ended:
    """Start, go through the script, leave as it stands."""
    clock, folder = SystemClock(), Path(life.folder)
    here = life.kill_at if life.kill_where == "engine" else 0
    points = Points(here, folder / f"died-{here}.txt")
    venue = BinanceVenue(
        Endpoints(life.url, life.url.replace("http", "ws")),
        Keys(life.key, HmacSigner(life.secret)),
        Feeds(instruments=(BTC,), trades=False),
        clock=clock,
    )

    def around(doors: Doors) -> Doors:
        ledger: Ledger = HastyLedger(doors.ledger) if life.is_hasty else doors.ledger
        return msgspec.structs.replace(doors, ledger=CountedLedger(ledger, points))

    lines = (folder / "facts.txt").open("a")
    started = await start(
        plan_of(folder, life.ledger),
        CountedVenue(venue, points),
        clock,
        told=lambda fact: print(fact, file=lines, flush=True),
        around=around,
    )
    driver = started.driver
    running = asyncio.create_task(driver.run())
    done = asyncio.create_task(_follow(driver))
    await asyncio.wait([running, done], timeout=life.patience, return_when=asyncio.FIRST_COMPLETED)
    if not done.done():
        running.cancel()
        raise RuntimeError(f"step {_script(driver).step}: {_where(driver)}")
    driver.abandon()
    await running
    return _ended(driver, points, started.recovered.adopted)


async def _follow(driver: Driver) -> None:
    loop = asyncio.get_running_loop()
    while not _is_done(driver):
        looked = asyncio.Event()
        loop.call_later(0.01, looked.set)
        await looked.wait()


def _script(driver: Driver) -> Scripted:
    strategy = driver.engine.desk.state.strategies["scripted"].strategy
    assert isinstance(strategy, Scripted)
    return strategy


def _is_done(driver: Driver) -> bool:
    engine = driver.engine
    return (
        _script(driver).step >= DONE
        and engine.startup.is_trading
        and not engine.resolver.doubts
        and not engine.gate.missing_fills
        and not engine.fills.fetches
    )


def _where(driver: Driver) -> str:
    engine = driver.engine
    return f"{engine.startup.is_trading} {engine.resolver.doubts} {engine.gate.refusals}"


def _ended(driver: Driver, points: Points, adopted: int) -> Ended:
    state = driver.engine.desk.state
    return Ended(
        points=len(points.labels),
        labels=points.labels,
        position=driver.engine.positions[BTC],
        wallet=state.wallet,
        open=sorted(
            (name, *_numbers(order.spec), order.filled) for name, order in state.open.items()
        ),
        adopted=adopted,
    )


def _numbers(spec: OrderSpec) -> tuple[int, int, int]:
    return spec.side, spec.quantity, spec.price or spec.trigger


def _child(life: Life) -> None:
    folder = Path(life.folder)
    folder.mkdir(parents=True, exist_ok=True)
    errors = os.open(folder / "errors.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(errors, 2)
    # The exchange must not kill the process that is called so later.
    target = Target(os.getpid(), life.kill_where, life.kill_at)
    Path(life.target).write_bytes(msgspec.json.encode(target))
    ended = uvloop.run(live(life))
    (folder / "ended.json").write_bytes(msgspec.json.encode(ended))


def main() -> None:
    """Serve lives until the input ends."""
    for line in sys.stdin:
        life = msgspec.json.decode(line, type=Life)
        child = os.fork()
        if not child:
            code = 1
            try:
                _child(life)
                code = 0
            finally:
                sys.excepthook(*sys.exc_info()) if code else None  # type: ignore[arg-type]
                os._exit(code)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
