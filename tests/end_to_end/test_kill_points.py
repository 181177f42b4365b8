"""The engine killed at counted points of a session: a fixed share here, all by make kill-tests."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack

import pytest

from tests.contract.postgresql_server import NoServerError, postgresql_server
from tests.end_to_end.kill_sweep import Outcome, databases, sweep

# Before the first commit, between intent and send, after the send, around an execution, late; then
# a request that has arrived and is not executed, and one that is executed and not answered.
POINTS = ("2", "14", "17", "33", "48", "71", "arrival:1", "arrival:4", "execution:4")
SHARED = ("17", "33", "arrival:2", "execution:4")


def _check_all_recovered(found: Sequence[Outcome], points: Sequence[str]) -> None:
    assert [fault for outcome in found for fault in outcome.faults] == []
    assert [outcome.point for outcome in found] == ["", *points]
    assert all(outcome.lives > 1 for outcome in found[1:])


@pytest.mark.capability("S2-038", "S3-183", "S3-190")
def test_a_killed_engine_comes_back_with_the_venues_books_and_the_same_decisions() -> None:
    _check_all_recovered(sweep(POINTS), POINTS)


def test_the_same_holds_on_a_ledger_in_postgresql() -> None:
    with ExitStack() as stack:
        try:
            server = stack.enter_context(postgresql_server())
        except NoServerError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        _check_all_recovered(sweep(SHARED, ledgers=databases(server)), SHARED)


def test_an_engine_that_sends_before_its_rows_are_durable_is_found() -> None:
    points = ("arrival:1", "execution:4")
    outcomes = {outcome.point: outcome for outcome in sweep(points, is_hasty=True)}
    assert outcomes[""].faults == []
    for point in points:
        told = " ".join(outcomes[point].faults)
        # The next life met an order or an execution of its own that its ledger does not know.
        assert "is paused: " in told or "no intent for" in told
