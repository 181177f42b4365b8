"""Venue time from real time: when it started, how fast it runs."""

from __future__ import annotations

from interlock.ports import Clock


class VenueClock:
    """Venue time ``ts_start`` at the moment of making, ``speed`` times as fast as real time."""

    def __init__(self, clock: Clock, *, ts_start: int = 0, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed {speed!r} must be positive; 1 is real time, 10 ten times it")
        self._clock = clock
        self._real = clock.now_ns()
        self._venue = ts_start or self._real
        self.speed = speed

    def now_ns(self) -> int:
        """Venue time, ns."""
        return self._venue + int((self._clock.now_ns() - self._real) * self.speed)

    def seconds_until(self, ts: int) -> float:
        """Real seconds until venue time ``ts``; 0 when it has passed."""
        return max(0.0, (ts - self.now_ns()) / 1e9 / self.speed)

    def seconds_of(self, span_ns: int) -> float:
        """Real seconds that a span of venue time takes."""
        return max(0.0, span_ns / 1e9 / self.speed)
