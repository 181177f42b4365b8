"""I13: what the user stream did not say in a gap is asked for before anything adds risk again."""

from __future__ import annotations

from typing import Any

from interlock.model.rows import AnyRow, IntentRow
from interlock.model.venue import (
    Answer,
    OpenOrdersQuery,
    PlaceRequest,
    PositionsQuery,
    Request,
    Stream,
    StreamChanged,
    Verdict,
)
from interlock.runtime.values import Outputs
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene

WANTED: tuple[type[Request], ...] = (OpenOrdersQuery, PositionsQuery)


class Gaps(Judge):
    """Every connection of the user stream: orders and positions, asked for and heard after it."""

    invariants = ("I13",)
    hears = (StreamChanged, Answer)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        # By process: what was not heard yet since its user stream came up, None while it is down.
        self._lacks: dict[str, set[type[Request]] | None] = {}
        # Questions with the time at which they left.
        self._asked: dict[tuple[str, int], tuple[type[Request], int]] = {}
        # Orders that left too early, by id.
        self._faults: dict[str, str] = {}

    def leaves(self, process: Process, request: Request) -> None:
        """A question leaves; one that left before the gap was over says nothing about it."""
        if isinstance(request, WANTED):
            left = (type(request), self.scene.timeline.ts)
            self._asked[(process.name, request.request_id)] = left

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """A connection, an answer, and orders that were decided on what is known."""
        if type(event) is StreamChanged and event.stream is Stream.USER:
            # Who stood still asks before it hears that a socket is up again: what leaves at that
            # moment is answered after it.
            self._forget(process, before=self.scene.timeline.ts)
            self._lacks[process.name] = set(WANTED) if event.is_up else None
        elif type(event) is Answer:
            kind, _ = self._asked.pop((process.name, event.request_id), (None, 0))
            lacks = self._lacks.get(process.name)
            is_told = event.verdict is Verdict.ACCEPTED and isinstance(event.content, tuple)
            if kind is not None and lacks and is_told:
                lacks.discard(kind)
        for request in outputs.requests:
            if type(request) is PlaceRequest and not request.spec.reduce_only:
                self._faults[request.client_order_id] = self._fault(process)

    def wrote(self, process: Process, row: AnyRow) -> None:
        """Exits may always leave; what may add risk is decided on what the venue has said."""
        if not isinstance(row, IntentRow):
            return
        fault = self._faults.pop(row.client_order_id, None)
        if fault is not None and self.record.orders[row.client_order_id].is_entry:
            self.demand("I13", not fault, f"{row.client_order_id} is decided {fault}")

    def _fault(self, process: Process) -> str:
        lacks = self._lacks.get(process.name)
        if lacks is None:
            return "without a user stream"
        names = ", ".join(sorted(kind.__name__ for kind in lacks))
        return f"before {names} was answered after the gap" * bool(lacks)

    def ended(self, process: Process, why: str) -> None:
        """A new life begins without a stream."""
        self._lacks.pop(process.name, None)
        self._forget(process, before=self.scene.timeline.ts + 1)

    def _forget(self, process: Process, *, before: int) -> None:
        for key, (_, left) in list(self._asked.items()):
            if key[0] == process.name and left < before:
                del self._asked[key]
