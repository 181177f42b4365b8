"""I3, I5, I9, I16, I17, I28: what may leave for the venue, and what was written before it."""

from __future__ import annotations

from collections.abc import Container
from typing import Any

from interlock.model.order import OrderStatus
from interlock.model.rows import AnyRow, FillRow, IntentRow, StateRow, TransitionRow, decode_row
from interlock.model.venue import (
    AmendRequest,
    CancelRequest,
    DeadManRequest,
    PlaceRequest,
    Request,
)
from interlock.runtime.ids import parse
from interlock.runtime.stops import RANKS
from interlock.runtime.values import Outputs
from interlock.sim.venue.values import ConditionalEvent, Order, OrderEvent
from interlock.world.judging import Judge
from interlock.world.process import Process
from interlock.world.record import OrderRecord
from interlock.world.scene import Scene
from interlock.world.truth import Violation

_ORDERS = (PlaceRequest, CancelRequest, AmendRequest, DeadManRequest)
# Switches that a start lifts by itself: they end one run of the engine and not the next.
_OF_A_RUN = frozenset({"", "started", "trading", "stopping", "stopped"})
_UNKNOWN = OrderStatus.UNKNOWN.encode()
_ABOUT_ORDERS = frozenset({"transition", "fill"})


class WriteAhead(Judge):
    """I3 and I5: durable before it leaves, one payload under one id, and sent once."""

    invariants = ("I3", "I5")

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._sent: dict[str, None] = {}

    def wrote(self, process: Process, row: AnyRow) -> None:
        """One id has one intent."""
        if isinstance(row, IntentRow):
            first = self.record.orders[row.client_order_id].intent
            self.demand("I5", first is row, f"the id {row.client_order_id} has two intents")

    def leaves(self, process: Process, request: Request) -> None:
        """What leaves is on the disk, word for word, and leaves for the first time."""
        if isinstance(request, PlaceRequest):
            self._place(request)
        elif isinstance(request, CancelRequest | AmendRequest | DeadManRequest):
            row = self.record.requests.get(request.request_id)
            is_held = row is not None and row.request == request
            self.demand("I3", is_held, f"{request} leaves and no durable row has it")

    def _place(self, request: PlaceRequest) -> None:
        name, order = request.client_order_id, self.record.orders.get(request.client_order_id)
        self.demand("I5", name not in self._sent, f"{name} is sent twice")
        self._sent[name] = None
        text = f"{name} leaves and has no durable intent"
        self.demand("I3", order is not None, text)
        if order is not None:
            text = f"{name} leaves as {request.spec}, its intent is {order.intent.spec}"
            self.demand("I5", order.intent.spec == request.spec, text)

    def saw(self, event: Any) -> None:
        """The venue takes on nothing of ours that has no intent, and no id twice."""
        order = _new_order(event)
        if order is None or parse(order.client_id) is None:
            return
        name = order.client_id
        text = f"the venue has {name} and no durable intent is older"
        self.demand("I3", name in self.record.orders, text)
        count = self.record.arrivals[name].count
        self.demand("I5", count == 1, f"the venue took {name} on {count} times")


