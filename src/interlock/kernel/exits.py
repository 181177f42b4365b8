"""The protective stop: a position that requires one has it at the venue, or is left.

``gaps`` reads the state and says what lacks protection; ``leave`` carries out one ``ExitDue``: a
stop, a crossing limit or a market order, always reduce-only, through the same gate as every order.
When and how far to go is the caller's business; what it decided is the event, so that a replay
decides the same.
"""

from __future__ import annotations

from typing import NamedTuple

from interlock.kernel import orders
from interlock.kernel.limits import is_stop
from interlock.kernel.state import InstrumentSlot, Order, State, StrategySlot
from interlock.model.events import ExitDue
from interlock.model.order import (
    TRIGGERED_TYPES,
    OrderSpec,
    OrderStatus,
    OrderType,
    TimeInForce,
)

# Orders in these states are known to work at the venue.
STANDING = frozenset(
    {
        OrderStatus.ACCEPTED,
        OrderStatus.TRIGGERED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_UPDATE,
    }
)


class Gap(NamedTuple):
    """A position of a strategy and how much of it stops at the venue cover; both in units."""

    owner: StrategySlot
    slot: InstrumentSlot
    held: int
    covered: int
    on_the_way: int
    stops: tuple[Order, ...]

    @property
    def missing(self) -> int:
        """Quantity without a standing stop, in units."""
        return max(0, abs(self.held) - self.covered)


def gaps(state: State) -> list[Gap]:
    """Every position of a strategy that requires protection, with what protects it."""
    found = []
    for owner in state.strategies.values():
        if owner.strategy.protection != "required":
            continue
        for key, position in owner.positions.items():
            slot = state.instruments[key]
            if abs(position.quantity) >= slot.instrument.lot:
                found.append(_gap(owner, slot, position.quantity))
    return found


def _gap(owner: StrategySlot, slot: InstrumentSlot, held: int) -> Gap:
    side = -1 if held > 0 else 1
    stops = tuple(
        order
        for order in owner.orders.values()
        if order.is_open
        and order.status is not OrderStatus.INITIALIZED
        and protects(order.spec, slot.instrument.id, side)
    )
    standing = sum(order.leaves for order in stops if order.status in STANDING)
    coming = sum(order.leaves for order in stops if order.status is OrderStatus.SUBMITTED)
    return Gap(owner, slot, held, standing, coming, stops)


def protects(spec: OrderSpec, instrument: str, side: int) -> bool:
    """Whether an instruction protects positions that this side reduces: a stop, also with a limit.

    A stop-limit order is the first rung of the ladder: it may trigger and not fill.
    """
    if is_stop(spec, instrument, side):
        return True
    return (
        spec.instrument == instrument
        and spec.side == side
        and spec.reduce_only
        and spec.type is OrderType.STOP_LIMIT
    )


def leave(state: State, event: ExitDue) -> None:
    """Place the reduce-only order that an ``ExitDue`` asks for; nothing when there is no position.

    A market order takes the place of exits of its strategy that still rest: their stops go only
    when the position is closed, so that it is covered meanwhile.
    """
    owner = state.strategies[event.strategy]
    slot = state.instruments[event.instrument]
    held = owner.position(slot).quantity
    size = min(event.quantity, abs(held))
    size -= size % slot.instrument.lot
    if not size:
        return
    side = -1 if held > 0 else 1
    if event.tag != "protect":
        _clear_way(state, owner, slot, side)
    ref = owner.strategy._next_ref
    owner.strategy._next_ref = ref + 1
    spec = _exit_spec(event, side, size)
    orders.submit(state, Order(owner.client_order_id(ref), owner, ref, spec))


def _exit_spec(event: ExitDue, side: int, size: int) -> OrderSpec:
    if event.trigger:
        kind = OrderType.STOP_LIMIT if event.price else OrderType.STOP_MARKET
        return OrderSpec(
            event.instrument,
            side,
            size,
            kind,
            event.price,
            event.trigger,
            reduce_only=True,
            tag=event.tag,
        )
    if event.price:
        return OrderSpec(
            event.instrument,
            side,
            size,
            OrderType.LIMIT,
            event.price,
            time_in_force=TimeInForce.IOC,
            reduce_only=True,
            tag=event.tag,
        )
    return OrderSpec(event.instrument, side, size, reduce_only=True, tag=event.tag)


def _clear_way(state: State, owner: StrategySlot, slot: InstrumentSlot, side: int) -> None:
    """Cancel what rests or has triggered, filled in part or not, on the side that leaves."""
    for order in list(owner.orders.values()):
        spec = order.spec
        if spec.instrument != slot.instrument.id or spec.side != side:
            continue
        has_triggered = order.status is OrderStatus.TRIGGERED or order.filled > 0
        waits = spec.type in TRIGGERED_TYPES and not has_triggered
        if not waits and order.spec.type is not OrderType.MARKET:
            orders.cancel(state, owner, order.ref)
