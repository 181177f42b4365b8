"""What of a session the ledger does not keep: equity, marks and positions over time, notices."""

from __future__ import annotations

from typing import Any, NamedTuple

from interlock.live.driver import Driver
from interlock.runtime.values import Notice

SAMPLES_MOST = 4_000
# With many instruments fewer samples are kept: what they hold is what takes the memory.
HELD_MOST = 40_000
NOTICES_MOST = 4_000
# Told for every order of a healthy run; the tables have them already.
_ORDINARY = frozenset(
    {"ORDER_FILLED", "ENTRY_SLIPPAGE", "CACHE_HIT", "CACHE_MISS", "REQUEST_COALESCED", "PROTECTED"}
)


class Holding(NamedTuple):
    """Net position, mark and realized profit before fees, in the units of the model."""

    instrument: str
    quantity: int
    mark: int
    realized: int


class Sample(NamedTuple):
    """A moment: equity in money units (None: unknown), and what each instrument stood at."""

    ts: int
    equity: int | None
    held: tuple[Holding, ...]


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
        """Take a sample, if it is its turn; before the books are confirmed there is none."""
        self._turn += 1
        if self._turn % self._stride or not driver.engine.startup.is_trading:
            return
        state = driver.engine.desk.state
        held = tuple(
            Holding(name, slot.net.quantity, slot.mark, slot.net.realized)
            for name, slot in state.instruments.items()
        )
        self.samples.append(Sample(driver.doors.clock.now_ns(), state.equity(), held))
        if len(self.samples) > min(SAMPLES_MOST, HELD_MOST // max(1, len(held))):
            del self.samples[1::2]
            self._stride *= 2
