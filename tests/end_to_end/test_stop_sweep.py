"""The emergency stop, measured: a small share of the trials of `python -m ...stop_sweep`."""

from __future__ import annotations

import pytest

from tests.end_to_end.stop_sweep import at, sweep

TRIALS = 5
# Stated for the 99th percentile of 200 trials.
LIMIT_S = 1.0


@pytest.mark.capability("S4-100", "S4-106")
def test_no_risk_arrives_later_than_a_second_after_the_stop_was_answered() -> None:
    found = sweep(TRIALS, seed=3)
    assert len(found) == TRIALS
    # There was something to stop, and it went on after the stop was lifted.
    assert all(trial.before > 0 for trial in found)
    assert all(trial.asked <= trial.told <= trial.flat <= trial.lifted for trial in found)
    assert [trial.decided for trial in found] == [0] * TRIALS
    assert at([trial.figures[2] for trial in found], 0.5) <= LIMIT_S


def test_a_share_is_the_smallest_value_that_so_many_do_not_exceed() -> None:
    values = [float(number) for number in range(200, 0, -1)]
    assert (at(values, 0.5), at(values, 0.99), at(values, 1.0)) == (100.0, 198.0, 200.0)
    assert at([7.0], 0.99) == 7.0
