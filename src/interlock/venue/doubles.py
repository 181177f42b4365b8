"""Which orders a request placed, and placing them once more: for faults that need either."""

from __future__ import annotations

from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Order, OrderTicket, Refusal, Refused
from interlock.venue.faces import Face

_TICKET = OrderTicket.__struct_fields__


def placed_since(core: VenueCore, order_id: int, now: int) -> list[Order]:
    """The orders that clients placed at ``now``, after an order number."""
    return [
        order
        for account in core.accounts
        for conditional in (False, True)
        for order in core.orders_since(account, None, now, conditional=conditional)
        if order.order_id > order_id and not order.conditional_id
    ]


def place_again(face: Face, order: Order, now: int) -> None:
    """Place an order once more; where its client id is taken, under another one."""
    core = face.core
    ticket = OrderTicket(**{name: getattr(order, name) for name in _TICKET})
    placed = core.place(now, order.account, ticket)
    if isinstance(placed, Refused) and placed.refusal is Refusal.DUPLICATE_ID:
        ticket.client_id = face.spare_id(core.state.order_id + 1)
        core.place(now, order.account, ticket)
    face.advance(now)
