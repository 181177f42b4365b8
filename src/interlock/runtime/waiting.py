"""Executions whose order is not known yet: an order of ours may still learn its number.

They are in memory only: a start asks for them again.
"""

from __future__ import annotations

from interlock.model.venue import VenueFill
from interlock.runtime.desk import Desk
from interlock.runtime.settings import CLOCK_MOST_NS
from interlock.runtime.tracks import Track

WAITING_MAX = 256


class Waiting:
    """What waits, and since when, by instrument and trade id: venues count trades by instrument."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self._held: dict[tuple[str, int], tuple[VenueFill, int]] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, fill: VenueFill) -> bool:
        return (fill.instrument, fill.trade_id) in self._held

    def hold(self, fill: VenueFill) -> bool:
        """Keep an execution, or keep it on; False where there is no room for it."""
        if fill not in self and len(self._held) >= WAITING_MAX:
            return False
        self._held[(fill.instrument, fill.trade_id)] = (fill, self.since(fill))
        return True

    def drop(self, fill: VenueFill) -> None:
        """It is booked."""
        self._held.pop((fill.instrument, fill.trade_id), None)

    def since(self, fill: VenueFill) -> int:
        """When it was first told, ns of our time; now for one that does not wait."""
        held = self._held.get((fill.instrument, fill.trade_id))
        return self.desk.ts if held is None else held[1]

    def fills(self) -> list[VenueFill]:
        """All of them, in the order in which they came."""
        return [fill for fill, _ in self._held.values()]

    def is_on(self, instrument: str) -> bool:
        """Whether one of an instrument waits."""
        return any(name == instrument for name, _ in self._held)

    def until(self, track: Track) -> int:
        """Until when one may be of an order that nobody can find, ns; 0 for none.

        It is waited for a time only: somebody may have traded by hand just then. That it is older
        than the order says little, since our clock may have been ahead.
        """
        spec, oldest = track.spec, track.ts - CLOCK_MOST_NS
        times = [
            since
            for fill, since in self._held.values()
            if fill.instrument == spec.instrument
            and fill.side == spec.side
            and fill.ts_venue >= oldest
        ]
        return max(times) + self.desk.settings.nameless_ns if times else 0
