"""The rate budget, the connection breaker and the soft cache."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.venue import Answer, Verdict
from interlock.runtime.breaker import Breaker, BreakerRule, BreakerState
from interlock.runtime.budget import Budget, Lane, Rate
from interlock.runtime.cache import SoftCache
from tests.toy_world import NONE, World

SECOND = 10**9
LANES = st.sampled_from(list(Lane))


@given(st.lists(st.tuples(st.integers(0, 3 * SECOND), LANES, st.integers(1, 40)), max_size=200))
def test_no_window_sees_more_than_the_share(steps: list[tuple[int, Lane, int]]) -> None:
    rate = Rate(weight=100, window_ns=10 * SECOND)
    budget, ts, taken = Budget(rate), 1, []
    for wait, lane, weight in steps:
        ts += wait
        if budget.take(ts, lane, weight=weight):
            taken.append((ts, weight))
        used = sum(weight for when, weight in taken if when > ts - rate.window_ns)
        assert used <= 80


def test_queries_leave_room_for_entries_and_entries_for_exits() -> None:
    budget = Budget(Rate(weight=1000))
    counts = {}
    for lane in (Lane.QUERY, Lane.ENTRY, Lane.EXIT):
        counts[lane] = 0
        while budget.take(SECOND, lane):
            counts[lane] += 1
    assert counts == {Lane.QUERY: 240, Lane.ENTRY: 80, Lane.EXIT: 80}
    assert not budget.take(SECOND, Lane.CANCEL)
    ready = budget.ts_ready(SECOND, Lane.CANCEL)
    assert not budget.take(ready - 1, Lane.CANCEL)
    assert budget.take(ready, Lane.CANCEL)


def test_nothing_leaves_while_the_venue_wants_silence() -> None:
    budget = Budget(Rate())
    budget.silence(SECOND, 5_000)
    for lane in Lane:
        assert not budget.take(5 * SECOND, lane)
        assert budget.take(6 * SECOND, lane)


def _left(budget: Budget, ts: int) -> dict[Lane, int]:
    """How often each lane may still draw, one after another."""
    counts = {}
    for lane in (Lane.QUERY, Lane.ENTRY, Lane.CANCEL):
        counts[lane] = 0
        while budget.take(ts, lane):
            counts[lane] += 1
    return counts


def test_the_larger_count_holds() -> None:
    # Of 1000 a share of 800 is ours, half of it at once: 160 + 160 + 80 as queries, entries, rest.
    ours = {Lane.QUERY: 240, Lane.ENTRY: 80, Lane.CANCEL: 80}
    for used, left in (
        (100, ours),
        (400, ours),
        (500, {Lane.QUERY: 140, Lane.ENTRY: 80, Lane.CANCEL: 80}),
        (700, {Lane.QUERY: 0, Lane.ENTRY: 20, Lane.CANCEL: 80}),
    ):
        budget = Budget(Rate(weight=1000))
        budget.measured(SECOND, used)
        assert _left(budget, SECOND) == left
    assert (budget.used, budget.ts_measured) == (700, SECOND)


def test_cancels_keep_their_reserve_until_the_venue_s_own_limit() -> None:
    for used, cancels in ((790, 80), (900, 80), (950, 50), (1000, 0), (1200, 0)):
        budget = Budget(Rate(weight=1000))
        budget.measured(SECOND, used)
        assert _left(budget, SECOND) == {Lane.QUERY: 0, Lane.ENTRY: 0, Lane.CANCEL: cancels}


def test_every_answer_tells_the_core_the_venue_s_count() -> None:
    world = World(1, faults=NONE, busy_ns=5 * SECOND, quiet_ns=20 * SECOND).run()
    assert world.engine is not None
    budget = world.engine.asks.budget
    answer = Answer(request_id=0, ts_event=world.ts, verdict=Verdict.UNKNOWN, used_weight=99_000)
    world.engine.take(answer, world.ts)
    assert budget.used == 99_000
    assert not budget.take(world.ts, Lane.QUERY) and budget.take(world.ts, Lane.CANCEL)


def test_what_is_left_grows_back_when_the_venue_says_less() -> None:
    budget = Budget(Rate(weight=1000))
    budget.measured(SECOND, 1000)
    assert budget.level(SECOND) == 0
    budget.measured(31 * SECOND, 0)
    assert budget.level(31 * SECOND) == 200


def test_a_breaker_opens_probes_and_closes() -> None:
    breaker = Breaker(BreakerRule(failures=3, open_ns=SECOND))
    assert [breaker.failed(1) for _ in range(3)] == [False, False, True]
    assert not breaker.allows()
    assert not breaker.probe_due(SECOND)
    assert breaker.probe_due(SECOND + 1)
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.allows()
    assert breaker.failed(SECOND + 2)
    assert breaker.probe_due(2 * SECOND + 2)
    assert breaker.succeeded(2 * SECOND + 3)
    assert breaker.allows()
    assert breaker.evaluations == 3


@pytest.mark.capability("S2-077")
def test_a_value_is_as_old_as_its_reader_allows() -> None:
    cache: SoftCache[str, str] = SoftCache(2)
    cache.put("a", "old", ts=10)
    assert cache.get("a", ts=15, age_ns=5) == (10, "old")
    assert cache.get("a", ts=16, age_ns=5) is None
    cache.put("a", "new", ts=12)
    cache.put("a", "older", ts=11)
    assert cache.get("a", ts=16, age_ns=5) == (12, "new")
    cache.put("b", "", ts=12)
    cache.put("c", "", ts=12)
    assert len(cache) == 2
    assert (cache.hits, cache.misses) == (2, 1)
