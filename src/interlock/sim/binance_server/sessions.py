"""WebSocket sessions: addresses, subscriptions, live requests, frames waiting to be sent."""

from __future__ import annotations

from collections import deque

import msgspec

from interlock.sim.binance_server.market_streams import (
    MARKET,
    PRIVATE,
    PUBLIC,
    MarketStreams,
    Stream,
    parse_stream,
)
from interlock.sim.binance_server.state import ServerState
from interlock.wire.binance.parameters import Parameters

_SECOND = 10**9
LIFE_NS = 24 * 3_600 * _SECOND
_STREAMS_MOST = 1024
_TOO_FAST, _GOING = 1008, 1001


class NotHere(ValueError):
    """No socket is served at this address."""


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """What a socket's address asks for. ``plane`` is empty for the old roots."""

    plane: str
    is_wrapped: bool
    names: tuple[str, ...]


class Session(msgspec.Struct, kw_only=True):
    """One socket. ``closing`` is set when the server wants it closed."""

    number: int
    plane: str
    is_wrapped: bool
    opened: int
    streams: dict[str, Stream | None] = {}
    keys: dict[str, str] = {}
    out: deque[bytes] = msgspec.field(default_factory=deque)
    heard: deque[int] = msgspec.field(default_factory=deque)
    closing: tuple[int, str] | None = None

    def send(self, name: str, body: bytes) -> None:
        """Queue a frame of a stream."""
        if self.is_wrapped:
            body = b'{"stream":' + msgspec.json.encode(name) + b',"data":' + body + b"}"
        self.out.append(body)


class _Asked(msgspec.Struct, frozen=True, kw_only=True):
    method: str
    id: int | str | None = None
    params: list[str] | None = None


def read_address(path: str, query: bytes) -> Address:
    """Plane, form and streams of a socket's path."""
    parts = [part for part in path.split("/") if part]
    plane = parts.pop(0) if parts and parts[0] in (PUBLIC, MARKET, PRIVATE) else ""
    if not parts or parts[0] not in ("ws", "stream"):
        raise NotHere(f"no socket is served at {path}; use /ws or /stream")
    parameters = Parameters.of(query)
    if parts[0] == "stream":
        names = parameters.text("streams").split("/")
    else:
        # Clients count their sockets in the path; a number is no stream.
        names = [part for part in parts[1:] if not part.isdigit()]
    names.append(parameters.text("listenKey"))
    return Address(
        plane=plane, is_wrapped=parts[0] == "stream", names=tuple(name for name in names if name)
    )


class Sessions:
    """All sockets of the server."""

    def __init__(self, state: ServerState, market: MarketStreams) -> None:
        self._state = state
        self._market = market
        self._sessions: dict[int, Session] = {}
        self._count = 0

    def open(self, ts: int, path: str, query: bytes) -> Session:
        """A new socket; raises NotHere for an address that has none."""
        address = read_address(path, query)
        self._count += 1
        session = Session(
            number=self._count, plane=address.plane, is_wrapped=address.is_wrapped, opened=ts
        )
        self._sessions[session.number] = session
        for name in address.names:
            self._subscribe(session, name, ts)
        return session

    def close(self, number: int) -> None:
        """The socket is gone."""
        session = self._sessions.pop(number, None)
        if session is not None:
            for name in list(session.streams):
                self._unsubscribe(session, name)

    def receive(self, ts: int, number: int, frame: bytes) -> None:
        """A frame came from the client."""
        session = self._sessions.get(number)
        if session is None:
            return
        session.heard.append(ts)
        while session.heard[0] <= ts - _SECOND:
            session.heard.popleft()
        if len(session.heard) > self._state.options.messages_per_second:
            session.closing = (_TOO_FAST, "Too many requests")
            return
        try:
            asked = msgspec.json.decode(frame, type=_Asked)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._answer(session, None, error=(3, "Invalid JSON: expected value at line 1"))
            return
        self._obey(session, asked, ts)

    def deliver(self, name: str, body: bytes) -> None:
        """A frame of a market stream, to everybody who listens."""
        for session in self._sessions.values():
            if name in session.streams:
                session.send(name, body)

    def tell(self, account: str, body: bytes, ts: int) -> None:
        """A frame of an account's user stream, to the sockets of its living listen key."""
        for session in self._sessions.values():
            for key, owner in session.keys.items():
                found = self._state.listen_keys.get(key)
                if owner == account and found is not None and found.expires > ts:
                    session.send(key, body)

    def end_key(self, key: str, body: bytes) -> None:
        """The last frame of a listen key."""
        for session in self._sessions.values():
            if session.keys.pop(key, None) is not None:
                session.streams.pop(key, None)
                session.send(key, body)

    def poll(self, ts: int, number: int) -> list[bytes]:
        """The frames that wait for a socket."""
        session = self._sessions.get(number)
        if session is None:
            return []
        if ts - session.opened >= LIFE_NS and session.closing is None:
            session.closing = (_GOING, "the connection has lived for 24 hours")
        frames = list(session.out)
        session.out.clear()
        return frames

    def find(self, number: int) -> Session | None:
        """A socket by its number."""
        return self._sessions.get(number)

    def all(self) -> list[Session]:
        """Every socket, oldest first."""
        return list(self._sessions.values())

    def _obey(self, session: Session, asked: _Asked, ts: int) -> None:
        names = asked.params or []
        match asked.method:
            case "SUBSCRIBE":
                if len(session.streams) + len(names) > _STREAMS_MOST:
                    self._answer(session, asked.id, error=(2, "Too many streams"))
                    return
                self._answer(session, asked.id)
                for name in names:
                    self._subscribe(session, name, ts)
            case "UNSUBSCRIBE":
                for name in names:
                    self._unsubscribe(session, name)
                self._answer(session, asked.id)
            case "LIST_SUBSCRIPTIONS":
                body = {"result": list(session.streams), "id": asked.id}
                session.out.append(msgspec.json.encode(body))
            case "SET_PROPERTY":
                self._answer(session, asked.id)
            case _:
                text = f"Invalid request: unknown variant `{asked.method[:40]}`"
                self._answer(session, asked.id, error=(2, text))

    def _answer(
        self, session: Session, number: int | str | None, error: tuple[int, str] | None = None
    ) -> None:
        body: dict[str, object] = {"result": None, "id": number}
        if error is not None:
            body = {"error": {"code": error[0], "msg": error[1]}, "id": number}
        session.out.append(msgspec.json.encode(body))

    def _subscribe(self, session: Session, name: str, ts: int) -> None:
        if name in session.streams:
            return
        key = self._state.listen_keys.get(name)
        if key is not None:
            session.streams[name] = None
            session.keys[name] = key.account
            return
        stream = parse_stream(name)
        strict = self._state.options.strict_planes and session.plane
        if stream is not None and (not strict or stream.plane == session.plane):
            self._market.listen(stream, ts)
            session.streams[name] = stream
        else:
            # The venue takes any name and says nothing on it.
            session.streams[name] = None

    def _unsubscribe(self, session: Session, name: str) -> None:
        stream = session.streams.pop(name, None)
        session.keys.pop(name, None)
        if stream is not None:
            self._market.leave(stream)
