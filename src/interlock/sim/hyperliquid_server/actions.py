"""The actions of /exchange, carried out on the core by whoever was admitted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.units import MONEY_SCALE, format_units
from interlock.sim.hyperliquid_server.access import ActionFault, Agent, SignedAction, Unreadable
from interlock.sim.hyperliquid_server.orders import (
    OrderFault,
    OrderWords,
    refusal_text,
    slot_of,
    ticket_of,
)
from interlock.sim.hyperliquid_server.state import ServerState, now_ms
from interlock.sim.venue.values import Order, OrderTicket, Refusal, Refused
from interlock.wire.hyperliquid import errors
from interlock.wire.hyperliquid.text import WireFault, convert, money_of

_DAY_MS = 24 * 3600 * 1000
_AGENT_DAYS = 90
# Micro-dollars of isolated margin -> money units.
_MICRO = 100

Response = dict[str, object]


class Caller(msgspec.Struct, frozen=True):
    """Who acts, for which account, and when."""

    ts: int
    address: str
    account: str


class Builder(msgspec.Struct):
    """Who is named for a share of the fee: tenths of a basis point."""

    b: str
    f: int


class PlaceWords(msgspec.Struct):
    """Orders of one action."""

    orders: list[OrderWords]
    grouping: Literal["na", "normalTpsl", "positionTpsl"] | dict[str, object] = "na"
    builder: Builder | None = None


class CancelWords(msgspec.Struct):
    """A cancel by number."""

    a: int
    o: int


class CloidWords(msgspec.Struct):
    """A cancel by cloid."""

    asset: int
    cloid: str


class ModifyWords(msgspec.Struct):
    """A replacement."""

    oid: int | str
    order: OrderWords


class LeverageWords(msgspec.Struct, rename="camel"):
    """Leverage of an asset."""

    asset: int
    is_cross: bool
    leverage: int


class MarginWords(msgspec.Struct, rename="camel"):
    """Isolated margin to add, in micro-dollars."""

    asset: int
    is_buy: bool
    ntli: int


def length_of(action: dict[str, object]) -> int:
    """How many orders, cancels or changes an action has: what it counts as."""
    for name in ("orders", "cancels", "modifies"):
        batch = action.get(name)
        if isinstance(batch, list):
            return max(1, len(batch))
    return 1


def is_cancel(action: dict[str, object]) -> bool:
    """Whether an action has the larger budget of cancels."""
    return action.get("type") in ("cancel", "cancelByCloid")


class Actions:
    """Carries out admitted actions."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._table: dict[str, Callable[[Caller, dict[str, object]], Response]] = {
            "order": self._order,
            "cancel": self._cancel,
            "cancelByCloid": self._cancel_by_cloid,
            "modify": self._modify,
            "batchModify": self._batch_modify,
            "scheduleCancel": self._schedule_cancel,
            "updateLeverage": self._update_leverage,
            "updateIsolatedMargin": self._update_isolated_margin,
            "approveAgent": self._approve_agent,
            "approveBuilderFee": self._approve_builder_fee,
            "setReferrer": self._set_referrer,
            "usdClassTransfer": self._usd_class_transfer,
            "userSetAbstraction": self._set_abstraction,
            "noop": self._noop,
        }

    def handle(self, ts: int, signed: SignedAction) -> Response:
        """The answer to a signed action; a refusal of the whole is an answer too."""
        try:
            return {"status": "ok", "response": self._admitted(ts, signed)}
        except ActionFault as fault:
            return {"status": "err", "response": str(fault)}

    def _admitted(self, ts: int, signed: SignedAction) -> Response:
        state = self._state
        kind = signed.action.get("type")
        carry_out = self._table.get(kind) if isinstance(kind, str) else None
        if carry_out is None:
            raise Unreadable("type")
        address = state.access.admit(signed, now_ms(ts))
        account = state.access.account(address)
        if account is None:
            raise ActionFault(f"{errors.NO_WALLET} {address} does not exist.")
        state.budget(address).spend(
            ts,
            length_of(signed.action),
            rules=state.options.limits,
            is_cancel=is_cancel(signed.action),
        )
        try:
            return carry_out(Caller(ts, address, account), signed.action)
        except WireFault as fault:
            raise Unreadable(str(fault)) from None

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
        instrument = self._state.by_id()[parent.symbol]
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
        return slot_of(placed, self._state.by_id()[placed.symbol], words.a)

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
        return ticket_of(words, self._asset(words.a), is_position=is_position)

    def _asset(self, index: int) -> Instrument:
        instrument = self._state.universe.of_index(index)
        if instrument is None:
            raise ActionFault(f"Asset {index} does not exist.")
        return instrument

    def _cancel(self, caller: Caller, action: dict[str, object]) -> Response:
        rows: list[CancelWords] = convert(action.get("cancels"), list[CancelWords])
        slots = [self._canceled(caller, self._asset(row.a), number=row.o) for row in rows]
        return {"type": "cancel", "data": {"statuses": slots}}

    def _cancel_by_cloid(self, caller: Caller, action: dict[str, object]) -> Response:
        rows: list[CloidWords] = convert(action.get("cancels"), list[CloidWords])
        slots = [
            self._canceled(caller, self._asset(row.asset), cloid=row.cloid.lower()) for row in rows
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
        return slot_of(placed, self._asset(words.order.a), words.order.a)

    def _schedule_cancel(self, caller: Caller, action: dict[str, object]) -> Response:
        state, now = self._state, now_ms(caller.ts)
        time: int | None = convert(action.get("time"), int | None)
        if time is None:
            state.core.dead_man(caller.ts, caller.account, None, 0)
            return {"type": "default"}
        volume, needed = state.budget(caller.address).volume, state.options.schedule_volume
        if volume < needed:
            raise ActionFault(
                "Cannot set scheduled cancel time until enough volume traded. Required: "
                f"${needed // MONEY_SCALE}. Traded: ${format_units(volume, 8)}."
            )
        if time < now + state.options.schedule_ahead_ms:
            raise ActionFault(
                "Cannot set scheduled cancel time less than "
                f"{state.options.schedule_ahead_ms // 1000} seconds ahead."
            )
        today = [
            strike
            for strike in state.strikes.get(caller.account, [])
            if strike // _DAY_MS == now // _DAY_MS
        ]
        if len(today) >= state.options.schedule_per_day:
            raise ActionFault("Cannot set scheduled cancel time: too many triggers today.")
        state.core.dead_man(caller.ts, caller.account, None, time * 1_000_000)
        return {"type": "default"}

    def _update_leverage(self, caller: Caller, action: dict[str, object]) -> Response:
        words: LeverageWords = convert(action, LeverageWords)
        symbol, core = self._asset(words.asset).id, self._state.core
        _, is_isolated = core.leverage(caller.account, symbol)
        if is_isolated == words.is_cross:
            _settle(
                core.set_margin_type(
                    caller.ts, caller.account, symbol, isolated=not words.is_cross
                ),
                "Cannot switch leverage type with open position.",
            )
        _settle(
            core.set_leverage(caller.ts, caller.account, symbol, words.leverage),
            f"{errors.LEVERAGE}",
        )
        return {"type": "default"}

    def _update_isolated_margin(self, caller: Caller, action: dict[str, object]) -> Response:
        words: MarginWords = convert(action, MarginWords)
        symbol = self._asset(words.asset).id
        refused = self._state.core.add_margin(
            caller.ts, caller.account, symbol, amount=words.ntli * _MICRO
        )
        _settle(refused, "Cannot update isolated margin: no isolated position or not enough margin")
        return {"type": "default"}

    def _approve_agent(self, caller: Caller, action: dict[str, object]) -> Response:
        address, name = action.get("agentAddress"), action.get("agentName") or ""
        if not isinstance(address, str) or not isinstance(name, str):
            raise Unreadable("agentAddress")
        if self._state.access.account(address) is not None:
            raise ActionFault("Extra agent already used.")
        until = now_ms(caller.ts) + _AGENT_DAYS * _DAY_MS
        self._state.access.add_agent(address, Agent(caller.address, name, until))
        return {"type": "default"}

    def _approve_builder_fee(self, caller: Caller, action: dict[str, object]) -> Response:
        builder, rate = action.get("builder"), action.get("maxFeeRate")
        if not isinstance(builder, str) or not isinstance(rate, str) or not rate.endswith("%"):
            raise Unreadable("builder")
        self._state.builders[caller.address, builder.lower()] = rate
        return {"type": "default"}

    def _set_referrer(self, caller: Caller, action: dict[str, object]) -> Response:
        code = convert(action.get("code"), str)
        if caller.address in self._state.referrers:
            raise ActionFault("Referrer already set.")
        self._state.referrers[caller.address] = code
        return {"type": "default"}

    def _usd_class_transfer(self, caller: Caller, action: dict[str, object]) -> Response:
        text = convert(action.get("amount"), str).split(" ")[0]
        amount, to_perp = money_of(text), action.get("toPerp") is True
        spot = self._state.spot.get(caller.address, 0)
        if amount <= 0 or (to_perp and amount > spot):
            raise ActionFault("Insufficient balance for token transfer")
        signed = amount if to_perp else -amount
        refused = self._state.core.transfer(caller.ts, caller.account, self._state.quote(), signed)
        _settle(refused, "Insufficient balance for token transfer")
        self._state.spot[caller.address] = spot - signed
        return {"type": "default"}

    def _set_abstraction(self, caller: Caller, action: dict[str, object]) -> Response:
        self._state.abstractions[caller.address] = convert(action.get("abstraction"), str)
        return {"type": "default"}

    def _noop(self, caller: Caller, action: dict[str, object]) -> Response:
        return {"type": "default"}


def _settle(refused: Refused | None, text: str) -> None:
    """Say the venue's text to a refusal; that nothing had to change is none."""
    if refused is not None and refused.refusal is not Refusal.NOTHING_TO_CHANGE:
        raise ActionFault(text)
