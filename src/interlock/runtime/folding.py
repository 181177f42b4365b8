"""Rows of the ledger taken in again, one by one: what recovery does, and whoever replays a record.

The kernel hears what the rows tell, the books fold them, and an intent that the kernel did not
bring forth is adopted. Who wants more than the state (what was wanted on the way, another id for
an order) overrides ``step`` and ``adopt``.
"""

from __future__ import annotations

from typing import Any

from interlock.kernel.restore import adopt_intent, event_of, give_way
from interlock.kernel.state import State
from interlock.model.effects import SetTimer
from interlock.model.events import Report
from interlock.model.instrument import Instrument
from interlock.model.order import TRANSITIONS
from interlock.model.rows import (
    AnyRow,
    FactRow,
    InstrumentRow,
    IntentRow,
    LeaseEvent,
    LeaseRow,
    PolicyRow,
    TransitionRow,
)
from interlock.runtime.books import Books
from interlock.runtime.closing import fold
from interlock.runtime.desk import enter_epoch, take_event
from interlock.runtime.ids import parse, strategy_number
from interlock.runtime.settings import Settings


class Folding:
    """State and books that rows and market events are taken into."""

    def __init__(self, state: State, books: Books, settings: Settings) -> None:
        self.state = state
        self.books = books
        self._settings = settings
        for instrument in books.rules.values():
            self.hold(instrument)
        if books.policy is not None:
            self.obey(books.policy)

    def fold(self, row: AnyRow) -> None:
        """Take one row in."""
        state, books = self.state, self.books
        if isinstance(row, TransitionRow | FactRow):
            self.count_on(row.key)
        if isinstance(row, TransitionRow):
            # The kernel took the report first, and the row tells of it.
            self._report(row)
            fold(state, books, row, self._settings)
            return
        fold(state, books, row, self._settings)
        if isinstance(row, IntentRow):
            self.adopt(row)
        elif isinstance(row, InstrumentRow):
            self.hold(row.instrument)
        elif isinstance(row, PolicyRow):
            self.obey(row)
        elif not isinstance(row, LeaseRow):
            self._report(row)
        elif row.event is LeaseEvent.ACQUIRED:
            enter_epoch(state, self._settings.tag, row.epoch)

    def step(self, event: Any) -> None:
        """Give the kernel an event; what it asks for has been told by rows, but for timers."""
        for effect in take_event(self.state, event, {}):
            if isinstance(effect, SetTimer):
                self.set_timer(effect)
        self.state.facts.clear()

    def set_timer(self, effect: SetTimer) -> None:
        """Remember when a strategy wants to be woken."""
        self.books.timers.setdefault(effect.strategy, {})[effect.name] = effect.ts_due

    def adopt(self, row: IntentRow) -> bool:
        """Bind an intent to its order; True when the kernel did not have one."""
        part = parse(row.client_order_id)
        return part is not None and adopt_intent(self.state, row, part.ref)

    def count_on(self, client_order_id: str) -> None:
        """Give no number out again whose decision is lost with the tape, and its end not."""
        state, part = self.state, parse(client_order_id)
        if part is None or client_order_id in state.open or client_order_id in state.closed:
            return
        for name, owner in state.strategies.items():
            if strategy_number(name) == part.strategy and client_order_id.startswith(owner.prefix):
                owner.strategy._next_ref = max(owner.strategy._next_ref, part.ref + 1)
                give_way(owner, part.ref)

    def hold(self, instrument: Instrument) -> None:
        """Let the rules of an instrument hold from here on: decisions are judged by their own."""
        slot = self.state.instruments.get(instrument.id)
        if slot is not None:
            slot.instrument = instrument
            slot.changed()

    def obey(self, row: PolicyRow) -> None:
        """Let limits and shares of the cash hold from here on, as a start wrote them."""
        if row.limits is not None:
            self.state.obey(row.limits, row.capital)

    def _report(self, row: AnyRow) -> None:
        event = event_of(row, self.state.instruments)
        if event is not None and (not isinstance(event, Report) or self._is_taken(event)):
            self.step(event)

    def _is_taken(self, event: Report) -> bool:
        """Whether the kernel takes a report; executions count on orders that are over too."""
        order = self.state.open.get(event.client_order_id)
        if order is None:
            return event.client_order_id in self.state.closed
        return event.change in TRANSITIONS[order.status]
