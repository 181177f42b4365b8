"""What an answer says about the attempt that it answers: UNKNOWN unless the venue is plain.

ACCEPTED takes a well-formed statement about this very order. REJECTED takes one of the error texts
that ``errors`` lists as a refusal. A page of HTML, a status of 5xx, an empty or truncated body, a
batch of the wrong length, an order without a number: all of that is UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from interlock.model.order import LIMIT_TYPES, OrderSpec, OrderStatus, TimeInForce
from interlock.model.venue import (
    AmendRequest,
    Answer,
    BalancesQuery,
    BookQuery,
    CancelRequest,
    Content,
    DeadManRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PlaceRequest,
    PositionsQuery,
    Request,
    TimeQuery,
    VenueOrder,
    Verdict,
)
from interlock.wire.http import HttpResponse
from interlock.wire.hyperliquid import errors, info
from interlock.wire.hyperliquid.cloids import cloid_of
from interlock.wire.hyperliquid.queries import TransfersQuery
from interlock.wire.hyperliquid.streams import Reader
from interlock.wire.hyperliquid.text import WireFault, decode, units_of

_OK = 200
_TOO_MANY = 429
_UNPROCESSABLE = 422
_REASON_MAX = 200
# The venue's own pause where it names none, in ms: its budget is counted by the minute.
_PAUSE_MS = 10_000


class _Resting(msgspec.Struct):
    oid: int
    cloid: str | None = None


class _Filled(msgspec.Struct, rename="camel"):
    total_sz: str
    avg_px: str
    oid: int
    cloid: str | None = None


class _Slot(msgspec.Struct, forbid_unknown_fields=True):
    """One status of a batch: exactly one of its fields is given."""

    resting: _Resting | None = None
    filled: _Filled | None = None
    error: str | None = None


class _Statuses(msgspec.Struct):
    statuses: list[_Slot | str]


class _Response(msgspec.Struct):
    type: str
    data: _Statuses | None = None


class _Ok(msgspec.Struct, tag_field="status", tag="ok"):
    response: _Response


class _Err(msgspec.Struct, tag_field="status", tag="err"):
    response: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What was read from one answer, before it is tied to its request."""

    verdict: Verdict
    content: Content = None
    code: str = ""
    reason: str = ""
    ts_venue: int = 0


def classify(
    request: Request, response: HttpResponse, *, reader: Reader, ts: int, sent_ts: int = 0
) -> Answer:
    """The answer to a request, from a complete HTTP response that arrived at ``ts``."""
    said = _said(request, response, reader)
    retry = _pause(response) if response.status == _TOO_MANY else 0
    return _answer(request, said, ts=ts, sent_ts=sent_ts, retry_after_ms=retry)


def classify_batch(
    requests: Sequence[PlaceRequest], response: HttpResponse, *, reader: Reader, ts: int
) -> list[Answer]:
    """The answers to orders that went in one action: each from its own slot, in order.

    A whole-action error, or a batch that does not read as one, answers every order alike.
    """
    if response.status != _OK:
        return [classify(request, response, reader=reader, ts=ts) for request in requests]
    try:
        body: _Ok | _Err = decode(response.body, _Ok | _Err)
        if isinstance(body, _Err):
            return [_answer(request, _refused(body.response), ts=ts) for request in requests]
        slots = _slots(body, ("order",), len(requests))
    except WireFault as fault:
        lost = Said(verdict=Verdict.UNKNOWN, code="malformed", reason=str(fault))
        return [_answer(request, lost, ts=ts) for request in requests]
    return [
        _answer(request, _placed(slot, request, reader), ts=ts)
        for request, slot in zip(requests, slots, strict=True)
    ]


def _answer(
    request: Request, said: Said, *, ts: int, sent_ts: int = 0, retry_after_ms: int = 0
) -> Answer:
    return Answer(
        request_id=request.request_id,
        ts_event=ts,
        verdict=said.verdict,
        content=said.content,
        code=said.code,
        reason=said.reason[:_REASON_MAX],
        retry_after_ms=retry_after_ms,
        ts_venue=said.ts_venue,
        sent_ts=sent_ts,
    )


