"""Orders: from intent to submission, and through the transition table on every report."""

from __future__ import annotations

import msgspec

from interlock.kernel.limits import Denial, approve, approve_amendment, is_stop, unlisted, unpriced
from interlock.kernel.state import InstrumentSlot, Order, State, StrategySlot
from interlock.model.effects import AmendOrder, CancelOrder, SubmitOrder
from interlock.model.events import OrderFilled, OrderUpdated, Report
from interlock.model.facts import (
    DenialCode,
    ExcessFill,
    LateFill,
    OrderDenied,
    RepeatedFill,
    UnexpectedReport,
)
from interlock.model.order import TRANSITIONS, Change, OrderSpec, OrderStatus, OrderType
from interlock.model.units import RATE_SCALE
from interlock.strategy.intents import Amend, Target

# Bound once: looking a member up on its class costs more than the work on the hot path.
_INITIALIZED = OrderStatus.INITIALIZED
_SUBMITTED = OrderStatus.SUBMITTED
_UNKNOWN = OrderStatus.UNKNOWN
_FILLED = OrderStatus.FILLED
_PENDING_CANCEL = OrderStatus.PENDING_CANCEL
_FILL_ALL = Change.FILL_ALL
_ASK_CANCEL = Change.ASK_CANCEL
_PLAIN = (OrderType.MARKET, OrderType.LIMIT)


def place(state: State, owner: StrategySlot, ref: int, spec: OrderSpec) -> None:
    """Turn an instruction into an order with a fresh client order id, or hold it for its parent."""
    order = Order(owner.client_order_id(ref), owner, ref, spec)
    if spec.parent:
        parent = owner.orders.get(spec.parent)
        if parent is None:
            text = f"parent order {spec.parent} is not open; place children with their parent"
            deny(state, order, Denial(DenialCode.INVALID_SPEC, spec.parent, 0, text))
            return
        owner.children.setdefault(spec.parent, []).append(order)
        owner.orders[ref] = order
        return
    submit(state, order)


def submit(state: State, order: Order) -> None:
    """Send an order through the gate; what comes out is approved or denied with numbers."""
    verdict = approve(state, order)
    if isinstance(verdict, Denial):
        deny(state, order, verdict)
        return
    spec = order.spec
    sent = _for_the_net(state, order) if spec.reduce_only else spec
    spec = order.spec
    order.status = _SUBMITTED
    order.ts_submitted = state.ts_event
    order.owner.orders[order.ref] = order
    state.open[order.client_order_id] = order
    if not sent.reduce_only:
        # What the venue itself keeps from growing the position is no open risk.
        order.is_counted = True
        _release(state.instruments[spec.instrument], order, -spec.quantity)
    if state.limits.orders_per_window_max is not None:
        state.order_times.append(state.ts_event)
    state.effects.append(SubmitOrder(state.ts_event, order.owner.name, order.client_order_id, sent))


def _for_the_net(state: State, order: Order) -> OrderSpec:
    """A reduce-only instruction as the venue may see it, which knows the net position only.

    Where strategies share an instrument the order is cut to its own strategy's position, and it is
    reduce-only at the venue only when that holds for the net too: else the exit would be refused.
    """
    spec = order.spec
    slot = state.instruments[spec.instrument]
    held, net = order.owner.position(slot).quantity, slot.net.quantity
    if held == net:
        return spec
    own = abs(held) - abs(held) % slot.instrument.lot
    if spec.type in _PLAIN and 0 < own < spec.quantity:
        spec = order.spec = msgspec.structs.replace(spec, quantity=own)
    if net * spec.side < 0 and abs(net) >= min(spec.quantity, abs(held)):
        return spec
    return msgspec.structs.replace(spec, reduce_only=False)


def deny(state: State, order: Order, denial: Denial) -> None:
    """Refuse an order before it leaves, and everything that hangs on it."""
    order.status = OrderStatus.DENIED
    owner = order.owner
    owner.orders.pop(order.ref, None)
    _tell_denial(state, order, denial, denial.text)
    drop_children(owner, order.ref)


