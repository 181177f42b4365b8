"""Actions on an account: leverage, margin, approvals, transfers, the dead man's switch."""

from __future__ import annotations

from interlock.model.units import MONEY_SCALE, format_units
from interlock.sim.hyperliquid_server.access import ActionFault, Agent, Unreadable
from interlock.sim.hyperliquid_server.action_words import (
    Caller,
    Handler,
    LeverageWords,
    MarginWords,
    Response,
)
from interlock.sim.hyperliquid_server.state import ServerState, now_ms
from interlock.sim.venue.values import Refusal, Refused
from interlock.wire.hyperliquid import errors
from interlock.wire.hyperliquid.text import convert, money_of

_DAY_MS = 24 * 3600 * 1000
_AGENT_DAYS = 90
# Micro-dollars of isolated margin -> money units.
_MICRO = 100


class AccountActions:
    """Carries out actions on an account."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self.table: dict[str, Handler] = {
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

    def _schedule_cancel(self, caller: Caller, action: dict[str, object]) -> Response:
        state, now = self._state, now_ms(caller.ts)
        time: int | None = convert(action.get("time"), int | None)
        if time is None:
            state.core.dead_man(caller.ts, caller.account, None, 0)
            return {"type": "default"}
        time -= state.clock_offset_ns // 1_000_000
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
        symbol, core = self._state.asset(words.asset).id, self._state.core
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
        symbol = self._state.asset(words.asset).id
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