def _said(request: Request, response: HttpResponse, reader: Reader) -> Said:
    if response.status != _OK:
        return _not_ok(request, response)
    try:
        if isinstance(request, _ACTIONS):
            return _action(request, response, reader)
        return _query(request, response.body, reader)
    except WireFault as fault:
        return Said(verdict=Verdict.UNKNOWN, code="malformed", reason=str(fault))


def _not_ok(request: Request, response: HttpResponse) -> Said:
    """Only two refusals come before the venue looks at an action: too many, and not readable."""
    text = response.body[:_REASON_MAX].decode("utf-8", "replace")
    code = str(response.status)
    is_refused = response.status == _TOO_MANY or (
        response.status == _UNPROCESSABLE and text.startswith(errors.UNREADABLE)
    )
    is_action = isinstance(request, _ACTIONS)
    verdict = Verdict.REJECTED if is_refused and is_action else Verdict.UNKNOWN
    return Said(verdict=verdict, code=code, reason=text)


def _action(request: Request, response: HttpResponse, reader: Reader) -> Said:
    body: _Ok | _Err = decode(response.body, _Ok | _Err)
    if isinstance(body, _Err):
        return _refused(body.response)
    if isinstance(request, DeadManRequest):
        if body.response.type != "default":
            raise WireFault(f"answer of type {body.response.type!r} instead of default")
        return Said(verdict=Verdict.ACCEPTED)
    if isinstance(request, CancelRequest):
        return _canceled(_slots(body, ("cancel",), 1)[0])
    assert isinstance(request, PlaceRequest | AmendRequest)
    # A replacement is answered like the order that it is.
    kinds = ("order",) if isinstance(request, PlaceRequest) else ("order", "batchModify")
    return _placed(_slots(body, kinds, 1)[0], request, reader)


def _slots(body: _Ok, kinds: tuple[str, ...], count: int) -> list[_Slot | str]:
    """The statuses of a batch; raises unless it is this kind of batch, of this length."""
    if body.response.data is None:
        raise WireFault("the answer has no statuses")
    statuses = body.response.data.statuses
    if body.response.type not in kinds or len(statuses) != count:
        raise WireFault(
            f"{len(statuses)} statuses of type {body.response.type!r} do not answer {count} of "
            f"type {kinds[0]!r}"
        )
    return statuses


def _placed(slot: _Slot | str, request: PlaceRequest | AmendRequest, reader: Reader) -> Said:
    try:
        return _place_said(slot, request, reader)
    except WireFault as fault:
        return Said(verdict=Verdict.UNKNOWN, code="malformed", reason=str(fault))


def _place_said(slot: _Slot | str, request: PlaceRequest | AmendRequest, reader: Reader) -> Said:
    if isinstance(slot, str):
        # A child of a group: the venue holds it, but tells no number yet.
        if slot in ("waitingForFill", "waitingForTrigger"):
            return Said(verdict=Verdict.ACCEPTED, code=slot)
        return Said(verdict=Verdict.UNKNOWN, code="malformed", reason=slot)
    if sum(part is not None for part in (slot.resting, slot.filled, slot.error)) != 1:
        raise WireFault("a status must be one of resting, filled and error")
    if slot.error is not None:
        return _refused(slot.error)
    named = slot.resting or slot.filled
    assert named is not None
    if named.oid <= 0:
        raise WireFault(f"order number {named.oid} is none")
    instrument = reader.universe.of_id(request.spec.instrument)
    filled = 0
    if slot.filled is not None:
        filled = units_of(slot.filled.total_sz, instrument.quantity_exponent)
        if not 0 < filled <= request.spec.quantity:
            raise WireFault(f"{slot.filled.total_sz} filled of another quantity")
    order = _order(request.spec, request.client_order_id, str(named.oid), filled=filled)
    return Said(verdict=Verdict.ACCEPTED, content=order)


