"""What a venue says outside of an order's reports: answers, snapshots of its books, its streams.

Rules of this file. These values are what ``wire`` makes of bytes and what ``runtime`` judges: they
carry the venue's word and no opinion of ours. Quantities, prices and money are the instrument's
integers; times are ns UTC. ``client_order_id`` is ours or empty; a ``venue_order_id`` is the
venue's, as text, because venues disagree about its type.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from interlock.model.order import OrderSpec, OrderStatus, OrderType, TimeInForce


class Verdict(StrEnum):
    """How one attempt was answered.

    ACCEPTED and REJECTED are statements of the venue about this very attempt. Everything else is
    UNKNOWN: a time-out, a dropped or truncated answer, a page of HTML, a code that says so.
    NOT_SENT means that no byte left this machine.
    """

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order as the venue holds it. ``filled`` is cumulative; ``status`` is one of ours."""

    instrument: str
    client_order_id: str
    venue_order_id: str
    side: int
    type: OrderType
    status: OrderStatus
    quantity: int
    filled: int = 0
    price: int = 0
    trigger: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    reduce_only: bool = False
    reason: str = ""
    ts_venue: int = 0


class VenueFill(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One execution. ``trade_id`` is unique per instrument; ``fee`` money of ``fee_asset``.

    ``client_order_id`` is empty where the venue names the order by its own id only.
    """

    instrument: str
    trade_id: int
    client_order_id: str
    venue_order_id: str
    side: int
    price: int
    quantity: int
    fee: int
    fee_asset: str
    is_maker: bool
    ts_venue: int


class VenuePosition(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The net position of the account in one instrument, signed; ``entry`` as the venue writes."""

    instrument: str
    quantity: int
    entry: str = ""
    liquidation: str = ""
    ts_venue: int = 0


class VenueBalance(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The wallet of one asset: deposits, realized profit, fees and funding; no open profit."""

    asset: str
    wallet: int
    available: int = 0


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line of the venue's income history; ``amount`` money, negative when it was paid."""

    kind: str
    instrument: str
    asset: str
    amount: int
    payment_id: str
    ts_venue: int


# What can be asked of a venue. ``request_id`` comes back in the answer; ``ts_deadline`` is the last
# moment at which the venue may still accept it (recvWindow, expiresAfter), 0 where it has none.
class Request(msgspec.Struct, frozen=True, kw_only=True, tag=True, gc=False):
    """Something to ask a venue, once."""

    request_id: int
    ts_deadline: int = 0


class PlaceRequest(Request, frozen=True, kw_only=True, gc=False):
    """Send one order under its id."""

    client_order_id: str
    spec: OrderSpec


class CancelRequest(Request, frozen=True, kw_only=True, gc=False):
    """Cancel one order by its id."""

    client_order_id: str
    instrument: str
    venue_order_id: str = ""
    is_conditional: bool = False


class AmendRequest(Request, frozen=True, kw_only=True, gc=False):
    """Bring one order to this total quantity, price and trigger; the spec is the wanted whole."""

    client_order_id: str
    spec: OrderSpec
    venue_order_id: str = ""


class OrderQuery(Request, frozen=True, kw_only=True, gc=False):
    """Where is this order? Answered by a VenueOrder, or by none: the venue does not know it.

    It is named by ``client_order_id``, or by ``venue_order_id`` where that is empty: then the
    answer has the name that the venue knows it by, which may be nobody's.
    """

    client_order_id: str
    instrument: str
    is_conditional: bool = False
    venue_order_id: str = ""


class OpenOrdersQuery(Request, frozen=True, kw_only=True, gc=False):
    """All open orders of the account, conditional ones included."""


class FillsQuery(Request, frozen=True, kw_only=True, gc=False):
    """Executions at and after ``ts_from``, oldest first."""

    instrument: str
    ts_from: int


class PositionsQuery(Request, frozen=True, kw_only=True, gc=False):
    """All positions of the account that are not zero."""


class BalancesQuery(Request, frozen=True, kw_only=True, gc=False):
    """The wallets of the account."""


class PaymentsQuery(Request, frozen=True, kw_only=True, gc=False):
    """Income of the account at and after ``ts_from``: funding, liquidation, transfers."""

    ts_from: int


class BookQuery(Request, frozen=True, kw_only=True, gc=False):
    """A snapshot of the order book: the independent source a stream is measured against."""

    instrument: str


class DeadManRequest(Request, frozen=True, kw_only=True, gc=False):
    """Have the venue cancel our orders in ``delay_ms`` unless asked again; 0 = off."""

    delay_ms: int
    instrument: str = ""


class TimeQuery(Request, frozen=True, kw_only=True, gc=False):
    """What time is it there?"""


Content = (
    VenueOrder
    | tuple[VenueOrder, ...]
    | tuple[VenueFill, ...]
    | tuple[VenuePosition, ...]
    | tuple[VenueBalance, ...]
    | tuple[Payment, ...]
    | int
    | None
)


class Answer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer to one request, or that there was none.

    For queries ACCEPTED means the venue answered; ``content`` then has the values asked for (None
    from an OrderQuery: it does not know the id). ``code`` and ``reason`` are the venue's words.
    ``retry_after_ms`` is how long it wants to be left alone. ``ts_venue`` 0 = it did not say.
    ``used_weight`` is what the venue counts in its present window, callers beside us included;
    0 = it did not say.
    """

    request_id: int
    ts_event: int
    verdict: Verdict
    content: Content = None
    code: str = ""
    reason: str = ""
    retry_after_ms: int = 0
    ts_venue: int = 0
    sent_ts: int = 0
    used_weight: int = 0


class Stream(StrEnum):
    """The streams of a venue that can be fresh or stale on their own."""

    MARKET = "market"
    USER = "user"


class StreamChanged(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A stream came up, went down, or was rebuilt after a gap (then whatever it said may lack)."""

    ts_event: int
    stream: Stream
    is_up: bool
    reason: str = ""
    instrument: str = ""


class OrderSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The user stream told an order's present state."""

    ts_event: int
    order: VenueOrder


class FillSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The user stream told an execution."""

    ts_event: int
    fill: VenueFill


class PositionSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The user stream told a position."""

    ts_event: int
    position: VenuePosition


class BalanceSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The user stream told a wallet; ``cause`` in the venue's words."""

    ts_event: int
    balance: VenueBalance
    cause: str = ""


class PaymentSeen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The user stream told a payment that is no fill: funding, liquidation fee, transfer."""

    ts_event: int
    payment: Payment


VenueEvent = (
    Answer | StreamChanged | OrderSeen | FillSeen | PositionSeen | BalanceSeen | PaymentSeen
)
