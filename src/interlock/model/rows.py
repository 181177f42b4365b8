"""Rows: what the ledger remembers for ever, in terms of the model, and their canonical bytes.

Rules of this file. A row is never changed once it was written anywhere: a field may be added at the
end with a default, a default never changes its value, a field or a kind never goes. Bodies are
msgpack maps that name their fields and leave out defaults, so that a reader without this code can
follow them. Integers are units of the instrument, money units or ns UTC, as in the rest of the
model; the scales stand in the instrument's own row.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec

from interlock.model.facts import Fact
from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.model.order import Change, OrderSpec, OrderStatus
from interlock.model.venue import (
    AmendRequest,
    CancelRequest,
    DeadManRequest,
    Payment,
    VenueFill,
    Verdict,
)


class LedgerRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row that must never be lost.

    ``kind`` names what it is (intent, request, answer, fill, ...), ``key`` what it is about
    (a client order id, an instrument), ``body`` its canonical msgpack bytes. The ledger adds the
    sequence and the hash that chains it to the row before.
    """

    ts_event: int
    kind: str
    key: str
    body: bytes


class StoredRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A ledger row as it was stored: its sequence from 1, and the chain's hash after it."""

    seq: int
    digest: bytes
    row: LedgerRow


class Severity(StrEnum):
    """How bad a difference is, as an auditor asks for it."""

    INFO = "INFO"
    WARNING = "WARNING"
    CRITICAL = "CRITICAL"


class BreakerEvent(StrEnum):
    """What happened to a circuit breaker."""

    TRIP = "TRIP"
    RESET = "RESET"
    RESET_REFUSED = "RESET_REFUSED"
    HALF_OPEN = "HALF_OPEN"
    CLOSE = "CLOSE"


class LeaseEvent(StrEnum):
    """What happened to a lease."""

    ACQUIRED = "acquired"
    RENEWED = "renewed"
    RELEASED = "released"
    LOST = "lost"
    REFUSED = "refused"


class Row(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="kind",
    gc=False,
):
    """Something to remember. ``key`` is what it is about."""

    ts_event: int

    @property
    def key(self) -> str:
        """What the row is about: an order, an instrument, an account or a name; may be empty."""
        return ""


class _OrderRow(Row, frozen=True, kw_only=True, gc=False):
    """A row about one order."""

    client_order_id: str

    @property
    def key(self) -> str:
        return self.client_order_id


class IntentRow(_OrderRow, frozen=True, kw_only=True, tag="intent", gc=False):
    """An order that may leave once this row is durable. One id, one payload, one send.

    ``payload_hash`` is the SHA-256 of the payload without time stamp and signature;
    ``ts_deadline`` the last moment at which the venue may accept the attempt (0 = it has none);
    ``parent`` the client order id of the order it belongs to or replaces.
    """

    account: str
    strategy: str
    spec: OrderSpec
    epoch: int
    request_id: int = 0
    payload_hash: bytes = b""
    ts_deadline: int = 0
    config_version: str = ""
    parent: str = ""
    reference: int = 0


class RequestRow(Row, frozen=True, kw_only=True, tag="request", gc=False):
    """A request about orders that leaves once this row is durable: cancel, amend, dead man."""

    account: str
    request: CancelRequest | AmendRequest | DeadManRequest
    epoch: int

    @property
    def key(self) -> str:
        request = self.request
        if isinstance(request, DeadManRequest):
            return request.instrument
        return request.client_order_id


class AnswerRow(_OrderRow, frozen=True, kw_only=True, tag="answer", gc=False):
    """How one attempt about an order was answered; ``attempt`` is place, cancel, amend, query."""

    request_id: int
    attempt: str
    verdict: Verdict
    code: str = ""
    reason: str = ""
    venue_order_id: str = ""
    ts_sent: int = 0
    ts_venue: int = 0


