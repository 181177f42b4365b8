"""A desk at the local exchange: real sockets, an exchange in this process, a raw client."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec

from interlock.adapters.signing import EthereumSigner
from interlock.adapters.system import SystemClock
from interlock.sim.faults import parse
from interlock.venue import listings
from interlock.venue.local import LocalExchange, Plan
from interlock.wire.hyperliquid import hashing

T = TypeVar("T")
BTC = "BTCUSDT-PERP.BINANCE"
COIN = "BTC-PERP.HYPERLIQUID"
PATIENCE_S = 10.0
LISTED = (listings.binance()[0], listings.hyperliquid()[0])


class Answer(msgspec.Struct):
    """Status, headers and content of one answer; ``error`` names a broken connection."""

    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    error: str = ""

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def code(self) -> int:
        return int(self.json["code"])


class Desk:
    """One account's raw client, and the hand on the admin port."""

    def __init__(self, exchange: LocalExchange, session: aiohttp.ClientSession) -> None:
        self.exchange = exchange
        self.session = session
        self.keys = exchange.keys[0]
        self.url = next(iter(exchange.doors.values())).url
        self.admin = f"http://127.0.0.1:{exchange.admin.port}"

    async def call(self, method: str, path: str, **parameters: Any) -> Answer:
        """A signed request of the first account."""
        now = int(time.time() * 1000)
        query = urlencode({"timestamp": now, **parameters})
        digest = hmac.new(self.keys.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        headers = {"X-MBX-APIKEY": self.keys.key}
        return await self.open(method, f"{path}?{query}&signature={digest}", headers=headers)

    async def open(self, method: str, path: str, **options: Any) -> Answer:
        """A request as it is."""
        try:
            async with self.session.request(method, self.url + path, **options) as reply:
                headers = {name.lower(): value for name, value in reply.headers.items()}
                return Answer(reply.status, headers, await reply.read())
        except (aiohttp.ClientError, ConnectionError) as error:
            return Answer(error=type(error).__name__)

    async def order(self, side: str = "BUY", quantity: str = "0.010", **more: Any) -> Answer:
        """A market order, or a limit order with a price."""
        kind = {"type": "LIMIT", "timeInForce": "GTC"} if "price" in more else {"type": "MARKET"}
        words = {"symbol": "BTCUSDT", "side": side, "quantity": quantity, **kind, **more}
        return await self.call("POST", "/fapi/v1/order", newOrderRespType="RESULT", **words)

    async def open_orders(self) -> list[dict[str, Any]]:
        """What rests."""
        found: list[dict[str, Any]] = (await self.call("GET", "/fapi/v1/openOrders")).json
        return found

    async def position(self) -> str:
        """The holding of the only symbol."""
        rows = (await self.call("GET", "/fapi/v3/positionRisk", symbol="BTCUSDT")).json
        return next((row["positionAmt"] for row in rows), "0.000")

    async def rule(self, **rule: Any) -> Answer:
        """Inject a fault by the admin port."""
        return await self.ask("POST", "/faults", json=rule)

    async def must(self, **rule: Any) -> None:
        """Inject a fault that has to be accepted."""
        answer = await self.rule(**rule)
        assert answer.status == 200, answer.body

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        """A request to the admin port."""
        async with self.session.request(method, self.admin + path, **options) as reply:
            return Answer(reply.status, {}, await reply.read())

    async def counts(self) -> dict[str, int]:
        """How often each kind of fault happened."""
        found: dict[str, int] = (await self.ask("GET", "/truth")).json["counts"]
        return found

    async def truth(self) -> list[dict[str, Any]]:
        """What happened."""
        found: list[dict[str, Any]] = (await self.ask("GET", "/truth")).json["faults"]
        return found

    async def books(self, protocol: str = "binance", account: str = "trader") -> dict[str, Any]:
        """An account as the exchange holds it."""
        found: dict[str, Any] = (await self.ask("GET", f"/books/{protocol}/{account}")).json
        return found

    async def socket(self, path: str, url: str = "") -> aiohttp.ClientWebSocketResponse:
        """A WebSocket."""
        return await self.session.ws_connect((url or self.url) + path, autoping=True)

    async def user_socket(self) -> aiohttp.ClientWebSocketResponse:
        """The user stream of the first account."""
        key = (await self.call("POST", "/fapi/v1/listenKey")).json["listenKey"]
        return await self.socket(f"/ws/{key}")

    async def info(self, **body: Any) -> Answer:
        """A question to Hyperliquid."""
        return await self.open("POST", "/info", json=body)

    def signed_action(
        self, action: dict[str, Any], nonce: int = 0, number: int = 0
    ) -> dict[str, Any]:
        """A body of /exchange, signed by an account."""
        nonce = nonce or time.time_ns() // 10**6
        digest = hashing.l1_digest(
            hashing.connection_id(action, nonce=nonce, vault=None, expires_ms=None),
            hashing.TESTNET_SOURCE,
        )
        packed = EthereumSigner(self.exchange.keys[number].wallet_key).sign(digest)
        raw = bytes.fromhex(packed.removeprefix("0x"))
        signature = {
            "r": "0x" + raw[:32].hex(),
            "s": "0x" + raw[32:64].hex(),
            "v": raw[64] if raw[64] >= 27 else raw[64] + 27,
        }
        return {"action": action, "nonce": nonce, "signature": signature}

    async def act(self, action: dict[str, Any], nonce: int = 0, number: int = 0) -> Answer:
        """A signed action on Hyperliquid."""
        return await self.open("POST", "/exchange", json=self.signed_action(action, nonce, number))


def bid(price: str, size: str = "0.01") -> dict[str, Any]:
    """A resting bid as an action."""
    row = {"a": 0, "b": True, "p": price, "s": size, "r": False, "t": {"limit": {"tif": "Gtc"}}}
    return {"type": "order", "orders": [row], "grouping": "na"}


async def until(
    socket: aiohttp.ClientWebSocketResponse, wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """The next frame that is wanted."""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            message = await socket.receive()
            assert message.type is aiohttp.WSMsgType.TEXT, message
            frame: dict[str, Any] = msgspec.json.decode(message.data)
            if wanted(frame):
                return frame


async def close_code(socket: aiohttp.ClientWebSocketResponse) -> int:
    """Wait for the server to close the socket."""
    async with asyncio.timeout(PATIENCE_S):
        while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
            continue
    return int(message.data or 0)


@asynccontextmanager
async def desk(**plan: Any) -> AsyncIterator[Desk]:
    """An open exchange with one symbol of each protocol and a quiet market."""
    script = parse({"rules": plan.pop("rules", []), "seed": plan.get("seed", 1)})
    given = {"is_quiet": True, "listed": LISTED, "script": script, **plan}
    exchange = LocalExchange(Plan(**given), SystemClock())
    await exchange.open({})
    try:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE_S)) as session:
            yield Desk(exchange, session)
    finally:
        await exchange.close()


def at_desk(course: Callable[[Desk], Awaitable[T]], **plan: Any) -> T:
    """Run a course of actions at an open exchange."""

    async def run() -> T:
        async with desk(**plan) as opened:
            return await course(opened)

    return asyncio.run(run())