def _tell_denial(state: State, order: Order, denial: Denial, text: str) -> None:
    """A fact; what a switch refuses is told once by strategy and instrument, and then counted."""
    if denial.code is DenialCode.SHUT:
        key = f"{order.owner.name} {order.spec.instrument}"
        if key in state.refused:
            state.refused[key] += 1
            return
        state.refused[key] = 0
    state.facts.append(
        OrderDenied(
            state.ts_event,
            order.owner.name,
            order.client_order_id,
            order.spec,
            denial.code,
            denial.value,
            denial.limit,
            text,
        )
    )


def drop_children(owner: StrategySlot, ref: int) -> None:
    """Forget orders that waited for a parent which will not fill; none of them has left."""
    for child in owner.children.pop(ref, ()):
        owner.orders.pop(child.ref, None)


def cancel(state: State, owner: StrategySlot, ref: int) -> None:
    """Ask for a cancel of an open order; an order that is over or unsent needs none."""
    order = owner.orders.get(ref)
    if order is None:
        return
    if order.status is _INITIALIZED:
        owner.orders.pop(ref)
        for waiting in owner.children.values():
            if order in waiting:
                waiting.remove(order)
        return
    if order.status is _PENDING_CANCEL:
        return
    moved = TRANSITIONS[order.status].get(_ASK_CANCEL)
    if moved is None:
        return
    order.status = moved
    state.effects.append(CancelOrder(state.ts_event, order.client_order_id, order.spec.instrument))


def cancel_all(state: State, owner: StrategySlot, instrument: str) -> None:
    """Ask for a cancel of every open order of a strategy on an instrument."""
    for ref, order in list(owner.orders.items()):
        if order.spec.instrument == instrument:
            cancel(state, owner, ref)


def amend(state: State, owner: StrategySlot, change: Amend) -> None:
    """Ask for an amendment of an open order."""
    order = owner.orders.get(change.ref)
    if order is None:
        return
    if order.status is _INITIALIZED:
        order.spec = _changed(order.spec, change.quantity, change.price, change.trigger)
        return
    wanted = _changed(order.spec, change.quantity, change.price, change.trigger)
    denial = approve_amendment(state, order, wanted)
    if denial is not None:
        _tell_denial(state, order, denial, f"amendment refused, the order stands: {denial.text}")
        return
    moved = TRANSITIONS[order.status].get(Change.ASK_UPDATE)
    if moved is None:
        return
    order.status = moved
    state.effects.append(
        AmendOrder(
            state.ts_event,
            order.client_order_id,
            order.spec.instrument,
            change.quantity,
            change.price,
            change.trigger,
        )
    )


def _changed(spec: OrderSpec, quantity: int, price: int, trigger: int) -> OrderSpec:
    return msgspec.structs.replace(
        spec,
        quantity=quantity or spec.quantity,
        price=price or spec.price,
        trigger=trigger or spec.trigger,
    )


def aim(state: State, owner: StrategySlot, want: Target) -> None:
    """Bring a position to a target: cancel what still works there, then trade the difference."""
    slot = state.instruments.get(want.instrument)
    if slot is None or (want.exposure and not slot.mark):
        spec = OrderSpec(want.instrument, 1, abs(want.quantity or 0), tag=want.tag)
        order = Order(owner.client_order_id(want.ref), owner, want.ref, spec)
        lacking = unlisted if slot is None else unpriced
        deny(state, order, lacking(state, want.instrument))
        return
    owner.wants.pop(want.instrument, None)
    working = _working_market(owner, want.instrument)
    if working:
        # Until the cancel is confirmed the rest may still fill: aim again when it is over.
        for order in working:
            cancel(state, owner, order.ref)
        owner.wants[want.instrument] = want
        return
    held = owner.position(slot).quantity
    if want.quantity is not None:
        wanted = want.quantity
    else:
        found = exposure_quantity(state, owner, slot, want)
        if found is None:
            return
        wanted = found
    if wanted < 0 and not (slot.instrument.is_margined or slot.instrument.allow_short):
        # A cash account cannot be short: the nearest position it can hold is none.
        wanted = 0
    difference = wanted - held
    side = 1 if difference > 0 else -1
    # Fees in the base asset and splits leave less than a lot, which cannot be traded.
    size = abs(difference) - abs(difference) % slot.instrument.lot
    if not size:
        return
    shrinks = held * side < 0 and size <= abs(held)
    spec = OrderSpec(want.instrument, side, size, reduce_only=shrinks, tag=want.tag)
    submit(state, Order(owner.client_order_id(want.ref), owner, want.ref, spec))


