"""Time for an engine: it neither stands still nor jumps, whatever is done to the machine's clock.

A machine's clock is set: by an operator, by NTP after a long time alone, by a host that moves a
guest. Set back by a minute, everything that is due within that minute would wait for it: time-outs,
cancels that the budget held back, the repair of a stop. Set ahead, every answer on its way would
count as missing. So an engine counts on from where it began, by a counter that nobody sets, and
draws near the machine's clock no faster than NTP itself does. Where two clocks differ, the venue's
is measured (``adapters/offset``), and the venue's own time is what a request is stamped with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

# What NTP allows itself; at this pace a second is made up for in half an hour.
MOST_PPM = 500
# A pace holds for this long, and longer where nobody asks for the time.
PACE_NS = 1_000_000_000
_MILLION = 1_000_000


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
