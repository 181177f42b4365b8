"""Where the time of an order goes between its input and its send, stage by stage."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bench.live.histogram import Histogram
from interlock.live.driver import Driver
from interlock.ports import Ledger
from interlock.runtime.commits import Doors


class TimedLedger:
    """A ledger that notes when its commits began and ended; everything else is the ledger's."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.driver: Driver | None = None
        self.to_thread = Histogram()
        self.in_thread = Histogram()
        self.thread_cpu = Histogram()
        self.ts_taken = 0
        self.orders = 0
        # From the input to the moment its rows were taken in, of inputs that ask for orders.
        self.decided = Histogram()
        self.staged = Histogram()

    def append(self, rows: Sequence[Any]) -> int:
        last = self._ledger.append(rows)
        kinds = [row.kind for row in rows]
        self.orders += kinds.count("intent")
        if "intent" in kinds or "request" in kinds:
            self.decided.append(time.time_ns() - self.ts_taken)
        return last

    def stage(self) -> None:
        began = time.time_ns()
        self._ledger.stage()
        self.staged.append(time.time_ns() - began)

    def commit(self) -> int:
        began, cpu = time.time_ns(), time.thread_time_ns()
        last = self._ledger.commit()
        if self.driver is not None:
            self.in_thread.append(time.time_ns() - began)
            self.thread_cpu.append(time.thread_time_ns() - cpu)
            self.to_thread.append(began - self.driver._commits.ts_began)
        return last

    def read(self, after: int = 0) -> Iterator[Any]:
        return self._ledger.read(after)

    def last(self) -> int:
        return self._ledger.last()

    def tidy(self) -> None:
        self._ledger.tidy()

    def close(self) -> None:
        self._ledger.close()


class Stages:
    """Puts a timed ledger into the doors of a run, and says what it saw."""

    def __init__(self) -> None:
        self.ledger: TimedLedger | None = None
        self.lags: Any = None

    def around(self, doors: Doors) -> Doors:
        """The same doors with a timed ledger."""
        self.ledger = TimedLedger(doors.ledger)
        return msgspec.structs.replace(doors, ledger=self.ledger)

    def taken(self, ts: int) -> None:
        """An input was taken in at ``ts``."""
        if self.ledger is not None:
            self.ledger.ts_taken = ts

    def begin(self, driver: Driver) -> None:
        """Forget what was before."""
        assert self.ledger is not None
        self.ledger.driver = driver
        for kept in (self.ledger.decided, self.ledger.staged):
            kept.clear()
        # The engine keeps the newest few; here all of them count.
        lags: Any = driver.lags
        lags.waited, lags.committed, lags.sent = Histogram(), Histogram(), Histogram()
        self.lags = lags

    @property
    def orders(self) -> int:
        """How many orders had an intent so far."""
        assert self.ledger is not None
        return self.ledger.orders

    def figures(self) -> dict[str, dict[str, float]]:
        """Milliseconds of each stage: decided and taken in, waited for the commit under way,
        written, on the way to the disk's thread, there, its CPU."""
        ledger = self.ledger
        assert ledger is not None and ledger.driver is not None
        return {
            "decided_ms": ledger.decided.milliseconds(),
            "waited_ms": self.lags.waited.milliseconds(),
            "staged_ms": ledger.staged.milliseconds(),
            "to_thread_ms": ledger.to_thread.milliseconds(),
            "in_thread_ms": ledger.in_thread.milliseconds(),
            "thread_cpu_ms": ledger.thread_cpu.milliseconds(),
        }
