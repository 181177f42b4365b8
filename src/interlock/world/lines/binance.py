"""Binance USD-M in the world: its server, and what faults are in its words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

import msgspec

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind, MarginTier
from interlock.model.units import MONEY_SCALE
from interlock.runtime.budget import Rate
from interlock.sim.binance_server import views
from interlock.sim.binance_server.server import BinanceServer
from interlock.sim.binance_server.sessions import Session
from interlock.sim.binance_server.state import ServerOptions
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Event, Order, VenueRules
from interlock.wire.binance import form
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.world.dice import Dice
from interlock.world.lines.line import ADDRESS, Lag, Line, Listed, Sees, scaled

KEY, SECRET = "world-key", "world-secret"
CURRENCY = "USDT"
_TRADES = "/userTrades"
_ORDER = "/fapi/v1/order"


class Binance:
    """The server as the world uses it."""

    def __init__(self, core: VenueCore, account: str, seed: int, sees: Sees) -> None:
        self._server = server = BinanceServer(core, ServerOptions(seed=seed))
        server.add_key(KEY, SECRET, account)
        server.state.sees = sees
        self.observers: list[Callable[[Event], None]] = server.observers
        self.weight_most = server.state.limits.rules.weight_per_minute

    def handle(self, ts: int, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        return self._server.handle(ts, request, address=ADDRESS)

    def connecting(self, ts: int, request: HttpRequest) -> HttpResponse:
        """Answer a question of a client that connects: it tries until no limit is in its way."""
        return self._server.handle(ts, request)

    def open(self, ts: int, path: str, query: bytes) -> Session:
        """A session for a new socket."""
        return self._server.open(ts, path, query)

    def close(self, session: Session) -> None:
        """The socket is gone."""
        self._server.close(session.number)

    def receive(self, ts: int, session: Session, frame: bytes) -> None:
        """Take in a frame of a client."""
        self._server.receive(ts, session.number, frame)

    def frames(self, ts: int, session: Session) -> list[bytes]:
        """The frames that wait for a socket."""
        return self._server.poll(ts, session.number) if session.out else []

    def ended(self, session: Session) -> str:
        """Why the server wants a socket closed; empty while it does not."""
        return "" if session.closing is None else session.closing[1]

    def advance(self, ts: int) -> None:
        """Let everything happen that is due."""
        self._server.advance(ts)

    def next_due(self) -> int:
        """When something happens by itself next, ns."""
        return self._server.next_due()

    def used(self, ts: int) -> int:
        """The weight that the world's address has used in the present minute."""
        return self._server.state.limits.used(ts)

    def shift_clock(self, by_ns: int) -> None:
        """Step the clock that clients have to follow."""
        self._server.state.clock_offset_ns += by_ns

    def expire_keys(self, ts: int) -> int:
        """End every listen key before its time; returns how many there were."""
        keys = self._server.state.listen_keys.values()
        for found in keys:
            found.expires = ts
        count = len(keys)
        self._server.advance(ts)
        return count

    def remember(self, client_order_id: str) -> None:
        """The venue keeps our ids as they are."""

    def whole(self, order: Order) -> Order:
        """An order of the core is told as it is."""
        return order


