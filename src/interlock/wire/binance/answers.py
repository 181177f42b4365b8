"""The classifier: replies of the venue to one request, judged.

UNKNOWN is what everything is until it is proved otherwise. ACCEPTED needs a success status and a
body that is the object asked for: for an order, with the venue's id and the client id we sent.
REJECTED needs an error body whose code states that this attempt had no effect (verdicts.py). A
time-out, a dropped connection, a page of HTML, ``{}`` and a truncated body are UNKNOWN.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from interlock.model.order import TRIGGERED_TYPES, OrderStatus
from interlock.model.venue import (
    AmendRequest,
    Answer,
    BalancesQuery,
    BookQuery,
    CancelRequest,
    DeadManRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PlaceRequest,
    PositionsQuery,
    Request,
    TimeQuery,
    VenueFill,
    VenueOrder,
    Verdict,
)
from interlock.wire.binance import reading, requests, verdicts
from interlock.wire.binance.fault import WireFault, decoder, excerpt
from interlock.wire.binance.payloads import (
    AlgoCanceledPayload,
    AlgoPayload,
    BalancePayload,
    DeadManPayload,
    DepthPayload,
    ErrorPayload,
    IncomePayload,
    OrderPayload,
    PositionPayload,
    TimePayload,
    TradePayload,
)
from interlock.wire.binance.requests import Dialect, Draft
from interlock.wire.binance.terms import MILLISECOND, symbol_of

# What a front without an answer of its own is asked to be spared for.
_BACK_OFF_MS = 1_000
_BACK_OFF_MOST_MS = 3 * 86_400_000
_PAGES_MOST = 20


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back for one draft; header names in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = {}


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why a reply is not the object asked for."""

    verdict: Verdict
    code: str = ""
    reason: str = ""
    retry_after_ms: int = 0


_read_error = decoder(ErrorPayload)
_read_order = decoder(OrderPayload)
_read_algo = decoder(AlgoPayload)
_read_orders = decoder(tuple[OrderPayload, ...])
_read_algos = decoder(tuple[AlgoPayload, ...])
_read_algo_canceled = decoder(AlgoCanceledPayload)
_read_trades = decoder(tuple[TradePayload, ...])
_read_positions = decoder(tuple[PositionPayload, ...])
_read_balances = decoder(tuple[BalancePayload, ...])
_read_income = decoder(tuple[IncomePayload, ...])
_read_depth = decoder(DepthPayload)
_read_time = decoder(TimePayload)
_read_dead_man = decoder(DeadManPayload)


