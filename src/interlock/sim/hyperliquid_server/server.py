"""The server of one venue: requests in, responses out, and sessions that collect frames.

No sockets and no clock: the caller says what time it is, moves bytes, and calls ``run`` when
something is due. Equal calls give equal answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from interlock.sim.hyperliquid_server.access import Recover, SignedAction, Unreadable
from interlock.sim.hyperliquid_server.action_words import length_of
from interlock.sim.hyperliquid_server.actions import Actions
from interlock.sim.hyperliquid_server.channels import Channels
from interlock.sim.hyperliquid_server.market_info import MarketInfo, Question
from interlock.sim.hyperliquid_server.sessions import (
    Session,
    SessionFault,
    check_room,
    key_of,
)
from interlock.sim.hyperliquid_server.state import ServerOptions, ServerState
from interlock.sim.hyperliquid_server.user_info import UserInfo
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Event
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid import errors
from interlock.wire.hyperliquid.text import NS_PER_MS, WireFault, convert, decode
from interlock.wire.hyperliquid.weights import action_weight, info_weight, rows_weight

_TEXT = "text/plain; charset=utf-8"
_PING_REPLY = "pong"


class _Message(msgspec.Struct):
    method: str
    subscription: dict[str, object] | None = None
    id: int | None = None
    request: dict[str, object] | None = None


class _TooMany(Exception):
    """The client has used up its weight."""


class HyperliquidServer:
    """Hyperliquid's protocol around a core.

    ``users`` maps addresses to accounts of the core; ``recover`` finds the address that signed a
    digest. Faults are the business of whoever moves the bytes. ``observers`` see every event of the
    core before it becomes frames: the record of the truth.
    """

    def __init__(
        self,
        core: VenueCore,
        users: Mapping[str, str],
        *,
        recover: Recover,
        options: ServerOptions | None = None,
    ) -> None:
        self.state = ServerState(core, recover, options or ServerOptions())
        for address, account in users.items():
            self.state.access.add_user(address, account)
        self.observers: list[Callable[[Event], None]] = []
        self._market = MarketInfo(self.state)
        self._user = UserInfo(self.state, self._market)
        self._actions = Actions(self.state)
        self._channels = Channels(self.state, self._market, self._user)
        self._sessions: dict[int, Session] = {}
        self._opened = 0

    def handle(self, ts: int, request: HttpRequest, *, client: str = "") -> HttpResponse:
        """Answer a request that arrived at ``ts`` from a network address."""
        if request.path not in ("/info", "/exchange"):
            return HttpResponse(status=404, body=b"", content_type=_TEXT)
        if request.method != "POST":
            return HttpResponse(status=405, body=b"", content_type=_TEXT)
        self.run(ts)
        try:
            if request.path == "/info":
                content = self._info(ts, decode(request.body, Question), client)
            else:
                content = self._exchange(ts, decode(request.body, SignedAction), client)
        except _TooMany:
            return HttpResponse(status=429, body=b"null")
        except (Unreadable, WireFault):
            text = errors.UNREADABLE.encode()
            return HttpResponse(status=422, body=text, content_type=_TEXT)
        self._publish()
        return HttpResponse(status=200, body=msgspec.json.encode(content))

    def run(self, ts: int) -> None:
        """Let the venue come to ``ts`` and tell the sessions what happened."""
        self.state.core.advance(ts)
        self._publish()
        self._channels.tick(ts)
        limit = self.state.options.silence_ms * NS_PER_MS
        for number, session in list(self._sessions.items()):
            if limit and ts - session.heard_ns >= limit:
                self._close(number, session, "Inactive")

    def next_due(self) -> int:
        """When ``run`` should be called at the latest, ns."""
        return min(self.state.core.next_due(), self._channels.due())

    def connect(self, ts: int, *, client: str = "") -> Session | None:
        """A new socket, or None when its address has too many."""
        most = self.state.options.limits.sockets
        if most and sum(held.client == client for held in self._sessions.values()) >= most:
            return None
        session = Session(ts, client)
        self._opened += 1
        self._sessions[self._opened] = session
        return session

    def disconnect(self, session: Session) -> None:
        """The socket is gone."""
        for number, held in list(self._sessions.items()):
            if held is session:
                self._close(number, session, "gone")

    def receive(self, ts: int, session: Session, frame: bytes) -> None:
        """Take a message of a client; the answers are in the session's outbox."""
        number = next((key for key, held in self._sessions.items() if held is session), 0)
        if not number:
            return
        session.heard_ns = ts
        most = self.state.options.limits.messages_per_minute
        if most and session.messages.total(ts) >= most:
            self._close(number, session, "Too many messages")
            return
        session.messages.add(ts, 1)
        self.run(ts)
        try:
            self._message(ts, number, session, decode(frame, _Message))
        except WireFault:
            text = frame[:200].decode("utf-8", "replace")
            session.send("error", f"Error parsing JSON into valid websocket request: {text}")
        except SessionFault as fault:
            session.send("error", str(fault))
        self._publish()

    def _message(self, ts: int, number: int, session: Session, message: _Message) -> None:
        match message.method:
            case "ping":
                session.send(_PING_REPLY)
            case "subscribe" | "unsubscribe":
                self._subscription(ts, number, session, message)
            case "post":
                self._post(ts, session, message)
            case _:
                raise SessionFault(f"Unknown method {message.method[:40]}")

    def _subscription(self, ts: int, number: int, session: Session, message: _Message) -> None:
        if message.subscription is None:
            raise SessionFault("Invalid subscription null")
        key = key_of(message.subscription, self.state)
        echo = {"method": message.method, "subscription": message.subscription}
        if message.method == "subscribe":
            check_room(session, key, self.state.options.limits)
            session.subscriptions[key] = message.subscription
            session.send("subscriptionResponse", echo)
            self._channels.add(number, session, key, ts)
            return
        if session.subscriptions.pop(key, None) is None:
            raise SessionFault(f"Already unsubscribed: {message.subscription.get('type')}")
        self._channels.remove(number, key)
        session.send("subscriptionResponse", echo)

    def _post(self, ts: int, session: Session, message: _Message) -> None:
        if message.id is None or message.request is None:
            raise SessionFault("Invalid post request")
        kind, asked = message.request.get("type"), message.request.get("payload")
        response: dict[str, object]
        try:
            if kind == "action":
                signed: SignedAction = convert(asked, SignedAction)
                answer = self._exchange(ts, signed, session.client)
                response = {"type": "action", "payload": answer}
            else:
                question: Question = convert(asked, Question)
                data = self._info(ts, question, session.client)
                response = {"type": "info", "payload": {"type": question["type"], "data": data}}
        except _TooMany:
            response = {"type": "error", "payload": "429 Too Many Requests"}
        except (Unreadable, WireFault):
            response = {"type": "error", "payload": f"422 {errors.UNREADABLE}"}
        session.send("post", {"id": message.id, "response": response})

    def _info(self, ts: int, question: Question, client: str) -> object:
        kind = question.get("type")
        if not isinstance(kind, str):
            raise Unreadable("type")
        if not self.state.weights.spend(ts, client, info_weight(kind)):
            raise _TooMany
        answer = self._answer(ts, kind, question)
        if isinstance(answer, list):
            self.state.weights.charge(ts, client, rows_weight(kind, len(answer)))
        return answer

    def _answer(self, ts: int, kind: str, question: Question) -> object:
        if kind in self._market.table:
            return self._market.table[kind](ts, question)
        user = question.get("user")
        if kind not in self._user.table or not isinstance(user, str):
            raise Unreadable("type")
        return self._user.table[kind](ts, user.lower(), question)

    def _exchange(self, ts: int, signed: SignedAction, client: str) -> object:
        if not self.state.weights.spend(ts, client, action_weight(length_of(signed.action))):
            raise _TooMany
        return self._actions.handle(ts, signed)

    def _publish(self) -> None:
        events = self.state.core.events
        while events:
            event = events.popleft()
            for observer in self.observers:
                observer(event)
            self._channels.hear(event)

    def _close(self, number: int, session: Session, reason: str) -> None:
        session.closed = reason
        del self._sessions[number]
        for key in session.subscriptions:
            self._channels.remove(number, key)
