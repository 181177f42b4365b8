"""The venue's clock against ours, measured by round trips."""

from __future__ import annotations

import msgspec

SECOND = 1_000_000_000
# A quartz clock drifts by less than 100 ppm and ours makes up for a step by 500 at most: the share
# by which the bound on the error grows with age.
_DRIFT = 1_600


class Offset(msgspec.Struct):
    """Venue time minus ours, and how far it may be off; ns. Measured, never assumed."""

    value: int = 0
    error: int = SECOND
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
