"""The shift test: what is left of the Sharpe ratio when every decision comes one bar late."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import numpy as np

from interlock.research.backtest import RunOptions, run
from interlock.research.lookahead.features import RAISED
from interlock.research.lookahead.verdict import Outcome
from interlock.research.result import BacktestResult
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import Dataset

TEST = "shift by one bar"


def check_shift(
    make: Callable[[], Strategy | TargetStrategy], dataset: Dataset, options: RunOptions
) -> Outcome:
    """Sharpe as it is and one bar late. For information: a fast honest signal decays as well."""
    if not dataset.bars:
        return Outcome(test=TEST, status="skipped", tried="no bars to be late by")
    strategy = make()
    try:
        prompt = bar_sharpe(run(strategy, dataset, options))
        if isinstance(strategy, TargetStrategy):
            late = bar_sharpe(run(_made_late(strategy), dataset, options))
        else:
            step_ms = min(part.step_ns for part in dataset.bars) / 1e6
            slower = msgspec.structs.replace(options, order_latency_ms=step_ms)
            late = bar_sharpe(run(make(), dataset, slower))
    except RAISED as error:
        text = f"not available: {type(error).__name__}: {error}"
        return Outcome(test=TEST, status="skipped", tried=text)
    text = f"Sharpe ratio of bar returns {_say(prompt)} -> {_say(late)}"
    return Outcome(test=TEST, status="passed", tried=text)


def bar_sharpe(result: BacktestResult) -> float:
    """Yearly Sharpe ratio of the returns from row to row of the equity; NaN when it never moves.

    The reported metric is of daily returns, of which a bounded check has too few.
    """
    ts, equity = result.equity["ts"].to_numpy(), result.equity["equity"].to_numpy()
    if len(equity) < 3 or not (equity > 0).all():
        return math.nan
    returns = np.diff(equity) / equity[:-1]
    spread = float(returns.std())
    per_year = result.periods_per_year * 86_400e9 / float(np.median(np.diff(ts)))
    return float(returns.mean()) / spread * math.sqrt(per_year) if spread else math.nan


def _made_late(strategy: TargetStrategy) -> TargetStrategy:
    """The same strategy, which sees each row of its features one bar later."""
    kind = type(strategy)

    def features(self: TargetStrategy, bars: Any) -> Mapping[str, Any]:
        made = {}
        for name, values in kind.features(self, bars).items():
            column = np.asarray(values, dtype=np.float64)
            made[name] = np.concatenate([[np.nan], column[:-1]])
        return made

    strategy.__class__ = type(kind.__name__, (kind,), {"features": features})
    strategy.warmup += 1
    return strategy


def _say(value: float) -> str:
    return "undefined" if value != value else f"{value:.2f}"
