"""What must hold in the toy world, checked from the venue's side and from the durable rows."""

from __future__ import annotations

from typing import Any

from interlock.kernel.restore import BASIS
from interlock.model.order import OrderSpec, OrderStatus
from interlock.model.rows import (
    FillRow,
    IntentRow,
    PaymentRow,
    ReconcileRow,
    Severity,
    StoredRow,
    decode_row,
)
from interlock.model.venue import PlaceRequest
from interlock.runtime.engine import Engine
from interlock.runtime.ids import parse
from tests.toy_players import BTC, LIMIT, SLACK
from tests.toy_venue import ToyVenue

# What no fault of the line may lead to.
NEVER = frozenset(
    {"STRATEGY_FAILED", "COID_DUPLICATE", "ORDER_LOOP", "EXTERNAL_FILL", "ORDER_REVENANT"}
)


class Violation(AssertionError):
    """The world met something that must not happen."""


class Truth:
    """Raises at the first thing that must not happen."""

    def __init__(self, venue: ToyVenue) -> None:
        self.venue = venue
        self.sent: dict[str, OrderSpec] = {}
        self.intents: dict[str, bytes] = {}
        self.at_venue: dict[str, None] = {}
        self.absent: dict[str, None] = {}
        self.ts_halted = 0

    def told(self, facts: list[Any]) -> None:
        """No fault of the line leads to these."""
        for fact in facts:
            if getattr(fact, "name", "") in NEVER:
                raise Violation(f"{fact.name} {fact.subject} {fact.text}")

    def written(self, row: Any) -> None:
        """I5 and I8 from the rows, as they become durable."""
        if row.kind == "intent":
            intent = decode_row(row)
            assert isinstance(intent, IntentRow)
            if intent.client_order_id in self.intents:
                raise Violation(f"I5: the id {intent.client_order_id} has two intents")
            self.intents[intent.client_order_id] = intent.payload_hash
        elif row.kind == "transition":
            moved: Any = decode_row(row)
            if moved.evidence == "deadline":
                self.absent[moved.client_order_id] = None
                if moved.client_order_id in self.at_venue:
                    raise Violation(f"I8: {moved.client_order_id} is there: {moved.reason}")

    def arrived(self, name: str) -> None:
        """I8: the venue took an order."""
        self.at_venue[name] = None
        if name in self.absent:
            raise Violation(f"I8: {name} arrives after it was proved absent")

    def leaves(self, request: PlaceRequest, engine: Engine, epoch: int, ts: int) -> None:
        """I3, I5, I9, I16, I17 and I1 for an order that leaves."""
        name, spec = request.client_order_id, request.spec
        if name in self.sent:
            raise Violation(f"I5: {name} is sent twice")
        if name not in self.intents:
            raise Violation(f"I3: {name} is sent and has no durable intent")
        part = parse(name)
        if part is None or part.epoch != epoch:
            raise Violation(f"I17: {name} does not carry the epoch {epoch}")
        self.sent[name] = spec
        if spec.reduce_only:
            return
        if self.ts_halted and engine.positions[BTC.id] * spec.side >= 0:
            raise Violation(f"I16: {name} adds risk after a stop")
        unknown = engine.desk.state.instruments[BTC.id].unknown
        if unknown and engine.positions[BTC.id] * spec.side >= 0:
            raise Violation(f"I9: {name} adds risk while {unknown} order(s) are unknown")
        self._room(spec, ts)

    def _room(self, spec: OrderSpec, ts: int) -> None:
        side, held = spec.side, self.venue.positions[BTC.id].quantity
        exits = [h.order for h in self.venue.orders.values() if h.order.reduce_only]
        is_leaving = any(o.side == side and o.ts_venue > ts - SLACK for o in exits)
        worst = held * side + self._rest(side) + spec.quantity
        if not is_leaving and worst > max(LIMIT * 12 // 10, held * side):
            raise Violation(f"I1: {held} held, {self._rest(side)} resting, {spec.quantity} sent")

    def exposure(self) -> None:
        """No order twice: position and what may still grow it stay below twice the limit.

        An exit may always leave, also while entries rest that leaned on the position it closes;
        so the limit itself holds for what is sent, and here twice of it.
        """
        held = self.venue.positions[BTC.id].quantity
        for side in (1, -1):
            if held * side + self._rest(side) > 2 * LIMIT:
                raise Violation(f"I1: {held} held, {self._rest(side)} resting on side {side}")

    def _rest(self, side: int) -> int:
        free = [h.order for h in self.venue.open() if not h.order.reduce_only]
        return sum(o.quantity - o.filled for o in free if o.side == side)

    def books(self, engine: Engine | None, rows: list[StoredRow]) -> None:
        """I2, I4, I6, I11, I12, I24, I25 when all is quiet."""
        if engine is None:
            raise Violation("I25: the core is down at the end")
        state, venue = engine.desk.state, self.venue
        equal("I2 position", engine.positions[BTC.id], venue.positions[BTC.id].quantity)
        theirs = {h.order.client_order_id: h.order.filled for h in venue.open()}
        equal("I4 open orders", {n: order.filled for n, order in state.open.items()}, theirs)
        equal("I12 wallet", state.wallet, venue.wallet)
        equal("I11 external", engine.external, {})
        decoded = [decode_row(row.row) for row in rows]
        applied = [row.fill for row in decoded if isinstance(row, FillRow)]
        equal("I6 fills", sorted(map(_key, applied)), sorted(map(_key, venue.fills)))
        basis = [
            row.payment.amount
            for row in decoded
            if isinstance(row, PaymentRow) and row.payment.kind == BASIS
        ]
        told = sum(row.realized for row in decoded if isinstance(row, FillRow)) + sum(basis)
        equal("I12 realized", told, state.instruments[BTC.id].net.realized)
        unknown = [o for o in state.open.values() if o.status is OrderStatus.UNKNOWN]
        equal("I25 unknown", unknown, [])
        reports = [row for row in decoded if isinstance(row, ReconcileRow)]
        critical = [row for row in reports if row.severity is Severity.CRITICAL]
        equal("I24 reports", critical, [])
        if not engine.startup.is_trading:
            raise Violation("I25: the core has not come back to trading")


def equal(name: str, ours: Any, theirs: Any) -> None:
    """Ours against the venue's."""
    if ours != theirs:
        raise Violation(f"{name}: {ours} here, {theirs} there")


def _key(fill: Any) -> tuple[object, ...]:
    return fill.instrument, fill.trade_id, fill.quantity, fill.price, fill.fee
