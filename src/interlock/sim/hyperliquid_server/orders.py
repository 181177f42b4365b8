"""Orders as clients write them become tickets; refusals become the venue's texts."""

from __future__ import annotations

from typing import Literal

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.order import OrderType, TimeInForce
from interlock.sim.hyperliquid_server.rows import average
from interlock.sim.venue.values import EndReason, Order, OrderTicket, Refusal, Refused
from interlock.wire.hyperliquid import errors
from interlock.wire.hyperliquid.cloids import is_cloid
from interlock.wire.hyperliquid.text import WireFault, shown, units_of


class LimitWords(msgspec.Struct, forbid_unknown_fields=True):
    """A plain order's time in force."""

    tif: Literal["Alo", "Ioc", "Gtc", "FrontendMarket", "LiquidationMarket"]


class TriggerWords(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A trigger order's price and kind."""

    is_market: bool
    trigger_px: str
    tpsl: Literal["tp", "sl"]


class TypeWords(msgspec.Struct):
    """One of the two."""

    limit: LimitWords | None = None
    trigger: TriggerWords | None = None


class OrderWords(msgspec.Struct, forbid_unknown_fields=True):
    """One order of an action."""

    a: int
    b: bool
    p: str
    s: str
    r: bool
    t: TypeWords
    c: str | None = None


class OrderFault(Exception):
    """One order that the venue refuses; the text is the venue's."""


_TEXTS = {
    Refusal.INSUFFICIENT_MARGIN: errors.MARGIN,
    Refusal.REDUCE_ONLY: errors.REDUCE_ONLY,
    Refusal.WOULD_TRIGGER_NOW: errors.TRIGGER,
    Refusal.PRICE_RULE: errors.TICK,
    Refusal.QUANTITY_RULE: errors.SIZE,
    Refusal.MIN_NOTIONAL: errors.MIN_VALUE,
    Refusal.PRICE_BAND: errors.BAND,
    Refusal.DUPLICATE_ID: errors.DUPLICATE_CLOID,
    Refusal.NO_LIQUIDITY: errors.NO_LIQUIDITY,
    Refusal.SYMBOL_CLOSED: errors.HALTED,
    Refusal.TOO_MANY_ORDERS: errors.OPEN_ORDERS,
    Refusal.LEVERAGE_RULE: errors.LEVERAGE,
    Refusal.UNKNOWN_ORDER: errors.GONE,
    Refusal.IN_LIQUIDATION: errors.MARGIN,
}
# No price or size goes beyond what 64 bits with the venue's eight decimals hold.
_UNITS_MAX = 10**15
# Texts that the venue ends with the number of the asset.
_PLAIN = (errors.GONE, errors.LEVERAGE)


def refusal_text(refused: Refused, asset: int) -> str:
    """What the venue says to a refusal of the core."""
    if refused.refusal is Refusal.POST_ONLY_WOULD_TAKE:
        return f"{errors.POST_ONLY} {refused.limit}. asset={asset}"
    text = _TEXTS.get(refused.refusal, refused.text)
    return text if text in _PLAIN else f"{text} asset={asset}"


def ticket_of(words: OrderWords, instrument: Instrument, *, is_position: bool) -> OrderTicket:
    """The ticket of one order; ``is_position`` marks a stop over the whole position."""
    asset = f" asset={words.a}"
    quantity = _number(words.s, instrument.quantity_exponent, errors.SIZE + asset)
    closes_all = is_position and not quantity and words.t.trigger is not None
    if not quantity and not closes_all:
        raise OrderFault(errors.ZERO_SIZE + asset)
    if quantity < 0:
        raise OrderFault(errors.SIZE + asset)
    price = _number(words.p, instrument.price_exponent, errors.TICK + asset)
    if price <= 0:
        raise OrderFault(errors.PRICE + asset)
    if words.c is not None and not is_cloid(words.c.lower()):
        raise OrderFault(f"cloid {words.c[:40]} is not 0x and 32 hex digits")
    if instrument.price_fault(price):
        raise OrderFault(errors.TICK + asset)
    ticket = OrderTicket(
        symbol=instrument.id,
        side=1 if words.b else -1,
        quantity=quantity,
        price=price,
        reduce_only=words.r and not closes_all,
        close_position=closes_all,
        client_id=(words.c or "").lower(),
        working_type="mark",
    )
    return _typed(ticket, words, instrument)


def _typed(ticket: OrderTicket, words: OrderWords, instrument: Instrument) -> OrderTicket:
    if words.t.limit is not None:
        ticket.type = OrderType.LIMIT
        ticket.post_only = words.t.limit.tif == "Alo"
        is_lasting = words.t.limit.tif in ("Alo", "Gtc")
        ticket.time_in_force = TimeInForce.GTC if is_lasting else TimeInForce.IOC
        return ticket
    trigger = words.t.trigger
    assert trigger is not None
    ticket.trigger = _number(
        trigger.trigger_px, instrument.price_exponent, f"{errors.TRIGGER} asset={words.a}"
    )
    if ticket.trigger <= 0 or instrument.price_fault(ticket.trigger):
        raise OrderFault(f"{errors.TRIGGER} asset={words.a}")
    kinds = {
        ("sl", True): OrderType.STOP_MARKET,
        ("sl", False): OrderType.STOP_LIMIT,
        ("tp", True): OrderType.TAKE_PROFIT,
        ("tp", False): OrderType.TAKE_PROFIT_LIMIT,
    }
    ticket.type = kinds[trigger.tpsl, trigger.is_market]
    return ticket


def _number(text: str, exponent: int, fault: str) -> int:
    try:
        units = units_of(text, exponent)
    except WireFault:
        raise OrderFault(fault) from None
    if abs(units) > _UNITS_MAX:
        raise OrderFault(fault)
    return units


def slot_of(order: Order, instrument: Instrument, asset: int) -> object:
    """What the venue answers to an order that it took on."""
    is_waiting = order.trigger and not order.ts_triggered
    named: dict[str, object] = {"oid": order.order_id}
    if order.client_id:
        named["cloid"] = order.client_id
    if order.is_open:
        if is_waiting and (order.waits_for or order.close_position):
            return "waitingForTrigger" if order.is_active else "waitingForFill"
        return {"resting": named}
    if order.filled:
        total = shown(order.filled, instrument.quantity_exponent).removesuffix(".0")
        return {"filled": {"totalSz": total, "avgPx": average(order, instrument), **named}}
    if order.reason == EndReason.IMMEDIATE:
        return {"error": f"{errors.NO_MATCH} asset={asset}"}
    return {"error": f"Order was canceled: {order.reason}. asset={asset}"}
