"""The whole system under a seed: clean over many plans, the same every time, and really judged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from interlock.runtime.settings import MINUTE
from interlock.world.invariants import MEANINGS, OPEN_INVARIANTS
from interlock.world.judges import JUDGES
from interlock.world.plan import drawn, from_json
from interlock.world.world import Verdict, World

SEEDS, SHORT = 200, 2 * MINUTE
REGRESSIONS = sorted(Path(__file__).parent.joinpath("regressions").glob("*.json"))
# Shown by playing a plan twice, not by a judge.
BY_REPETITION = {"I19"}


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    return [World(drawn(seed, busy_ns=SHORT), JUDGES).run() for seed in range(SEEDS)]


def test_no_invariant_is_violated(verdicts: list[Verdict]) -> None:
    found = [f"seed {v.plan.seed}: {v.invariant} {v.text}" for v in verdicts if not v.is_clean]
    assert not found, "\n".join(found)


def test_every_invariant_is_put_to_the_test(verdicts: list[Verdict]) -> None:
    checked: Counter[str] = Counter()
    for verdict in verdicts:
        checked.update(verdict.checked)
    judged = {name for judge in JUDGES for name in judge.invariants}
    assert judged == set(MEANINGS) - set(OPEN_INVARIANTS) - BY_REPETITION
    assert {name for name in judged if not checked[name]} == set()


def test_orders_are_sent_filled_and_survive_restarts(verdicts: list[Verdict]) -> None:
    assert sum(verdict.orders for verdict in verdicts) > 10 * SEEDS
    assert sum(verdict.fills for verdict in verdicts) > 10 * SEEDS
    assert sum(verdict.lives for verdict in verdicts) > SEEDS * 5 // 4


def test_a_plan_plays_the_same_twice(verdicts: list[Verdict]) -> None:
    for verdict in verdicts[:20]:
        assert World(verdict.plan, JUDGES).run().digest == verdict.digest


def test_another_seed_plays_otherwise(verdicts: list[Verdict]) -> None:
    assert len({verdict.digest for verdict in verdicts}) == SEEDS


def test_judges_change_nothing_by_looking(verdicts: list[Verdict]) -> None:
    for verdict in verdicts[:10]:
        assert World(verdict.plan).run().digest == verdict.digest


_ELSEWHERE = """
from interlock.world.judges import JUDGES
from interlock.world.plan import drawn
from interlock.world.world import World
for seed in range(5):
    print(World(drawn(seed, busy_ns={busy}), JUDGES).run().digest)
"""


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_plan_plays_the_same_in_another_process(verdicts: list[Verdict], hash_seed: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE.format(busy=SHORT)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    assert found.stdout.split() == [verdict.digest for verdict in verdicts[:5]]


@pytest.mark.parametrize("path", REGRESSIONS, ids=lambda path: path.stem)
def test_a_plan_that_once_failed_is_clean(path: Path) -> None:
    verdict = World(from_json(path.read_bytes()), JUDGES).run()
    assert verdict.is_clean, f"{verdict.invariant}: {verdict.text}"
