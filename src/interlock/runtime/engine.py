"""The live core: one input in; market for the tape, rows, requests and facts out.

How to drive it. ``take`` an input with the time; write ``tape``; append and commit ``rows``; only
then, for each request, ask ``admits`` and hand it to the venue, or hear the answer it gives. Call
``take`` with a ``Tick`` at ``wake_ts`` at the latest. Nothing here waits, reads a clock or sends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from interlock.kernel.external import EXTERNAL
from interlock.model.events import BarsClosed, MarkChanged, PastBars
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.rows import CheckpointRow
from interlock.model.venue import (
    Answer,
    DeadManRequest,
    Request,
    TimeQuery,
    Verdict,
)
from interlock.ports import Lease
from interlock.runtime.answers import Answers
from interlock.runtime.asks import NOT_ADMITTED, Asks, Pending
from interlock.runtime.breaker import Breaker
from interlock.runtime.budget import Budget
from interlock.runtime.closing import CLEAN_EVERY_NS
from interlock.runtime.dead_man import DeadMan
from interlock.runtime.desk import Desk
from interlock.runtime.dispatch import Dispatch
from interlock.runtime.evidence import Evidence
from interlock.runtime.fills import Fills
from interlock.runtime.gate import Fence, Gate
from interlock.runtime.guard import Guard
from interlock.runtime.heartbeat import Heartbeat
from interlock.runtime.listener import Listener
from interlock.runtime.orders_check import OrdersCheck
from interlock.runtime.reconcile import Reconciler
from interlock.runtime.recovery import Recovered, Setup, pack
from interlock.runtime.resolver import Resolver
from interlock.runtime.startup import Startup
from interlock.runtime.stops import Verbs
from interlock.runtime.values import Command, LeaseChanged, Outputs, Tick

# The shortest wait: whatever is overdue, time alone never turns the core faster than this.
TURN_NS = 1_000_000


class Engine:
    """Owns the parts and the order in which they see an input."""

    def __init__(self, setup: Setup, recovered: Recovered, lease: Lease) -> None:
        self.setup = setup
        self.desk = desk = Desk(recovered.state, recovered.books, setup.settings)
        desk.ledger_seq = recovered.seq
        desk.state.keep_totals()
        self.fence = Fence(desk, lease)
        self.asks = Asks(desk, Budget(setup.rate), Breaker(setup.breaker))
        self.asks.start(lease.epoch)
        self.gate = Gate(desk, self.asks, self.fence)
        self.evidence = Evidence(desk, self.gate)
        self.fills = Fills(self.asks, self.gate, self.evidence)
        self.dispatch = Dispatch(desk, self.asks, self.gate)
        self.resolver = Resolver(self.asks, self.dispatch, self.evidence, self.fills)
        self.answers = Answers(desk, self.dispatch, self.evidence, self.resolver)
        self.dispatch.answered = self.answers.heard
        self.fills.fetched.append(self.resolver.fetched)
        self.orders = OrdersCheck(self.fence, self.evidence, self.fills, self.resolver)
        self.reconciler = Reconciler(self.asks, self.gate, self.fills, self.orders)
        self.guard = Guard(desk, self.dispatch)
        self.verbs = Verbs(self.asks, self.dispatch, self.reconciler)
        self.dead_man = DeadMan(self.asks, self.fence)
        self.startup = Startup(desk, self.dispatch, self.resolver, self.reconciler)
        self.heartbeat = Heartbeat()
        # Who has something to do by time: while the lease is held, and once there is trading.
        self._timed = (
            self.asks,
            self.fills,
            self.resolver,
            self.reconciler,
            self.gate.freshness,
            self.gate.flow,
            self.startup,
        )
        self._timed_trading = (*self._timed, self.guard, self.verbs, self.dead_man)
        self.wake_ts = 0
        self._ts_clean = 0
        self._held: dict[str, Any] = {}
        self._takes: dict[type, Callable[[Any], None]] = {
            Tick: _nothing,
            MarkChanged: self._mark,
            PastBars: self._heard,
            Answer: self.asks.answered,
            Command: self.verbs.command,
            LeaseChanged: self._lease_changed,
            **Listener(self.orders, self.fills, self.reconciler, self.startup).takes,
        }

    def begin(self, ts: int) -> Outputs:
        """The first outputs: the lease, and the questions that recovery asks the venue."""
        self._enter(ts)
        self.startup.begin(self.fence)
        return self._leave(is_due=True)

    def take(self, event: Any, ts: int) -> Outputs:
        """Take one input in at a time; what has become due by then is done too."""
        self._enter(ts)
        if ts >= self.wake_ts:
            # What nobody answered is in doubt before anything is decided on it.
            self.asks.due()
        kind = type(event)
        if kind in _MARKET:
            self._market(event)
        else:
            self._takes[kind](event)
        return self._leave(is_due=kind is Tick or ts >= self.wake_ts)

    def admits(self, request: Request, ts: int) -> Answer | None:
        """The last check, after the rows are durable: None to send, else the answer to take.

        Nothing leaves late, under a lost lease or while the venue wants silence; no new risk with
        a switch that closed, or an order that fell into doubt, meanwhile.
        """
        # A switch has no deadline; under an old lease it would hold, or let go of, what the engine
        # that has the account now has armed.
        changes = request.ts_deadline or isinstance(request, DeadManRequest)
        refusal = self.fence.refusal(ts) if changes else None
        late = request.ts_deadline and ts + self.setup.settings.attempt_least_ns > (
            request.ts_deadline
        )
        text = refusal.text if refusal is not None else "its deadline is near" if late else ""
        if self.fence.is_lost:
            text = text or "the lease is lost"
        if ts < self.asks.budget.ts_silent:
            text = text or "the venue asked to be left alone meanwhile"
        text = text or self.gate.too_late(request)
        if not text:
            return None
        return Answer(
            request_id=request.request_id,
            ts_event=ts,
            verdict=Verdict.NOT_SENT,
            code=NOT_ADMITTED,
            reason=text,
        )

    def snapshot(self, ts: int) -> tuple[int, bytes, Outputs]:
        """(sequence, bytes, outputs): save the bytes under the sequence once its row is durable."""
        self._enter(ts)
        seq = self.desk.ledger_seq + 1
        data = pack(self.desk.state, self.desk.books, seq)
        digest = hashlib.sha256(data).hexdigest()
        row = CheckpointRow(ts_event=self.desk.ts, covers=seq, digest=digest, size=len(data))
        self.desk.write(row)
        return seq, data, self._leave(is_due=False)

    def _enter(self, ts: int) -> None:
        self.desk.ts = max(self.desk.ts, ts)
        self.desk.out = Outputs()

    def _leave(self, *, is_due: bool) -> Outputs:
        desk = self.desk
        rows = desk.out.rows
        if rows:
            # Taken off a position before its stop leaves.
            self._dead_man()
        if desk.effects:
            self.dispatch.drain()
        if is_due or (rows and any(row.kind not in _DECIDED for row in rows)):
            self._due()
            self.reconciler.moved()
            self.wake_ts = self._next()
        elif rows or desk.is_timer_new:
            # What was only decided makes nothing due at once: time alone brings what follows.
            self._dead_man()
            self.wake_ts = self._sooner()
        desk.is_timer_new = False
        desk.out.wake_ts = self.wake_ts
        return desk.out

    def _dead_man(self) -> None:
        if self.startup.is_trading and not self.fence.is_lost:
            self.dead_man.due()

    # The market.
    def _market(self, event: Any) -> None:
        desk = self.desk
        bars = event.bars if type(event) is BarsClosed else (event,)
        for item in bars:
            name = item.instrument.id
            self.gate.freshness.heard(name, desk.ts)
            desk.state.instruments[name].changed()
        if not self.startup.is_trading:
            # Strategies hear nothing before the books are confirmed; marks are needed meanwhile.
            for item in bars:
                kept = self._held[item.instrument.id] = item.copy()
                desk.state.instruments[item.instrument.id].last = kept
            return
        desk.out.tape.append((desk.ledger_seq, event))
        self.heartbeat.decided(desk.ts, event.ts_event)
        desk.step(event)
        if desk.state.totals is not None:
            # The totals follow a quote at once, while it is at hand: a decision finds them right.
            desk.state.totals.settle()

    def _mark(self, event: MarkChanged) -> None:
        self.gate.freshness.marked(event.instrument)
        self._heard(event)

    def _heard(self, event: MarkChanged | PastBars) -> None:
        """What the kernel may know before strategies decide, too."""
        self.desk.out.tape.append((self.desk.ledger_seq, event))
        self.desk.step(event)

    def _lease_changed(self, event: LeaseChanged) -> None:
        self.fence.changed(event.lease)

    # What time brings.
    def _due(self) -> None:
        self.asks.due()
        if self.asks.breaker.probe_due(self.desk.ts) and not self.asks.ask(TimeQuery, _ignore):
            self.asks.breaker.postpone(self.asks.ready(TimeQuery))
        if not self.fence.is_lost:
            self.fills.due()
            self.resolver.due()
            self.reconciler.due()
            self.gate.freshness.due()
            self.startup.due()
            if self.startup.is_trading:
                if self._held:
                    self._resume_market()
                self.startup.timers()
            for name in self.gate.flow.expired():
                self.dispatch.cancel(name)
            if self.startup.is_trading:
                self.guard.due()
                self.verbs.due()
                self.dead_man.due()
        if self.desk.effects:
            self.dispatch.drain()
        self._clean()

    def _resume_market(self) -> None:
        """The newest market event of each instrument, held back until now, is heard first.

        A price that has grown old over the recovery is none to decide on: the next one comes.
        """
        oldest = self.desk.ts - self.setup.settings.market_silence_ns
        for event in self._held.values():
            if type(event) is Quote and event.ts_event < oldest:
                continue
            self.desk.out.tape.append((self.desk.ledger_seq, event))
            self.desk.step(event)
        self._held.clear()

    def _clean(self) -> None:
        """Forget claims about orders that are packed; write what was refused meanwhile."""
        if self.desk.ts >= self._ts_clean:
            self._ts_clean = self.desk.ts + CLEAN_EVERY_NS
            self.evidence.forget()
            self.desk.count_refused()

    def _next(self) -> int:
        parts: tuple[Any, ...] = self._timed_trading if self.startup.is_trading else self._timed
        if self.fence.is_lost:
            parts = (self.asks,)
        times = [part.wake_ts for part in parts]
        times.append(self.asks.breaker.ts_probe)
        return self._first(times)

    def _sooner(self) -> int:
        """When something is due, where only requests and timers are new."""
        times = [self.wake_ts, self.asks.wake_ts]
        if not self.fence.is_lost:
            times += [self.gate.flow.wake_ts, self.startup.wake_ts]
        return self._first(times)

    def _first(self, times: list[int]) -> int:
        due = min(filter(None, times), default=0)
        return max(due, self.desk.ts + TURN_NS) if due else 0

    @property
    def positions(self) -> dict[str, int]:
        """Net positions in quantity units, what is external included."""
        return {name: slot.net.quantity for name, slot in self.desk.state.instruments.items()}

    @property
    def external(self) -> dict[str, int]:
        """Positions of the external bucket in quantity units."""
        held = self.desk.state.strategies[EXTERNAL].positions
        return {name: position.quantity for name, position in held.items() if position.quantity}


def _nothing(event: Tick) -> None:
    """Time passes; what is due is done on the way out."""


def _ignore(answer: Answer, pending: Pending) -> None:
    """A probe's answer counts for the breaker alone."""


# Kinds of rows that tell of decisions, and of nothing that happened.
_DECIDED = frozenset({"intent", "request", "fact"})
_MARKET = frozenset({Quote, Trade, Book, Bar, BarsClosed})
