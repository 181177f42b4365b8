"""What of a session the ledger does not keep: equity, marks and positions over time, notices."""

from __future__ import annotations

from typing import Any, NamedTuple

from interlock.live.driver import Driver
from interlock.runtime.values import Notice

SAMPLES_MOST = 4_000
NOTICES_MOST = 4_000
# Told for every order of a healthy run; the tables have them already.
_ORDINARY = frozenset(
    {"ORDER_FILLED", "ENTRY_SLIPPAGE", "CACHE_HIT", "CACHE_MISS", "REQUEST_COALESCED", "PROTECTED"}
)


class Sample(NamedTuple):
    """A moment: equity in money units (None: unknown) and per instrument position and mark."""

    ts: int
    equity: int | None
    held: tuple[tuple[str, int, int], ...]


class Record:
    """Samples at even times, thinned when they become many, and notices worth a line."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []
        self.notices: list[Notice] = []
        self.left_out = 0
        self._stride = 1
        self._turn = 0

    def hear(self, fact: Any) -> None:
        """Take in a fact or a notice."""
        if not isinstance(fact, Notice) or fact.name in _ORDINARY:
            return
        if len(self.notices) >= NOTICES_MOST:
            self.left_out += 1
            return
        self.notices.append(fact)

    def look(self, driver: Driver) -> None:
        """Take a sample, if it is its turn."""
        self._turn += 1
        if self._turn % self._stride:
            return
        state = driver.engine.desk.state
        held = tuple(
            (name, slot.net.quantity, slot.mark) for name, slot in state.instruments.items()
        )
        self.samples.append(Sample(driver.doors.clock.now_ns(), state.equity(), held))
        if len(self.samples) > SAMPLES_MOST:
            del self.samples[1::2]
            self._stride *= 2
