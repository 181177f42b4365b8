"""Endpoints of conditional orders: their own service, ids and states."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.sim.binance_server.refusals import fault
from interlock.sim.binance_server.state import Call, ServerState
from interlock.sim.binance_server.tickets import read_ticket
from interlock.sim.binance_server.views import algo_payload
from interlock.sim.venue.values import Order, Refused
from interlock.wire.binance import payloads
from interlock.wire.binance.parameters import ApiFault


def place(state: ServerState, call: Call) -> object:
    """POST algoOrder."""
    instrument = state.asked(call)
    kind = call.parameters.need("algoType")
    if kind != "CONDITIONAL":
        raise ApiFault(-1130, "Data sent for parameter 'algoType' is not valid.")
    ticket = read_ticket(call.parameters, instrument, now_ms=call.now_ms, is_conditional=True)
    if not ticket.client_id:
        ticket.client_id = state.draw(22)
    placed = state.core.place(call.ts, call.account, ticket)
    if isinstance(placed, Refused):
        raise fault(placed, "conditional", ticket.side)
    return _payload(state, placed, instrument)


def cancel(state: ServerState, call: Call) -> object:
    """DELETE algoOrder. The symbol need not be sent."""
    order, instrument = _find(state, call)
    if order is None or instrument is None:
        raise ApiFault(-2011, "Unknown order sent.")
    ended = state.core.cancel(
        call.ts, call.account, instrument.id, order_id=order.order_id, conditional=True
    )
    if isinstance(ended, Refused):
        raise fault(ended, "cancel")
    return payloads.AlgoCanceledPayload(
        algo_id=ended.order_id, client_algo_id=ended.client_id, code="200", msg="success"
    )


def ask(state: ServerState, call: Call) -> object:
    """GET algoOrder."""
    order, instrument = _find(state, call)
    if order is None or instrument is None or not state.sees(call.ts, "order", order):
        raise ApiFault(-2013, "Order does not exist.")
    return _payload(state, order, instrument)


def open_orders(state: ServerState, call: Call) -> object:
    """GET openAlgoOrders."""
    return [
        _payload(state, order, instrument)
        for instrument in state.asked_or_all(call)
        for order in state.core.open_orders(call.account, instrument.id, conditional=True)
        # A triggered one waits only for the order that it has made.
        if not order.spawned_id and state.sees(call.ts, "open_orders", order)
    ]


def all_orders(state: ServerState, call: Call) -> object:
    """GET allAlgoOrders."""
    instrument = state.asked(call)
    since = call.parameters.count("startTime") * 10**6
    limit = call.parameters.count("limit", 500, least=1, most=1000)
    rows = state.core.orders_since(call.account, instrument.id, since, conditional=True)
    return [_payload(state, order, instrument) for order in rows[-limit:]]


def cancel_all(state: ServerState, call: Call) -> object:
    """DELETE algoOpenOrders."""
    instrument = state.asked(call)
    state.core.cancel_all(call.ts, call.account, instrument.id, conditional=True)
    return payloads.DonePayload(msg="The operation of cancel all open order is done.")


def _find(state: ServerState, call: Call) -> tuple[Order | None, Instrument | None]:
    number = call.parameters.count("algoId")
    name = call.parameters.text("clientAlgoId")
    if not number and not name:
        raise ApiFault(
            -1102, "Param 'algoId' or 'clientAlgoId' must be sent, but both were empty/null!"
        )
    for instrument in state.asked_or_all(call):
        order = state.core.order(
            call.account,
            instrument.id,
            order_id=number,
            client_id="" if number else name,
            conditional=True,
        )
        if order is not None:
            return order, instrument
    return None, None


def _payload(state: ServerState, order: Order, instrument: Instrument) -> payloads.AlgoPayload:
    child = None
    if order.spawned_id:
        child = state.core.order(order.account, instrument.id, order_id=order.spawned_id)
    return algo_payload(order, instrument, child)
