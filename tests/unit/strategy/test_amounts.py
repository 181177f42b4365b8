"""Prices and quantities that a strategy states, as units, and those that have no meaning."""

from __future__ import annotations

import re
from decimal import Decimal
from math import inf, nan
from typing import Any

import numpy as np
import pytest

from interlock.strategy.amounts import (
    StrategyError,
    price_units,
    quantity_units,
    signed_quantity_units,
)
from tests.scenario import PERPETUAL

NO_NUMBERS: tuple[Any, ...] = (nan, inf, -inf, 1e300, Decimal("NaN"), "Infinity", "much", 10**30)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=str)
def test_a_price_that_is_no_number_is_refused_with_its_rule(value: Any) -> None:
    with pytest.raises(StrategyError, match=re.escape(f"price {value} of BTC")):
        price_units(PERPETUAL, value, up=True)


@pytest.mark.parametrize("value", NO_NUMBERS, ids=str)
def test_a_quantity_that_is_no_number_is_refused_with_its_rule(value: Any) -> None:
    for read in (quantity_units, signed_quantity_units):
        with pytest.raises(StrategyError, match=re.escape(f"quantity {value} of BTC")):
            read(PERPETUAL, value)


def test_nan_is_told_where_it_comes_from() -> None:
    with pytest.raises(StrategyError, match="an indicator is NaN until its ready says True"):
        price_units(PERPETUAL, nan, up=True)


def test_floats_and_exact_numbers_give_the_same_units() -> None:
    assert price_units(PERPETUAL, 100.5, up=True) == price_units(PERPETUAL, "100.5", up=True)
    assert signed_quantity_units(PERPETUAL, -2.0) == -quantity_units(PERPETUAL, Decimal(2))


def test_numbers_of_an_array_library_are_numbers() -> None:
    for value in (np.float64(0.5), np.float32(0.5), Decimal("0.5"), "0.5"):
        assert quantity_units(PERPETUAL, value) == 500
        assert price_units(PERPETUAL, value, up=True) == 50
    assert quantity_units(PERPETUAL, np.int64(2)) == 2_000
    assert signed_quantity_units(PERPETUAL, np.float64(-0.5)) == -500


def test_the_size_of_an_order_is_not_negative() -> None:
    with pytest.raises(StrategyError, match="quantity -0.5 of BTC-PERP.TEST is negative; an order"):
        quantity_units(PERPETUAL, -0.5)
