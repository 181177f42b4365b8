"""Venue time from real time: when it started, how fast it runs."""

from __future__ import annotations

import math

from interlock.ports import Clock

AS_FAST_AS_POSSIBLE = math.inf


class VenueClock:
    """Venue time ``ts_start`` at the moment of making, ``speed`` times as fast as real time.

    With AS_FAST_AS_POSSIBLE time stands still until ``come_to`` moves it.
    """

    def __init__(self, clock: Clock, *, ts_start: int = 0, speed: float = 1.0) -> None:
        self._clock = clock
        self._real = clock.now_ns()
        self._venue = ts_start or self._real
        self._is_apart = bool(ts_start)
        self.speed = 1.0
        self.set_speed(speed)

    @property
    def is_free(self) -> bool:
        """Whether nothing but work holds time up."""
        return self.speed == AS_FAST_AS_POSSIBLE

    def set_speed(self, speed: float) -> None:
        """Run at another speed from now on; raises ValueError when it is not positive."""
        if not speed > 0:
            raise ValueError(f"speed {speed!r} must be positive; 1 is real time, 10 ten times it")
        self._venue, self._real = self.now_ns(), self._clock.now_ns()
        self.speed = speed
        self._is_apart = self._is_apart or speed != 1

    def now_ns(self) -> int:
        """Venue time, ns."""
        if self.is_free:
            return self._venue
        return self._venue + int((self._clock.now_ns() - self._real) * self.speed)

    def come_to(self, ts: int) -> None:
        """Move a free clock on; it never goes back."""
        self._venue = max(self._venue, ts)

    def real_ns(self) -> int:
        """The time of the machine, ns."""
        return self._clock.now_ns()

    def apart_ns(self) -> int:
        """How far real time is ahead of venue time, where their speeds differ or did.

        Clients stamp requests with real time, so that the door has to judge by that.
        """
        return self._clock.now_ns() - self.now_ns() if self._is_apart else 0

    def seconds_until(self, ts: int) -> float:
        """Real seconds until venue time ``ts``; 0 when it has passed."""
        return self.seconds_of(ts - self.now_ns())

    def seconds_of(self, span_ns: int) -> float:
        """Real seconds that a span of venue time takes; a free clock takes none."""
        return max(0.0, span_ns / 1e9 / self.speed)
