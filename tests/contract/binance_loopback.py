"""The USD-M server on sockets of 127.0.0.1, for clients that nobody changed.

Plain HTTP and TLS with a certificate authority of its own; one thread, the wall clock, one market
whose book an account of the test keeps.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind, MarginTier
from interlock.model.order import OrderType
from interlock.sim.binance_server.server import BinanceServer
from interlock.sim.binance_server.sessions import NotHere
from interlock.sim.binance_server.state import ServerOptions
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Order, OrderTicket, Refused
from interlock.wire.http import HttpRequest

MONEY = 10**8
BTC = "BTCUSDT-PERP.BINANCE"
HOST = "demo-fapi.localhost"
KEY, SECRET = "desk-key", "desk-secret"
PRICE = 500_000
_ROUND_S = 0.01


def perpetual(symbol: str) -> Instrument:
    """A perpetual with a tick of 0.1 and a lot of 0.001."""
    return Instrument(
        id=f"{symbol}-PERP.BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base=symbol.removesuffix("USDT"),
        quote="USDT",
        price_exponent=1,
        quantity_exponent=3,
        price_rule=FixedTick(1),
        lot=1,
        min_quantity=1,
        max_quantity=1_000_000,
        min_notional=5 * MONEY,
        maker_rate=200,
        taker_rate=500,
        margin_tiers=(MarginTier(50_000 * MONEY, 4_000), MarginTier(0, 5_000, 50 * MONEY)),
        leverage_max=125,
        allow_short=True,
        funding_interval_ns=8 * 3_600 * 10**9,
    )


class Loopback:
    """A running server. ``http`` and ``https`` are its roots, without a path."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        self.core = VenueCore([perpetual("BTCUSDT"), perpetual("ETHUSDT")], seed=5)
        for name in ("desk", "maker", "taker"):
            self.core.add_account(name, {"USDT": 100_000 * MONEY})
        self.server = BinanceServer(self.core, options)
        self.server.add_key(KEY, SECRET, "desk")
        self.http = ""
        self.https_port = 0
        self._changed = asyncio.Event()
        self._sockets: dict[int, web.WebSocketResponse] = {}

    def now(self) -> int:
        """Venue time, which never goes back."""
        return max(time.time_ns(), self.core.now)

    def quote(self, middle: int = PRICE, *, symbol: str = BTC, levels: int = 5) -> None:
        """The maker takes its orders away and quotes a ladder around a price."""
        self.core.cancel_all(self.now(), "maker", symbol)
        for step in range(1, levels + 1):
            for side in (1, -1):
                price = middle - side * step * 10
                self._send("maker", side, 200, price=price, symbol=symbol)
        self.core.set_mark(self.now(), symbol, middle)
        self.notify()

    def trade(self, side: int, quantity: int, *, price: int = 0, symbol: str = BTC) -> Order:
        """Somebody else sends an order."""
        return self._send("taker", side, quantity, price=price, symbol=symbol)

    def _send(self, account: str, side: int, quantity: int, *, price: int, symbol: str) -> Order:
        kind = OrderType.LIMIT if price else OrderType.MARKET
        ticket = OrderTicket(symbol=symbol, side=side, quantity=quantity, type=kind, price=price)
        placed = self.core.place(self.now(), account, ticket)
        assert not isinstance(placed, Refused), placed
        self.notify()
        return placed

    def notify(self) -> None:
        """Send what there is to send without waiting for the next round."""
        self._changed.set()

    async def drop_sockets(self) -> None:
        """Cut every socket without a word."""
        for socket in list(self._sockets.values()):
            transport = socket._req.transport if socket._req else None
            if transport is not None:
                transport.abort()

    async def _serve_http(self, request: web.Request) -> web.StreamResponse:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await self._serve_socket(request)
        answer = self.server.handle(
            self.now(),
            HttpRequest(
                method=request.method,
                path=request.path,
                query=request.rel_url.raw_query_string.encode(),
                body=await request.read(),
                headers={name.lower(): value for name, value in request.headers.items()},
            ),
        )
        self.notify()
        return web.Response(
            status=answer.status,
            body=answer.body,
            headers=dict(answer.headers),
            content_type=answer.content_type,
        )

    async def _serve_socket(self, request: web.Request) -> web.StreamResponse:
        query = request.rel_url.raw_query_string.encode()
        try:
            session = self.server.open(self.now(), request.path, query)
        except NotHere as fault:
            return web.Response(status=404, text=str(fault))
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets[session.number] = socket
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    frame = data.encode() if isinstance(data, str) else data
                    self.server.receive(self.now(), session.number, frame)
                    self.notify()
        finally:
            del self._sockets[session.number]
            self.server.close(session.number)
        return socket

    async def _pump(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _ROUND_S)
            self._changed.clear()
            self.server.advance(self.now())
            for number, socket in list(self._sockets.items()):
                for frame in self.server.poll(self.now(), number):
                    with contextlib.suppress(ConnectionError):
                        await socket.send_str(frame.decode())

    @classmethod
    @contextlib.asynccontextmanager
    async def running(
        cls, options: ServerOptions | None = None, tls: ssl.SSLContext | None = None
    ) -> AsyncIterator[Self]:
        """Serve until the block is left."""
        loopback = cls(options)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", loopback._serve_http)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        loopback.http = f"http://127.0.0.1:{runner.addresses[0][1]}"
        if tls is not None:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
            loopback.https_port = runner.addresses[1][1]
        loopback.quote()
        loopback.quote(30_000, symbol="ETHUSDT-PERP.BINANCE")
        pump = asyncio.create_task(loopback._pump())
        try:
            yield loopback
        finally:
            pump.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pump
            await runner.cleanup()


def authority(folder: Path) -> tuple[ssl.SSLContext, str]:
    """A server context for HOST, and the file with the authority that signed it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    names: list[Any] = [x509.DNSName(HOST), x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "authority.pem", folder / "key.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(public, private)
    return context, str(public)
