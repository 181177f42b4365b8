"""The venue's open orders against ours: what to ask about, what is foreign, what is lost."""

from __future__ import annotations

from interlock.model.order import TRIGGERED_TYPES, OrderSpec
from interlock.model.rows import Difference, Severity
from interlock.model.venue import VenueOrder, Verdict
from interlock.runtime.adoption import ADOPTED, adopter, adoption_row, can_adopt
from interlock.runtime.books import FOREIGN
from interlock.runtime.desk import Desk
from interlock.runtime.evidence import Evidence
from interlock.runtime.fills import Fills
from interlock.runtime.gate import Fence
from interlock.runtime.ids import OrderId, parse
from interlock.runtime.resolver import OPEN_THERE, UNNAMED, Resolver
from interlock.runtime.tracks import Track

MISSING = "missing from the open orders"


class OrdersCheck:
    """Compares open orders; never ends one."""

    def __init__(self, fence: Fence, evidence: Evidence, fills: Fills, resolver: Resolver) -> None:
        self.desk: Desk = fence.desk
        self.fence = fence
        self.evidence = evidence
        self.fills = fills
        self.resolver = resolver
        # Orders that may be what a stop of ours became, and since when they are known.
        self.unnamed: dict[str, int] = {}

    def compare(self, content: tuple[object, ...], asked: int) -> list[Difference]:
        """What a snapshot that was asked for at a time says; differences that need a reader."""
        orders = [(self.name_of(o), o) for o in content if isinstance(o, VenueOrder)]
        shown = {name: None for name, _ in orders}
        found = []
        # Ours first: a stop that is shown waiting has not become one of the others.
        for name, order in sorted(orders, key=lambda item: self.desk.track(item[0]) is None):
            difference = self.seen(order, name, asked=asked)
            if difference is not None:
                found.append(difference)
        self.unnamed = {name: since for name, since in self.unnamed.items() if name in shown}
        for track in self.desk.open_tracks():
            if track.client_order_id not in shown:
                found += self._missing(track, asked)
        return found

    def name_of(self, order: VenueOrder) -> str:
        """Our id of a venue's order; the venue's own where we have none."""
        track = self.desk.track(order.client_order_id)
        if track is not None:
            known = (track.venue_order_id, track.child_id)
            is_other = track.is_adopted and order.venue_order_id not in known
            # A person may give a name twice; ours are given once.
            return f"venue:{order.venue_order_id}" if is_other else order.client_order_id
        found = self.desk.books.name_of(order.instrument, order.venue_order_id)
        return found or order.client_order_id or f"venue:{order.venue_order_id}"

    def seen(self, order: VenueOrder, name: str, *, asked: int) -> Difference | None:
        """Take one order that the venue shows; ``asked`` is 0 for what the stream told."""
        source = "reconcile" if asked else "stream"
        track = self.desk.track(name)
        if track is not None:
            if asked and name in self.resolver.doubts:
                self.resolver.found(name, order, asked)
            else:
                self.evidence.merge(name, order, asked=asked, source=source)
            self._check_over(track, order, asked)
            return None
        part = parse(name)
        if part is not None and part.tag == self.desk.settings.tag:
            return self._lost(order, name, part)
        return self._foreign(order, name, asked)

    def _check_over(self, track: Track, order: VenueOrder, asked: int) -> None:
        """An order that is over here and open there may be an old picture; ask."""
        if not track.ts_closed or order.status in _OVER:
            return
        claim = self.evidence.claim(track.client_order_id)
        since = track.ts_closed + self.desk.settings.query_lag_ns
        if claim.ended is None and (not asked or asked > since):
            self.resolver.watch(track.client_order_id, OPEN_THERE)

    def _missing(self, track: Track, asked: int) -> list[Difference]:
        """Not shown: ask about it, unless it is young or asked about already."""
        name = track.client_order_id
        is_young = track.ts + self.desk.settings.query_lag_ns >= asked
        if track.submit != Verdict.ACCEPTED and not track.is_seen:
            return []
        if is_young or name in self.resolver.doubts or track.in_flight:
            return []
        self.resolver.watch(name, MISSING)
        is_stop = track.spec.type in TRIGGERED_TYPES
        return [
            Difference(
                subject="stop" if is_stop else "order",
                cause="order_missing",
                severity=Severity.WARNING,
                instrument=track.spec.instrument,
                client_order_id=name,
                ours="open",
                venue="not shown",
                action="asked about",
            )
        ]

    def _lost(self, order: VenueOrder, name: str, part: OrderId) -> Difference | None:
        """An id of this engine that the ledger does not know: a later engine, or a lost ledger."""
        if name in self.desk.books.foreign:
            return None
        if part.epoch > self.fence.lease.epoch:
            self.fence.changed(None)
        text = f"{name} carries our tag and is not in the ledger"
        self._label(order, name, text)
        self.fills.pause(order.instrument, text)
        return Difference(
            subject="order",
            cause="intent_missing",
            severity=Severity.CRITICAL,
            instrument=order.instrument,
            client_order_id=name,
            ours="unknown",
            venue=str(order.status),
            action="instrument paused",
        )

    def _foreign(self, order: VenueOrder, name: str, asked: int) -> Difference | None:
        """An order that somebody else placed: labelled once, then by policy."""
        if name in self.desk.books.foreign or order.status in _OVER:
            return None
        if self._may_be_ours(order, name):
            return None
        desk, policy = self.desk, self.desk.settings.foreign_orders
        if policy == "adopt" and not desk.books.ts_opened:
            # What it trades until the account is opened is in the positions that are taken over.
            return None
        is_free = name == order.client_order_id and can_adopt(order)
        owner = adopter(desk.state, desk.settings) if is_free else ""
        if policy == "adopt" and not owner:
            policy = "alarm"
        self._label(order, name, f"policy {policy}")
        if policy == "ignore" or order.instrument not in desk.state.instruments:
            return None
        if policy == "adopt":
            desk.write(adoption_row(order, owner, desk.ts))
            desk.tell(ADOPTED, name, f"now an order of {owner}", level="WARNING")
            self.evidence.merge(name, order, asked=asked, source="adoption")
        severity = Severity.CRITICAL if policy == "alarm" else Severity.WARNING
        if policy == "alarm":
            self.fills.pause(order.instrument, f"foreign order {name}")
        return Difference(
            subject="order",
            cause="foreign_order",
            severity=severity,
            instrument=order.instrument,
            client_order_id=name,
            ours="none",
            venue=f"{order.side * order.quantity} at {order.price}",
            action=policy,
        )

    def _may_be_ours(self, order: VenueOrder, name: str) -> bool:
        """Whether a stop of ours may have become it: the venue gives what triggers made new ids.

        Whose it is, is known when the stop was asked about, or seen waiting by a later query. An
        order with a reason says itself why the venue made it.
        """
        if order.reason:
            return False
        since = self.unnamed.setdefault(name, self.desk.ts) + self.desk.settings.query_lag_ns
        suspects = [
            track
            for track in self._stops_like(order)
            if track.ts_closed or self.evidence.claim(track.client_order_id).ts_alive <= since
        ]
        for track in suspects:
            doubt = self.resolver.doubts.get(track.client_order_id)
            # One that is asked about for another reason must not be proved absent beside it either.
            if not track.ts_closed and (doubt is None or UNNAMED not in doubt.why):
                self.resolver.watch(track.client_order_id, UNNAMED)
        if not suspects:
            del self.unnamed[name]
        return bool(suspects)

    def _stops_like(self, order: VenueOrder) -> list[Track]:
        """Stops that may have become an order; of those that are over, as an old picture."""
        settings, tracks = self.desk.settings, self.desk.books.tracks
        late = [tracks[name] for name in self.desk.books.closing if name in tracks]
        recent = [t for t in late if self.desk.ts <= t.ts_closed + settings.query_lag_ns]
        return [
            track
            for track in (*self.desk.open_tracks(), *recent)
            if track.spec.type in TRIGGERED_TYPES and _may_become(track.spec, order)
        ]

    def _label(self, order: VenueOrder, name: str, text: str) -> None:
        if order.instrument not in self.desk.state.instruments:
            return
        self.desk.record(
            FOREIGN,
            name,
            text,
            level="WARNING",
            instrument=order.instrument,
            venue_order_id=order.venue_order_id,
            quantity=order.side * order.quantity,
            price=order.price,
        )


def _may_become(stop: OrderSpec, order: VenueOrder) -> bool:
    """Whether an order may be what a trigger makes of a stop; one that closes is made smaller."""
    return (
        stop.instrument == order.instrument
        and stop.side == order.side
        and order.quantity <= stop.quantity
        and order.price == stop.price
    )


_OVER = frozenset({"filled", "canceled", "expired", "rejected"})
