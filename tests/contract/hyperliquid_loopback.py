"""A Hyperliquid on loopback for clients that we did not write: the sim server on real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from aiohttp import WSMsgType, web

from interlock.adapters.signing import EthereumSigner, recover_address
from interlock.model.order import OrderType
from interlock.sim.hyperliquid_server.limits import LimitRules
from interlock.sim.hyperliquid_server.server import HyperliquidServer
from interlock.sim.hyperliquid_server.sessions import Session
from interlock.sim.hyperliquid_server.state import HYPERLIQUID_RULES, ServerOptions
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import OrderTicket
from interlock.wire.http import HttpRequest
from tests.unit.wire.hyperliquid.cases import BTC, ETH, universe

T = TypeVar("T")
KEY = "0x" + "11" * 32
ADDRESS = EthereumSigner(KEY).address
MAKER = "0x" + "99" * 20
MONEY = 10**8
_TICK_SECONDS = 0.02
_WAIT_SECONDS = 10.0


class Loopback:
    """The server, its book, and the door to both from another thread."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        self.core = VenueCore(universe().instruments[:2], options=HYPERLIQUID_RULES, seed=1)
        for name in ("maker", "trader"):
            self.core.add_account(name, {"USDC": 1_000_000 * MONEY})
        users = {MAKER: "maker", ADDRESS: "trader"}
        self.server = HyperliquidServer(self.core, users, recover=recover_address, options=options)
        self.port = 0
        self._ahead_ns = 0
        self._loop = asyncio.new_event_loop()
        self._sockets: dict[web.WebSocketResponse, Session] = {}
        self.core.advance(self.now())
        for symbol, price in ((BTC, 60_000), (ETH, 2_000)):
            self.core.set_mark(self.now(), symbol, self.units(symbol, price))

    @property
    def url(self) -> str:
        """Where the server listens."""
        return f"http://127.0.0.1:{self.port}"

    def now(self) -> int:
        """Venue time, ns."""
        return time.time_ns() + self._ahead_ns

    def jump(self, hours: int) -> None:
        """Let hours pass at the venue; sockets hear of nothing but what happened."""

        def ahead() -> None:
            self._ahead_ns += hours * 3_600 * 10**9
            for session in self._sockets.values():
                session.heard_ns = self.now()

        self.call(ahead)

    def units(self, symbol: str, price: float) -> int:
        """A price in price units."""
        return round(price * 10 ** self.core.instrument(symbol).price_exponent)

    def call(self, action: Callable[[], T]) -> T:
        """Run something between two requests, and let everybody hear of it."""

        async def run() -> T:
            result = action()
            self._tick()
            await self._flush()
            return result

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(_WAIT_SECONDS)

    def rest(self, symbol: str, side: int, price: float, *, quantity: float) -> None:
        """An order of somebody else."""
        instrument = self.core.instrument(symbol)
        ticket = OrderTicket(
            symbol=symbol,
            side=side,
            quantity=round(quantity * 10**instrument.quantity_exponent),
            type=OrderType.LIMIT,
            price=self.units(symbol, price),
        )
        self.call(lambda: self.core.place(self.now(), "maker", ticket))

    def mark(self, symbol: str, price: float) -> None:
        """Move the mark price."""
        self.call(lambda: self.core.set_mark(self.now(), symbol, self.units(symbol, price)))

    def drop_sockets(self) -> None:
        """Cut every socket."""

        async def cut() -> None:
            for socket in list(self._sockets):
                await socket.close()

        asyncio.run_coroutine_threadsafe(cut(), self._loop).result(_WAIT_SECONDS)

    def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Run the server until told to stop; for a thread of its own."""
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve(ready, stop))
        self._loop.close()

    def end(self, stop: asyncio.Event) -> None:
        """Tell the server to stop, from another thread."""
        self._loop.call_soon_threadsafe(stop.set)

    async def _serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        app = web.Application()
        app.router.add_get("/ws", self._socket)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert runner.addresses
        self.port = runner.addresses[0][1]
        ready.set()
        while not stop.is_set():
            self._tick()
            await self._flush()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _TICK_SECONDS)
        for socket in list(self._sockets):
            await socket.close()
        await runner.cleanup()

    def _tick(self) -> None:
        self.server.run(self.now())

    async def _answer(self, request: web.Request) -> web.Response:
        asked = HttpRequest(method=request.method, path=request.path, body=await request.read())
        answer = self.server.handle(self.now(), asked, client="127.0.0.1")
        await self._flush()
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers={"content-type": answer.content_type, **answer.headers},
        )

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        session = self.server.connect(self.now(), client="127.0.0.1")
        assert session is not None
        self._sockets[socket] = session
        try:
            async for frame in _texts(socket):
                self.server.receive(self.now(), session, frame)
                await self._flush()
        finally:
            del self._sockets[socket]
            self.server.disconnect(session)
        return socket

    async def _flush(self) -> None:
        for socket, session in list(self._sockets.items()):
            for frame in session.take():
                if not socket.closed:
                    with contextlib.suppress(ConnectionError):
                        await socket.send_str(frame.decode())


async def _texts(socket: web.WebSocketResponse) -> AsyncIterator[bytes]:
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            yield message.data.encode()


@contextmanager
def loopback(options: ServerOptions | None = None) -> Iterator[Loopback]:
    """A running server with a book of one level on each side."""
    # Tests ask much faster than people: the weight has tests of its own.
    generous = ServerOptions(limits=LimitRules(weight_per_minute=100_000), book_interval_ms=50)
    venue = Loopback(options or generous)
    ready, stop = threading.Event(), asyncio.Event()
    thread = threading.Thread(target=venue.serve, args=(ready, stop), daemon=True)
    thread.start()
    assert ready.wait(_WAIT_SECONDS)
    for symbol, bid, ask in ((BTC, 59_990, 60_010), (ETH, 1_999.5, 2_000.5)):
        venue.rest(symbol, 1, bid, quantity=5)
        venue.rest(symbol, -1, ask, quantity=5)
    try:
        yield venue
    finally:
        venue.end(stop)
        thread.join(_WAIT_SECONDS)
