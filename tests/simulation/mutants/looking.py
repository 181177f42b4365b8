"""Planted where we look at the venue by ourselves: R9, R10, R11, I24."""

from __future__ import annotations

from typing import Any

from interlock.kernel.restore import exit_row
from interlock.model.events import ExitDue
from interlock.model.rows import Difference, Severity
from interlock.runtime.fills import Fills
from interlock.runtime.listener import Listener
from interlock.runtime.reconcile import Reconciler
from interlock.runtime.settings import HOUR
from interlock.runtime.startup import Startup
from tests.simulation.mutants.planting import Patch, mutant


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


@mutant(
    "R9",
    "a comparison does not fetch executions that nobody misses yet",
    harmless="what the stream lost shows in orders and positions, and is fetched for that",
)
def no_backfill(patch: Patch) -> None:
    patch.set(Fills, "backfill", lambda self: None)


@mutant("R9", "a reconnect asks for nothing")
def no_look_after_reconnect(patch: Patch) -> None:
    def connected(self: Startup) -> None:
        if self.dispatch.gate.is_recovering:
            before(self)

    before = patch.set(Startup, "connected", connected)


@mutant("R10", "an unexplained position is not declared")
def difference_is_ignored(patch: Patch) -> None:
    patch.set(Reconciler, "_differs", lambda self, current, name, venue, asked: None)


@mutant("R10", "a position that differs in one snapshot is adjusted at once")
def one_snapshot_is_enough(patch: Patch) -> None:
    def differs(self: Reconciler, current: Any, name: str, venue: int, asked: int) -> None:
        ours = self.desk.state.instruments[name].net.quantity
        if venue != ours:
            self._declare(current, name, venue, ours)

    patch.set(Reconciler, "_held_since", lambda self, name, asked: set())
    patch.set(Reconciler, "_differs", differs)


@mutant("R10", "what may still explain a position is not waited for")
def nothing_is_moving(patch: Patch) -> None:
    patch.set(Reconciler, "_is_moving", lambda self, name: False)


@mutant("R11", "a position that differs is traded away")
def comparison_trades(patch: Patch) -> None:
    def positions(self: Reconciler, current: Any, content: Any, asked: int) -> None:
        before(self, current, content, asked)
        shown = {item.instrument: item.quantity for item in content}
        for strategy, owner in self.desk.state.strategies.items():
            for name, position in list(owner.positions.items()):
                held = self.desk.state.instruments[name].net.quantity
                if shown.get(name, 0) != held and position.quantity:
                    size = abs(position.quantity)
                    event = ExitDue(self.desk.ts, strategy, name, size, tag="even")
                    self.desk.apply(exit_row(event))

    before = patch.set(Reconciler, "_positions", positions)


@mutant("R11 I24", "a comparison finds a difference where there is none")
def difference_without_one(patch: Patch) -> None:
    def finish(self: Reconciler) -> None:
        current = self.round
        if current is not None and current.scope == "full":
            difference = Difference(
                subject="position", cause="position_unexplained", severity=Severity.INFO
            )
            current.differences.append(difference)
        before(self)

    before = patch.set(Reconciler, "_finish", finish)


@mutant("R11 I24", "an answer of a comparison lets strategies decide")
def comparison_decides(patch: Patch) -> None:
    def positions(self: Reconciler, current: Any, content: Any, asked: int) -> None:
        before(self, current, content, asked)
        for slot in self.desk.state.instruments.values():
            if slot.last is not None:
                self.desk.step(slot.last)

    before = patch.set(Reconciler, "_positions", positions)


@mutant("R9", "what the user stream says about orders is not taken in",
        harmless="answers, queries and comparisons say it too, only later")  # fmt: skip
def deaf_to_orders(patch: Patch) -> None:
    patch.set(Listener, "_order", lambda self, event: None)
