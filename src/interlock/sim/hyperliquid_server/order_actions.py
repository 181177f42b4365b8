"""Actions on orders: place, cancel, replace."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.sim.hyperliquid_server.access import ActionFault, Unreadable
from interlock.sim.hyperliquid_server.action_words import (
    Builder,
    Caller,
    CancelWords,
    CloidWords,
    Handler,
    ModifyWords,
    PlaceWords,
    Response,
)
from interlock.sim.hyperliquid_server.orders import (
    OrderFault,
    OrderWords,
    refusal_text,
    slot_of,
    ticket_of,
)
from interlock.sim.hyperliquid_server.state import ServerState
from interlock.sim.venue.values import Order, OrderTicket, Refused
from interlock.wire.hyperliquid import errors
from interlock.wire.hyperliquid.text import convert


class OrderActions:
    """Carries out actions on orders."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self.table: dict[str, Handler] = {
            "order": self._order,
            "cancel": self._cancel,
            "cancelByCloid": self._cancel_by_cloid,
            "modify": self._modify,
            "batchModify": self._batch_modify,
        }

    def _order(self, caller: Caller, action: dict[str, object]) -> Response:
        words: PlaceWords = convert(action, PlaceWords)
        self._check_builder(caller, words.builder)
        if words.grouping == "normalTpsl":
            slots = self._with_children(caller, words.orders)
        elif words.grouping == "positionTpsl":
            self._state.group += 1
            slots = [self._slot(caller, row, group=self._state.group) for row in words.orders]
        else:
            slots = [self._slot(caller, row) for row in words.orders]
        return {"type": "order", "data": {"statuses": slots}}

    def _check_builder(self, caller: Caller, builder: Builder | None) -> None:
        if builder is None or not builder.f:
            return
        allowed = self._state.builders.get((caller.address, builder.b.lower()))
        if allowed is None:
            raise ActionFault("Builder fee has not been approved.")

    def _with_children(self, caller: Caller, rows: list[OrderWords]) -> list[object]:
        """The first order, and its take-profit and stop that wait for its fill."""
        if not rows:
            return []
        parent = self._place(caller, rows[0])
        if isinstance(parent, str):
            return [{"error": parent} for _ in rows]
        instrument = self._state.universe.of_id(parent.symbol)
        slots = [slot_of(parent, instrument, rows[0].a)]
        self._state.group += 1
        for row in rows[1:]:
            is_taken = parent.is_open or parent.filled
            slots.append(
                self._slot(
                    caller,
                    row,
                    group=self._state.group,
                    waits_for=parent.order_id if is_taken else 0,
                )
            )
        return slots

    def _slot(
        self, caller: Caller, words: OrderWords, *, group: int = 0, waits_for: int = 0
    ) -> object:
        placed = self._place(caller, words, group=group, waits_for=waits_for)
        if isinstance(placed, str):
            return {"error": placed}
        return slot_of(placed, self._state.universe.of_id(placed.symbol), words.a)

    def _place(
        self, caller: Caller, words: OrderWords, *, group: int = 0, waits_for: int = 0
    ) -> Order | str:
        """The order as the core took it on, or the venue's text why not."""
        try:
            ticket = self._ticket(words, is_position=bool(group) and not waits_for)
        except OrderFault as fault:
            return str(fault)
        ticket.group = group
        if ticket.trigger:
            ticket.waits_for = waits_for
        return self._send(caller, ticket, words.a)

    def _send(self, caller: Caller, ticket: OrderTicket, asset: int) -> Order | str:
        placed = self._state.core.place(caller.ts, caller.account, ticket)
        if isinstance(placed, Refused):
            return refusal_text(placed, asset)
        self._state.note(placed)
        return placed

    def _ticket(self, words: OrderWords, *, is_position: bool = False) -> OrderTicket:
        if (words.t.limit is None) == (words.t.trigger is None):
            raise Unreadable("t")
        return ticket_of(words, self._state.asset(words.a), is_position=is_position)

    def _cancel(self, caller: Caller, action: dict[str, object]) -> Response:
        rows: list[CancelWords] = convert(action.get("cancels"), list[CancelWords])
        slots = [self._canceled(caller, self._state.asset(row.a), number=row.o) for row in rows]
        return {"type": "cancel", "data": {"statuses": slots}}

    def _cancel_by_cloid(self, caller: Caller, action: dict[str, object]) -> Response:
        rows: list[CloidWords] = convert(action.get("cancels"), list[CloidWords])
        slots = [
            self._canceled(caller, self._state.asset(row.asset), cloid=row.cloid.lower())
            for row in rows
        ]
        return {"type": "cancel", "data": {"statuses": slots}}

    def _canceled(
        self, caller: Caller, instrument: Instrument, *, number: int = 0, cloid: str = ""
    ) -> object:
        if not number and not cloid:
            return {"error": errors.GONE}
        done = self._state.core.cancel(
            caller.ts, caller.account, instrument.id, order_id=number, client_id=cloid
        )
        return {"error": errors.GONE} if isinstance(done, Refused) else "success"

    def _modify(self, caller: Caller, action: dict[str, object]) -> Response:
        slot = self._replace(caller, convert(action, ModifyWords))
        if isinstance(slot, dict) and "error" in slot:
            raise ActionFault(str(slot["error"]))
        return {"type": "default"}

    def _batch_modify(self, caller: Caller, action: dict[str, object]) -> Response:
        rows: list[ModifyWords] = convert(action.get("modifies"), list[ModifyWords])
        return {
            "type": "order",
            "data": {"statuses": [self._replace(caller, row) for row in rows]},
        }

    def _replace(self, caller: Caller, words: ModifyWords) -> object:
        """Cancel, then place under a new number: when the second fails, the first stands."""
        old = self._state.find(caller.account, words.oid)
        if old is None or not old.is_open:
            return {"error": errors.MODIFY_GONE}
        try:
            ticket = self._ticket(words.order, is_position=old.close_position)
        except OrderFault as fault:
            return {"error": str(fault)}
        ticket.group, ticket.waits_for = old.group, old.waits_for if ticket.trigger else 0
        if not ticket.client_id:
            ticket.client_id = old.client_id
        self._state.core.cancel(caller.ts, caller.account, old.symbol, order_id=old.order_id)
        placed = self._send(caller, ticket, words.order.a)
        if isinstance(placed, str):
            return {"error": placed}
        return slot_of(placed, self._state.asset(words.order.a), words.order.a)
