"""Endpoints of the account: wallets, positions, income, settings, listen keys."""

from __future__ import annotations

from typing import Any

from interlock.model.instrument import Instrument
from interlock.model.units import RATE_SCALE
from interlock.sim.binance_server import views
from interlock.sim.binance_server.refusals import fault
from interlock.sim.binance_server.state import LISTEN_KEY_NS, Call, ListenKey, ServerState
from interlock.sim.venue.values import PositionView, Refused
from interlock.wire.binance import payloads
from interlock.wire.binance.parameters import ApiFault
from interlock.wire.binance.terms import symbol_of

_WEEK_NS = 7 * 86_400 * 10**9
_SIDES = {False: ("both",), True: ("long", "short")}


def _flat(state: ServerState, account: str, instrument: Instrument, side: str) -> PositionView:
    leverage, is_isolated = state.core.leverage(account, instrument.id)
    return PositionView(
        symbol=instrument.id,
        position_side=side,
        quantity=0,
        cost=0,
        mark=state.core.mark(instrument.id).mark,
        unrealized=0,
        realized=0,
        fees=0,
        funding=0,
        liquidation=0,
        leverage=leverage,
        is_isolated=is_isolated,
        isolated_wallet=0,
        initial_margin=0,
        order_margin=0,
        maintenance=0,
        adl=0,
        ts_updated=0,
    )


def _positions(
    state: ServerState, call: Call, *, with_flat: bool
) -> list[tuple[PositionView, Instrument]]:
    """Holdings by symbol and side; flat ones too, or only those that an order may open."""
    view = state.core.account(call.account)
    held = {(item.symbol, item.position_side): item for item in view.positions}
    rows = []
    for instrument in state.asked_or_all(call):
        waits = bool(state.core.open_orders(call.account, instrument.id))
        for side in _SIDES[view.is_hedged]:
            found = held.get((instrument.id, side))
            if found is not None:
                rows.append((found, instrument))
            elif with_flat or waits:
                rows.append((_flat(state, call.account, instrument, side), instrument))
    return rows


def position_risk(state: ServerState, call: Call) -> object:
    """GET v3/positionRisk."""
    fields: list[dict[str, Any]] = [
        views.position_fields(*row) for row in _positions(state, call, with_flat=False)
    ]
    return [payloads.PositionPayload(**item) for item in fields]


def old_position_risk(state: ServerState, call: Call) -> object:
    """GET v2/positionRisk: every symbol, with leverage and margin type."""
    rows = []
    for view, instrument in _positions(state, call, with_flat=True):
        fields: dict[str, Any] = views.position_fields(view, instrument)
        rows.append(
            payloads.OldPositionPayload(
                **fields,
                leverage=str(view.leverage),
                margin_type="isolated" if view.is_isolated else "cross",
                max_notional_value=views.fixed(10**9, 0),
                isolated=view.is_isolated,
            )
        )
    return rows


def _account(state: ServerState, call: Call, *, with_flat: bool) -> dict[str, object]:
    view = state.core.account(call.account)
    body: dict[str, object] = {
        "feeTier": 0,
        "feeBurn": True,
        "canTrade": not view.is_liquidating,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        **views.account_totals(view.balances, call.now_ms),
    }
    body["positions"] = [
        _account_position(item, instrument)
        for item, instrument in _positions(state, call, with_flat=with_flat)
    ]
    return body


def _account_position(view: PositionView, instrument: Instrument) -> dict[str, object]:
    fields = views.position_fields(view, instrument)
    return {
        "symbol": fields["symbol"],
        "initialMargin": fields["initial_margin"],
        "maintMargin": fields["maint_margin"],
        "unrealizedProfit": fields["un_realized_profit"],
        "positionInitialMargin": fields["position_initial_margin"],
        "openOrderInitialMargin": fields["open_order_initial_margin"],
        "leverage": str(view.leverage),
        "isolated": view.is_isolated,
        "entryPrice": fields["entry_price"],
        "breakEvenPrice": fields["break_even_price"],
        "maxNotional": "1000000000",
        "positionSide": fields["position_side"],
        "positionAmt": fields["position_amt"],
        "notional": fields["notional"],
        "isolatedWallet": fields["isolated_wallet"],
        "isolatedMargin": fields["isolated_margin"],
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": fields["update_time"],
    }


def account(state: ServerState, call: Call) -> object:
    """GET v3/account."""
    return _account(state, call, with_flat=False)


def old_account(state: ServerState, call: Call) -> object:
    """GET v2/account: every symbol."""
    return _account(state, call, with_flat=True)


def balance(state: ServerState, call: Call) -> object:
    """GET balance, both versions."""
    view = state.core.account(call.account)
    return [views.balance_payload(item, call.now_ms) for item in view.balances]


