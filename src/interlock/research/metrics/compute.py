"""Compute all metrics of one run from its frames."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from interlock.research import statistics
from interlock.research.metrics import series
from interlock.research.metrics.definitions import DEFINITIONS
from interlock.research.metrics.series import Floats, MetricUndefined

_HOUR_NS = 3_600_000_000_000
_COST_NAMES = ("fees", "rebates", "slippage", "funding", "borrow")


@dataclass(frozen=True, slots=True)
class Search:
    """The search a run was chosen from: trials and the variance of their daily Sharpe ratios."""

    trials: int
    sharpe_variance: float


@dataclass(frozen=True, slots=True)
class Source:
    """What the metrics are computed from; frames as in a result, money in account currency.

    `benchmark` has `ts` (ns UTC, when the price held) and `price`, oldest first; `risk_free` is a
    yearly rate as a fraction.
    """

    equity: pl.DataFrame
    fills: pl.DataFrame
    round_trips: pl.DataFrame
    initial_equity: float
    periods_per_year: int
    costs: Mapping[str, float] = field(default_factory=dict)
    benchmark: pl.DataFrame | None = None
    search: Search | None = None
    risk_free: float = 0.0


class _Sheet:
    def __init__(self) -> None:
        self.values: dict[str, float | None] = {}
        self.reasons: dict[str, str] = {}

    def put(self, name: str, measure: Callable[[], float]) -> None:
        assert name in DEFINITIONS, name
        try:
            value = float(measure())
        except MetricUndefined as reason:
            self.fail(name, str(reason))
            return
        if math.isfinite(value):
            self.values[name] = value
        else:
            self.fail(name, "the value is not finite on these data")

    def fail(self, name: str, reason: str) -> None:
        self.values[name] = None
        self.reasons[name] = reason


def compute(source: Source) -> dict[str, Any]:
    """All metrics by name, each a float or None, and under `reasons` why a value is None.

    The names, units and formulas are in DEFINITIONS; fractions are not percent.
    """
    sheet = _Sheet()
    days = _series(source)
    _put_returns(sheet, source, days)
    _put_risk(sheet, source, days)
    _put_drawdown(sheet, source)
    _put_trades(sheet, source, days)
    _put_activity(sheet, source, days)
    _put_costs(sheet, source)
    _put_benchmark(sheet, source, days)
    _put_significance(sheet, source, days)
    ordered: dict[str, Any] = {name: sheet.values[name] for name in DEFINITIONS}
    ordered["reasons"] = {name: text for name, text in sheet.reasons.items()}
    return ordered


def _series(source: Source) -> pl.DataFrame | MetricUndefined:
    try:
        return series.daily_returns(
            source.equity,
            periods_per_year=source.periods_per_year,
            initial=source.initial_equity,
        )
    except MetricUndefined as reason:
        return reason


def _values(days: pl.DataFrame | MetricUndefined) -> Floats:
    if isinstance(days, MetricUndefined):
        raise days
    return days["value"].to_numpy()


def _count(days: pl.DataFrame | MetricUndefined) -> int:
    if isinstance(days, MetricUndefined) or days.height == 0:
        raise MetricUndefined("there are no daily returns")
    return days.height


def _put_returns(sheet: _Sheet, source: Source, days: pl.DataFrame | MetricUndefined) -> None:
    year = source.periods_per_year

    def some() -> Floats:
        values = _values(days)
        if values.size == 0:
            raise MetricUndefined("there is no equity row")
        return values

    def months() -> pl.Series:
        some()
        assert isinstance(days, pl.DataFrame)
        return series.monthly_returns(days)["value"]

    sheet.put("total_return", lambda: _total_return(source))
    sheet.put("cagr", lambda: series.cagr(_values(days), periods_per_year=year))
    sheet.put(
        "annual_volatility", lambda: series.annual_volatility(_values(days), periods_per_year=year)
    )
    sheet.put("best_day", lambda: float(some().max()))
    sheet.put("worst_day", lambda: float(some().min()))
    sheet.put("best_month", lambda: _number(months().max()))
    sheet.put("worst_month", lambda: _number(months().min()))
    sheet.put("positive_days", lambda: float(np.mean(some() > 0.0)))
    sheet.put("skew", lambda: series.skew(_values(days)))
    sheet.put("kurtosis", lambda: series.excess_kurtosis(_values(days)))


def _total_return(source: Source) -> float:
    # From the equity itself: a run that lost everything still has a total return.
    known = source.equity["equity"].filter(source.equity["equity"].is_finite())
    if known.is_empty():
        raise MetricUndefined("there is no equity row")
    return _number(known[-1]) / source.initial_equity - 1.0


def _put_risk(sheet: _Sheet, source: Source, days: pl.DataFrame | MetricUndefined) -> None:
    year, free = source.periods_per_year, source.risk_free
    sheet.put("sharpe", lambda: series.sharpe(_values(days), periods_per_year=year, risk_free=free))
    sheet.put(
        "sortino", lambda: series.sortino(_values(days), periods_per_year=year, risk_free=free)
    )
    for name, tail in (("95", 0.05), ("99", 0.01)):
        sheet.put(f"var_{name}", partial(_tail, days, series.value_at_risk, tail))
        sheet.put(f"cvar_{name}", partial(_tail, days, series.conditional_value_at_risk, tail))
    sheet.put("tail_ratio", lambda: series.tail_ratio(_values(days)))
    sheet.put("max_drawdown_daily", lambda: _daily_drawdown(_values(days)))


def _tail(
    days: pl.DataFrame | MetricUndefined, measure: Callable[..., float], tail: float
) -> float:
    return measure(_values(days), tail=tail)


def _daily_drawdown(returns: Floats) -> float:
    if returns.size == 0:
        raise MetricUndefined("there is no equity row")
    curve = np.concatenate((np.ones(1), np.cumprod(1.0 + returns)))
    return series.drawdown(np.arange(curve.size, dtype=np.int64), curve).depth


def _put_drawdown(sheet: _Sheet, source: Source) -> None:
    names = ("max_drawdown", "max_drawdown_days", "longest_drawdown_days", "calmar")
    known = source.equity.select("ts", "equity").filter(pl.col("equity").is_finite())
    if known.is_empty():
        for name in names:
            sheet.fail(name, "there is no equity row")
        return
    ts, values = known["ts"].to_numpy(), known["equity"].to_numpy()
    start = np.array([source.initial_equity])
    fall = series.drawdown(np.concatenate((ts[:1], ts)), np.concatenate((start, values)))
    sheet.put("max_drawdown", lambda: fall.depth)
    sheet.put("max_drawdown_days", lambda: fall.length_ns / series.DAY_NS)
    sheet.put("longest_drawdown_days", lambda: fall.longest_ns / series.DAY_NS)
    growth = sheet.values["cagr"]
    if growth is None:
        sheet.fail("calmar", sheet.reasons["cagr"])
    elif fall.depth < 0.0:
        sheet.put("calmar", lambda: growth / -fall.depth)
    else:
        sheet.fail("calmar", "there is no drawdown")


def _put_trades(sheet: _Sheet, source: Source, days: pl.DataFrame | MetricUndefined) -> None:
    closed = source.round_trips.filter(~pl.col("is_open"))
    profit = closed["pnl"].to_numpy()
    wins, losses = profit[profit > 0.0], profit[profit < 0.0]
    sheet.put("trades", lambda: profit.size)
    sheet.put("hit_rate", lambda: wins.size / _some(profit).size)
    sheet.put("expectancy", lambda: _some(profit).mean())
    sheet.put("average_win", lambda: _some(wins, "winning").mean())
    sheet.put("average_loss", lambda: _some(losses, "losing").mean())
    sheet.put("largest_win", lambda: _some(wins, "winning").max())
    sheet.put("largest_loss", lambda: _some(losses, "losing").min())
    sheet.put("profit_factor", lambda: wins.sum() / -_some(losses, "losing").sum())
    sheet.put("trades_per_day", lambda: profit.size / _count(days))
    sheet.put(
        "average_holding_hours",
        lambda: _some(closed["bars_held_ns"].to_numpy()).mean() / _HOUR_NS,
    )
    _put_open_profit(sheet, source)


def _put_open_profit(sheet: _Sheet, source: Source) -> None:
    if source.equity.is_empty():
        sheet.fail("open_profit", "there is no equity row")
        sheet.fail("open_profit_share", "there is no equity row")
        return
    last = source.equity.row(-1, named=True)
    total = float(last["equity"]) - source.initial_equity
    sheet.put("open_profit", lambda: float(last["unrealized"]))
    if abs(total) < 1e-9 * source.initial_equity:
        sheet.fail("open_profit_share", "the run made neither profit nor loss")
    else:
        sheet.put("open_profit_share", lambda: float(last["unrealized"]) / total)


def _put_activity(sheet: _Sheet, source: Source, days: pl.DataFrame | MetricUndefined) -> None:
    names = ("time_in_market", "average_exposure", "average_gross_exposure", "max_gross_exposure")
    equity = source.equity.filter(pl.col("equity") > 0.0)
    if equity.is_empty():
        for name in (*names, "turnover", "turnover_per_year"):
            sheet.fail(name, "there is no equity row")
        return
    ts, values = equity["ts"].to_numpy(), equity["equity"].to_numpy()
    weights = np.diff(ts).astype(np.float64) if ts.size > 1 else np.ones(1)
    rows = weights.size
    gross_notional = equity["gross_notional"].to_numpy()
    gross = gross_notional / values

    def mean(column: Floats) -> float:
        total = float(weights.sum())
        if not total > 0.0:
            raise MetricUndefined("all equity rows have the same time")
        # Not a dot product: its threads cost more than they save, and sum in an order of their own.
        return float((column[:rows] * weights).sum()) / total

    def turnover() -> float:
        return float(source.fills["notional"].abs().sum()) / mean(values)

    sheet.put("time_in_market", lambda: mean((gross_notional > 0.0).astype(np.float64)))
    sheet.put("average_exposure", lambda: mean(equity["exposure"].to_numpy()))
    sheet.put("average_gross_exposure", lambda: mean(gross))
    sheet.put("max_gross_exposure", lambda: float(gross.max()))
    sheet.put("turnover", turnover)
    sheet.put("turnover_per_year", lambda: turnover() * source.periods_per_year / _count(days))


def _put_costs(sheet: _Sheet, source: Source) -> None:
    costs = {name: float(source.costs.get(name, 0.0)) for name in _COST_NAMES}
    # Rebates are money received; either sign in the input means the same.
    costs["rebates"] = abs(costs["rebates"])
    total = sum(costs.values()) - 2.0 * costs["rebates"]
    for name, value in costs.items():
        sheet.put(name, partial(float, value))
    sheet.put("costs_total", lambda: total)
    notional = float(source.fills["notional"].abs().sum())
    if notional > 0.0:
        sheet.put("costs_per_notional_bps", lambda: total / notional * 10_000.0)
    else:
        sheet.fail("costs_per_notional_bps", "there is no fill")


def _put_benchmark(sheet: _Sheet, source: Source, days: pl.DataFrame | MetricUndefined) -> None:
    year = source.periods_per_year

    def pair() -> tuple[Floats, Floats]:
        _values(days)
        assert isinstance(days, pl.DataFrame)
        return benchmark_pair(days, source.benchmark, periods_per_year=year)

    sheet.put("benchmark_return", lambda: series.total_return(pair()[1]))
    sheet.put("alpha", lambda: series.alpha(*pair(), periods_per_year=year))
    sheet.put("beta", lambda: series.beta(*pair()))
    sheet.put("correlation", lambda: series.correlation(*pair()))
    sheet.put("information_ratio", lambda: series.information_ratio(*pair(), periods_per_year=year))


def benchmark_pair(
    days: pl.DataFrame, benchmark: pl.DataFrame | None, *, periods_per_year: int
) -> tuple[Floats, Floats]:
    """Daily returns of the run and of the benchmark on the days that both have.

    The benchmark's first day counts from its first price. Raises MetricUndefined without one.
    """
    if benchmark is None or benchmark.is_empty():
        raise MetricUndefined("there is no benchmark price")
    held = series.daily_returns(
        benchmark,
        periods_per_year=periods_per_year,
        initial=_number(benchmark["price"][0]),
        column="price",
    )
    both = days.join(held, on="day", how="inner", suffix="_benchmark", maintain_order="left")
    if both.is_empty():
        raise MetricUndefined("the benchmark has no day in common with the run")
    return both["value"].to_numpy(), both["value_benchmark"].to_numpy()


def _put_significance(sheet: _Sheet, source: Source, days: pl.DataFrame | MetricUndefined) -> None:
    year = math.sqrt(source.periods_per_year)
    sheet.put("days", lambda: _count(days))
    dependent = ("probabilistic_sharpe", "minimum_track_record_days", "deflated_sharpe")
    ratio, third, fourth = (sheet.values[name] for name in ("sharpe", "skew", "kurtosis"))
    search = source.search
    if search is None:
        for name in ("trials", "expected_maximum_sharpe", "deflated_sharpe"):
            sheet.fail(name, "the run does not come from a sweep")
    else:
        best = statistics.expected_maximum_sharpe(search.trials, search.sharpe_variance)
        sheet.put("trials", lambda: search.trials)
        sheet.put("expected_maximum_sharpe", lambda: best * year)
    if ratio is None or third is None or fourth is None:
        for name in dependent:
            sheet.fail(name, sheet.reasons.get("sharpe") or sheet.reasons["skew"])
        return
    daily, raw, length = ratio / year, fourth + 3.0, _count(days)

    def deflated(threshold: float) -> float:
        return statistics.probabilistic_sharpe(
            daily, length=length, skew=third, kurtosis=raw, threshold=threshold
        )

    sheet.put("probabilistic_sharpe", lambda: deflated(0.0))
    if daily > 0.0:
        sheet.put(
            "minimum_track_record_days",
            lambda: statistics.minimum_track_record_length(daily, skew=third, kurtosis=raw),
        )
    else:
        sheet.fail("minimum_track_record_days", "the Sharpe ratio is not above 0")
    if search is not None:
        sheet.put("deflated_sharpe", lambda: deflated(best))


def _some(values: Floats, which: str = "closed") -> Floats:
    if values.size == 0:
        raise MetricUndefined(f"there is no {which} round trip")
    return values


def _number(value: Any) -> float:
    return float(value)
