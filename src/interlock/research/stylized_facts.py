"""Stylized facts of market series, with formulas: the yardstick of real and synthetic data alike.

Arrays are one-dimensional; returns are log returns per bar; times are ns UTC. Every function is
pure and refuses input that is too short for the statistic it names.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

NS_PER_HOUR = 3_600 * 10**9
NS_PER_DAY = 24 * NS_PER_HOUR


class SampleError(ValueError):
    """A sample that cannot carry the statistic asked of it."""


def _need(values: NDArray[np.generic], least: int, what: str) -> None:
    if len(values) < least:
        raise SampleError(f"{what} needs at least {least} values, got {len(values)}; pass more")


def log_returns(prices: Floats) -> Floats:
    """r_t = ln(p_t / p_(t-1)); one value fewer than prices."""
    _need(prices, 2, "log_returns")
    result: Floats = np.diff(np.log(prices))
    return result


def annual_volatility(returns: Floats, step_ns: int, *, days: int = 365) -> float:
    """sd(r) * sqrt(bars per year), as a fraction (0.37 is 37 %)."""
    _need(returns, 2, "annual_volatility")
    return float(np.std(returns) * np.sqrt(days * NS_PER_DAY / step_ns))


def excess_kurtosis(returns: Floats) -> float:
    """E[(r - m)^4] / var^2 - 3; 0 for a normal sample."""
    _need(returns, 4, "excess_kurtosis")
    centered = returns - returns.mean()
    square = centered * centered
    return float(np.mean(square * square) / np.mean(square) ** 2 - 3.0)


def absolute_quantiles(returns: Floats, levels: Sequence[float]) -> Floats:
    """Quantiles of |r| in units of sd(r); levels are fractions."""
    _need(returns, 2, "absolute_quantiles")
    result: Floats = np.quantile(np.abs(returns), levels) / np.std(returns)
    return result


def autocorrelation(values: Floats, lags: Sequence[int]) -> Floats:
    """acf(k) = sum (x_t - m)(x_(t+k) - m) / sum (x_t - m)^2 with the mean of the whole sample."""
    _need(values, max(lags) + 2, "autocorrelation")
    centered = values - values.mean()
    total = float(np.dot(centered, centered))
    if total == 0.0:
        raise SampleError("autocorrelation of a constant is undefined; pass values that vary")
    return np.array(
        [float(np.dot(centered[lag:], centered[: len(centered) - lag])) / total for lag in lags]
    )


def hour_of_day(ts: Integers) -> Integers:
    """UTC hour 0-23."""
    hours: Integers = ts % NS_PER_DAY // NS_PER_HOUR
    return hours


def day_of_week(ts: Integers) -> Integers:
    """UTC weekday, Monday 0 to Sunday 6 (1970-01-01 was a Thursday)."""
    days: Integers = (ts // NS_PER_DAY + 3) % 7
    return days


def grouped_rms(returns: Floats, groups: Integers, *, count: int) -> Floats:
    """Root mean square by group over that of all values; nan for an empty group."""
    _need(returns, 1, "grouped_rms")
    sizes = np.bincount(groups, minlength=count)
    squares = np.bincount(groups, weights=returns * returns, minlength=count)
    mean = np.divide(squares, sizes, out=np.full(count, np.nan), where=sizes > 0)
    result: Floats = np.sqrt(mean / np.mean(returns * returns))
    return result


def grouped_mean(values: Floats, groups: Integers, *, count: int) -> Floats:
    """Mean by group over the mean of all values; nan for an empty group."""
    _need(values, 1, "grouped_mean")
    sizes = np.bincount(groups, minlength=count)
    sums = np.bincount(groups, weights=values, minlength=count)
    mean = np.divide(sums, sizes, out=np.full(count, np.nan), where=sizes > 0)
    result: Floats = mean / np.mean(values)
    return result


def deseasonalized(returns: Floats, ts: Integers) -> Floats:
    """Returns divided by the relative rms of their UTC hour and then of their UTC weekday."""
    by_hour = grouped_rms(returns, hour_of_day(ts), count=24)
    result = returns / by_hour[hour_of_day(ts)]
    by_day = grouped_rms(result, day_of_week(ts), count=7)
    divided: Floats = result / by_day[day_of_week(ts)]
    return divided


def correlation(first: Floats, second: Floats) -> float:
    """Pearson correlation of two series of equal length."""
    _need(first, 2, "correlation")
    return float(np.corrcoef(first, second)[0, 1])


def range_ratio(high: Floats, low: Floats, *, returns: Floats) -> float:
    """mean ln(high / low) over sd(r); 1.60 for Brownian motion of constant volatility."""
    _need(returns, 2, "range_ratio")
    return float(np.mean(np.log(high / low)) / np.std(returns))


def log_volume(volume: Floats) -> Floats:
    """ln(volume) of the bars that traded."""
    traded: Floats = np.log(volume[volume > 0])
    return traded


def fall_count(close: Floats, *, bars: int, fall: float) -> int:
    """Number of disjoint windows of ``bars`` bars whose close fell by more than ``fall``."""
    _need(close, bars + 1, "fall_count")
    sampled = close[::bars]
    return int(np.count_nonzero(sampled[1:] / sampled[:-1] - 1.0 < -fall))


def time_share(ts: Integers, flags: NDArray[np.bool_]) -> float:
    """Share of time in which the flag set at each instant held (until the next instant)."""
    _need(ts, 2, "time_share")
    spans = np.diff(ts)
    return float(spans[flags[:-1]].sum() / spans.sum())


def time_mean(ts: Integers, values: Floats) -> float:
    """Time-weighted mean of a step function given by its values at each instant."""
    _need(ts, 2, "time_mean")
    spans = np.diff(ts)
    return float(np.dot(spans, values[:-1]) / spans.sum())


def variation_coefficient(gaps: Floats) -> float:
    """sd / mean of waiting times; 1 for a Poisson process, more for clustered arrivals."""
    _need(gaps, 2, "variation_coefficient")
    return float(np.std(gaps) / np.mean(gaps))
