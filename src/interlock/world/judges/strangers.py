"""I11: an execution that nobody here ordered is booked for what it was, and to whom it belongs."""

from __future__ import annotations

from typing import Any

from interlock.kernel.external import EXTERNAL
from interlock.model.rows import AnyRow, EventRow, FillRow
from interlock.model.venue import VenueFill
from interlock.runtime.books import FOREIGN
from interlock.runtime.engine import Engine
from interlock.sim.venue.values import OrderEvent
from interlock.world.exchange import ACCOUNT
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.record import Trade
from interlock.world.scene import Scene

# What the venue calls an execution that it forced; whatever else nobody here ordered is a hand's.
FORCED = ("liquidation", "adl")
_NAMES = ("autoclose-", "adl_autoclose-")


class Strangers(Judge):
    """Causes as the venue had them, and every strategy's position at the end."""

    invariants = ("I11",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._causes: dict[Trade, str] = {}
        # Symbols of which the bucket may hold something: a forced close is shared with it.
        self._bucket: dict[str, None] = {}
        # Orders of the venue's own making that the rows have named, by symbol and number.
        self._forced: dict[tuple[str, str], None] = {}
        # Stops of ours by the orders that their triggers made, by symbol and number.
        self._children: dict[tuple[str, str], str] = {}
        # The newest execution without an order, by symbol: the row about its cause comes next.
        self._newest: dict[str, VenueFill] = {}

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
            # A list of executions has no names: what only it told of is nobody's in particular,
            # unless another execution of its order, or the order itself, was told with one.
            is_named = fill.client_order_id or (trade[0], fill.venue_order_id) in self._forced
            if is_named and told in (*FORCED, "manual"):
                text = f"trade {trade[1]} of {trade[0]} is booked as {told}, it was {true}"
                self.demand("I11", told == true, text)
        elif isinstance(row, EventRow) and row.name == FOREIGN:
            order = (row.fields.get("instrument", ""), row.fields.get("venue_order_id", ""))
            if row.subject.startswith(_NAMES):
                self._forced[order] = None
            stop = self._children.get(order, "")
            text = f"{row.subject}, which {stop} has become, is taken for somebody else's order"
            self.demand("I11", not stop, text)

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
