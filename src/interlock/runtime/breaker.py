"""The breaker of a connection: closed, open after failures in a row, half-open for one probe."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class BreakerState(StrEnum):
    """Whether new risk may use the connection."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerRule(msgspec.Struct, frozen=True, kw_only=True):
    """Failures in a row that open it, and how long it stays open, ns."""

    failures: int = 5
    open_ns: int = 5_000_000_000


class Breaker:
    """Counts failures in a row. Cancels and exits are never asked whether it is open."""

    def __init__(self, rule: BreakerRule) -> None:
        self.rule = rule
        self.state = BreakerState.CLOSED
        self.failures = 0
        self.ts_changed = 0
        self.evaluations = 0

    def allows(self) -> bool:
        """Whether new risk may leave."""
        self.evaluations += 1
        return self.state is BreakerState.CLOSED

    def succeeded(self, ts: int) -> bool:
        """The venue answered; True when that closed the breaker."""
        self.failures = 0
        if self.state is BreakerState.CLOSED:
            return False
        self._move(ts, BreakerState.CLOSED)
        return True

    def failed(self, ts: int) -> bool:
        """The venue did not answer; True when that opened the breaker."""
        self.failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._move(ts, BreakerState.OPEN)
            return True
        if self.state is BreakerState.CLOSED and self.failures >= self.rule.failures:
            self._move(ts, BreakerState.OPEN)
            return True
        return False

    def probe_due(self, ts: int) -> bool:
        """Whether one probe should be sent; the breaker is half-open after that."""
        if self.state is BreakerState.OPEN and ts >= self.ts_probe:
            self._move(ts, BreakerState.HALF_OPEN)
            return True
        return False

    def postpone(self, ts: int) -> None:
        """The probe could not be sent: it is due again at ``ts``."""
        self._move(ts - self.rule.open_ns, BreakerState.OPEN)

    @property
    def ts_probe(self) -> int:
        """When the next probe is due, 0 when none is."""
        return self.ts_changed + self.rule.open_ns if self.state is BreakerState.OPEN else 0

    def _move(self, ts: int, state: BreakerState) -> None:
        self.state = state
        self.ts_changed = ts
