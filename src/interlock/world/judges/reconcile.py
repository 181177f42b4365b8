"""I24: a comparison with the venue places nothing, and a second one finds nothing to change."""

from __future__ import annotations

from typing import Any

from interlock.kernel.restore import TIMER_FIRED
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.order import OrderSpec
from interlock.model.rows import AdjustmentRow, AnyRow, FillRow, PaymentRow, ReconcileRow
from interlock.model.rows import TransitionRow as Moved
from interlock.model.venue import AmendRequest, PlaceRequest
from interlock.runtime.settings import SECOND
from interlock.runtime.values import Command, Outputs
from interlock.world.judges.money import FUDGED, OWN_LINES
from interlock.world.judging import Judge
from interlock.world.plan import QUIET
from interlock.world.process import Process
from interlock.world.scene import Scene

_TIMER = TIMER_FIRED.encode()
_MARKET = frozenset({Quote, Trade, Book, Bar})
ASKED_FOR = frozenset({"close", "stop", "target"})
# What the core places by itself to protect a position that requires it, or to leave it.
REPAIRS = frozenset({"protect", "leave", "cross", "market"})
# The first of the quiet time may still end what trading left behind.
SETTLING_NS = 12 * SECOND


class Comparisons(Judge):
    """What the answers of a comparison set off, and what one does to books that are equal."""

    invariants = ("I24",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._was_trading: dict[str, bool] = {}
        self._compared = 0
        self._is_emergency = False

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """Only market and timers make a strategy of the world decide; nothing else adds risk."""
        if type(event) is Command and event.name == "emergency-stop":
            self._is_emergency = True
        loop = process.loop
        was_trading = self._was_trading.get(process.name, False)
        if loop is not None:
            self._was_trading[process.name] = loop.engine.startup.is_trading
        if not outputs.requests or type(event) in _MARKET or not was_trading:
            return
        if any(row.kind == "event" and _TIMER in row.body for row in outputs.rows):
            return
        for request in outputs.requests:
            if isinstance(request, PlaceRequest):
                text = f"{type(event).__name__} sets off {request.client_order_id}: {request.spec}"
                self.demand("I24", self._is_called_for(request.spec), text)
            elif isinstance(request, AmendRequest):
                text = f"{type(event).__name__} sets off {request}"
                self.demand("I24", not self.record.grows(request), text)

    def _is_called_for(self, spec: OrderSpec) -> bool:
        """Whether something else than a comparison asks for an order.

        A bracket has its exits, a close that a strategy asked for waits for what it cancels, a
        position that must be protected has its stop or its end, a verb that flattens closes all.
        """
        if spec.parent or spec.tag in ASKED_FOR:
            return True
        is_repair = self.scene.protected and spec.tag in REPAIRS
        return is_repair or (spec.tag == "flatten" and self._is_emergency)

    def ended(self, process: Process, why: str) -> None:
        """A new life begins without trading."""
        self._was_trading.pop(process.name, None)

    def wrote(self, process: Process, row: AnyRow) -> None:
        """When all has been equal for a while, comparing changes nothing."""
        if self.scene.timeline.ts < self.scene.ts_end - QUIET + SETTLING_NS:
            return
        if isinstance(row, ReconcileRow):
            self._compared += 1
            found = [item for item in row.differences if item.cause not in self._costs]
            self.demand("I24", not found, f"a comparison of equal books finds {found}")
        # The basis of executions that came in another order is confirmed by a second comparison.
        is_paid = isinstance(row, PaymentRow) and row.payment.kind in OWN_LINES - self._costs
        is_change = is_paid or isinstance(row, AdjustmentRow | FillRow | Moved)
        self.demand("I24", not is_change, f"books that were equal change by {row}")

    @property
    def _costs(self) -> frozenset[str]:
        """Lines that a second comparison confirms: in which parts a position's cost is realized."""
        # What an execution cost that nothing told of shows when its position shrinks.
        return frozenset({"basis"}) | (FUDGED if self.scene.truth.unseen else frozenset())

    def quiet(self) -> None:
        """There was a comparison in the quiet time."""
        self.demand("I24", self._compared > 0, "nothing was compared in the quiet time")
