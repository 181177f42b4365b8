"""The desk that the parts of the live core share: state, books, time and what one input asks for.

Rules of this file. A row is written in the same breath as the change it tells of, and the books
change by rows only. The kernel is stepped by ``step`` alone: its input is written first, what it
asks for is kept in order until the handler is through.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from interlock.kernel.engine import step
from interlock.kernel.restore import event_of
from interlock.kernel.state import Order, State
from interlock.model.effects import Effect, SetTimer
from interlock.model.events import (
    CancelRejected,
    OrderCanceled,
    OrderDoubted,
    OrderExpired,
    OrderRejected,
    OrderUpdated,
    Report,
    UpdateRejected,
)
from interlock.model.facts import DenialCode
from interlock.model.order import TRANSITIONS, OrderStatus
from interlock.model.rows import (
    AdjustmentRow,
    AnyRow,
    EventRow,
    FactRow,
    FillRow,
    PaymentRow,
    StateRow,
    TransitionRow,
    encode_row,
)
from interlock.runtime.books import Books
from interlock.runtime.closing import HELD_BACK, fold, order_of
from interlock.runtime.ids import prefix, seal, strategy_number
from interlock.runtime.settings import Settings
from interlock.runtime.tracks import Track
from interlock.runtime.values import Notice, Outputs
from interlock.strategy.api import StrategyError

_WITH_REASON = (
    OrderRejected,
    OrderDoubted,
    OrderCanceled,
    OrderExpired,
    UpdateRejected,
    CancelRejected,
)


class Desk:
    """State, books, settings and the outputs of the present input."""

    def __init__(self, state: State, books: Books, settings: Settings) -> None:
        self.state = state
        self.books = books
        self.settings = settings
        self.out = Outputs()
        self.effects: deque[Effect] = deque()
        self.ts = 0
        # When this life of the engine began.
        self.ts_begun = 0
        self.ledger_seq = 0
        # Called with every report that the kernel took, and with every order that is over.
        self.heard: list[Callable[[str], None]] = []
        self.faults: dict[str, str] = {}
        # Instruments of which position or cash may have changed, and whether a timer was set.
        self.touched: dict[str, None] = {}
        self.is_timer_new = False

    # What an input leaves behind.
    def write(self, row: AnyRow) -> None:
        """Remember a row: in the books now, in the ledger before anything leaves."""
        if isinstance(row, StateRow):
            self.count_refused()
        fold(self.state, self.books, row, self.settings)
        self.out.rows.append(encode_row(row))
        self.ledger_seq += 1

    def tell(self, name: str, subject: str = "", text: str = "", **more: Any) -> None:
        """A notice for logs and screens; ``level`` and plain fields by name."""
        level = str(more.pop("level", "INFO"))
        self.out.facts.append(
            Notice(
                ts_event=self.ts, name=name, level=level, subject=subject, text=text, fields=more
            )
        )

    def count_refused(self) -> None:
        """Write how often a switch refused new risk since it was last written."""
        shut = ", ".join(
            sorted(f"{scope or 'engine'} {text}" for scope, text in self.state.shut.items())
        )
        for key, count in list(self.state.refused.items()):
            if count:
                self.record(HELD_BACK, key, shut, code=DenialCode.SHUT, count=count)

    def record(self, name: str, subject: str = "", text: str = "", **more: Any) -> None:
        """A notice that the ledger keeps too."""
        self.tell(name, subject, text, **more)
        level = str(more.pop("level", "INFO"))
        fields = {key: str(value) for key, value in more.items()}
        self.write(
            EventRow(
                ts_event=self.ts, name=name, level=level, subject=subject, text=text, fields=fields
            )
        )

    def proof_ts(self, deadline: int) -> int:
        """After which time a query shows whatever the venue accepted before an attempt's deadline.

        A deadline of another life is by another clock, which may have been set since: what was
        sent before this life began can come for as long as an attempt lasts.
        """
        settings = self.settings
        return max(deadline, self.ts_begun + settings.attempt_ns) + settings.proof_ns

    # The kernel.
    def report(self, event: Report, *, evidence: str, venue_order_id: str = "") -> bool:
        """Give the kernel a report that its order has a transition for; False when it has none."""
        order = self.state.open.get(event.client_order_id)
        if order is None or event.change not in TRANSITIONS[order.status]:
            return False
        before = order.status
        effects = self._take(event)
        self.write(_transition(order, before, event, (evidence, venue_order_id)))
        self._after(effects)
        for heard in self.heard:
            heard(event.client_order_id)
        return True

    def apply(self, row: AnyRow) -> None:
        """Write a row that is no report and give the kernel what it stands for."""
        self.write(row)
        event = event_of(row, self.state.instruments)
        if event is not None:
            self.step(event)
        if isinstance(row, FillRow):
            self.touched[row.fill.instrument] = None
        elif isinstance(row, AdjustmentRow):
            self.touched[row.instrument] = None
        elif isinstance(row, PaymentRow):
            self.touched[row.payment.instrument] = None

    def step(self, event: Any) -> None:
        """Give the kernel an event that the ledger does not keep: the market."""
        self._after(self._take(event))

    def _take(self, event: Any) -> list[Effect]:
        return take_event(self.state, event, self.faults)

    def _after(self, effects: list[Effect]) -> None:
        for effect in effects:
            if type(effect) is SetTimer:
                self.set_timer(effect)
            else:
                self.effects.append(effect)
        if self.state.facts:
            for fact in self.state.facts:
                self.out.facts.append(fact)
                self.write(FactRow(ts_event=self.ts, fact=fact))
            self.state.facts.clear()
        if self.faults:
            self._isolate()

    def set_timer(self, effect: SetTimer) -> None:
        """Remember when a strategy wants to be woken."""
        self.books.timers.setdefault(effect.strategy, {})[effect.name] = effect.ts_due
        self.is_timer_new = True

    def _isolate(self) -> None:
        """A strategy that failed takes no more risk; its stops stay where they are."""
        for name, text in self.faults.items():
            if name not in self.books.switches:
                self.tell("STRATEGY_FAILED", name, text, level="CRITICAL")
                self.write(StateRow(ts_event=self.ts, state="paused", scope=name, reason=text))
        self.faults.clear()

    # Reading.
    def order(self, client_order_id: str) -> Order | None:
        """An order of ours, open or over; a copy when it is packed."""
        return order_of(self.state, self.books, client_order_id)

    def track(self, client_order_id: str) -> Track | None:
        """The attempts of an order."""
        return self.books.track(client_order_id)

    def open_tracks(self) -> list[Track]:
        """The attempts of every open order, oldest first."""
        tracks = self.books.tracks
        return [tracks[name] for name in self.state.open if name in tracks]


def take_event(state: State, event: Any, faults: dict[str, str]) -> list[Effect]:
    """Step the kernel; what a strategy raises is kept as its fault, the event stands."""
    try:
        return list(step(state, event))
    except Exception as error:  # noqa: BLE001 - a strategy may raise anything; it is isolated
        name = _author(state, error)
        if name is None:
            raise
        faults[name] = f"{type(error).__name__}: {error}"[:200]
        state.strategies[name].outbox.clear()
        effects, state.effects = state.effects, []
        return effects


def _author(state: State, error: Exception) -> str | None:
    """The strategy whose callback raised, by the frames of the error; None when it was ours."""
    trace = error.__traceback__
    found = None
    while trace is not None:
        local = trace.tb_frame.f_locals
        for name, slot in state.strategies.items():
            wrong = isinstance(error, StrategyError) and local.get("owner") is slot
            if local.get("self") is slot.strategy or wrong:
                found = name
        trace = trace.tb_next
    return found


def enter_epoch(state: State, tag: str, epoch: int) -> None:
    """Have every strategy draw its ids under a lease's epoch, orders that wait unsent included."""
    for owner in state.strategies.values():
        owner.prefix = prefix(tag, epoch, strategy_number(owner.name))
        owner.seal = seal
        waiting = [child for children in owner.children.values() for child in children]
        for order in (*owner.orders.values(), *waiting):
            if order.status is OrderStatus.INITIALIZED:
                order.client_order_id = owner.client_order_id(order.ref)


def _transition(
    order: Order, before: OrderStatus, event: Report, source: tuple[str, str]
) -> TransitionRow:
    spec = order.spec
    updated = event if isinstance(event, OrderUpdated) else spec
    return TransitionRow(
        ts_event=event.ts_event,
        client_order_id=event.client_order_id,
        change=event.change,
        before=before,
        after=order.status,
        quantity=updated.quantity,
        filled=order.filled,
        price=updated.price,
        trigger=updated.trigger,
        venue_order_id=source[1],
        reason=event.reason if isinstance(event, _WITH_REASON) else "",
        evidence=source[0],
    )
