"""Prices, quantities and exposures that a strategy states, as the integers they mean."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from interlock.model.instrument import Instrument
from interlock.model.units import RATE_SCALE, UnitError, to_decimal

Number = int | float | str | Decimal
# Below 2^62, so that a sum of two still fits into 64 bits.
_UNITS_MAX = 1 << 62


class StrategyError(RuntimeError):
    """A strategy asked for something that has no meaning."""


def price_units(instrument: Instrument, price: Number, *, up: bool) -> int:
    """A valid order price in units; ``up`` rounds a price between ticks to the higher one.

    Raises StrategyError for a price that is no finite number.
    """
    if isinstance(price, float):
        exact = price * 10.0**instrument.price_exponent
        if not -_UNITS_MAX < exact < _UNITS_MAX:
            raise _no_amount(instrument, "price", price)
        units = round(exact)
        # A float a hair off a unit is that unit; anything further off is between two.
        if abs(exact - units) > 1e-6 * max(1.0, abs(exact) * 1e-9):
            units = int(exact // 1) + (1 if up else 0)
    else:
        scaled = _scaled(instrument, "price", price)
        units = int(scaled.to_integral_value("ROUND_CEILING" if up else "ROUND_FLOOR"))
    return instrument.round_price(units, up=up)


def quantity_units(instrument: Instrument, quantity: Number) -> int:
    """A quantity in units, toward zero to the lot; a float a hair below a lot is that lot.

    Raises StrategyError for a quantity that is no finite number, or negative.
    """
    units = signed_quantity_units(instrument, quantity)
    if units < 0:
        raise StrategyError(
            f"quantity {quantity} of {instrument.id} is negative; an order's side says its "
            "direction: pass +1 or -1 and the size, abs(quantity)"
        )
    return units


def signed_quantity_units(instrument: Instrument, quantity: Number) -> int:
    """A signed quantity in units, toward zero to the lot.

    Raises StrategyError for a quantity that is no finite number.
    """
    if isinstance(quantity, float):
        exact = abs(quantity) * 10.0**instrument.quantity_exponent
        if not exact < _UNITS_MAX:
            raise _no_amount(instrument, "quantity", quantity)
        units = int(exact + 1e-6)
    else:
        units = int(abs(_scaled(instrument, "quantity", quantity)))
    units -= units % instrument.lot
    return units if to_decimal(quantity) >= 0 else -units


def _scaled(instrument: Instrument, what: Literal["price", "quantity"], value: Number) -> Decimal:
    exponent = instrument.price_exponent if what == "price" else instrument.quantity_exponent
    try:
        scaled = to_decimal(value).scaleb(exponent)
    except UnitError:
        raise _no_amount(instrument, what, value) from None
    if not -_UNITS_MAX < scaled < _UNITS_MAX:
        raise _no_amount(instrument, what, value)
    return scaled


def _no_amount(instrument: Instrument, what: str, value: Number) -> StrategyError:
    hint = "" if value == value else ": an indicator is NaN until its ready says True"
    return StrategyError(
        f"{what} {value} of {instrument.id} must be a finite number that fits into 64 bits; "
        f"check it before the order{hint}"
    )


def exposure_units(exposure: float) -> int:
    """An exposure in 1e-6 of equity, toward zero; a float a hair below a unit is that unit."""
    if not -1e6 < exposure < 1e6:
        raise StrategyError(f"exposure {exposure!r} is not a share of equity; return a number")
    units = int(abs(exposure) * RATE_SCALE + 1e-6)
    return units if exposure >= 0 else -units
