"""One timer that rings when time alone changes something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from interlock.ports import Clock

SECOND_NS = 1_000_000_000


class Alarm:
    """Calls ``ring`` with the time, once, at the time it was last set to."""

    def __init__(self, clock: Clock, ring: Callable[[int], None]) -> None:
        self._clock = clock
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
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
            delay = max(0.0, (ts - self._clock.now_ns()) / SECOND_NS)
            self._timer = self._loop.call_later(delay, self._due)

    def _due(self) -> None:
        self._timer = None
        now = self._clock.now_ns()
        if now < self._ts:
            self.set(self._ts)
        else:
            self._ring(now)
