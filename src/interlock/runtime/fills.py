"""Executions: each applied once, to the order it belongs to, whatever way and order it came in.

The key is (instrument, trade id). An execution may come before the order's own answer, twice, late
or only by query. What no own order explains goes to the external bucket under its cause.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.kernel.external import EXTERNAL
from interlock.kernel.positions import Position
from interlock.kernel.restore import cause_of, fee_of
from interlock.kernel.state import Order
from interlock.model.order import TRIGGERED_TYPES
from interlock.model.rows import FillRow, StateRow
from interlock.model.venue import Answer, FillsQuery, VenueFill, Verdict
from interlock.runtime.adoption import adopter, former_owner, is_others
from interlock.runtime.asks import Asks, Pending
from interlock.runtime.desk import Desk
from interlock.runtime.evidence import Evidence
from interlock.runtime.gate import Gate
from interlock.runtime.ids import parse
from interlock.runtime.naming import Naming, Number, number_of
from interlock.runtime.settings import CLOCK_MOST_NS
from interlock.runtime.tracks import Track
from interlock.runtime.waiting import Waiting

BPS = 10_000
# Why books are compared: the user stream lacks executions.
LACKS = "stream"
Fetched = Callable[[str, int, int], None]


class Fetch(msgspec.Struct):
    """Executions that are wanted: from when, asked not before ``ts_next``.

    ``back_ns`` is how much farther back is looked, because the last answer lacked some: ``ts_from``
    is of our clock, and the venue's may have been behind it then.
    """

    ts_from: int
    ts_next: int
    ts_since: int = 0
    wait: int = 0
    asked: int = 0
    back_ns: int = 0


class Fills:
    """Takes executions in, and fetches those that did not come by themselves."""

    def __init__(self, asks: Asks, gate: Gate, evidence: Evidence) -> None:
        self.desk: Desk = asks.desk
        self.asks = asks
        self.gate = gate
        self.evidence = evidence
        self.fetches: dict[str, Fetch] = {}
        self.fetched: list[Fetched] = []
        # When the newest question about an instrument's executions left that was answered.
        self.ts_fetched: dict[str, int] = {}
        # Who compares the books when an execution comes that nobody here ordered, or late.
        self.looks: list[Callable[[str], None]] = []
        self.waiting = Waiting(self.desk)
        # Venue time of the newest execution that was told before the account was opened.
        self.ts_before = 0
        # Asks about a stop that may have triggered; an execution names the order it became.
        self.suspected: Callable[[str, str], None] = _nobody
        self.naming = Naming(asks, self._named)
        self.repeated = 0

    def take(self, fill: VenueFill, source: str) -> bool:
        """Apply an execution unless it was applied before; True when it was news."""
        counted = self.desk.books.trades.get(fill.instrument)
        is_known = counted is not None and fill.trade_id in counted
        if counted is not None and not is_known and fill.ts_venue <= counted.ts_forgotten:
            is_known = _is_counted(fill, self.desk.order(self._order_of(fill)))
        if is_known:
            self.repeated += 1
            return False
        if fill.instrument not in self.desk.state.instruments:
            return False
        if fill.quantity <= 0 or fill.price <= 0:
            text = f"trade {fill.trade_id} of {fill.quantity} at {fill.price} is no execution"
            self.desk.tell("FILL_REFUSED", fill.instrument, text, level="WARNING")
            self.fetch(fill.instrument, fill.ts_venue)
            return False
        opened = self.desk.books.ts_opened
        if (not opened or fill.ts_venue < opened) and not self._order_of(fill):
            # It happened before this account was opened in our books: part of the opening. What
            # the first look did not show yet is asked for once it has been.
            self.ts_before = max(self.ts_before, fill.ts_venue)
            return False
        fill = self.naming.named(fill)
        name = self._order_of(fill)
        order = self.desk.order(name) if name else None
        if order is not None:
            self._apply(order, fill, source)
        elif not name and self._waits(fill):
            return False
        else:
            self._external(fill, name, source)
        self.waiting.drop(fill)
        self.naming.drop(fill)
        return True

    def _waits(self, fill: VenueFill) -> bool:
        """Whether it is still to be known whose an execution is; then that is asked for."""
        may_be_ours, can_be_told = self._may_be_ours(fill), self.naming.can_tell(fill)
        if not (may_be_ours or can_be_told) or not self.waiting.hold(fill):
            return False
        grace = self.desk.settings.fill_grace_ns
        if may_be_ours:
            self._suspect(fill)
            self.fetch(fill.instrument, fill.ts_venue, delay=grace)
        if can_be_told:
            # An order of ours is most often named by its own answer, or query, before that.
            self.naming.want(fill, delay=grace if may_be_ours else 0)
        return True

    def _named(self, number: Number) -> None:
        """The venue was asked what an order is called: its executions are taken once more."""
        for fill in self.waiting.fills():
            if number_of(fill) == number:
                self.take(fill, "query")

    def _may_be_ours(self, fill: VenueFill) -> bool:
        """Whether it may belong to an order of ours whose id at the venue is not known yet.

        What a stop became trades under an id of the venue's own making.
        """
        if cause_of(fill, "") != "manual":
            return False
        is_unnamed = not fill.client_order_id
        return any(
            track.spec.instrument == fill.instrument
            and ((is_unnamed and not track.venue_order_id) or self._may_be_triggered(track, fill))
            for track in self.desk.open_tracks()
        )

    def _may_be_triggered(self, track: Track, fill: VenueFill) -> bool:
        """Whether it may be of the order that a stop became: not seen waiting since, by a query."""
        if track.spec.type not in TRIGGERED_TYPES or track.spec.side != fill.side:
            return False
        since = self.waiting.since(fill) + self.desk.settings.query_lag_ns
        return self.evidence.claim(track.client_order_id).ts_alive <= since

    def _suspect(self, fill: VenueFill) -> None:
        """Have the stops asked about of which an execution may be."""
        for track in self.desk.open_tracks():
            is_there = track.spec.instrument == fill.instrument and track.venue_order_id
            if is_there and self._may_be_triggered(track, fill):
                self.suspected(track.client_order_id, "an execution without a name")

    def _order_of(self, fill: VenueFill) -> str:
        """The id of ours that an execution belongs to, by the venue's order id if need be."""
        given = fill.client_order_id
        if not given or (given not in self.desk.books.tracks and parse(given) is None):
            given = self.desk.books.name_of(fill.instrument, fill.venue_order_id)
        track = self.desk.track(given) if given else None
        return "" if track is not None and is_others(track, fill) else given

    def _apply(self, order: Order, fill: VenueFill, source: str) -> None:
        desk, name = self.desk, order.client_order_id
        slot = desk.state.instruments[fill.instrument]
        track = desk.track(name)
        reference = track.reference if track is not None else 0
        fee, asset = fee_of(slot.instrument, fill)
        after = slot.net.quantity + order.spec.side * fill.quantity
        row = FillRow(
            ts_event=desk.ts,
            fill=fill,
            client_order_id=name,
            strategy=order.owner.name,
            position_after=after - (fee if asset == slot.instrument.base else 0),
            account=desk.settings.account,
            realized=_realized(slot.net, order.spec.side * fill.quantity, fill.price),
            reference=reference or fill.price,
            source=source,
            is_late=not order.is_open,
        )
        desk.apply(row)
        _tell(desk, order, fill, reference)
        self.evidence.settle(name, source)
        claim = self.evidence.claims.get(name)
        if claim is None or claim.filled <= order.filled:
            self._found_missing(fill.instrument)

    def _external(self, fill: VenueFill, name: str, source: str) -> None:
        desk = self.desk
        owner = former_owner(desk.state, desk.settings, name)
        cause = cause_of(fill, "" if owner == EXTERNAL else owner)
        policy = desk.settings.foreign_orders
        if cause == "manual":
            owner = adopter(desk.state, desk.settings) or owner
        signed = fill.quantity if fill.side > 0 else -fill.quantity
        slot = desk.state.instruments[fill.instrument]
        row = FillRow(
            ts_event=desk.ts,
            fill=fill,
            client_order_id="",
            strategy="" if owner == EXTERNAL else owner,
            position_after=slot.net.quantity + signed,
            account=desk.settings.account,
            realized=_realized(slot.net, signed, fill.price),
            source=source,
        )
        desk.apply(row)
        text = f"{cause}: {signed} at {fill.price}, order {fill.venue_order_id or '?'}"
        is_known = cause == "manual" and (policy == "ignore" or owner != EXTERNAL)
        level = "INFO" if is_known else "CRITICAL"
        desk.record("EXTERNAL_FILL", fill.instrument, text, level=level, cause=cause)
        if not is_known:
            self.pause(fill.instrument, f"external fill, {cause}")
        for look in self.looks:
            look("external")

    def pause(self, instrument: str, reason: str) -> None:
        """No new risk on an instrument until an operator says so."""
        if instrument in self.desk.books.switches:
            state, _ = self.desk.books.switches[instrument]
            if state != "trading":
                return
        row = StateRow(ts_event=self.desk.ts, state="paused", scope=instrument, reason=reason)
        self.desk.write(row)

    # Fetching what did not come by itself.
    def fetch(self, instrument: str, ts_from: int, *, since: int = 0, delay: int = 0) -> None:
        """Have executions from ``ts_from`` on fetched by a query that leaves at ``since``."""
        due = max(self.desk.ts + delay, since)
        want = self.fetches.get(instrument)
        if want is None:
            self.fetches[instrument] = Fetch(ts_from, due, since)
            return
        want.ts_from = min(want.ts_from, ts_from)
        if since > want.ts_since:
            want.ts_since, want.wait = since, 0
        want.ts_next = max(min(want.ts_next, due), want.ts_since) if not want.asked else due

    def backfill(self) -> None:
        """Fetch what may have been missed on every instrument."""
        books, settings = self.desk.books, self.desk.settings
        # Before the account is opened nothing is booked: all that it ever traded is not asked for.
        start = max(books.ts_opened, books.ts_verified) or self.desk.ts - CLOCK_MOST_NS
        oldest = min((track.ts for track in self.desk.open_tracks()), default=start)
        # An order may rest for weeks; what it lacks by the venue's count is asked for by itself.
        oldest = max(oldest, start - CLOCK_MOST_NS)
        for instrument in self.desk.state.instruments:
            self.fetch(instrument, min(start - settings.proof_ns, oldest))

    def due(self) -> None:
        """Send the questions whose time has come; look for orders that lack executions."""
        ts = self.desk.ts
        self.naming.due()
        for _, track in self.evidence.lacking():
            if track.spec.instrument not in self.fetches:
                grace = self.desk.settings.fill_grace_ns
                self.fetch(track.spec.instrument, track.ts, delay=grace)
        for instrument, want in self.fetches.items():
            if not want.asked and ts >= want.ts_next:
                overlap = self.desk.settings.fills_overlap_ns + want.back_ns
                self._ask(instrument, want, want.ts_from - overlap)

    def _ask(self, instrument: str, want: Fetch, ts_from: int) -> None:
        is_sent = self.asks.ask(
            FillsQuery, self._told, instrument=instrument, ts_from=max(0, ts_from)
        )
        if is_sent:
            want.asked = self.desk.ts
        else:
            self._again(want)

    def _again(self, want: Fetch) -> None:
        settings = self.desk.settings
        want.wait = min(max(2 * want.wait, settings.query_first_ns), settings.query_most_ns)
        want.ts_next = self.desk.ts + want.wait
        want.asked = 0

    def _told(self, answer: Answer, pending: Pending) -> None:
        request = pending.request
        if not isinstance(request, FillsQuery):
            return
        instrument = request.instrument
        want = self.fetches.get(instrument)
        if want is None:
            return
        if answer.verdict is not Verdict.ACCEPTED or not isinstance(answer.content, tuple):
            self._again(want)
            return
        fills = [fill for fill in answer.content if isinstance(fill, VenueFill)]
        held = {fill.trade_id for fill in fills if fill in self.waiting}
        known = [f for f in fills if self.take(f, "query") or f in self.waiting]
        news = [fill for fill in known if fill.trade_id not in held]
        if not self.gate.is_recovering and self.gate.freshness.user_lacks(news):
            # While nothing new may leave the stream has nothing to tell: a comparison lifts it.
            for look in self.looks:
                look(LACKS)
        for fill in self.waiting.fills():
            self.take(fill, "stream")
        if len(fills) >= self.desk.settings.fills_page and fills[-1].ts_venue > request.ts_from:
            self._ask(instrument, want, fills[-1].ts_venue)
            return
        self._finish(instrument, want, want.asked)

    def _finish(self, instrument: str, want: Fetch, asked: int) -> None:
        lacking = [t for _, t in self.evidence.lacking() if t.spec.instrument == instrument]
        if lacking:
            settings = self.desk.settings
            back = max(2 * want.back_ns, settings.fills_overlap_ns)
            want.back_ns = min(back, settings.late_fill_ns)
        if lacking or asked < want.ts_since:
            self._again(want)
            want.ts_next = max(want.ts_next, want.ts_since)
        else:
            del self.fetches[instrument]
            self._found_missing(instrument)
        self.ts_fetched[instrument] = asked
        for fetched in self.fetched:
            fetched(instrument, asked, want.ts_from)

    def _found_missing(self, instrument: str) -> None:
        """Lift the block of missing executions when nothing of an instrument lacks any."""
        if instrument in self.gate.missing_fills and not any(
            track.spec.instrument == instrument for _, track in self.evidence.lacking()
        ):
            del self.gate.missing_fills[instrument]

    @property
    def wake_ts(self) -> int:
        """When the next question is due, 0 when none is."""
        times = [want.ts_next for want in self.fetches.values() if not want.asked]
        return min(filter(None, (*times, self.naming.wake_ts)), default=0)


