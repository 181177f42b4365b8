"""Events of the exchange core as messages of an account's user stream."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.order import OrderType
from interlock.sim.binance_server import views
from interlock.sim.binance_server.state import ServerState
from interlock.sim.venue.values import (
    AccountEvent,
    ConditionalEvent,
    ConfigEvent,
    Event,
    HoldingTold,
    Order,
    OrderEvent,
    WalletTold,
)
from interlock.wire.binance import events
from interlock.wire.binance.terms import SIDE_WORDS, TYPE_WORDS, symbol_of

_EXECUTIONS = {
    "new": "NEW",
    "canceled": "CANCELED",
    "expired": "EXPIRED",
    "trade": "TRADE",
    "amended": "AMENDMENT",
    "triggered": "NEW",
    "rejected": "EXPIRED",
    "liquidation": "CALCULATED",
    "adl": "CALCULATED",
    "settlement": "TRADE",
}
_CAUSES = {
    "order": "ORDER",
    "funding": "FUNDING_FEE",
    "margin_type": "MARGIN_TYPE_CHANGE",
    "liquidation": "ORDER",
    "adl": "ORDER",
    "settlement": "ORDER",
}


def messages(state: ServerState, event: Event) -> Iterator[tuple[str, bytes]]:
    """(account, frame) for everything that this event tells somebody."""
    match event:
        case OrderEvent():
            if event.fill is not None and state.options.trade_lite:
                yield event.order.account, msgspec.json.encode(_trade_lite(state, event))
            yield event.order.account, msgspec.json.encode(_order_update(state, event))
        case AccountEvent():
            yield event.account, msgspec.json.encode(_account_update(state, event))
        case ConditionalEvent():
            yield event.order.account, msgspec.json.encode(_algo_update(state, event))
        case ConfigEvent():
            body = {
                "e": "ACCOUNT_CONFIG_UPDATE",
                "E": views.millis(event.ts),
                "T": views.millis(event.ts),
                "ac": {"s": symbol_of(event.symbol), "l": event.leverage},
            }
            yield event.account, msgspec.json.encode(body)


def listen_key_expired(key: str, now_ms: int) -> bytes:
    """The last word of a user stream."""
    return msgspec.json.encode({"e": "listenKeyExpired", "E": now_ms, "listenKey": key})


def _order_update(state: ServerState, event: OrderEvent) -> events.OrderUpdate:
    order, fill = event.order, event.fill
    instrument = state.core.instrument(order.symbol)
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    word = TYPE_WORDS[order.type]
    trails = order.type is OrderType.TRAILING_STOP
    now = views.millis(event.ts)
    body = events.OrderBody(
        symbol=symbol_of(order.symbol),
        client_id=views.client_id(order),
        side=SIDE_WORDS[order.side],
        type="LIQUIDATION" if event.execution == "liquidation" else word,
        lifetime=views.lifetime_word(order),
        quantity=views.fixed(order.quantity, quantity),
        price=views.fixed(0 if order.type is OrderType.MARKET else order.price, price),
        average=views.average_price(order.notional, order.filled, instrument),
        trigger=views.fixed(order.trigger, price),
        execution=_execution(event),
        status=views.status_word(order),
        order_id=order.order_id,
        last_quantity=views.fixed(fill.quantity if fill else 0, quantity),
        filled=views.fixed(order.filled, quantity),
        last_price=views.fixed(fill.price if fill else 0, price),
        fee_asset=fill.fee_asset if fill else msgspec.UNSET,
        fee=views.money(fill.fee) if fill else msgspec.UNSET,
        traded=now,
        trade_id=fill.fill_id if fill else 0,
        is_maker=fill.is_maker if fill else False,
        reduce_only=order.reduce_only,
        working_type=views.working_word(order),
        original_type=word,
        position_side=order.position_side.upper(),
        close_position=order.close_position,
        activation=views.fixed(order.activation, price) if trails else msgspec.UNSET,
        callback_rate=views.fixed(order.callback_rate // 1_000, 1) if trails else msgspec.UNSET,
        realized=views.money(fill.realized) if fill else "0",
        good_till=views.millis(order.expire_ts),
    )
    return events.OrderUpdate(event="ORDER_TRADE_UPDATE", sent=now, traded=now, order=body)


def _execution(event: OrderEvent) -> str:
    if event.execution in ("liquidation", "adl", "settlement") and event.fill is None:
        return "NEW" if event.order.is_open else "EXPIRED"
    return _EXECUTIONS[event.execution]


def _trade_lite(state: ServerState, event: OrderEvent) -> dict[str, object]:
    order, fill = event.order, event.fill
    assert fill is not None
    instrument = state.core.instrument(order.symbol)
    now = views.millis(event.ts)
    return {
        "e": "TRADE_LITE",
        "E": now,
        "T": now,
        "s": symbol_of(order.symbol),
        "q": views.fixed(order.quantity, instrument.quantity_exponent),
        "p": views.fixed(order.price, instrument.price_exponent),
        "m": fill.is_maker,
        "c": views.client_id(order),
        "S": SIDE_WORDS[order.side],
        "L": views.fixed(fill.price, instrument.price_exponent),
        "l": views.fixed(fill.quantity, instrument.quantity_exponent),
        "t": fill.fill_id,
        "i": order.order_id,
    }


def _account_update(state: ServerState, event: AccountEvent) -> events.AccountUpdate:
    changes = dict(event.changes)
    cause = _CAUSES.get(event.cause)
    if cause is None:
        cause = "DEPOSIT" if sum(changes.values()) >= 0 else "WITHDRAW"
    # Funding of a crossed position tells the wallet only.
    told = [item for item in event.positions if event.cause != "funding" or item.is_isolated]
    now = views.millis(event.ts)
    body = events.AccountBody(
        cause=cause,
        balances=tuple(_balance(item, changes.get(item.asset, 0)) for item in event.balances),
        positions=tuple(_position(item, state.core.instrument(item.symbol)) for item in told),
    )
    return events.AccountUpdate(event="ACCOUNT_UPDATE", sent=now, traded=now, account=body)


def _balance(view: WalletTold, change: int) -> events.BalanceBody:
    return events.BalanceBody(
        asset=view.asset,
        wallet=views.money(view.wallet),
        cross_wallet=views.money(view.cross_wallet),
        change=views.money(change) if change else "0",
    )


def _position(view: HoldingTold, instrument: Instrument) -> events.PositionBody:
    entry = views.average_price(view.cost, view.quantity, instrument)
    return events.PositionBody(
        symbol=symbol_of(view.symbol),
        amount=views.fixed(view.quantity, instrument.quantity_exponent),
        entry=entry,
        break_even=entry,
        realized=views.money(view.realized),
        unrealized=views.money(view.unrealized),
        margin_type="isolated" if view.is_isolated else "cross",
        isolated_wallet=views.money(view.isolated_wallet),
        side=view.position_side.upper(),
    )


def _algo_update(state: ServerState, event: ConditionalEvent) -> events.AlgoUpdate:
    order = event.order
    instrument = state.core.instrument(order.symbol)
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    child = _child(state, order)
    now = views.millis(event.ts)
    word = "NEW" if event.status == "amended" else event.status.upper()
    body = events.AlgoBody(
        client_id=order.client_id,
        algo_id=order.order_id,
        type=TYPE_WORDS[order.type],
        symbol=symbol_of(order.symbol),
        side=SIDE_WORDS[order.side],
        position_side=order.position_side.upper(),
        lifetime=views.lifetime_word(order),
        quantity=views.fixed(order.quantity, quantity),
        status=word,
        child_id=str(order.spawned_id) if order.spawned_id else "",
        average=views.average_price(child.notional, child.filled, instrument) if child else "0",
        filled=views.fixed(child.filled if child else 0, quantity),
        child_type=TYPE_WORDS[child.type] if child else "",
        trigger=views.fixed(order.trigger, price),
        price=views.fixed(order.price, price),
        working_type=views.working_word(order),
        close_position=order.close_position,
        reduce_only=order.reduce_only,
        triggered=views.millis(order.ts_triggered),
        good_till=views.millis(order.expire_ts),
        reason=order.reason if event.status in ("rejected", "expired") else "",
    )
    return events.AlgoUpdate(event="ALGO_UPDATE", sent=now, traded=now, order=body)


def _child(state: ServerState, order: Order) -> Order | None:
    if not order.spawned_id:
        return None
    return state.core.order(order.account, order.symbol, order_id=order.spawned_id)
