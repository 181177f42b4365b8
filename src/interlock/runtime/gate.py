"""The last gate before the wire: the lease for everything, the rest for what may add risk.

Exits and cancels pass every check but the lease and the rate: a stale engine sends nothing, and
nothing leaves while the venue wants silence. A refusal has a code; the order that it meets is
rejected by us, under an id that is used up and was never sent.
"""

from __future__ import annotations

import msgspec

from interlock.kernel.state import Order
from interlock.model.order import OrderSpec, OrderType
from interlock.model.rows import LeaseEvent, LeaseRow
from interlock.model.venue import AmendRequest, PlaceRequest, Request
from interlock.ports import Lease
from interlock.runtime.asks import Asks
from interlock.runtime.budget import Lane
from interlock.runtime.closing import SHUT
from interlock.runtime.desk import Desk
from interlock.runtime.flow import Flow
from interlock.runtime.freshness import Freshness

BEYOND = "it would shrink more than is left of its position"
OPENS = "the account is made flat, and at the venue this would open a position"
# States of the engine in which the account is, or was, made flat.
_FLATTENED = ("emergency", "flat")
# Exits that were cut to their position when they were asked for; of others the venue trades less.
_PLAIN = (OrderType.MARKET, OrderType.LIMIT)


class Refusal(msgspec.Struct, frozen=True):
    """Why something may not leave."""

    code: str
    text: str


class Fence:
    """The lease: whether this engine still is the one that trades the account."""

    def __init__(self, desk: Desk, lease: Lease) -> None:
        self.desk = desk
        self.lease = lease
        self.is_lost = False

    def changed(self, lease: Lease | None) -> None:
        """The lease was renewed, or lost for good."""
        if lease is None or lease.epoch != self.lease.epoch:
            if not self.is_lost:
                self.is_lost = True
                self.desk.write(self.row(LeaseEvent.LOST))
                text = "another engine may trade this account; nothing leaves from here any more"
                self.desk.tell("LEASE_LOST", self.lease.account, text, level="CRITICAL")
            return
        self.lease = lease

    def row(self, event: LeaseEvent) -> LeaseRow:
        """The lease as the ledger keeps it."""
        return LeaseRow(
            ts_event=self.desk.ts,
            account=self.lease.account,
            holder=self.lease.holder,
            epoch=self.lease.epoch,
            event=event,
            ts_expires=self.lease.ts_expires,
        )

    @property
    def ts_end(self) -> int:
        """Until when the venue may accept what we send, ns."""
        return self.lease.ts_expires - self.desk.settings.lease_margin_ns

    def deadline(self, ts: int) -> int:
        """The last moment at which the venue may accept an attempt made now."""
        return min(ts + self.desk.settings.attempt_ns, self.ts_end)

    def refusal(self, ts: int) -> Refusal | None:
        """Whether the lease lets anything leave at all."""
        if self.is_lost:
            return Refusal("FENCED", f"the lease of epoch {self.lease.epoch} is lost")
        if self.deadline(ts) - ts < self.desk.settings.attempt_least_ns:
            return Refusal("FENCED", f"the lease of epoch {self.lease.epoch} has run out")
        return None


