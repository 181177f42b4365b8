"""Planted where an engine starts from what it left behind: recovery, snapshots, tape, R17."""

from __future__ import annotations

from itertools import count
from typing import Any

import msgspec

from interlock.runtime import engine
from interlock.runtime.counted import Counted
from interlock.runtime.folding import Folding
from interlock.runtime.startup import Startup
from interlock.world import process
from interlock.world.workload import Restless
from tests.simulation.mutants.planting import Patch, mutant


def _pack(patch: Patch, **changes: Any) -> None:
    """Leave something out of every snapshot: for each name of the books what replaces it."""

    def pack(state: Any, books: Any, seq: int) -> bytes:
        named = {name: make(books) for name, make in changes.items()}
        found: bytes = before(state, msgspec.structs.replace(books, **named), seq)
        return found

    before = patch.set(engine, "pack", pack)


@mutant("R1 R9", "recovery does not ask about orders without an answer")
def recovery_asks_nothing(patch: Patch) -> None:
    patch.set(Startup, "_doubt", lambda self, track: None)


@mutant("R9", "a snapshot loses what waits for an answer")
def snapshot_loses_attempts(patch: Patch) -> None:
    _pack(patch, tracks=lambda books: {n: t for n, t in books.tracks.items() if t.submit})


@mutant("R7", "a snapshot forgets which executions were counted")
def snapshot_forgets_trades(patch: Patch) -> None:
    _pack(patch, trades=lambda books: {name: Counted() for name in books.trades})


@mutant("R2", "a snapshot forgets which ids were given out")
def snapshot_forgets_ids(patch: Patch) -> None:
    _pack(patch, given=lambda books: type(books.given)())


@mutant("R16", "a snapshot forgets the switches")
def snapshot_forgets_switches(patch: Patch) -> None:
    _pack(patch, switches=lambda books: {})


@mutant("R9", "a start trusts its snapshot and leaves out the rows after it")
def stale_snapshot_is_trusted(patch: Patch) -> None:
    def recover(setup: Any, **given: Any) -> Any:
        return before(setup, **{**given, "rows": given["rows"] if given["kept"] is None else ()})

    before = patch.set(process, "recover", recover)


@mutant("R1", "recovery forgets what the tape tells")
def tape_is_not_read(patch: Patch) -> None:
    def recover(setup: Any, **given: Any) -> Any:
        return before(setup, **{**given, "tape": ()})

    before = patch.set(process, "recover", recover)


@mutant("I18", "recovery leaves the last execution before a crash out")
def last_row_is_left_out(patch: Patch) -> None:
    def recover(setup: Any, **given: Any) -> Any:
        rows = list(given["rows"])
        fills = [place for place, stored in enumerate(rows) if stored.row.kind == "fill"]
        if fills:
            del rows[fills[-1]]
        return before(setup, **{**given, "rows": rows})

    before = patch.set(process, "recover", recover)


@mutant("I18", "a start decides the past again under the limits of today")
def limits_of_today_for_the_past(patch: Patch) -> None:
    patch.set(Folding, "obey", lambda self, row: None)


@mutant("I1", "a start goes on with the limits of before")
def new_limits_do_not_hold(patch: Patch) -> None:
    def recover(setup: Any, **given: Any) -> Any:
        found = before(setup, **given)
        if found.books.policy is not None and found.books.policy.limits is not None:
            found.state.limits = found.books.policy.limits
        return found

    before = patch.set(process, "recover", recover)


@mutant("I25", "the engine never comes back from recovery")
def recovery_never_ends(patch: Patch) -> None:
    patch.set(Startup, "_is_confirmed", lambda self: False)


@mutant("R15", "trading begins before the venue has confirmed the books")
def recovery_ends_at_once(patch: Patch) -> None:
    patch.set(Startup, "_is_confirmed", lambda self: True)


@mutant("R17", "a decision depends on what was decided in the process before, in other runs too")
def chance_of_the_machine(patch: Patch) -> None:
    decided = count()

    def act(self: Any) -> None:
        if next(decided) % 5:
            before(self)

    before = patch.set(Restless, "_act", act)
