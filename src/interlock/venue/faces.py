"""The two protocols with one face: what the sockets and the fault script need of either.

A face names requests and frames the way a script does, makes the protocol's own error bodies, and
carries out the verbs that need the protocol's state. Nothing here knows sockets or time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from interlock.adapters.signing import recover_address
from interlock.sim.binance_server import sessions as binance_sessions
from interlock.sim.binance_server.server import BinanceServer
from interlock.sim.faults import Call, Frame, RequestFault
from interlock.sim.hyperliquid_server.server import HyperliquidServer
from interlock.sim.hyperliquid_server.sessions import Session as HyperliquidSession
from interlock.sim.venue.core import VenueCore
from interlock.wire.binance.terms import instrument_id_of
from interlock.wire.http import HttpRequest, HttpResponse

_USER_EVENTS = ("ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE", "ALGO_UPDATE", "TRADE_LITE")
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
_ACTION_KINDS = {
    "order": "place",
    "modify": "amend",
    "batchModify": "amend",
    "cancel": "cancel",
    "cancelByCloid": "cancel",
    "scheduleCancel": "cancel",
}
_INFO_QUERIES = (
    "openOrders",
    "frontendOpenOrders",
    "orderStatus",
    "userFills",
    "userFillsByTime",
    "historicalOrders",
)


class Link(Protocol):
    """One socket of a client, on the server's side."""

    def receive(self, ts: int, frame: bytes) -> None: ...

    def take(self, ts: int) -> list[bytes]: ...

    def closing(self) -> tuple[int, str] | None: ...

    def close(self) -> None: ...

    def label(self, frame: bytes) -> Frame: ...


class Face(Protocol):
    """A protocol server."""

    name: str
    core: VenueCore

    def handle(self, ts: int, request: HttpRequest, client: str) -> HttpResponse: ...

    def connect(self, ts: int, request: HttpRequest, client: str) -> Link | None: ...

    def advance(self, ts: int) -> None: ...

    def next_due(self) -> int: ...

    def describe(self, request: HttpRequest) -> Call: ...

    def error(self, fault: RequestFault) -> HttpResponse: ...

    def hide(self, until: Callable[[int, int], bool]) -> None: ...

    def skew(self, offset_ns: int) -> None: ...

    def expire_sessions(self, ts: int, account: str) -> None: ...

    def switch_protocol(self, version: str) -> None: ...

    def refresh(self) -> None: ...


class UnsupportedVerb(ValueError):
    """This protocol has nothing of that kind; the text says what it has."""


class BinanceFace:
    """Binance USD-M futures."""

    name = "binance"

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
        except binance_sessions.NotHere:
            return None
        return _BinanceLink(self.server, session)

    def advance(self, ts: int) -> None:
        """Come to ``ts``."""
        self.server.advance(ts)

    def next_due(self) -> int:
        """When something happens by itself next."""
        return self.server.next_due()

    def describe(self, request: HttpRequest) -> Call:
        """The request as a script sees it."""
        path = request.path
        if path in _ORDER_PATHS:
            kind = _METHOD_KINDS.get(request.method, "query")
        elif path in _QUERY_PATHS:
            kind = "query"
        elif path.endswith(("allOpenOrders", "algoOpenOrders", "countdownCancelAll")):
            kind = "cancel"
        elif path.endswith("listenKey"):
            kind = "session"
        elif "x-mbx-apikey" in request.headers and not path.endswith(("/time", "exchangeInfo")):
            kind = "account"
        else:
            kind = "market"
        return Call(
            kind=kind,
            account=self._account(request.headers.get("x-mbx-apikey", "")),
            instrument=_binance_instrument(request.query + b"&" + request.body),
            endpoint=f"{request.method} {path}",
        )

    def error(self, fault: RequestFault) -> HttpResponse:
        """The answer that a script gives in place of the true one."""
        headers = {"retry-after": str(fault.retry_after_s)} if fault.retry_after_s else {}
        body = b""
        if fault.code:
            body = msgspec.json.encode({"code": fault.code, "msg": fault.message})
        elif fault.message:
            body = fault.message.encode()
        return HttpResponse(status=fault.status, body=body, headers=headers)

    def hide(self, until: Callable[[int, int], bool]) -> None:
        """Let queries deny orders: ``until(ts, ts_created)`` says which."""
        self.server.state.sees = lambda ts, read, order: not until(ts, order.ts_created)

    def skew(self, offset_ns: int) -> None:
        """Set the server's clock apart from the venue's."""
        self.server.state.clock_offset_ns = offset_ns

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

    def _account(self, key: str) -> str:
        return self.server.state.keys.account_of(key) if key else ""


