"""A stream of a client in virtual time, and what every client of the world has of its process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.venue import (
    AmendRequest,
    CancelRequest,
    DeadManRequest,
    PlaceRequest,
    Request,
    Stream,
    StreamChanged,
)
from interlock.ports import Clock
from interlock.runtime.settings import MS, SECOND
from interlock.world.network import Network, Socket
from interlock.world.storage import Files

_BACK_OFF_MS = (100, 250, 500, 1_000, 2_000, 5_000)
CLOCK_NS = 60 * SECOND
# Quotes may be nine seconds apart, marks twelve.
SILENCE_NS = 20 * SECOND
_KINDS: dict[type, str] = {
    PlaceRequest: "place",
    CancelRequest: "cancel",
    AmendRequest: "amend",
    DeadManRequest: "session",
}


def kind_of(request: Request) -> str:
    """What a request is to the network."""
    return _KINDS.get(type(request), "query")


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a client is: its line, its process's clock and disk, and who sees what leaves."""

    network: Network
    clock: Clock
    files: Files
    instruments: tuple[Instrument, ...]
    leaves: Callable[[Request], None]


class Owner(Protocol):
    """The client that a feed belongs to."""

    def again(self, feed: Feed) -> None:
        """Open a feed's socket again."""
        ...

    def connect_socket(self, path: str, query: bytes, *, is_user: bool) -> Socket | None:
        """A socket of the line."""
        ...

    def disconnect(self, socket: Socket) -> None:
        """Give a socket up."""
        ...

    def tell(self, event: Any) -> None:
        """Pass an event on."""
        ...

    def later(self, delay_ns: int, act: Callable[[], None]) -> None:
        """Do something later unless the process is gone by then."""
        ...

    def now(self) -> int:
        """The process's own time."""
        ...


class Feed:
    """One stream kept alive: told as down before it is opened again."""

    def __init__(self, owner: Owner, stream: Stream, *, silence_ns: int) -> None:
        self.owner = owner
        self.stream = stream
        self.path = ""
        self.query = b""
        self.socket: Socket | None = None
        self.is_up = False
        self._silence_ns = silence_ns
        self._failures = 0
        self._connections = 0
        self._ts_heard = 0

    def open(self, path: str, query: bytes) -> None:
        """Open the socket at an address."""
        self.path, self.query = path, query
        socket = self.owner.connect_socket(path, query, is_user=self.stream is Stream.USER)
        if socket is None:
            self.failed()
            return
        self.socket = socket
        socket.frame, socket.lost = self.take_frame, self._lost
        self._connections += 1
        self._ts_heard = self.owner.now()
        self.greet(socket)
        if self._silence_ns:
            self.owner.later(self._silence_ns // 4, partial(self._watch, socket))

    # What a kind of feed does with its socket.
    def greet(self, socket: Socket) -> None:
        """Say what the venue must hear first; the stream is up when that is done."""
        self.went_up()

    def take_frame(self, frame: bytes) -> None:
        """Read one frame."""
        raise NotImplementedError

    def went_up(self) -> None:
        """Tell that the stream speaks."""
        self.is_up = True
        self._tell("connected" if self._connections == 1 else "connected again")

    def heard(self) -> None:
        """The venue said something that counts against silence."""
        self._failures = 0
        self._ts_heard = self.owner.now()

    def cut(self, reason: str) -> None:
        """Drop the present socket; another one is opened."""
        if self.socket is not None:
            self.owner.disconnect(self.socket)
            self._lost(reason)

    def drop(self) -> None:
        """Close for good."""
        if self.socket is not None:
            self.owner.disconnect(self.socket)

    def failed(self) -> None:
        """Try again later."""
        delay = _BACK_OFF_MS[min(self._failures, len(_BACK_OFF_MS) - 1)]
        self._failures += 1
        self.owner.later(delay * MS, partial(self.owner.again, self))

    def _lost(self, reason: str) -> None:
        self.socket = None
        if self.is_up:
            self.is_up = False
            self._tell(reason)
        self.failed()

    def _watch(self, socket: Socket) -> None:
        if self.socket is not socket:
            return
        if self.owner.now() - self._ts_heard > self._silence_ns:
            self.cut("silent for too long")
            return
        self.owner.later(self._silence_ns // 4, partial(self._watch, socket))

    def _tell(self, reason: str) -> None:
        ts = self.owner.now()
        self.owner.tell(
            StreamChanged(ts_event=ts, stream=self.stream, is_up=self.is_up, reason=reason)
        )


def nobody(event: Any) -> None:
    """Nobody listens."""
