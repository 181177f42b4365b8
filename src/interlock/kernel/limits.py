"""Pre-trade limits: the one gate before every order, with a code and numbers for each refusal.

Order of the checks: the instruction itself, the venue's price and size rules, then risk. An order
that only shrinks the strategy's position passes every risk limit: exits are never blocked.
"""

from __future__ import annotations

from typing import NewType

import msgspec

from interlock.kernel.positions import initial_margin
from interlock.kernel.state import InstrumentSlot, Order, State, StrategySlot
from interlock.model.facts import DenialCode
from interlock.model.instrument import InstrumentKind
from interlock.model.order import (
    LIMIT_TYPES,
    TRIGGERED_TYPES,
    OrderSpec,
    OrderType,
    SpecError,
    check_spec,
)
from interlock.model.units import MONEY_EXPONENT, RATE_SCALE, format_units
from interlock.strategy.intents import Place

UNIT_BITS = 63
UNITS_MAX = (1 << UNIT_BITS) - 1

Approved = NewType("Approved", Order)


class Denial(msgspec.Struct, frozen=True):
    """Why an order may not leave: code, the value met, the limit, and a sentence."""

    code: DenialCode
    value: int
    limit: int
    text: str


def approve(state: State, order: Order) -> Approved | Denial:
    """Pass an order through every check, or say which one refused it."""
    slot = state.instruments.get(order.spec.instrument)
    if slot is None:
        return unlisted(state, order.spec.instrument)
    denial = _check_instruction(slot, order.spec) or _check_risk(state, slot, order)
    return denial or Approved(order)


def unlisted(state: State, instrument: str) -> Denial:
    """The refusal of an instrument that is not part of the run."""
    known = ", ".join(state.instruments)
    text = f"instrument {instrument} is not traded in this run; there are: {known}"
    return Denial(DenialCode.UNKNOWN_INSTRUMENT, 0, 0, text)


def unpriced(state: State, instrument: str) -> Denial:
    """The refusal of an instrument that has not had a market event."""
    text = f"{instrument} has no price yet; trade after its first market event"
    return Denial(DenialCode.NO_PRICE, 0, 0, text)


def approve_amendment(state: State, order: Order, wanted: OrderSpec) -> Denial | None:
    """Whether an open order may become ``wanted``: checked as a new order in place of the old one.

    What does not grow the order's risk, and what only reduces, needs its form checked only.
    """
    slot = state.instruments[wanted.instrument]
    denial = _check_instruction(slot, wanted)
    spec = order.spec
    grows = wanted.quantity > spec.quantity or max(wanted.price, wanted.trigger) > max(
        spec.price, spec.trigger
    )
    if denial is not None or spec.reduce_only or not grows or wanted.quantity <= order.filled:
        return denial
    left = msgspec.structs.replace(wanted, quantity=wanted.quantity - order.filled)
    probe = Order(order.client_order_id, order.owner, order.ref, left)
    counted = order.leaves if order.is_counted else 0
    buys, sells = slot.open_buy, slot.open_sell
    if spec.side > 0:
        slot.open_buy -= counted
    else:
        slot.open_sell -= counted
    denial = _check_risk(state, slot, probe, amends=True)
    slot.open_buy, slot.open_sell = buys, sells
    slot.changed()
    return denial


def _check_instruction(slot: InstrumentSlot, spec: OrderSpec) -> Denial | None:
    shape = (
        spec.side,
        spec.type,
        spec.time_in_force,
        spec.post_only,
        spec.price > 0,
        spec.trigger > 0,
        spec.trail > 0,
        spec.expire_ts > 0,
    )
    if shape not in _SOUND:
        try:
            check_spec(spec)
        except SpecError as error:
            return Denial(DenialCode.INVALID_SPEC, 0, 0, str(error))
        _SOUND[shape] = None
    if (spec.quantity | spec.price | spec.trigger | spec.trail) >> UNIT_BITS:
        denial = _check_bounds(slot, spec)
        if denial is not None:
            return denial
    instrument = slot.instrument
    if fault := instrument.quantity_fault(spec.quantity):
        return Denial(DenialCode.SIZE_RULE, spec.quantity, instrument.lot, fault)
    if spec.price and (fault := instrument.price_fault(spec.price)):
        return Denial(DenialCode.PRICE_RULE, spec.price, 0, fault)
    if spec.trigger and (fault := instrument.price_fault(spec.trigger)):
        return Denial(DenialCode.PRICE_RULE, spec.trigger, 0, fault)
    return None


