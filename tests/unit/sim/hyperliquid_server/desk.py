"""A small Hyperliquid on a stage: a quiet book, two traders with keys, virtual time."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from interlock.adapters.signing import EthereumSigner, recover_address
from interlock.model.instrument import Instrument
from interlock.model.order import OrderType
from interlock.sim.hyperliquid_server.server import HyperliquidServer
from interlock.sim.hyperliquid_server.state import HYPERLIQUID_RULES, ServerOptions
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Order, OrderTicket
from interlock.wire.http import HttpRequest
from interlock.wire.hyperliquid.actions import Identity, draft, payload
from interlock.wire.hyperliquid.nonces import Nonces
from tests.unit.wire.hyperliquid.cases import universe

START = 1_760_000_000_000_000_000
MS = 1_000_000
SECOND = 1_000 * MS
MONEY = 10**8
MAKER = "0x" + "99" * 20
ANN = EthereumSigner("0x" + "11" * 32)
BOB = EthereumSigner("0x" + "22" * 32)
STRANGER = EthereumSigner("0x" + "33" * 32)


def instruments() -> list[Instrument]:
    """ETH and BTC."""
    return list(universe().instruments[:2])


class Desk:
    """One server with everything a test asks of it."""

    def __init__(self, *, cash: int = 100_000, options: ServerOptions | None = None) -> None:
        self.core = VenueCore(instruments(), options=HYPERLIQUID_RULES, seed=1)
        users = {MAKER: "maker", ANN.address: "ann", BOB.address: "bob"}
        for name, amount in (("maker", 10**8), ("ann", cash), ("bob", cash)):
            self.core.add_account(name, {"USDC": amount * MONEY})
        self.server = HyperliquidServer(self.core, users, recover=recover_address, options=options)
        self.ts = START
        self.nonces = Nonces()
        self.core.advance(START)
        for item in instruments():
            self.core.set_mark(START, item.id, 60_000 * 10**item.price_exponent)

    def quote(self, symbol: str, *, bid: int, ask: int, quantity: int) -> list[Order]:
        """Two resting orders of somebody else; prices in whole dollars."""
        scale = 10 ** self.core.instrument(symbol).price_exponent
        placed = []
        for side, price in ((1, bid), (-1, ask)):
            ticket = OrderTicket(
                symbol=symbol,
                side=side,
                quantity=quantity,
                type=OrderType.LIMIT,
                price=price * scale,
            )
            found = self.core.place(self.ts, "maker", ticket)
            assert isinstance(found, Order), found
            placed.append(found)
        self.server.run(self.ts)
        return placed

    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.ts += ms * MS
        self.server.run(self.ts)

    def info(self, kind: str, **question: object) -> Any:
        """The answer to a question."""
        body = msgspec.json.encode({"type": kind, **question})
        request = HttpRequest(method="POST", path="/info", body=body)
        response = self.server.handle(self.ts, request)
        assert response.status == 200, response
        return json.loads(response.body)

    def user(self, kind: str, signer: EthereumSigner = ANN, **question: object) -> Any:
        """The answer to a question about a trader."""
        return self.info(kind, user=signer.address, **question)

    def signed(self, action: dict[str, object], signer: EthereumSigner = ANN, **change: Any) -> Any:
        """The body of a signed action."""
        nonce = change.pop("nonce", None) or self.nonces.take(self.ts // MS)
        identity = Identity(
            address=signer.address,
            vault=change.pop("vault", None),
            is_mainnet=change.pop("is_mainnet", True),
        )
        deadline = change.pop("ts_deadline", 0)
        ready = draft(action, identity, nonce=nonce, ts_deadline=deadline)
        return {**payload(ready, signer.sign(ready.digest)), **change}

    def act(self, action: dict[str, object], signer: EthereumSigner = ANN, **change: Any) -> Any:
        """The answer to a signed action."""
        return self.send(self.signed(action, signer, **change))

    def send(self, body: object) -> Any:
        """The answer to a body of /exchange."""
        request = HttpRequest(method="POST", path="/exchange", body=msgspec.json.encode(body))
        response = self.server.handle(self.ts, request)
        assert response.status == 200, response
        return json.loads(response.body)

    def order(self, *rows: dict[str, object], grouping: str = "na", **change: Any) -> list[Any]:
        """The statuses of orders."""
        answer = self.act({"type": "order", "orders": list(rows), "grouping": grouping}, **change)
        assert answer["status"] == "ok", answer
        statuses = answer["response"]["data"]["statuses"]
        assert isinstance(statuses, list)
        return statuses


def row(**change: object) -> dict[str, object]:
    """Buy 0.01 BTC at 60,000, good till canceled; the keys stay in order."""
    fields: dict[str, object] = {
        "a": 1,
        "b": True,
        "p": "60000",
        "s": "0.01",
        "r": False,
        "t": {"limit": {"tif": "Gtc"}},
    }
    return {**fields, **change}


def trigger(price: str, tpsl: str, *, is_market: bool = True) -> dict[str, object]:
    """The type of a trigger order."""
    return {"trigger": {"isMarket": is_market, "triggerPx": price, "tpsl": tpsl}}


def error(slot: object) -> str:
    """The error text of a status."""
    assert isinstance(slot, dict), slot
    text = slot["error"]
    assert isinstance(text, str)
    return text
