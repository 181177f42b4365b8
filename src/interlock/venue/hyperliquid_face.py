"""Hyperliquid with the face that sockets and fault scripts know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from interlock.adapters.signing import recover_address
from interlock.sim.faults import Call, Frame, RequestFault
from interlock.sim.hyperliquid_server.access import SignedAction
from interlock.sim.hyperliquid_server.server import HyperliquidServer
from interlock.sim.hyperliquid_server.sessions import Session
from interlock.sim.venue.core import VenueCore
from interlock.venue.faces import Link, UnsupportedVerb, between, decoded
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid.text import WireFault, convert

_ACTION_KINDS = {
    "order": "place",
    "modify": "amend",
    "batchModify": "amend",
    "cancel": "cancel",
    "cancelByCloid": "cancel",
    "scheduleCancel": "cancel",
}
_QUERIES = (
    "openOrders",
    "frontendOpenOrders",
    "orderStatus",
    "userFills",
    "userFillsByTime",
    "historicalOrders",
)
_USER_CHANNELS = (
    "orderUpdates",
    "userFills",
    "user",
    "userFundings",
    "userNonFundingLedgerUpdates",
    "webData2",
    "clearinghouseState",
    "spotState",
    "openOrders",
    "activeAssetData",
)
_REPLIES = ("subscriptionResponse", "pong", "post", "error")


class HyperliquidFace:
    """Hyperliquid."""

    name = "hyperliquid"
    ping_s = 0.0

    def __init__(self, server: HyperliquidServer) -> None:
        self.server = server
        self.core = server.state.core

    def handle(self, ts: int, request: HttpRequest, client: str) -> HttpResponse:
        """Answer a request."""
        return self.server.handle(ts, request, client=client)

    def connect(self, ts: int, request: HttpRequest, client: str) -> Link | None:
        """A new socket, or None where none is served or the client has too many."""
        if request.path.rstrip("/") != "/ws":
            return None
        session = self.server.connect(ts, client=client)
        return None if session is None else _HyperliquidLink(self, session)

    def advance(self, ts: int) -> None:
        """Come to ``ts``."""
        self.server.run(ts)

    def next_due(self) -> int:
        """When something happens by itself next."""
        return self.server.next_due()

    def describe(self, request: HttpRequest, *, with_account: bool) -> Call:
        """The request as a script sees it."""
        body = decoded(request.body)
        if request.path == "/exchange":
            return self.described_action(body, with_account=with_account)
        return self.described_question(body)

    def described_question(self, body: Mapping[str, Any]) -> Call:
        """A body of /info."""
        kind = str(body.get("type", ""))
        user = str(body.get("user", "")).lower()
        described = "query" if kind in _QUERIES else ("account" if user else "market")
        asked = body.get("req")
        coin = asked.get("coin") if isinstance(asked, dict) else body.get("coin")
        return Call(
            kind=described,
            protocol=self.name,
            account=self.server.state.access.account(user) or "",
            instrument=self.instrument_of(coin),
            endpoint=kind,
        )

    def described_action(self, body: Mapping[str, Any], *, with_account: bool) -> Call:
        """A body of /exchange. Whose it is shows only the signature, which is dear to open."""
        action = body.get("action")
        action = action if isinstance(action, dict) else {}
        kind = str(action.get("type", ""))
        return Call(
            kind=_ACTION_KINDS.get(kind, "account"),
            protocol=self.name,
            account=self._signer(body) if with_account else "",
            instrument=self._traded(action),
            endpoint=kind,
        )

    def error(self, ts: int, fault: RequestFault) -> HttpResponse:
        """The answer that a script gives in place of the true one."""
        headers = {"retry-after": str(fault.retry_after_s)} if fault.retry_after_s else {}
        if fault.status == 200:
            body = msgspec.json.encode({"status": "err", "response": fault.message})
        else:
            body = b"null" if fault.retry_after_s else fault.message.encode() or b"null"
        return HttpResponse(status=fault.status, body=body, headers=headers)

    def hide(self, is_hidden: Callable[[int, int], bool]) -> None:
        """Let queries deny orders: ``is_hidden(ts, order_id)`` says which."""
        self.server.state.sees = lambda ts, read, order: not is_hidden(ts, order.order_id)

    def set_clock(self, offset_ns: int) -> None:
        """Judge nonces, expiries and scheduled times by a clock apart from the venue's."""
        self.server.state.clock_offset_ns = offset_ns

    def spare_id(self, order_id: int) -> str:
        """An order needs no cloid here."""
        return ""

    def expire_sessions(self, ts: int, account: str) -> None:
        """Not possible: there are no listen keys."""
        raise UnsupportedVerb("hyperliquid has no listen keys; use close_stream instead")

    def switch_protocol(self, version: str) -> None:
        """Not possible: there is one version."""
        raise UnsupportedVerb("hyperliquid is served in one version only; leave this rule out")

    def refresh(self) -> None:
        """Read the instruments again after their rules changed."""
        self.server.state.refresh()

    def instrument_of(self, coin: object) -> str:
        """The instrument of a coin's name, empty when there is none."""
        universe = self.server.state.universe
        if not isinstance(coin, str) or not universe.knows(coin):
            return ""
        return universe.of_coin(coin).id

    def _traded(self, action: Mapping[str, Any]) -> str:
        """The instrument of an action's first order, cancel or change."""
        for name in ("orders", "cancels", "modifies"):
            batch = action.get(name)
            if isinstance(batch, list) and batch and isinstance(batch[0], dict):
                return self._of_index(batch[0])
        return self._of_index(action)

    def _of_index(self, row: Mapping[str, Any]) -> str:
        order = row.get("order")
        row = order if isinstance(order, dict) else row
        index = row.get("a", row.get("asset"))
        found = self.server.state.universe.of_index(index) if isinstance(index, int) else None
        return found.id if found is not None else ""

    def _signer(self, body: Mapping[str, Any]) -> str:
        try:
            signed: SignedAction = convert(dict(body), SignedAction)
        except WireFault:
            return ""
        access, state = self.server.state.access, self.server.state
        now_ms = (state.core.now + state.clock_offset_ns) // 10**6
        return access.account(access.user_of(signed, now_ms)) or ""


