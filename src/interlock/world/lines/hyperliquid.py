"""Hyperliquid in the world: its server, and what faults are in its words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from hashlib import blake2b
from typing import Any

import msgspec

from interlock.model.instrument import (
    Instrument,
    InstrumentKind,
    MarginTier,
    SignificantFigures,
)
from interlock.model.units import RATE_SCALE
from interlock.runtime.budget import Rate
from interlock.sim.hyperliquid_server.server import HyperliquidServer
from interlock.sim.hyperliquid_server.sessions import Session
from interlock.sim.hyperliquid_server.state import HYPERLIQUID_RULES, ServerOptions
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Event, Order
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid import errors, weights
from interlock.wire.hyperliquid.actions import EXCHANGE_PATH
from interlock.wire.hyperliquid.instruments import (
    FIGURES,
    FUNDING_INTERVAL_NS,
    MAKER_RATE,
    MIN_NOTIONAL,
    PRICE_DECIMALS,
    QUOTE,
    TAKER_RATE,
)
from interlock.world.dice import Dice
from interlock.world.lines.hyperliquid_truth import OneOrder
from interlock.world.lines.line import ADDRESS, Lag, Line, Listed, Sees, page, scaled

WALLET = "0x" + "5e" * 20
SECRET = "world-wallet-key"
_LEVERAGE = 50
# Frames of what a client hears of its account; whole books go to nobody here.
_OPTIONS = ServerOptions(context_interval_ms=3_000, book_interval_ms=60_000)
_EXECUTIONS = (b'{"channel":"userFills"', b'{"channel":"user"')
_REPLIES = (b'{"channel":"pong"', b'{"channel":"subscriptionResponse"')


class Pen:
    """Signs for the world's wallet by a keyed digest, where a real key would by its curve.

    Both ends hash the real action; the curve itself has tests of its own, and would take time.
    """

    def sign(self, message: bytes) -> str:
        """65 bytes in hexadecimal: two halves and a recovery id."""
        return f"0x{_signature(message).hex()}00"


class Hyperliquid:
    """The server as the world uses it."""

    def __init__(self, core: VenueCore, account: str, seed: int, sees: Sees) -> None:
        self._server = server = HyperliquidServer(
            core, {WALLET: account}, recover=_signer, options=_OPTIONS
        )
        server.state.sees = sees
        self._truth = OneOrder(lambda symbol: server.state.universe.index(symbol))
        server.observers.append(self._truth.saw)
        self.observers: list[Callable[[Event], None]] = self._truth.observers
        self.weight_most = server.state.options.limits.weight_per_minute

    def handle(self, ts: int, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        self._server.run(ts)
        self._truth.is_replacing = b'"batchModify"' in request.body
        response = self._server.handle(ts, request, client=ADDRESS)
        self._truth.settle()
        return response

    def connecting(self, ts: int, request: HttpRequest) -> HttpResponse:
        """Answer a question of a client that connects: it tries until no limit is in its way."""
        return self._server.handle(ts, request, client="connecting")

    def open(self, ts: int, path: str, query: bytes) -> Session:
        """A session for a new socket."""
        session = self._server.connect(ts, client=ADDRESS)
        assert session is not None, "the world opens few sockets"
        return session

    def close(self, session: Session) -> None:
        """The socket is gone."""
        self._server.disconnect(session)

    def receive(self, ts: int, session: Session, frame: bytes) -> None:
        """Take in a frame of a client."""
        self._server.receive(ts, session, frame)

    def frames(self, ts: int, session: Session) -> list[bytes]:
        """The frames that wait for a socket."""
        return session.take() if session.outbox else []

    def ended(self, session: Session) -> str:
        """Why the server wants a socket closed; empty while it does not."""
        return session.closed

    def advance(self, ts: int) -> None:
        """Let everything happen that is due."""
        self._server.run(ts)

    def next_due(self) -> int:
        """When something happens by itself next, ns."""
        return self._server.next_due()

    def used(self, ts: int) -> int:
        """The weight that the world's address has used in the last minute."""
        return self._server.state.weights.used(ts, ADDRESS)

    def shift_clock(self, by_ns: int) -> None:
        """Step the clock that clients have to follow."""
        self._server.state.clock_offset_ns += by_ns

    def expire_keys(self, ts: int) -> int:
        """Its user streams hang on no key."""
        return 0

    def remember(self, client_order_id: str) -> None:
        """An order may arrive that was sent under this id."""
        self._truth.cloids.remember(client_order_id)

    def whole(self, order: Order) -> Order:
        """An order of the core as the observers are told of it."""
        return self._truth.whole(order)


