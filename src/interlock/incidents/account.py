"""The recorded account in the kernel: rows and market taken in, orders bound to recorded ids.

It does what recovery does, and gives back what the kernel and the strategies wanted on the way.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.incidents.decisions import Decision, Kind, of_fact
from interlock.kernel.restore import adopt_intent
from interlock.kernel.state import Order
from interlock.model.effects import AmendOrder, CancelOrder, Effect, SetTimer, SubmitOrder
from interlock.model.events import CancelRejected, OrderRejected, UpdateRejected
from interlock.model.order import LIMIT_TYPES, TRANSITIONS, Change, OrderSpec, OrderStatus
from interlock.model.rows import (
    AnyRow,
    IntentRow,
    PolicyRow,
)
from interlock.runtime.desk import take_event
from interlock.runtime.folding import Folding
from interlock.runtime.ids import parse
from interlock.runtime.recovery import Recovered
from interlock.runtime.settings import Settings

# Own references jump so far ahead of the record's that no id is drawn twice.
_APART = 1 << 32
_WHAT_IF = "WHAT_IF: the record has no answer to this"


class Wish(msgspec.Struct):
    """Something decided in the replay that no row has told of yet; ``order`` where it has one."""

    decision: Decision
    order: Order | None = None
    amendment: AmendOrder | None = None


class Account(Folding):
    """State and books at a row of the record. ``wishes`` collects what is wanted, in order.

    ``keeps_policy``: limits and shares of the cash are those of the setup, not the record's.
    """

    def __init__(self, found: Recovered, settings: Settings, *, keeps_policy: bool = False) -> None:
        self._keeps_policy = keeps_policy
        super().__init__(found.state, found.books, settings)
        self.seq = found.seq
        self.wishes: list[Wish] = []
        # Cancels that were asked for and have not left, by client order id.
        self.asked: dict[str, Decision] = {}
        self._is_apart = False

    # Taking in.
    def step(self, event: Any) -> None:
        """Give the kernel an event."""
        faults: dict[str, str] = {}
        effects = take_event(self.state, event, faults)
        ts = self.state.ts_event
        for fact in self.state.facts:
            self.wishes.append(Wish(of_fact(self.seq, ts, fact)))
        self.state.facts.clear()
        for name, text in faults.items():
            if name not in self.books.switches:
                self.wishes.append(Wish(self._decision(Kind.RAISED, strategy=name, text=text)))
        for effect in effects:
            self._want(effect)

    def take(self, seq: int, row: AnyRow) -> None:
        """Take the row of a sequence in."""
        self.fold(row)
        self.seq = seq

    def count_on(self, client_order_id: str) -> None:
        """The record's numbers are the replay's only until they part."""
        if not self._is_apart:
            super().count_on(client_order_id)

    def adopt(self, row: IntentRow) -> bool:
        """Adopt an intent that nobody bound."""
        part, owner = parse(row.client_order_id), self.state.strategies.get(row.strategy)
        if part is None or owner is None:
            return False
        ref = part.ref
        if self._is_apart and row.client_order_id not in self.state.open:
            # A reference of the record may mean another order of the replay.
            self.state.closed.pop(row.client_order_id, None)
            ref = owner.strategy._next_ref
        return adopt_intent(self.state, row, ref)

    def obey(self, row: PolicyRow) -> None:
        """The record's limits and shares, where the replay does not try others."""
        if not self._keeps_policy:
            super().obey(row)

    # What is wanted.
    def _want(self, effect: Effect) -> None:
        if isinstance(effect, SetTimer):
            self.set_timer(effect)
            return
        name = effect.client_order_id
        order = self.state.open.get(name)
        if order is None:
            return
        wanted = self._decision(_KINDS[type(effect)], client_order_id=name)
        wanted = msgspec.structs.replace(wanted, strategy=order.owner.name)
        if isinstance(effect, SubmitOrder):
            wanted = msgspec.structs.replace(wanted, spec=effect.spec)
            self.wishes.append(Wish(wanted, order))
        elif isinstance(effect, AmendOrder):
            self.wishes.append(Wish(wanted, order, effect))
        else:
            self.asked[name] = wanted

    def _decision(self, kind: Kind, **fields: Any) -> Decision:
        return Decision(kind=kind, row=self.seq, ts=self.state.ts_event, **fields)

    def amended(self, wish: Wish) -> Decision | None:
        """An amendment as the live core asks for it; None where it asks for none."""
        track = self.books.tracks.get(wish.order.client_order_id) if wish.order else None
        if track is None or wish.amendment is None:
            return None
        spec, asks = track.spec, wish.amendment
        wanted = msgspec.structs.replace(
            spec,
            quantity=asks.quantity or spec.quantity,
            price=(asks.price or spec.price) if spec.type in LIMIT_TYPES else 0,
            trigger=asks.trigger or spec.trigger,
        )
        return msgspec.structs.replace(wish.decision, spec=wanted)

    def forget_told(self) -> None:
        """Drop what rows have told of: only orders that no row knows may still be told of."""
        tracks = self.books.tracks
        self.asked.clear()
        self.wishes = [
            wish
            for wish in self.wishes
            if wish.order is not None
            and wish.order.is_open
            and wish.order.client_order_id not in tracks
        ]

    def left_unsent(self) -> list[Decision]:
        """Cancels that the live core would have sent by now and no row tells of."""
        found = []
        for name, decision in list(self.asked.items()):
            order, track = self.state.open.get(name), self.books.tracks.get(name)
            if order is None or (track is not None and track.cancel is not None):
                del self.asked[name]
            elif order.status is not OrderStatus.PENDING_CANCEL or track is None:
                continue
            elif track.submit == "accepted":
                # Without an answer the cancel waits for it.
                del self.asked[name]
                found.append(decision)
        return found

    # Bringing the replay's orders in line with the record's.
    def part(self) -> None:
        """From here on the record's references are not the replay's."""
        if not self._is_apart:
            self._is_apart = True
            for owner in self.state.strategies.values():
                owner.strategy._next_ref += _APART

    def bind(self, order: Order, row: Decision) -> None:
        """Let an order of the replay be the recorded one: its id, and its sizes if they are known.

        What happens to it is what happened to that one.
        """
        name, is_open = row.client_order_id, self.state.open
        if order.client_order_id not in is_open:
            return
        if order.client_order_id != name:
            other = is_open.pop(name, None)
            if other is not None:
                other.client_order_id = f"{name}~"
                is_open[other.client_order_id] = other
            del is_open[order.client_order_id]
            order.client_order_id = name
            is_open[name] = order
        if row.kind is Kind.PLACE and row.spec is not None:
            self._resize(order, row.spec)

    def _resize(self, order: Order, spec: OrderSpec) -> None:
        slot = self.state.instruments[spec.instrument]
        for sign, counted in ((-1, order.is_counted), (1, not spec.reduce_only)):
            size = spec.quantity if sign > 0 else order.leaves
            side = spec.side if sign > 0 else order.spec.side
            if counted and side > 0:
                slot.open_buy += sign * size
            elif counted:
                slot.open_sell += sign * size
        order.is_counted = not spec.reduce_only
        order.spec = msgspec.structs.replace(spec, oco=order.spec.oco, parent=order.spec.parent)

    def refuse(self, wish: Wish) -> None:
        """Answer what the record does not have: nobody knows what a market would have done."""
        decision, ts = wish.decision, self.state.ts_event
        name = decision.client_order_id if wish.order is None else wish.order.client_order_id
        kind: type[OrderRejected] | type[UpdateRejected] | type[CancelRejected]
        match decision.kind:
            case Kind.PLACE:
                kind = OrderRejected
            case Kind.AMEND:
                kind = UpdateRejected
            case Kind.CANCEL:
                kind = CancelRejected
            case _:
                return
        event = kind(ts, name, _WHAT_IF)
        order = self.state.open.get(name)
        if order is not None and event.change in TRANSITIONS[order.status]:
            self.step(event)

    def mark(self, client_order_id: str, asks: Change) -> None:
        """Let an order wait for what the record asked the venue for and the replay did not."""
        order = self.state.open.get(client_order_id)
        if order is not None:
            order.status = TRANSITIONS[order.status].get(asks, order.status)


_KINDS: dict[type, Kind] = {
    SubmitOrder: Kind.PLACE,
    AmendOrder: Kind.AMEND,
    CancelOrder: Kind.CANCEL,
}
