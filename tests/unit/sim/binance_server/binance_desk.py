"""A server with one market, two accounts and a client that signs, for the tests of this folder."""

from __future__ import annotations

import json
from typing import Any

from interlock.model.order import OrderType
from interlock.model.venue import Answer, Request
from interlock.sim.binance_server.server import BinanceServer
from interlock.sim.binance_server.sessions import Session
from interlock.sim.binance_server.state import ServerOptions
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import OrderTicket
from interlock.wire.binance import requests, signing
from interlock.wire.binance.answers import Judge, Reply
from interlock.wire.binance.requests import Dialect, Draft
from interlock.wire.binance.terms import Listing
from interlock.wire.http import HttpResponse
from tests.unit.sim.venue.cases import BTC, MONEY, perpetual

SECOND = 10**9
START = 1_790_000_000 * SECOND


class Desk:
    """``call`` sends signed parameters; ``ask`` a request of the model and judges the answer."""

    def __init__(self, **options: Any) -> None:
        self.core = VenueCore([perpetual()], seed=3)
        for name in ("desk", "maker", "taker"):
            self.core.add_account(name, {"USDT": 100_000 * MONEY})
        self.server = BinanceServer(self.core, ServerOptions(**options))
        self.server.add_key("k", "s", "desk")
        self.ts = START
        self.core.set_mark(START, BTC, 500_000)
        for step in range(1, 4):
            self.other("maker", 1, 100, 500_000 - step * 10)
            self.other("maker", -1, 100, 500_000 + step * 10)
        self.dialect = Dialect(listing=Listing([perpetual()]))
        self.judge = Judge(self.dialect)

    def other(self, account: str, side: int, quantity: int, price: int = 0) -> None:
        """Somebody else's order."""
        kind = OrderType.LIMIT if price else OrderType.MARKET
        ticket = OrderTicket(symbol=BTC, side=side, quantity=quantity, type=kind, price=price)
        self.core.place(max(self.ts, self.core.now), account, ticket)

    def send(self, draft: Draft, *, key: str = "k", secret: str = "s") -> HttpResponse:
        """Sign and send, one millisecond after the call before."""
        self.ts += SECOND // 1_000
        text = requests.bytes_to_sign(draft, ts=self.ts)
        signature = signing.hmac_signature(secret.encode(), text)
        request = requests.finish(draft, text, signature=signature, key=key)
        return self.server.handle(self.ts, request)

    def call(self, method: str, path: str, **parameters: str) -> tuple[int, Any]:
        """Status and body of a signed call."""
        answer = self.send(Draft(method=method, path=path, parameters=tuple(parameters.items())))
        return answer.status, json.loads(answer.body)

    def ask(self, request: Request) -> Answer:
        """What the client makes of the server's answers."""
        waiting = list(requests.drafts(request, self.dialect))
        replies: list[Reply] = []
        while waiting:
            answer = self.send(waiting.pop(0))
            replies.append(Reply(status=answer.status, body=answer.body, headers=answer.headers))
            if not waiting:
                judged = self.judge.judge(request, replies, ts=self.ts)
                if isinstance(judged, Answer):
                    return judged
                waiting.append(judged)
        raise AssertionError("a request without calls")

    def user_socket(self) -> tuple[str, Session]:
        """A listen key and a socket that listens to it."""
        _, body = self.call("POST", "/fapi/v1/listenKey")
        key = body["listenKey"]
        return key, self.server.open(self.ts, "/private/ws", b"listenKey=" + key.encode())

    def frames(self, session: Session, ts: int = 0) -> list[Any]:
        """What a socket hears up to a time."""
        self.ts = max(self.ts, ts)
        return [json.loads(frame) for frame in self.server.poll(self.ts, session.number)]
