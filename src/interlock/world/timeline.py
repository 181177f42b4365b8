"""Virtual time: what is planned first at an instant happens first."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

Act = Callable[..., None]


class Planned:
    """One thing that will happen unless it is canceled."""

    __slots__ = ("act", "arguments")

    def __init__(self, act: Act | None, arguments: tuple[Any, ...]) -> None:
        self.act = act
        self.arguments = arguments

    def cancel(self) -> None:
        """It will not happen."""
        self.act = None
        self.arguments = ()


class Timeline:
    """The world's clock and what is planned on it, ns."""

    __slots__ = ("_count", "_heap", "steps", "ts")

    def __init__(self, ts: int) -> None:
        self.ts = ts
        self.steps = 0
        self._heap: list[tuple[int, int, Planned]] = []
        self._count = 0

    def at(self, ts: int, act: Act, *arguments: Any) -> Planned:
        """Plan a call for ``ts``; what is overdue happens next, at the present time."""
        planned = Planned(act, arguments)
        self._count += 1
        heappush(self._heap, (max(ts, self.ts), self._count, planned))
        return planned

    def after(self, delay_ns: int, act: Act, *arguments: Any) -> Planned:
        """Plan a call for ``delay_ns`` from now."""
        return self.at(self.ts + delay_ns, act, *arguments)

    @property
    def planned(self) -> int:
        """How many things are planned, canceled ones included."""
        return len(self._heap)

    def run(self, until: int) -> None:
        """Let everything happen up to and at ``until``."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            self.ts, _, planned = heappop(heap)
            if planned.act is not None:
                self.steps += 1
                planned.act(*planned.arguments)
        self.ts = max(self.ts, until)
