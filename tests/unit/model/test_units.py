"""Units: text becomes integers exactly or is refused; each rounding does what its name says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from interlock.model.units import (
    DIVIDE,
    UnitError,
    decimals_of,
    format_units,
    parse_units,
    to_decimal,
)


@pytest.mark.parametrize(
    ("value", "exponent", "units"),
    [
        ("0.001", 3, 1),
        ("-0.5", 1, -5),
        (0.1, 8, 10_000_000),
        (7, 2, 700),
        ("1e3", 0, 1_000),
        ("1.50", 1, 15),
        (Decimal("45226.13"), 2, 4_522_613),
        ("-0", 3, 0),
        ("0E-20", 2, 0),
    ],
)
def test_parse(value: Any, exponent: int, units: int) -> None:
    assert parse_units(value, exponent) == units


def test_a_number_longer_than_a_decimal_context_keeps_every_digit() -> None:
    digits = "123456789012345678901234567890123456789"
    assert parse_units(digits + ".25", 2) == int(digits + "25")
    assert format_units(int(digits + "25"), 2) == digits + ".25"
    with pytest.raises(UnitError, match="finer"):
        parse_units(digits + ".255", 2)


def test_a_finer_value_is_refused_with_the_remedy() -> None:
    with pytest.raises(UnitError, match=r"0\.0004 is finer than the unit 1e-3; .* at least 4"):
        parse_units("0.0004", 3)
    with pytest.raises(UnitError, match="finer"):
        parse_units("1e-99999999", 8)


@pytest.mark.parametrize("value", ["", "abc", "1,5", None, True, "nan", "inf", "1e999999"])
def test_what_is_no_amount_is_refused(value: Any) -> None:
    with pytest.raises(UnitError):
        parse_units(value, 8)


def test_a_float_counts_as_its_shortest_text() -> None:
    assert to_decimal(0.1) == Decimal("0.1")
    assert parse_units(2.675, 3) == 2_675


@pytest.mark.parametrize(("value", "count"), [("1.500", 1), ("100", 0), ("1e-7", 7), ("0.00", 0)])
def test_decimals_of(value: str, count: int) -> None:
    assert decimals_of(value) == count


@pytest.mark.parametrize(
    ("units", "exponent", "text"),
    [(1_500, 3, "1.5"), (-5, 3, "-0.005"), (0, 8, "0"), (700, 0, "700"), (100, 2, "1")],
)
def test_format(units: int, exponent: int, text: str) -> None:
    assert format_units(units, exponent) == text


@pytest.mark.parametrize(
    ("rounding", "rounded"),
    [
        ("floor", (-3, -2, 2, 2, 3)),
        ("ceil", (-2, -1, 3, 2, 4)),
        ("toward_zero", (-2, -1, 2, 2, 3)),
        ("away_from_zero", (-3, -2, 3, 2, 4)),
        ("half_even", (-2, -2, 2, 2, 4)),
    ],
)
def test_each_rounding(rounding: Any, rounded: tuple[int, ...]) -> None:
    halves = (-5, -3, 5, 4, 7)
    assert tuple(DIVIDE[rounding](value, 2) for value in halves) == rounded
