"""What may be expected of each venue: stated, with reasons, before anybody trades on it."""

from __future__ import annotations

import msgspec

TESTED = "tested on the local exchange"
UNTESTED = "untested"


class Tier(msgspec.Struct, frozen=True):
    """How far a venue is proved here, and why no further."""

    name: str
    reasons: tuple[str, ...]


_OWN = {
    "binanceusdm": "interlock.adapters.binance",
    "hyperliquid": "interlock.adapters.hyperliquid",
}
_POLLED = "streams are polled: what they tell is as old as the interval that the adapter states"
_NO_DEADLINE = (
    "requests carry no deadline, so that an order that is not found is never proof of its absence"
)
_BY_CLASS = (
    "refusals are judged by ccxt's class together with the status and the body; whatever the "
    "three do not agree on is unknown"
)


def tier(exchange_id: str) -> Tier:
    """The tier of a ccxt exchange id."""
    own = _OWN.get(exchange_id)
    if exchange_id == "binanceusdm":
        why = f"{own} has pushed streams and reads every code itself; prefer it"
        return Tier(TESTED, (_POLLED, why))
    reasons = (_POLLED, _BY_CLASS, _NO_DEADLINE, "no exchange on localhost speaks its protocol")
    if own is not None:
        return Tier(UNTESTED, (f"{own} is first class; use it", *reasons[:3]))
    return Tier(UNTESTED, reasons)
