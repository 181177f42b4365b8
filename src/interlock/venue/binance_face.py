"""Binance USD-M futures with the face that sockets and fault scripts know."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.sim.binance_server.server import BinanceServer
from interlock.sim.binance_server.sessions import NotHere, Session
from interlock.sim.faults import Call, Frame, RequestFault
from interlock.venue.faces import Link, UnsupportedVerb, between
from interlock.wire.binance.terms import instrument_id_of
from interlock.wire.http import HttpRequest, HttpResponse

_USER_EVENTS = (
    "ORDER_TRADE_UPDATE",
    "ACCOUNT_UPDATE",
    "ALGO_UPDATE",
    "TRADE_LITE",
    "ACCOUNT_CONFIG_UPDATE",
    "MARGIN_CALL",
    "listenKeyExpired",
)
_ORDER_PATHS = ("/fapi/v1/order", "/fapi/v1/algoOrder", "/fapi/v1/batchOrders")
_QUERY_PATHS = (
    "/fapi/v1/openOrders",
    "/fapi/v1/openAlgoOrders",
    "/fapi/v1/allOrders",
    "/fapi/v1/allAlgoOrders",
    "/fapi/v1/userTrades",
    "/fapi/v1/openOrder",
)
_METHOD_KINDS = {"POST": "place", "PUT": "amend", "DELETE": "cancel", "GET": "query"}
_BANNED = 418


class BinanceFace:
    """Binance USD-M futures."""

    name = "binance"
    ping_s = 180.0

    def __init__(self, server: BinanceServer) -> None:
        self.server = server
        self.core = server.state.core

    def handle(self, ts: int, request: HttpRequest, client: str) -> HttpResponse:
        """Answer a request."""
        return self.server.handle(ts, request, address=client)

    def connect(self, ts: int, request: HttpRequest, client: str) -> Link | None:
        """A new socket, or None where none is served."""
        try:
            session = self.server.open(ts, request.path, request.query)
        except NotHere:
            return None
        return _BinanceLink(self.server, session)

    def advance(self, ts: int) -> None:
        """Come to ``ts``."""
        self.server.advance(ts)

    def next_due(self) -> int:
        """When something happens by itself next."""
        return self.server.next_due()

    def describe(self, request: HttpRequest, *, with_account: bool) -> Call:
        """The request as a script sees it."""
        path = request.path
        key = request.headers.get("x-mbx-apikey", "")
        if path in _ORDER_PATHS:
            kind = _METHOD_KINDS.get(request.method, "query")
        elif path in _QUERY_PATHS:
            kind = "query"
        elif path.endswith(("allOpenOrders", "algoOpenOrders", "countdownCancelAll")):
            kind = "cancel"
        elif path.endswith("listenKey"):
            kind = "session"
        elif key and not path.endswith(("/time", "/ping", "exchangeInfo")):
            kind = "account"
        else:
            kind = "market"
        return Call(
            kind=kind,
            protocol=self.name,
            account=self.server.state.keys.account_of(key) if key else "",
            instrument=_instrument(request.query + b"&" + request.body),
            endpoint=f"{request.method} {path}",
        )

    def error(self, ts: int, fault: RequestFault) -> HttpResponse:
        """The answer that a script gives in place of the true one."""
        headers = {"retry-after": str(fault.retry_after_s)} if fault.retry_after_s else {}
        message = fault.message
        if fault.status == _BANNED and fault.retry_after_s:
            until = ts // 10**6 + fault.retry_after_s * 1_000
            message = f"Way too many requests; IP banned until {until}."
        body = message.encode()
        if fault.code:
            body = msgspec.json.encode({"code": fault.code, "msg": message})
        return HttpResponse(status=fault.status, body=body, headers=headers)

    def hide(self, is_hidden: Callable[[int, int], bool]) -> None:
        """Let queries deny orders: ``is_hidden(ts, order_id)`` says which."""
        self.server.state.sees = lambda ts, read, order: not is_hidden(ts, order.order_id)

    def set_clock(self, offset_ns: int) -> None:
        """Set the server's clock apart from the venue's."""
        self.server.state.clock_offset_ns = offset_ns

    def spare_id(self, order_id: int) -> str:
        """A client id for an order that nobody named."""
        return f"again_{order_id}"

    def expire_sessions(self, ts: int, account: str) -> None:
        """End listen keys as if an hour had passed."""
        for key in self.server.state.listen_keys.values():
            if account in ("", key.account):
                key.expires = ts
        self.server.advance(ts)

    def switch_protocol(self, version: str) -> None:
        """ "before-algo" takes stops on /order, "algo" on their own path."""
        if version not in ("algo", "before-algo"):
            raise UnsupportedVerb(f"version {version!r} must be algo or before-algo")
        self.server.serve_conditionals(version == "algo")

    def refresh(self) -> None:
        """Instruments are read on every call here."""


class _BinanceLink:
    def __init__(self, server: BinanceServer, session: Session) -> None:
        self._server = server
        self._session = session

    def receive(self, ts: int, frame: bytes) -> None:
        self._server.receive(ts, self._session.number, frame)

    def take(self, ts: int) -> list[bytes]:
        return self._server.sessions.poll(ts, self._session.number)

    def closing(self) -> tuple[int, str] | None:
        return self._session.closing

    def close(self) -> None:
        self._server.close(self._session.number)

    def label(self, frame: bytes) -> Frame:
        event = between(frame, b'"e":"', b'"')
        is_user = event in _USER_EVENTS
        symbol = between(frame, b'"s":"', b'"')
        return Frame(
            stream=("user" if is_user else "market") if event else "reply",
            protocol="binance",
            event=event,
            account=self._owner(frame) if is_user else "",
            instrument=instrument_id_of(symbol) if symbol else "",
        )

    def carries(self, stream: str) -> bool:
        user = bool(self._session.keys)
        if stream == "user":
            return user
        return not user or any(self._session.streams.values())

    def account(self) -> str:
        return next(iter(self._session.keys.values()), "")

    def call(self, frame: bytes, *, with_account: bool) -> Call | None:
        return None

    def answers(self, asked: bytes, frame: bytes) -> bool:
        return False

    def refuse(self, asked: bytes, fault: RequestFault) -> bytes:
        return b""

    def _owner(self, frame: bytes) -> str:
        # A wrapped frame begins with the listen key that it belongs to.
        key = between(frame[:120], b'{"stream":"', b'"')
        return self._session.keys.get(key) or self.account()


def _instrument(parameters: bytes) -> str:
    for part in parameters.split(b"&"):
        if part.startswith(b"symbol="):
            return instrument_id_of(part[7:].decode("ascii", "replace"))
    return ""
