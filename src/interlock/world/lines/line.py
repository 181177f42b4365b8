"""What the world needs of a venue's protocol: a server around the exchange core, and its words.

Rules of this file. The network moves bytes and knows no venue: what a page of trouble looks like,
which question asks for executions, what a frame says about whom, is for the words of a line. A
server tells its observers of what happened in one form, whatever the venue's own is: orders go by
the client order ids that they were sent with, and an order that was amended is one order.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

import msgspec

from interlock.model.instrument import Instrument
from interlock.runtime.budget import Rate
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Event, Order, VenueRules
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.world.dice import Dice

# The world's engines call from one address.
ADDRESS = "10.0.0.1"
_HTML = b"<html><head><title>%d</title></head><body>unavailable</body></html>"

# Whether a read ("order", "open_orders") sees an order at a time.
Sees = Callable[[int, str, Order], bool]


class Server(Protocol):
    """A venue's protocol state around the core; ``ts`` of every call is the world's time, ns.

    A session is what the server made of a socket, and is given back to it unopened.
    """

    observers: list[Callable[[Event], None]]
    # What an address may spend in a minute.
    weight_most: int

    def handle(self, ts: int, request: HttpRequest) -> HttpResponse:
        """Answer one request."""
        ...

    def connecting(self, ts: int, request: HttpRequest) -> HttpResponse:
        """Answer a question of a client that connects: it tries until no limit is in its way."""
        ...

    def open(self, ts: int, path: str, query: bytes) -> Any:
        """A session for a new socket."""
        ...

    def close(self, session: Any) -> None:
        """The socket is gone."""
        ...

    def receive(self, ts: int, session: Any, frame: bytes) -> None:
        """Take in a frame of a client."""
        ...

    def frames(self, ts: int, session: Any) -> list[bytes]:
        """The frames that wait for a socket."""
        ...

    def ended(self, session: Any) -> str:
        """Why the server wants a socket closed; empty while it does not."""
        ...

    def advance(self, ts: int) -> None:
        """Let everything happen that is due."""
        ...

    def next_due(self) -> int:
        """When something happens by itself next, ns."""
        ...

    def used(self, ts: int) -> int:
        """The weight that the world's address has used in the present minute."""
        ...

    def shift_clock(self, by_ns: int) -> None:
        """Step the clock that clients have to follow."""
        ...

    def expire_keys(self, ts: int) -> int:
        """End what user streams hang on before its time; returns how many there were."""
        ...

    def remember(self, client_order_id: str) -> None:
        """An order may arrive that was sent under this id."""
        ...

    def whole(self, order: Order) -> Order:
        """An order of the core as the observers are told of it."""
        ...


class Lag(msgspec.Struct, frozen=True):
    """What an order had filled before a cancel met an execution, quantity units."""

    filled: int
    instrument: Instrument


class Words(Protocol):
    """What of a venue's words faults are about, and how the venue itself words them."""

    # An event of a kind that no client knows.
    odd: bytes

    def is_signed(self, request: HttpRequest) -> bool:
        """Whether a request needs a key."""
        ...

    def asks_for_executions(self, request: HttpRequest) -> bool:
        """Whether a request asks what has traded."""
        ...

    def question(self, request: HttpRequest) -> bytes:
        """What equal questions have in common."""
        ...

    def trouble(self, kind: str, dice: Dice) -> HttpResponse:
        """The venue's own trouble: unknown_503, unknown_1007, busy_1008, throttled, key_refused."""
        ...

    def placed(self, response: HttpResponse) -> str:
        """The name that the core has for an order which an answer says it took on, or nothing."""
        ...

    def without(self, response: HttpResponse, untold: Collection[int]) -> HttpResponse:
        """A list of executions without those of some orders."""
        ...

    def told(self, frame: bytes, untold: Collection[int]) -> bytes:
        """A frame without the executions of some orders; empty when nothing is left of it."""
        ...

    def is_reply(self, frame: bytes) -> bool:
        """Whether a frame answers the client's own frame, and is about no order or price."""
        ...

    def is_touch(self, frame: bytes) -> bool:
        """Whether a frame tells the best prices."""
        ...

    def distorted(self, frame: bytes, dice: Dice) -> bytes:
        """A touch as no market has it: crossed, zero, not a number, or far from the price."""
        ...

    def canceled(self, request: HttpRequest) -> str:
        """The core's name of the plain order that a cancel is about, or nothing."""
        ...

    def confirmed(self, response: HttpResponse, before: Lag) -> HttpResponse:
        """The answer to a cancel as if a trade of just before had not happened yet."""
        ...

    def lagging(self, frame: bytes, before: Mapping[str, Lag]) -> tuple[bytes, bool]:
        """A message about an order whose cancel met a trade: as it comes, and whether it is late.

        ``before`` goes by the core's names.
        """
        ...


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """What may trade: ``price`` and ``step`` in price units, ``clip`` in quantity units.

    The first price, what prices of the world walk by, and what its sizes are multiples of.
    """

    instrument: Instrument
    price: int
    step: int
    clip: int


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One venue as the world plays it.

    ``serve`` puts its protocol around a core, for an account, under a seed, with what reads see. By
    ``is_switch_of_account`` its dead man's switch covers all of an account at once, and by
    ``keeps_stops`` it may be told to leave stops alone. By ``replaces_amended`` an amendment asks
    for what is left to trade, as far as its sender knows; by ``tells_weight`` answers tell how much
    of the rate is used, by earlier lives too.
    """

    name: str
    currency: str
    secret: str
    listed: tuple[Listed, ...]
    rules: VenueRules
    rate: Rate
    words: Words
    serve: Callable[[VenueCore, str, int, Sees], Server]
    is_switch_of_account: bool
    keeps_stops: bool
    replaces_amended: bool
    tells_weight: bool


def page(status: int) -> HttpResponse:
    """What a machine before the venue says when it does not reach it."""
    return HttpResponse(status=status, body=_HTML % status, content_type="text/html")


def scaled(text: str, parts: int) -> str:
    """A decimal text times ``parts`` thousandths, with as many decimals."""
    whole, _, decimals = text.partition(".")
    units = int(whole + decimals) * parts // 1_000
    digits = str(units).rjust(len(decimals) + 1, "0")
    cut = len(digits) - len(decimals)
    return f"{digits[:cut]}.{digits[cut:]}" if decimals else digits
