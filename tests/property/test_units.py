"""Units against exact fractions: conversion loses nothing, each rounding is the one of its name."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.instrument import FixedTick, SignificantFigures
from interlock.model.units import DIVIDE, UnitError, decimals_of, format_units, parse_units
from tests.scenario import PERPETUAL

EXPONENTS = st.integers(0, 12)
WHOLE = st.integers(-(10**40), 10**40)


@given(WHOLE, EXPONENTS)
def test_text_round_trip(units: int, exponent: int) -> None:
    text = format_units(units, exponent)
    assert parse_units(text, exponent) == units
    assert Fraction(text) == Fraction(units, 10**exponent)
    assert decimals_of(text) <= exponent


@given(st.decimals(allow_nan=False, allow_infinity=False, places=None), EXPONENTS)
def test_exact_or_refused(value: Decimal, exponent: int) -> None:
    if abs(value) > Decimal("1e300") or 0 < abs(value) < Decimal("1e-300"):
        return
    exact = Fraction(value) * 10**exponent
    if exact.denominator == 1:
        assert parse_units(value, exponent) == exact
        assert parse_units(str(value), exponent) == exact
    else:
        with pytest.raises(UnitError, match="finer"):
            parse_units(value, exponent)


@given(WHOLE, st.integers(-(10**12), 10**12).filter(bool))
def test_roundings_against_fractions(numerator: int, denominator: int) -> None:
    exact = Fraction(numerator, denominator)
    outward = ceil(exact) if exact > 0 else floor(exact)
    assert DIVIDE["floor"](numerator, denominator) == floor(exact)
    assert DIVIDE["ceil"](numerator, denominator) == ceil(exact)
    assert DIVIDE["toward_zero"](numerator, denominator) == int(exact)
    assert DIVIDE["away_from_zero"](numerator, denominator) == outward
    assert DIVIDE["half_even"](numerator, denominator) == round(exact)


@given(
    st.integers(1, 10**12),
    st.integers(-(10**12), 10**12),
    st.integers(0, 8),
    st.integers(0, 8),
    st.integers(1, 100),
)
def test_notional_is_rounded_once(
    price: int, quantity: int, price_exponent: int, quantity_exponent: int, multiplier: int
) -> None:
    instrument = msgspec.structs.replace(
        PERPETUAL,
        price_exponent=price_exponent,
        quantity_exponent=quantity_exponent,
        multiplier=multiplier,
    )
    shift = Fraction(10**8, 10 ** (price_exponent + quantity_exponent))
    exact = price * quantity * multiplier * shift
    assert instrument.notional(price, quantity) == round(exact)
    assert instrument.notional(price, quantity, "floor") == floor(exact)
    assert instrument.notional(price, quantity, "away_from_zero") == (
        ceil(exact) if exact > 0 else floor(exact)
    )


@given(st.integers(-(10**16), 10**16), st.integers(-999_999, 999_999))
def test_fees_are_never_to_our_favor(notional: int, rate: int) -> None:
    exact = Fraction(abs(notional) * rate, 10**6)
    fee = PERPETUAL.fee(notional, rate)
    assert exact <= fee < exact + 1


@given(
    st.one_of(
        st.builds(FixedTick, st.integers(1, 1_000)),
        st.builds(SignificantFigures, st.integers(1, 8), st.integers(0, 8)),
    ),
    st.integers(1, 10**12),
    st.integers(0, 8),
)
def test_rounded_prices_are_valid_and_nearest(rule: object, price: int, exponent: int) -> None:
    instrument = msgspec.structs.replace(PERPETUAL, price_exponent=exponent, price_rule=rule)
    up, down = instrument.round_price(price, up=True), instrument.round_price(price, up=False)
    assert down <= price <= up
    assert instrument.price_fault(up) is None
    assert not down or instrument.price_fault(down) is None
    if instrument.price_fault(price) is None:
        assert up == down == price