def _order(
    spec: OrderSpec, client_order_id: str, venue_order_id: str, *, filled: int
) -> VenueOrder:
    status = OrderStatus.ACCEPTED
    if filled:
        status = OrderStatus.FILLED
        if filled < spec.quantity:
            rests = spec.type in LIMIT_TYPES and spec.time_in_force is TimeInForce.GTC
            status = OrderStatus.PARTIALLY_FILLED if rests else OrderStatus.CANCELED
    return VenueOrder(
        instrument=spec.instrument,
        client_order_id=client_order_id,
        venue_order_id=venue_order_id,
        side=spec.side,
        type=spec.type,
        status=status,
        quantity=spec.quantity,
        filled=filled,
        price=spec.price,
        trigger=spec.trigger,
        time_in_force=spec.time_in_force,
        reduce_only=spec.reduce_only,
    )


def _canceled(slot: _Slot | str) -> Said:
    if slot == "success":
        return Said(verdict=Verdict.ACCEPTED)
    if isinstance(slot, _Slot) and slot.error is not None:
        return _refused(slot.error)
    raise WireFault("a cancel is answered by success or by an error")


def _refused(text: str) -> Said:
    meaning = errors.meaning_of(text)
    verdict = Verdict.REJECTED if meaning.is_refusal else Verdict.UNKNOWN
    return Said(verdict=verdict, code=meaning.code, reason=text)


def _query(request: Request, body: bytes, reader: Reader) -> Said:
    universe, cloids = reader.universe, reader.cloids
    content: Content = None
    match request:
        case OrderQuery():
            content = info.read_order_status(body, universe, cloids)
            _check_same(content, request)
        case OpenOrdersQuery():
            content = info.read_open_orders(body, universe, cloids)
        case FillsQuery():
            fills = info.read_fills(body, universe, cloids, user=reader.user)
            content = tuple(fill for fill in fills if fill.instrument == request.instrument)
        case PaymentsQuery():
            if isinstance(request, TransfersQuery):
                payments = info.read_transfers(body, request.user)
            else:
                payments = info.read_fundings(body, universe)
            content = tuple(item for item in payments if item.ts_venue >= request.ts_from)
        case _:
            return _timed_query(request, body, reader)
    return Said(verdict=Verdict.ACCEPTED, content=content)


def _check_same(order: VenueOrder | None, request: OrderQuery) -> None:
    """Refuse an answer about another order."""
    if order is None:
        return
    is_same = order.venue_order_id == request.venue_order_id
    if request.client_order_id:
        is_same = cloid_of(order.client_order_id) == cloid_of(request.client_order_id)
    if order.instrument != request.instrument or not is_same:
        wanted = request.client_order_id or request.venue_order_id
        raise WireFault(
            f"order {order.client_order_id!r} ({order.venue_order_id}) of {order.instrument} "
            f"answers {wanted!r} of {request.instrument}"
        )


def _timed_query(request: Request, body: bytes, reader: Reader) -> Said:
    """Questions whose answers say when they were true."""
    content: Content = None
    match request:
        case PositionsQuery():
            row = info.read_account(body)
            content, ts_venue = info.positions_of(row, reader.universe), info.time_of(row)
        case BalancesQuery():
            row = info.read_account(body)
            content, ts_venue = (info.balance_of(row),), info.time_of(row)
        case BookQuery():
            # The book itself is a market event: ``info.read_book`` makes it of the same bytes.
            # The answer has its middle.
            book = info.read_book(body, reader.universe)
            if book.instrument.id != request.instrument:
                raise WireFault(f"a book of {book.instrument.id} answers {request.instrument}")
            content, ts_venue = info.middle_of(book), book.ts_event
        case TimeQuery():
            content = ts_venue = info.read_time(body)
        case _:
            raise WireFault(f"{type(request).__name__} is no question of this venue")
    return Said(verdict=Verdict.ACCEPTED, content=content, ts_venue=ts_venue)


def _pause(response: HttpResponse) -> int:
    seconds = response.headers.get("retry-after", "")
    is_number = seconds.isascii() and seconds.isdigit() and len(seconds) < 7
    return int(seconds) * 1000 if is_number else _PAUSE_MS


_ACTIONS = (PlaceRequest, CancelRequest, AmendRequest, DeadManRequest)
