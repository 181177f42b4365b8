"""Orders in doubt: asked about until there is evidence, never sent again, over by proof only.

An order that the venue does not know is over only when everything was asked late enough: the
order itself, the open orders and the executions, each by a query that left after the attempt's
deadline plus clock error and query lag. What is proved absent is still watched for a day.
"""

from __future__ import annotations

from collections import deque

import msgspec

from interlock.model.events import CancelRejected, OrderCanceled, OrderRejected
from interlock.model.order import TERMINAL, TRIGGERED_TYPES
from interlock.model.venue import Answer, OpenOrdersQuery, OrderQuery, VenueOrder, Verdict
from interlock.runtime.asks import Asks, Pending
from interlock.runtime.desk import Desk
from interlock.runtime.dispatch import Dispatch
from interlock.runtime.evidence import Evidence
from interlock.runtime.fills import Fills
from interlock.runtime.settings import CLOCK_MOST_NS
from interlock.runtime.tracks import Track

DURATIONS_KEPT = 1024
# Why an order is asked about that is over in our books.
OPEN_THERE = "open at the venue"
# An order of the venue that a stop of ours may have become.
UNNAMED = "an order without a name"


class Doubt(msgspec.Struct):
    """Why an order is asked about, since when, and what was not found so far."""

    why: str
    ts_start: int
    ts_next: int
    wait: int
    # Whether the newest answer did not show it, and whether the time of the proof has come.
    is_missing: bool = False
    is_late: bool = False
    # When the queries left that did not find the order; 0 = not asked in time.
    absent: int = 0
    not_open: int = 0
    not_filled: int = 0


