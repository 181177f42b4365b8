"""Planted bugs: one rule of the engine removed at a time, for the simulator to find.

Each mutant replaces one function of the product with one that lacks a rule. The names in ``rule``
are those of docs/simulation.md. A mutant that is ``harmless`` must not be found: a rule that may be
bent without harm says something about the judges too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec

from interlock.kernel import exits
from interlock.model.chain import link as chain_link
from interlock.model.order import OrderStatus
from interlock.model.rows import EventRow, IntentRow, StateRow
from interlock.model.venue import Answer, OrderQuery, PlaceRequest, VenueOrder, Verdict
from interlock.runtime import books as books_module
from interlock.runtime import closing as closing_module
from interlock.runtime import dispatch as dispatch_module
from interlock.runtime import fills as fills_module
from interlock.runtime.answers import Answers
from interlock.runtime.asks import Asks
from interlock.runtime.budget import Budget
from interlock.runtime.cash import Cash
from interlock.runtime.commits import Commits
from interlock.runtime.engine import Engine
from interlock.runtime.evidence import Evidence
from interlock.runtime.fills import Fills
from interlock.runtime.freshness import Freshness
from interlock.runtime.gate import Fence, Gate
from interlock.runtime.guard import Guard
from interlock.runtime.orders_check import OrdersCheck
from interlock.runtime.reconcile import Reconciler
from interlock.runtime.resolver import Resolver
from interlock.runtime.settings import HOUR
from interlock.runtime.stops import Verbs
from interlock.wire.binance import answers as wire_answers
from interlock.wire.binance import verdicts
from interlock.world import storage

Restore = Callable[[], None]


class Patch:
    """Attributes replaced until the end."""

    def __init__(self) -> None:
        self._undo: list[Restore] = []

    def set(self, owner: Any, name: str, value: Any) -> Any:
        """Replace an attribute; returns what it was."""
        before = vars(owner)[name]
        setattr(owner, name, value)
        self._undo.append(lambda: setattr(owner, name, before))
        return before

    def item(self, table: Any, key: Any, value: Any) -> None:
        """Replace an entry of a table."""
        before = table[key]
        table[key] = value
        self._undo.append(lambda: table.__setitem__(key, before))

    def end(self) -> None:
        """Put everything back."""
        while self._undo:
            self._undo.pop()()


class Mutant(NamedTuple):
    """One planted bug: what is removed, of which rule, and how."""

    name: str
    rule: str
    text: str
    plant: Callable[[Patch], None]
    harmless: bool = False


MUTANTS: list[Mutant] = []


def mutant(
    rule: str, text: str, *, harmless: bool = False
) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register a function that plants a bug."""

    def register(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
        MUTANTS.append(Mutant(plant.__name__.replace("_", " "), rule, text, plant, harmless))
        return plant

    return register


@contextmanager
def planted(found: Mutant) -> Iterator[None]:
    """With this bug in the engine."""
    patch = Patch()
    try:
        found.plant(patch)
        yield
    finally:
        patch.end()


def by_name(name: str) -> Mutant:
    """The mutant of a name."""
    return next(item for item in MUTANTS if item.name == name)


# R1, R2: written before sent, one id and one send.
@mutant("R1", "requests leave before their rows are durable")
def skip_the_write_ahead(patch: Patch) -> None:
    def push(self: Commits, *, at_once: bool) -> None:
        released, self._held = self._held, []
        if released:
            self._durable(released, None, None)
        before(self, at_once=at_once)

    before = patch.set(Commits, "push", push)


@mutant("R1", "an order leaves without an intent of its own")
def no_intent_row(patch: Patch) -> None:
    from interlock.runtime.desk import Desk

    def write(self: Desk, row: Any) -> Any:
        if isinstance(row, IntentRow) and row.request_id % 7 == 0:
            row = EventRow(ts_event=row.ts_event, name="LOST_INTENT")
        return before(self, row)

    before = patch.set(Desk, "write", write)


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
    from interlock.runtime import recovery, startup

    def enter(state: Any, tag: str, epoch: int) -> None:
        before(state, tag, 1)

    before = patch.set(startup, "enter_epoch", enter)
    patch.set(recovery, "enter_epoch", enter)


# R3: the classifier, row by row.
def _verdict(codes: tuple[int, ...], verdict: Verdict) -> Callable[[Patch], None]:
    def plant(patch: Patch) -> None:
        for code in codes:
            row = verdicts.ROWS[code]
            patch.item(
                verdicts.ROWS,
                code,
                msgspec.structs.replace(row, verdict=verdict, otherwise=(), status=0),
            )

    return plant


def _row(name: str, rule: str, text: str, codes: tuple[int, ...], verdict: Verdict,
         *, harmless: bool = False) -> None:  # fmt: skip
    MUTANTS.append(Mutant(name, rule, text, _verdict(codes, verdict), harmless))


_NO, _OPEN, _YES = Verdict.REJECTED, Verdict.UNKNOWN, Verdict.ACCEPTED
_row("503 is a rejection", "R3", "-1000 Unknown error reads as a rejection", (-1000,), _NO)
_row("time out is a rejection", "R3", "-1007 and -1006 read as rejections", (-1006, -1007), _NO)
_row("busy is unknown", "R3", "-1008 is doubted although it says that nothing happened", (-1008,),
     _OPEN, harmless=True)  # fmt: skip
_row("throttling is unknown", "R3", "-1003 is doubted although it says so", (-1003,), _OPEN,
     harmless=True)  # fmt: skip
_row("clock refusal is unknown", "R3", "-1021 is doubted although it says so", (-1021,), _OPEN,
     harmless=True)  # fmt: skip


@mutant("R3", "a refused cancel reads as canceled")
def refused_cancel_is_canceled(patch: Patch) -> None:
    def canceled(self: Answers, track: Any, answer: Answer, request: Any) -> None:
        order = self.desk.state.open.get(track.client_order_id)
        if answer.verdict is not Verdict.NOT_SENT and order is not None:
            from interlock.model.events import OrderCanceled

            event = OrderCanceled(self.desk.ts, track.client_order_id, "refused")
            self.desk.report(event, evidence="answer")
            return
        before(self, track, answer, request)

    before = patch.set(Answers, "_canceled", canceled)


@mutant("R3", "a page of HTML reads as a rejection")
def html_is_a_rejection(patch: Patch) -> None:
    def verdict(asked: str, status: int, code: int, text: str) -> Verdict:
        return Verdict.REJECTED if not code else before(asked, status, code, text)

    before = patch.set(verdicts, "verdict", verdict)


@mutant("R3", "a success that cannot be read is a rejection")
def broken_success_is_a_rejection(patch: Patch) -> None:
    def judge(self: Any, request: Any, replies: Any, *, ts: int) -> Any:
        found = before(self, request, replies, ts=ts)
        is_success = replies[-1].status == 200
        if isinstance(found, Answer) and found.verdict is Verdict.UNKNOWN and is_success:
            return msgspec.structs.replace(found, verdict=Verdict.REJECTED)
        return found

    before = patch.set(wire_answers.Judge, "judge", judge)


@mutant("R3", "no answer in time is a rejection")
def silence_is_a_rejection(patch: Patch) -> None:
    def heard(self: Answers, answer: Answer, pending: Any) -> None:
        if answer.verdict is Verdict.UNKNOWN and answer.reason == "no answer in time":
            answer = msgspec.structs.replace(answer, verdict=Verdict.REJECTED)
        before(self, answer, pending)

    before = patch.set(Answers, "heard", heard)


@mutant("R3", "a broken connection counts as never sent")
def broken_is_not_sent(patch: Patch) -> None:
    from interlock.wire.binance.conversation import Conversation

    def failed(self: Any, reason: str, *, ts: int, has_left: bool) -> None:
        before(self, reason, ts=ts, has_left=False)

    before = patch.set(Conversation, "failed", failed)


# R4: unknown blocks.
@mutant("R4", "new orders leave while one of the instrument is unknown")
def unknown_blocks_nothing(patch: Patch) -> None:
    patch.set(Gate, "doubt", lambda self, instrument: "")


@mutant("R4", "an order in doubt is never asked about")
def doubt_without_questions(patch: Patch) -> None:
    def ask(self: Resolver, name: str, track: Any, doubt: Any) -> None:
        doubt.ts_next = self.desk.ts + HOUR

    patch.set(Resolver, "_ask", ask)


# R5: absence.
@mutant("R5", "the first 'not found' is a rejection")
def not_found_is_rejected(patch: Patch) -> None:
    def proof(self: Resolver, name: str, track: Any, doubt: Any) -> int:
        return 0

    patch.set(Resolver, "_proof_ts", proof)


@mutant("R5", "the lag of queries is left out of the negative proof")
def proof_without_lag(patch: Patch) -> None:
    def proof(self: Resolver, name: str, track: Any, doubt: Any) -> int:
        found: int = before(self, name, track, doubt)
        return found - self.desk.settings.query_lag_ns - self.desk.settings.clock_error_ns

    before = patch.set(Resolver, "_proof_ts", proof)


@mutant("R5", "an order that the snapshot of open orders lacks is canceled at once")
def missing_is_canceled(patch: Patch) -> None:
    from interlock.model.events import OrderCanceled

    def missing(self: OrdersCheck, track: Any, asked: int) -> list[Any]:
        name = track.client_order_id
        self.desk.report(OrderCanceled(self.desk.ts, name, "not shown"), evidence="reconcile")
        return []

    patch.set(OrdersCheck, "_missing", missing)


@mutant("R5", "an execution after the end of its order is dropped")
def late_fill_is_dropped(patch: Patch) -> None:
    def apply(self: Fills, order: Any, fill: Any, source: str) -> None:
        if order.is_open:
            before(self, order, fill, source)

    before = patch.set(Fills, "_apply", apply)


# R7: executions once.
@mutant("R7", "an execution that comes twice counts twice")
def duplicate_fill_counts(patch: Patch) -> None:
    def take(self: Fills, fill: Any, source: str) -> bool:
        self.desk.books.trades.clear()
        found: bool = before(self, fill, source)
        return found

    before = patch.set(Fills, "take", take)


@mutant("R7", "an execution of an unknown order is dropped")
def nameless_fill_is_dropped(patch: Patch) -> None:
    def take(self: Fills, fill: Any, source: str) -> bool:
        name = self._order_of(fill)
        if not name:
            return False
        found: bool = before(self, fill, source)
        return found

    before = patch.set(Fills, "take", take)


@mutant("R7", "a fill is booked with half of its fee")
def half_of_the_fee(patch: Patch) -> None:
    def apply(self: Fills, order: Any, fill: Any, source: str) -> None:
        before(self, order, msgspec.structs.replace(fill, fee=fill.fee // 2), source)

    before = patch.set(Fills, "_apply", apply)


# R8: the lattice.
@mutant("R8", "an older state of an order takes it back")
def older_state_wins(patch: Patch) -> None:
    from interlock.model.events import OrderAccepted

    def merge(self: Evidence, name: str, seen: VenueOrder, *, asked: int, source: str) -> None:
        order = self.desk.order(name)
        stale = seen.status is OrderStatus.ACCEPTED and order is not None
        if stale and order.status is OrderStatus.PARTIALLY_FILLED:
            order.status = OrderStatus.SUBMITTED
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


# R9: looking by itself.
@mutant("R9", "nothing is compared by time")
def no_periodic_look(patch: Patch) -> None:
    def begin(self: Reconciler, scope: str) -> None:
        before(self, scope)
        self.ts_orders = self.desk.ts + 24 * HOUR
        self.ts_full = self.desk.ts + 24 * HOUR

    before = patch.set(Reconciler, "begin", begin)


@mutant("R9", "missing executions are never fetched")
def no_fetch(patch: Patch) -> None:
    def ask(self: Fills, instrument: str, want: Any, ts_from: int) -> None:
        want.ts_next = self.desk.ts + 24 * HOUR

    patch.set(Fills, "_ask", ask)


@mutant("R9", "a reconnect asks for nothing")
def no_look_after_reconnect(patch: Patch) -> None:
    from interlock.runtime.startup import Startup

    def connected(self: Startup) -> None:
        if self.dispatch.gate.is_recovering:
            before(self)

    before = patch.set(Startup, "connected", connected)


# R10: the venue is the truth.
@mutant("R10", "an execution by hand is booked to a strategy")
def external_is_ours(patch: Patch) -> None:
    def owner(state: Any, settings: Any, name: str) -> str:
        return next(n for n in state.strategies if n != "external")

    patch.set(fills_module, "former_owner", owner)


@mutant("R10", "an unexplained position is not declared")
def difference_is_ignored(patch: Patch) -> None:
    patch.set(Reconciler, "_differs", lambda self, current, name, venue, asked: None)


@mutant("R10", "a position differs by one snapshot and is adjusted at once")
def one_snapshot_is_enough(patch: Patch) -> None:
    patch.set(Reconciler, "_held_since", lambda self, name, asked: set())
    patch.set(Reconciler, "_is_moving", lambda self, name: False)
    before = vars(Reconciler)["_differs"]

    def differs(self: Reconciler, current: Any, name: str, venue: int, asked: int) -> None:
        ours = self.desk.state.instruments[name].net.quantity
        if venue != ours:
            self._declare(current, name, venue, ours)

    patch.set(Reconciler, "_differs", differs)
    assert before


# R11: a comparison does not trade.
@mutant("R11", "a position that differs is traded away")
def comparison_trades(patch: Patch) -> None:
    from interlock.kernel.restore import exit_row
    from interlock.model.events import ExitDue

    def positions(self: Reconciler, current: Any, content: Any, asked: int) -> None:
        before(self, current, content, asked)
        for strategy, owner in self.desk.state.strategies.items():
            for name, position in list(owner.positions.items()):
                held = self.desk.state.instruments[name].net.quantity
                shown = {item.instrument: item.quantity for item in content}
                if shown.get(name, 0) != held and position.quantity:
                    size = abs(position.quantity)
                    event = ExitDue(self.desk.ts, strategy, name, size, tag="leave")
                    self.desk.apply(exit_row(event))

    before = patch.set(Reconciler, "_positions", positions)


# R12: deadlines.
@mutant("R12", "the venue may accept an attempt for a minute, and the proof does not know")
def long_deadline(patch: Patch) -> None:
    from interlock.wire.binance import requests

    def sign(draft: Any, *, ts: int, ts_deadline: int = 0) -> bytes:
        later = ts_deadline + 50 * 10**9 if ts_deadline else 0
        found: bytes = before(draft, ts=ts, ts_deadline=later)
        return found

    before = patch.set(requests, "bytes_to_sign", sign)


# R14: the lease.
@mutant("R14", "a lost lease stops nothing")
def lease_stops_nothing(patch: Patch) -> None:
    patch.set(Fence, "refusal", lambda self, ts: None)
    patch.set(Fence, "changed", lambda self, lease: None)
    patch.set(Fence, "deadline", lambda self, ts: ts + self.desk.settings.attempt_ns)


@mutant("R14", "the ledger takes rows of an old epoch")
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


# R15: the data gate.
@mutant("R15", "streams may be silent for as long as they like")
def silence_is_fine(patch: Patch) -> None:
    patch.set(Freshness, "stale", lambda self, instrument: "")


@mutant("R15", "a price far from the mark is believed")
def outlier_is_believed(patch: Patch) -> None:
    patch.set(Freshness, "outlier", lambda self, instrument: "")


@mutant("R15", "trading goes on before the books are compared after a reconnect")
def no_resync_barrier(patch: Patch) -> None:
    patch.set(Gate, "is_resyncing", property(lambda self: False))


# R16: the switch.
@mutant("R16", "stop verbs are not read in the send path")
def switch_is_not_read(patch: Patch) -> None:
    patch.set(closing_module, "_switch", lambda state, row: None)
    patch.set(Gate, "closed", lambda self, instrument, strategy: None)


@mutant("R16", "a stop verb does not outlive the process")
def switch_is_forgotten(patch: Patch) -> None:
    from interlock.runtime import recovery

    def recover(setup: Any, **given: Any) -> Any:
        found = before(setup, **given)
        found.books.switches.clear()
        found.state.shut.clear()
        return found

    from interlock.world import process

    before = vars(recovery)["recover"]
    patch.set(process, "recover", recover)


@mutant("R16", "orders that were let through leave after the verb all the same")
def no_last_look(patch: Patch) -> None:
    patch.set(Gate, "too_late", lambda self, request: "")


@mutant("R16", "an emergency stop is over before the venue says that it is flat")
def flat_without_proof(patch: Patch) -> None:
    def flatten(self: Verbs) -> None:
        self._flat()

    patch.set(Verbs, "_flatten", flatten)


# R17, R18, R19, recovery and books.
@mutant("R17", "a decision depends on where an object lies in memory")
def chance_of_the_machine(patch: Patch) -> None:
    from interlock.world.workload import Restless

    def act(self: Any, quote: Any) -> None:
        if id(object()) // 16 % 5:
            before(self, quote)

    before = patch.set(Restless, "_act", act)


@mutant("R19", "questions that were answered are kept for ever")
def nothing_is_forgotten(patch: Patch) -> None:
    def answered(self: Asks, answer: Answer) -> None:
        pending = self.pending.get(answer.request_id)
        before(self, answer)
        if pending is not None and isinstance(pending.request, OrderQuery):
            self.pending[-answer.request_id] = pending

    before = patch.set(Asks, "answered", answered)


@mutant("R9", "a snapshot loses what waits for an answer")
def snapshot_loses_attempts(patch: Patch) -> None:
    from interlock.runtime import engine

    def pack(state: Any, books: Any, seq: int) -> bytes:
        doubted = {n: t for n, t in books.tracks.items() if t.submit}
        found: bytes = before(state, msgspec.structs.replace(books, tracks=doubted), seq)
        return found

    before = patch.set(engine, "pack", pack)


@mutant("R1", "recovery does not ask about orders without an answer")
def recovery_asks_nothing(patch: Patch) -> None:
    from interlock.runtime.startup import Startup

    patch.set(Startup, "_doubt", lambda self, track: None)


@mutant("R1", "recovery forgets what the tape tells")
def tape_is_not_read(patch: Patch) -> None:
    from interlock.world import process

    def recover(setup: Any, **given: Any) -> Any:
        return before(setup, **{**given, "tape": ()})

    before = patch.set(process, "recover", recover)


@mutant("R20", "the chain leaves the body out")
def chain_without_body(patch: Patch) -> None:
    def link(before: bytes, seq: int, row: Any, *, epoch: int) -> bytes:
        empty = msgspec.structs.replace(row, body=b"")
        return chain_link(before, seq, empty, epoch=epoch)

    patch.set(storage, "link", link)


# Protection, money, rate, form.
@mutant("I14", "a position without a stop is not repaired")
def guard_sleeps(patch: Patch) -> None:
    patch.set(Guard, "_repair", lambda self, gap, key: None)


@mutant("I14", "a stop counts with its whole quantity after a partial fill")
def stop_of_the_order(patch: Patch) -> None:
    def gap(owner: Any, slot: Any, held: int) -> Any:
        found = before(owner, slot, held)
        return found._replace(covered=max(found.covered, abs(held)) if found.stops else 0)

    before = patch.set(exits, "_gap", gap)


@mutant("I12", "payments of the venue are not booked")
def payments_are_dropped(patch: Patch) -> None:
    patch.set(Cash, "take", lambda self, payment: False)
    patch.set(Cash, "_differs", lambda self, asset, missing, asked, is_quiet: None)


@mutant("I15", "Retry-After is not kept")
def hammers_on(patch: Patch) -> None:
    patch.set(Budget, "silence", lambda self, ts, retry_after_ms: None)


@mutant("I15", "nothing is counted against the rate")
def no_budget(patch: Patch) -> None:
    patch.set(Budget, "take", lambda self, ts, lane, *, weight=1: True)


@mutant("I10", "prices leave as they are, off the tick")
def off_the_tick(patch: Patch) -> None:
    def send(self: Any, effect: Any, order: Any, payload: bytes) -> None:
        if effect.spec.price:
            spec = msgspec.structs.replace(effect.spec, quantity=effect.spec.quantity * 10**9)
            effect = (
                effect._replace(spec=spec)
                if hasattr(effect, "_replace")
                else (msgspec.structs.replace(effect, spec=spec))
            )
        before(self, effect, order, payload)

    before = patch.set(dispatch_module.Dispatch, "_send", send)


@mutant("I1", "limits are not asked")
def limits_are_not_asked(patch: Patch) -> None:
    from interlock.kernel.state import Limits
    from interlock.world.scene import Scene

    patch.set(Scene, "limits", property(lambda self: Limits()))


@mutant("I29", "orders in doubt are told as accepted")
def doubt_is_hidden(patch: Patch) -> None:
    def report(self: Answers, track: Any, answer: Answer) -> None:
        from interlock.model.events import OrderAccepted

        name = track.client_order_id
        self.desk.report(OrderAccepted(self.desk.ts, name), evidence="answer")

    patch.set(Answers, "_doubt_placement", report)


@mutant("I25", "the engine never comes back from recovery")
def recovery_never_ends(patch: Patch) -> None:
    from interlock.runtime.startup import Startup

    patch.set(Startup, "_is_confirmed", lambda self: False)


@mutant("I21", "commands leave no row")
def commands_leave_no_row(patch: Patch) -> None:
    from interlock.model.rows import CommandRow
    from interlock.runtime.desk import Desk

    def write(self: Desk, row: Any) -> Any:
        if isinstance(row, CommandRow):
            return None
        return before(self, row)

    before = patch.set(Desk, "write", write)


@mutant("I16", "a paused instrument opens by itself")
def pause_ends_by_itself(patch: Patch) -> None:
    def switch(books: Any, row: StateRow) -> None:
        if row.scope:
            return
        before(books, row)

    before = patch.set(books_module, "_switch", switch)
    patch.item(books_module._APPLY, StateRow, switch)


@mutant("R5 I4", "an order that came back to life at the venue is left there")
def revenant_stays(patch: Patch) -> None:
    patch.set(Resolver, "_revenant", lambda self, track, asked: None)


@mutant("I23", "the core wakes a thousand times a second for nothing")
def engine_turns_too_fast(patch: Patch) -> None:
    def nxt(self: Engine) -> int:
        before(self)
        return self.desk.ts + 1_000_000

    before = patch.set(Engine, "_next", nxt)