class _BinanceLink:
    def __init__(self, server: BinanceServer, session: binance_sessions.Session) -> None:
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
        event = _between(frame, b'"e":"', b'"')
        is_user = event in _USER_EVENTS or event == "listenKeyExpired"
        account = next(iter(self._session.keys.values()), "") if is_user else ""
        symbol = _between(frame, b'"s":"', b'"')
        return Frame(
            stream=("user" if is_user else "market") if event else "reply",
            event=event,
            account=account,
            instrument=instrument_id_of(symbol) if symbol else "",
        )


class HyperliquidFace:
    """Hyperliquid."""

    name = "hyperliquid"

    def __init__(self, server: HyperliquidServer, accounts: dict[str, str]) -> None:
        self.server = server
        self.core = server.state.core
        self._accounts = accounts

    def handle(self, ts: int, request: HttpRequest, client: str) -> HttpResponse:
        """Answer a request."""
        return self.server.handle(ts, request, client=client)

    def connect(self, ts: int, request: HttpRequest, client: str) -> Link | None:
        """A new socket, or None where none is served or the client has too many."""
        if request.path.rstrip("/") != "/ws":
            return None
        session = self.server.connect(ts, client=client)
        return None if session is None else _HyperliquidLink(self.server, session)

    def advance(self, ts: int) -> None:
        """Come to ``ts``."""
        self.server.run(ts)

    def next_due(self) -> int:
        """When something happens by itself next."""
        return self.server.next_due()

    def describe(self, request: HttpRequest) -> Call:
        """The request as a script sees it."""
        body = _decoded(request.body)
        if request.path != "/exchange":
            kind = str(body.get("type", ""))
            user = str(body.get("user", "")).lower()
            described = "query" if kind in _INFO_QUERIES else ("account" if user else "market")
            return Call(kind=described, account=self._accounts.get(user, ""), endpoint=kind)
        action = body.get("action")
        kind = str(action.get("type", "")) if isinstance(action, dict) else ""
        return Call(kind=_ACTION_KINDS.get(kind, "account"), endpoint=kind)

    def error(self, fault: RequestFault) -> HttpResponse:
        """The answer that a script gives in place of the true one."""
        if fault.status == 200:
            body = msgspec.json.encode({"status": "err", "response": fault.message})
        else:
            body = fault.message.encode() or b"null"
        return HttpResponse(status=fault.status, body=body)

    def hide(self, until: Callable[[int, int], bool]) -> None:
        """Let queries deny orders: ``until(ts, ts_created)`` says which."""
        self.server.state.sees = lambda ts, read, order: not until(ts, order.ts_created)

    def skew(self, offset_ns: int) -> None:
        """Not possible: this protocol never tells its time but in the data."""
        raise UnsupportedVerb("hyperliquid has no server time to skew; delay its messages instead")

    def expire_sessions(self, ts: int, account: str) -> None:
        """Not possible: there are no listen keys."""
        raise UnsupportedVerb("hyperliquid has no listen keys; close the stream instead")

    def switch_protocol(self, version: str) -> None:
        """Not possible: there is one version."""
        raise UnsupportedVerb("hyperliquid is served in one version only")

    def refresh(self) -> None:
        """Read the instruments again after their rules changed."""
        self.server.state.refresh()


class _HyperliquidLink:
    def __init__(self, server: HyperliquidServer, session: HyperliquidSession) -> None:
        self._server = server
        self._session = session

    def receive(self, ts: int, frame: bytes) -> None:
        self._server.receive(ts, self._session, frame)

    def take(self, ts: int) -> list[bytes]:
        return self._session.take()

    def closing(self) -> tuple[int, str] | None:
        return (1000, self._session.closed) if self._session.closed else None

    def close(self) -> None:
        self._server.disconnect(self._session)

    def label(self, frame: bytes) -> Frame:
        channel = _between(frame, b'"channel":"', b'"')
        if channel in ("subscriptionResponse", "pong", "post", "error"):
            return Frame(stream="reply", event=channel)
        is_user = channel in ("orderUpdates", "userFills", "user", "userFundings", "webData2")
        return Frame(stream="user" if is_user else "market", event=channel)


def hyperliquid_server(core: VenueCore, users: dict[str, str], **options: Any) -> HyperliquidServer:
    """The server with real signature recovery."""
    return HyperliquidServer(core, users, recover=recover_address, **options)


def _between(frame: bytes, before: bytes, after: bytes) -> str:
    start = frame.find(before)
    if start < 0:
        return ""
    start += len(before)
    return frame[start : frame.find(after, start)].decode("utf-8", "replace")


def _binance_instrument(parameters: bytes) -> str:
    for part in parameters.split(b"&"):
        if part.startswith(b"symbol="):
            return instrument_id_of(part[7:].decode("ascii", "replace"))
    return ""


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