def income(state: ServerState, call: Call) -> object:
    """GET income, oldest first."""
    parameters = call.parameters
    since = parameters.count("startTime") * 10**6 or max(0, call.ts - _WEEK_NS)
    until = parameters.count("endTime") * 10**6 + 10**6 if "endTime" in parameters else call.ts + 1
    limit = parameters.count("limit", 100, least=1, most=1000)
    kind, symbol = parameters.text("incomeType"), parameters.text("symbol")
    rows = [
        views.income_payload(item)
        for item in state.core.payments_since(call.account, since)
        if item.ts < until
    ]
    kept = [row for row in rows if kind in ("", row.income_type) and symbol in ("", row.symbol)]
    return kept[:limit] if "startTime" in parameters else kept[-limit:]


def leverage_brackets(state: ServerState, call: Call) -> object:
    """GET leverageBracket."""
    return [views.brackets_payload(item) for item in state.asked_or_all(call)]


def commission_rate(state: ServerState, call: Call) -> object:
    """GET commissionRate."""
    instrument = state.asked(call)
    digits = len(str(RATE_SCALE)) - 1
    return payloads.CommissionPayload(
        symbol=symbol_of(instrument.id),
        maker_commission_rate=views.fixed(instrument.maker_rate, digits),
        taker_commission_rate=views.fixed(instrument.taker_rate, digits),
    )


def position_mode(state: ServerState, call: Call) -> object:
    """GET positionSide/dual."""
    return {"dualSidePosition": state.core.account(call.account).is_hedged}


def set_position_mode(state: ServerState, call: Call) -> object:
    """POST positionSide/dual."""
    call.parameters.need("dualSidePosition")
    wanted = call.parameters.flag("dualSidePosition")
    refused = state.core.set_position_mode(call.ts, call.account, hedged=wanted)
    return _done(refused, "position_mode")


def assets_mode(state: ServerState, call: Call) -> object:
    """GET multiAssetsMargin."""
    return {"multiAssetsMargin": False}


def set_leverage(state: ServerState, call: Call) -> object:
    """POST leverage."""
    instrument = state.asked(call)
    call.parameters.need("leverage")
    leverage = call.parameters.count("leverage")
    if not 1 <= leverage <= 125:
        raise ApiFault(-4028, f"Leverage {leverage} is not valid")
    refused = state.core.set_leverage(call.ts, call.account, instrument.id, leverage)
    if isinstance(refused, Refused):
        raise fault(refused, "leverage")
    return {
        "leverage": leverage,
        "maxNotionalValue": "1000000000",
        "symbol": symbol_of(instrument.id),
    }


def set_margin_type(state: ServerState, call: Call) -> object:
    """POST marginType."""
    instrument = state.asked(call)
    words = ("ISOLATED", "CROSSED")
    word = call.parameters.word("marginType", words, code=-1130, text="Invalid marginType.")
    refused = state.core.set_margin_type(
        call.ts, call.account, instrument.id, isolated=word == "ISOLATED"
    )
    return _done(refused, "margin_type")


def change_margin(state: ServerState, call: Call) -> object:
    """POST positionMargin: 1 adds, 2 takes away."""
    instrument = state.asked(call)
    amount = call.parameters.units("amount", 8)
    sign = 1 if call.parameters.count("type", 1, least=1, most=2) == 1 else -1
    side = call.parameters.text("positionSide", "BOTH").lower()
    refused = state.core.add_margin(
        call.ts, call.account, instrument.id, amount=sign * amount, position_side=side
    )
    if isinstance(refused, Refused):
        raise fault(refused)
    return {"amount": views.money(amount), "code": 200, "msg": "success", "type": 1}


def account_config(state: ServerState, call: Call) -> object:
    """GET accountConfig."""
    return {
        "feeTier": 0,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": state.core.account(call.account).is_hedged,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }


def symbol_config(state: ServerState, call: Call) -> object:
    """GET symbolConfig."""
    rows = []
    for instrument in state.asked_or_all(call):
        leverage, is_isolated = state.core.leverage(call.account, instrument.id)
        rows.append(
            {
                "symbol": symbol_of(instrument.id),
                "marginType": "ISOLATED" if is_isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": leverage,
                "maxNotionalValue": "1000000000",
            }
        )
    return rows


def open_listen_key(state: ServerState, call: Call) -> object:
    """POST listenKey: the living key, or a new one, for 60 minutes from now."""
    found = state.listen_key_of(call.account, call.ts)
    if found is None:
        found = ListenKey(key=state.draw(64), account=call.account, expires=0)
        state.listen_keys[found.key] = found
    found.expires = call.ts + LISTEN_KEY_NS
    return {"listenKey": found.key}


def keep_listen_key(state: ServerState, call: Call) -> object:
    """PUT listenKey."""
    found = state.listen_key_of(call.account, call.ts)
    if found is None:
        raise ApiFault(-1125, "This listenKey does not exist.")
    found.expires = call.ts + LISTEN_KEY_NS
    return {"listenKey": found.key}


def close_listen_key(state: ServerState, call: Call) -> object:
    """DELETE listenKey."""
    found = state.listen_key_of(call.account, call.ts)
    if found is None:
        raise ApiFault(-1125, "This listenKey does not exist.")
    del state.listen_keys[found.key]
    return {}


def _done(refused: Refused | None, asked: str) -> payloads.DonePayload:
    if isinstance(refused, Refused):
        raise fault(refused, asked)
    return payloads.DonePayload()
