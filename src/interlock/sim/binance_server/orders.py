"""Endpoints of orders: place, amend, cancel, ask; batches; the dead man's switch."""

from __future__ import annotations

from copy import copy

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.order import OrderStatus
from interlock.sim.binance_server.refusals import fault
from interlock.sim.binance_server.state import Call, ServerState
from interlock.sim.binance_server.tickets import read_ticket
from interlock.sim.binance_server.views import fill_payload, order_payload
from interlock.sim.venue.values import Amendment, Order, Refused
from interlock.wire.binance import payloads
from interlock.wire.binance.parameters import ApiFault, Parameters
from interlock.wire.binance.terms import SIDES

_WEEK_NS = 7 * 86_400 * 10**9
_BATCH_MOST = 5


def place(state: ServerState, call: Call) -> object:
    """POST order."""
    order, instrument = _place(state, call)
    if call.parameters.text("newOrderRespType", "ACK") == "ACK":
        # Only that it was taken on; what it did then comes by the stream.
        order = copy(order)
        order.status, order.filled, order.notional = OrderStatus.ACCEPTED, 0, 0
    return order_payload(order, instrument)


def _place(state: ServerState, call: Call) -> tuple[Order, Instrument]:
    parameters = call.parameters
    instrument = state.asked(call)
    if parameters.text("newOrderRespType", "ACK") not in ("ACK", "RESULT"):
        raise ApiFault(-1136, "Invalid newOrderRespType.")
    ticket = read_ticket(
        parameters,
        instrument,
        now_ms=call.now_ms,
        is_conditional=False,
        is_free=not state.options.conditional_service,
    )
    if not ticket.client_id:
        ticket.client_id = state.draw(22)
    placed = state.core.place(call.ts, call.account, ticket)
    if isinstance(placed, Refused):
        raise fault(placed, "place", ticket.side)
    return placed, instrument


def check_order(state: ServerState, call: Call) -> object:
    """POST order/test: the form is checked and nothing is sent."""
    instrument = state.asked(call)
    read_ticket(call.parameters, instrument, now_ms=call.now_ms, is_conditional=False)
    return {}


def amend(state: ServerState, call: Call) -> object:
    """PUT order."""
    instrument = state.asked(call)
    number, name = _named(call)
    order = state.core.order(call.account, instrument.id, order_id=number, client_id=name)
    if order is None or not order.is_open:
        raise ApiFault(-2013, "Order does not exist.")
    side = call.parameters.word("side", SIDES, code=-1117, text="Invalid side.")
    if SIDES[side] != order.side:
        raise ApiFault(-4192, "The side of an order cannot be changed.")
    change = Amendment(
        order_id=order.order_id,
        quantity=call.parameters.units("quantity", instrument.quantity_exponent),
        price=call.parameters.units("price", instrument.price_exponent),
    )
    amended = state.core.amend(call.ts, call.account, instrument.id, change)
    if isinstance(amended, Refused):
        raise fault(amended, "amend", order.side)
    return order_payload(amended, instrument)


def cancel(state: ServerState, call: Call) -> object:
    """DELETE order."""
    instrument = state.asked(call)
    number, name = _named(call)
    ended = state.core.cancel(call.ts, call.account, instrument.id, order_id=number, client_id=name)
    if isinstance(ended, Refused):
        raise fault(ended, "cancel")
    return order_payload(ended, instrument)


def ask(state: ServerState, call: Call) -> object:
    """GET order: open, or the newest that ended."""
    instrument = state.asked(call)
    number, name = _named(call)
    order = state.core.order(call.account, instrument.id, order_id=number, client_id=name)
    if order is None or not state.sees(call.ts, "order", order):
        raise ApiFault(-2013, "Order does not exist.")
    return order_payload(order, instrument, is_read=True)


def ask_open(state: ServerState, call: Call) -> object:
    """GET openOrder."""
    instrument = state.asked(call)
    number, name = _named(call)
    order = state.core.order(call.account, instrument.id, order_id=number, client_id=name)
    if order is None or not order.is_open or not state.sees(call.ts, "order", order):
        raise ApiFault(-2013, "Order does not exist.")
    return order_payload(order, instrument, is_read=True)


def open_orders(state: ServerState, call: Call) -> object:
    """GET openOrders."""
    return [
        order_payload(order, instrument, is_read=True)
        for instrument in state.asked_or_all(call)
        for order in state.core.open_orders(call.account, instrument.id)
        if state.sees(call.ts, "open_orders", order)
    ]


