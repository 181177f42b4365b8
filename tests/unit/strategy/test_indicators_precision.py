"""Rolling sums and variances against exact rational arithmetic, long runs and hard columns."""

import math
from fractions import Fraction

import numpy as np
import pytest

from interlock.strategy.indicators import (
    bollinger,
    linear_regression_slope,
    sma,
    stdev,
    variance,
    vwap,
    wma,
    zscore,
)


def exact_variance(window: np.ndarray, degrees: int = 0) -> float:
    values = [Fraction(float(value)) for value in window]
    mean = sum(values) / len(values)
    return float(sum((value - mean) ** 2 for value in values) / (len(values) - degrees))


def columns() -> dict[str, np.ndarray]:
    generator = np.random.Generator(np.random.PCG64(3))
    walk = 30_000.0 * np.exp(np.cumsum(generator.normal(0.0, 8e-4, 60_000)))
    spike = walk.copy()
    spike[1_000] = 1e12
    calm = 1e6 + generator.normal(0.0, 1e-3, 60_000)
    return {"walk": walk, "decimal": np.round(walk, 1), "spike": spike, "calm": calm}


@pytest.mark.parametrize("name", ["walk", "decimal", "spike", "calm"])
@pytest.mark.parametrize("degrees", [0, 1])
def test_variance_agrees_with_exact_arithmetic(name: str, degrees: int) -> None:
    column = columns()[name]
    result = variance(column, 20, degrees=degrees)
    deviation = stdev(column, 20, degrees=degrees)
    for row in range(19, column.size, 977):
        exact = exact_variance(column[row - 19 : row + 1], degrees)
        assert result[row] == pytest.approx(exact, rel=1e-9)
        assert deviation[row] == math.sqrt(result[row])


@pytest.mark.shared
def test_variance_of_recorded_prices_agrees_with_exact_arithmetic(shared_data) -> None:
    import polars

    path = shared_data / "klines" / "binance_usdm" / "BTCUSDT_1h_2019_202605.parquet"
    close = polars.read_parquet(path)["close"].to_numpy()
    result = variance(close, 24)
    for row in range(23, close.size, 101):
        assert result[row] == pytest.approx(exact_variance(close[row - 23 : row + 1]), rel=1e-9)


def test_flat_window_after_a_spike_is_exactly_flat() -> None:
    column = np.full(200, 0.1 + 0.2)
    column[50] = 1e9
    assert (stdev(column, 20)[80:] == 0.0).all()
    assert (zscore(column, 20)[80:] == 0.0).all()
    bands = bollinger(column, 20)
    assert (bands.upper[80:] == bands.lower[80:]).all()


@pytest.mark.parametrize("name", ["walk", "spike"])
def test_a_spike_leaves_no_trace_in_sums(name: str) -> None:
    column = columns()[name]
    mean, weighted = sma(column, 50), wma(column, 50)
    slope = linear_regression_slope(column, 50)
    price = vwap(column, np.abs(columns()["calm"]), 50)
    assert np.isfinite(price[49:]).all()
    for row in range(49, column.size, 1_013):
        window = [Fraction(float(value)) for value in column[row - 49 : row + 1]]
        ramp = sum(weight * value for weight, value in enumerate(window, 1))
        level = sum(window)
        assert mean[row] == pytest.approx(float(level / 50), rel=1e-14)
        assert weighted[row] == pytest.approx(float(ramp / 1275), rel=1e-14)
        exact = (ramp - Fraction(51, 2) * level) / Fraction(50 * (50 * 50 - 1), 12)
        assert slope[row] == pytest.approx(float(exact), rel=1e-9)


def test_mean_does_not_drift_over_two_million_rows() -> None:
    generator = np.random.Generator(np.random.PCG64(4))
    column = generator.normal(0.0, 1.0, 2_000_000) * 10.0 ** generator.integers(-3, 6, 2_000_000)
    result = sma(column, 30)
    for row in range(1_999_000, 2_000_000, 97):
        assert result[row] == pytest.approx(
            math.fsum(column[row - 29 : row + 1]) / 30, rel=1e-12, abs=1e-12
        )


def test_bollinger_middle_is_the_sma_to_the_bit() -> None:
    for column in columns().values():
        assert np.array_equal(bollinger(column, 20).middle, sma(column, 20), equal_nan=True)


def test_price_units_and_prices_cross_alike() -> None:
    units = np.round(columns()["walk"] * 10).astype(np.int64)
    prices = units / 10
    by_units = sma(units, 20) > sma(units, 100)
    by_price = sma(prices, 20) > sma(prices, 100)
    total = np.cumsum(units)
    exact = np.zeros(units.size, dtype=bool)
    quick = total[99:] - np.concatenate((total[79:80], total[80:-20]))
    slow = total[99:] - np.concatenate(([0], total[:-100]))
    exact[99:] = quick * 5 > slow
    assert np.array_equal(by_units, exact)
    assert np.array_equal(by_price, exact)
