"""Measure a run: return series, trades, activity, costs and significance, with definitions."""

from interlock.research.metrics.compute import Search, Source, benchmark_pair, compute
from interlock.research.metrics.definitions import DEFINITIONS, Definition
from interlock.research.metrics.series import (
    Drawdown,
    MetricUndefined,
    annual_volatility,
    cagr,
    daily_equity,
    daily_returns,
    drawdown,
    monthly_returns,
    rolling,
    sharpe,
    sortino,
    total_return,
)

__all__ = [
    "DEFINITIONS",
    "Definition",
    "Drawdown",
    "MetricUndefined",
    "Search",
    "Source",
    "annual_volatility",
    "benchmark_pair",
    "cagr",
    "compute",
    "daily_equity",
    "daily_returns",
    "drawdown",
    "monthly_returns",
    "rolling",
    "sharpe",
    "sortino",
    "total_return",
]