def is_behind(fills: Fills) -> bool:
    """Whether older executions may be unknown: one has no name, or a question is asked again.

    Both are in memory only.
    """
    return len(fills.waiting) > 0 or any(want.wait for want in fills.fetches.values())


def _is_counted(fill: VenueFill, order: Order | None) -> bool:
    """Whether an execution was counted, of a time of which the books have forgotten the numbers.

    An order of ours that is still known keeps the numbers of its own.
    """
    return order is None or fill.trade_id in order.trades


def _tell(desk: Desk, order: Order, fill: VenueFill, reference: int) -> None:
    name = "ORDER_FILLED" if order.leaves <= 0 else "ORDER_PARTIAL"
    subject = order.client_order_id
    desk.tell(name, subject, trade_id=fill.trade_id, quantity=fill.quantity)
    if reference and not order.spec.reduce_only:
        worse = (fill.price - reference) * order.spec.side
        bps = round(worse * BPS / reference, 2)
        desk.tell("ENTRY_SLIPPAGE", subject, slippage_bps=bps)


def _nobody(client_order_id: str, why: str) -> None:
    """Nobody can be asked."""


def _realized(net: Position, signed_quantity: int, price: int) -> int:
    """What an execution will realize on the account's position, in money units; nothing changes."""
    probe = Position(net.instrument)
    probe.quantity, probe.cost = net.quantity, net.cost
    return probe.fill(signed_quantity, price)
