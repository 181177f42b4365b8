"""I11: an execution that nobody here ordered is booked for what it was, and to whom it belongs."""

from __future__ import annotations

from typing import Any

from interlock.kernel.external import EXTERNAL
from interlock.model.rows import AnyRow, EventRow, FillRow
from interlock.model.venue import Answer, OrderQuery, VenueFill, VenueOrder
from interlock.runtime.books import FOREIGN
from interlock.runtime.engine import Engine
from interlock.runtime.settings import SECOND
from interlock.runtime.values import Outputs
from interlock.sim.venue.values import OrderEvent
from interlock.world.exchange import ACCOUNT
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.record import Trade
from interlock.world.scene import Scene

# What the venue calls an execution that it forced; whatever else nobody here ordered is a hand's.
FORCED = ("liquidation", "adl")
_NAMES = ("autoclose-", "adl_autoclose-")
# An order's symbol and its number at the venue.
_Number = tuple[str, str]
# An answer that comes sooner is waited for, whatever the engine's clock does meanwhile.
_IN_TIME_NS = 1 * SECOND


class Strangers(Judge):
    """Causes as the venue had them, and every strategy's position at the end."""

    invariants = ("I11",)
    hears = (Answer,)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._causes: dict[Trade, str] = {}
        # Symbols of which the bucket may hold something: a forced close is shared with it.
        self._bucket: dict[str, None] = {}
        # Orders of the venue's own making that the rows have named, by symbol and number.
        self._forced: dict[_Number, None] = {}
        # Stops of ours by the orders that their triggers made, by symbol and number.
        self._children: dict[_Number, str] = {}
        # The newest execution without an order, by symbol: the row about its cause comes next.
        self._newest: dict[str, VenueFill] = {}
        # What the present life of each process asked by the venue's number: which orders, by the
        # question, and when; and those of which it had the answer.
        self._asked: dict[str, dict[int, tuple[_Number, int]]] = {}
        self._answered: dict[str, dict[_Number, None]] = {}

    def started(self, process: Process) -> None:
        """What an earlier life was told by a question is forgotten."""
        self._asked[process.name] = {}
        self._answered[process.name] = {}

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """What is asked about orders without a name, and the answers that are heard in time."""
        ts = self.scene.timeline.ts
        asked = self._asked.setdefault(process.name, {})
        for request in outputs.requests:
            if isinstance(request, OrderQuery) and not request.client_order_id:
                asked[request.request_id] = (request.instrument, request.venue_order_id), ts
        if isinstance(event, Answer) and isinstance(event.content, VenueOrder):
            number, since = asked.get(event.request_id, (("", ""), 0))
            if number[1] and ts < since + _IN_TIME_NS:
                self._answered.setdefault(process.name, {})[number] = None

    def saw(self, event: Any) -> None:
        """The venue executes something and knows why, and makes orders of stops."""
        if isinstance(event, OrderEvent) and event.order.conditional_id:
            order, name = event.order, self.record.name_of_order(event.order)
            if order.account == ACCOUNT and name in self.record.orders:
                self._children[(order.symbol, str(order.order_id))] = name
        if isinstance(event, OrderEvent) and event.fill is not None:
            fill = event.fill
            if fill.account == ACCOUNT:
                cause = event.execution if event.execution in FORCED else "manual"
                self._causes[(fill.symbol, fill.fill_id)] = cause

    def wrote(self, process: Process, row: AnyRow) -> None:
        """An execution of no order, and what it was taken for."""
        if isinstance(row, FillRow) and not row.client_order_id:
            fill = row.fill
            self._newest[fill.instrument] = fill
            if fill.client_order_id.startswith(_NAMES):
                self._forced[(fill.instrument, fill.venue_order_id)] = None
            else:
                self._bucket[fill.instrument] = None
        elif isinstance(row, EventRow) and row.name == "EXTERNAL_FILL":
            fill = self._newest[row.subject]
            trade = (fill.instrument, fill.trade_id)
            told, true = row.fields["cause"], self._causes[trade]
            if told in (*FORCED, "manual") and self._can_be_known(process, fill):
                text = f"trade {trade[1]} of {trade[0]} is booked as {told}, it was {true}"
                self.demand("I11", told == true, text)
        elif isinstance(row, EventRow) and row.name == FOREIGN:
            order = (row.fields.get("instrument", ""), row.fields.get("venue_order_id", ""))
            if row.subject.startswith(_NAMES):
                self._forced[order] = None
            stop = self._children.get(order, "")
            text = f"{row.subject}, which {stop} has become, is taken for somebody else's order"
            self.demand("I11", not stop, text)

    def _can_be_known(self, process: Process, fill: VenueFill) -> bool:
        """Whether it can be known why the venue executed something.

        A list of executions has no names. Another execution of its order, or the order itself,
        may have been told with one; if not, the venue can be asked, and that may fail.
        """
        number = (fill.instrument, fill.venue_order_id)
        asked = [order for order, _ in self._asked.get(process.name, {}).values()]
        is_unanswered = number in asked and number not in self._answered.get(process.name, {})
        return bool(fill.client_order_id) or number in self._forced or not is_unanswered

    def quiet(self) -> None:
        """What each strategy holds, by the rows and in the core."""
        for process in self.scene.processes:
            if process.loop is not None:
                self._compare(process.loop.engine)

    def _compare(self, engine: Engine) -> None:
        record = self.record
        for name, owner in engine.desk.state.strategies.items():
            if name == EXTERNAL:
                continue
            for symbol, position in owner.positions.items():
                if symbol in self._bucket:
                    continue
                held = record.held.get((name, symbol), 0)
                text = f"{name} holds {position.quantity} of {symbol}, the rows say {held}"
                self.demand("I11", position.quantity == held, text)
