"""Time for an engine: it neither stands still nor jumps, whatever is done to the machine's clock.

A machine's clock is set: by an operator, by NTP after a long time alone, by a host that moves a
guest. Set back by a minute, everything that is due within that minute would wait for it: time-outs,
cancels that the budget held back, the repair of a stop. Set ahead, every answer on its way would
count as missing. So an engine counts on from where it began, by a counter that nobody sets, and
draws near the machine's clock no faster than NTP itself does. What a request is
stamped with is the venue's own time, measured against ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import msgspec

_SECOND = 1_000_000_000
# What NTP allows itself; at this pace a second is made up for in half an hour.
MOST_PPM = 500
# A pace holds for this long, and longer where nobody asks for the time.
PACE_NS = 1 * _SECOND
_MILLION = 1_000_000
# A quartz drifts by less than 100 ppm, and ours makes up for a step by MOST_PPM: the bound on an
# offset's error grows by this share of its age.
_DRIFT = 1_600


class _Pace(NamedTuple):
    """A straight line: at ``counted`` the time was ``began``, and it gains ``ppm`` from there."""

    counted: int
    began: int
    ppm: int


class SteadyClock:
    """ns UTC as an engine knows it: begins at the machine's, then runs on by its counter.

    ``wall`` is the machine's UTC, which anybody may set; ``counter`` are the nanoseconds since some
    moment, those that the machine slept through included, and nobody sets it.
    """

    def __init__(self, wall: Callable[[], int], counter: Callable[[], int]) -> None:
        self._wall = wall
        self._counter = counter
        self._pace = _Pace(counter(), wall(), 0)

    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC: never less than before, within 500 ppm of the counter."""
        counted, began, ppm = self._pace
        counter = self._counter()
        passed = counter - counted
        now = began + passed + passed * ppm // _MILLION
        if passed >= PACE_NS:
            self._set_out(counter, now)
        return now

    def reach(self, ts: int) -> int:
        """Go on from ``ts`` where that is ahead; returns by how much it was, ns.

        For what an earlier life of the engine has written down: its time is not lived again.
        """
        now = self.now_ns()
        if ts <= now:
            return 0
        self._set_out(self._counter(), ts)
        return ts - now

    def _set_out(self, counted: int, now: int) -> None:
        ppm = (self._wall() - now) * _MILLION // PACE_NS
        # One assignment: other threads read the time too.
        self._pace = _Pace(counted, now, max(-MOST_PPM, min(MOST_PPM, ppm)))


class Offset(msgspec.Struct):
    """A venue's clock against ours, measured by round trips and never assumed.

    ``value`` is venue time minus ours and ``error`` how far it may be off, ns.
    """

    value: int = 0
    error: int = _SECOND
    ts_measured: int = 0

    def take(self, *, sent: int, seen: int, venue: int) -> None:
        """Take a sample in: the truth lies within half of the round trip around the middle."""
        half = (seen - sent) // 2
        aged = self.error + (seen - self.ts_measured) // _DRIFT
        found = venue - sent - half
        # A sample that contradicts what is held, even at its worst, means that a clock was set.
        was_set = abs(found - self.value) > half + aged
        if half <= aged or not self.ts_measured or was_set:
            self.value, self.error = found, half
            self.ts_measured = seen

    def at_venue(self, ts: int) -> int:
        """The venue's time at one of ours; 0, which stands for none, stays 0."""
        return ts + self.value if ts else 0
