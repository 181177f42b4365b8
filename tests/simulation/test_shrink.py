"""Shrinking, against failures whose smallest plan is known: no world is played here."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from interlock.runtime.settings import MINUTE
from interlock.world.plan import Plan, with_rates
from interlock.world.shrink import shrink
from interlock.world.world import Verdict

KINDS = ("request_lost", "answer_lost", "message_late", "kill", "clock_step", "price_gap")
FIRST = with_rates(7, busy_ns=32 * MINUTE, **dict.fromkeys(KINDS, 8))

Fails = Callable[[Plan, list[str]], bool]


class Bench:
    """Plays plans by a rule: ``fails`` is asked with the plan and the strikes that are left."""

    def __init__(self, fails: Fails, invariant: str = "I6") -> None:
        self.played: list[Plan] = []
        self._fails = fails
        self._invariant = invariant

    def play(self, plan: Plan) -> Verdict:
        """As a world would: strikes follow from the plan."""
        self.played.append(plan)
        named = [f"{kind} {number}" for kind in plan.rates for number in range(1, 9)]
        strikes = [strike for strike in named if plan.allows(strike)]
        invariant = self._invariant if self._fails(plan, strikes) else ""
        return Verdict(plan=plan, digest="", invariant=invariant, strikes=strikes)


def needs(*wanted: str) -> Fails:
    """A failure that takes all of these strikes."""
    return lambda plan, strikes: set(wanted) <= set(strikes)


@pytest.mark.parametrize(
    "wanted",
    [("kill 3",), ("request_lost 8", "clock_step 1"), ("answer_lost 2", "kill 5", "price_gap 8")],
)
def test_what_is_left_is_what_it_takes(wanted: tuple[str, ...]) -> None:
    bench = Bench(needs(*wanted))
    found = shrink(bench.play, bench.play(FIRST))
    assert sorted(found.strikes) == sorted(wanted)
    assert set(found.plan.rates) == {strike.partition(" ")[0] for strike in wanted}
    assert found.plan.busy_ns == MINUTE // 2
    assert bench.play(found.plan).invariant == found.invariant == "I6"


def test_the_time_stays_as_long_as_the_failure_takes() -> None:
    bench = Bench(lambda plan, strikes: plan.busy_ns >= 5 * MINUTE and "kill 1" in strikes)
    found = shrink(bench.play, bench.play(FIRST))
    assert found.plan.busy_ns == 8 * MINUTE
    assert found.strikes == ["kill 1"]


@pytest.mark.parametrize("tries", [0, 1, 5, 20, 60])
def test_a_budget_is_kept_and_what_it_leaves_still_fails(tries: int) -> None:
    bench = Bench(needs("message_late 4", "kill 5"))
    first = bench.play(FIRST)
    found = shrink(bench.play, first, tries=tries)
    assert len(bench.played) <= 1 + tries
    assert len(found.strikes) <= len(first.strikes)
    assert bench.play(found.plan).invariant == "I6"


def test_another_invariant_is_another_failure() -> None:
    """A smaller plan that fails elsewise is not taken for the same one."""
    bench = Bench(needs("kill 1"))

    def play(plan: Plan) -> Verdict:
        verdict = bench.play(plan)
        is_whole = set(KINDS) <= set(plan.rates)
        return verdict if is_whole else msgspec.structs.replace(verdict, invariant="I25")

    found = shrink(play, play(FIRST))
    assert set(found.plan.rates) == set(KINDS)
    assert found.strikes == ["kill 1"]
