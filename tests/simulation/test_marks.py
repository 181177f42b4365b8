"""What must happen sometimes is counted by its result, and a sweep names what never did."""

from __future__ import annotations

from interlock.runtime.settings import MINUTE
from interlock.simulation.page import render
from interlock.simulation.sweep import Summary
from interlock.world.marks import ALARMS, MARKS
from interlock.world.plan import Plan, drawn
from interlock.world.world import Verdict, World

STARTS = ("started on an empty ledger", "started from a snapshot", "started from rows alone")


def _played(rates: dict[str, int], *, seed: int, minutes: int = 6) -> Verdict:
    plan = drawn(seed, busy_ns=minutes * MINUTE)
    return World(Plan(seed=seed, busy_ns=plan.busy_ns, rates=rates)).run()


def test_every_life_is_counted_by_how_it_started() -> None:
    for seed in range(6):
        verdict = World(drawn(seed, busy_ns=3 * MINUTE)).run()
        assert sum(verdict.marks.get(mark, 0) for mark in STARTS) == verdict.lives
        assert set(verdict.marks) <= set(MARKS) | ALARMS


def test_what_a_killed_engine_left_behind_is_counted() -> None:
    unanswered = 0
    for seed in (1, 3, 6):
        verdict = _played({"kill": 60, "answer_late": 200_000}, seed=seed, minutes=10)
        marks = verdict.marks
        assert marks["ended: killed"] == verdict.mattered["kill"] == verdict.lives - 1
        unanswered += marks.get("place unanswered at a restart", 0)
    assert unanswered > 0


def test_without_faults_nothing_is_in_doubt() -> None:
    marks = _played({}, seed=1).marks
    assert marks["started on an empty ledger"] == 1
    assert marks["place accepted"] > 0
    assert not [mark for mark in marks if mark.startswith(("doubt", "ended", "external"))]


def test_a_damaged_snapshot_is_passed_over() -> None:
    """The one before it serves, or the rows alone."""
    verdict = _played({"kill": 20, "snapshot_damaged": 1_000_000}, seed=1)
    assert verdict.marks["snapshot passed over"] == verdict.struck["snapshot_damaged"] > 0
    assert verdict.marks["started from a snapshot"] > 0


def test_a_sweep_names_the_branches_that_no_seed_went_through() -> None:
    summary = Summary(first=0, minutes=1)
    summary.add(_played({}, seed=1, minutes=1))
    assert "place accepted" not in summary.unreached
    assert "late fill" in summary.unreached
    page = render(summary, command="", commit="", date="")
    assert '<tr class="missing"><td>late fill</td><td class="number">0</td></tr>' in page
    assert '<tr class=""><td>place accepted</td>' in page