class _HyperliquidLink:
    def __init__(self, face: HyperliquidFace, session: Session) -> None:
        self._face = face
        self._server = face.server
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
        channel = between(frame, b'"channel":"', b'"')
        if channel in _REPLIES:
            return Frame(stream="reply", protocol="hyperliquid", event=channel)
        is_user = channel in _USER_CHANNELS
        return Frame(
            stream="user" if is_user else "market",
            protocol="hyperliquid",
            event=channel,
            account=self._owner(frame) if is_user else "",
            instrument=self._face.instrument_of(between(frame, b'"coin":"', b'"')),
        )

    def carries(self, stream: str) -> bool:
        users = [len(key) > 1 and key[1].startswith("0x") for key in self._session.subscriptions]
        return any(users) if stream == "user" else not any(users) or not all(users)

    def account(self) -> str:
        for key in self._session.subscriptions:
            if len(key) > 1 and key[1].startswith("0x"):
                return self._server.state.access.account(key[1]) or ""
        return ""

    def call(self, frame: bytes, *, with_account: bool) -> Call | None:
        if b'"post"' not in frame:
            return None
        message = decoded(frame)
        asked = message.get("request")
        if message.get("method") != "post" or not isinstance(asked, dict):
            return None
        payload = asked.get("payload")
        if not isinstance(payload, dict):
            return None
        if asked.get("type") == "action":
            return self._face.described_action(payload, with_account=with_account)
        return self._face.described_question(payload)

    def answers(self, asked: bytes, frame: bytes) -> bool:
        if between(frame, b'"channel":"', b'"') != "post":
            return False
        data = decoded(frame).get("data")
        return isinstance(data, dict) and data.get("id") == decoded(asked).get("id")

    def refuse(self, asked: bytes, fault: RequestFault) -> bytes:
        number = decoded(asked).get("id")
        text = f"{fault.status} {fault.message}".strip()
        response: dict[str, object] = {"type": "error", "payload": text}
        if fault.status == 200:
            said = {"status": "err", "response": fault.message}
            response = {"type": "action", "payload": said}
        return msgspec.json.encode(
            {"channel": "post", "data": {"id": number, "response": response}}
        )

    def _owner(self, frame: bytes) -> str:
        # Order updates do not say whose they are: one user's socket is all there is to go by.
        user = between(frame, b'"user":"', b'"').lower()
        return (self._server.state.access.account(user) if user else None) or self.account()


def hyperliquid_server(core: VenueCore, users: dict[str, str], **options: Any) -> HyperliquidServer:
    """The server with real signature recovery."""
    return HyperliquidServer(core, users, recover=recover_address, **options)