class Judge:
    """Judges replies. It keeps nothing but the links from conditional orders to their children."""

    __slots__ = ("_dialect", "links")

    def __init__(self, dialect: Dialect, links: reading.Links | None = None) -> None:
        self._dialect = dialect
        self.links = links or reading.Links()

    def judge(self, request: Request, replies: Sequence[Reply], *, ts: int) -> Answer | Draft:
        """The answer, or one more call that it needs. ``replies`` are those so far, in order."""
        found, used = self._judged(request, replies, ts), _used_weight(replies)
        if used and isinstance(found, Answer):
            return msgspec.structs.replace(found, used_weight=used)
        return found

    def _judged(self, request: Request, replies: Sequence[Reply], ts: int) -> Answer | Draft:
        for place, reply in enumerate(replies):
            trouble = _trouble(request, reply)
            if trouble is not None:
                return _refused(request, trouble, ts, is_first=place == 0)
        try:
            content, ts_venue = self._content(request, replies)
        except WireFault as fault:
            return _answer(request, ts, Trouble(verdict=Verdict.UNKNOWN, reason=str(fault)))
        if isinstance(content, Draft):
            return content
        return Answer(
            request_id=request.request_id,
            ts_event=ts,
            verdict=Verdict.ACCEPTED,
            content=content,
            ts_venue=ts_venue,
        )

    def _content(self, request: Request, replies: Sequence[Reply]) -> tuple[Any, int]:
        match request:
            case PlaceRequest() | CancelRequest() | AmendRequest() | OrderQuery():
                return self._about_order(request, replies)
            case OpenOrdersQuery():
                return self._open_orders(replies), 0
            case FillsQuery():
                return self._fills(request, replies), 0
        return self._account(request, replies)

    def _account(self, request: Request, replies: Sequence[Reply]) -> tuple[Any, int]:
        match request:
            case PaymentsQuery():
                return _payments(replies), 0
            case PositionsQuery():
                listed = _read_positions(replies[0].body)
                # A flat line of a symbol that we do not trade says nothing.
                held = [row for row in listed if row.position_amt.strip("-0.")]
                return tuple(reading.position(row, self._dialect.listing) for row in held), 0
            case BalancesQuery():
                rows = _read_balances(replies[0].body)
                return tuple(reading.balance(row) for row in rows), 0
            case TimeQuery():
                clock = _read_time(replies[0].body)
                ts_venue = clock.server_time * MILLISECOND
                return ts_venue, ts_venue
            case BookQuery():
                return self._middle(request, replies[0].body)
            case DeadManRequest():
                for reply in replies:
                    _read_dead_man(reply.body)
                return None, 0
        raise WireFault(f"{type(request).__name__} has no answer at this venue")

    def _middle(self, request: BookQuery, body: bytes) -> tuple[int, int]:
        """The middle of the touch in price units: what a stream is measured against."""
        instrument = self._dialect.listing.by_id(request.instrument)
        depth = _read_depth(body)
        if not depth.bids or not depth.asks:
            raise WireFault(f"the book of {request.instrument} has an empty side")
        bid = reading.price_units(depth.bids[0][0], instrument, "best bid")
        ask = reading.price_units(depth.asks[0][0], instrument, "best ask")
        return (bid + ask) // 2, depth.sent * MILLISECOND

    def _about_order(
        self,
        request: PlaceRequest | CancelRequest | AmendRequest | OrderQuery,
        replies: Sequence[Reply],
    ) -> tuple[Any, int]:
        body = replies[-1].body
        if not self._is_conditional(request):
            return self._order(request, body)
        if isinstance(request, CancelRequest):
            canceled = _read_algo_canceled(body)
            if canceled.code != "200":
                raise WireFault(f"cancel answered with code {canceled.code!r}, expected 200")
            _check_id(request, canceled.client_algo_id)
            return None, 0
        if len(replies) == 2:
            return self._order(request, body)
        read = _read_algo(body)
        found = reading.algo(read, self._dialect.listing, self.links)
        _check_id(request, found.client_order_id)
        self._check_instrument(request, found)
        if read.actual_order_id and isinstance(request, OrderQuery):
            return requests.numbered_query(read.symbol, read.actual_order_id), 0
        return found, found.ts_venue

    def _order(self, request: Any, body: bytes) -> tuple[VenueOrder, int]:
        read = _read_order(body)
        found = reading.order(read, self._dialect.listing, self.links)
        if request.client_order_id:
            _check_id(request, found.client_order_id)
        elif found.venue_order_id != request.venue_order_id:
            raise WireFault(f"order {found.venue_order_id} answers {request.venue_order_id}")
        self._check_instrument(request, found)
        if isinstance(request, CancelRequest) and found.status is not OrderStatus.CANCELED:
            raise WireFault(f"the cancel was answered by an order that is {found.status}")
        return found, found.ts_venue

    def _check_instrument(self, request: Any, found: VenueOrder) -> None:
        spec = getattr(request, "spec", None)
        wanted = spec.instrument if spec is not None else request.instrument
        if found.instrument != wanted:
            raise WireFault(f"the answer is about {found.instrument}, not {wanted}")
        if spec is not None and found.side != spec.side:
            raise WireFault(f"the order has side {found.side}, sent was {spec.side}")

    def addressed(self, request: Request) -> Request:
        """A cancel of a conditional order that has become another one is a cancel of that one."""
        if isinstance(request, CancelRequest) and self._is_conditional(request):
            child = self.links.child(request.client_order_id)
            if child:
                return msgspec.structs.replace(
                    request, client_order_id="", venue_order_id=child, is_conditional=False
                )
        return request

    def _is_conditional(self, request: Request) -> bool:
        if not self._dialect.conditional_path:
            return False
        match request:
            case PlaceRequest():
                return request.spec.type in TRIGGERED_TYPES
            case CancelRequest() | OrderQuery():
                return request.is_conditional
        return False

    def _open_orders(self, replies: Sequence[Reply]) -> tuple[VenueOrder, ...]:
        listing = self._dialect.listing
        plain = _read_orders(replies[0].body)
        algos = _read_algos(replies[1].body) if len(replies) > 1 else ()
        return tuple(reading.order(row, listing, self.links) for row in plain) + tuple(
            reading.algo(row, listing, self.links) for row in algos
        )

    def _fills(
        self, request: FillsQuery, replies: Sequence[Reply]
    ) -> tuple[VenueFill, ...] | Draft:
        pages = [_read_trades(reply.body) for reply in replies]
        rows = [row for page in pages for row in page]
        if len(pages[-1]) >= requests.PAGE:
            if len(pages) >= _PAGES_MOST:
                raise WireFault(f"more than {len(rows)} executions; ask from a later time")
            return requests.more_fills(symbol_of(request.instrument), pages[-1][-1].id + 1)
        fills = [reading.fill(row, self._dialect.listing, self.links) for row in rows]
        for found in fills:
            if found.instrument != request.instrument:
                raise WireFault(f"an execution of {found.instrument} among {request.instrument}")
        return tuple(sorted(fills, key=lambda item: (item.ts_venue, item.trade_id)))


