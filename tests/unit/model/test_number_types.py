"""Numbers of array libraries are taken by their digits, as plain ones are."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from interlock.model.units import UnitError, parse_units


@pytest.mark.parametrize(
    ("value", "units"),
    [
        (np.int64(7), 700),
        (np.float64(0.1), 10),
        (np.float32(0.25), 25),
        (Fraction(1, 4), 25),
    ],
)
def test_a_number_of_any_kind_is_its_digits(value: float, units: int) -> None:
    assert parse_units(value, 2) == units


def test_what_has_no_digits_is_no_number() -> None:
    for value in (object(), True):
        with pytest.raises(UnitError, match="not a number"):
            parse_units(value, 2)  # type: ignore[arg-type]