class TransitionRow(_OrderRow, frozen=True, kw_only=True, tag="transition", gc=False):
    """An order's status moved along the table, with its totals after that.

    ``quantity``, ``price`` and ``trigger`` are what the order now asks for; ``filled`` is
    cumulative; ``evidence`` says who told it: stream, answer, query, reconcile, deadline.
    """

    change: Change
    before: OrderStatus
    after: OrderStatus
    quantity: int
    filled: int = 0
    price: int = 0
    trigger: int = 0
    venue_order_id: str = ""
    reason: str = ""
    evidence: str = ""
    ts_venue: int = 0


class FillRow(Row, frozen=True, kw_only=True, tag="fill", gc=False):
    """One execution, applied once by instrument and trade id, with the position after it.

    ``client_order_id`` and ``strategy`` are empty for what nobody here ordered. ``source`` is
    stream or query; ``reference`` the price the order would have met without slippage.
    """

    fill: VenueFill
    client_order_id: str
    strategy: str
    position_after: int
    account: str = ""
    realized: int = 0
    reference: int = 0
    source: str = ""
    is_late: bool = False

    @property
    def key(self) -> str:
        return self.client_order_id or self.fill.instrument


class PaymentRow(Row, frozen=True, kw_only=True, tag="payment", gc=False):
    """A payment of the venue that is no fill: funding, transfer, liquidation fee, rebate."""

    payment: Payment
    account: str = ""

    @property
    def key(self) -> str:
        return self.payment.payment_id


class AdjustmentRow(Row, frozen=True, kw_only=True, tag="adjustment", gc=False):
    """Position that own fills do not explain, put into a bucket under its cause.

    ``quantity`` is signed; ``bucket`` is "external" or the strategy that claimed it;
    ``position_after`` the bucket's position.
    """

    instrument: str
    quantity: int
    bucket: str
    cause: str
    position_after: int
    account: str = ""
    price: int = 0
    actor: str = ""

    @property
    def key(self) -> str:
        return self.instrument


class CommandRow(Row, frozen=True, kw_only=True, tag="command", gc=False):
    """What an operator asked for, whether it was done, and why not."""

    name: str
    actor: str
    reason: str
    is_accepted: bool
    arguments: dict[str, str] = {}
    text: str = ""

    @property
    def key(self) -> str:
        return self.name


class StateRow(Row, frozen=True, kw_only=True, tag="state", gc=False):
    """The engine's state of trading: started, trading, paused, halted, stopped, flat.

    ``scope`` is empty for the engine, else the instrument or strategy that it holds for. The last
    row of a scope is the durable switch that the send path reads.
    """

    state: str
    scope: str = ""
    mode: str = ""
    version: str = ""
    actor: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        return self.scope


