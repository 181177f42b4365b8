"""What the venue refuses on arrival: an order's form, and what it would risk."""

from __future__ import annotations

from typing import Protocol

from interlock.model.instrument import Instrument
from interlock.model.order import OrderSpec, OrderType
from interlock.sim.account import Account
from interlock.sim.working import Working

_LIMIT = OrderType.LIMIT
_TRAILING = OrderType.TRAILING_STOP


class Arrival(Protocol):
    """The market that an order reaches: its time, and what it would meet there."""

    ts: int

    def trigger_price(self, order: Working) -> int: ...

    def crosses(self, order: Working) -> bool: ...


def form_fault(instrument: Instrument, spec: OrderSpec) -> str | None:
    """Why quantity, price or trigger break the instrument's rules, or None."""
    fault = instrument.quantity_fault(spec.quantity)
    if fault is None and spec.price:
        fault = instrument.price_fault(spec.price)
    if fault is None and spec.trigger:
        fault = instrument.price_fault(spec.trigger)
    return fault


def funds_fault(
    instrument: Instrument, account: Account, spec: OrderSpec, *, price: int
) -> str | None:
    """Why the account cannot carry the order, or None; what shrinks a position always can be."""
    held = account.position(instrument).quantity
    if spec.reduce_only:
        if held * spec.side >= 0:
            return "reduce-only order would not reduce the position"
        return None
    if held * spec.side < 0 and spec.quantity <= abs(held):
        return None
    if instrument.notional(price, spec.quantity) < instrument.min_notional:
        return "notional is below the instrument's minimum"
    return account.lacks_funds(instrument, spec.side, spec.quantity, price)


def timing_fault(market: Arrival, spec: OrderSpec) -> str | None:
    """Why the moment is wrong for the order, or None: expired, already triggered, would take."""
    if spec.type is _LIMIT and not spec.post_only and not spec.expire_ts:
        return None
    if spec.expire_ts and spec.expire_ts <= market.ts:
        return "the order expires before it arrives"
    probe = Working("", spec, 0)
    if probe.armed and spec.type is not _TRAILING:
        level = market.trigger_price(probe)
        passed = level >= spec.trigger if probe.rises_to_trigger else level <= spec.trigger
        if level and passed:
            return "the order would trigger immediately"
    if spec.post_only and market.crosses(probe):
        return "a post-only order would take"
    return None