class Resolver:
    """Asks about orders in doubt and reports what the evidence says."""

    def __init__(self, asks: Asks, dispatch: Dispatch, evidence: Evidence, fills: Fills) -> None:
        self.desk: Desk = asks.desk
        self.asks = asks
        self.dispatch = dispatch
        self.evidence = evidence
        self.fills = fills
        self.doubts: dict[str, Doubt] = {}
        self.durations: deque[int] = deque(maxlen=DURATIONS_KEPT)
        # When the open orders are asked for, 0 when nobody needs them, and how long after that.
        self._ts_open = 0
        self._wait_open = 0
        fills.suspected = self.watch

    def watch(self, client_order_id: str, why: str) -> None:
        """Ask about an order until what is in doubt about it is settled."""
        ts, first = self.desk.ts, self.desk.settings.query_first_ns
        doubt = self.doubts.get(client_order_id)
        if doubt is None:
            self.doubts[client_order_id] = Doubt(why, ts, ts + first, first)
            # A cancel that met a filled order is asked about too, and is nothing to worry about.
            level = "INFO" if why == "cancel" else "WARNING"
            self.desk.tell("ORDER_DOUBT", client_order_id, why, level=level)
            return
        # A new reason starts the proof anew: what was not found before says nothing about it.
        doubt.why = f"{doubt.why}, {why}" if why not in doubt.why else doubt.why
        doubt.ts_next = min(doubt.ts_next, ts + first)
        doubt.wait = first
        doubt.is_missing = doubt.is_late = False
        doubt.absent = doubt.not_open = doubt.not_filled = 0
        if why == "cancel":
            doubt.ts_start = ts

    def due(self) -> None:
        """Send the questions whose time has come, also while earlier ones have no answer."""
        ts = self.desk.ts
        for name, doubt in list(self.doubts.items()):
            if name not in self.doubts or ts < doubt.ts_next:
                continue
            track = self.desk.track(name)
            if track is None or self._is_settled(name, track):
                self._done(name)
                continue
            self._ask(name, track, doubt)
        if self._ts_open and ts >= self._ts_open:
            self.asks.ask(OpenOrdersQuery, self._open_told)
            self._ts_open = ts + self._wait_open
            self._wait_open = self._longer(self._wait_open)

    def _ask(self, name: str, track: Track, doubt: Doubt) -> None:
        ts, since = self.desk.ts, self._proof_ts(name, track, doubt)
        if ts > since and not doubt.is_late and not track.ts_closed:
            # Now absence counts: asked often at first again, and by all three ways at once.
            doubt.is_late = True
            doubt.wait = self.desk.settings.query_first_ns
            if doubt.is_missing:
                self._prove(track, since)
        self.asks.ask(
            OrderQuery,
            self._told,
            client_order_id=name,
            instrument=track.spec.instrument,
            is_conditional=track.spec.type in TRIGGERED_TYPES,
        )
        doubt.ts_next = ts + doubt.wait
        doubt.wait = self._longer(doubt.wait)
        if ts <= since < doubt.ts_next and not track.ts_closed:
            doubt.ts_next = since + 1

    def _prove(self, track: Track, since: int) -> None:
        """Have open orders and executions looked at by queries that leave after a time."""
        if not self._ts_open:
            self._ts_open = self.desk.ts
            self._wait_open = 2 * self.desk.settings.query_first_ns
        self.fills.fetch(track.spec.instrument, track.ts - CLOCK_MOST_NS, since=since + 1)

    def _longer(self, wait: int) -> int:
        return min(2 * wait, self.desk.settings.query_most_ns)

    @property
    def wake_ts(self) -> int:
        """When the next question is due, 0 when none is."""
        times = [doubt.ts_next for doubt in self.doubts.values()]
        if self._ts_open:
            times.append(self._ts_open)
        return min(times, default=0)

    def _told(self, answer: Answer, pending: Pending) -> None:
        request = pending.request
        if not isinstance(request, OrderQuery):
            return
        name = request.client_order_id
        doubt, track = self.doubts.get(name), self.desk.track(name)
        if doubt is None or track is None:
            return
        if answer.verdict is not Verdict.ACCEPTED:
            return
        if isinstance(answer.content, VenueOrder):
            self.found(name, answer.content, pending.ts)
        elif answer.content is None:
            self._absent(name, track, doubt, pending.ts)
        if name in self.doubts and self._is_settled(name, track):
            self._done(name)

    def found(self, name: str, seen: VenueOrder, asked: int) -> None:
        """A query that left at ``asked`` shows the order."""
        track = self.desk.track(name)
        if track is None:
            return
        doubt = self.doubts.get(name)
        if doubt is not None:
            doubt.absent = doubt.not_open = doubt.not_filled = 0
            doubt.is_missing = False
        self.evidence.merge(name, seen, asked=asked, source="query")
        if seen.status in TERMINAL:
            return
        if track.ts_closed:
            self._revenant(track, asked)
        elif track.cancel is not None and doubt is not None:
            self._still_open(track, doubt, asked)

    def _still_open(self, track: Track, doubt: Doubt, asked: int) -> None:
        """Seen open after a cancel: only a query late enough says that the cancel did nothing."""
        cancel = track.cancel
        if cancel is None or not cancel.verdict:
            return
        settings = self.desk.settings
        since = doubt.ts_start + settings.query_lag_ns
        if cancel.verdict == Verdict.UNKNOWN:
            since = self.desk.proof_ts(cancel.ts_deadline)
        if asked <= since:
            return
        event = CancelRejected(self.desk.ts, track.client_order_id, "the order is still open")
        if not self.desk.report(event, evidence="query"):
            self.evidence.note(track, "cancel settled")

    def _revenant(self, track: Track, asked: int) -> None:
        """The venue holds open what is over here: cancel it, stop on its instrument."""
        claim = self.evidence.claim(track.client_order_id)
        is_late = asked > track.ts_closed + self.desk.settings.query_lag_ns
        if claim.ended is not None or not is_late:
            return
        name, instrument = track.client_order_id, track.spec.instrument
        text = f"{name} is over in our books and open at the venue; it is canceled"
        self.fills.pause(instrument, text)
        if self.dispatch.cancel(name):
            self.desk.record("ORDER_REVENANT", name, text, level="CRITICAL")

    def _absent(self, name: str, track: Track, doubt: Doubt, asked: int) -> None:
        """The venue does not know the order; that counts when it was asked late enough."""
        if track.ts_closed:
            if asked > track.ts_closed + self.desk.settings.query_lag_ns:
                self._done(name)
            return
        doubt.is_missing = True
        since = self._proof_ts(name, track, doubt)
        if asked <= since:
            doubt.ts_next = max(self.desk.ts, min(doubt.ts_next, since + 1))
            return
        doubt.absent = asked
        if doubt.not_open <= since or doubt.not_filled <= since:
            self._prove(track, since)
        self._conclude(name, track, doubt, since)

    def _open_told(self, answer: Answer, pending: Pending) -> None:
        if answer.verdict is not Verdict.ACCEPTED or not isinstance(answer.content, tuple):
            return
        self._ts_open = 0
        shown = {o.client_order_id: o for o in answer.content if isinstance(o, VenueOrder)}
        for name, doubt in list(self.doubts.items()):
            if name in shown:
                self.found(name, shown[name], pending.ts)
            else:
                doubt.not_open = pending.ts
            self._try_conclusion(name)

    def fetched(self, instrument: str, asked: int, ts_from: int) -> None:
        """Executions since ``ts_from`` are in, by a query that left at ``asked``."""
        for name, doubt in list(self.doubts.items()):
            track = self.desk.track(name)
            if track is not None and track.spec.instrument == instrument and ts_from <= track.ts:
                doubt.not_filled = asked
                self._try_conclusion(name)

    def _try_conclusion(self, name: str) -> None:
        doubt, track = self.doubts.get(name), self.desk.track(name)
        if doubt is not None and track is not None and not track.ts_closed:
            self._conclude(name, track, doubt, self._proof_ts(name, track, doubt))

    def _conclude(self, name: str, track: Track, doubt: Doubt, since: int) -> None:
        if min(doubt.absent, doubt.not_open, doubt.not_filled) <= since:
            return
        order, claim = self.desk.state.open.get(name), self.evidence.claim(name)
        if order is None or claim.filled > order.filled:
            return
        ts = self.desk.ts
        proof = f"not at the venue by order, open orders and fills asked after {since}"
        if track.is_seen or order.filled:
            self.desk.record("ORDER_VANISHED", name, proof, level="CRITICAL")
            self.desk.report(OrderCanceled(ts, name, f"vanished: {proof}"), evidence="deadline")
        else:
            self.desk.report(OrderRejected(ts, name, f"absent: {proof}"), evidence="deadline")
        self._done(name)

    def _proof_ts(self, name: str, track: Track, doubt: Doubt) -> int:
        """After which time a query that does not show the order proves that it is not there."""
        base = max(track.ts_deadline, self.evidence.claim(name).ts_alive)
        if track.is_seen:
            base = max(base, doubt.ts_start)
        # What was asked before the end of that wait does not count after it: nobody may have been
        # able to ask since.
        named = self.fills.waiting.until(track)
        if UNNAMED in doubt.why:
            # What it has become rests there: its own query may be the last to know.
            named = max(named, doubt.ts_start + self.desk.settings.nameless_ns)
        return max(self.desk.proof_ts(base), named)

    def _is_settled(self, name: str, track: Track) -> bool:
        claim = self.evidence.claim(name)
        order = self.desk.order(name)
        if order is None:
            return True
        if claim.filled > order.filled:
            return False
        if not order.is_open:
            doubt = self.doubts.get(name)
            return doubt is None or OPEN_THERE not in doubt.why or claim.ended is not None
        return bool(
            track.is_seen
            and claim.ts_alive >= self.doubts[name].ts_start
            and not track.doubt
            and (track.cancel is None or not track.cancel.verdict)
        )

    def _done(self, name: str) -> None:
        doubt = self.doubts.pop(name, None)
        if doubt is not None:
            took = self.desk.ts - doubt.ts_start
            self.durations.append(took)
            self.desk.tell("ORDER_RESOLVED", name, doubt.why, took_ms=took // 10**6)
