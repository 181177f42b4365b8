"""Orders, fills, positions and markets of the core in the venue's words."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.model.order import TRIGGERED_TYPES, OrderStatus, OrderType, TimeInForce
from interlock.model.units import (
    FUNDING_SCALE,
    MONEY_EXPONENT,
    RATE_SCALE,
    div_half_even,
    format_units,
)
from interlock.sim.venue.values import (
    AccountView,
    BarRow,
    BookView,
    EndReason,
    Fill,
    Order,
    PositionView,
    TradePrint,
)
from interlock.wire.hyperliquid.cloids import is_cloid
from interlock.wire.hyperliquid.info import DELEVERAGING
from interlock.wire.hyperliquid.instruments import QUOTE, Universe, asset_row
from interlock.wire.hyperliquid.statuses import type_word
from interlock.wire.hyperliquid.text import NS_PER_MS, shown, side_letter

Row = dict[str, object]

_ENDS = {
    EndReason.DEAD_MAN: "scheduledCancel",
    EndReason.LIQUIDATION: "liquidatedCanceled",
    EndReason.DELISTED: "delistedCanceled",
    EndReason.SIBLING: "siblingFilledCanceled",
    EndReason.REDUCE_ONLY: "reduceOnlyCanceled",
    EndReason.SELF_TRADE: "selfTradeCanceled",
    EndReason.POST_ONLY: "badAloPxRejected",
}
_TRIGGER_BITS = 32
# How the core names what closes a position by force.
_LIQUIDATED, _DELEVERAGED = "autoclose-", "adl_autoclose-"


def money(units: int, decimals: int = MONEY_EXPONENT) -> str:
    """Money as the venue shows it."""
    if decimals < MONEY_EXPONENT:
        units = div_half_even(units, 10 ** (MONEY_EXPONENT - decimals))
    return shown(units, decimals)


def rate(units: int) -> str:
    """A funding rate."""
    return shown(units, len(str(FUNDING_SCALE)) - 1)


def ms(ts: int) -> int:
    """Venue time in milliseconds."""
    return ts // NS_PER_MS


def tid(fill_id: int, asset: int) -> int:
    """A trade id that is unique over all coins and that a double can hold."""
    return ((asset + 1) << _TRIGGER_BITS) + fill_id


def transaction(number: int) -> str:
    """The hash of what happened, as far as a venue without a chain has one."""
    return f"0x{number:064x}"


def status_word(order: Order) -> str:
    """The state of an order."""
    if order.status is OrderStatus.FILLED:
        return "filled"
    if order.is_open:
        is_fresh = order.type in TRIGGERED_TYPES and order.ts_triggered and not order.filled
        return "triggered" if is_fresh else "open"
    reason = order.reason
    if reason == EndReason.IMMEDIATE:
        return "canceled" if order.filled else "iocCancelRejected"
    if reason == EndReason.TRIGGER_REFUSED:
        return "reduceOnlyCanceled" if order.reduce_only else "perpMarginRejected"
    return next((word for end, word in _ENDS.items() if end == reason), "canceled")


def order_row(order: Order, instrument: Instrument) -> Row:
    """The short form: open orders and order updates."""
    left = order.left
    row: Row = {
        "coin": instrument.base,
        "side": side_letter(order.side),
        "limitPx": shown(order.price, instrument.price_exponent),
        "sz": shown(left, instrument.quantity_exponent),
        "oid": order.order_id,
        "timestamp": ms(order.ts_created),
        "origSz": shown(order.quantity, instrument.quantity_exponent),
    }
    if order.reduce_only or order.close_position:
        row["reduceOnly"] = True
    if is_cloid(order.client_id):
        row["cloid"] = order.client_id
    return row


def long_order_row(order: Order, instrument: Instrument) -> Row:
    """The long form: what a screen shows of an order."""
    is_trigger = order.type in TRIGGERED_TYPES
    kind = order.type if is_trigger else OrderType.LIMIT
    row = order_row(order, instrument)
    row.update(
        {
            "triggerCondition": _condition(order, instrument) if is_trigger else "N/A",
            "isTrigger": is_trigger,
            "triggerPx": shown(order.trigger, instrument.price_exponent),
            "children": [],
            "isPositionTpsl": order.close_position,
            "reduceOnly": order.reduce_only or order.close_position,
            "orderType": type_word(kind),
            "tif": None if is_trigger else _tif(order),
            "cloid": order.client_id if is_cloid(order.client_id) else None,
        }
    )
    return row


def status_row(order: Order, row: Row) -> Row:
    """An order with its state, around either form of it."""
    return {"order": row, "status": status_word(order), "statusTimestamp": ms(order.ts_updated)}


def _tif(order: Order) -> str:
    if order.post_only:
        return "Alo"
    return "Ioc" if order.time_in_force is TimeInForce.IOC else "Gtc"


def _condition(order: Order, instrument: Instrument) -> str:
    is_stop = order.type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
    rises = (order.side > 0) == is_stop
    if order.ts_triggered:
        return "Triggered"
    price = instrument.price_text(order.trigger)
    return f"Price {'above' if rises else 'below'} {price}"


def fill_row(fill: Fill, instrument: Instrument, asset: int, *, user: str) -> Row:
    """An execution as its user sees it."""
    row: Row = {
        "coin": instrument.base,
        "px": shown(fill.price, instrument.price_exponent),
        "sz": shown(fill.quantity, instrument.quantity_exponent),
        "side": side_letter(fill.side),
        "time": ms(fill.ts),
        "startPosition": shown(fill.position_before, instrument.quantity_exponent),
        "dir": _direction(fill),
        "closedPnl": money(fill.realized),
        "hash": transaction(tid(fill.fill_id, asset)),
        "oid": fill.order_id,
        "crossed": not fill.is_maker,
        "fee": money(fill.fee),
        "tid": tid(fill.fill_id, asset),
        "feeToken": QUOTE,
        "twapId": None,
    }
    if is_cloid(fill.client_id):
        row["cloid"] = fill.client_id
    elif fill.client_id.startswith(_LIQUIDATED):
        price = shown(fill.price, instrument.price_exponent)
        row["liquidation"] = {"liquidatedUser": user, "markPx": price, "method": "market"}
    elif fill.client_id.startswith(_DELEVERAGED):
        row["dir"] = DELEVERAGING
    return row


def _direction(fill: Fill) -> str:
    before = fill.position_before
    after = before + fill.side * fill.quantity
    if before and after and (before > 0) != (after > 0):
        return "Long > Short" if before > 0 else "Short > Long"
    word = "Open" if before * fill.side >= 0 else "Close"
    is_long = (before or after) > 0
    return f"{word} {'Long' if is_long else 'Short'}"


def average(order: Order, instrument: Instrument) -> str:
    """The mean price of what an order has traded, to four digits more than its prices have."""
    numerator, denominator = instrument.money_factor
    decimals = instrument.price_exponent + 4
    scaled = order.notional * denominator * 10**4
    return format_units(div_half_even(scaled, order.filled * numerator), decimals)


def account_state(view: AccountView, universe: Universe, ts: int) -> Row:
    """``clearinghouseState``: positions and margin."""
    balance = next(iter(view.balances), None)
    long_short = [position for position in view.positions if position.quantity]
    notional = {
        position.symbol: universe.of_id(position.symbol).notional(position.mark, position.quantity)
        for position in long_short
    }
    value = balance.margin_balance if balance else 0
    cross = [position for position in long_short if not position.is_isolated]
    return {
        "marginSummary": _margin(value, notional, long_short),
        "crossMarginSummary": _margin(
            balance.cross_wallet + balance.cross_unrealized if balance else 0, notional, cross
        ),
        "crossMaintenanceMarginUsed": money(balance.cross_maintenance if balance else 0, 6),
        "withdrawable": money(balance.available if balance else 0, 6),
        "assetPositions": [
            {
                "type": "oneWay",
                "position": position_row(
                    position, universe.of_id(position.symbol), notional[position.symbol]
                ),
            }
            for position in long_short
        ],
        "time": ms(ts),
    }


def _margin(value: int, notional: dict[str, int], positions: list[PositionView]) -> Row:
    signed = sum(notional[position.symbol] for position in positions)
    return {
        "accountValue": money(value),
        "totalNtlPos": money(sum(abs(notional[position.symbol]) for position in positions)),
        "totalRawUsd": money(value - signed),
        "totalMarginUsed": money(sum(position.initial_margin for position in positions)),
    }


def position_row(position: PositionView, instrument: Instrument, notional: int) -> Row:
    """One holding."""
    numerator, denominator = instrument.money_factor
    # The mean price is finer than a price: four digits more.
    entry = div_half_even(
        abs(position.cost) * denominator * 10**4, abs(position.quantity) * numerator
    )
    leverage: Row = {
        "type": "isolated" if position.is_isolated else "cross",
        "value": position.leverage,
    }
    if position.is_isolated:
        leverage["rawUsd"] = money(position.isolated_wallet - position.cost)
    margin = position.isolated_wallet if position.is_isolated else position.initial_margin
    ratio = div_half_even(position.unrealized * RATE_SCALE, margin) if margin else 0
    has_level = position.liquidation > 0
    return {
        "coin": instrument.base,
        "szi": shown(position.quantity, instrument.quantity_exponent),
        "leverage": leverage,
        "entryPx": shown(entry, instrument.price_exponent + 4),
        "positionValue": money(abs(notional)),
        "unrealizedPnl": money(position.unrealized),
        "returnOnEquity": shown(ratio, 6),
        "liquidationPx": shown(position.liquidation, instrument.price_exponent)
        if has_level
        else None,
        "marginUsed": money(margin),
        "maxLeverage": instrument.leverage_max,
        "cumFunding": {
            "allTime": money(-position.funding),
            "sinceOpen": money(-position.funding),
            "sinceChange": money(-position.funding),
        },
    }


def book_row(view: BookView, instrument: Instrument, ts: int, *, levels: int = 20) -> Row:
    """A whole book, as far as the venue shows it."""
    sides = [
        [level_row(level, instrument) for level in side[:levels]] for side in (view.bids, view.asks)
    ]
    return {"coin": instrument.base, "time": ms(ts), "levels": sides}


def level_row(level: tuple[int, int, int], instrument: Instrument) -> Row:
    """One price with what stands there."""
    price, quantity, orders = level
    return {
        "px": shown(price, instrument.price_exponent),
        "sz": shown(quantity, instrument.quantity_exponent),
        "n": orders,
    }


def trade_row(item: TradePrint, instrument: Instrument, asset: int) -> Row:
    """A trade as everybody sees it."""
    return {
        "coin": instrument.base,
        "side": side_letter(item.side),
        "px": shown(item.price, instrument.price_exponent),
        "sz": shown(item.quantity, instrument.quantity_exponent),
        "time": ms(item.ts),
        "hash": transaction(tid(item.trade_id, asset)),
        "tid": tid(item.trade_id, asset),
        "users": [f"0x{item.buyer_order:040x}", f"0x{item.seller_order:040x}"],
    }


def candle_row(bar: BarRow, instrument: Instrument, interval: str, *, step_ns: int) -> Row:
    """A bar as far as it has come."""
    prices = instrument.price_exponent
    return {
        "t": ms(bar.ts),
        "T": ms(bar.ts + step_ns) - 1,
        "s": instrument.base,
        "i": interval,
        "o": shown(bar.open, prices),
        "c": shown(bar.close, prices),
        "h": shown(bar.high, prices),
        "l": shown(bar.low, prices),
        "v": shown(bar.volume, instrument.quantity_exponent),
        "n": bar.count,
    }


def meta(instruments: list[Instrument], closed: frozenset[str]) -> Row:
    """The list of perpetuals and their margin tables."""
    universe, tables = [], []
    for index, instrument in enumerate(instruments):
        row = asset_row(instrument, is_closed=instrument.id in closed)
        tiers = instrument.margin_tiers
        if len(tiers) > 1:
            row["marginTableId"] = 1_000 + index
            bounds = [0, *(tier.notional_max for tier in tiers[:-1])]
            named = [
                {
                    "lowerBound": money(bound),
                    "maxLeverage": RATE_SCALE // (2 * tier.maintenance_rate),
                }
                for bound, tier in zip(bounds, tiers, strict=True)
            ]
            tables.append([1_000 + index, {"description": "tiered", "marginTiers": named}])
        universe.append(row)
    return {"universe": universe, "marginTables": tables, "collateralToken": 0}
