"""Values of the exchange core in the shapes and words of the venue's REST bodies."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from msgspec.structs import replace

from interlock.model.instrument import FixedTick, Instrument
from interlock.model.order import OrderStatus, OrderType
from interlock.model.units import MONEY_EXPONENT, RATE_SCALE, div_half_even, format_units
from interlock.sim.venue.values import (
    BalanceView,
    EndReason,
    Fill,
    Order,
    Payment,
    PositionView,
)
from interlock.wire.binance import payloads
from interlock.wire.binance.terms import LIFETIME_WORDS, SIDE_WORDS, TYPE_WORDS, symbol_of

_STATUS_WORDS = {
    OrderStatus.ACCEPTED: "NEW",
    OrderStatus.TRIGGERED: "NEW",
    OrderStatus.PENDING_UPDATE: "NEW",
    OrderStatus.PENDING_CANCEL: "NEW",
    OrderStatus.PARTIALLY_FILLED: "PARTIALLY_FILLED",
    OrderStatus.FILLED: "FILLED",
    OrderStatus.CANCELED: "CANCELED",
    OrderStatus.EXPIRED: "EXPIRED",
    OrderStatus.REJECTED: "REJECTED",
}
_INCOME_WORDS = {
    "funding": "FUNDING_FEE",
    "realized": "REALIZED_PNL",
    "commission": "COMMISSION",
    "transfer": "TRANSFER",
    "liquidation_fee": "INSURANCE_CLEAR",
    "insurance": "INSURANCE_CLEAR",
    "adl": "REALIZED_PNL",
}
ORDER_TYPES = (
    "LIMIT",
    "MARKET",
    "STOP",
    "STOP_MARKET",
    "TAKE_PROFIT",
    "TAKE_PROFIT_MARKET",
    "TRAILING_STOP_MARKET",
)
LIFETIMES = ("GTC", "IOC", "FOK", "GTX", "GTD")


# The same prices and sizes are written again and again.
@lru_cache(maxsize=4096)
def fixed(units: int, exponent: int) -> str:
    """Decimal text with every digit of the unit, as the venue writes numbers."""
    digits = str(abs(units)).rjust(exponent + 1, "0")
    text = f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits
    return f"-{text}" if units < 0 else text


def money(units: int) -> str:
    """Money with eight decimals."""
    return fixed(units, MONEY_EXPONENT)


def millis(ts: int) -> int:
    """Milliseconds of ns."""
    return ts // 10**6


def average_price(notional: int, quantity: int, instrument: Instrument) -> str:
    """Money over quantity as a price with eight decimals, "0" of nothing."""
    if not quantity:
        return "0.0"
    scaled = abs(notional) * 10**instrument.quantity_exponent
    return money(div_half_even(scaled, abs(quantity) * instrument.multiplier))


def client_id(order: Order) -> str:
    """The order's client id; one that a trigger made has an id of the venue's own."""
    if order.client_id:
        return order.client_id
    return f"algo_{order.order_id}" if order.conditional_id else f"web_{order.order_id}"


def status_word(order: Order) -> str:
    """The venue's word for where the order is."""
    if order.status is OrderStatus.EXPIRED and order.reason == EndReason.SELF_TRADE:
        return "EXPIRED_IN_MATCH"
    return _STATUS_WORDS[order.status]


def lifetime_word(order: Order) -> str:
    """The venue's word for how long the order may rest."""
    return "GTX" if order.post_only else LIFETIME_WORDS[order.time_in_force]


def working_word(order: Order) -> str:
    """Which price triggers the order."""
    return "MARK_PRICE" if order.working_type == "mark" else "CONTRACT_PRICE"


def order_payload(
    order: Order, instrument: Instrument, *, is_read: bool = False
) -> payloads.OrderPayload:
    """An order; reads carry its time of creation too."""
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    filled = fixed(order.filled, quantity)
    word = TYPE_WORDS[order.type]
    trails = order.type is OrderType.TRAILING_STOP
    body = payloads.OrderPayload(
        order_id=order.order_id,
        symbol=symbol_of(order.symbol),
        status=status_word(order),
        client_order_id=client_id(order),
        orig_qty=fixed(order.quantity, quantity),
        executed_qty=filled,
        type=word,
        side=SIDE_WORDS[order.side],
        price=fixed(order.price if order.type is not OrderType.MARKET else 0, price),
        avg_price=average_price(order.notional, order.filled, instrument),
        cum_qty=filled,
        cum_quote=money(order.notional),
        time_in_force=lifetime_word(order),
        reduce_only=order.reduce_only,
        close_position=order.close_position,
        position_side=order.position_side.upper(),
        stop_price=fixed(order.trigger, price),
        working_type=working_word(order),
        orig_type=word,
        good_till_date=millis(order.expire_ts),
        update_time=millis(order.ts_updated),
    )
    if trails:
        body = _with(body, activate_price=fixed(order.activation, price), price_rate=_rate(order))
    return _with(body, time=millis(order.ts_created)) if is_read else body


