"""The kernel's one entry: ``step(state, event) -> effects``.

The rules of this file. ``step`` changes the state it is given and touches nothing else: no clock
but the event's, no input or output, no randomness. It is a match and a call; what an event means is
written in ``orders`` and ``positions``. A strategy is called from here and from nowhere else, after
the state has taken the event in; what it wants comes back as intents and passes one gate.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from interlock.kernel import orders, payments
from interlock.kernel.state import InstrumentSlot, Order, State, StrategySlot, money
from interlock.kernel.view import KernelView
from interlock.model.effects import Effect, SetTimer
from interlock.model.events import (
    BarsClosed,
    BorrowPaid,
    CorporateAction,
    Event,
    FundingPaid,
    MarkChanged,
    OrderFilled,
    PositionLiquidated,
    Report,
    Started,
    Stopped,
    TimerFired,
)
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.strategy.intents import Amend, Cancel, CancelAll, Intent, Place, Target, Timer
from interlock.strategy.view import Fill

NOTHING: Sequence[Effect] = ()


def step(state: State, event: Event) -> Sequence[Effect]:
    """Take one event in; returns what the world is asked to do, in order."""
    state.seq += 1
    state.ts_event = event.ts_event
    match event:
        case Bar():
            state.instruments[event.instrument.id].last = event
            for owner in state.strategies.values():
                _call_on_bar(state, owner, event)
        case Quote():
            state.instruments[event.instrument.id].last = event
            for owner in state.strategies.values():
                strategy = owner.strategy
                _take(state, owner, strategy.on_quote(event))
        case Trade():
            slot = state.instruments[event.instrument.id]
            if type(slot.last) is not Quote:
                slot.last = event
            for owner in state.strategies.values():
                _take(state, owner, owner.strategy.on_trade(event))
        case Book():
            state.instruments[event.instrument.id].last = event
            for owner in state.strategies.values():
                _take(state, owner, owner.strategy.on_book(event))
        case BarsClosed():
            _bars_closed(state, event)
        case Report():
            _report(state, event)
        case _:
            _other(state, event)
    effects = state.effects
    if not effects:
        return NOTHING
    state.effects = []
    return effects


def _other(state: State, event: Event) -> None:
    match event:
        case FundingPaid():
            payments.pay_funding(state, event)
        case BorrowPaid():
            payments.pay_borrow(state, event)
        case MarkChanged():
            state.instruments[event.instrument].mark_units = event.price
        case PositionLiquidated():
            payments.liquidate(state, event)
        case CorporateAction():
            payments.corporate_action(state, event)
        case TimerFired():
            owner = state.strategies[event.strategy]
            _take(state, owner, owner.strategy.on_timer(event.name))
        case Started():
            for owner in state.strategies.values():
                owner.strategy.view = KernelView(state, owner)
                _take(state, owner, owner.strategy.on_start())
        case Stopped():
            for owner in state.strategies.values():
                _take(state, owner, owner.strategy.on_stop())
        case _:
            raise TypeError(f"the kernel has no meaning for {type(event).__name__}")


def _bars_closed(state: State, event: BarsClosed) -> None:
    # All bars of one close time are in before any strategy decides on one of them.
    for bar in event.bars:
        slot = state.instruments[bar.instrument.id]
        if slot.last is None or slot.last is bar or slot.last.step_ns >= bar.step_ns:
            slot.last = bar
    for owner in state.strategies.values():
        for bar in event.bars:
            _call_on_bar(state, owner, bar)


def _call_on_bar(state: State, owner: StrategySlot, bar: Bar) -> None:
    strategy = owner.strategy
    for followed in strategy._followed:
        if followed._column is None and followed.instrument == bar.instrument.id:
            if not followed.step_ns or followed.step_ns == bar.step_ns:
                followed.update(bar)
    if owner.warming:
        owner.warming -= 1
        return
    wanted = strategy.on_bar(bar)
    if wanted is not None or strategy._outbox:
        _take(state, owner, wanted)


def _report(state: State, event: Report) -> None:
    order = orders.report(state, event)
    if order is None:
        return
    owner = order.owner
    if type(event) is OrderFilled:
        _fill(state, owner, order, event)
    strategy = owner.strategy
    wanted = strategy.on_order(order.ref, event)
    if owner.wants and not order.is_open:
        orders.aim_again(state, order)
    if wanted is not None or strategy._outbox:
        _take(state, owner, wanted)


def _fill(state: State, owner: StrategySlot, order: Order, event: OrderFilled) -> None:
    slot = state.instruments[order.spec.instrument]
    payments.apply_fill(state, owner, slot, order, event)
    orders.count_fill(state, order, event)
    orders.after_fill(state, order)
    strategy = owner.strategy
    _take(state, owner, strategy.on_fill(_fill_view(slot, order, event)))


def _fill_view(slot: InstrumentSlot, order: Order, event: OrderFilled) -> Fill:
    instrument = slot.instrument
    return Fill(
        event.ts_event,
        order.ref,
        instrument.id,
        order.spec.side,
        event.quantity / 10**instrument.quantity_exponent,
        event.price / 10**instrument.price_exponent,
        money(event.fee),
        event.is_maker,
        order.spec.tag,
        event.quantity,
        event.price,
    )


def _take(state: State, owner: StrategySlot, wanted: Any) -> None:
    """Carry out what a callback returned and what it placed, in the order it was asked for."""
    strategy = owner.strategy
    placed = strategy._outbox
    if placed:
        strategy._outbox = []
        for intent in placed:
            _intend(state, owner, intent)
    if wanted is not None:
        for intent in wanted if isinstance(wanted, Iterable) else (wanted,):
            _intend(state, owner, intent)


def _intend(state: State, owner: StrategySlot, intent: Intent) -> None:
    match intent:
        case Place():
            orders.place(state, owner, intent.ref, intent.spec)
        case Cancel():
            orders.cancel(state, owner, intent.ref)
        case Target():
            orders.aim(state, owner, intent)
        case Amend():
            orders.amend(state, owner, intent)
        case CancelAll():
            orders.cancel_all(state, owner, intent.instrument)
        case Timer():
            state.effects.append(SetTimer(state.ts_event, owner.name, intent.name, intent.ts_due))
        case _:
            raise TypeError(
                f"{owner.name} returned {intent!r}; a callback returns intents or nothing"
            )