class HyperliquidWords:
    """Bodies, refusals and channels."""

    odd = b'{"channel":"pledges","data":{"user":"0x0","a":[1,null,{"k":"v"}]}}'

    def is_signed(self, request: HttpRequest) -> bool:
        """Whether a request needs a key: questions need none."""
        return request.path == EXCHANGE_PATH

    def asks_for_executions(self, request: HttpRequest) -> bool:
        """Whether a request asks what has traded."""
        return b'"userFillsByTime"' in request.body

    def question(self, request: HttpRequest) -> bytes:
        """A question is its body."""
        return request.body

    def trouble(self, kind: str, dice: Dice) -> HttpResponse:
        """The venue's own trouble: pages of what stands before it, and refusals of its own."""
        if kind == "unknown_503":
            return page(503)
        if kind == "unknown_1007":
            return page(504) if dice.coin(kind) else HttpResponse(status=500, body=b"null")
        if kind == "busy_1008":
            return _refused(f"{errors.REQUESTS} (10001 > 10000) for cumulative volume traded $0.")
        if kind == "key_refused":
            return _refused(f"{errors.NO_WALLET} {WALLET} does not exist.")
        seconds = dice.between(kind, 1, 20)
        # Every fifth names no time to wait for.
        headers = {"retry-after": str(seconds)} if dice.between(kind, 0, 4) else {}
        return HttpResponse(status=429, body=b"null", headers=headers)

    def placed(self, response: HttpResponse) -> str:
        """The cloid of an order that the venue has taken on."""
        for slot in _slots(response):
            named = isinstance(slot, dict) and (slot.get("resting") or slot.get("filled"))
            if named:
                return str(named.get("cloid") or "")
        return ""

    def without(self, response: HttpResponse, untold: Collection[int]) -> HttpResponse:
        """A list of executions without those of some orders."""
        said = msgspec.json.decode(response.body)
        if not isinstance(said, list):
            return response
        kept = [row for row in said if row["oid"] not in untold]
        return msgspec.structs.replace(response, body=msgspec.json.encode(kept))

    def told(self, frame: bytes, untold: Collection[int]) -> bytes:
        """A frame without the executions and states of some orders."""
        if not any(b'"oid":%d,' % number in frame for number in untold):
            return frame
        said = msgspec.json.decode(frame)
        data = said["data"]
        if isinstance(data, list):
            rows = said["data"] = [row for row in data if row["order"]["oid"] not in untold]
        elif "fills" in data:
            rows = data["fills"] = [row for row in data["fills"] if row["oid"] not in untold]
            if data.get("isSnapshot"):
                return msgspec.json.encode(said)
        else:
            return frame
        return msgspec.json.encode(said) if rows else b""

    def is_reply(self, frame: bytes) -> bool:
        """Whether a frame answers a ping or a subscription."""
        return frame.startswith(_REPLIES)

    def is_touch(self, frame: bytes) -> bool:
        """Whether a frame tells the best prices."""
        return frame.startswith(b'{"channel":"bbo"')

    def distorted(self, frame: bytes, dice: Dice) -> bytes:
        """A touch as no market has it: crossed, zero, not a number, or far from the price."""
        said = msgspec.json.decode(frame)
        touch = said["data"]["bbo"]
        if None in touch:
            return frame
        bid, ask = touch
        how = dice.between("quote_wrong", 0, 4)
        if how == 0:
            said["data"]["bbo"] = [ask, bid]
        elif how == 1:
            bid["px"] = ask["px"] = "0.0"
        elif how == 2:
            bid["px"] = "NaN"
        else:
            low, high = (500, 950) if how == 3 else (1_050, 2_000)
            parts = dice.between("quote_wrong", low, high)
            for side in touch:
                side["px"] = scaled(side["px"], parts)
        return msgspec.json.encode(said)

    def canceled(self, request: HttpRequest) -> str:
        """The cloid of the order that a cancel is about."""
        action = msgspec.json.decode(request.body)["action"]
        if action["type"] != "cancelByCloid":
            return ""
        return str(action["cancels"][0]["cloid"])

    def confirmed(self, response: HttpResponse, before: Lag) -> HttpResponse:
        """A cancel is confirmed without a quantity."""
        return response

    def lagging(self, frame: bytes, before: Mapping[str, Lag]) -> tuple[bytes, bool]:
        """Executions come on channels of their own, after the order's end; its states are right."""
        if not frame.startswith(_EXECUTIONS):
            return frame, False
        rows = msgspec.json.decode(frame)["data"].get("fills", ())
        return frame, any(row.get("cloid") in before for row in rows)


