"""The live core against a toy venue: every seed ends with equal books, and every rule is needed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from interlock.model.rows import IntentRow, decode_row
from interlock.model.venue import Answer, Verdict
from interlock.runtime import closing
from interlock.runtime.answers import Answers
from interlock.runtime.fills import Fills
from interlock.runtime.gate import Gate
from interlock.runtime.reconcile import Reconciler
from interlock.runtime.settings import HOUR, MS, SECOND, Settings
from tests.toy_players import Bracketed
from tests.toy_truth import Violation
from tests.toy_world import NONE, Faults, World

QUICK = Settings(full_every_ns=15 * SECOND, orders_every_ns=10 * SECOND)


@pytest.mark.parametrize("first", range(1, 301, 50))
def test_books_are_equal_after_any_faults(first: int) -> None:
    """I1-I6, I9, I11, I12, I17, I24, I25 on the venue's truth; the world raises at the first."""
    worlds = [World(seed).run() for seed in range(first, first + 50)]
    assert sum(len(world.truth.sent) for world in worlds) > 1_000
    assert sum(world.crashes for world in worlds) > 10


@pytest.mark.parametrize("whole_ns", [0, SECOND])
def test_orders_that_are_packed_at_once_keep_the_books_equal(whole_ns: int) -> None:
    settings = msgspec.structs.replace(QUICK, whole_ns=whole_ns)
    for seed in range(1, 61):
        world = World(seed, settings=settings).run()
        assert world.engine is not None
        assert len(world.engine.desk.books.archive) > 0 or not world.truth.sent
    for seed in range(1, 31):
        World(seed, strategy=Bracketed, settings=settings).run()


def test_brackets_survive_any_faults() -> None:
    worlds = [World(seed, strategy=Bracketed).run() for seed in range(1, 61)]
    assert sum(len(world.truth.sent) for world in worlds) > 300


def test_a_crash_at_every_output_ends_in_equal_books() -> None:
    whole, counted = World(3, faults=NONE, busy_ns=12 * SECOND), [0]
    whole.at(whole.ts + 30 * SECOND, lambda: counted.append(whole.boundaries))
    whole.run()
    assert counted[-1] > 60
    for crash_at in range(1, counted[-1] + 1):
        world = World(3, faults=NONE, busy_ns=12 * SECOND, crash_at=crash_at).run()
        assert world.crashes == 1, crash_at


def test_the_same_seed_gives_the_same_rows() -> None:
    first, second = World(17).run(), World(17).run()
    assert [row.row for row in first.rows] == [row.row for row in second.rows]


def test_another_seed_gives_other_rows() -> None:
    assert [row.row for row in World(17).run().rows] != [row.row for row in World(18).run().rows]


def test_doubts_end_soon_after_their_proof_is_possible() -> None:
    """An attempt that was lost is absent 9 s after it left at the earliest; most are found."""
    took: list[int] = []
    for seed in range(1, 101):
        world = World(seed, faults=Faults()).run()
        notices = (n for n in world.notices if getattr(n, "name", "") == "ORDER_RESOLVED")
        took += [int(notice.fields["took_ms"]) for notice in notices]
    took.sort()
    assert len(took) > 500
    assert took[len(took) // 2] < 1_000
    assert took[len(took) * 99 // 100] < 15_000


# The rules one by one: without any of them the world finds a violation.
def _finds(seeds: range = range(1, 41), **options: Any) -> bool:
    for seed in seeds:
        try:
            World(seed, **{"faults": Faults(), **options}).run()
        except Violation:
            return True
    return False


def test_the_full_set_of_rules_finds_nothing() -> None:
    assert not _finds()


def test_not_found_is_no_proof_before_its_time() -> None:
    assert _finds(settings=msgspec.structs.replace(QUICK, clock_error_ns=-20 * SECOND))


def test_the_lag_of_queries_belongs_to_the_proof() -> None:
    lagging = Faults(lag=1.0, unclear=0.5, stream_lost=1.0, crash=0.0)
    late = {"faults": lagging, "lag_least_ns": 4900 * MS}
    assert not _finds(range(1, 11), **late)
    assert _finds(settings=msgspec.structs.replace(QUICK, clock_error_ns=-4 * SECOND), **late)


def test_an_unclear_answer_is_no_rejection(monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Answers.heard

    def guess(self: Answers, answer: Answer, pending: Any) -> None:
        if answer.verdict is Verdict.UNKNOWN:
            answer = msgspec.structs.replace(answer, verdict=Verdict.REJECTED)
        heard(self, answer, pending)

    monkeypatch.setattr(Answers, "heard", guess)
    assert _finds()


def test_executions_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    take = Fills.take

    def forgetful(self: Fills, fill: Any, source: str) -> bool:
        self.desk.books.trades.clear()
        return take(self, fill, source)

    monkeypatch.setattr(Fills, "take", forgetful)
    assert _finds()


def test_executions_that_did_not_come_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(self: Fills, instrument: str, want: Any, ts_from: int) -> None:
        want.ts_next = self.desk.ts + HOUR

    monkeypatch.setattr(Fills, "_ask", never)
    assert _finds()


def test_a_snapshot_is_compared_with_what_was_held_when(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_once(self: Reconciler, name: str, asked: int) -> set[int]:
        return {self.desk.state.instruments[name].net.quantity}

    monkeypatch.setattr(Reconciler, "_held_since", at_once)
    monkeypatch.setattr(Reconciler, "_is_moving", lambda self, name: False)
    assert _finds(settings=msgspec.structs.replace(QUICK, confirmations=0))


def test_the_switch_is_read_in_the_send_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice: the kernel decides nothing against it, and the gate lets nothing out."""
    assert not _halted_finds()
    monkeypatch.setattr(closing, "_switch", lambda state, row: None)
    assert not _halted_finds()
    monkeypatch.setattr(Gate, "closed", lambda self, instrument, strategy: None)
    assert _halted_finds()


def _halted_finds() -> bool:
    for seed in range(1, 11):
        world = World(seed, faults=Faults(crash=0.02))
        world.at(world.ts + 15 * SECOND, _halt, world)
        try:
            world.run()
        except Violation:
            return True
    return False


def _halt(world: World) -> None:
    if world.engine is None:
        world.at(world.ts + SECOND, _halt, world)
        return
    world.command("halt")
    if world.engine is None:
        # The core died before the command was durable: it was never acknowledged.
        world.truth.ts_halted = 0
        world.at(world.ts + 6 * SECOND, _halt, world)


def test_intents_are_durable_and_carry_their_epoch() -> None:
    world = World(5, faults=Faults(crash=0.05)).run()
    intents = [
        row for row in map(decode_row, (r.row for r in world.rows)) if isinstance(row, IntentRow)
    ]
    assert world.epoch > 1
    assert {row.epoch for row in intents} <= set(range(1, world.epoch + 1))
    assert {row.client_order_id for row in intents} >= set(world.truth.sent)
