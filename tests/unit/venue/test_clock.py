"""Venue time against real time: speeds, changes of speed, and time that waits for work."""

import pytest

from interlock.venue.clock import AS_FAST_AS_POSSIBLE, VenueClock

SECOND = 10**9


class Hand:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.ns = 1_000 * SECOND

    def now_ns(self) -> int:
        return self.ns

    def wait(self, seconds: float) -> None:
        self.ns += int(seconds * SECOND)


def test_time_runs_at_its_speed_and_real_time_is_told_apart() -> None:
    hand = Hand()
    clock = VenueClock(hand, speed=10)
    hand.wait(3)
    assert clock.now_ns() == 1_030 * SECOND
    assert clock.apart_ns() == -27 * SECOND
    assert clock.seconds_until(1_040 * SECOND) == 1.0
    assert clock.seconds_until(0) == 0.0


def test_a_change_of_speed_makes_no_jump() -> None:
    hand = Hand()
    clock = VenueClock(hand)
    hand.wait(2)
    assert (clock.now_ns(), clock.apart_ns()) == (1_002 * SECOND, 0)
    clock.set_speed(60)
    assert clock.now_ns() == 1_002 * SECOND
    hand.wait(1)
    clock.set_speed(1)
    hand.wait(1)
    assert clock.now_ns() == 1_063 * SECOND
    assert clock.apart_ns() == -59 * SECOND


def test_free_time_goes_on_by_work_only() -> None:
    hand = Hand()
    clock = VenueClock(hand, ts_start=5 * SECOND, speed=AS_FAST_AS_POSSIBLE)
    hand.wait(9)
    assert clock.is_free
    assert clock.now_ns() == 5 * SECOND
    clock.come_to(8 * SECOND)
    clock.come_to(7 * SECOND)
    assert clock.now_ns() == 8 * SECOND
    assert clock.seconds_of(SECOND) == 0.0
    clock.set_speed(1)
    hand.wait(1)
    assert clock.now_ns() == 9 * SECOND


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_that_leads_nowhere_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        VenueClock(Hand(), speed=speed)
