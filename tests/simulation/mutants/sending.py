"""Planted where orders leave: R1, R2, R6, R12, R14 and what the wire must be given."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.model.effects import SubmitOrder
from interlock.model.rows import EventRow, IntentRow, RequestRow
from interlock.model.venue import Answer, PlaceRequest
from interlock.runtime import folding, recovery, startup
from interlock.runtime.answers import Answers
from interlock.runtime.asks import Asks
from interlock.runtime.commits import Commits
from interlock.runtime.desk import Desk
from interlock.runtime.dispatch import Dispatch
from interlock.runtime.gate import Fence
from interlock.runtime.loop import Loop
from interlock.wire.binance import requests
from interlock.world import storage
from interlock.world.scene import Scene
from tests.simulation.mutants.planting import Patch, mutant


@mutant("R1", "requests leave before their rows are durable")
def skip_the_write_ahead(patch: Patch) -> None:
    def hurry(self: Commits) -> None:
        released, self._held = self._held, []
        if released:
            self._durable(released, None, None)
        before(self)

    before = patch.set(Commits, "hurry", hurry)


@mutant("R1", "every seventh order leaves without an intent of its own")
def no_intent_row(patch: Patch) -> None:
    def write(self: Desk, row: Any) -> Any:
        if isinstance(row, IntentRow) and row.request_id % 7 == 0:
            row = EventRow(ts_event=row.ts_event, name="LOST_INTENT")
        return before(self, row)

    before = patch.set(Desk, "write", write)


@mutant("R1", "the row of a cancel or an amendment has another deadline than what leaves")
def row_of_another_request(patch: Patch) -> None:
    def write(self: Desk, row: Any) -> Any:
        if isinstance(row, RequestRow):
            later = row.request.ts_deadline + 1
            request = msgspec.structs.replace(row.request, ts_deadline=later)
            row = msgspec.structs.replace(row, request=request)
        return before(self, row)

    before = patch.set(Desk, "write", write)


@mutant("R2", "what leaves is not what the intent says: the price is one tick off")
def another_payload(patch: Patch) -> None:
    def send(self: Asks, request: Any, handler: Any) -> None:
        if isinstance(request, PlaceRequest) and request.spec.price > 1:
            spec = msgspec.structs.replace(request.spec, price=request.spec.price - 1)
            request = msgspec.structs.replace(request, spec=spec)
        before(self, request, handler)

    before = patch.set(Asks, "send", send)


@mutant("R2 R6", "an order without a clear answer is sent again under its id")
def send_again_on_doubt(patch: Patch) -> None:
    def doubt(self: Answers, track: Any, answer: Answer) -> None:
        before(self, track, answer)
        request = PlaceRequest(
            request_id=self.resolver.asks.number(),
            ts_deadline=self.dispatch.gate.fence.deadline(self.desk.ts),
            client_order_id=track.client_order_id,
            spec=track.spec,
        )
        self.resolver.asks.send(request, self.heard)

    before = patch.set(Answers, "_doubt_placement", doubt)


@mutant("R2", "ids are counted anew after every start")
def ids_begin_anew(patch: Patch) -> None:
    def enter(state: Any, tag: str, epoch: int) -> None:
        before(state, tag, 1)

    before = patch.set(startup, "enter_epoch", enter)
    patch.set(recovery, "enter_epoch", enter)
    patch.set(folding, "enter_epoch", enter)


@mutant("R12", "the venue may accept an attempt for a minute, and the proof does not know")
def long_deadline(patch: Patch) -> None:
    def sign(draft: Any, *, ts: int, ts_deadline: int = 0) -> bytes:
        later = ts_deadline + 50 * 10**9 if ts_deadline else 0
        found: bytes = before(draft, ts=ts, ts_deadline=later)
        return found

    before = patch.set(requests, "bytes_to_sign", sign)


@mutant("R14", "a lost lease stops nothing")
def lease_stops_nothing(patch: Patch) -> None:
    patch.set(Fence, "refusal", lambda self, ts: None)
    patch.set(Fence, "changed", lambda self, lease: None)
    patch.set(Fence, "deadline", lambda self, ts: ts + self.desk.settings.attempt_ns)


@mutant(
    "R14",
    "the ledger takes rows of an old epoch",
    harmless="what leaves is fenced by the lease's own end; the ledger's check is the second one",
)
def ledger_without_fence(patch: Patch) -> None:
    def commit(self: storage.WorldLedger) -> int:
        held = self._files.lease
        self._files.lease = None
        try:
            found: int = before(self)
        finally:
            self._files.lease = held
        return found

    before = patch.set(storage.WorldLedger, "commit", commit)


@mutant("R18", "the engine goes on after a commit that failed")
def failed_commit_goes_on(patch: Patch) -> None:
    def durable(self: Loop, held: Any, kept: Any, error: Any) -> None:
        before(self, held, None if error else kept, None)

    before = patch.set(Loop, "_durable", durable)


@mutant("R1 I10", "quantities leave one unit off the lot")
def off_the_lot(patch: Patch) -> None:
    def send(self: Dispatch, effect: SubmitOrder, order: Any, payload: bytes) -> None:
        spec = msgspec.structs.replace(effect.spec, quantity=effect.spec.quantity + 1)
        before(self, msgspec.structs.replace(effect, spec=spec), order, payload)

    before = patch.set(Dispatch, "_send", send)


@mutant("I10", "a start goes on with the rules of a symbol that it knew before")
def rules_of_yesterday(patch: Patch) -> None:
    def setup(self: Scene) -> Any:
        found = before(self)
        return msgspec.structs.replace(found, instruments=list(self.exchange.instruments))

    before = patch.set(Scene, "setup", setup)


@mutant("I28", "an engine that is told to trade on paper is given the real venue")
def paper_at_the_venue(patch: Patch) -> None:
    def setup(self: Scene) -> Any:
        found = before(self)
        settings = msgspec.structs.replace(found.settings, mode="paper")
        return msgspec.structs.replace(found, settings=settings)

    before = patch.set(Scene, "setup", setup)
