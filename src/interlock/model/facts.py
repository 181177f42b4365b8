"""Facts: what the kernel decided, and why; read by the journal, screens and reports."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from interlock.model.order import OrderSpec


class DenialCode(StrEnum):
    """Why an order was refused before it left. Each comes with the value and the limit."""

    INVALID_SPEC = "INVALID_SPEC"
    UNKNOWN_INSTRUMENT = "UNKNOWN_INSTRUMENT"
    PRICE_RULE = "PRICE_RULE"
    SIZE_RULE = "SIZE_RULE"
    MIN_NOTIONAL = "MIN_NOTIONAL"
    NO_PRICE = "NO_PRICE"
    EQUITY_UNKNOWN = "EQUITY_UNKNOWN"
    SHORT_NOT_ALLOWED = "SHORT_NOT_ALLOWED"
    INSUFFICIENT_CASH = "INSUFFICIENT_CASH"
    REDUCE_ONLY = "REDUCE_ONLY"
    ORDER_NOTIONAL = "ORDER_NOTIONAL"
    POSITION_NOTIONAL = "POSITION_NOTIONAL"
    LEVERAGE = "LEVERAGE"
    ORDER_RATE = "ORDER_RATE"
    OPEN_ORDERS = "OPEN_ORDERS"
    ORDER_UNKNOWN = "ORDER_UNKNOWN"
    PROTECTION_MISSING = "PROTECTION_MISSING"
    SHUT = "SHUT"


class OrderDenied(msgspec.Struct, frozen=True, array_like=True, tag="denied", gc=False):
    """An order refused by us: code, the value met, the limit it met, and a sentence."""

    ts_event: int
    strategy: str
    client_order_id: str
    spec: OrderSpec
    code: DenialCode
    value: int
    limit: int
    text: str


class LateFill(msgspec.Struct, frozen=True, array_like=True, tag="late_fill", gc=False):
    """A fill on an order that was already over: it counts, the status stays."""

    ts_event: int
    client_order_id: str
    quantity: int


class RepeatedFill(msgspec.Struct, frozen=True, array_like=True, tag="repeated_fill", gc=False):
    """An execution that was told before under the same trade id; it is not counted again."""

    ts_event: int
    client_order_id: str
    trade_id: int
    quantity: int


class ExcessFill(msgspec.Struct, frozen=True, array_like=True, tag="excess_fill", gc=False):
    """An execution larger than what was left of its order, by ``quantity``; all of it counts."""

    ts_event: int
    client_order_id: str
    quantity: int


class UnexpectedReport(msgspec.Struct, frozen=True, array_like=True, tag="unexpected", gc=False):
    """A report that the order's status has no transition for; nothing was changed by it."""

    ts_event: int
    client_order_id: str
    status: str
    change: str


Fact = OrderDenied | LateFill | RepeatedFill | ExcessFill | UnexpectedReport
