"""I4, I7, I8: what the rows say about an order's life against what the venue did with it."""

from __future__ import annotations

from typing import Any

from interlock.model.order import TERMINAL
from interlock.model.rows import AnyRow, FillRow, IntentRow, TransitionRow
from interlock.sim.venue.values import ConditionalEvent, OrderEvent
from interlock.world.exchange import ACCOUNT
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene
from interlock.world.truth import Violation

# What ends an order by nobody's word but by what was not found.
BY_ABSENCE = "deadline"


class Lives(Judge):
    """Every move of an order as it becomes durable, and every order that the venue takes on."""

    invariants = ("I4", "I7", "I8")

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._filled: dict[str, int] = {}
        self._over: dict[str, TransitionRow] = {}
        self._deadlines: dict[str, int] = {}

    def wrote(self, process: Process, row: AnyRow) -> None:
        """One row about an order."""
        if isinstance(row, TransitionRow):
            self._moved(process, row)
        elif isinstance(row, FillRow):
            self._filled_more(row)
        elif isinstance(row, IntentRow) and row.ts_deadline:
            # The world's time of a deadline that the engine's clock has set.
            ahead = process.now_ns() - self.scene.timeline.ts
            self._deadlines[row.client_order_id] = row.ts_deadline - ahead

    def _moved(self, process: Process, row: TransitionRow) -> None:
        name = row.client_order_id
        over = self._over.get(name)
        self.checked["I7"] += 1
        if over is not None:
            raise Violation("I7", f"{name} is over as {over.after} and becomes {row.after}")
        if row.filled != self._filled.get(name, 0):
            text = f"{name} moves with {row.filled} filled; executions {self._filled.get(name, 0)}"
            raise Violation("I7", text)
        if row.after not in TERMINAL:
            return
        self._over[name] = row
        if row.evidence == BY_ABSENCE:
            self._absent(process, row)
        open_there = self._is_open(name)
        text = f"{name} is {row.after} here ({row.evidence}: {row.reason}) and open at the venue"
        self.demand("I4", not open_there, text)

    def _absent(self, process: Process, row: TransitionRow) -> None:
        """The proof takes the deadline, and the time in which a query may not show an order."""
        name, ts = row.client_order_id, self.scene.timeline.ts
        arrival = self.record.arrivals.get(name)
        there = arrival is not None and arrival.order.is_open
        text = f"{name} is over by absence and the venue has it: {row.reason}"
        self.demand("I8", not there, text)
        settings = process.loop.engine.setup.settings if process.loop is not None else None
        deadline = self._deadlines.get(name, 0)
        if settings is None:
            return
        least = deadline + settings.query_lag_ns
        text = f"{name} is over by absence {(least - ts) // 10**6} ms before that is proved"
        self.demand("I8", ts > least, text)

    def _filled_more(self, row: FillRow) -> None:
        name = row.client_order_id
        if not name:
            return
        total = self._filled.get(name, 0) + row.fill.quantity
        self._filled[name] = total
        arrival = self.record.arrivals.get(name)
        there = arrival.filled if arrival is not None else 0
        text = f"{name} has {total} filled here and {there} at the venue"
        self.demand("I7", total <= there, text)

    def _is_open(self, name: str) -> bool:
        arrival = self.record.arrivals.get(name)
        return arrival is not None and arrival.order.is_open and not arrival.order.spawned_id

    def saw(self, event: Any) -> None:
        """The venue takes an order on: nobody may have given it up."""
        if not isinstance(event, OrderEvent | ConditionalEvent) or event.order.account != ACCOUNT:
            return
        kind = event.execution if isinstance(event, OrderEvent) else event.status
        over = self._over.get(event.order.client_id)
        if kind != "new" or over is None:
            return
        invariant = "I8" if over.evidence == BY_ABSENCE else "I4"
        text = f"{over.client_order_id} arrives and was {over.after} ({over.evidence})"
        raise Violation(invariant, text)
