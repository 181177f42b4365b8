"""Hold everything one backtest produced."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl


@dataclass(frozen=True, slots=True)
class BacktestResult:
    """Frames, costs, metrics and digests of one run; money in `currency`, times in ns UTC.

    `costs` has fees, slippage, funding, rebates and borrow, a cost positive. `periods_per_year` is
    365 for round-the-clock instruments and 252 for sessions. `bars` is a down-sampled price frame.
    """

    config: Mapping[str, Any]
    synthetic: bool
    data_digest: str
    currency: str
    initial_equity: float
    periods_per_year: int
    orders: pl.DataFrame
    fills: pl.DataFrame
    equity: pl.DataFrame
    round_trips: pl.DataFrame
    bars: pl.DataFrame
    costs: Mapping[str, float]
    metrics: Mapping[str, Any]
    counters: Mapping[str, int]
    journal_digest: str
    result_digest: str
