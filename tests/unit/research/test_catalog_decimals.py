"""Decimals and times of files: exact or refused, never rounded."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.research.catalog.decimals import BadValue, exact, rounded
from interlock.research.catalog.errors import CatalogError, ImportRefused
from interlock.research.catalog.times import TimeReader, instant, iso, step_name, step_ns


@pytest.mark.parametrize(
    ("values", "units", "exponent"),
    [
        (["1", "2.50", "-0.001"], [1000, 2500, -1], 3),
        (["1e-7", "0.1"], [1, 1_000_000], 7),
        (["123456789.123456789"], [123456789123456789], 9),
        (["-12345678901.1234567"], [-123456789011234567], 7),
        ([0.1, 0.3, 16542.05], [10, 30, 1654205], 2),
        ([31441883.16, 1e9], [3144188316, 100000000000], 2),
        ([7, 8], [7, 8], 0),
        ([0.1 * 3 - 0.2 - 0.1, 0.0], None, None),
    ],
)
def test_values_count_as_their_shortest_decimal(
    values: list[object], units: list[int] | None, exponent: int | None
) -> None:
    column = pl.Series(values)
    if units is None:
        with pytest.raises(BadValue, match="more than 9 decimals"):
            exact(column)
        return
    found = exact(column)
    assert (found.units.tolist(), found.exponent) == (units, exponent)


def test_a_float32_counts_as_its_own_shortest_text() -> None:
    column = pl.Series(np.array([5.133268, 0.1], dtype=np.float32))
    assert exact(column).units.tolist() == [5133268, 100000]


@pytest.mark.parametrize("text", ["nan", "", "abc", "inf", "1,5", "0x10", "1_0"])
def test_what_is_no_number_is_refused_with_its_row(text: str) -> None:
    with pytest.raises(BadValue) as caught:
        exact(pl.Series(["1.5", text]))
    assert caught.value.row == 1


def test_nan_and_null_are_refused_with_their_row() -> None:
    with pytest.raises(BadValue, match="not finite"):
        exact(pl.Series([1.0, float("nan")]))
    with pytest.raises(BadValue, match="missing"):
        exact(pl.Series([1.0, None]))


def test_a_finer_value_than_the_unit_is_refused() -> None:
    with pytest.raises(BadValue, match="finer than the unit 1e-1") as caught:
        exact(pl.Series(["1.5", "1.25"])).at(1)
    assert (caught.value.row, caught.value.text) == (1, "1.25")


def test_rounding_is_half_even_and_counted() -> None:
    found, changed = rounded(pl.Series([0.5, 1.5, 2.0]), 0)
    assert (found.units.tolist(), changed) == ([0, 2, 2], 2)


@pytest.mark.parametrize("unit", [1, 10**3, 10**6, 10**9])
def test_epoch_units_are_told_by_magnitude(unit: int) -> None:
    seconds = 1_704_067_200
    read = TimeReader("f").read(pl.Series([seconds * unit, (seconds + 60) * unit]))
    assert read.tolist() == [seconds * 10**9, (seconds + 60) * 10**9]


def test_decimal_seconds_keep_their_fraction() -> None:
    assert TimeReader("f").read(pl.Series(["1704067200.125"])).tolist() == [1704067200125000000]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1_704_067_200_000, 1_704_067_260_000_000], "data row 2 reads as us"),
        ([17], "--time-unit"),
        (["2024-01-01 00:00:00"], "--timezone"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:01:00"], "mixes time zones"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:01:00+02:00"], "mixes time zones"),
        (["2024-01-01T00:00:00Z", "01/02/2024Z"], "not an ISO 8601 time"),
        ([None], "missing"),
    ],
)
def test_ambiguous_times_are_refused_with_the_remedy(values: list[object], words: str) -> None:
    with pytest.raises(ImportRefused, match=words):
        TimeReader("f").read(pl.Series(values))


def test_one_unit_is_held_across_chunks() -> None:
    reader = TimeReader("f")
    reader.read(pl.Series([1_704_067_200_000]))
    with pytest.raises(ImportRefused, match="data row 8"):
        reader.read(pl.Series([1_704_067_200_000_000]), start_row=7)


def test_text_times_become_utc() -> None:
    expected = [instant("2024-06-01T10:00:00Z")]
    for text, zone in [
        ("2024-06-01T12:00:00+02:00", None),
        ("2024-06-01 12:00:00", "Europe/Berlin"),
        ("2024-06-01T10:00:00.000Z", None),
        ("2024-06-01 12:00", "Europe/Berlin"),
    ]:
        assert TimeReader("f", timezone=zone).read(pl.Series([text])).tolist() == expected


def test_a_clock_change_is_refused() -> None:
    with pytest.raises(ImportRefused, match="twice or never"):
        TimeReader("f", timezone="Europe/Berlin").read(pl.Series(["2024-10-27 02:30:00"]))


def test_a_lossy_float_time_is_refused() -> None:
    with pytest.raises(ImportRefused, match="too large to be exact"):
        TimeReader("f").read(pl.Series([1.7040672001234568e18]))


def test_steps_have_names() -> None:
    for name in ("1s", "1m", "15m", "4h", "1d"):
        assert step_name(step_ns(name)) == name
    with pytest.raises(CatalogError, match="not a step"):
        step_ns("minute")
    assert iso(instant("2024-01-31")) == "2024-01-31T00:00:00Z"


@given(st.lists(st.tuples(st.integers(-(10**14), 10**14), st.integers(0, 9)), min_size=1))
def test_text_and_floats_mean_the_same_units(numbers: list[tuple[int, int]]) -> None:
    decimals = [Decimal(units).scaleb(-exponent) for units, exponent in numbers]
    expected = [int(value.scaleb(9)) for value in decimals]
    texts = pl.Series([format(value, "f") for value in decimals])
    floats = pl.Series([float(value) for value in decimals])
    long = pl.Series([format(value, "f") for value in decimals] + ["0.000000000000000000000"])
    if max(abs(value) for value in expected) < 2**63:
        assert exact(texts).at(9).tolist() == expected
        assert exact(floats).at(9).tolist() == expected
        assert exact(long).at(9).tolist() == [*expected, 0]