def _slots(response: HttpResponse) -> list[Any]:
    """The statuses of an action that was carried out."""
    if response.status != 200:
        return []
    said = msgspec.json.decode(response.body)
    if said["status"] != "ok":
        return []
    found: list[Any] = said["response"].get("data", {}).get("statuses", [])
    return found


def _refused(text: str) -> HttpResponse:
    body = {"status": "err", "response": text}
    return HttpResponse(status=200, body=msgspec.json.encode(body))


def _signature(digest: bytes) -> bytes:
    return blake2b(digest, digest_size=64, key=SECRET.encode()).digest()


def _signer(digest: bytes, signature: bytes) -> str | None:
    """The wallet whose key made a signature; none for a digest of another network."""
    return WALLET if signature[:64] == _signature(digest) else None


def perpetual(coin: str, size_decimals: int) -> Instrument:
    """A perpetual of the world; prices have five figures, and what decimals the sizes leave."""
    decimals = PRICE_DECIMALS - size_decimals
    return Instrument(
        id=f"{coin}-PERP.HYPERLIQUID",
        kind=InstrumentKind.PERPETUAL,
        base=coin,
        quote=QUOTE,
        price_exponent=decimals,
        quantity_exponent=size_decimals,
        price_rule=SignificantFigures(FIGURES, decimals),
        lot=1,
        min_quantity=1,
        min_notional=MIN_NOTIONAL,
        maker_rate=MAKER_RATE,
        taker_rate=TAKER_RATE,
        margin_tiers=(MarginTier(0, RATE_SCALE // (2 * _LEVERAGE), 0),),
        leverage_max=_LEVERAGE,
        allow_short=True,
        funding_interval_ns=FUNDING_INTERVAL_NS,
    )


HYPERLIQUID = Line(
    name="hyperliquid",
    currency=QUOTE,
    secret=SECRET,
    listed=(
        Listed(instrument=perpetual("BTC", 5), price=300_000, step=10, clip=100),
        # Near the place where five figures become as fine again.
        Listed(instrument=perpetual("ETH", 4), price=101_000, step=10, clip=200),
    ),
    rules=HYPERLIQUID_RULES,
    rate=Rate(weight=weights.PER_MINUTE, weights=weights.BY_REQUEST),
    words=HyperliquidWords(),
    serve=Hyperliquid,
    is_switch_of_account=True,
    keeps_stops=False,
    replaces_amended=True,
    tells_weight=False,
)
