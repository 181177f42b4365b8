"""The steady clock: whatever is done to the machine's, time goes on at its pace."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from interlock.model.clock import MOST_PPM, PACE_NS, SteadyClock

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND


class Machine:
    """A clock on the wall that can be set, and a counter that cannot."""

    def __init__(self) -> None:
        self.counted = 5 * SECOND
        self.apart = 0

    def wall(self) -> int:
        return T0 + self.counted + self.apart

    def counter(self) -> int:
        return self.counted


def made() -> tuple[Machine, SteadyClock]:
    machine = Machine()
    return machine, SteadyClock(machine.wall, machine.counter)


spans = st.integers(0, 100 * SECOND) | st.integers(0, 5_000)
steps = st.integers(-3_600 * SECOND, 3_600 * SECOND) | st.just(0)


@given(st.lists(st.tuples(spans, steps), max_size=40))
def test_it_goes_on_at_the_pace_of_the_counter_however_the_wall_is_set(
    story: list[tuple[int, int]],
) -> None:
    machine, clock = made()
    before = clock.now_ns()
    assert before == machine.wall()
    for span, step in story:
        machine.counted += span
        machine.apart += step
        now = clock.now_ns()
        assert abs(now - before - span) <= span * MOST_PPM // 1_000_000 + 1
        before = now


def test_it_follows_the_wall_that_ntp_disciplines_and_makes_up_for_a_step() -> None:
    machine, clock = made()
    machine.apart = -SECOND
    for _ in range(2_100):
        machine.counted += SECOND
        clock.now_ns()
    assert abs(clock.now_ns() - machine.wall()) < 1_000
    # A wall that gains 100 ppm on the counter.
    for _ in range(100):
        machine.counted += SECOND
        machine.apart += 100_000
        clock.now_ns()
    assert abs(clock.now_ns() - machine.wall()) <= 200_000


def test_a_pace_goes_on_where_nobody_asks_for_hours() -> None:
    machine, clock = made()
    machine.apart = 60 * SECOND
    machine.counted += PACE_NS
    before = clock.now_ns()
    machine.counted += 1_000 * SECOND
    assert clock.now_ns() - before == 1_000 * SECOND + SECOND // 2


def test_time_that_was_lived_is_not_lived_again() -> None:
    machine, clock = made()
    machine.counted += SECOND
    assert clock.reach(T0) == 0
    before = clock.now_ns()
    assert clock.reach(before + 30 * SECOND) == 30 * SECOND
    machine.counted += SECOND
    assert before + 31 * SECOND - 500_000 <= clock.now_ns() <= before + 31 * SECOND
    assert clock.reach(before + 10 * SECOND) == 0
