"""The pulse of decisions: how old the newest decision is, and how late the market reached it."""

from __future__ import annotations

from collections import deque

LAGS_KEPT = 1024


class Heartbeat:
    """Counts decisions, not turns of a loop: an engine that hears nothing has no pulse."""

    def __init__(self) -> None:
        self.ts_decided = 0
        self.decisions = 0
        self.lags: deque[int] = deque(maxlen=LAGS_KEPT)

    def decided(self, ts: int, ts_event: int) -> None:
        """A market event of ``ts_event`` reached the strategies at ``ts``."""
        self.ts_decided = ts
        self.decisions += 1
        self.lags.append(ts - ts_event)

    def age_ns(self, ts: int) -> int:
        """How long ago the strategies last had something to decide on."""
        return ts - self.ts_decided

    def lag_ns(self, share: float = 0.99) -> int:
        """How late the market was, at a share of the newest decisions."""
        if not self.lags:
            return 0
        return sorted(self.lags)[min(len(self.lags) - 1, int(share * len(self.lags)))]
