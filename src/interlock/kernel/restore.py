"""From ledger rows to the state: what each row means to the kernel.

Rules of this file. Live trading and recovery read a row through the same function, so that a fold
of the ledger is what happened. A row that only records what the kernel itself decided, or what was
asked and answered, means nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from interlock.kernel.external import EXTERNAL
from interlock.kernel.state import InstrumentSlot, Order, State, StrategySlot
from interlock.model.events import (
    CancelRejected,
    CashMoved,
    Event,
    ExitDue,
    ExternalTraded,
    FundingPaid,
    OrderAccepted,
    OrderCanceled,
    OrderDoubted,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderUpdated,
    Report,
    Started,
    Stopped,
    TimerFired,
    UpdateRejected,
)
from interlock.model.instrument import Instrument
from interlock.model.order import Change, OrderSpec, OrderStatus
from interlock.model.rows import (
    AdjustmentRow,
    AnyRow,
    EventRow,
    FillRow,
    IntentRow,
    PaymentRow,
    TransitionRow,
)
from interlock.model.units import MONEY_EXPONENT, div_away_from_zero
from interlock.model.venue import VenueFill

EXIT_DUE = "EXIT_DUE"
TIMER_FIRED = "TIMER_FIRED"
STRATEGIES_STARTED = "STRATEGIES_STARTED"
STRATEGIES_STOPPED = "STRATEGIES_STOPPED"
FUNDING = "funding"
# Profit realized on another part of the cost, because executions came in another order; and what an
# average of the venue's says beyond a price.
BASIS = "basis"

_Slots = Mapping[str, InstrumentSlot]


def event_of(row: AnyRow, slots: _Slots) -> Event | None:
    """The kernel's event that a row stands for, or None where it stands for none."""
    make = _MAKERS.get(type(row))
    return None if make is None else make(row, slots)


def _fill(row: FillRow, slots: _Slots) -> Event | None:
    fill = row.fill
    if fill.instrument not in slots:
        return None
    if not row.client_order_id:
        return external(row)
    fee, asset = fee_of(slots[fill.instrument].instrument, fill)
    return OrderFilled(
        row.ts_event,
        row.client_order_id,
        fill.trade_id,
        fill.price,
        fill.quantity,
        fee,
        asset,
        fill.is_maker,
        row.reference,
    )


def external(row: FillRow) -> ExternalTraded:
    """An execution that no order in memory explains, with its cause."""
    fill = row.fill
    signed = fill.quantity if fill.side > 0 else -fill.quantity
    return ExternalTraded(
        row.ts_event,
        fill.instrument,
        signed,
        fill.price,
        fill.fee,
        fill.fee_asset,
        row.strategy or EXTERNAL,
        cause_of(fill, row.strategy),
    )


def cause_of(fill: VenueFill, strategy: str) -> str:
    """Why an execution without an order happened, by the name that the venue gave its order."""
    forced = forced_cause(fill.client_order_id)
    return forced or ("own order no longer in memory" if strategy else "manual")


def forced_cause(client_order_id: str) -> str:
    """Why the venue made an order of this name to close a position, or an empty text."""
    if client_order_id.startswith("adl_autoclose"):
        return "adl"
    return "liquidation" * client_order_id.startswith(("autoclose-", "liquidation"))


def fee_of(instrument: Instrument, fill: VenueFill) -> tuple[int, str]:
    """The fee as the kernel books it: money, or base quantity when it came out of the base."""
    if fill.fee_asset != instrument.base or not fill.fee:
        return fill.fee, fill.fee_asset
    shift = MONEY_EXPONENT - instrument.quantity_exponent
    if shift <= 0:
        return fill.fee * 10**-shift, fill.fee_asset
    return div_away_from_zero(fill.fee, 10**shift), fill.fee_asset


def _payment(row: PaymentRow, slots: _Slots) -> Event:
    payment = row.payment
    if payment.kind.lower().startswith(FUNDING) and payment.instrument in slots:
        return FundingPaid(row.ts_event, payment.instrument, 0, 0, payment.amount)
    moved = payment.instrument if payment.kind == BASIS and payment.instrument in slots else ""
    return CashMoved(row.ts_event, payment.asset, payment.amount, payment.kind, moved)


def _adjustment(row: AdjustmentRow, slots: _Slots) -> Event | None:
    if row.instrument not in slots:
        return None
    return ExternalTraded(
        row.ts_event, row.instrument, row.quantity, row.price, 0, "", row.bucket, row.cause
    )


