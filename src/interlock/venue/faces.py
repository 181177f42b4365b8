"""What the sockets and the fault script need of either protocol: one face for both.

A face names requests and frames the way a script does, makes the protocol's own error bodies, and
carries out the verbs that need the protocol's state. Nothing here knows sockets or time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from interlock.sim.faults import Call, Frame, RequestFault
from interlock.sim.venue.core import VenueCore
from interlock.wire.http import HttpRequest, HttpResponse


class Link(Protocol):
    """One socket of a client, on the server's side."""

    def receive(self, ts: int, frame: bytes) -> None:
        """Take in a frame."""

    def take(self, ts: int) -> list[bytes]:
        """The frames that wait, oldest first."""

    def closing(self) -> tuple[int, str] | None:
        """Code and reason when the server wants the socket closed."""

    def close(self) -> None:
        """The socket is gone."""

    def label(self, frame: bytes) -> Frame:
        """A frame that leaves, as a script sees it; stream "reply" is no stream message."""

    def carries(self, stream: str) -> bool:
        """Whether the socket is one for "user" or "market" messages."""

    def account(self) -> str:
        """Whose user messages it carries, empty when nobody's."""

    def call(self, frame: bytes, *, with_account: bool) -> Call | None:
        """A frame that came as the request it holds, None when it holds none."""

    def answers(self, asked: bytes, frame: bytes) -> bool:
        """Whether a frame that leaves is the answer to one that came."""

    def refuse(self, asked: bytes, fault: RequestFault) -> bytes:
        """The answer that a script gives to a request in a frame."""


class Face(Protocol):
    """A protocol server."""

    name: str
    core: VenueCore
    # The server pings its sockets this often, real seconds; 0 = never.
    ping_s: float

    def handle(self, ts: int, request: HttpRequest, client: str) -> HttpResponse:
        """Answer a request."""

    def connect(self, ts: int, request: HttpRequest, client: str) -> Link | None:
        """A new socket, or None where none is served or the client has too many."""

    def advance(self, ts: int) -> None:
        """Come to ``ts``."""

    def next_due(self) -> int:
        """When something happens by itself next."""

    def describe(self, request: HttpRequest, *, with_account: bool) -> Call:
        """The request as a script sees it; whose it is only when that is asked."""

    def error(self, ts: int, fault: RequestFault) -> HttpResponse:
        """The answer that a script gives in place of the true one."""

    def hide(self, is_hidden: Callable[[int, int], bool]) -> None:
        """Let queries deny orders: ``is_hidden(ts, order_id)`` says which."""

    def set_clock(self, offset_ns: int) -> None:
        """Judge the times of requests by a clock so far ahead of the venue's."""

    def spare_id(self, order_id: int) -> str:
        """A client id for an order that nobody named."""

    def expire_sessions(self, ts: int, account: str) -> None:
        """End listen keys as if an hour had passed."""

    def switch_protocol(self, version: str) -> None:
        """ "before-algo" takes stops on /order, "algo" on their own path."""

    def refresh(self) -> None:
        """Read the instruments again after their rules changed."""


class UnsupportedVerb(ValueError):
    """This protocol has nothing of that kind; the text says what it has."""


def between(frame: bytes, before: bytes, after: bytes) -> str:
    """The text between two marks, empty without them."""
    start = frame.find(before)
    if start < 0:
        return ""
    start += len(before)
    return frame[start : frame.find(after, start)].decode("utf-8", "replace")


def decoded(body: bytes) -> dict[str, Any]:
    """A JSON object, empty when it is something else."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}