def _with(body: payloads.OrderPayload, **changes: object) -> payloads.OrderPayload:
    return replace(body, **changes)


def _rate(order: Order) -> str:
    """The callback rate in percent."""
    return fixed(order.callback_rate // 1_000, 1)


def algo_payload(order: Order, instrument: Instrument, child: Order | None) -> payloads.AlgoPayload:
    """A conditional order; ``child`` is the order that its trigger made."""
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    trails = order.type is OrderType.TRAILING_STOP
    return payloads.AlgoPayload(
        algo_id=order.order_id,
        client_algo_id=order.client_id or f"web_{order.order_id}",
        symbol=symbol_of(order.symbol),
        side=SIDE_WORDS[order.side],
        order_type=TYPE_WORDS[order.type],
        algo_status=algo_status(order),
        quantity=fixed(order.quantity, quantity),
        position_side=order.position_side.upper(),
        time_in_force=lifetime_word(order),
        trigger_price=fixed(order.trigger, price),
        price=fixed(order.price, price),
        working_type=working_word(order),
        close_position=order.close_position,
        reduce_only=order.reduce_only,
        activate_price=fixed(order.activation, price) if trails else "",
        callback_rate=_rate(order) if trails else "",
        create_time=millis(order.ts_created),
        update_time=millis(order.ts_updated),
        trigger_time=millis(order.ts_triggered),
        good_till_date=millis(order.expire_ts),
        actual_order_id=str(order.spawned_id) if order.spawned_id else "",
        actual_price=average_price(child.notional, child.filled, instrument) if child else "0",
    )


def algo_status(order: Order) -> str:
    """The venue's word for where a conditional order is."""
    if order.spawned_id:
        return "TRIGGERED" if order.is_open else "FINISHED"
    return {"ACCEPTED": "NEW"}.get(order.status.name, order.status.name)


def fill_payload(fill: Fill, instrument: Instrument) -> payloads.TradePayload:
    """An execution of the account."""
    return payloads.TradePayload(
        id=fill.fill_id,
        order_id=fill.order_id,
        symbol=symbol_of(fill.symbol),
        side=SIDE_WORDS[fill.side],
        price=fixed(fill.price, instrument.price_exponent),
        qty=fixed(fill.quantity, instrument.quantity_exponent),
        commission=money(fill.fee),
        commission_asset=fill.fee_asset,
        time=millis(fill.ts),
        maker=fill.is_maker,
        buyer=fill.side > 0,
        position_side=fill.position_side.upper(),
        quote_qty=money(fill.notional),
        realized_pnl=money(fill.realized),
    )


def income_payload(payment: Payment) -> payloads.IncomePayload:
    """A line of income."""
    word = _INCOME_WORDS[payment.kind]
    return payloads.IncomePayload(
        income_type=word,
        income=money(payment.amount),
        asset=payment.asset,
        time=millis(payment.ts),
        tran_id=payment.payment_id,
        symbol=symbol_of(payment.symbol) if payment.symbol else "",
        info=word,
        trade_id=str(payment.trade_id) if payment.trade_id else "",
    )


def balance_payload(view: BalanceView, now_ms: int) -> payloads.BalancePayload:
    """A wallet."""
    return payloads.BalancePayload(
        asset=view.asset,
        balance=money(view.wallet),
        available_balance=money(view.available),
        cross_wallet_balance=money(view.cross_wallet),
        cross_un_pnl=money(view.cross_unrealized),
        max_withdraw_amount=money(min(view.available, max(view.wallet, 0))),
        update_time=now_ms,
    )


def position_fields(view: PositionView, instrument: Instrument) -> dict[str, object]:
    """What both versions of a position have in common."""
    price = instrument.price_exponent
    notional = instrument.notional(view.mark, view.quantity)
    return {
        "symbol": symbol_of(view.symbol),
        "position_amt": fixed(view.quantity, instrument.quantity_exponent),
        "position_side": view.position_side.upper(),
        "entry_price": average_price(view.cost, view.quantity, instrument),
        "break_even_price": average_price(view.cost, view.quantity, instrument),
        "mark_price": fixed(view.mark, price),
        "un_realized_profit": money(view.unrealized),
        "liquidation_price": fixed(view.liquidation, price),
        "isolated_margin": money(view.isolated_wallet + view.unrealized)
        if view.is_isolated
        else "0",
        "notional": money(notional),
        "margin_asset": instrument.quote,
        "isolated_wallet": money(view.isolated_wallet),
        "initial_margin": money(view.initial_margin + view.order_margin),
        "maint_margin": money(view.maintenance),
        "position_initial_margin": money(view.initial_margin),
        "open_order_initial_margin": money(view.order_margin),
        "adl": view.adl,
        "update_time": millis(view.ts_updated),
    }


def account_totals(balances: Sequence[BalanceView], now_ms: int) -> dict[str, object]:
    """The sums of an account in its quote currency, and its assets one by one."""
    quote = [item for item in balances if item.asset == "USDT"] or list(balances)

    def total(values: Iterable[int]) -> str:
        return money(sum(values))

    return {
        "totalInitialMargin": total(item.position_margin + item.order_margin for item in quote),
        "totalMaintMargin": total(item.maintenance for item in quote),
        "totalWalletBalance": total(item.wallet for item in quote),
        "totalUnrealizedProfit": total(item.unrealized for item in quote),
        "totalMarginBalance": total(item.margin_balance for item in quote),
        "totalPositionInitialMargin": total(item.position_margin for item in quote),
        "totalOpenOrderInitialMargin": total(item.order_margin for item in quote),
        "totalCrossWalletBalance": total(item.cross_wallet for item in quote),
        "totalCrossUnPnl": total(item.cross_unrealized for item in quote),
        "availableBalance": total(item.available for item in quote),
        "maxWithdrawAmount": total(item.available for item in quote),
        "assets": [_asset(item, now_ms) for item in balances],
    }


def _asset(view: BalanceView, now_ms: int) -> dict[str, object]:
    return {
        "asset": view.asset,
        "walletBalance": money(view.wallet),
        "unrealizedProfit": money(view.unrealized),
        "marginBalance": money(view.margin_balance),
        "maintMargin": money(view.maintenance),
        "initialMargin": money(view.position_margin + view.order_margin),
        "positionInitialMargin": money(view.position_margin),
        "openOrderInitialMargin": money(view.order_margin),
        "crossWalletBalance": money(view.cross_wallet),
        "crossUnPnl": money(view.cross_unrealized),
        "availableBalance": money(view.available),
        "maxWithdrawAmount": money(view.available),
        "marginAvailable": True,
        # An asset that was never updated has 0 here, and clients leave it out.
        "updateTime": now_ms,
    }


def symbol_payload(instrument: Instrument, status: str) -> payloads.SymbolPayload:
    """A symbol of ``exchangeInfo``."""
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    rule = instrument.price_rule
    tick = rule.tick if isinstance(rule, FixedTick) else 1
    most = instrument.max_quantity or 10**9 * 10**quantity
    lot = {
        "minQty": fixed(instrument.min_quantity or instrument.lot, quantity),
        "maxQty": fixed(most, quantity),
        "stepSize": fixed(instrument.lot, quantity),
    }
    ceiling = fixed(10**7 * 10**price, price)
    return payloads.SymbolPayload(
        symbol=symbol_of(instrument.id),
        pair=symbol_of(instrument.id),
        status=status,
        base_asset=instrument.base,
        quote_asset=instrument.quote,
        margin_asset=instrument.quote,
        price_precision=price,
        quantity_precision=quantity,
        order_types=ORDER_TYPES,
        time_in_force=LIFETIMES,
        permission_sets=("GRID", "COPY"),
        filters=(
            {
                "filterType": "PRICE_FILTER",
                "minPrice": fixed(tick, price),
                "maxPrice": ceiling,
                "tickSize": fixed(tick, price),
            },
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 100},
            {
                "filterType": "MIN_NOTIONAL",
                "notional": format_units(instrument.min_notional, MONEY_EXPONENT),
            },
            {
                "filterType": "PERCENT_PRICE",
                "multiplierUp": "1.0500",
                "multiplierDown": "0.9500",
                "multiplierDecimal": "4",
            },
            {
                "filterType": "POSITION_RISK_CONTROL",
                "positionControlSide": "NONE",
                "notional": "0",
            },
        ),
    )


def brackets_payload(instrument: Instrument) -> payloads.BracketsPayload:
    """The tiers of a symbol; each tier halves the leverage of the one before."""
    rows = []
    floor = 0
    for number, tier in enumerate(instrument.margin_tiers, start=1):
        cap = tier.notional_max or 10**18
        rows.append(
            payloads.BracketPayload(
                bracket=number,
                initial_leverage=max(1, instrument.leverage_max >> (number - 1)),
                notional_cap=cap // 10**MONEY_EXPONENT,
                notional_floor=floor // 10**MONEY_EXPONENT,
                maint_margin_ratio=tier.maintenance_rate / RATE_SCALE,
                cum=tier.amount / 10**MONEY_EXPONENT,
            )
        )
        floor = cap
    return payloads.BracketsPayload(symbol=symbol_of(instrument.id), brackets=tuple(rows))
