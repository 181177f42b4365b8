"""One rate budget for everything that is sent, with a reserve for cancels and exits.

A bucket of weight fills evenly over its window. Each lane may draw it down to its own floor:
queries leave room for entries, entries for exits and cancels. While the venue asks to be left
alone nothing leaves at all.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

RATIO = 1_000_000


class Lane(StrEnum):
    """What a request is for; later ones may use what earlier ones may not."""

    QUERY = "query"
    ENTRY = "entry"
    EXIT = "exit"
    CANCEL = "cancel"


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A venue's limit: ``weight`` per ``window_ns``, used up to ``share_ratio`` (1e-6) of it.

    The floors are what a lane leaves untouched, as shares (1e-6) of the usable weight. ``weights``
    are what requests cost there, by the names of their types, where that differs from the usual.
    """

    weight: int = 2400
    window_ns: int = 60_000_000_000
    share_ratio: int = 800_000
    burst_ratio: int = 500_000
    query_floor: int = 400_000
    entry_floor: int = 200_000
    weights: dict[str, int] = {}


class Budget:
    """A token bucket; ``take`` draws weight for a lane or says no.

    The bucket holds a part of the window's weight and refills with the rest, so that no window of
    that length sees more than the usable weight.
    """

    def __init__(self, rate: Rate) -> None:
        usable = rate.weight * rate.share_ratio // RATIO
        self.rate = rate
        self.capacity = max(1, usable * rate.burst_ratio // RATIO)
        self._refill = max(1, usable - self.capacity)
        # In weight x window, so that refilling is exact.
        self._level = self.capacity * rate.window_ns
        self._ts = 0
        self.ts_silent = 0
        # The venue's newest count, and when it was told.
        self.used = 0
        self.ts_measured = 0
        self.taken = 0
        self.refused = 0

    def level(self, ts: int) -> int:
        """Weight that could be drawn now."""
        self._fill(ts)
        return self._level // self.rate.window_ns

    def take(self, ts: int, lane: Lane, *, weight: int = 1) -> bool:
        """Draw weight, or refuse: the venue wants silence, or the lane is at its floor."""
        self._fill(ts)
        left = self._level - weight * self.rate.window_ns
        if ts < self.ts_silent or left < self._floor(lane) * self.rate.window_ns:
            self.refused += 1
            return False
        self._level = left
        self.taken += 1
        return True

    def silence(self, ts: int, retry_after_ms: int) -> None:
        """The venue wants to be left alone for a time."""
        self.ts_silent = max(self.ts_silent, ts + retry_after_ms * 1_000_000)

    def measured(self, ts: int, used: int) -> None:
        """The venue said how much of its window is used, by others too: the larger count holds.

        Where its count has eaten our share, what entries leave untouched stays for exits and
        cancels, until the venue's own limit is reached.
        """
        self._fill(ts)
        rate = self.rate
        usable = rate.weight * rate.share_ratio // RATIO
        reserve = min(self._floor(Lane.ENTRY), max(0, rate.weight - used))
        self._level = min(self._level, max(usable - used, reserve) * rate.window_ns)
        self.ts_measured, self.used = ts, used

    def ts_ready(self, ts: int, lane: Lane, *, weight: int = 1) -> int:
        """When the lane could draw the weight, ns."""
        self._fill(ts)
        missing = (self._floor(lane) + weight) * self.rate.window_ns - self._level
        return max(ts, self.ts_silent, ts + -(-missing // self._refill))

    def _floor(self, lane: Lane) -> int:
        if lane is Lane.QUERY:
            return self.capacity * self.rate.query_floor // RATIO
        if lane is Lane.ENTRY:
            return self.capacity * self.rate.entry_floor // RATIO
        return 0

    def _fill(self, ts: int) -> None:
        if ts > self._ts:
            if self._ts:
                grown = self._level + (ts - self._ts) * self._refill
                self._level = min(self.capacity * self.rate.window_ns, grown)
            self._ts = ts
