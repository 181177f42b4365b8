"""The engine killed at counted points of a session: a fixed share here, all by make kill-tests."""

from __future__ import annotations

import pytest

from tests.end_to_end.kill_sweep import sweep

# Before the first commit, between intent and send, after the send, around an execution, late.
POINTS = (2, 14, 17, 33, 48, 71)


@pytest.mark.capability("S2-038", "S3-183", "S3-190")
def test_a_killed_engine_comes_back_with_the_venues_books_and_the_same_decisions() -> None:
    found = sweep(POINTS)
    assert [fault for outcome in found for fault in outcome.faults] == []
    assert [outcome.point for outcome in found] == [0, *POINTS]
    assert all(outcome.lives > 1 for outcome in found[1:])
