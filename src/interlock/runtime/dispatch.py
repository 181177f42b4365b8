"""From the kernel's effects to rows and requests: written first, sent once, or refused by us."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from interlock.kernel.state import Order
from interlock.model.effects import AmendOrder, CancelOrder, Effect, SubmitOrder
from interlock.model.events import CancelRejected, OrderRejected, UpdateRejected
from interlock.model.order import LIMIT_TYPES, TRIGGERED_TYPES, OrderSpec, OrderStatus
from interlock.model.rows import IntentRow, RequestRow
from interlock.model.venue import AmendRequest, Answer, CancelRequest, PlaceRequest
from interlock.runtime.asks import Asks, Pending
from interlock.runtime.books import GATE
from interlock.runtime.desk import Desk
from interlock.runtime.gate import Gate, Refusal
from interlock.runtime.gate import grows as amendment_grows
from interlock.runtime.ids import Standing

Answered = Callable[[Answer, Pending], None]
_encode = msgspec.msgpack.Encoder(order="deterministic").encode


def payload_hash(client_order_id: str, spec: OrderSpec) -> bytes:
    """SHA-256 of what one id stands for."""
    return hashlib.sha256(_encode((client_order_id, spec))).digest()


class Dispatch:
    """Carries effects out; ``answered`` hears the answers of what it sent."""

    def __init__(self, desk: Desk, asks: Asks, gate: Gate) -> None:
        self.desk = desk
        self.asks = asks
        self.gate = gate
        self.answered: Answered = _nobody

    def drain(self) -> None:
        """Carry out what the kernel asked for, and what follows from our own refusals.

        A strategy that answers every refusal with a new order would go on for ever: after
        ``rounds_max`` rounds it is refused for good within this input.
        """
        effects, rounds = self.desk.effects, 0
        while effects:
            rounds += 1
            self._carry_out(effects.popleft(), rounds <= self.desk.settings.rounds_max)
            if rounds > 4 * self.desk.settings.rounds_max:
                self._give_up()

    def _carry_out(self, effect: Effect, is_patient: bool) -> None:
        if isinstance(effect, SubmitOrder):
            self._submit(effect, is_patient)
        elif isinstance(effect, CancelOrder):
            self.cancel(effect.client_order_id)
        elif isinstance(effect, AmendOrder):
            self._amend(effect)

    def _give_up(self) -> None:
        names = sorted({getattr(effect, "client_order_id", "") for effect in self.desk.effects})
        self.desk.effects.clear()
        text = "orders follow refusals without end; what was asked for last was dropped"
        self.desk.record("ORDER_LOOP", names[0] if names else "", text, level="CRITICAL")

    def _submit(self, effect: SubmitOrder, is_patient: bool) -> None:
        name = effect.client_order_id
        order = self.desk.state.open.get(name)
        if order is None:
            return
        payload = payload_hash(name, effect.spec)
        standing = self.desk.books.standing(name, payload)
        if standing is not Standing.NEW:
            text = f"this id was given out before ({standing.value}); it is not sent again"
            self.desk.record("COID_DUPLICATE", name, text, level="CRITICAL")
            self._reject(name, Refusal("COID_DUPLICATE", text))
            return
        refusal = self.gate.order(order, effect.spec)
        if not is_patient and refusal is None:
            refusal = Refusal("ORDER_LOOP", "too many orders follow from one event")
        if refusal is not None:
            self._reject(name, refusal)
            return
        self._send(effect, order, payload)

    def _send(self, effect: SubmitOrder, order: Order, payload: bytes) -> None:
        desk, fence = self.desk, self.gate.fence
        request = PlaceRequest(
            request_id=self.asks.number(),
            ts_deadline=fence.deadline(desk.ts),
            client_order_id=effect.client_order_id,
            spec=effect.spec,
        )
        parent = order.owner.orders.get(effect.spec.parent)
        desk.write(
            IntentRow(
                ts_event=desk.ts,
                client_order_id=effect.client_order_id,
                account=desk.settings.account,
                strategy=effect.strategy,
                spec=effect.spec,
                epoch=fence.lease.epoch,
                request_id=request.request_id,
                payload_hash=payload,
                ts_deadline=request.ts_deadline,
                config_version=desk.settings.config_version,
                parent=parent.client_order_id if parent is not None else "",
                reference=desk.state.instruments[effect.spec.instrument].mark,
            )
        )
        if not effect.spec.reduce_only:
            self.gate.flow.took(effect.client_order_id, effect.spec.instrument, grows=False)
        self.asks.send(request, self.answered)

    def _reject(self, client_order_id: str, refusal: Refusal) -> None:
        self.desk.tell("ORDER_REFUSED", client_order_id, refusal.text, code=refusal.code)
        self.desk.report(
            OrderRejected(self.desk.ts, client_order_id, f"{refusal.code}: {refusal.text}"),
            evidence=GATE,
        )

    def cancel(self, client_order_id: str) -> bool:
        """Send one cancel, unless one is under way or the order itself has no answer yet.

        A cancel that overtakes its order proves nothing, so it waits for the order's answer.
        """
        track = self.desk.track(client_order_id)
        order = self.desk.order(client_order_id)
        if track is None or order is None or not track.submit:
            return False
        if track.cancel is not None and track.cancel.verdict in ("", "unknown"):
            return False
        refusal = self.gate.cancel()
        if refusal is not None:
            reason = f"{refusal.code}: {refusal.text}"
            event = CancelRejected(self.desk.ts, client_order_id, reason)
            self.desk.report(event, evidence=GATE)
            return False
        request = CancelRequest(
            request_id=self.asks.number(),
            ts_deadline=self.gate.fence.deadline(self.desk.ts),
            client_order_id=client_order_id,
            instrument=track.spec.instrument,
            venue_order_id=track.venue_order_id,
            is_conditional=track.spec.type in TRIGGERED_TYPES,
        )
        self._request(request)
        return True

    def held_cancel(self, client_order_id: str) -> None:
        """Send the cancel that waited for the order's own answer."""
        order = self.desk.state.open.get(client_order_id)
        track = self.desk.track(client_order_id)
        if order is None or track is None or order.status is not OrderStatus.PENDING_CANCEL:
            return
        if track.cancel is None:
            self.cancel(client_order_id)

    def _amend(self, effect: AmendOrder) -> None:
        name = effect.client_order_id
        order, track = self.desk.state.open.get(name), self.desk.track(name)
        if order is None or track is None:
            return
        wanted = _wanted(track.spec, effect)
        refusal = self.gate.growth(order, wanted)
        if not track.submit or track.is_amending:
            refusal = Refusal("IN_FLIGHT", "an earlier attempt about this order has no answer yet")
        if refusal is not None:
            self.desk.tell("AMENDMENT_REFUSED", name, refusal.text, code=refusal.code)
            event = UpdateRejected(self.desk.ts, name, f"{refusal.code}: {refusal.text}")
            self.desk.report(event, evidence=GATE)
            return
        self._request(
            AmendRequest(
                request_id=self.asks.number(),
                ts_deadline=self.gate.fence.deadline(self.desk.ts),
                client_order_id=name,
                spec=wanted,
                venue_order_id=track.venue_order_id,
            )
        )
        if amendment_grows(track.spec, wanted) and not track.spec.reduce_only:
            self.gate.flow.took(name, track.spec.instrument, grows=True)

    def _request(self, request: CancelRequest | AmendRequest) -> None:
        desk = self.desk
        desk.write(
            RequestRow(
                ts_event=desk.ts,
                account=desk.settings.account,
                request=request,
                epoch=self.gate.fence.lease.epoch,
            )
        )
        self.asks.send(request, self.answered)


def _wanted(spec: OrderSpec, effect: AmendOrder) -> OrderSpec:
    """The whole order as it is wanted after an amendment."""
    return msgspec.structs.replace(
        spec,
        quantity=effect.quantity or spec.quantity,
        price=(effect.price or spec.price) if spec.type in LIMIT_TYPES else 0,
        trigger=effect.trigger or spec.trigger,
    )


def _nobody(answer: Answer, pending: Pending) -> None:
    """Placeholder until the judge of answers is set."""
