"""Timers: one that rings when time alone changes something, and rounds that come again."""

from __future__ import annotations

from collections.abc import Callable

from interlock.ports import Clock, Timer, Timers


class Alarm:
    """Calls ``ring`` with the time, once, at the time it was last set to."""

    def __init__(self, clock: Clock, timers: Timers, ring: Callable[[int], None]) -> None:
        self._clock = clock
        self._timers = timers
        self._ring = ring
        self._timer: Timer | None = None
        self._ts = 0

    def set(self, ts: int) -> None:
        """Ring at ``ts``; 0 = never. A timer that is early stays and looks again then."""
        before, self._ts = self._ts, ts
        if self._timer is not None:
            if ts and ts >= before:
                return
            self._timer.cancel()
            self._timer = None
        if ts:
            self._timer = self._timers.later(max(0, ts - self._clock.now_ns()), self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._clock.now_ns()
        if now < self._ts:
            self.set(self._ts)
        else:
            self._ring(now)


class Once:
    """A call that is due on several occasions and happens on the first."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call: Callable[[], None] | None = call

    def call(self) -> None:
        """Call, unless it has been."""
        call, self._call = self._call, None
        if call is not None:
            call()


class Rounds:
    """Does ``work`` again and again, ``every_ns`` after the last time ended, until it is stopped.

    ``work`` is given what to call at its end.
    """

    def __init__(
        self, timers: Timers, every_ns: int, work: Callable[[Callable[[], None]], None]
    ) -> None:
        self._timers = timers
        self._every_ns = every_ns
        self._work = work
        self._timer: Timer | None = None
        self._is_on = False

    def begin(self) -> None:
        """Do the work for the first time after one period."""
        self._is_on = True
        self._wait()

    def stop(self) -> None:
        """Begin no further time."""
        self._is_on = False
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        if self._is_on:
            self._timer = self._timers.later(self._every_ns, self._due)

    def _due(self) -> None:
        if self._is_on:
            self._work(self._wait)