def _check_bounds(slot: InstrumentSlot, spec: OrderSpec) -> Denial | None:
    """Refuse what no result file could hold: units are integers of 64 bits there."""
    values = (
        ("quantity", DenialCode.SIZE_RULE, spec.quantity, slot.instrument.quantity_exponent),
        ("price", DenialCode.PRICE_RULE, spec.price, slot.instrument.price_exponent),
        ("trigger", DenialCode.PRICE_RULE, spec.trigger, slot.instrument.price_exponent),
        ("trail distance", DenialCode.PRICE_RULE, spec.trail, slot.instrument.price_exponent),
    )
    for name, code, value, exponent in values:
        if value > UNITS_MAX:
            text = (
                f"{name} {format_units(value, exponent)} is {value} units of 1e-{exponent}, the "
                f"most is {UNITS_MAX}; order less, or describe the instrument with coarser units"
            )
            return Denial(code, value, UNITS_MAX, text)
    return None


# Shapes of instructions that were found sound: whether one contradicts itself depends on nothing
# else, and there are few.
_SOUND: dict[tuple[object, ...], None] = {}


def _check_risk(
    state: State, slot: InstrumentSlot, order: Order, *, amends: bool = False
) -> Denial | None:
    spec = order.spec
    held = order.owner.positions.get(spec.instrument)
    quantity = held.quantity if held is not None else 0
    shrinks = quantity * spec.side < 0
    if spec.reduce_only:
        if not shrinks and not spec.parent:
            text = (
                f"reduce-only {_side(spec)} of {slot.instrument.quantity_text(spec.quantity)} "
                f"would not shrink the position of {slot.instrument.quantity_text(quantity)}"
            )
            return Denial(DenialCode.REDUCE_ONLY, spec.quantity, quantity, text)
        return None
    if shrinks and spec.quantity + _working(order) <= abs(quantity):
        return None
    return _check_new_risk(state, slot, order, amends=amends)


def _working(order: Order) -> int:
    """What other orders of the strategy, on this side, take off its position or beyond it.

    A close that is under way is among them: what comes beside it would open the other side.
    Exits that wait for a price are not, so that whoever has a stop may still leave by hand.
    """
    spec = order.spec
    return sum(
        other.leaves
        for other in order.owner.orders.values()
        if other.spec.side == spec.side
        and other.spec.instrument == spec.instrument
        and (not other.spec.reduce_only or other.spec.type is OrderType.MARKET)
        and other.ref != order.ref
    )


def _check_new_risk(
    state: State, slot: InstrumentSlot, order: Order, *, amends: bool
) -> Denial | None:
    spec = order.spec
    if state.shut and (denial := _check_switches(state, order)) is not None:
        return denial
    if slot.unknown:
        text = f"{slot.unknown} order(s) on {spec.instrument} have an unknown state; wait for proof"
        return Denial(DenialCode.ORDER_UNKNOWN, slot.unknown, 0, text)
    price = spec.price or spec.trigger or slot.mark
    if not price:
        return unpriced(state, spec.instrument)
    notional = slot.instrument.notional(price, spec.quantity)
    return (
        _check_size(state, slot, notional)
        or (None if amends else _check_counts(state))
        or _check_position(state, slot, spec, price)
        or _check_funds(state, slot, spec, price)
        or _check_protection(order)
    )


def _check_switches(state: State, order: Order) -> Denial | None:
    for scope in ("", order.spec.instrument, order.owner.name):
        if scope in state.shut:
            return Denial(DenialCode.SHUT, 0, 0, f"{scope or 'the engine'} is {state.shut[scope]}")
    return None


def _check_size(state: State, slot: InstrumentSlot, notional: int) -> Denial | None:
    least = slot.instrument.min_notional
    if notional < least:
        text = f"notional {_money(notional)} is below the instrument's minimum {_money(least)}"
        return Denial(DenialCode.MIN_NOTIONAL, notional, least, text)
    most = state.limits.order_notional_max
    if most is not None and notional > most:
        text = f"order notional {_money(notional)} is above the limit {_money(most)}"
        return Denial(DenialCode.ORDER_NOTIONAL, notional, most, text)
    return None


def _check_counts(state: State) -> Denial | None:
    limits = state.limits
    most = limits.open_orders_max
    if most is not None and len(state.open) >= most:
        text = f"{len(state.open)} orders are open, the limit is {most}; cancel some first"
        return Denial(DenialCode.OPEN_ORDERS, len(state.open), most, text)
    if limits.orders_per_window_max is None:
        return None
    times = state.order_times
    start = state.ts_event - limits.window_ns
    while times and times[0] <= start:
        times.popleft()
    if len(times) >= limits.orders_per_window_max:
        text = (
            f"{len(times)} orders in {limits.window_ns / 1e9:g} s, "
            f"the limit is {limits.orders_per_window_max}; wait"
        )
        return Denial(DenialCode.ORDER_RATE, len(times), limits.orders_per_window_max, text)
    return None