def _payments(replies: Sequence[Reply]) -> Any:
    pages = [_read_income(reply.body) for reply in replies]
    if len(pages[-1]) >= requests.PAGE:
        if len(pages) >= _PAGES_MOST or pages[-1][-1].time == pages[-1][0].time:
            raise WireFault("more income than pages can hold; ask from a later time")
        # The next page begins with the last moment again: what both hold is dropped below.
        return requests.more_payments(pages[-1][-1].time * MILLISECOND)
    found = {
        payment.payment_id: payment for page in pages for payment in map(reading.payment, page)
    }
    return tuple(sorted(found.values(), key=lambda item: item.ts_venue))


def _refused(request: Request, trouble: Trouble, ts: int, *, is_first: bool) -> Answer:
    if isinstance(request, OrderQuery) and trouble.code == "-2013" and is_first:
        # The question was answered: the venue does not know this id, for what that is worth. Of a
        # child order it would say nothing about the parent that is known to exist.
        trouble = msgspec.structs.replace(trouble, verdict=Verdict.ACCEPTED)
    return _answer(request, ts, trouble)


def _check_id(request: Any, said: str) -> None:
    if said != request.client_order_id:
        raise WireFault(f"the answer is about order {said!r}, not {request.client_order_id!r}")


def _trouble(request: Request, reply: Reply) -> Trouble | None:
    """Why this reply is not a success, or None."""
    if reply.status == 200:
        return _trouble_in_success(reply.body)
    code, text = _error_of(reply.body)
    verdict = verdicts.verdict(kind_of(request), reply.status, code, text)
    return Trouble(
        verdict=verdict,
        code=str(code) if code else f"http {reply.status}",
        reason=text or excerpt(reply.body),
        retry_after_ms=_retry_after(reply),
    )


def _trouble_in_success(body: bytes) -> Trouble | None:
    """A success whose body is an error contradicts itself and proves nothing."""
    if body.startswith(b"["):
        # No error of the venue is a list.
        return None
    try:
        error = _read_error(body)
    except WireFault:
        return None
    if error.code == 200:
        return None
    return Trouble(verdict=Verdict.UNKNOWN, code=str(error.code), reason=error.msg)


def _error_of(body: bytes) -> tuple[int, str]:
    try:
        error = _read_error(body)
    except WireFault:
        return 0, body.strip().decode("utf-8", "replace") if len(body) < 100 else ""
    return error.code, error.msg


def _retry_after(reply: Reply) -> int:
    text = reply.headers.get("retry-after", "")
    if text.isascii() and text.isdigit() and len(text) < 9:
        return min(int(text) * 1_000, _BACK_OFF_MOST_MS)
    return _BACK_OFF_MS if reply.status in (418, 429, 503) else 0


def _used_weight(replies: Sequence[Reply]) -> int:
    """The weight of this minute that the newest reply tells, 0 when it tells none."""
    text = replies[-1].headers.get("x-mbx-used-weight-1m", "") if replies else ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0


def _answer(request: Request, ts: int, trouble: Trouble) -> Answer:
    return Answer(
        request_id=request.request_id,
        ts_event=ts,
        verdict=trouble.verdict,
        code=trouble.code,
        reason=trouble.reason,
        retry_after_ms=trouble.retry_after_ms,
    )


def kind_of(request: Request) -> str:
    """The column of the table of verdicts that a request is judged by."""
    match request:
        case PlaceRequest():
            return verdicts.PLACE
        case CancelRequest():
            return verdicts.CANCEL
        case AmendRequest():
            return verdicts.AMEND
        case DeadManRequest():
            return verdicts.SETTING
    return verdicts.QUERY