def _transition(row: TransitionRow, slots: _Slots) -> Report | None:
    ts, name, reason = row.ts_event, row.client_order_id, row.reason
    match row.change:
        case Change.ACCEPT:
            return OrderAccepted(ts, name)
        case Change.TRIGGER:
            return OrderTriggered(ts, name)
        case Change.UPDATE:
            return OrderUpdated(ts, name, row.quantity, row.price, row.trigger)
    kind = _WITH_REASON.get(row.change)
    return None if kind is None else kind(ts, name, reason)


def _event(row: EventRow, slots: _Slots) -> Event | None:
    fields = row.fields
    match row.name:
        case "STRATEGIES_STARTED":
            return Started(row.ts_event)
        case "STRATEGIES_STOPPED":
            return Stopped(row.ts_event)
        case "TIMER_FIRED":
            return TimerFired(row.ts_event, row.subject, fields["name"])
        case "EXIT_DUE":
            return ExitDue(
                row.ts_event,
                row.subject,
                fields["instrument"],
                int(fields["quantity"]),
                int(fields["price"]),
                int(fields["trigger"]),
                fields["tag"],
            )
    return None


def exit_row(event: ExitDue) -> EventRow:
    """The row of a due exit."""
    return EventRow(
        ts_event=event.ts_event,
        name=EXIT_DUE,
        subject=event.strategy,
        fields={
            "instrument": event.instrument,
            "quantity": str(event.quantity),
            "price": str(event.price),
            "trigger": str(event.trigger),
            "tag": event.tag,
        },
    )


def adopt_intent(state: State, row: IntentRow, ref: int) -> bool:
    """Put an order into the state that the ledger has and the replay did not bring forth.

    Market inputs of the last moment before a crash may be lost; what was decided on them is not.
    Where the replay decided otherwise, under rules that have changed since, the ledger is right.
    """
    replayed = state.open.get(row.client_order_id)
    if replayed is not None:
        _as_sent(state.instruments[replayed.spec.instrument], replayed, row.spec)
    owner = state.strategies.get(row.strategy)
    slot = state.instruments.get(row.spec.instrument)
    known = row.client_order_id in state.open or row.client_order_id in state.closed
    if owner is None or slot is None or known:
        return False
    give_way(owner, ref)
    order = Order(row.client_order_id, owner, ref, row.spec)
    order.status = OrderStatus.SUBMITTED
    order.ts_submitted = row.ts_event
    owner.orders[ref] = order
    state.open[row.client_order_id] = order
    if not row.spec.reduce_only:
        order.is_counted = True
        _count(slot, row.spec.side, row.spec.quantity)
    owner.strategy._next_ref = max(owner.strategy._next_ref, ref + 1)
    return True


def give_way(owner: StrategySlot, ref: int) -> None:
    """What the replay decided under a number that the ledger has for another order waits no more.

    A target would be taken up when the order before it is over, and would leave under that number.
    """
    for instrument, want in list(owner.wants.items()):
        if want.ref == ref:
            del owner.wants[instrument]
    for waiting in owner.children.values():
        waiting[:] = [child for child in waiting if child.ref != ref]


def _as_sent(slot: InstrumentSlot, order: Order, sent: OrderSpec) -> None:
    """Bring a replayed order to what was written before it left."""
    # What shrinks its strategy's position may have left without the venue's own mark for it.
    same = msgspec.structs.replace(order.spec, reduce_only=sent.reduce_only)
    if same == sent or sent.instrument != order.spec.instrument:
        return
    # Another decision under its number: the replay had heard less than was heard then.
    if order.is_counted:
        _count(slot, order.spec.side, -order.spec.quantity)
    order.spec, order.is_counted = sent, not sent.reduce_only
    if order.is_counted:
        _count(slot, sent.side, sent.quantity)


def _count(slot: InstrumentSlot, side: int, quantity: int) -> None:
    if side > 0:
        slot.open_buy += quantity
    else:
        slot.open_sell += quantity
    slot.changed()


_WITH_REASON: dict[Change, Callable[[int, str, str], Report]] = {
    Change.REJECT: OrderRejected,
    Change.DOUBT: OrderDoubted,
    Change.CANCEL: OrderCanceled,
    Change.EXPIRE: OrderExpired,
    Change.UPDATE_REJECT: UpdateRejected,
    Change.CANCEL_REJECT: CancelRejected,
}
_MAKERS: dict[type, Callable[[Any, _Slots], Event | None]] = {
    FillRow: _fill,
    PaymentRow: _payment,
    AdjustmentRow: _adjustment,
    TransitionRow: _transition,
    EventRow: _event,
}
