"""A desk for the tests of venue adapters: the local exchange in this process, a still market, and
one adapter whose answers and events are kept.

The market stands on a ladder around 60,000 that is filled up again at every step; nothing moves
unless a test says so. The machine's clock, by which both run, begins two seconds before a minute
ends.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from aiohttp.abc import AbstractResolver, ResolveResult

from interlock.adapters import binance, hyperliquid
from interlock.adapters.ccxt_venue import CcxtConfig, CcxtVenue
from interlock.adapters.connecting import Feeds, Network
from interlock.adapters.signing import EthereumSigner, HmacSigner
from interlock.adapters.system import SystemClock
from interlock.model.order import OrderSpec, OrderType
from interlock.model.venue import (
    AmendRequest,
    Answer,
    CancelRequest,
    OpenOrdersQuery,
    OrderQuery,
    PlaceRequest,
    Request,
    Stream,
    StreamChanged,
    VenueOrder,
)
from interlock.sim.venue import crowd
from interlock.sim.venue.market import Market
from interlock.sim.venue.state import VenueState
from interlock.venue import listings
from interlock.venue.certificates import Authority
from interlock.venue.local import LocalExchange, Plan
from interlock.wire.hyperliquid.actions import Identity

HOST = "demo-fapi.localhost"
MONEY = 10**8
SECOND = 10**9
START = 1_767_225_658 * SECOND  # 2026-01-01 00:00:58 UTC
CENTER = 600_000
STEP_NS = 50_000_000
# Distance of the ladder's levels, in price units of both protocols (a tenth of a dollar).
RUNG = 50
ACCOUNT = "trader"
WAIT_S = 4.0

Story = Callable[["Desk"], Awaitable[None]]


class Kind(NamedTuple):
    """One adapter on one protocol. ``unit`` is a hundredth of a bitcoin in quantity units."""

    name: str
    protocol: str
    instrument: str
    unit: int
    tls: bool = False
    is_ccxt: bool = False

    def __str__(self) -> str:
        return self.name


BINANCE = Kind("binance", "binance", "BTCUSDT-PERP.BINANCE", 10)
BINANCE_TLS = Kind("binance-tls", "binance", "BTCUSDT-PERP.BINANCE", 10, tls=True)
HYPERLIQUID = Kind("hyperliquid", "hyperliquid", "BTC-PERP.HYPERLIQUID", 1_000)
CCXT = Kind("ccxt-binance", "binance", "BTCUSDT-PERP.BINANCE", 10, tls=True, is_ccxt=True)
KINDS = (BINANCE, BINANCE_TLS, HYPERLIQUID, CCXT)
# Where ccxt looks for each part of Binance.
CCXT_PATHS = {
    "fapiPublic": "/fapi/v1",
    "fapiPublicV2": "/fapi/v2",
    "fapiPublicV3": "/fapi/v3",
    "fapiPrivate": "/fapi/v1",
    "fapiPrivateV2": "/fapi/v2",
    "fapiPrivateV3": "/fapi/v3",
    "sapi": "/sapi/v1",
    "public": "/api/v3",
    "dapiPublic": "/dapi/v1",
}


class Ladder:
    """Other participants who stand still: ten levels a side of five units each."""

    def __init__(self, unit: int) -> None:
        self.center = CENTER
        self.takes: list[tuple[int, int]] = []
        self._size = 5 * unit
        self._standing: dict[int, list[int]] = {}
        self._stepped = asyncio.Event()

    async def steps(self, count: int = 1) -> None:
        """Wait until the market has moved on so many times: 50 ms each."""
        for _ in range(count):
            self._stepped.clear()
            await self._stepped.wait()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for what no event tells."""
        async with asyncio.timeout(WAIT_S):
            while not condition():
                await self.steps()

    def act(self, state: VenueState, market: Market, ts: int) -> int:
        """Trade what was asked for, then fill the ladder up again."""
        self._stepped.set()
        market.index = self.center
        takes, self.takes = self.takes, []
        for side, quantity in takes:
            crowd.take(state, market, side, price=self.center + side * 1_000, quantity=quantity)
        for side in (1, -1):
            for rung in range(1, 11):
                self._fill(state, market, side, self.center - side * rung * RUNG)
        return ts + STEP_NS

    def gap(self, state: VenueState, market: Market, ratio: float) -> None:
        """Everybody steps aside and stands again elsewhere."""
        for numbers in self._standing.values():
            for number in numbers:
                crowd.withdraw(market, number)
        self._standing.clear()
        self.center = round(self.center * ratio / RUNG) * RUNG
        self.act(state, market, state.now)
        self.takes = [(-1 if ratio < 1 else 1, 1)]
        self.act(state, market, state.now)

    def _fill(self, state: VenueState, market: Market, side: int, price: int) -> None:
        numbers = [n for n in self._standing.get(price * side, ()) if n in market.book]
        missing = self._size - sum(market.book.order(n).quantity for n in numbers)
        if missing > 0:
            number = crowd.rest(state, market, side, price=price, quantity=missing)
            numbers += [number] if number else []
        self._standing[price * side] = numbers