def aim_again(state: State, order: Order) -> None:
    """Take up a target that waited for this order to be over."""
    owner = order.owner
    want = owner.wants.get(order.spec.instrument)
    if want is not None and not _working_market(owner, order.spec.instrument):
        aim(state, owner, want)


def _working_market(owner: StrategySlot, instrument: str) -> list[Order]:
    return [
        order
        for order in owner.orders.values()
        if order.spec.type is OrderType.MARKET and order.spec.instrument == instrument
    ]


def exposure_quantity(
    state: State, owner: StrategySlot, slot: InstrumentSlot, want: Target
) -> int | None:
    """Signed quantity units of an exposure, or None when the band says leave it."""
    exposure = want.exposure or 0
    held = owner.position(slot).quantity
    if exposure == 0:
        return 0 if held else None
    mark = slot.mark
    equity = state.strategy_equity(owner)
    if not mark or equity is None or equity <= 0:
        return 0 if held else None
    limit = slot.instrument.leverage_max * RATE_SCALE
    if state.limits.leverage_max_ratio is not None:
        limit = min(limit, state.limits.leverage_max_ratio)
    exposure = max(-limit, min(limit, exposure))
    wanted_notional = equity * abs(exposure) // RATE_SCALE
    numerator, denominator = slot.instrument.money_factor
    if held and (held > 0) == (exposure > 0):
        distance = abs(wanted_notional - abs(slot.instrument.notional(mark, held)))
        if distance * RATE_SCALE <= want.band * equity:
            return None
    quantity = wanted_notional * denominator // (mark * numerator)
    quantity -= quantity % slot.instrument.lot
    return quantity if exposure > 0 else -quantity


def report(state: State, event: Report) -> Order | None:
    """Move an order along the transition table; returns it when the report meant something."""
    order = state.open.get(event.client_order_id)
    if order is None:
        return _late(state, event)
    change = event.change
    if type(event) is OrderFilled:
        if _is_repeated(state, order, event):
            return None
        if order.filled + event.quantity >= order.spec.quantity:
            change = _FILL_ALL
    moved = TRANSITIONS[order.status].get(change)
    if moved is None:
        state.facts.append(
            UnexpectedReport(state.ts_event, event.client_order_id, order.status, change)
        )
        return order if type(event) is OrderFilled else None
    _move(state, order, moved)
    if type(event) is OrderUpdated:
        _apply_update(state, order, event)
    if change is Change.REJECT and order.spec.parent:
        _leave_instead(state, order)
    return order


def _move(state: State, order: Order, moved: OrderStatus) -> None:
    slot = state.instruments[order.spec.instrument]
    if moved is _UNKNOWN:
        slot.unknown += 1
    elif order.status is _UNKNOWN:
        slot.unknown -= 1
    order.status = moved
    if not TRANSITIONS[moved] and moved is not _FILLED:
        _release(slot, order, order.leaves)
        finish(state, order)


def _is_repeated(state: State, order: Order, event: OrderFilled) -> bool:
    """Whether this execution was told before; a venue may tell one twice, it counts once."""
    if event.trade_id in order.trades:
        state.facts.append(
            RepeatedFill(state.ts_event, event.client_order_id, event.trade_id, event.quantity)
        )
        return True
    order.trades = (*order.trades, event.trade_id)
    return False


def _leave_instead(state: State, order: Order) -> None:
    """The venue refused the stop of a bracket (price is beyond it already): close at the market."""
    owner, spec = order.owner, order.spec
    held = owner.positions.get(spec.instrument)
    if (
        not is_stop(spec, spec.instrument, spec.side)
        or held is None
        or held.quantity * spec.side >= 0
    ):
        return
    ref = owner.strategy._next_ref
    owner.strategy._next_ref = ref + 1
    size = min(spec.quantity, abs(held.quantity))
    leaving = OrderSpec(
        spec.instrument, spec.side, size, reduce_only=True, oco=spec.oco, tag=spec.tag
    )
    submit(state, Order(owner.client_order_id(ref), owner, ref, leaving))


