"""I1: position and all that may still grow it, as the venue has them, stay within the limit."""

from __future__ import annotations

from typing import Any

from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.model.order import TERMINAL, Change
from interlock.model.rows import AnswerRow, AnyRow, IntentRow, RequestRow, TransitionRow
from interlock.model.venue import AmendRequest, Verdict
from interlock.runtime.books import GATE
from interlock.sim.venue.values import ConditionalEvent, OrderEvent
from interlock.world.exchange import ACCOUNT
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.scene import Scene

_ANSWERED = {
    (attempt, verdict)
    for attempt in ("amend", "amend settled")
    for verdict in Verdict
    if verdict is not Verdict.UNKNOWN
}
_SETTLED = frozenset({Change.UPDATE, Change.UPDATE_REJECT})


class Exposure(Judge):
    """The limit when an order is decided, and twice of it at every event.

    An exit may always leave, also while entries rest that leaned on the position it closes: so
    twice the limit is what nothing but a stranger's trade leads beyond.
    """

    invariants = ("I1",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._instruments: dict[str, Instrument] = {i.id: i for i in scene.exchange.instruments}
        # What each engine was started with.
        self._limits: dict[str, Limits] = {}
        # The most that the limit allowed at any price, and what strangers traded, by symbol.
        self._most: dict[str, int] = {}
        self._strangers: dict[str, int] = {}
        # Amendments that ask for more and may still be carried out, by order.
        self._growths: dict[str, AmendRequest] = {}

    def started(self, process: Process) -> None:
        """Limits are those of a start, and hold for what its life decides."""
        self._limits[process.name] = self.scene.limits

    def wrote(self, process: Process, row: AnyRow) -> None:
        """An order that may add risk, against the venue as it is and what is on its way there."""
        if not isinstance(row, IntentRow):
            self._amends(row)
            return
        spec, name = row.spec, row.client_order_id
        if not self.record.orders[name].is_entry:
            return
        symbol = spec.instrument
        limits = self._limits[process.name]
        limit = limits.position_notional_max or 0
        price = spec.price or spec.trigger or row.reference
        worst = self._worst(symbol, spec.side) + self._coming(symbol, spec.side)
        worst += self._growing(symbol, spec.side)
        worst -= self._not_known(symbol, spec.side)
        instrument = self._instruments[symbol]
        notional = instrument.notional(price, max(0, worst))
        text = f"{name}: {worst} units for {notional} with all that rests, limit {limit}"
        self.demand("I1", notional <= limit, text)
        if limits.order_notional_max is not None:
            notional = instrument.notional(price, spec.quantity)
            text = f"{name}: an order for {notional}, limit {limits.order_notional_max}"
            self.demand("I1", notional <= limits.order_notional_max, text)
        unit = instrument.notional(price, 10**instrument.quantity_exponent)
        most = limit * 10**instrument.quantity_exponent // unit
        self._most[symbol] = max(self._most.get(symbol, 0), most)

    def _worst(self, symbol: str, side: int) -> int:
        """The position if every order at the venue on this side fills, in the side's direction."""
        rest = sum(
            order.left
            for order in self.scene.exchange.open_orders()
            if order.symbol == symbol and order.side == side and not order.reduce_only
        )
        return self.scene.exchange.position(symbol) * side + rest

    def _coming(self, symbol: str, side: int) -> int:
        """What was decided and is neither at the venue nor over: on its way, or unknown."""
        arrivals = self.record.arrivals
        return sum(
            order.leaves
            for name, order in self.record.open.get(symbol, {}).items()
            if name not in arrivals
            and order.intent.spec.side == side
            and not order.intent.spec.reduce_only
        )

    def _amends(self, row: AnyRow) -> None:
        """An amendment is under way from its row on, until a row says what came of it."""
        if isinstance(row, RequestRow) and isinstance(row.request, AmendRequest):
            if self.record.grows(row.request):
                self._growths[row.request.client_order_id] = row.request
        elif isinstance(row, TransitionRow):
            # What our own gate refused was a second amendment: the first is under way as before.
            is_settled = row.change in _SETTLED and row.evidence != GATE
            if is_settled or row.after in TERMINAL:
                self._growths.pop(row.client_order_id, None)
        elif isinstance(row, AnswerRow) and (row.attempt, row.verdict) in _ANSWERED:
            self._growths.pop(row.client_order_id, None)

    def _growing(self, symbol: str, side: int) -> int:
        """What amendments ask for beyond what the venue's orders have."""
        total = 0
        for name, request in self._growths.items():
            arrival = self.record.arrivals.get(name)
            spec = request.spec
            if spec.instrument == symbol and spec.side == side and arrival is not None:
                there = arrival.order
                total += max(0, spec.quantity - there.quantity) if there.is_open else 0
        return total

    def _not_known(self, symbol: str, side: int) -> int:
        """Executions that the position leaped by and no row could know of yet.

        Those of others, of exits, and of orders that were over by the venue's own word.
        """
        total = 0
        for fill in self.record.untold.get(symbol, {}).values():
            order = self.record.orders.get(self.record.name_of(fill))
            is_known = order is not None and not order.is_over and not order.intent.spec.reduce_only
            if fill.side == side and not is_known:
                total += fill.quantity
        return total

    def saw(self, event: Any) -> None:
        """Every execution, and every order that the venue takes on."""
        if not isinstance(event, OrderEvent | ConditionalEvent):
            return
        order = event.order
        if order.account != ACCOUNT or (order.status in TERMINAL and not order.filled):
            return
        symbol, side = order.symbol, order.side
        self._stranger(event)
        most = self._most.get(symbol)
        if most is None or self.record.name_of_order(order) not in self.record.orders:
            return
        bound = 2 * most + self._strangers.get(symbol, 0)
        worst = self._worst(symbol, side)
        self.demand("I1", worst <= bound, f"{symbol}: {worst} of at most {bound} on side {side}")

    def _stranger(self, event: OrderEvent | ConditionalEvent) -> None:
        fill = event.fill if isinstance(event, OrderEvent) else None
        if fill is not None and self.record.name_of(fill) not in self.record.orders:
            total = self._strangers.get(fill.symbol, 0) + fill.quantity
            self._strangers[fill.symbol] = total
