"""One simulated run: data moves, the exchange answers, the kernel decides, in one order of time.

The loop below is all there is: a moment of the data reaches the exchange first, because what is
resting trades before anyone hears of it; then its reports reach the kernel; then the data itself.
With latencies, messages wait in one heap and are released before the first moment after them.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from interlock.kernel.engine import step
from interlock.kernel.journal import Journal
from interlock.kernel.state import Order, State
from interlock.model.effects import AmendOrder, CancelOrder, Effect, SetTimer, SubmitOrder
from interlock.model.events import (
    BarsClosed,
    BorrowPaid,
    Event,
    FundingPaid,
    OrderFilled,
    PositionLiquidated,
    Started,
    Stopped,
    TimerFired,
)
from interlock.model.market import Bar
from interlock.sim.exchange import Exchange
from interlock.sim.record import Recorder, holders

Progress = Callable[[int, int], None]

_PAYMENTS = (FundingPaid, BorrowPaid, PositionLiquidated)


class Session:
    """A kernel and an exchange on one clock."""

    def __init__(self, state: State, exchange: Exchange, *, journal: Journal, recorder: Recorder):
        self.state = state
        self.exchange = exchange
        self.journal = journal
        self.recorder = recorder
        self.reports = exchange.reports
        latency = exchange.options.latency
        self._order_ns = latency.order_ns
        self._ack_ns = latency.ack_ns
        self.feed_ns = latency.feed_ns
        self.started: Callable[[], None] = lambda: None
        # (due, sequence, what, payload): messages under way and timers.
        self.waiting: list[tuple[int, int, Callable[[int, Any], None], Any]] = []
        self._sequence = 0

    # From the kernel to the world.
    def tell(self, event: Event) -> None:
        """Give the kernel an event and carry out what it asks for."""
        state = self.state
        effects = step(state, event)
        if state.facts:
            self.take_facts()
        if effects:
            self.perform(effects)

    def answer(self, effects: Sequence[Effect]) -> None:
        """What follows from a market event: facts are kept, effects carried out and answered."""
        if self.state.facts:
            self.take_facts()
        if effects:
            self.perform(effects)
            self.pump()

    def perform(self, effects: Sequence[Effect]) -> None:
        """Carry out effects, in order."""
        log = self.journal.rows
        for effect in effects:
            log.append(effect)
            kind = type(effect)
            if kind is SetTimer:
                self._wait(effect.ts_due, self._fire, effect)  # type: ignore[union-attr]
            elif self._order_ns:
                self._wait(effect.ts_event + self._order_ns, self._arrive, effect)
            else:
                self._arrive(effect.ts_event, effect)

    def _arrive(self, ts: int, effect: Any) -> None:
        kind = type(effect)
        if kind is SubmitOrder:
            self.exchange.submit(ts, effect)
        elif kind is CancelOrder:
            self.exchange.cancel(ts, effect)
        elif kind is AmendOrder:
            self.exchange.amend(ts, effect)

    def _fire(self, ts: int, effect: SetTimer) -> None:
        event = TimerFired(ts, effect.strategy, effect.name)
        self.journal.append(event)
        self.tell(event)

    # From the exchange to the kernel.
    def pump(self) -> None:
        """Deliver every report the exchange has made, and what follows from them."""
        reports = self.reports
        while reports:
            report = reports.popleft()
            if self._ack_ns:
                self._wait(report.ts_event + self._ack_ns, self._deliver_late, report)
            else:
                self._deliver(report)

    def _deliver_late(self, ts: int, report: Any) -> None:
        self._deliver(msgspec.structs.replace(report, ts_event=ts))

    def _deliver(self, report: Any) -> None:
        self.journal.rows.append(report)
        kind = type(report)
        if kind in _PAYMENTS:
            self._deliver_payment(report)
            return
        state = self.state
        order = state.open.get(report.client_order_id)
        if kind is OrderFilled:
            self._deliver_fill(order or state.closed.get(report.client_order_id), report)
        else:
            self.tell(report)
        if order is not None and report.client_order_id not in state.open:
            self.recorder.orders.append(order)

    def _deliver_payment(self, report: Any) -> None:
        recorder, kind = self.recorder, type(report)
        before = holders(self.state, report.instrument) if kind is PositionLiquidated else []
        self.tell(report)
        recorder.count(kind.__name__)
        if kind is BorrowPaid:
            recorder.borrow -= report.amount
        ts_row = self.exchange.ts_row(report.instrument, report.ts_event)
        if before:
            recorder.liquidation(self.state, report, before, ts_row=ts_row)
        recorder.change(self.state, ts_row, report.instrument)

    def _deliver_fill(self, order: Order | None, report: OrderFilled) -> None:
        if order is None:
            self.tell(report)
            return
        state = self.state
        net = state.instruments[order.spec.instrument].net
        before = net.realized
        # Recorded between booking and reaction: the effects of the strategy come later.
        effects = step(state, report)
        ts_row = self.exchange.ts_row(order.spec.instrument, report.ts_event)
        self.recorder.fill(state, order, report, ts_row=ts_row, realized=net.realized - before)
        self.recorder.change(state, ts_row, order.spec.instrument)
        if state.facts:
            self.take_facts()
        if effects:
            self.perform(effects)

    def take_facts(self) -> None:
        found = self.state.facts
        self.state.facts = []
        for fact in found:
            self.journal.append(fact)
        self.recorder.facts(found)

    # Time.
    def _wait(self, due: int, act: Callable[[int, Any], None], payload: Any) -> None:
        self._sequence += 1
        heapq.heappush(self.waiting, (due, self._sequence, act, payload))

    def release(self, ts: int) -> None:
        """Everything that is due at or before ``ts`` happens, in order of time."""
        waiting = self.waiting
        while waiting and waiting[0][0] <= ts:
            due, _, act, payload = heapq.heappop(waiting)
            act(due, payload)
            if self.reports:
                self.pump()

    def hear(self, event: Any) -> None:
        """Market data reaches the kernel, after the feed latency."""
        if self.feed_ns:
            arrival = event.ts_event + self.feed_ns
            self._wait(arrival, self._hear_late, event.arriving(arrival))
            return
        self.tell(event)
        if self.reports:
            self.pump()

    def _hear_late(self, ts: int, event: Any) -> None:
        self.tell(event)

    def start(self, ts: int) -> None:
        """The run begins."""
        event = Started(ts)
        self.journal.append(event)
        self.tell(event)
        self.started()
        self.pump()

    def stop(self, ts: int) -> None:
        """The run ends: late messages arrive, then strategies hear of the end."""
        self.release(ts)
        event = Stopped(ts)
        self.journal.append(event)
        self.tell(event)
        self.pump()
        for order in list(self.state.open.values()):
            self.recorder.orders.append(order)


def bars_closed(bars: list[Bar]) -> BarsClosed:
    """Bars of one close time as one event."""
    return BarsClosed(bars[0].ts_event, tuple(bars))
