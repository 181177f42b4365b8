"""Orders: what is asked for, and the one table of how an order's status may change.

Rules of this file. A status moves only along ``TRANSITIONS``; an event that has no entry for the
present status is either late (the status stays, the quantity still counts) or a defect, and the
kernel says which. ``UNKNOWN`` is entered when the answer to an attempt is ambiguous and left only
on evidence from the venue. A terminal status is never left: a fill that arrives after a cancel
grows the filled quantity and rings an alarm, it does not revive the order.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class OrderType(StrEnum):
    """How an order meets the market."""

    MARKET = "market"
    LIMIT = "limit"
    STOP_MARKET = "stop_market"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT = "take_profit"
    TAKE_PROFIT_LIMIT = "take_profit_limit"
    TRAILING_STOP = "trailing_stop"


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class OrderStatus(StrEnum):
    """Where an order is in its life."""

    INITIALIZED = "initialized"
    DENIED = "denied"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    ACCEPTED = "accepted"
    TRIGGERED = "triggered"
    PENDING_UPDATE = "pending_update"
    PENDING_CANCEL = "pending_cancel"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


class Change(StrEnum):
    """What can happen to an order."""

    DENY = "deny"
    SUBMIT = "submit"
    DOUBT = "doubt"
    ACCEPT = "accept"
    REJECT = "reject"
    TRIGGER = "trigger"
    ASK_UPDATE = "ask_update"
    UPDATE = "update"
    UPDATE_REJECT = "update_reject"
    ASK_CANCEL = "ask_cancel"
    CANCEL_REJECT = "cancel_reject"
    CANCEL = "cancel"
    EXPIRE = "expire"
    FILL_PART = "fill_part"
    FILL_ALL = "fill_all"


_S = OrderStatus
_C = Change

_RESTING: dict[Change, OrderStatus] = {
    _C.ASK_UPDATE: _S.PENDING_UPDATE,
    _C.UPDATE: _S.ACCEPTED,
    _C.UPDATE_REJECT: _S.ACCEPTED,
    _C.ASK_CANCEL: _S.PENDING_CANCEL,
    _C.CANCEL_REJECT: _S.ACCEPTED,
    _C.CANCEL: _S.CANCELED,
    _C.EXPIRE: _S.EXPIRED,
    _C.FILL_PART: _S.PARTIALLY_FILLED,
    _C.FILL_ALL: _S.FILLED,
    _C.TRIGGER: _S.TRIGGERED,
    _C.REJECT: _S.REJECTED,
    _C.DOUBT: _S.UNKNOWN,
}

TRANSITIONS: dict[OrderStatus, dict[Change, OrderStatus]] = {
    _S.INITIALIZED: {_C.DENY: _S.DENIED, _C.SUBMIT: _S.SUBMITTED},
    _S.DENIED: {},
    _S.SUBMITTED: {
        _C.ACCEPT: _S.ACCEPTED,
        _C.REJECT: _S.REJECTED,
        _C.DOUBT: _S.UNKNOWN,
        _C.ASK_CANCEL: _S.PENDING_CANCEL,
        _C.CANCEL: _S.CANCELED,
        _C.EXPIRE: _S.EXPIRED,
        _C.TRIGGER: _S.TRIGGERED,
        _C.FILL_PART: _S.PARTIALLY_FILLED,
        _C.FILL_ALL: _S.FILLED,
    },
    _S.UNKNOWN: {
        _C.ACCEPT: _S.ACCEPTED,
        _C.REJECT: _S.REJECTED,
        _C.CANCEL: _S.CANCELED,
        _C.EXPIRE: _S.EXPIRED,
        _C.TRIGGER: _S.TRIGGERED,
        _C.FILL_PART: _S.PARTIALLY_FILLED,
        _C.FILL_ALL: _S.FILLED,
    },
    _S.ACCEPTED: _RESTING,
    _S.TRIGGERED: _RESTING,
    _S.PARTIALLY_FILLED: {
        **_RESTING,
        _C.UPDATE: _S.PARTIALLY_FILLED,
        _C.UPDATE_REJECT: _S.PARTIALLY_FILLED,
        _C.CANCEL_REJECT: _S.PARTIALLY_FILLED,
    },
    # An amendment or a cancel under way does not stop the order from trading meanwhile.
    _S.PENDING_UPDATE: {**_RESTING, _C.FILL_PART: _S.PENDING_UPDATE, _C.ACCEPT: _S.PENDING_UPDATE},
    _S.PENDING_CANCEL: {
        **_RESTING,
        _C.FILL_PART: _S.PENDING_CANCEL,
        _C.ACCEPT: _S.PENDING_CANCEL,
        _C.TRIGGER: _S.PENDING_CANCEL,
        _C.UPDATE: _S.PENDING_CANCEL,
        _C.UPDATE_REJECT: _S.PENDING_CANCEL,
    },
    _S.FILLED: {},
    _S.CANCELED: {},
    _S.EXPIRED: {},
    _S.REJECTED: {},
}

TERMINAL = frozenset(status for status, moves in TRANSITIONS.items() if not moves)

TRIGGERED_TYPES = frozenset(
    {
        OrderType.STOP_MARKET,
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT,
        OrderType.TAKE_PROFIT_LIMIT,
        OrderType.TRAILING_STOP,
    }
)
LIMIT_TYPES = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})


class OrderSpec(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One instruction, complete: what the venue is asked to do.

    ``side`` is +1 buy, -1 sell; prices and quantities are units of the instrument, 0 where they do
    not apply. ``trail`` is the distance of a trailing stop in price units. Orders of one ``oco``
    group cancel each other; an order with a ``parent`` is sent when the parent has filled.
    """

    instrument: str
    side: int
    quantity: int
    type: OrderType = OrderType.MARKET
    price: int = 0
    trigger: int = 0
    trail: int = 0
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    expire_ts: int = 0
    oco: int = 0
    parent: int = 0
    tag: str = ""


class SpecError(ValueError):
    """An instruction that contradicts itself."""


def check_spec(spec: OrderSpec) -> None:
    """Refuse an instruction that contradicts itself, whatever the instrument."""
    kind = spec.type
    if spec.side not in (1, -1):
        raise SpecError(f"side {spec.side} must be +1 (buy) or -1 (sell)")
    if (kind in LIMIT_TYPES) != (spec.price > 0):
        raise SpecError(f"a {kind} order {'needs' if kind in LIMIT_TYPES else 'takes no'} price")
    if kind in TRIGGERED_TYPES:
        wanted = spec.trail if kind is OrderType.TRAILING_STOP else spec.trigger
        if wanted <= 0:
            name = "trail distance" if kind is OrderType.TRAILING_STOP else "trigger price"
            raise SpecError(f"a {kind} order needs a positive {name}")
    if spec.trigger and (kind not in TRIGGERED_TYPES or kind is OrderType.TRAILING_STOP):
        raise SpecError(f"a {kind} order takes no trigger price")
    if spec.trail and kind is not OrderType.TRAILING_STOP:
        raise SpecError(f"a {kind} order takes no trail distance")
    if spec.post_only and (kind is not OrderType.LIMIT or spec.time_in_force in _IMMEDIATE):
        raise SpecError("post_only is for limit orders that may rest (gtc or gtd)")
    if (spec.time_in_force is TimeInForce.GTD) != (spec.expire_ts > 0):
        raise SpecError("gtd and expire_ts go together")


_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)
