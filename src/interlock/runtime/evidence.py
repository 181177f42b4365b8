"""What the venue's word about an order does to ours: a merge that never goes back.

The filled quantity of a state is a claim: positions grow by executions only, so a claim above
what is known has the executions fetched, and an order that is over at the venue is over here when
its executions are all in. States may come late, twice and in any order.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.kernel.state import Order
from interlock.model.events import (
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderRejected,
    OrderTriggered,
    OrderUpdated,
    Report,
    UpdateRejected,
)
from interlock.model.order import TERMINAL, TRIGGERED_TYPES, OrderSpec, OrderStatus
from interlock.model.rows import AnswerRow
from interlock.model.venue import VenueOrder, Verdict
from interlock.runtime.books import CHILD, SEEN
from interlock.runtime.desk import Desk
from interlock.runtime.gate import Gate
from interlock.runtime.tracks import Attempt, Track

_S = OrderStatus
# Why to compare with the venue: an exit was cut there, so that less is left than our books say.
CUT = "cut"


class Claim(msgspec.Struct):
    """The most that the venue said about an order so far."""

    filled: int = 0
    ended: OrderStatus | None = None
    reason: str = ""
    venue_order_id: str = ""
    # Newest venue time of a state, and our time of the last sign that the order was alive.
    ts_venue: int = 0
    ts_alive: int = 0


class Evidence:
    """Merges the venue's states into the kernel's orders."""

    def __init__(self, desk: Desk, gate: Gate) -> None:
        self.desk = desk
        self.gate = gate
        self.claims: dict[str, Claim] = {}
        # Who compares with the venue when a state says that our books are wrong.
        self.looks: list[Callable[[str], None]] = []
        # Orders with claimed executions: looked at often, so that all claims need not be.
        self._short: dict[str, None] = {}

    def claim(self, client_order_id: str) -> Claim:
        """What the venue claimed about an order."""
        return self.claims.setdefault(client_order_id, Claim())

    def merge(self, client_order_id: str, seen: VenueOrder, *, asked: int, source: str) -> None:
        """Take one state in. ``asked`` is when its query left, 0 for what came by itself."""
        track = self.desk.track(client_order_id)
        if track is None:
            return
        seen = _as_ours(track.spec, seen)
        claim = self.claim(client_order_id)
        filled = seen.filled
        if seen.status is _S.FILLED:
            # A filled order of nothing is no statement; its executions are fetched.
            filled = filled or seen.quantity or track.spec.quantity
        claim.filled = max(claim.filled, filled)
        if claim.filled:
            self._short[client_order_id] = None
        claim.venue_order_id = claim.venue_order_id or seen.venue_order_id
        if seen.status in TERMINAL:
            claim.ended = claim.ended or seen.status
            claim.reason = claim.reason or seen.reason
        elif claim.ended is None:
            claim.ts_alive = max(claim.ts_alive, asked or self.desk.ts)
            self._alive(track, seen, claim, asked, source)
        claim.ts_venue = max(claim.ts_venue, seen.ts_venue)
        self.settle(client_order_id, source)
        if not track.is_seen or (seen.venue_order_id and not track.venue_order_id):
            self.note(track, SEEN, seen.venue_order_id)
        elif _is_child(track, seen):
            self.note(track, CHILD, seen.venue_order_id)

    def settle(self, client_order_id: str, source: str) -> None:
        """Close an order whose end is known and whose executions are all in."""
        claim = self.claims.get(client_order_id)
        order = self.desk.order(client_order_id)
        if claim is None or order is None:
            return
        if claim.filled > order.filled:
            text = f"{client_order_id} filled {claim.filled} at the venue, {order.filled} here"
            self.gate.missing_fills[order.spec.instrument] = text
            return
        if claim.ended is not None and order.is_open:
            event = _ending(order, claim, self.desk.ts)
            self.desk.report(event, evidence=source, venue_order_id=claim.venue_order_id)
            if claim.ended is _S.FILLED and order.spec.reduce_only:
                self._cut()

    def lacking(self) -> list[tuple[str, Track]]:
        """Orders of which the venue counts more executions than we know."""
        found = []
        for name in list(self._short):
            order, track, claim = self.desk.order(name), self.desk.track(name), self.claims[name]
            if order is not None and track is not None and claim.filled > order.filled:
                found.append((name, track))
            else:
                del self._short[name]
        return found

    def forget(self) -> None:
        """Drop claims about orders that are packed, but for those that lack executions."""
        tracks = self.desk.books.tracks
        for name in [name for name in self.claims if name not in tracks]:
            if name not in self._short:
                del self.claims[name]

    def _alive(self, track: Track, seen: VenueOrder, claim: Claim, asked: int, source: str) -> None:
        """The order works at the venue: it is no longer in doubt whether it does."""
        name, ts = track.client_order_id, self.desk.ts
        order = self.desk.state.open.get(name)
        if order is None:
            return
        amend = track.amend
        if amend is not None and amend.wanted is not None:
            if _same(amend.wanted, seen) and not _same(track.spec, seen):
                self.updated(track, amend.wanted, source)
            else:
                self._not_carried_out(track, amend, asked, source)
        elif order.status in (_S.SUBMITTED, _S.UNKNOWN) or not track.is_seen:
            # A venue may cut what reduces to the position that is left when it takes an order on.
            is_new = order.status is _S.SUBMITTED or not track.is_seen
            is_cut = is_new and 0 < seen.quantity < track.spec.quantity
            event = OrderAccepted(ts, name)
            self.desk.report(event, evidence=source, venue_order_id=seen.venue_order_id)
            self.gate.flow.settled(name, track.spec.instrument)
            if is_cut:
                self._changed_by_others(track, seen, source)
                self._cut()
        elif seen.ts_venue > claim.ts_venue and not _same(track.spec, seen):
            self._changed_by_others(track, seen, source)
        if seen.status is _S.TRIGGERED and order.status is not _S.TRIGGERED:
            self.desk.report(OrderTriggered(ts, name), evidence=source)

    def _cut(self) -> None:
        for look in self.looks:
            look(CUT)

    def _not_carried_out(self, track: Track, amend: Attempt, asked: int, source: str) -> None:
        """An amendment without a clear answer that a state does not show, asked for late enough."""
        if amend.verdict == Verdict.UNKNOWN and asked > self.desk.proof_ts(amend.ts_deadline):
            self.not_updated(track, "the amendment was not carried out", source)

    def updated(self, track: Track, now: OrderSpec, source: str) -> None:
        """The venue holds the order as the amendment wanted it."""
        name, ts = track.client_order_id, self.desk.ts
        order = self.desk.state.open.get(name)
        if order is not None and order.status is _S.UNKNOWN:
            self.desk.report(OrderAccepted(ts, name), evidence=source)
        event = OrderUpdated(ts, name, now.quantity, now.price, now.trigger)
        if not self.desk.report(event, evidence=source):
            self.note(track, "amend settled")
        self.gate.flow.settled(name, track.spec.instrument)

    def not_updated(self, track: Track, reason: str, source: str) -> None:
        """The order stands as it was before the amendment."""
        name, ts = track.client_order_id, self.desk.ts
        order = self.desk.state.open.get(name)
        if order is not None and order.status is _S.UNKNOWN:
            self.desk.report(OrderAccepted(ts, name), evidence=source)
        if not self.desk.report(UpdateRejected(ts, name, reason), evidence=source):
            self.note(track, "amend settled")
        self.gate.flow.settled(name, track.spec.instrument)

    def note(self, track: Track, attempt: str, venue_order_id: str = "") -> None:
        """Remember what evidence says about an attempt and no report to the kernel carries."""
        self.desk.write(
            AnswerRow(
                ts_event=self.desk.ts,
                client_order_id=track.client_order_id,
                request_id=0,
                attempt=attempt,
                verdict=Verdict.ACCEPTED,
                venue_order_id=venue_order_id,
            )
        )

    def _changed_by_others(self, track: Track, seen: VenueOrder, source: str) -> None:
        name = track.client_order_id
        text = f"the venue holds {seen.quantity} at {seen.price}/{seen.trigger}; not asked by us"
        event = OrderUpdated(self.desk.ts, name, seen.quantity, seen.price, seen.trigger)
        self.desk.report(event, evidence=source)
        self.desk.record("ORDER_CHANGED_BY_OTHERS", name, text, level="WARNING")


def _same(spec: OrderSpec, seen: VenueOrder) -> bool:
    """Whether the venue holds the order as the instruction says; a value it leaves out agrees."""
    return (
        spec.quantity == seen.quantity
        and (not seen.price or not spec.price or spec.price == seen.price)
        and (not seen.trigger or not spec.trigger or spec.trigger == seen.trigger)
    )


def _as_ours(spec: OrderSpec, seen: VenueOrder) -> VenueOrder:
    """What a trigger made, as its conditional order: that it rests says that it has triggered.

    The client's side of the protocol knows which order became which until it is started again.
    """
    if spec.type not in TRIGGERED_TYPES or seen.type in TRIGGERED_TYPES or seen.trigger:
        return seen
    status = _S.TRIGGERED if seen.status is _S.ACCEPTED else seen.status
    return msgspec.structs.replace(seen, type=spec.type, trigger=spec.trigger, status=status)


def _is_child(track: Track, seen: VenueOrder) -> bool:
    """Whether a state is of the order that a trigger made, under an id that is not known yet."""
    return (
        track.spec.type in TRIGGERED_TYPES
        and seen.status is not _S.ACCEPTED
        and seen.venue_order_id not in ("", track.venue_order_id, track.child_id)
    )


def _ending(order: Order, claim: Claim, ts: int) -> Report:
    name, reason = order.client_order_id, claim.reason
    if claim.ended is _S.CANCELED:
        return OrderCanceled(ts, name, reason)
    if claim.ended is _S.REJECTED:
        return OrderRejected(ts, name, reason or "rejected by the venue")
    if claim.ended is _S.FILLED:
        return OrderExpired(ts, name, reason or "the venue filled less than was asked and ended it")
    return OrderExpired(ts, name, reason)
