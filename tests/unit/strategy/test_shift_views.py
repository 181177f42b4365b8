"""A shifted indicator is a view where it may be one, and never shows anything but its past."""

from __future__ import annotations

import numpy as np
import pytest

from interlock.strategy.columns import Prices
from interlock.strategy.indicators import macd, shift, sma

WALK = 10_000 + np.cumsum(np.random.default_rng(3).integers(-9, 10, 5_000))


@pytest.mark.parametrize("rows", [0, 1, 8, 9, 40])
@pytest.mark.parametrize("length", [1, 2, 20, 4_999, 5_000, 5_001])
def test_a_shifted_average_is_the_average_of_before(rows: int, length: int) -> None:
    average = sma(Prices.of(WALK, 1), length)
    expected = np.full(5_000, np.nan)
    expected[rows:] = average[: 5_000 - rows]
    for _ in range(2):
        found = shift(average, rows)
        assert np.array_equal(found, expected, equal_nan=True)
        assert not found.flags.writeable
        assert np.shares_memory(found, average) == (rows <= 8 and length <= 5_001)
    again = shift(shift(average, rows), 1)
    assert np.array_equal(again[1:], expected[:-1], equal_nan=True)
    assert np.isnan(again[0])


def test_what_may_still_be_written_is_copied() -> None:
    column = np.concatenate((np.full(8, np.nan), np.arange(20.0)))
    part = column[8:]
    assert not np.shares_memory(shift(part, 1), column)
    part.flags.writeable = False
    assert not np.shares_memory(shift(part, 1), column)
    column.flags.writeable = False
    assert np.array_equal(shift(part, 2), column[6:26], equal_nan=True)
    assert shift(column[9:], 1)[0] != column[8]


def test_one_of_several_outputs_is_copied() -> None:
    line, signal, _ = macd(WALK / 10.0)
    assert np.isnan(shift(line, 1)[0])
    assert np.isnan(shift(signal, 3)[:3]).all()
    assert np.array_equal(shift(signal, 3)[40:], signal[37:-3])


@pytest.mark.parametrize("length", [1, 3, 20, 2_047, 2_048, 2_049, 4_500])
def test_the_average_of_units_is_exact(length: int) -> None:
    sums = np.cumsum(np.concatenate(([0], WALK)))
    expected = (sums[length:] - sums[:-length]) / (length * 10.0)
    assert np.array_equal(sma(Prices.of(WALK, 1), length)[length - 1 :], expected)
