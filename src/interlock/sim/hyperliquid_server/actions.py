"""The actions of /exchange: who may act, what it costs, and who carries it out."""

from __future__ import annotations

from interlock.sim.hyperliquid_server.access import ActionFault, SignedAction, Unreadable
from interlock.sim.hyperliquid_server.account_actions import AccountActions
from interlock.sim.hyperliquid_server.action_words import (
    Caller,
    Handler,
    Response,
    is_cancel,
    length_of,
)
from interlock.sim.hyperliquid_server.order_actions import OrderActions
from interlock.sim.hyperliquid_server.state import ServerState, now_ms
from interlock.wire.hyperliquid import errors
from interlock.wire.hyperliquid.text import WireFault


class Actions:
    """Admits signed actions and has them carried out."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._table: dict[str, Handler] = {
            **OrderActions(state).table,
            **AccountActions(state).table,
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
        address = state.access.admit(signed, now_ms(ts + state.clock_offset_ns))
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
