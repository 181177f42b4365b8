"""The venue's words for the states of an order, and ours."""

from __future__ import annotations

from interlock.model.order import OrderStatus, OrderType, TimeInForce
from interlock.wire.hyperliquid.text import WireFault

_OPEN = {
    "open": OrderStatus.ACCEPTED,
    "accepted": OrderStatus.ACCEPTED,
    "filled": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELED,
    "cancelled": OrderStatus.CANCELED,
    "triggered": OrderStatus.TRIGGERED,
    "rejected": OrderStatus.REJECTED,
    "scheduledCancel": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
}


def status_of(word: str, *, filled: int = 0) -> OrderStatus:
    """Our status for a word of the venue; ``filled`` tells a partial fill from an open order."""
    status = _OPEN.get(word)
    if status is None:
        # The venue adds reasons to these words: marginCanceled, badAloPxRejected and many more.
        if word.endswith("Canceled"):
            status = OrderStatus.CANCELED
        elif word.endswith("Rejected"):
            status = OrderStatus.REJECTED
        else:
            raise WireFault(f"order status {word!r} is not known")
    if filled and status in (OrderStatus.ACCEPTED, OrderStatus.TRIGGERED):
        return OrderStatus.PARTIALLY_FILLED
    return status


# The venue's name of a type: its words, whether it waits for a trigger, whether it has a limit.
_TYPES = {
    "Limit": OrderType.LIMIT,
    "Market": OrderType.MARKET,
    "Stop Market": OrderType.STOP_MARKET,
    "Stop Limit": OrderType.STOP_LIMIT,
    "Take Profit Market": OrderType.TAKE_PROFIT,
    "Take Profit Limit": OrderType.TAKE_PROFIT_LIMIT,
}
_TYPE_WORDS = {kind: word for word, kind in _TYPES.items()}


def type_of(word: str) -> OrderType:
    """Our type for a word of the venue."""
    found = _TYPES.get(word)
    if found is None:
        raise WireFault(f"order type {word!r} is not known")
    return found


def type_word(kind: OrderType) -> str:
    """The venue's name of a type that it has."""
    return _TYPE_WORDS[kind]


_TIFS = {"Gtc": TimeInForce.GTC, "Alo": TimeInForce.GTC, "Ioc": TimeInForce.IOC}


def time_in_force_of(word: str | None) -> TimeInForce:
    """Our time in force; a word that only the venue uses (FrontendMarket ...) acts at once."""
    return TimeInForce.GTC if word is None else _TIFS.get(word, TimeInForce.IOC)