class LeaseRow(Row, frozen=True, kw_only=True, tag="lease", gc=False):
    """A lease was taken, kept, given back or lost."""

    account: str
    holder: str
    epoch: int
    event: LeaseEvent
    ts_expires: int = 0

    @property
    def key(self) -> str:
        return self.account


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing on which we and the venue disagree.

    ``subject`` is order, fill, position, stop, balance or payment; ``cause`` the typed reason.
    """

    subject: str
    cause: str
    severity: Severity
    instrument: str = ""
    client_order_id: str = ""
    ours: str = ""
    venue: str = ""
    action: str = ""


class ReconcileRow(Row, frozen=True, kw_only=True, tag="reconcile", gc=False):
    """One comparison with the venue; ``scope`` is start, reconnect, orders, full or command."""

    account: str
    scope: str
    severity: Severity
    differences: tuple[Difference, ...] = ()
    orders: int = 0
    positions: int = 0
    took_ns: int = 0
    text: str = ""

    @property
    def key(self) -> str:
        return self.account


class CheckpointRow(Row, frozen=True, kw_only=True, tag="checkpoint", gc=False):
    """A snapshot was saved; it includes the ledger up to ``covers``."""

    covers: int
    digest: str
    size: int = 0
    reason: str = ""


class BreakerRow(Row, frozen=True, kw_only=True, tag="breaker", gc=False):
    """A circuit breaker moved: the value it met, its limit, and who did it."""

    breaker: str
    event_type: BreakerEvent
    scope: str = ""
    value: int = 0
    limit: int = 0
    actor: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        return self.breaker


class InstrumentRow(Row, frozen=True, kw_only=True, tag="instrument", gc=False):
    """The rules of an instrument as they hold from here on; before its first order."""

    instrument: Instrument

    @property
    def key(self) -> str:
        return self.instrument.id


class PolicyRow(Row, frozen=True, kw_only=True, tag="policy", gc=False):
    """What decisions are judged by from here on, and the version of the settings they name.

    Every start writes one. ``limits`` is None where there are none to tell; ``capital`` is the
    strategies' shares of the cash in money units, by name; ``digest`` is that of both.
    """

    version: str
    digest: str
    text: str = ""
    actor: str = ""
    reason: str = ""
    limits: Limits | None = None
    capital: dict[str, int] = {}

    @property
    def key(self) -> str:
        return self.version


class ReleaseRow(Row, frozen=True, kw_only=True, tag="release", gc=False):
    """A version of the engine, a strategy or a model took over from another."""

    subject: str
    name: str
    version: str
    previous: str = ""
    stage: str = ""
    actor: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        return self.name


class FactRow(Row, frozen=True, kw_only=True, tag="fact", gc=False):
    """What the kernel decided: a denial, a late or repeated fill."""

    fact: Fact

    @property
    def key(self) -> str:
        return self.fact.client_order_id


class EventRow(Row, frozen=True, kw_only=True, tag="event", gc=False):
    """A named event that logs also carry (COID_DUPLICATE, RATE_LIMIT_THROTTLE, ...)."""

    name: str
    level: str = "INFO"
    subject: str = ""
    fields: dict[str, str] = {}
    text: str = ""

    @property
    def key(self) -> str:
        return self.subject


AnyRow = (
    IntentRow
    | RequestRow
    | AnswerRow
    | TransitionRow
    | FillRow
    | PaymentRow
    | AdjustmentRow
    | CommandRow
    | StateRow
    | LeaseRow
    | ReconcileRow
    | CheckpointRow
    | BreakerRow
    | InstrumentRow
    | PolicyRow
    | ReleaseRow
    | FactRow
    | EventRow
)
ROWS: tuple[type[Row], ...] = AnyRow.__args__
KINDS: dict[str, type[Row]] = {str(row.__struct_config__.tag): row for row in ROWS}

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_decode: Callable[[bytes], AnyRow] = msgspec.msgpack.Decoder(AnyRow).decode
_HALF = 1 << 63


class RowError(ValueError):
    """Bytes that are no row that this version knows."""


def encode_row(row: AnyRow) -> LedgerRow:
    """The row as the ledger takes it. Equal rows give equal bytes in every process."""
    try:
        body = _encode(row)
    except OverflowError:
        body = _encode(_within_64_bit(row))
    return LedgerRow(
        ts_event=row.ts_event, kind=str(row.__struct_config__.tag), key=row.key, body=body
    )


def decode_row(row: LedgerRow) -> AnyRow:
    """The row that ``encode_row`` was given; raises RowError for what is none."""
    if row.kind not in KINDS:
        raise RowError(
            f"row kind {row.kind!r} is unknown to this version; it was written by a later one: "
            "start that version, or restore a ledger of this one"
        )
    try:
        return _decode(row.body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise RowError(f"the body of a {row.kind} row cannot be read: {error}") from error


def _within_64_bit(value: Any) -> Any:
    """Plain values; an integer that msgpack does not know becomes the nearest that it does."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value, builtin_types=(bytes,))
    if isinstance(value, dict):
        return {key: _within_64_bit(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_within_64_bit(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return min(max(value, -_HALF), _HALF - 1)
    return value
