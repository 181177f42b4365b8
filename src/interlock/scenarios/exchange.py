"""The exchange of a scenario: a process of its own, its admin port, and the truth of its books."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec
from msgspec.structs import replace

from interlock.ports import Clock
from interlock.scenarios.processes import Process
from interlock.scenarios.protocols import Protocol
from interlock.sim.venue.values import AccountView, Fill, Order, Payment

ACCOUNT = "trader"
# An exchange whose clock runs fast may be busy for a while.
_REQUEST_S = 60.0


class Books(msgspec.Struct):
    """An account as the exchange holds it, whatever anybody was told."""

    account: AccountView
    open: list[Order]
    open_conditional: list[Order]
    orders: list[Order]
    conditional: list[Order]
    fills: list[Fill]
    payments: list[Payment]

    @property
    def wallet(self) -> int:
        """The wallet in money units."""
        return self.account.balances[0].wallet

    @property
    def positions(self) -> dict[str, int]:
        """Holdings that are not zero, in quantity units."""
        return {item.symbol: item.quantity for item in self.account.positions}

    @property
    def placed(self) -> list[Order]:
        """Every order that somebody placed: what a trigger made is no order of its own."""
        return [order for order in (*self.orders, *self.conditional) if not order.conditional_id]

    def call(self, names: Mapping[str, str]) -> None:
        """Put our ids in the place of those that the venue knows orders by."""
        shelves = (self.open, self.open_conditional, self.orders, self.conditional)
        for order in (order for shelf in shelves for order in shelf):
            order.client_id = names.get(order.client_id, order.client_id)


class Place(msgspec.Struct, kw_only=True):
    """Where a started exchange listens, and the keys of its account."""

    protocol: Protocol
    url: str
    admin: str
    key: str
    secret: str
    wallet_key: str


class ExchangeError(RuntimeError):
    """The admin port refused; the text is its answer."""


class Exchange:
    """A running exchange, seen by whoever stages faults and judges."""

    def __init__(self, process: Process, place: Place, clock: Clock) -> None:
        self.process = process
        self.place = place
        self._clock = clock
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_REQUEST_S),
            headers={"content-type": "application/json"},
        )

    async def fault(self, fault: str, **values: Any) -> None:
        """Add a rule; see docs/venue.md for their names and values."""
        lasts = {"for": values.pop("lasts")} if "lasts" in values else {}
        await self._admin("POST", "/faults", {"fault": fault, **values, **lasts})

    async def clear(self) -> None:
        """Take every rule back."""
        await self._admin("DELETE", "/faults")

    async def counts(self) -> dict[str, int]:
        """How often each kind of fault happened."""
        found = msgspec.json.decode(await self._admin("GET", "/truth?limit=1"))
        return dict(found["counts"])

    async def requests(self) -> int:
        """How many requests have arrived."""
        found = msgspec.json.decode(await self._admin("GET", "/status"))
        return int(found["hosts"][self.place.protocol.name]["requests"])

    async def speed(self, factor: float) -> None:
        """Let venue time run so many times faster than real time."""
        await self._admin("POST", "/speed", {"speed": factor})

    async def books(self) -> Books:
        """The truth, its trades under the numbers that clients are told."""
        protocol = self.place.protocol
        content = await self._admin("GET", f"/books/{protocol.name}/{ACCOUNT}")
        books = msgspec.json.decode(content, type=Books)
        books.fills = [
            replace(fill, fill_id=protocol.trade_id(fill.symbol, fill.fill_id))
            for fill in books.fills
        ]
        return books

    async def foreign_order(self, symbol: str, quantity: str, price: str) -> None:
        """Place a buy order on the same account that no engine of ours knows of (Binance)."""
        ts = self._clock.now_ns() // 10**6
        query = (
            f"symbol={symbol}&side=BUY&type=LIMIT&timeInForce=GTC&quantity={quantity}"
            f"&price={price}&newClientOrderId=by-hand-1&recvWindow=5000&timestamp={ts}"
        )
        secret = self.place.secret.encode()
        signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.place.url}/fapi/v1/order?{query}&signature={signature}"
        async with self._session.post(url, headers={"X-MBX-APIKEY": self.place.key}) as answer:
            if answer.status != 200:
                raise ExchangeError(await answer.text())

    async def close(self) -> None:
        """End the process and hang up."""
        await self._session.close()
        await self.process.end()

    async def _admin(self, method: str, path: str, body: Any = None) -> bytes:
        data = msgspec.json.encode(body) if body is not None else None
        async with self._session.request(method, self.place.admin + path, data=data) as answer:
            content = await answer.read()
        if answer.status != 200:
            raise ExchangeError(f"{method} {path}: {content.decode(errors='replace')}")
        return content