def all_orders(state: ServerState, call: Call) -> object:
    """GET allOrders."""
    instrument = state.asked(call)
    parameters = call.parameters
    since = parameters.count("startTime") * 10**6 or max(0, call.ts - _WEEK_NS)
    until = parameters.count("endTime") * 10**6 or call.ts
    first = parameters.count("orderId")
    limit = parameters.count("limit", 500, least=1, most=1000)
    rows = [
        order
        for order in state.core.orders_since(call.account, instrument.id, since)
        if order.ts_created <= until
        and order.order_id >= first
        and state.sees(call.ts, "order", order)
    ]
    kept = rows[:limit] if first else rows[-limit:]
    return [order_payload(order, instrument, is_read=True) for order in kept]


def user_trades(state: ServerState, call: Call) -> object:
    """GET userTrades, oldest first."""
    parameters = call.parameters
    since = parameters.count("startTime") * 10**6
    until = parameters.count("endTime") * 10**6 + 10**6 if "endTime" in parameters else call.ts + 1
    first, number = parameters.count("fromId"), parameters.count("orderId")
    limit = parameters.count("limit", 500, least=1, most=1000)
    if not since and not first:
        since = max(0, call.ts - _WEEK_NS)
    rows = [
        (fill, instrument)
        for instrument in state.asked_or_all(call)
        for fill in state.core.fills_since(call.account, instrument.id, since)
        if fill.ts < until and fill.fill_id >= first and number in (0, fill.order_id)
    ]
    kept = rows[:limit] if first or "startTime" in parameters else rows[-limit:]
    return [fill_payload(fill, instrument) for fill, instrument in kept]


def cancel_all(state: ServerState, call: Call) -> object:
    """DELETE allOpenOrders."""
    instrument = state.asked(call)
    state.core.cancel_all(call.ts, call.account, instrument.id, conditional=False)
    return payloads.DonePayload(msg="The operation of cancel all open order is done.")


def place_batch(state: ServerState, call: Call) -> object:
    """POST batchOrders: each order has its own outcome."""
    try:
        items = msgspec.json.decode(
            call.parameters.need("batchOrders"), type=list[dict[str, object]]
        )
    except msgspec.DecodeError:
        raise ApiFault(-1130, "Data sent for parameter 'batchOrders' is not valid.") from None
    if not 0 < len(items) <= _BATCH_MOST:
        raise ApiFault(-4082, f"Invalid number of batch place orders: {len(items)}.")
    outcomes: list[object] = []
    for item in items:
        texts = {name: _text(value) for name, value in item.items()}
        one = msgspec.structs.replace(call, parameters=Parameters(texts))
        try:
            outcomes.append(place(state, one))
        except ApiFault as refused:
            outcomes.append(payloads.ErrorPayload(code=refused.code, msg=refused.text))
    return outcomes


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def cancel_batch(state: ServerState, call: Call) -> object:
    """DELETE batchOrders: each order has its own outcome."""
    instrument = state.asked(call)
    outcomes: list[object] = []
    for number, name in _batch_names(call):
        ended = state.core.cancel(
            call.ts, call.account, instrument.id, order_id=number, client_id=name
        )
        if isinstance(ended, Refused):
            refused = fault(ended, "cancel")
            outcomes.append(payloads.ErrorPayload(code=refused.code, msg=refused.text))
        else:
            outcomes.append(order_payload(ended, instrument))
    return outcomes


def _batch_names(call: Call) -> list[tuple[int, str]]:
    parameters = call.parameters
    try:
        if "orderIdList" in parameters:
            numbers = msgspec.json.decode(parameters.need("orderIdList"), type=list[int | str])
            return [(int(item), "") for item in numbers]
        names = msgspec.json.decode(parameters.need("origClientOrderIdList"), type=list[str])
    except (msgspec.DecodeError, ValueError):
        raise ApiFault(-1130, "Data sent for parameter 'orderIdList' is not valid.") from None
    return [(0, item) for item in names]


def dead_man(state: ServerState, call: Call) -> object:
    """POST countdownCancelAll; 0 turns it off."""
    instrument = state.asked(call)
    call.parameters.need("countdownTime")
    delay = call.parameters.count("countdownTime")
    due = call.ts + delay * 10**6 if delay else 0
    state.core.dead_man(call.ts, call.account, instrument.id, due)
    symbol = call.parameters.need("symbol")
    return payloads.DeadManPayload(symbol=symbol, countdown_time=str(delay))


def _named(call: Call) -> tuple[int, str]:
    """The order's number, or else its client id: one of them must be sent."""
    number = call.parameters.count("orderId")
    name = call.parameters.text("origClientOrderId")
    if not number and not name:
        raise ApiFault(
            -1102,
            "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
        )
    return (number, "") if number else (0, name)
