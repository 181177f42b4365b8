"""Requests of the model as HTTP requests of the venue: paths, parameters, bytes to sign.

A request becomes one or more drafts; answers.py may ask for one more. A draft gets its time and
window when it is signed, right before it leaves, because the window is the basis of the negative
proof: after ``timestamp + recvWindow`` the venue can no longer accept it.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.order import LIMIT_TYPES, TRIGGERED_TYPES, OrderSpec, OrderType, TimeInForce
from interlock.model.venue import (
    AmendRequest,
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
)
from interlock.wire.binance import form, signing
from interlock.wire.binance.fault import WireFault
from interlock.wire.binance.terms import (
    LIFETIME_WORDS,
    MILLISECOND,
    SIDE_WORDS,
    TYPE_WORDS,
    Listing,
    symbol_of,
)
from interlock.wire.http import HttpRequest

WINDOW_MAX_MS = 60_000
WINDOW_DEFAULT_MS = 5_000
PAGE = 1_000
DEPTH_LEVELS = 1_000
_FORM = {"content-type": "application/x-www-form-urlencoded"}
# callbackRate is a percentage in steps of 0.1 from 0.1 to 10.
_RATE_LEAST, _RATE_MOST = 1, 100


class UnsupportedRequest(ValueError):
    """This venue has no request of that meaning; the text says what to do instead."""


class DeadlinePassed(ValueError):
    """The request may no longer leave: its deadline has passed."""


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """One call before it has a time and a signature. ``security`` is signed, key or open."""

    method: str
    path: str
    parameters: tuple[tuple[str, str], ...] = ()
    security: str = "signed"
    weight: int = 1
    is_order: bool = False


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """What the drafts depend on besides the request.

    ``conditional_path`` is False for the protocol before the service of conditional orders, when
    they went to ``/order`` like every other. ``reference_price`` gives the last price of an
    instrument, which turns the distance of a trailing stop into the venue's percentage.
    """

    listing: Listing
    conditional_path: bool = True
    reference_price: Callable[[str], int] = lambda _: 0


def drafts(request: Request, dialect: Dialect) -> tuple[Draft, ...]:
    """The calls that a request needs at once, in order."""
    match request:
        case PlaceRequest():
            return (_place(request, dialect),)
        case CancelRequest():
            return (_cancel(request, dialect),)
        case AmendRequest():
            return (_amend(request, dialect),)
        case OrderQuery():
            return (_order_query(request, dialect),)
        case DeadManRequest():
            return _dead_man(request, dialect)
        case _:
            return _reads(request, dialect)


def bytes_to_sign(draft: Draft, *, ts: int, ts_deadline: int = 0) -> bytes:
    """The parameters with venue time ``ts`` and the window up to ``ts_deadline``, both ns."""
    if draft.security != "signed":
        return form.write(draft.parameters)
    stamp = ts // MILLISECOND
    window = WINDOW_DEFAULT_MS
    if ts_deadline:
        window = min(ts_deadline // MILLISECOND - stamp, WINDOW_MAX_MS)
        if window < 1:
            raise DeadlinePassed(f"{draft.method} {draft.path} was to be sent before {ts_deadline}")
    times = (("recvWindow", str(window)), ("timestamp", str(stamp)))
    return form.write(draft.parameters + times)


def finish(draft: Draft, parameters: bytes, *, signature: str = "", key: str = "") -> HttpRequest:
    """The request as it leaves; ``parameters`` are the bytes that were signed."""
    if draft.security == "signed":
        parameters = signing.sign(parameters, signature)
    headers = {} if draft.security == "open" else {"x-mbx-apikey": key}
    if draft.method in ("POST", "PUT") and parameters:
        return HttpRequest(
            method=draft.method, path=draft.path, body=parameters, headers=headers | _FORM
        )
    return HttpRequest(method=draft.method, path=draft.path, query=parameters, headers=headers)


def signed(
    draft: Draft, *, ts: int, ts_deadline: int, key: str, sign: Callable[[bytes], str]
) -> HttpRequest:
    """The request as it leaves at venue time ``ts`` (ns); raises DeadlinePassed."""
    parameters = bytes_to_sign(draft, ts=ts, ts_deadline=ts_deadline)
    signature = sign(parameters) if draft.security == "signed" else ""
    return finish(draft, parameters, signature=signature, key=key)


def numbered_query(symbol: str, order_id: str) -> Draft:
    """Where is the order of this number: one that a trigger made, or one of unknown name?"""
    return Draft(
        method="GET", path="/fapi/v1/order", parameters=(("symbol", symbol), ("orderId", order_id))
    )


def more_fills(symbol: str, from_id: int) -> Draft:
    """The next page of executions."""
    parameters = (("symbol", symbol), ("fromId", str(from_id)), ("limit", str(PAGE)))
    return Draft(method="GET", path="/fapi/v1/userTrades", parameters=parameters, weight=5)


def more_payments(ts_from: int) -> Draft:
    """Income from a time on; ``limit`` is the venue's most."""
    parameters = (("startTime", str(ts_from // MILLISECOND)), ("limit", str(PAGE)))
    return Draft(method="GET", path="/fapi/v1/income", parameters=parameters, weight=30)


def listen_key(method: str) -> Draft:
    """POST opens the user stream, PUT keeps it alive, DELETE closes it."""
    return Draft(method=method, path="/fapi/v1/listenKey", security="key")


def _place(request: PlaceRequest, dialect: Dialect) -> Draft:
    spec = request.spec
    instrument = dialect.listing.by_id(spec.instrument)
    head = (
        ("symbol", symbol_of(spec.instrument)),
        ("side", SIDE_WORDS[spec.side]),
        ("type", TYPE_WORDS[spec.type]),
        ("quantity", instrument.quantity_text(spec.quantity)),
    )
    if spec.type in TRIGGERED_TYPES and dialect.conditional_path:
        parameters = (
            ("algoType", "CONDITIONAL"),
            *head,
            *_trigger(spec, instrument, dialect, "triggerPrice"),
            *_terms(spec, instrument),
            ("clientAlgoId", request.client_order_id),
        )
        return Draft(method="POST", path="/fapi/v1/algoOrder", parameters=parameters, is_order=True)
    parameters = (
        *head,
        *_trigger(spec, instrument, dialect, "stopPrice"),
        *_terms(spec, instrument),
        ("newClientOrderId", request.client_order_id),
        ("newOrderRespType", "RESULT"),
    )
    return Draft(method="POST", path="/fapi/v1/order", parameters=parameters, is_order=True)


def _terms(spec: OrderSpec, instrument: Instrument) -> tuple[tuple[str, str], ...]:
    terms: list[tuple[str, str]] = []
    if spec.type in LIMIT_TYPES:
        word = "GTX" if spec.post_only else LIFETIME_WORDS[spec.time_in_force]
        if spec.post_only and spec.time_in_force is TimeInForce.GTD:
            raise UnsupportedRequest("post-only orders of this venue have no end; leave gtd out")
        terms += [("timeInForce", word), ("price", instrument.price_text(spec.price))]
        if spec.time_in_force is TimeInForce.GTD:
            # The venue counts in whole seconds and refuses a rest.
            terms.append(("goodTillDate", str(spec.expire_ts // 10**9 * 1000)))
    if spec.reduce_only:
        terms.append(("reduceOnly", "true"))
    return tuple(terms)


def _trigger(
    spec: OrderSpec, instrument: Instrument, dialect: Dialect, name: str
) -> tuple[tuple[str, str], ...]:
    if spec.type is OrderType.TRAILING_STOP:
        reference = dialect.reference_price(spec.instrument)
        if reference <= 0:
            raise UnsupportedRequest(
                f"a trailing stop is a percentage here and {spec.instrument} has no price yet; "
                "send it after the first quote"
            )
        # Rounded up to the next tenth of a percent: never tighter than asked for.
        rate = -(-spec.trail * 1_000 // reference)
        if not _RATE_LEAST <= rate <= _RATE_MOST:
            raise UnsupportedRequest(
                f"trail {instrument.price_text(spec.trail)} is {rate / 10}% of the price; "
                "the venue takes 0.1% to 10%"
            )
        return (("callbackRate", f"{rate // 10}.{rate % 10}"),)
    if spec.type in TRIGGERED_TYPES:
        return ((name, instrument.price_text(spec.trigger)),)
    return ()


def _cancel(request: CancelRequest, dialect: Dialect) -> Draft:
    symbol = (("symbol", symbol_of(request.instrument)),)
    if request.is_conditional and dialect.conditional_path:
        parameters = (*symbol, ("clientAlgoId", request.client_order_id))
        return Draft(method="DELETE", path="/fapi/v1/algoOrder", parameters=parameters)
    named = (
        ("origClientOrderId", request.client_order_id)
        if request.client_order_id
        else ("orderId", request.venue_order_id)
    )
    return Draft(method="DELETE", path="/fapi/v1/order", parameters=(*symbol, named))


def _amend(request: AmendRequest, dialect: Dialect) -> Draft:
    spec = request.spec
    if spec.type is not OrderType.LIMIT:
        raise UnsupportedRequest(
            f"a {spec.type} order cannot be amended here; cancel it and place another"
        )
    instrument = dialect.listing.by_id(spec.instrument)
    parameters = (
        ("symbol", symbol_of(spec.instrument)),
        ("origClientOrderId", request.client_order_id),
        ("side", SIDE_WORDS[spec.side]),
        ("quantity", instrument.quantity_text(spec.quantity)),
        ("price", instrument.price_text(spec.price)),
    )
    return Draft(method="PUT", path="/fapi/v1/order", parameters=parameters, is_order=True)


def _order_query(request: OrderQuery, dialect: Dialect) -> Draft:
    symbol = ("symbol", symbol_of(request.instrument))
    if not request.client_order_id:
        return numbered_query(symbol_of(request.instrument), request.venue_order_id)
    if request.is_conditional and dialect.conditional_path:
        named = ("clientAlgoId", request.client_order_id)
        return Draft(method="GET", path="/fapi/v1/algoOrder", parameters=(symbol, named))
    named = ("origClientOrderId", request.client_order_id)
    return Draft(method="GET", path="/fapi/v1/order", parameters=(symbol, named))


def _dead_man(request: DeadManRequest, dialect: Dialect) -> tuple[Draft, ...]:
    listed = dialect.listing.all()
    names = [request.instrument] if request.instrument else [item.id for item in listed]
    return tuple(
        Draft(
            method="POST",
            path="/fapi/v1/countdownCancelAll",
            parameters=(("symbol", symbol_of(name)), ("countdownTime", str(request.delay_ms))),
            weight=10,
        )
        for name in names
    )


def _reads(request: Request, dialect: Dialect) -> tuple[Draft, ...]:
    match request:
        case OpenOrdersQuery():
            plain = Draft(method="GET", path="/fapi/v1/openOrders", weight=40)
            algo = Draft(method="GET", path="/fapi/v1/openAlgoOrders", weight=40)
            return (plain, algo) if dialect.conditional_path else (plain,)
        case FillsQuery():
            start = str(request.ts_from // MILLISECOND)
            parameters = (
                ("symbol", symbol_of(request.instrument)),
                ("startTime", start),
                ("limit", str(PAGE)),
            )
            path = "/fapi/v1/userTrades"
            return (Draft(method="GET", path=path, parameters=parameters, weight=5),)
        case PositionsQuery():
            return (Draft(method="GET", path="/fapi/v3/positionRisk", weight=5),)
        case BalancesQuery():
            return (Draft(method="GET", path="/fapi/v3/balance", weight=5),)
        case PaymentsQuery():
            return (more_payments(request.ts_from),)
        case BookQuery():
            return (book_snapshot(symbol_of(request.instrument)),)
        case TimeQuery():
            return (Draft(method="GET", path="/fapi/v1/time", security="open"),)
    raise WireFault(f"{type(request).__name__} has no call at this venue")


def book_snapshot(symbol: str) -> Draft:
    """The book as deep as the venue gives it."""
    return Draft(
        method="GET",
        path="/fapi/v1/depth",
        parameters=(("symbol", symbol), ("limit", str(DEPTH_LEVELS))),
        security="open",
        weight=20,
    )
