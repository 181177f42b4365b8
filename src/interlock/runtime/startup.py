"""From recovered books to trading: every open attempt asked about, then the venue's word.

Strategies hear nothing and nothing that adds risk leaves until the user stream is up, every order
that was open has been found or proved over, the missed executions are in, and one full comparison
has gone through. A reconnect asks for the same comparison, without the doubts.
"""

from __future__ import annotations

import hashlib

import msgspec

from interlock.kernel.external import EXTERNAL
from interlock.kernel.restore import STRATEGIES_STARTED, TIMER_FIRED
from interlock.model.events import OrderDoubted, OrderRejected, UpdateRejected
from interlock.model.order import OrderStatus
from interlock.model.rows import (
    AnswerRow,
    EventRow,
    InstrumentRow,
    LeaseEvent,
    PolicyRow,
    StateRow,
)
from interlock.model.venue import Verdict
from interlock.runtime.desk import Desk, enter_epoch
from interlock.runtime.dispatch import Dispatch
from interlock.runtime.gate import Fence
from interlock.runtime.reconcile import Reconciler
from interlock.runtime.resolver import Resolver
from interlock.runtime.tracks import Attempt, Track

RESTART = "restart"
# Why an attempt has no answer, and why what was decided did not leave.
ENDED = "the process ended before an answer"
NEVER_DURABLE = "not sent: the process ended before "
# Switches that a new start takes over from the last run; the others hold until lifted.
RUNNING = frozenset({"", "started", "trading", "stopping", "stopped"})


class Startup:
    """The phases of a start, and the timers of strategies once they run."""

    def __init__(
        self, desk: Desk, dispatch: Dispatch, resolver: Resolver, reconciler: Reconciler
    ) -> None:
        self.desk = desk
        self.dispatch = dispatch
        self.resolver = resolver
        self.reconciler = reconciler
        self.is_trading = False
        self._waits: dict[str, None] = {}

    def begin(self, fence: Fence) -> None:
        """Write who starts, and doubt every attempt that a former process left without answer."""
        desk, books = self.desk, self.desk.books
        desk.ts_begun = desk.ts
        desk.write(fence.row(LeaseEvent.ACQUIRED))
        enter_epoch(desk.state, desk.settings.tag, fence.lease.epoch)
        for slot in desk.state.instruments.values():
            desk.write(InstrumentRow(ts_event=desk.ts, instrument=slot.instrument))
        desk.write(self._policy())
        if books.switches.get("", ("", ""))[0] in RUNNING:
            mode, version = desk.settings.mode, desk.settings.config_version
            row = StateRow(ts_event=desk.ts, state="started", mode=mode, version=version)
            desk.write(row)
        for name in list(desk.state.open):
            track = desk.track(name)
            if track is None:
                self._never_left(name)
            else:
                self._doubt(track)
        self.reconciler.want("start")

    def _policy(self) -> PolicyRow:
        """What this start judges by; a later one decides the past again by it."""
        state = self.desk.state
        capital = {
            name: owner.capital for name, owner in state.strategies.items() if name != EXTERNAL
        }
        text = msgspec.json.encode((state.limits, capital), order="sorted")
        return PolicyRow(
            ts_event=self.desk.ts,
            version=self.desk.settings.config_version,
            digest=hashlib.sha256(text).hexdigest()[:16],
            limits=state.limits,
            capital=capital,
        )

    def _never_left(self, name: str) -> None:
        """Decided on the last market input, but the intent was not durable: it was not sent."""
        text = f"{NEVER_DURABLE}the intent was durable"
        self.desk.report(OrderRejected(self.desk.ts, name, text), evidence="recovery")

    def _doubt(self, track: Track) -> None:
        name, ts = track.client_order_id, self.desk.ts
        if not track.submit:
            self._unanswered(track, "place", track.request_id)
            if not track.is_seen:
                event = OrderDoubted(ts, name, ENDED)
                self.desk.report(event, evidence="recovery")
        for attempt, asked in (("cancel", track.cancel), ("amend", track.amend)):
            if asked is not None and not asked.verdict:
                self._unanswered(track, attempt, asked.request_id)
        if track.doubt == "amend":
            event = OrderDoubted(ts, name, f"amendment: {ENDED}")
            self.desk.report(event, evidence="recovery")
        self._finish_asking(track, track.amend)
        self.resolver.watch(name, RESTART)
        self._waits[name] = None

    def _finish_asking(self, track: Track, amend: Attempt | None) -> None:
        """What the kernel had asked for and no row tells of did not leave."""
        name = track.client_order_id
        order = self.desk.state.open.get(name)
        if order is None:
            return
        if order.status is OrderStatus.PENDING_UPDATE and amend is None:
            text = f"{NEVER_DURABLE}the request was durable"
            self.desk.report(UpdateRejected(self.desk.ts, name, text), evidence="recovery")
        elif order.status is OrderStatus.PENDING_CANCEL and track.cancel is None:
            self.dispatch.held_cancel(name)

    def _unanswered(self, track: Track, attempt: str, request_id: int) -> None:
        self.desk.write(
            AnswerRow(
                ts_event=self.desk.ts,
                client_order_id=track.client_order_id,
                request_id=request_id,
                attempt=attempt,
                verdict=Verdict.UNKNOWN,
                reason=ENDED,
            )
        )

    def connected(self) -> None:
        """The user stream is up, first or again: what it may have missed is looked for."""
        scope = "start" if self.dispatch.gate.is_recovering else "reconnect"
        self.dispatch.gate.ts_connected = self.desk.ts
        self.reconciler.want(scope)

    def due(self) -> None:
        """Begin to trade when nothing is open any more that recovery asked about."""
        if self.is_trading or not self._is_confirmed():
            return
        desk = self.desk
        took = desk.ts - desk.ts_begun
        self.is_trading = True
        self.dispatch.gate.is_recovering = False
        if desk.books.switches.get("", ("", ""))[0] == "started":
            desk.write(StateRow(ts_event=desk.ts, state="trading", mode=desk.settings.mode))
        desk.record("RECOVERED", desk.settings.account, took_ms=took // 10**6)
        if not desk.books.is_started:
            desk.apply(EventRow(ts_event=desk.ts, name=STRATEGIES_STARTED))

    def _is_confirmed(self) -> bool:
        doubts = self.resolver.doubts
        for name in [name for name in self._waits if name not in doubts]:
            del self._waits[name]
        return (
            self.reconciler.ts_clean >= self.desk.ts_begun
            and self.dispatch.gate.freshness.user.is_up
            and not self._waits
            and not self.dispatch.gate.missing_fills
            and not self.resolver.fills.fetches
            and not self.resolver.fills.naming.wanted
        )

    def timers(self) -> None:
        """Wake strategies whose time has come, in the order of their times."""
        ts = self.desk.ts
        due = [
            (due, strategy, name)
            for strategy, timers in self.desk.books.timers.items()
            for name, due in timers.items()
            if due <= ts
        ]
        for _, strategy, name in sorted(due):
            row = EventRow(ts_event=ts, name=TIMER_FIRED, subject=strategy, fields={"name": name})
            self.desk.apply(row)

    @property
    def wake_ts(self) -> int:
        """When the next timer of a strategy is due, 0 when none is."""
        if not self.is_trading:
            return self.desk.ts + self.desk.settings.query_first_ns
        times = [due for timers in self.desk.books.timers.values() for due in timers.values()]
        return min(times, default=0)
