"""Planted bugs: quick ones are found at every run, harmless ones are not, and all are undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from interlock.runtime.settings import MINUTE
from interlock.world.invariants import MEANINGS, OPEN_INVARIANTS
from interlock.world.judges import JUDGES
from interlock.world.plan import drawn, from_json
from interlock.world.world import World
from tests.simulation.mutants import FAMILIES, MUTANTS, by_name, planted
from tests.simulation.mutation import is_alone, play

BUSY = 5 * MINUTE
# Invariant -> the bug that it alone sees, and within how many seeds.
ALONE: dict[str, tuple[str, int]] = {
    "I1": ("position limit is not asked", 12),
    "I2": ("payment is only written", 12),
    "I3": ("row of another request", 4),
    "I4": ("refused cancel is canceled", 4),
    "I5": ("another payload", 4),
    "I6": ("row of another price", 6),
    "I7": ("over is told twice", 4),
    "I8": ("not found is rejected", 12),
    "I9": ("unknown blocks nothing", 6),
    "I10": ("rules of yesterday", 20),
    "I11": ("exit of nobody", 6),
    "I12": ("payments are dropped", 4),
    "I13": ("outlier is believed", 20),
    "I14": ("guard sleeps", 12),
    "I15": ("hammers on", 4),
    "I16": ("switch is not read", 12),
    "I17": ("ids begin anew", 6),
    "I18": ("snapshot forgets ids", 6),
    "I19": ("chance of the machine", 8),
    "I21": ("secret in a row", 2),
    "I23": ("nothing is forgotten", 2),
    "I24": ("no periodic look", 4),
    "I25": ("recovery never ends", 2),
    "I28": ("paper at the venue", 2),
    "I29": ("doubt is not told", 4),
}
# Bugs that are found early, by whatever invariant, and within how many seeds.
QUICK: dict[str, int] = {
    "skip the write ahead": 6,
    "no intent row": 4,
    "limits of today for the past": 24,
    "send again on doubt": 4,
    "failed commit goes on": 12,
    "html is a rejection": 6,
    "broken success is a rejection": 6,
    "broken is not sent": 12,
    "empty success is accepted": 4,
    "late fill is dropped": 12,
    "doubt without questions": 4,
    "duplicate fill counts": 4,
    "one fill an order": 4,
    "half of the fee": 4,
    "payment counts twice": 4,
    "no fetch": 4,
    "comparison decides": 4,
    "stop of the order": 24,
    "snapshot forgets trades": 6,
    "stale snapshot is trusted": 8,
    "chain without body": 2,
    "comparison trades": 20,
    "external is ours": 8,
    "no look after reconnect": 8,
    "no resync barrier": 12,
    "snapshot forgets switches": 24,
    "snapshot loses attempts": 12,
}
# Bugs that need a plan of their own: the regression that finds them.
BY_PLAN = {
    "nobody asks for names": "liquidation_while_nobody_listened",
    "name is not listened to": "liquidation_while_nobody_listened",
}
HARMLESS = [item.name for item in MUTANTS if item.harmless]
CLEAN_SEEDS = range(1, 4)


@pytest.mark.parametrize("seed", range(1, 9))
def test_without_a_bug_the_same_seeds_are_clean(seed: int) -> None:
    verdict = World(drawn(seed, busy_ns=BUSY), JUDGES).run()
    assert verdict.is_clean, f"{verdict.invariant}: {verdict.text}"


@pytest.mark.parametrize("name", QUICK)
def test_a_planted_bug_is_found(name: str) -> None:
    with planted(by_name(name)) as patch:
        found = any(play(drawn(seed, busy_ns=BUSY))[0] for seed in range(1, QUICK[name] + 1))
    assert any(patch.calls.values()), "nothing that it replaces was called: it is no bug"
    assert found


@pytest.mark.parametrize("name", BY_PLAN)
def test_a_planted_bug_is_found_by_its_plan(name: str) -> None:
    path = Path(__file__).parent / "regressions" / f"{BY_PLAN[name]}.json"
    with planted(by_name(name)):
        assert play(from_json(path.read_bytes()))[0] == "I11"


@pytest.mark.parametrize("invariant", ALONE)
def test_an_invariant_has_a_bug_that_only_it_sees(invariant: str) -> None:
    name, seeds = ALONE[invariant]
    with planted(by_name(name)):
        for seed in range(1, seeds + 1):
            plan = drawn(seed, busy_ns=BUSY)
            if play(plan, name)[0] == invariant and is_alone(plan, invariant):
                return
    pytest.fail(f"{name} is not found by {invariant} alone within {seeds} seeds")


def test_every_invariant_that_has_a_subject_is_among_them() -> None:
    assert set(ALONE) == set(MEANINGS) - set(OPEN_INVARIANTS)


@pytest.mark.parametrize("name", HARMLESS)
def test_a_harmless_bug_is_not_called_one(name: str) -> None:
    with planted(by_name(name)):
        found = [play(drawn(seed, busy_ns=BUSY)) for seed in CLEAN_SEEDS]
    assert not [text for invariant, text in found if invariant]


@pytest.mark.parametrize("name", [item.name for item in MUTANTS])
def test_a_bug_is_taken_out_again(name: str) -> None:
    with planted(by_name(name)) as patch:
        replaced = list(patch.replaced)
        assert replaced
        assert all(_held(owner, key) is not before for owner, key, before in replaced)
    assert all(_held(owner, key) is before for owner, key, before in replaced)


def _held(owner: Any, key: Any) -> Any:
    return owner[key] if isinstance(owner, dict) else vars(owner)[key]


def test_the_bugs_are_many_and_each_has_a_name_of_its_own() -> None:
    names = [item.name for item in MUTANTS]
    assert len(set(names)) == len(names) >= 40
    assert {item.plant.__module__ for item in MUTANTS} == {family.__name__ for family in FAMILIES}
    rules = {word for item in MUTANTS for word in item.rule.split()}
    assert {f"R{number}" for number in range(1, 17)} <= rules
