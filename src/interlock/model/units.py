"""Integer units: exact conversion at the edges and division with a named rounding.

Prices, quantities and money are integers of 10^-exponent. Text and Decimal become units here and
nowhere else; a value finer than the unit is refused, because rounding it would invent a number.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from numbers import Integral, Real
from typing import Any, Literal

MONEY_EXPONENT = 8
MONEY_SCALE = 10**MONEY_EXPONENT
RATE_SCALE = 10**6
FUNDING_SCALE = 10**10
NANOSECONDS = 10**9
# Longer numbers are mistakes, and would cost memory before anything could refuse them.
DIGITS_MAX = 1_000

Rounding = Literal["toward_zero", "away_from_zero", "half_even", "floor", "ceil"]


class UnitError(ValueError):
    """A value that its unit cannot hold exactly."""


def to_decimal(value: str | int | float | Decimal) -> Decimal:
    """Exact decimal of a number; a float counts as its shortest decimal text."""
    if isinstance(value, Decimal):
        number = value
    elif isinstance(value, bool):
        raise UnitError(f"{value!r} is a truth value, not a number; pass digits")
    else:
        try:
            number = _decimal(value)
        except (InvalidOperation, ValueError, TypeError):
            raise UnitError(f"{value!r} is not a number; pass digits such as 0.001") from None
    if not number.is_finite():
        raise UnitError(f"{value!r} is not finite; pass a finite number")
    return number


def _decimal(value: Any) -> Decimal:
    # Not repr(value): a float of an array library has its own.
    if isinstance(value, float):
        return Decimal(float.__repr__(value))
    if isinstance(value, int | str | Decimal):
        return Decimal(value)
    if isinstance(value, Integral):
        return Decimal(int(value))
    if isinstance(value, Real):
        return Decimal(repr(float(value)))
    return Decimal(value)


def parse_units(value: str | int | float | Decimal, exponent: int) -> int:
    """Integer units of 10^-exponent; refuses a value that is finer than the unit."""
    # By its digits: a decimal context would round a number longer than its precision.
    sign, digits, shift = _parts(value)
    units: int = int(digits) * 10 ** max(0, shift + exponent)
    finer: int = 10 ** max(0, -(shift + exponent))
    if units % finer:
        raise UnitError(
            f"{value} is finer than the unit 1e-{exponent}; "
            f"use an exponent of at least {decimals_of(value)} or round it yourself"
        )
    return sign * units // finer


def decimals_of(value: str | int | float | Decimal) -> int:
    """Digits after the decimal point that the value needs."""
    _, digits, shift = _parts(value)
    zeros = len(digits) - len(digits.rstrip("0"))
    return max(0, -shift - zeros) if digits != "0" else 0


def _parts(value: str | int | float | Decimal) -> tuple[int, str, int]:
    """Sign, digits and power of ten of a finite number."""
    sign, digits, shift = to_decimal(value).as_tuple()
    assert isinstance(shift, int)
    text = "".join(map(str, digits)).lstrip("0") or "0"
    if text == "0":
        return 1, text, 0
    if len(text) + shift > DIGITS_MAX:
        raise UnitError(f"{value} is no price, quantity or amount; pass a smaller number")
    return -1 if sign else 1, text, max(shift, -DIGITS_MAX - len(text))


def format_units(units: int, exponent: int) -> str:
    """Plain decimal text of integer units, without trailing zeros."""
    digits = str(abs(units)).rjust(exponent + 1, "0")
    whole, part = (digits[:-exponent], digits[-exponent:]) if exponent else (digits, "")
    text = f"{whole}.{part}".rstrip("0").rstrip(".") if part else whole
    return f"-{text}" if units < 0 else text


def div_floor(numerator: int, denominator: int) -> int:
    """Quotient rounded toward minus infinity."""
    return numerator // denominator


def div_ceil(numerator: int, denominator: int) -> int:
    """Quotient rounded toward plus infinity."""
    return -(-numerator // denominator)


def div_toward_zero(numerator: int, denominator: int) -> int:
    """Quotient rounded toward zero."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator >= 0) == (denominator > 0) else -quotient


def div_away_from_zero(numerator: int, denominator: int) -> int:
    """Quotient rounded away from zero."""
    quotient = -(-abs(numerator) // abs(denominator))
    return quotient if (numerator >= 0) == (denominator > 0) else -quotient


def div_half_even(numerator: int, denominator: int) -> int:
    """Quotient rounded to the nearest integer, ties to the even one."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


DIVIDE = {
    "toward_zero": div_toward_zero,
    "away_from_zero": div_away_from_zero,
    "half_even": div_half_even,
    "floor": div_floor,
    "ceil": div_ceil,
}
