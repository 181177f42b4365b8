"""What the venue refuses on arrival: an order's form, and what it would risk."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.model.order import OrderSpec
from interlock.sim.account import Account


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