class BinanceWords:
    """Paths, error bodies and events."""

    odd = b'{"e":"PLEDGE_UPDATE","E":1700000000000,"a":{"m":[1,null,{"k":"v"}],"new":true}}'

    def is_signed(self, request: HttpRequest) -> bool:
        """Whether a request needs a key."""
        return b"signature=" in request.query + request.body

    def asks_for_executions(self, request: HttpRequest) -> bool:
        """Whether a request asks what has traded."""
        return request.path.endswith(_TRADES)

    def question(self, request: HttpRequest) -> bytes:
        """A request without its time and signature."""
        changing = (b"timestamp=", b"signature=", b"recvWindow=")
        parts = [p for p in request.query.split(b"&") if not p.startswith(changing)]
        return b"&".join([request.path.encode(), *parts])

    def trouble(self, kind: str, dice: Dice) -> HttpResponse:
        """The venue's own trouble."""
        if kind == "unknown_503":
            text = "Unknown error, please check your request or try again later."
            return _error(503, -1000, text)
        if kind == "unknown_1007":
            code = -1007 if dice.coin(kind) else -1006
            return _error(408, code, "Timeout waiting for response from backend server.")
        if kind == "busy_1008":
            return _error(503, -1008, "Service Unavailable.")
        if kind == "key_refused":
            return _error(401, -2015, "Invalid API-key, IP, or permissions for action.")
        seconds = dice.between(kind, 1, 20)
        status = 429 if dice.between(kind, 0, 4) else 418
        answer = _error(status, -1003, "Too many requests.")
        headers = {**answer.headers, "retry-after": str(seconds)}
        return msgspec.structs.replace(answer, headers=headers)

    def placed(self, response: HttpResponse) -> str:
        """The client id of an order that the venue has taken on."""
        if response.status != 200:
            return ""
        said = msgspec.json.decode(response.body)
        return str(said.get("clientOrderId") or said.get("clientAlgoId"))

    def without(self, response: HttpResponse, untold: Collection[int]) -> HttpResponse:
        """A list of executions without those of some orders."""
        said = msgspec.json.decode(response.body)
        if not isinstance(said, list):
            return response
        kept = [row for row in said if row["orderId"] not in untold]
        return msgspec.structs.replace(response, body=msgspec.json.encode(kept))

    def told(self, frame: bytes, untold: Collection[int]) -> bytes:
        """A frame, unless it is about one of some orders."""
        return b"" if any(b'"i":%d,' % number in frame for number in untold) else frame

    def is_reply(self, frame: bytes) -> bool:
        """The client says nothing on its sockets."""
        return False

    def is_touch(self, frame: bytes) -> bool:
        """Whether a frame tells the best prices."""
        return b'"bookTicker"' in frame

    def distorted(self, frame: bytes, dice: Dice) -> bytes:
        """A touch as no market has it: crossed, zero, not a number, or far from the price."""
        said = msgspec.json.decode(frame)
        touch = said.get("data", said)
        how = dice.between("quote_wrong", 0, 4)
        if how == 0:
            touch["b"], touch["a"] = touch["a"], touch["b"]
        elif how == 1:
            touch["b"] = touch["a"] = "0"
        elif how == 2:
            touch["b"] = "NaN"
        else:
            low, high = (500, 950) if how == 3 else (1_050, 2_000)
            parts = dice.between("quote_wrong", low, high)
            for side in ("b", "a"):
                touch[side] = scaled(touch[side], parts)
        return msgspec.json.encode(said)

    def canceled(self, request: HttpRequest) -> str:
        """The client id of the plain order that a cancel is about."""
        if request.path != _ORDER:
            return ""
        return dict(form.read(request.query or request.body)).get("origClientOrderId", "")

    def confirmed(self, response: HttpResponse, before: Lag) -> HttpResponse:
        """The answer to a cancel as if a trade of just before had not happened yet."""
        if response.status != 200:
            return response
        said = msgspec.json.decode(response.body)
        said["executedQty"] = _text(before)
        return msgspec.structs.replace(response, body=msgspec.json.encode(said))

    def lagging(self, frame: bytes, before: Mapping[str, Lag]) -> tuple[bytes, bool]:
        """The trade is late, and the order's last message counts what was before it."""
        if b'"ORDER_TRADE_UPDATE"' not in frame:
            return frame, False
        said = msgspec.json.decode(frame)
        order = said["o"]
        lag = before.get(order["c"])
        if lag is None:
            return frame, False
        if order["x"] == "TRADE":
            return frame, True
        order["z"] = _text(lag)
        return msgspec.json.encode(said), False


def _text(lag: Lag) -> str:
    return views.fixed(lag.filled, lag.instrument.quantity_exponent)


def _error(status: int, code: int, text: str) -> HttpResponse:
    body: dict[str, object] = {"code": code, "msg": text}
    return HttpResponse(status=status, body=msgspec.json.encode(body))


def perpetual(symbol: str, price_exponent: int, tick: int, lot: int) -> Instrument:
    """A perpetual of the world, with quantities of three decimals."""
    return Instrument(
        id=f"{symbol}{CURRENCY}-PERP.BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base=symbol,
        quote=CURRENCY,
        price_exponent=price_exponent,
        quantity_exponent=3,
        price_rule=FixedTick(tick),
        lot=lot,
        min_quantity=lot,
        max_quantity=10_000 * lot,
        min_notional=5 * MONEY_SCALE,
        maker_rate=200,
        taker_rate=500,
        margin_tiers=(MarginTier(0, 5_000, 0),),
        leverage_max=50,
        allow_short=True,
        funding_interval_ns=8 * 3_600 * 10**9,
    )


BINANCE = Line(
    name="binance",
    currency=CURRENCY,
    secret=SECRET,
    listed=(
        Listed(instrument=perpetual("BTC", 1, 1, 1), price=300_000, step=1, clip=1),
        Listed(instrument=perpetual("ETH", 2, 1, 10), price=200_000, step=1, clip=10),
    ),
    rules=VenueRules(),
    rate=Rate(weight=2_400),
    words=BinanceWords(),
    serve=Binance,
    is_switch_of_account=False,
    keeps_stops=True,
    replaces_amended=False,
    tells_weight=True,
)