def _check_position(
    state: State, slot: InstrumentSlot, spec: OrderSpec, price: int
) -> Denial | None:
    most = state.limits.position_notional_max
    worst = _worst_position(slot, spec)
    if most is not None:
        notional = slot.instrument.notional(price, abs(worst))
        if notional > most:
            text = (
                f"position notional with open orders {_money(notional)} "
                f"is above the limit {_money(most)}"
            )
            return Denial(DenialCode.POSITION_NOTIONAL, notional, most, text)
    if worst < 0 and not slot.instrument.allow_short and not slot.instrument.is_margined:
        text = (
            f"selling {slot.instrument.quantity_text(spec.quantity)} {spec.instrument} would be "
            "a short on a cash account; use a margin account or sell no more than you hold"
        )
        return Denial(DenialCode.SHORT_NOT_ALLOWED, worst, 0, text)
    return None


def _worst_position(slot: InstrumentSlot, spec: OrderSpec) -> int:
    """Net position if every open order on this side and this one fill."""
    if spec.side > 0:
        return slot.net.quantity + slot.open_buy + spec.quantity
    return slot.net.quantity - slot.open_sell - spec.quantity


def _check_funds(state: State, slot: InstrumentSlot, spec: OrderSpec, price: int) -> Denial | None:
    equity, others = state.equity_and_gross(slot)
    if equity is None:
        text = "equity is unknown because a held position has no mark; no new risk until it has"
        return Denial(DenialCode.EQUITY_UNKNOWN, 0, 0, text)
    worst = abs(slot.instrument.notional(price, _worst_position(slot, spec)))
    gross = worst + others
    if slot.instrument.kind is not InstrumentKind.PERPETUAL and spec.side > 0:
        needed = slot.instrument.notional(price, spec.quantity)
        free = state.free_cash()
        if needed > free and not slot.instrument.allow_short:
            text = f"buying for {_money(needed)} needs more than the free cash {_money(free)}"
            return Denial(DenialCode.INSUFFICIENT_CASH, needed, free, text)
    ratio = state.limits.leverage_max_ratio
    venue = slot.instrument.leverage_max * RATE_SCALE
    most = min(ratio, venue) if ratio is not None else venue
    # Equity can be negative after a gap; then no new risk is affordable at all.
    if gross * RATE_SCALE > most * max(equity, 0):
        allowed = max(equity, 0) * most // RATE_SCALE
        margin = initial_margin(slot.instrument, gross, max(1, most // RATE_SCALE))
        text = (
            f"gross notional {_money(gross)} with this order is above {_money(allowed)} "
            f"(leverage {most / RATE_SCALE:g} of equity {_money(equity)}; margin {_money(margin)})"
        )
        return Denial(DenialCode.LEVERAGE, gross, allowed, text)
    return None


def _check_protection(order: Order) -> Denial | None:
    owner = order.owner
    spec = order.spec
    if owner.strategy.protection != "required" or _brings_stop(owner, order.ref, spec):
        return None
    held = owner.positions.get(spec.instrument)
    after = (held.quantity if held is not None else 0) * spec.side + spec.quantity
    needed = after + _working(order)
    if covered(owner, spec.instrument, -spec.side) >= needed:
        return None
    text = (
        f"strategy {owner.name} requires protection: a {_side(spec)} on {spec.instrument} needs a "
        "covering stop; use bracket(...) or place the stop first"
    )
    return Denial(DenialCode.PROTECTION_MISSING, spec.quantity, 0, text)


def _brings_stop(owner: StrategySlot, ref: int, spec: OrderSpec) -> bool:
    """Whether the same callback placed a covering stop that waits for this entry (a bracket)."""
    return any(
        type(intent) is Place
        and intent.spec.parent == ref
        and intent.spec.quantity >= spec.quantity
        and is_stop(intent.spec, spec.instrument, -spec.side)
        for intent in owner.outbox
    )


def covered(owner: StrategySlot, instrument: str, side: int) -> int:
    """Quantity that open reduce-only stops of one side cover, in units."""
    return sum(
        order.leaves for order in owner.orders.values() if is_stop(order.spec, instrument, side)
    )


def is_stop(spec: OrderSpec, instrument: str, side: int) -> bool:
    """Whether an instruction is a stop that covers positions which this side reduces."""
    return (
        spec.instrument == instrument
        and spec.side == side
        and spec.reduce_only
        and spec.type in TRIGGERED_TYPES
        and spec.type not in LIMIT_TYPES
        and spec.type is not OrderType.TAKE_PROFIT
    )


def _money(units: int) -> str:
    return format_units(units, MONEY_EXPONENT)


def _side(spec: OrderSpec) -> str:
    return "buy" if spec.side > 0 else "sell"
