"""Metrics: agreement with the reference library, day boundaries, and honest gaps."""

from typing import Any

import empyrical
import numpy as np
import polars as pl
import pytest
from scipy import stats

from interlock.research import metrics
from interlock.research.metrics import DEFINITIONS, MetricUndefined, Search, Source, series

DAY = metrics.series.DAY_NS
START = 1_704_067_200_000_000_000  # 2024-01-01 UTC


def equity_frame(values: np.ndarray, *, step: int = DAY, start: int = START) -> pl.DataFrame:
    count = values.size
    return pl.DataFrame(
        {
            "ts": start + step * np.arange(1, count + 1, dtype=np.int64),
            "equity": values,
            "cash": values,
            "unrealized": np.zeros(count),
            "exposure": np.zeros(count),
            "gross_notional": np.zeros(count),
        }
    )


def no_fills() -> pl.DataFrame:
    return pl.DataFrame(schema={"ts": pl.Int64, "notional": pl.Float64})


def trips(profits: list[float], *, is_open: list[bool] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "pnl": profits,
            "is_open": is_open or [False] * len(profits),
            "bars_held_ns": [3_600_000_000_000] * len(profits),
        },
        schema={"pnl": pl.Float64, "is_open": pl.Boolean, "bars_held_ns": pl.Int64},
    )


def source(values: np.ndarray, **changes: Any) -> Source:
    given: dict[str, Any] = {
        "equity": equity_frame(values),
        "fills": no_fills(),
        "round_trips": trips([]),
        "initial_equity": 100.0,
        "periods_per_year": 365,
    }
    return Source(**(given | changes))


def daily(seed: int, count: int = 700) -> np.ndarray:
    return np.random.default_rng(seed).standard_t(4, count) * 0.012 + 0.0006


def curve(returns: np.ndarray, initial: float = 100.0) -> np.ndarray:
    return initial * np.cumprod(1.0 + returns)


@pytest.mark.parametrize("year", [252, 365])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_metrics_agree_with_empyrical(year: int, seed: int) -> None:
    values = curve(daily(seed))
    got = metrics.compute(source(values, periods_per_year=year, risk_free=0.02))
    returns = np.diff(values, prepend=100.0) / np.concatenate(([100.0], values[:-1]))
    free = 1.02 ** (1.0 / year) - 1.0
    expected = {
        "total_return": empyrical.cum_returns_final(returns),
        "cagr": empyrical.cagr(returns, annualization=year),
        "annual_volatility": empyrical.annual_volatility(returns, annualization=year),
        "sharpe": empyrical.sharpe_ratio(returns, risk_free=free, annualization=year),
        "sortino": empyrical.sortino_ratio(returns, required_return=free, annualization=year),
        "max_drawdown_daily": empyrical.max_drawdown(returns),
        "max_drawdown": empyrical.max_drawdown(returns),
        "calmar": empyrical.calmar_ratio(returns, annualization=year),
        "var_95": empyrical.value_at_risk(returns, 0.05),
        "var_99": empyrical.value_at_risk(returns, 0.01),
        "cvar_95": empyrical.conditional_value_at_risk(returns, 0.05),
        "cvar_99": empyrical.conditional_value_at_risk(returns, 0.01),
        "tail_ratio": empyrical.tail_ratio(returns),
        "skew": stats.skew(returns),
        "kurtosis": stats.kurtosis(returns),
    }
    assert {name: got[name] for name in expected} == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("year", [252, 365])
