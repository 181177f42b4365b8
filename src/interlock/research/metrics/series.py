"""Measure return series: every function takes plain arrays or frames and returns one number.

A number that cannot be computed raises MetricUndefined with the reason; nothing here returns a
zero or an infinity in its place.
"""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

DAY_NS = 86_400_000_000_000
MIN_DAYS_RATIO = 10
MIN_DAYS_ANNUAL = 30

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class MetricUndefined(ValueError):
    """A metric has no value on these data; the message says why."""


@dataclass(frozen=True, slots=True)
class Drawdown:
    """The deepest fall from a peak: depth as a fraction (<= 0), times in ns UTC."""

    depth: float
    peak_ts: int
    trough_ts: int
    recovered_ts: int | None
    length_ns: int
    longest_ns: int


def daily_equity(
    equity: pl.DataFrame, *, periods_per_year: int, column: str = "equity"
) -> pl.DataFrame:
    """Last value of each UTC day as a frame (day: Date, value: f64), oldest first.

    `equity` has `ts` (ns UTC, the end of what the row values) and `column`. A row at midnight
    closes the day before. With 365 periods a year, days without a row carry the last value
    forward; with 252 only days with rows count, which are the sessions.
    """
    days = (
        equity.lazy()
        .filter(pl.col(column).is_finite())
        .select(((pl.col("ts") - 1) // DAY_NS).alias("number"), pl.col(column).alias("value"))
        .group_by("number")
        .agg(pl.col("value").last())
        .sort("number")
        .collect()
    )
    if periods_per_year == 365 and days.height > 1:
        first, last = int(days["number"][0]), int(days["number"][-1])
        grid = pl.DataFrame({"number": np.arange(first, last + 1, dtype=np.int64)})
        days = grid.join(days, on="number", how="left", maintain_order="left").with_columns(
            pl.col("value").forward_fill()
        )
    return days.select(pl.col("number").cast(pl.Int32).cast(pl.Date).alias("day"), "value")


def daily_returns(
    equity: pl.DataFrame,
    *,
    periods_per_year: int,
    initial: float | None = None,
    column: str = "equity",
) -> pl.DataFrame:
    """Simple returns of the daily values as a frame (day: Date, value: f64 fraction).

    With `initial` the first day has a return against it; without, the first day only starts the
    series. Raises MetricUndefined when a value to divide by is zero or negative.
    """
    days = daily_equity(equity, periods_per_year=periods_per_year, column=column)
    values = days["value"].to_numpy()
    if initial is None:
        days, before, values = days.slice(1), values[:-1], values[1:]
    else:
        before = np.concatenate((np.array([initial], dtype=np.float64), values[:-1]))
    if before.size and not float(before.min()) > 0.0:
        raise MetricUndefined("equity reached zero or less, so later returns have no meaning")
    return pl.DataFrame({"day": days["day"], "value": values / before - 1.0})


def monthly_returns(returns: pl.DataFrame) -> pl.DataFrame:
    """Compounded returns per calendar month as a frame (year, month, value, days)."""
    return (
        returns.group_by(
            pl.col("day").dt.year().alias("year"),
            pl.col("day").dt.month().cast(pl.Int32).alias("month"),
        )
        .agg(((1.0 + pl.col("value")).product() - 1.0).alias("value"), pl.len().alias("days"))
        .sort("year", "month")
    )


def rolling(returns: Floats, *, window: int, periods_per_year: int) -> tuple[Floats, Floats]:
    """Rolling (Sharpe ratio, volatility), annualized; NaN until `window` returns are seen."""
    frame = pl.DataFrame({"r": returns}).select(
        mean=pl.col("r").rolling_mean(window), deviation=pl.col("r").rolling_std(window, ddof=1)
    )
    mean, deviation = (frame[name].to_numpy() for name in ("mean", "deviation"))
    scale = math.sqrt(periods_per_year)
    usable = deviation > 1e-14
    ratio = np.divide(mean, deviation, out=np.full(mean.size, np.nan), where=usable)
    return ratio * scale, deviation * scale


def total_return(returns: Floats) -> float:
    """Compounded return of the whole series, a fraction."""
    _need(returns, 1)
    return math.exp(float(np.log1p(returns).sum())) - 1.0 if returns.min() > -1.0 else -1.0


def cagr(returns: Floats, *, periods_per_year: int) -> float:
    """Compound return per year of `periods_per_year` returns, a fraction."""
    _need(returns, MIN_DAYS_ANNUAL)
    if not returns.min() > -1.0:
        raise MetricUndefined("equity reached zero or less, so it has no growth rate")
    growth = float(np.log1p(returns).sum()) * periods_per_year / returns.size
    return _finite(math.expm1(growth) if growth < 700.0 else math.inf)


def annual_volatility(returns: Floats, *, periods_per_year: int) -> float:
    """Sample standard deviation times the square root of the periods in a year, a fraction."""
    _need(returns, MIN_DAYS_RATIO)
    return float(np.std(returns, ddof=1)) * math.sqrt(periods_per_year)


def sharpe(returns: Floats, *, periods_per_year: int, risk_free: float = 0.0) -> float:
    """Annualized Sharpe ratio; `risk_free` is a yearly rate as a fraction."""
    excess = _excess(returns, periods_per_year=periods_per_year, risk_free=risk_free)
    return float(np.mean(excess)) / _deviation(excess) * math.sqrt(periods_per_year)


def sortino(returns: Floats, *, periods_per_year: int, risk_free: float = 0.0) -> float:
    """Annualized mean excess over the target semideviation (all returns counted)."""
    excess = _excess(returns, periods_per_year=periods_per_year, risk_free=risk_free)
    below = math.sqrt(float(np.mean(np.square(np.minimum(excess, 0.0)))))
    if not below > 1e-14:
        raise MetricUndefined("no return is below the target")
    return float(np.mean(excess)) / below * math.sqrt(periods_per_year)


def skew(returns: Floats) -> float:
    """Third standardized moment, population form."""
    _need(returns, MIN_DAYS_RATIO)
    return float(np.mean(np.power(_standardized(returns), 3)))


def excess_kurtosis(returns: Floats) -> float:
    """Fourth standardized moment minus 3, population form."""
    _need(returns, MIN_DAYS_RATIO)
    return float(np.mean(np.power(_standardized(returns), 4))) - 3.0


def value_at_risk(returns: Floats, *, tail: float) -> float:
    """Historical quantile at `tail` (0.05 for 95 %), a fraction, negative for a loss."""
    _need(returns, round(1.0 / tail))
    return float(np.percentile(returns, 100.0 * tail))


def conditional_value_at_risk(returns: Floats, *, tail: float) -> float:
    """Mean of the worst returns up to and including the `tail` quantile, a fraction."""
    _need(returns, round(1.0 / tail))
    worst = int((returns.size - 1) * tail) + 1
    return float(np.mean(np.sort(returns)[:worst]))


def tail_ratio(returns: Floats) -> float:
    """Size of the 95 % quantile over the size of the 5 % quantile."""
    _need(returns, 20)
    low = abs(float(np.percentile(returns, 5)))
    if not low > 1e-14:
        raise MetricUndefined("the 5 % quantile of the returns is zero")
    return abs(float(np.percentile(returns, 95))) / low


def drawdown(ts: Ints, values: Floats) -> Drawdown:
    """Deepest drawdown of a value series and the longest time under water.

    A drawdown lasts from its peak to the first row back at the peak, or to the last row.
    """
    if values.size == 0:
        raise MetricUndefined("there is no equity row")
    peaks = np.maximum.accumulate(values)
    if not float(peaks[0]) > 0.0:
        raise MetricUndefined("the first equity is zero or less")
    depth = values / peaks - 1.0
    trough = int(np.argmin(depth))
    at_peak = np.flatnonzero(values >= peaks)
    position = int(np.searchsorted(at_peak, trough, side="right"))
    peak = int(at_peak[position - 1])
    if depth[trough] >= 0.0:
        return Drawdown(0.0, int(ts[0]), int(ts[0]), int(ts[0]), 0, 0)
    recovered = int(ts[at_peak[position]]) if position < at_peak.size else None
    end = int(ts[-1]) if recovered is None else recovered
    spans = np.diff(ts[at_peak])[np.diff(at_peak) > 1]
    longest = max(int(spans.max(initial=0)), int(ts[-1] - ts[at_peak[-1]]))
    return Drawdown(
        float(depth[trough]),
        int(ts[peak]),
        int(ts[trough]),
        recovered,
        end - int(ts[peak]),
        longest,
    )


def beta(returns: Floats, benchmark: Floats) -> float:
    """Slope of the returns on the benchmark's returns."""
    _same(returns, benchmark)
    centered = benchmark - benchmark.mean()
    _deviation(benchmark)
    return float(np.mean(centered * (returns - returns.mean())) / np.mean(centered * centered))


def alpha(returns: Floats, benchmark: Floats, *, periods_per_year: int) -> float:
    """Mean return that beta does not explain, compounded over a year, a fraction."""
    rest = returns - beta(returns, benchmark) * benchmark
    return _finite(float((1.0 + rest.mean()) ** periods_per_year - 1.0))


def correlation(returns: Floats, benchmark: Floats) -> float:
    """Pearson correlation of the two return series."""
    _same(returns, benchmark)
    spread = float(np.mean((returns - returns.mean()) * (benchmark - benchmark.mean())))
    degrees = (returns.size - 1) / returns.size
    return spread / (_deviation(returns) * _deviation(benchmark) * degrees)


def information_ratio(returns: Floats, benchmark: Floats, *, periods_per_year: int) -> float:
    """Annualized mean of the active return over its standard deviation."""
    _same(returns, benchmark)
    active = returns - benchmark
    return float(active.mean()) / _deviation(active) * math.sqrt(periods_per_year)


def _excess(returns: Floats, *, periods_per_year: int, risk_free: float) -> Floats:
    _need(returns, MIN_DAYS_RATIO)
    return returns - math.expm1(math.log1p(risk_free) / periods_per_year)


def _standardized(returns: Floats) -> Floats:
    _deviation(returns)
    return np.asarray((returns - returns.mean()) / np.std(returns), dtype=np.float64)


def _deviation(returns: Floats) -> float:
    # A constant series leaves rounding noise as its deviation, never an exact zero.
    deviation = float(np.std(returns, ddof=1))
    if not deviation > 1e-14 * max(1.0, float(np.abs(returns).max())):
        raise MetricUndefined("the daily returns do not vary")
    return deviation


def _need(returns: Floats, count: int) -> None:
    if returns.size < count:
        raise MetricUndefined(f"{returns.size} daily returns, at least {count} are needed")


def _same(returns: Floats, benchmark: Floats) -> None:
    _need(returns, MIN_DAYS_RATIO)
    if returns.shape != benchmark.shape:
        raise MetricUndefined(
            f"{returns.size} returns and {benchmark.size} benchmark returns do not pair"
        )


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise MetricUndefined("the value is too large to state")
    return value