class StillExchange(LocalExchange):
    """The local exchange with a ladder in place of the synthetic market."""

    ladder: Ladder
    machine: MachineClock

    def _synthetic(self, item: listings.Listing, number: int) -> Any:
        self.ladder = Ladder(10 ** (item.instrument.quantity_exponent - 2))
        return self.ladder


class Loopback(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = ResolveResult(
            hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        return


class Listener:
    """Keeps what an adapter tells, and waits for what it will."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self._changed = asyncio.Event()

    def hear(self, event: Any) -> None:
        self.heard.append(event)
        self._changed.set()

    async def until(self, test: Callable[[Any], bool], since: int = 0) -> Any:
        """The first event from ``since`` on that passes the test, waiting for it."""
        async with asyncio.timeout(WAIT_S):
            place = since
            while True:
                while place < len(self.heard):
                    event = self.heard[place]
                    place += 1
                    if test(event):
                        return event
                self._changed.clear()
                await self._changed.wait()

    async def until_up(self, since: int = 0) -> None:
        """Both streams speak."""
        for stream in (Stream.MARKET, Stream.USER):
            await self.until(stream_is(stream, up=True), since)

    def all_of(self, kind: type) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]


class Desk(Listener):
    """An exchange, an adapter, and what was heard."""

    def __init__(self, kind: Kind, exchange: StillExchange, *, ladder: Ladder, venue: Any) -> None:
        super().__init__()
        self.kind = kind
        self.exchange = exchange
        self.ladder = ladder
        self.venue = venue
        self._number = 0

    # Asking.
    async def ask(self, kind: type[Request], **fields: Any) -> Answer:
        """Ask and wait for the answer."""
        return await self.answer(self.send(kind, **fields))

    def send(self, kind: type[Request], **fields: Any) -> int:
        """Ask; returns the number of the request."""
        self._number += 1
        self.venue.request(kind(request_id=self._number, **fields))
        return self._number

    async def answer(self, number: int) -> Answer:
        found: Answer = await self.until(
            lambda event: isinstance(event, Answer) and event.request_id == number
        )
        return found

    @property
    def deadline(self) -> int:
        return self.now + 5 * SECOND

    @property
    def now(self) -> int:
        """The time that the adapter knows."""
        found: int = self.exchange.machine.now_ns()
        return found

    def spec(self, side: int, units: int, **fields: Any) -> OrderSpec:
        """An instruction over some hundredths of a bitcoin; a limit order when it has a price."""
        fields.setdefault("type", OrderType.LIMIT if "price" in fields else OrderType.MARKET)
        return OrderSpec(self.kind.instrument, side, units * self.kind.unit, **fields)

    async def place(self, name: str, side: int, units: int, **fields: Any) -> Answer:
        return await self.place_spec(name, self.spec(side, units, **fields))

    async def place_spec(self, name: str, spec: OrderSpec) -> Answer:
        return await self.ask(
            PlaceRequest, client_order_id=name, spec=spec, ts_deadline=self.deadline
        )

    async def amend(self, name: str, spec: OrderSpec) -> Answer:
        return await self.ask(
            AmendRequest, client_order_id=name, spec=spec, ts_deadline=self.deadline
        )

    async def cancel(self, name: str, *, conditional: bool = False) -> Answer:
        return await self.ask(
            CancelRequest,
            client_order_id=name,
            instrument=self.kind.instrument,
            is_conditional=conditional,
            ts_deadline=self.deadline,
        )

    async def query(self, name: str, *, conditional: bool = False) -> Answer:
        return await self.ask(
            OrderQuery,
            client_order_id=name,
            instrument=self.kind.instrument,
            is_conditional=conditional,
        )

    async def by_number(self, number: str) -> Answer:
        """Ask for an order by the venue's own number."""
        instrument = self.kind.instrument
        return await self.ask(
            OrderQuery, client_order_id="", instrument=instrument, venue_order_id=number
        )

    async def open_orders(self) -> dict[str, VenueOrder]:
        answer = await self.ask(OpenOrdersQuery)
        assert isinstance(answer.content, tuple), answer
        return {order.client_order_id: order for order in answer.content}  # type: ignore[union-attr]

    # The other side.
    @property
    def host(self) -> Any:
        return self.exchange.hosts[self.kind.protocol]

    @property
    def core(self) -> Any:
        return self.host.face.core

    def orders_there(self) -> list[Any]:
        """Every order of the account that the exchange knows."""
        return self.core.orders_since(ACCOUNT, None, 0)  # type: ignore[no-any-return]

    def break_next(self, fault: str, **values: Any) -> None:
        """Inject a fault from now on, once unless a count is given."""
        rule = {"fault": fault, "count": 1, **values}
        self.exchange.injector.add(rule, self.exchange.clock.now_ns())

    def gap(self, ratio: float) -> None:
        """Let the price jump, and tell everybody."""
        now = self.exchange.clock.now_ns()
        self.core.gap(now, self.kind.instrument, ratio)
        self.host.flush()


class MachineClock:
    """A machine's clock that begins at START, and may run ahead of time."""

    def __init__(self, factor: float) -> None:
        self._real = SystemClock().now_ns()
        self._factor = factor

    def now_ns(self) -> int:
        return START + int((SystemClock().now_ns() - self._real) * self._factor)


def stream_is(stream: Stream, *, up: bool) -> Callable[[Any], bool]:
    return lambda event: (
        isinstance(event, StreamChanged)
        and event.stream is stream
        and event.is_up is up
        and not event.instrument
    )


def venue_of(kind: Kind, exchange: StillExchange, *, tls: ssl.SSLContext | None, **options: Any):  # type: ignore[no-untyped-def]
    """The adapter of a kind, pointed at the exchange."""
    clock = exchange.machine
    door, keys = exchange.doors[kind.protocol], exchange.keys[0]
    wanted = options.pop("instruments", (kind.instrument,))
    feeds = Feeds(instruments=wanted, books=True, bars=("1m",))
    http = f"https://{HOST}:{door.tls_port}" if kind.tls else door.url
    network = Network(tls=tls, resolver=Loopback()) if kind.tls else Network()
    ws = http.replace("http", "ws", 1)
    if kind.is_ccxt:
        config = CcxtConfig(
            exchange_id="binanceusdm",
            key=keys.key,
            secret=keys.secret,
            urls={name: http + path for name, path in CCXT_PATHS.items()},
            is_paced=False,
            poll_s=0.2,
            **options,
        )
        return CcxtVenue(config, feeds, clock=clock, network=network)
    if kind.protocol == "hyperliquid":
        wallet = hyperliquid.Wallet(
            identity=Identity(address=keys.wallet, is_mainnet=False),
            signer=EthereumSigner(keys.wallet_key),
        )
        return hyperliquid.HyperliquidVenue(
            hyperliquid.Endpoints(http, f"{ws}/ws", **options),
            wallet,
            feeds,
            clock=clock,
            network=network,
        )
    return binance.BinanceVenue(
        binance.Endpoints(http, ws, **options),
        binance.Keys(keys.key, HmacSigner(keys.secret)),
        feeds,
        clock=clock,
        network=network,
    )


def trade(
    kind: Kind,
    story: Story,
    *,
    authority: Authority | None = None,
    speed: float = 1.0,
    hurry: float = 1.0,
    **options: Any,
) -> None:
    """Open the exchange, connect, tell the story, close; nothing may be left running."""

    async def main() -> None:
        listed = listings.binance if kind.protocol == "binance" else listings.hyperliquid
        plan = Plan(
            protocols=(kind.protocol,),
            accounts=(ACCOUNT,),
            speed=speed,
            listed=listed()[:1],
        )
        machine = MachineClock(hurry)
        exchange = StillExchange(plan, machine)
        exchange.machine = machine
        tls = authority.server_context() if authority is not None and kind.tls else None
        await exchange.open({}, tls=tls)
        try:
            trusted = authority.client_context() if tls is not None and authority else None
            before = asyncio.all_tasks()
            venue = venue_of(kind, exchange, tls=trusted, **options)
            desk = Desk(kind, exchange, ladder=exchange.ladder, venue=venue)
            try:
                await desk.venue.connect(desk.hear)
                await desk.until_up()
                await story(desk)
            finally:
                await desk.venue.close()
            left = {task for task in asyncio.all_tasks() - before if _is_of_client(task)}
            assert not left, left
        finally:
            await exchange.close()

    asyncio.run(main())


def _is_of_client(task: asyncio.Task[Any]) -> bool:
    """Whether a task belongs to the adapter: the exchange has its own, one for each connection."""
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and "/interlock/adapters/" in code.co_filename
