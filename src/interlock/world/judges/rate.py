"""I15: silence when the venue asks for it, and a weight that stays below its limit."""

from __future__ import annotations

from typing import Any

from interlock.model.venue import Answer, Request
from interlock.runtime.settings import MS, SECOND
from interlock.runtime.values import Outputs
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene

# A clock that drifts counts the time of the venue this much short; one that steps counts nothing.
DRIFT_NS = 20 * MS
# The share (1e-2) of the venue's limit that may be used.
SHARE = 80
WINDOW_NS = 60 * SECOND


class Rate(Judge):
    """Every request that leaves, against what the venue asked for and what it has counted."""

    invariants = ("I15",)
    hears = (Answer,)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._silent: dict[str, int] = {}
        self._server = scene.exchange.server
        self._most = self._server.weight_most * SHARE // 100
        self._tells_weight = scene.exchange.line.tells_weight
        # When a life asked first, and what was used by then: what lives before it and its
        # connecting have used is not told where answers tell no weight.
        self._before: dict[str, tuple[int, int]] = {}

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """An answer that asks for silence has been heard."""
        if type(event) is Answer and event.retry_after_ms:
            until = self.scene.timeline.ts + event.retry_after_ms * MS - DRIFT_NS
            self._silent[process.name] = max(until, self._silent.get(process.name, 0))

    def ended(self, process: Process, why: str) -> None:
        """The next life has not heard it."""
        self._silent.pop(process.name, None)
        self._before.pop(process.name, None)

    def leaves(self, process: Process, request: Request) -> None:
        """A request is at the door."""
        ts, until = self.scene.timeline.ts, self._silent.get(process.name, 0)
        text = f"{type(request).__name__} leaves {(until - ts) // MS} ms inside a Retry-After"
        self.demand("I15", ts >= until, text)
        used = self._server.used(ts)
        most = self._most
        if not self._tells_weight:
            began, before = self._before.setdefault(process.name, (ts, used))
            most += before if ts < began + WINDOW_NS else 0
        self.demand("I15", used <= most, f"a weight of {used} is used, {most} may be")
