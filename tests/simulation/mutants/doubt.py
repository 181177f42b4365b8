"""Planted where doubt is settled: R4, R5, R8."""

from __future__ import annotations

from typing import Any

from interlock.kernel import limits
from interlock.model.events import OrderAccepted, OrderCanceled
from interlock.model.order import OrderStatus
from interlock.model.rows import TransitionRow
from interlock.model.venue import VenueOrder
from interlock.runtime.desk import Desk
from interlock.runtime.evidence import Evidence
from interlock.runtime.flow import Flow
from interlock.runtime.gate import Gate
from interlock.runtime.orders_check import OrdersCheck
from interlock.runtime.resolver import Resolver
from interlock.runtime.settings import HOUR
from tests.simulation.mutants.planting import Patch, mutant


@mutant("R4", "new orders leave while one of the instrument is unknown")
def unknown_blocks_nothing(patch: Patch) -> None:
    def new_risk(state: Any, slot: Any, order: Any, *, amends: bool) -> Any:
        unknown, slot.unknown = slot.unknown, 0
        try:
            return before(state, slot, order, amends=amends)
        finally:
            slot.unknown = unknown

    patch.set(Gate, "doubt", lambda self, instrument: "")
    before = patch.set(limits, "_check_new_risk", new_risk)


@mutant("R4", "an order in doubt is never asked about")
def doubt_without_questions(patch: Patch) -> None:
    def ask(self: Resolver, name: str, track: Any, doubt: Any) -> None:
        doubt.ts_next = self.desk.ts + HOUR

    patch.set(Resolver, "_ask", ask)


@mutant("R4", "a decision does not wait for the answer to the one before it")
def decisions_overtake(patch: Patch) -> None:
    patch.set(Flow, "holds", lambda self, instrument: "")


@mutant("R4", "what was let through is not looked at again when a doubt came meanwhile")
def no_second_look_at_doubt(patch: Patch) -> None:
    def late(self: Gate, request: Any) -> str:
        doubts, self.desk.books.doubts = self.desk.books.doubts, {}
        try:
            found: str = before(self, request)
        finally:
            self.desk.books.doubts = doubts
        return found

    before = patch.set(Gate, "too_late", late)


@mutant("R5", "the first 'not found' is a rejection")
def not_found_is_rejected(patch: Patch) -> None:
    patch.set(Resolver, "_proof_ts", lambda self, name, track, doubt: 0)


@mutant("R5", "the lag of queries is left out of the negative proof")
def proof_without_lag(patch: Patch) -> None:
    def proof(self: Resolver, name: str, track: Any, doubt: Any) -> int:
        found: int = before(self, name, track, doubt)
        return found - self.desk.settings.query_lag_ns - self.desk.settings.clock_error_ns

    before = patch.set(Resolver, "_proof_ts", proof)


@mutant("R5", "'not found' by the order's own query is proof enough, executions are not looked at")
def proof_by_one_query(patch: Patch) -> None:
    def conclude(self: Resolver, name: str, track: Any, doubt: Any, since: int) -> None:
        if doubt.absent > since:
            doubt.not_open = doubt.not_filled = doubt.absent
        before(self, name, track, doubt, since)

    before = patch.set(Resolver, "_conclude", conclude)


@mutant("R5", "an order that the snapshot of open orders lacks is canceled at once")
def missing_is_canceled(patch: Patch) -> None:
    def missing(self: OrdersCheck, track: Any, asked: int) -> list[Any]:
        name = track.client_order_id
        self.desk.report(OrderCanceled(self.desk.ts, name, "not shown"), evidence="reconcile")
        return []

    patch.set(OrdersCheck, "_missing", missing)


@mutant("R8", "an older state of an order takes it back")
def older_state_wins(patch: Patch) -> None:
    def merge(self: Evidence, name: str, seen: VenueOrder, *, asked: int, source: str) -> None:
        order = self.desk.order(name)
        is_old = seen.status is OrderStatus.ACCEPTED
        if is_old and order is not None and order.status is OrderStatus.PARTIALLY_FILLED:
            order.status = OrderStatus.SUBMITTED
            order.filled = 0
            self.desk.report(OrderAccepted(self.desk.ts, name), evidence=source)
        before(self, name, seen, asked=asked, source=source)

    before = patch.set(Evidence, "merge", merge)


@mutant("R8", "an order is over when the venue says so, whatever executions are missing")
def over_before_its_fills(patch: Patch) -> None:
    def settle(self: Evidence, name: str, source: str) -> None:
        claim = self.claims.get(name)
        order = self.desk.order(name)
        if claim is not None and order is not None and claim.ended is not None:
            claim.filled = min(claim.filled, order.filled)
        before(self, name, source)

    before = patch.set(Evidence, "settle", settle)


@mutant("R8", "the end of an order is written twice")
def over_is_told_twice(patch: Patch) -> None:
    def write(self: Desk, row: Any) -> Any:
        before(self, row)
        if isinstance(row, TransitionRow) and row.after is OrderStatus.CANCELED:
            before(self, row)

    before = patch.set(Desk, "write", write)