def test_benchmark_metrics_agree_with_empyrical(year: int) -> None:
    values, prices = curve(daily(4)), curve(daily(5), 40.0)
    frame = equity_frame(prices).select("ts", price="equity")
    opening = pl.DataFrame({"ts": [START + 1], "price": [40.0]})
    got = metrics.compute(
        source(values, periods_per_year=year, benchmark=pl.concat([opening, frame]))
    )
    own = np.diff(values, prepend=100.0) / np.concatenate(([100.0], values[:-1]))
    held = np.diff(prices, prepend=40.0) / np.concatenate(([40.0], prices[:-1]))
    alpha, beta = empyrical.alpha_beta_aligned(own, held, annualization=year)
    expected = {
        "alpha": alpha,
        "beta": beta,
        "information_ratio": empyrical.excess_sharpe(own, held) * np.sqrt(year),
        "correlation": np.corrcoef(own, held)[0, 1],
        "benchmark_return": empyrical.cum_returns_final(held),
    }
    assert {name: got[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_monthly_returns_agree_with_empyrical() -> None:
    returns = pl.DataFrame(
        {
            "day": pl.date_range(pl.date(2023, 3, 5), pl.date(2025, 1, 9), eager=True),
        }
    ).with_columns(value=pl.Series(daily(6, 677)))
    pandas = pytest.importorskip("pandas")
    indexed = pandas.Series(
        returns["value"].to_numpy(), index=pandas.DatetimeIndex(returns["day"].to_list())
    )
    expected = empyrical.aggregate_returns(indexed, "monthly")
    got = metrics.monthly_returns(returns)
    keys = [(row["year"], row["month"]) for row in got.iter_rows(named=True)]
    assert keys == list(expected.index)
    assert got["value"].to_list() == pytest.approx(expected.to_list(), rel=1e-9)


def test_a_row_at_midnight_closes_the_day_before() -> None:
    frame = pl.DataFrame(
        {"ts": [START + DAY - 1, START + DAY, START + DAY + 1], "equity": [1.0, 2.0, 3.0]}
    )
    days = metrics.daily_equity(frame, periods_per_year=365)
    assert [str(day) for day in days["day"]] == ["2024-01-01", "2024-01-02"]
    assert days["value"].to_list() == [2.0, 3.0]


def test_missing_days_count_for_round_the_clock_instruments_only() -> None:
    frame = pl.DataFrame({"ts": [START + DAY, START + 4 * DAY], "equity": [100.0, 110.0]})
    assert metrics.daily_equity(frame, periods_per_year=365).height == 4
    assert metrics.daily_equity(frame, periods_per_year=252).height == 2


def test_drawdown_is_measured_on_every_row_with_its_length() -> None:
    ts = np.array([0, 1, 2, 3, 4, 5, 6], dtype=np.int64)
    fall = metrics.drawdown(ts, np.array([100.0, 120.0, 90.0, 110.0, 120.0, 119.0, 118.0]))
    assert fall.depth == pytest.approx(-0.25)
    assert (fall.peak_ts, fall.trough_ts, fall.recovered_ts) == (1, 2, 4)
    assert (fall.length_ns, fall.longest_ns) == (3, 3)


def test_a_drawdown_that_lasts_ends_at_the_last_row() -> None:
    ts = np.array([0, 10, 20, 30], dtype=np.int64)
    fall = metrics.drawdown(ts, np.array([100.0, 50.0, 60.0, 70.0]))
    assert fall.recovered_ts is None
    assert (fall.length_ns, fall.longest_ns) == (30, 30)


def test_drawdown_inside_a_day_is_seen_only_by_the_event_metric() -> None:
    values = np.tile([100.0, 60.0, 101.0, 101.0], 10) + np.repeat(np.arange(10.0), 4)
    got = metrics.compute(source(values, equity=equity_frame(values, step=DAY // 4)))
    assert got["max_drawdown"] == pytest.approx(-0.4)
    assert got["max_drawdown_daily"] == 0.0


@pytest.mark.parametrize(
    ("values", "name", "reason"),
    [
        (np.array([]), "total_return", "no equity row"),
        (np.full(3, 101.0), "sharpe", "at least 10"),
        (np.full(60, 100.0), "sharpe", "do not vary"),
        (np.full(60, 100.0), "calmar", "no drawdown"),
        (np.full(60, 100.0), "profit_factor", "no losing"),
        (np.full(60, 100.0), "hit_rate", "no closed"),
        (np.full(60, 100.0), "var_99", "at least 100"),
        (np.full(60, 100.0), "alpha", "no benchmark"),
        (np.full(60, 100.0), "deflated_sharpe", "do not vary"),
        (curve(np.full(60, 0.01)), "sortino", "below the target"),
        (np.concatenate((np.full(30, 100.0), np.full(30, -5.0))), "cagr", "zero or less"),
        (np.concatenate((np.full(30, 100.0), np.full(30, -5.0))), "sharpe", "zero or less"),
    ],
)
def test_what_cannot_be_computed_is_none_with_a_reason(
    values: np.ndarray, name: str, reason: str
) -> None:
    got = metrics.compute(source(values))
    assert got[name] is None
    assert reason in got["reasons"][name]


@pytest.mark.parametrize(
    "values", [np.array([]), np.full(1, 100.0), np.full(5, -1.0), np.full(400, 100.0)]
)
def test_every_metric_is_a_finite_number_or_has_a_reason(values: np.ndarray) -> None:
    got = metrics.compute(source(values))
    assert list(got)[:-1] == list(DEFINITIONS)
    for name in DEFINITIONS:
        if got[name] is None:
            assert got["reasons"][name]
        else:
            assert np.isfinite(got[name])
            assert name not in got["reasons"]


def test_a_lost_account_still_has_a_total_return_and_a_drawdown() -> None:
    got = metrics.compute(source(np.array([100.0, 50.0, -10.0])))
    assert got["total_return"] == pytest.approx(-1.1)
    assert got["max_drawdown"] == pytest.approx(-1.1)


def test_round_trips_count_only_when_closed() -> None:
    frame = trips([10.0, -5.0, 30.0, -5.0, 99.0], is_open=[False] * 4 + [True])
    got = metrics.compute(source(np.full(40, 100.0), round_trips=frame))
    expected = {
        "trades": 4.0,
        "hit_rate": 0.5,
        "profit_factor": 4.0,
        "expectancy": 7.5,
        "average_win": 20.0,
        "average_loss": -5.0,
        "largest_win": 30.0,
        "largest_loss": -5.0,
        "trades_per_day": 0.1,
        "average_holding_hours": 1.0,
    }
    assert {name: got[name] for name in expected} == pytest.approx(expected)


def test_activity_is_weighted_by_time() -> None:
    frame = pl.DataFrame(
        {
            "ts": [START, START + DAY, START + 4 * DAY],
            "equity": [100.0, 100.0, 100.0],
            "unrealized": [0.0, 0.0, 7.0],
            "exposure": [-0.5, 0.0, 0.0],
            "gross_notional": [50.0, 0.0, 0.0],
        }
    )
    fills = pl.DataFrame({"ts": [START, START], "notional": [50.0, 50.0]})
    got = metrics.compute(source(np.array([]), equity=frame, fills=fills))
    assert got["time_in_market"] == pytest.approx(0.25)
    assert got["average_exposure"] == pytest.approx(-0.125)
    assert got["average_gross_exposure"] == pytest.approx(0.125)
    assert got["max_gross_exposure"] == pytest.approx(0.5)
    assert got["turnover"] == pytest.approx(1.0)
    assert got["open_profit"] == pytest.approx(7.0)


@pytest.mark.parametrize("rebate", [2.0, -2.0])
def test_rebates_reduce_the_costs_whatever_their_sign(rebate: float) -> None:
    costs = {"fees": 10.0, "rebates": rebate, "slippage": 3.0, "funding": -1.0, "borrow": 0.5}
    fills = pl.DataFrame({"ts": [START], "notional": [21_000.0]})
    got = metrics.compute(source(np.full(40, 100.0), costs=costs, fills=fills))
    assert got["costs_total"] == pytest.approx(10.5)
    assert got["costs_per_notional_bps"] == pytest.approx(5.0)


def test_a_run_from_a_sweep_has_a_deflated_sharpe_ratio() -> None:
    values = curve(daily(8))
    alone = metrics.compute(source(values))
    searched = metrics.compute(source(values, search=Search(100, 0.002)))
    assert alone["deflated_sharpe"] is None
    assert searched["trials"] == 100
    assert searched["deflated_sharpe"] < searched["probabilistic_sharpe"]


def test_rolling_values_end_in_the_plain_ones() -> None:
    returns = daily(9, 90)
    ratio, volatility = metrics.rolling(returns, window=60, periods_per_year=365)
    assert np.isnan(ratio[58])
    assert not np.isnan(ratio[59])
    assert ratio[-1] == pytest.approx(metrics.sharpe(returns[-60:], periods_per_year=365))
    assert volatility[-1] == pytest.approx(
        metrics.annual_volatility(returns[-60:], periods_per_year=365)
    )


def test_a_series_that_does_not_pair_is_refused() -> None:
    with pytest.raises(MetricUndefined, match="do not pair"):
        series.beta(np.ones(20), np.ones(21))