def count_fill(state: State, order: Order, event: OrderFilled) -> None:
    """Grow the filled quantity of an order; closes it when nothing is left."""
    spec = order.spec
    was_open = order.client_order_id in state.open
    left = max(0, order.leaves)
    order.filled += event.quantity
    slot = state.instruments[spec.instrument]
    order.notional += slot.instrument.notional(event.price, event.quantity)
    if not was_open:
        return
    if event.quantity > left:
        excess = event.quantity - left
        state.facts.append(ExcessFill(state.ts_event, event.client_order_id, excess))
    _release(slot, order, min(event.quantity, left))
    if order.status is _FILLED:
        finish(state, order)


def finish(state: State, order: Order) -> None:
    """Take an order that is over out of the working set."""
    order.ts_closed = state.ts_event
    order.owner.orders.pop(order.ref, None)
    state.close_order(order)
    if not order.filled:
        drop_children(order.owner, order.ref)


def _release(slot: InstrumentSlot, order: Order, quantity: int) -> None:
    if not order.is_counted:
        return
    if order.spec.side > 0:
        slot.open_buy -= quantity
    else:
        slot.open_sell -= quantity
    slot.changed()


def _apply_update(state: State, order: Order, event: OrderUpdated) -> None:
    """Take the venue's total, price and trigger over; a total that has traded ends the order.

    Where more than the new total has traded already, the excess is told like that of a fill.
    """
    total = event.quantity or order.spec.quantity
    left = max(0, total - order.filled)
    slot = state.instruments[order.spec.instrument]
    _release(slot, order, max(0, order.leaves) - left)
    order.spec = _changed(order.spec, event.quantity, event.price, event.trigger)
    if not left:
        excess = order.filled - total
        if excess:
            state.facts.append(ExcessFill(state.ts_event, event.client_order_id, excess))
        order.status = _FILLED
        finish(state, order)
        _settle_group(state, order)
    elif order.filled and order.status is OrderStatus.ACCEPTED:
        order.status = OrderStatus.PARTIALLY_FILLED


def _late(state: State, event: Report) -> Order | None:
    """A report about an order that is over: a fill still counts, anything else is noted."""
    order = state.closed.get(event.client_order_id)
    text = "unknown order" if order is None else str(order.status)
    if isinstance(event, OrderFilled) and order is not None:
        if _is_repeated(state, order, event):
            return None
        state.facts.append(LateFill(state.ts_event, event.client_order_id, event.quantity))
        return order
    if order is None or event.change is not Change.CANCEL_REJECT:
        state.facts.append(
            UnexpectedReport(state.ts_event, event.client_order_id, text, event.change)
        )
    return None


def after_fill(state: State, order: Order) -> None:
    """What a fill sets off: children of a bracket, and the other leg of a pair."""
    owner = order.owner
    for child in owner.children.get(order.ref, ()):
        _grow_child(state, order, child)
    _settle_group(state, order)


def _settle_group(state: State, order: Order) -> None:
    """Bring the orders that hang together with this one in line with what is left of it."""
    owner = order.owner
    if not order.is_open:
        owner.children.pop(order.ref, None)
    if order.spec.oco:
        _shrink_siblings(state, order)
    if order.spec.parent and not order.is_open:
        # An exit that is through ends its entry: what would still fill has no exits any more.
        cancel(state, owner, order.spec.parent)


def _grow_child(state: State, parent: Order, child: Order) -> None:
    if child.status is _INITIALIZED:
        child.spec = msgspec.structs.replace(child.spec, quantity=parent.filled)
        submit(state, child)
    elif child.is_open:
        amend(state, child.owner, Amend(child.ref, quantity=parent.filled))


def _shrink_siblings(state: State, order: Order) -> None:
    """The other leg covers what is left of the position, and goes when nothing is."""
    owner = order.owner
    for sibling in list(owner.orders.values()):
        if sibling is order or sibling.spec.oco != order.spec.oco:
            continue
        if order.is_open and order.leaves:
            amend(state, owner, Amend(sibling.ref, quantity=sibling.filled + order.leaves))
        else:
            cancel(state, owner, sibling.ref)
