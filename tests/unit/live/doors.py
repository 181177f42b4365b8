"""Doors in memory for the driver: every port filled by something that a test can hold or break."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from interlock.live.driver import Driver
from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.model.market import Quote
from interlock.model.order import OrderSpec
from interlock.model.venue import (
    Answer,
    BalancesQuery,
    CancelRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PlaceRequest,
    PositionsQuery,
    Request,
    Stream,
    StreamChanged,
    VenueOrder,
    Verdict,
)
from interlock.ports import Lease, LedgerFault, TapeFault
from interlock.runtime.commits import Doors
from interlock.runtime.engine import Engine
from interlock.runtime.recovery import Member, Setup, recover
from interlock.runtime.settings import Settings
from interlock.strategy.api import Strategy
from tests.toy_players import BTC, LOT, SECOND, T0
from tests.toy_venue import ToyVenue

PRICE = 100_00
LEASE = Lease(account="main", holder="test", epoch=1, ts_expires=T0 + 1000 * SECOND)


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.ts = T0

    def now_ns(self) -> int:
        return self.ts


class GatedLedger:
    """Keeps rows in memory. A commit waits for ``gate``; what is written down came out of it."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.durable: list[Any] = []
        self.commits = 0
        self.gate = threading.Event()
        self.gate.set()
        self.append_fault: LedgerFault | None = None
        self.commit_fault: LedgerFault | None = None
        self.forgets = 0
        self.tidied = 0
        self.stages = 0
        self.is_closed = False

    def append(self, rows: Iterable[Any]) -> int:
        if self.append_fault is not None:
            raise self.append_fault
        self.taken += rows
        return len(self.taken)

    def stage(self) -> None:
        self.stages += 1

    def commit(self) -> int:
        upto = len(self.taken) - self.forgets
        assert self.gate.wait(5), "the test never opened the gate"
        if self.commit_fault is not None:
            raise self.commit_fault
        self.durable = self.taken[:upto]
        self.commits += 1
        return upto

    def read(self, after: int = 0) -> Iterator[Any]:
        return iter(enumerate(self.durable[after:], after + 1))

    def last(self) -> int:
        return len(self.durable)

    def tidy(self) -> None:
        self.tidied += 1

    def close(self) -> None:
        self.is_closed = True

    def kinds(self) -> list[str]:
        return [row.kind for row in self.durable]


class HandLeases:
    """Renews until it is told not to."""

    def __init__(self) -> None:
        self.is_taken_over = False
        self.fault: LedgerFault | None = None
        self.released: list[Lease] = []

    def acquire(self, account: str, holder: str, *, ts: int, ttl_ns: int) -> Lease | None:
        return LEASE

    def renew(self, lease: Lease, *, ts: int, ttl_ns: int) -> Lease | None:
        if self.fault is not None:
            raise self.fault
        return None if self.is_taken_over else lease

    def release(self, lease: Lease) -> None:
        self.released.append(lease)


class ListedSnapshots:
    """Keeps states, and how far the ledger was durable when each one came."""

    def __init__(self, ledger: GatedLedger) -> None:
        self.ledger = ledger
        self.saved: list[tuple[int, int]] = []
        self.fault: OSError | None = None

    def save(self, seq: int, state: bytes) -> None:
        if self.fault is not None:
            raise self.fault
        self.saved.append((seq, self.ledger.last()))

    def latest(self) -> tuple[int, bytes] | None:
        return None


class ListedTape:
    """Keeps events; fails on request."""

    def __init__(self) -> None:
        self.events: list[tuple[int, Any]] = []
        self.fault: TapeFault | None = None
        self.is_closed = False

    def write(self, seq: int, event: Any) -> None:
        self.events.append((seq, event))

    def flush(self) -> None:
        if self.fault is not None:
            raise self.fault

    def read(self, after: int) -> Iterator[tuple[int, Any]]:
        return iter(self.events)

    def close(self) -> None:
        self.is_closed = True


