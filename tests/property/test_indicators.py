"""Columns and live updates of every indicator give the same bits, whatever the prices."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.strategy.columns import Prices
from interlock.strategy.indicators import INDICATORS, Sma, sma

ROWS = 400
WITH_LIVE = sorted(name for name, forms in INDICATORS.items() if forms.live is not None)
ARGUMENTS = {
    "sma": (7,), "ema": (7,), "wma": (7,), "rma": (7,), "macd": (3, 8, 4), "variance": (9,),
    "stdev": (9,), "zscore": (9,), "ewma_volatility": (0.94,), "realized_volatility": (12, 365.0),
    "momentum": (5,), "roc": (5,), "highest": (13,), "lowest": (13,), "percent_rank": (16,),
    "linear_regression_slope": (10,), "vwap": (6,), "donchian": (16,), "adx": (5,),
}  # fmt: skip


def random_bars(seed: int, decimals: int | None) -> dict[str, np.ndarray]:
    """A seeded walk of bars with flat stretches and a spike, on a decimal grid or off it."""
    generator = np.random.Generator(np.random.PCG64(seed))
    steps = generator.normal(0.0, 0.002, ROWS) * (generator.random(ROWS) < 0.8)
    steps[120:160] = 0.0
    close = 250.0 * np.exp(np.cumsum(steps))
    close[200] *= 40.0
    high = close * (1.0 + np.abs(steps))
    low = close * (1.0 - np.abs(steps))
    volume = generator.gamma(2.0, 30.0, ROWS) * (generator.random(ROWS) < 0.9)
    bars = {"high": high, "low": low, "close": close, "volume": volume}
    if decimals is not None:
        bars = {name: np.round(column, decimals) for name, column in bars.items()}
    return bars | {"column": bars["close"], "price": bars["close"]}


def both_forms(name: str, bars: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    forms = INDICATORS[name]
    names = inspect.signature(forms.column).parameters
    inputs = [bars[part] for part in names if part in bars]
    arguments = ARGUMENTS.get(name, ())
    columns = forms.column(*inputs, *arguments)
    live = forms.live(*arguments)
    rows = [live.update(*values) for values in zip(*(c.tolist() for c in inputs), strict=True)]
    return np.atleast_2d(np.array(columns)), np.atleast_2d(np.array(rows).T)


@pytest.mark.parametrize("name", WITH_LIVE)
@given(seed=st.integers(0, 2**32), decimals=st.sampled_from([None, 0, 1, 4]))
@settings(max_examples=15)
def test_scalar_and_column_give_the_same_bits(name: str, seed: int, decimals: int | None) -> None:
    columns, live = both_forms(name, random_bars(seed, decimals))
    known = ~np.isnan(live)
    assert np.array_equal(known, ~np.isnan(columns))
    assert np.array_equal(columns[known].view(np.int64), live[known].view(np.int64))
    assert known[:, -1].all()


@pytest.mark.parametrize("name", WITH_LIVE)
@given(cut=st.integers(0, ROWS - 1), decimals=st.sampled_from([None, 2]))
@settings(max_examples=10)
def test_prefix_of_a_column_does_not_depend_on_what_follows(
    name: str, cut: int, decimals: int | None
) -> None:
    bars = random_bars(5, decimals)
    whole, _ = both_forms(name, bars)
    part, _ = both_forms(name, {key: column[: cut + 1] for key, column in bars.items()})
    assert np.array_equal(whole[:, : cut + 1], part, equal_nan=True)


@given(
    units=st.lists(st.integers(1, 10**7), min_size=2, max_size=200),
    decimals=st.integers(0, 6),
    fast=st.integers(1, 12),
    slow=st.integers(1, 40),
)
def test_means_of_decimal_prices_compare_as_integers_do(
    units: list[int], decimals: int, fast: int, slow: int
) -> None:
    prices = np.array(units) / 10**decimals
    quick, lazy = sma(prices, fast), sma(prices, slow)
    for row in range(max(fast, slow) - 1, len(units)):
        left = sum(units[row - fast + 1 : row + 1]) * slow
        right = sum(units[row - slow + 1 : row + 1]) * fast
        assert (quick[row] > lazy[row]) == (left > right)
        assert (quick[row] == lazy[row]) == (left == right)


@given(st.lists(st.floats(-1e12, 1e12), min_size=5, max_size=60))
def test_mean_of_any_floats_stays_near_the_exact_one(values: list[float]) -> None:
    live = Sma(5)
    for row, value in enumerate(values):
        result = live.update(value)
        if row >= 4:
            window = values[row - 4 : row + 1]
            exact = sum(int(v * 2**40) for v in window) / 5 / 2**40
            scale = max(abs(v) for v in window)
            assert abs(result - exact) <= 1e-12 * scale + 1e-11


@given(
    units=st.lists(st.integers(1, 10**9), min_size=1, max_size=300),
    exponent=st.integers(0, 6),
    length=st.integers(1, 60),
)
def test_average_of_prices_is_the_live_average_to_the_last_bit(
    units: list[int], exponent: int, length: int
) -> None:
    prices = Prices.of(np.array(units, dtype=np.int64), exponent)
    live = Sma(length)
    expected = np.array([live.update(float(value)) for value in prices])
    assert sma(prices, length).tobytes() == expected.tobytes()
