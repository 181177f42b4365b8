"""The clock of one machine of the world: its quartz drifts, and what it shows can be set."""

from __future__ import annotations

from interlock.model.clock import SteadyClock
from interlock.world.timeline import Timeline


class Machine:
    """``skew_ns`` is how far the clock was set apart from what its quartz counted."""

    def __init__(self, timeline: Timeline) -> None:
        self.skew_ns = 0
        self._timeline = timeline
        self._ts_drift = timeline.ts
        self._drift_ppm = 0
        self._drifted_ns = 0

    def clock(self) -> SteadyClock:
        """The clock of a process that begins now."""
        return SteadyClock(self._wall, self._counter)

    def put_right(self) -> None:
        """Set the clock to the world's, and let its quartz keep time."""
        self.drift(0)
        self.skew_ns = -self._drifted_ns

    def drift(self, ppm: int) -> None:
        """From now on the quartz runs fast, or slow."""
        self._drifted_ns = self._counter() - self._timeline.ts
        self._drift_ppm, self._ts_drift = ppm, self._timeline.ts

    def _wall(self) -> int:
        return self._counter() + self.skew_ns

    def _counter(self) -> int:
        ts = self._timeline.ts
        return ts + self._drifted_ns + (ts - self._ts_drift) * self._drift_ppm // 1_000_000