class Barriers(Judge):
    """I9, I16, I17, I28: doubt, switches, leases and modes hold back what may add risk."""

    invariants = ("I9", "I16", "I17", "I28")
    hears = ()

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._was: dict[str, str] = {}
        # Orders that a core has in doubt by now, by process, their rows durable or not.
        self._doubts: dict[str, dict[str, None]] = {}

    # In doubt.
    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """A doubt holds from when the core has it, and not from when its row is on the disk."""
        doubts = self._doubts.setdefault(process.name, {})
        for row in outputs.rows:
            if row.kind not in _ABOUT_ORDERS or not (doubts or _UNKNOWN in row.body):
                continue
            told = decode_row(row)
            if isinstance(told, TransitionRow) and told.after is OrderStatus.UNKNOWN:
                doubts[told.client_order_id] = None
            elif isinstance(told, TransitionRow | FillRow):
                doubts.pop(told.client_order_id, None)

    def ended(self, process: Process, why: str) -> None:
        """What it had not written is gone."""
        self._doubts.pop(process.name, None)

    def _fresh(self, process: Process, symbol: str) -> list[str]:
        orders = self.record.orders
        return [
            name
            for name in self._doubts.get(process.name, ())
            if name in orders and orders[name].intent.spec.instrument == symbol
        ]

    # Decided.
    def wrote(self, process: Process, row: AnyRow) -> None:
        """No new risk is decided on an instrument whose order is unknown; stops stay closed."""
        if isinstance(row, IntentRow):
            order = self.record.orders[row.client_order_id]
            if order.is_entry:
                self._no_doubt(row.spec.instrument, f"{row.client_order_id} is decided")
        elif isinstance(row, StateRow):
            self._switched(row)

    def _no_doubt(self, symbol: str, what: str, *, known: Container[str] | None = None) -> None:
        """Orders that are not among ``known`` are over already, though no row tells of it yet."""
        unknown = [
            name
            for name in self.record.unknown.get(symbol, ())
            if known is None or name in known or name in self.record.arrivals
        ]
        self.demand("I9", not unknown, f"{what} while unknown: {', '.join(unknown)}")

    def _switched(self, row: StateRow) -> None:
        """Only a human lifts what a human or an alarm has closed."""
        before = self._was.get(row.scope, "")
        self._was[row.scope] = row.state
        if before in _OF_A_RUN or RANKS.get(row.state, 0) >= RANKS[before]:
            return
        order = self.record.commands.get(row.scope)
        is_lifted = order is not None and order.name == "resume" and bool(row.actor)
        # The end of an emergency is told when the venue has said so; nothing opens by it.
        text = f"{row.scope or 'the engine'} goes from {before} to {row.state}: nobody lifted it"
        self.demand("I16", is_lifted, text)

    # Sent.
    def leaves(self, process: Process, request: Request) -> None:
        """The last moment before the wire."""
        if not isinstance(request, _ORDERS) or process.loop is None:
            return
        engine = process.loop.engine
        mode = engine.setup.settings.mode
        self.demand("I28", mode == "live", f"an order leaves in mode {mode}")
        self._epoch(process, request, engine.fence.lease.epoch)
        order = self._grown(request, engine.desk.state.open)
        if order is not None:
            spec = order.intent.spec
            what = f"{type(request).__name__} of {order.intent.client_order_id} leaves"
            self._no_doubt(spec.instrument, what, known=engine.desk.state.open)
            fresh = self._fresh(process, spec.instrument)
            self.demand("I9", not fresh, f"{what} beside what just became unknown: {fresh}")
            closed = self.record.closed(spec.instrument, order.intent.strategy)
            text = f"{order.intent.client_order_id} adds risk and leaves while {closed}"
            self.demand("I16", closed is None, text)

    def _grown(self, request: Request, known: Container[str]) -> OrderRecord | None:
        """The order by which a request may add risk."""
        if isinstance(request, PlaceRequest):
            order = self.record.orders.get(request.client_order_id)
            # What was an entry when it was decided may only shrink what is held by now.
            if order is None or not order.is_entry or not self.record.adds_now(order, known):
                return None
            return order
        if isinstance(request, AmendRequest) and self.record.grows(request):
            return self.record.orders.get(request.client_order_id)
        return None

    def _epoch(self, process: Process, request: Request, epoch: int) -> None:
        held = self.scene.files.lease
        newest = held.epoch if held is not None else 0
        text = f"{process.name} sends under epoch {epoch}, the lease is of {newest}: {request}"
        self.demand("I17", epoch == newest, text)
        if isinstance(request, PlaceRequest):
            part = parse(request.client_order_id)
            if part is None or part.epoch != epoch:
                raise Violation("I17", f"{request.client_order_id} is no id of epoch {epoch}")


def _new_order(event: Any) -> Order | None:
    """The order that the venue takes on by an event; one that a conditional became is none."""
    if isinstance(event, OrderEvent):
        is_new = event.execution == "new" and not event.order.conditional_id
        return event.order if is_new else None
    if isinstance(event, ConditionalEvent) and event.status == "new":
        return event.order
    return None
