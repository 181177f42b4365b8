"""Orders and trades of others that become a strategy's: by policy, written, folded like any row.

An adopted order is one of its strategy from then on: in its view, canceled by it, asked about, and
what it executes is the strategy's. What it had executed before stays where it was booked.
"""

from __future__ import annotations

from interlock.kernel.external import EXTERNAL
from interlock.kernel.state import Order, State
from interlock.model.order import OrderSpec, OrderStatus, OrderType, TimeInForce
from interlock.model.rows import EventRow
from interlock.model.venue import VenueFill, VenueOrder, Verdict
from interlock.runtime.books import Books
from interlock.runtime.ids import parse, strategy_number
from interlock.runtime.settings import Settings
from interlock.runtime.tracks import Track

ADOPTED = "ORDER_ADOPTED"
# A trailing stop does not say by how much it trails; what is over is nobody's any more.
_TYPES = frozenset(OrderType) - {OrderType.TRAILING_STOP}
_STANDING = (OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED, OrderStatus.TRIGGERED)


def adopter(state: State, settings: Settings) -> str:
    """The strategy that takes over what others did: the one named, else the first; may be none."""
    if settings.foreign_orders != "adopt":
        return ""
    names = [name for name in state.strategies if name != EXTERNAL]
    wanted = settings.adopt_into
    if wanted:
        return wanted if wanted in names else ""
    return names[0] if names else ""


def former_owner(state: State, settings: Settings, client_order_id: str) -> str:
    """The strategy of an id of ours whose order is no longer in memory, else the bucket."""
    part = parse(client_order_id) if client_order_id else None
    if part is not None and part.tag == settings.tag:
        for strategy in state.strategies:
            if strategy_number(strategy) == part.strategy:
                return strategy
    return EXTERNAL


def can_adopt(order: VenueOrder) -> bool:
    """Whether an order can be led from here: it has a name to ask and to cancel it by."""
    return bool(order.client_order_id) and order.type in _TYPES and order.status in _STANDING


def adoption_row(order: VenueOrder, strategy: str, ts: int) -> EventRow:
    """The row with which an order becomes a strategy's; ``order`` is the venue's newest word."""
    values = {
        "instrument": order.instrument,
        "strategy": strategy,
        "venue_order_id": order.venue_order_id,
        "side": order.side,
        "type": order.type.value,
        "status": order.status.value,
        "quantity": order.quantity,
        "filled": order.filled,
        "price": order.price,
        "trigger": order.trigger,
        "time_in_force": order.time_in_force.value,
        "reduce_only": int(order.reduce_only),
        "ts_venue": order.ts_venue,
    }
    fields = {key: str(value) for key, value in values.items()}
    return EventRow(
        ts_event=ts, name=ADOPTED, level="WARNING", subject=order.client_order_id, fields=fields
    )


def adopt(state: State, books: Books, row: EventRow) -> None:
    """Take an order over as its row says; a strategy that is gone takes nothing."""
    told, name = row.fields, row.subject
    owner = state.strategies.get(told["strategy"])
    slot = state.instruments.get(told["instrument"])
    if owner is None or slot is None or name in state.open or name in books.tracks:
        return
    spec = OrderSpec(
        told["instrument"],
        int(told["side"]),
        int(told["quantity"]),
        OrderType(told["type"]),
        int(told["price"]),
        int(told["trigger"]),
        time_in_force=TimeInForce(told["time_in_force"]),
        reduce_only=told["reduce_only"] == "1",
        tag="adopted",
    )
    booked = books.outside.get(f"{spec.instrument} {told['venue_order_id']}", 0)
    filled = max(int(told["filled"]), booked)
    if filled >= spec.quantity:
        return
    books.tracks[name] = Track(
        client_order_id=name,
        strategy=owner.name,
        spec=spec,
        ts=row.ts_event,
        ts_deadline=row.ts_event,
        request_id=0,
        epoch=books.epoch,
        submit=Verdict.ACCEPTED,
        venue_order_id=told["venue_order_id"],
        is_seen=True,
        is_adopted=True,
        filled=filled,
        before=filled - booked,
        ts_before=int(told["ts_venue"]),
    )
    books.given.add(name, row.ts_event)
    books.name_order(spec.instrument, told["venue_order_id"], name)
    ref = owner.strategy._next_ref
    owner.strategy._next_ref = ref + 1
    order = Order(name, owner, ref, spec)
    order.status, order.filled = OrderStatus(told["status"]), filled
    order.ts_submitted = row.ts_event
    owner.orders[ref] = state.open[name] = order
    if not spec.reduce_only:
        order.is_counted = True
        slot.open_buy += order.leaves if spec.side > 0 else 0
        slot.open_sell += order.leaves if spec.side < 0 else 0
        slot.changed()


def is_others(track: Track, fill: VenueFill) -> bool:
    """Whether an execution is of another order of that name, or of the time before the adoption."""
    if not track.is_adopted:
        return False
    if fill.venue_order_id not in ("", track.venue_order_id, track.child_id):
        return True
    return fill.ts_venue <= track.ts_before and fill.quantity <= track.before
