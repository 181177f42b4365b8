"""Planted where new risk is held back: R15, R16, limits, protection, the rate."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.kernel import exits, limits, orders
from interlock.model.market import Quote
from interlock.model.rows import StateRow
from interlock.runtime import books as books_module
from interlock.runtime import closing, gate, startup
from interlock.runtime.budget import Budget
from interlock.runtime.engine import Engine
from interlock.runtime.freshness import Freshness
from interlock.runtime.gate import Gate
from interlock.runtime.guard import Guard
from interlock.runtime.stops import Verbs
from interlock.wire.binance.fault import WireFault
from interlock.wire.binance.streams import StreamReader
from interlock.world import process
from tests.simulation.mutants.planting import Patch, mutant


@mutant("R15", "streams may be silent for as long as they like")
def silence_is_fine(patch: Patch) -> None:
    patch.set(Freshness, "stale", lambda self, instrument: "")


@mutant("R15", "a price far from the mark is believed")
def outlier_is_believed(patch: Patch) -> None:
    patch.set(Freshness, "outlier", lambda self, instrument: "")


@mutant(
    "R15",
    "a touch whose bid is above its ask is believed by the core",
    harmless="the reader of the stream throws such a touch away",
)
def crossed_touch_is_believed(patch: Patch) -> None:
    _believe_crossed(patch)


@mutant(
    "R15",
    "a touch whose bid is above its ask is read as any other",
    harmless="the core holds back what may add risk while the newest touch is crossed",
)
def crossed_touch_is_read(patch: Patch) -> None:
    _read_crossed(patch)


@mutant("R15", "a touch whose bid is above its ask is read and believed")
def crossed_touch_is_traded_on(patch: Patch) -> None:
    _believe_crossed(patch)
    _read_crossed(patch)


def _believe_crossed(patch: Patch) -> None:
    def outlier(self: Freshness, instrument: str) -> str:
        last = self.desk.state.instruments[instrument].last
        if type(last) is Quote and last.bid_units > last.ask_units > 0:
            return ""
        found: str = before(self, instrument)
        return found

    before = patch.set(Freshness, "outlier", outlier)


def _read_crossed(patch: Patch) -> None:
    def touch(self: Any, frame: bytes, ts: int) -> tuple[Any, ...]:
        try:
            found: tuple[Any, ...] = before(self, frame, ts)
        except WireFault:
            said = msgspec.json.decode(frame)
            straight = msgspec.json.encode({**said, "b": said["a"], "a": said["b"]})
            (quote,) = before(self, straight, ts)
            bid, ask = quote.ask_units, quote.bid_units
            return (Quote.of(quote.instrument, ts, bid, 1, ask, 1),)
        return found

    before = patch.set(StreamReader, "_touch", touch)


@mutant("R15", "trading goes on before the books are compared after a reconnect")
def no_resync_barrier(patch: Patch) -> None:
    patch.set(Gate, "is_resyncing", property(lambda self: False))


@mutant("R16", "stop verbs are not read in the send path")
def switch_is_not_read(patch: Patch) -> None:
    patch.set(closing, "_switch", lambda state, row: None)
    patch.set(Gate, "closed", lambda self, instrument, strategy: None)


@mutant("R16", "a stop verb does not outlive the process")
def switch_is_forgotten(patch: Patch) -> None:
    def recover(setup: Any, **given: Any) -> Any:
        found = before(setup, **given)
        found.books.switches.clear()
        found.state.shut.clear()
        return found

    before = patch.set(process, "recover", recover)


@mutant("R16", "orders that were let through leave after the verb all the same")
def no_last_look(patch: Patch) -> None:
    patch.set(Gate, "too_late", lambda self, request: "")


@mutant("R16", "an emergency stop is over before the venue says that it is flat")
def flat_without_proof(patch: Patch) -> None:
    patch.set(Verbs, "_flatten", lambda self: self._flat())


@mutant("R16 I16", "an instrument that is paused is opened by the next comparison")
def pause_ends_by_itself(patch: Patch) -> None:
    def switch(books: Any, row: Any) -> None:
        if not row.scope:
            before(books, row)

    before = books_module._switch
    patch.item(books_module._APPLY, StateRow, switch)


@mutant("R16 I16", "a start lifts what an operator has closed")
def start_lifts(patch: Patch) -> None:
    running = startup.RUNNING

    def begin(self: Any, fence: Any) -> None:
        startup.__dict__["RUNNING"] = running | {"paused", "halted"}
        try:
            before(self, fence)
        finally:
            startup.__dict__["RUNNING"] = running

    before = patch.set(startup.Startup, "begin", begin)


@mutant("I1", "the limit of a position is not asked")
def position_limit_is_not_asked(patch: Patch) -> None:
    patch.set(limits, "_check_position", lambda state, slot, spec, price: None)


@mutant("I1", "open orders do not count towards the limit of a position")
def open_orders_do_not_count(patch: Patch) -> None:
    def worst(slot: Any, spec: Any) -> int:
        return int(slot.net.quantity + spec.side * spec.quantity)

    patch.set(limits, "_worst_position", worst)


@mutant("I1 I9", "an order against the position is an exit, however large")
def every_opposite_order_is_an_exit(patch: Patch) -> None:
    def is_exit(desk: Any, order: Any) -> bool:
        held = order.owner.positions.get(order.spec.instrument)
        return bool(held is not None and held.quantity * order.spec.side < 0)

    patch.set(gate, "is_exit", is_exit)


@mutant("I14", "a position without a stop is not repaired")
def guard_sleeps(patch: Patch) -> None:
    patch.set(Guard, "_repair", lambda self, gap, key: None)


@mutant("I14", "a repair puts the stop on the winning side of the price")
def repair_on_the_wrong_side(patch: Patch) -> None:
    def leave(self: Guard, gap: Any, quantity: int, *, trigger: int = 0, **more: Any) -> None:
        mirrored = 2 * gap.slot.mark - trigger if trigger else 0
        before(self, gap, quantity, trigger=mirrored, **more)

    before = patch.set(Guard, "_exit", leave)


@mutant(
    "I14",
    "a repair has the side of the position, and would grow it",
    harmless="the kernel refuses an exit that does not shrink, and the guard leaves at the market",
)
def repair_of_the_wrong_side(patch: Patch) -> None:
    def spec(event: Any, side: int, size: int) -> Any:
        return before(event, -side if event.tag == "protect" else side, size)

    before = patch.set(exits, "_exit_spec", spec)


@mutant(
    "I14",
    "a leg that fills leaves its twin as it is",
    harmless="the guard cancels exits of a position that is gone, and before that they only close",
)
def twin_stays(patch: Patch) -> None:
    patch.set(orders, "_shrink_siblings", lambda state, order: None)


@mutant("I14", "a leg that fills leaves its twin as it is, and so does the guard")
def twin_stays_for_ever(patch: Patch) -> None:
    patch.set(orders, "_shrink_siblings", lambda state, order: None)
    patch.set(Guard, "_clear_orphans", lambda self: None)


@mutant("I14", "a stop counts with its whole quantity after a partial fill")
def stop_of_the_order(patch: Patch) -> None:
    def gap(owner: Any, slot: Any, held: int) -> Any:
        found = before(owner, slot, held)
        return found._replace(covered=max(found.covered, abs(held)) if found.stops else 0)

    before = patch.set(exits, "_gap", gap)


@mutant("I15", "Retry-After is not kept")
def hammers_on(patch: Patch) -> None:
    patch.set(Budget, "silence", lambda self, ts, retry_after_ms: None)


@mutant("I15", "what waited for the disk leaves into a silence that was asked for meanwhile")
def leaves_into_a_silence(patch: Patch) -> None:
    def admits(self: Engine, request: Any, ts: int) -> Any:
        budget = self.asks.budget
        until, budget.ts_silent = budget.ts_silent, 0
        try:
            return before(self, request, ts)
        finally:
            budget.ts_silent = until

    before = patch.set(Engine, "admits", admits)


@mutant("I15", "nothing is counted against the rate")
def no_budget(patch: Patch) -> None:
    patch.set(Budget, "take", lambda self, ts, lane, *, weight=1: True)