class DeskVenue:
    """Carries requests out on a toy venue and notes how many rows were durable at each."""

    name = "toy"

    def __init__(self, ledger: GatedLedger, clock: Hand) -> None:
        self.toy = ToyVenue([BTC], 1, lambda event: None)
        self.ledger = ledger
        self.clock = clock
        self.heard: Callable[[Any], None] = lambda event: None
        self.soon: Callable[[Callable[[], None]], Any] = _soon
        self.requests: list[tuple[Request, list[str]]] = []
        self.is_closed = False

    def instruments(self) -> Iterable[Instrument]:
        return [BTC]

    async def connect(self, heard: Callable[[Any], None]) -> None:
        self.heard = heard

    def request(self, request: Request) -> None:
        self.requests.append((request, [row.key for row in self.ledger.durable]))
        answer = Answer(
            request_id=request.request_id,
            ts_event=self.clock.ts,
            verdict=Verdict.ACCEPTED,
            content=self._content(request),
            ts_venue=self.clock.ts,
        )
        self.soon(lambda: self.heard(answer))

    async def close(self) -> None:
        self.is_closed = True

    def places(self) -> list[PlaceRequest]:
        return [asked for asked, _ in self.requests if isinstance(asked, PlaceRequest)]

    def _content(self, request: Request) -> Any:
        ts, toy = self.clock.ts, self.toy
        found: Any = ()
        if isinstance(request, PlaceRequest):
            found = toy.place(ts, request.client_order_id, request.spec)
        elif isinstance(request, CancelRequest):
            found = toy.cancel(ts, request.client_order_id)
        elif isinstance(request, OrderQuery):
            return toy.order_as_of(ts, request.client_order_id)
        elif isinstance(request, OpenOrdersQuery):
            found = toy.open_as_of(ts)
        elif isinstance(request, FillsQuery):
            found = toy.fills_as_of(ts, request.instrument, request.ts_from)
        elif isinstance(request, PositionsQuery):
            found = toy.positions_as_of(ts)
        elif isinstance(request, BalancesQuery):
            found = toy.balances_as_of(ts)
        return found if isinstance(found, VenueOrder | tuple) else None


class Buyer(Strategy):
    """Buys one lot on every quote while it has wishes left."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes = 0
        self.resting: Any = None

    def on_quote(self, quote: Quote) -> None:
        if self.wishes:
            self.wishes -= 1
            self.place(OrderSpec(BTC.id, 1, LOT))


class Room:
    """An engine of one buyer, and the doors of it."""

    def __init__(self) -> None:
        self.clock = Hand()
        self.ledger = GatedLedger()
        self.leases = HandLeases()
        self.snapshots = ListedSnapshots(self.ledger)
        self.tape = ListedTape()
        self.venue = DeskVenue(self.ledger, self.clock)
        self.told: list[Any] = []
        self.buyer = Buyer()
        setup = Setup(
            instruments=[BTC],
            members=[Member("toy", self.buyer, 1_000_000 * 10**8)],
            currency="USDT",
            limits=Limits(),
            settings=Settings(symbol_locks=False),
        )
        self.doors = Doors(
            venue=self.venue,
            ledger=self.ledger,
            leases=self.leases,
            snapshots=self.snapshots,
            tape=self.tape,
            clock=self.clock,
        )
        self.engine = Engine(setup, recover(setup), LEASE)

    def named(self, name: str) -> list[Any]:
        return [fact for fact in self.told if getattr(fact, "name", "") == name]


class Bench(Room):
    """A driver with its doors, trading after ``begin``."""

    def __init__(self) -> None:
        super().__init__()
        self.driver = Driver(self.engine, self.doors, told=self.told.append)
        self.running: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """Start, connect, and go through recovery."""
        await self.venue.connect(self.driver.hear)
        self.driver.begin()
        self.running = asyncio.create_task(self.driver.run())
        self.driver.hear(StreamChanged(ts_event=T0, stream=Stream.USER, is_up=True))
        self.driver.hear(StreamChanged(ts_event=T0, stream=Stream.MARKET, is_up=True))
        await self.until(lambda: self.driver.engine.startup.is_trading)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let the loop turn, and time pass with it, until something is so."""
        async with asyncio.timeout(5):
            while not is_so():
                self.clock.ts += 1_000_000
                await _moment()

    async def turn(self, times: int = 20) -> None:
        """Let everything that can happen without the disk happen."""
        for _ in range(times):
            await asyncio.sleep(0)

    def quote(self, wishes: int = 0) -> None:
        """A quote arrives; the strategy buys once on it when it has a wish."""
        self.buyer.wishes += wishes
        ts = self.clock.ts
        self.driver.hear(Quote.of(BTC, ts, PRICE, 5 * LOT, PRICE + 1, 5 * LOT))

    async def end(self) -> BaseException | None:
        """Leave, unless it has; returns what ended it."""
        assert self.running is not None
        self.ledger.gate.set()
        self.driver.abandon()
        await asyncio.wait([self.running], timeout=5)
        return self.running.exception()


def _soon(call: Callable[[], None]) -> None:
    asyncio.get_running_loop().call_soon(call)


async def _moment() -> None:
    """A millisecond of the loop's own time, which its timers and the disk's thread live in."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.001, passed.set)
    await passed.wait()
