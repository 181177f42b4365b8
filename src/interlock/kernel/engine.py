"""The kernel's one entry: ``step(state, event) -> effects``.

The rules of this file. ``step`` changes the state it is given and touches nothing else: no clock
but the event's, no input or output, no randomness. It is a match and a call; what an event means is
written in ``orders`` and ``positions``. A strategy is called from here and from nowhere else, after
the state has taken the event in; what it wants comes back as intents and passes one gate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from interlock.kernel import exits, external, orders, payments
from interlock.kernel.state import InstrumentSlot, Order, State, StrategySlot, money
from interlock.kernel.view import KernelView
from interlock.model.effects import Effect, SetTimer
from interlock.model.events import (
    BarsClosed,
    BorrowPaid,
    CashMoved,
    CorporateAction,
    Event,
    ExitDue,
    ExternalTraded,
    FundingPaid,
    MarkChanged,
    OrderFilled,
    PastBars,
    PositionLiquidated,
    Report,
    Started,
    Stopped,
    TimerFired,
)
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.strategy.api import StrategyError
from interlock.strategy.intents import Amend, Cancel, CancelAll, Intent, Place, Target, Timer
from interlock.strategy.view import Fill

NOTHING: Sequence[Effect] = ()


def step(state: State, event: Event) -> Sequence[Effect]:
    """Take one event in; returns what the world is asked to do, in order."""
    state.seq += 1
    state.ts_event = event.ts_event
    if type(event) is Bar:
        state.instruments[event.instrument.id].last = event
        for owner in state.strategies.values():
            if owner.prepares:
                _on_bar(state, owner, event)
            else:
                wanted = owner.on_bar(event)
                if wanted is not None or owner.outbox:
                    _take(state, owner, wanted)
    elif type(event) is Quote:
        state.instruments[event.instrument.id].last = event
        for owner in state.strategies.values():
            wanted = owner.on_quote(event)
            if wanted is not None or owner.outbox:
                _take(state, owner, wanted)
    else:
        _STEPS[type(event)](state, event)
    effects = state.effects
    if not effects:
        return NOTHING
    state.effects = []
    return effects


def step_bars(state: State, bar: Bar, low: int, high: int) -> tuple[int, Sequence[Effect]]:
    """``step`` on the rows from ``low`` of one cursor, until something is asked for or decided.

    Returns the row it stopped at with its effects, or ``high``. Nothing but the market may happen
    in between: the caller knows that no order works and no message is under way.
    """
    owners = list(state.strategies.values())
    if len(owners) > 1 or owners[0].prepares:
        for row in range(low, high):
            bar._row = row
            effects = step(state, bar)
            if effects or state.facts:
                return row, effects
        return high, NOTHING
    owner = owners[0]
    on_bar, outbox = owner.on_bar, owner.outbox
    opened, length = bar._ts, bar._ready_ns
    state.instruments[bar.instrument.id].last = bar
    for row in range(low, high):
        bar._row = row
        state.ts_event = opened[row] + length
        wanted = on_bar(bar)
        if wanted is not None or outbox:
            state.seq += row - low + 1
            _take(state, owner, wanted)
            effects = state.effects
            if effects or state.facts:
                state.effects = []
                return row, effects
            low = row + 1
    state.seq += high - low
    return high, NOTHING


def _prepare(owner: StrategySlot, bar: Bar) -> bool:
    """Bring indicators up to the bar; whether the strategy may decide on it yet."""
    live = False
    for followed in owner.strategy._followed:
        if followed.is_live:
            live = True
            if followed.takes(bar):
                followed.update(bar)
    if owner.warming:
        owner.warming -= 1
        return False
    owner.prepares = live
    return True


def _on_bar(state: State, owner: StrategySlot, bar: Bar) -> None:
    if owner.prepares and not _prepare(owner, bar):
        return
    wanted = owner.on_bar(bar)
    if wanted is not None or owner.outbox:
        _take(state, owner, wanted)


def _bars_closed(state: State, event: BarsClosed) -> None:
    # All bars of one close time are in before any strategy decides on one of them.
    for bar in event.bars:
        slot = state.instruments[bar.instrument.id]
        last = slot.last
        # Of bars the smallest time frame prices; what else was last is older than they are.
        if not isinstance(last, Bar) or last is bar or last.step_ns >= bar.step_ns:
            slot.last = bar
    for owner in state.strategies.values():
        for bar in event.bars:
            _on_bar(state, owner, bar)


def _past_bars(state: State, event: PastBars) -> None:
    """Let strategies look back; no price of the past is the present one, and nothing is placed."""
    instrument = state.instruments[event.instrument].instrument
    bars = []
    for row in event.rows:
        bar = Bar.of(instrument, *row)
        bar.step_ns = bar._ready_ns = event.step_ns
        bars.append(bar)
    for owner in state.strategies.values():
        owner.strategy.on_past(bars)
        if owner.outbox:
            owner.outbox.clear()
            raise StrategyError(
                f"{owner.name} placed an order on bars of the past; decide in on_bar, on_past only "
                "looks back"
            )


def _on_trade(state: State, event: Trade) -> None:
    slot = state.instruments[event.instrument.id]
    # Where a touch is known, its middle values a position, not the last trade.
    if not isinstance(slot.last, Quote | Book):
        slot.last = event
    for owner in state.strategies.values():
        _take(state, owner, owner.strategy.on_trade(event))


def _on_book(state: State, event: Book) -> None:
    state.instruments[event.instrument.id].last = event
    for owner in state.strategies.values():
        _take(state, owner, owner.strategy.on_book(event))


def _on_mark(state: State, event: MarkChanged) -> None:
    slot = state.instruments[event.instrument]
    slot.mark_units = event.price
    slot.changed()


def _on_timer(state: State, event: TimerFired) -> None:
    owner = state.strategies[event.strategy]
    _take(state, owner, owner.strategy.on_timer(event.name))


def _start(state: State, event: Started) -> None:
    for owner in state.strategies.values():
        owner.strategy.view = KernelView(state, owner)
        _take(state, owner, owner.strategy.on_start())


def _stop(state: State, event: Stopped) -> None:
    for owner in state.strategies.values():
        _take(state, owner, owner.strategy.on_stop())


def _report(state: State, event: Report) -> None:
    order = orders.report(state, event)
    if order is None:
        return
    owner = order.owner
    if type(event) is OrderFilled:
        _fill(state, owner, order, event)
    if owner.wants and not order.is_open:
        orders.aim_again(state, order)
    if owner.hears_orders:
        _take(state, owner, owner.strategy.on_order(order.ref, event))


def _fill(state: State, owner: StrategySlot, order: Order, event: OrderFilled) -> None:
    slot = state.instruments[order.spec.instrument]
    payments.apply_fill(state, slot, order, event)
    orders.count_fill(state, order, event)
    orders.after_fill(state, order)
    if owner.hears_fills:
        _take(state, owner, owner.strategy.on_fill(_fill_view(slot, order, event)))


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
    """Carry out what a callback placed and what it returned, in the order it was asked for."""
    placed = owner.outbox
    if placed:
        for intent in placed:
            _intend(state, owner, intent)
        placed.clear()
    if wanted is not None:
        for intent in wanted if _is_sequence(wanted) else (wanted,):
            _intend(state, owner, intent)


def _is_sequence(wanted: Any) -> bool:
    """Whether a callback returned several intents; text and mappings are single wrong values."""
    return isinstance(wanted, Iterable) and not isinstance(wanted, str | bytes | Mapping)


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
            raise StrategyError(
                f"{owner.name} returned {intent!r:.80}, a {type(intent).__name__}: a callback "
                "returns intents (Place, Cancel, CancelAll, Amend, Target, Timer), a sequence of "
                "them, or None; return one of these, or call self.market(...) and return nothing"
            )


# Reports share one meaning; every other event has its own. Looked up, not matched in turn: the
# table is read on every event, and a missing row fails with the event's name.
_STEPS: dict[type, Callable[[State, Any], None]] = {
    BarsClosed: _bars_closed,
    PastBars: _past_bars,
    Trade: _on_trade,
    Book: _on_book,
    MarkChanged: _on_mark,
    TimerFired: _on_timer,
    Started: _start,
    Stopped: _stop,
    FundingPaid: payments.pay_funding,
    BorrowPaid: payments.pay_borrow,
    PositionLiquidated: payments.liquidate,
    CorporateAction: payments.corporate_action,
    ExternalTraded: external.trade,
    CashMoved: external.move_cash,
    ExitDue: exits.leave,
    **{kind: _report for kind in Report.__subclasses__()},
}