class Gate:
    """Judges what is about to leave."""

    def __init__(self, desk: Desk, asks: Asks, fence: Fence) -> None:
        self.desk = desk
        self.asks = asks
        self.fence = fence
        self.flow = Flow(desk)
        self.freshness = Freshness(desk, asks)
        # instrument -> why its position is not known to be right; filled by the other parts
        self.suspects: dict[str, str] = {}
        self.missing_fills: dict[str, str] = {}
        self.is_recovering = True
        # When the user stream last came up, and when the newest clean comparison began.
        self.ts_connected = 0
        self.ts_clean = 0
        self.evaluations = 0
        self.refusals: dict[str, int] = {}

    def order(self, order: Order, sent: OrderSpec) -> Refusal | None:
        """Whether an order may leave as ``sent``."""
        if goes_beyond(order, sent):
            return self._count(Refusal("REDUCE_ONLY", BEYOND))
        if is_exit(self.desk, order):
            refusal = self.fence.refusal(self.desk.ts)
            if refusal is None and self._opens(order, sent):
                refusal = Refusal("EMERGENCY", OPENS)
            return self._count(refusal or self._rate(Lane.EXIT))
        risk = self._risk(order.spec, order.owner.name)
        return self._count(risk or self._rate(Lane.ENTRY))

    def growth(self, order: Order, wanted: OrderSpec) -> Refusal | None:
        """Whether an open order may be changed to ``wanted``."""
        if order.spec.reduce_only or not grows(order.spec, wanted):
            return self._count(self.fence.refusal(self.desk.ts) or self._rate(Lane.EXIT))
        risk = self._risk(order.spec, order.owner.name)
        return self._count(risk or self._rate(Lane.ENTRY))

    def cancel(self) -> Refusal | None:
        """Whether a cancel may leave."""
        return self._count(self.fence.refusal(self.desk.ts) or self._rate(Lane.CANCEL))

    def closed(self, instrument: str, strategy: str) -> Refusal | None:
        """Whether a switch of the engine, the instrument or the strategy keeps new risk out."""
        for scope in ("", instrument, strategy):
            state, reason = self.desk.books.switches.get(scope, ("", ""))
            if state in SHUT:
                return Refusal(state.upper(), f"{scope or 'the engine'} is {state}: {reason}")
        return None

    def too_late(self, request: Request) -> str:
        """Why new risk that was let through may not leave any more, or an empty text."""
        if not isinstance(request, PlaceRequest | AmendRequest) or request.spec.reduce_only:
            return ""
        track = self.desk.track(request.client_order_id)
        if track is None:
            return ""
        order = self.desk.order(request.client_order_id)
        if order is not None and goes_beyond(order, request.spec):
            return BEYOND
        if isinstance(request, AmendRequest):
            is_risk = grows(track.spec, request.spec)
        elif order is None or not is_exit(self.desk, order):
            is_risk = True
        else:
            return OPENS if self._opens(order, request.spec) else ""
        if not is_risk:
            return ""
        closed = self.closed(request.spec.instrument, track.strategy)
        return closed.text if closed is not None else self.doubt(request.spec.instrument)

    def _opens(self, order: Order, sent: OrderSpec) -> bool:
        """Whether an order would open a position there while the account is made flat.

        What a strategy holds against others, or against trades by hand, is no position at the
        venue: its exit is one to its books alone.
        """
        desk = self.desk
        if sent.reduce_only or desk.books.switches.get("", ("", ""))[0] not in _FLATTENED:
            return False
        net = desk.state.instruments[sent.instrument].net.quantity
        leaving = sum(
            other.leaves
            for other in desk.state.open.values()
            if other is not order
            and other.spec.instrument == sent.instrument
            and other.spec.side == sent.side
            and other.spec.type is OrderType.MARKET
        )
        return -net * sent.side < sent.quantity - order.filled + leaving

    def _risk(self, spec: OrderSpec, strategy: str) -> Refusal | None:
        instrument = spec.instrument
        refusal = self.fence.refusal(self.desk.ts) or self.closed(instrument, strategy)
        if refusal is not None:
            return refusal
        for code, text in (
            ("RECOVERING", "the venue has not confirmed our books yet" * self.is_recovering),
            ("RESYNC", "the books are not compared since the reconnect" * self.is_resyncing),
            ("ORDER_UNKNOWN", self.doubt(instrument)),
            ("POSITION_SUSPECT", self.suspects.get(instrument, "")),
            ("FILLS_MISSING", self.missing_fills.get(instrument, "")),
            ("STALE_STREAM", self.freshness.stale(instrument)),
            ("PRICE_OUTLIER", self.freshness.outlier(instrument)),
            ("DECISION_IN_FLIGHT", self.flow.holds(instrument)),
        ):
            if text:
                return Refusal(code, text)
        if not self.asks.breaker.allows():
            return Refusal("CONNECTION_OPEN", "the venue does not answer; waiting for a probe")
        return None

    @property
    def is_resyncing(self) -> bool:
        """Whether the user stream came up and no full comparison has gone through since."""
        return self.ts_clean < self.ts_connected

    def doubt(self, instrument: str) -> str:
        """The first order of an instrument whose size at the venue is in doubt."""
        for name, place in self.desk.books.doubts.items():
            track = self.desk.track(name) if place == instrument else None
            if track is not None:
                return f"{track.doubt} of {name} has no clear answer"
        return ""

    def _rate(self, lane: Lane) -> Refusal | None:
        if self.asks.budget.take(self.desk.ts, lane):
            return None
        self.asks.throttled(lane)
        return Refusal("RATE_BUDGET", f"the rate budget leaves nothing for the lane {lane.value}")

    def _count(self, refusal: Refusal | None) -> Refusal | None:
        self.evaluations += 1
        if refusal is not None:
            self.refusals[refusal.code] = self.refusals.get(refusal.code, 0) + 1
        return refusal


def goes_beyond(order: Order, sent: OrderSpec) -> bool:
    """Whether an exit that leaves without the venue's mark has too little left to shrink.

    The mark is left out where another's position outweighs its strategy's: then nothing at the
    venue holds it back when executions have shrunk or turned that position since it was asked for.
    """
    if sent.reduce_only or not order.spec.reduce_only:
        return False
    held = order.owner.positions.get(sent.instrument)
    left = -held.quantity * sent.side if held is not None else 0
    return left <= 0 or (sent.type in _PLAIN and sent.quantity - order.filled > left)


def is_exit(desk: Desk, order: Order) -> bool:
    """Whether an order can only shrink its strategy's position, other open orders included.

    A close that is under way is one of them, in doubt or not: there may be nothing left to shrink.
    """
    if order.spec.reduce_only:
        return True
    spec = order.spec
    held = order.owner.positions.get(spec.instrument)
    if held is None or held.quantity * spec.side >= 0:
        return False
    working = sum(
        other.leaves
        for other in order.owner.orders.values()
        if other.is_open
        and other.spec.side == spec.side
        and other.spec.instrument == spec.instrument
        and (other.is_counted or other.spec.type is OrderType.MARKET)
        and other.client_order_id in desk.state.open
    )
    return working <= abs(held.quantity)


def grows(spec: OrderSpec, wanted: OrderSpec) -> bool:
    """Whether an amendment asks for more quantity or a higher notional."""
    return wanted.quantity > spec.quantity or max(wanted.price, wanted.trigger) > max(
        spec.price, spec.trigger
    )
