"""One trial: a set of parameters run compiled where that is possible, else through the kernel."""

from __future__ import annotations

import functools
import hashlib
import math
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from interlock.model.units import MONEY_SCALE
from interlock.research import compiled
from interlock.research.backtest import run as run_kernel
from interlock.research.metrics import MetricUndefined, series
from interlock.research.options import RunOptions
from interlock.research.result import BacktestResult
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import Dataset
from interlock.strategy.indicators.memo import ColumnMemo, memoized

Floats = NDArray[np.float64]
AnyStrategy = Strategy | TargetStrategy

# Metrics of a trial, and whether a larger value is better.
METRICS: Mapping[str, bool] = {
    "sharpe": True,
    "sortino": True,
    "calmar": True,
    "total_return": True,
    "cagr": True,
    "final_equity": True,
    "max_drawdown": True,  # A fraction at or below 0.
    "annual_volatility": False,
    "fees": False,
    "funding": False,
    "traded_notional": False,
    "fills": False,
}


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """What one trial tried and what came of it.

    ``state`` is completed, pruned (the metric has no value on it) or failed; ``path`` is compiled
    or kernel. Metrics are None where undefined.
    """

    number: int
    parameters: dict[str, Any]
    state: str
    reason: str = ""
    path: str = ""
    metrics: dict[str, float | None] = {}
    digest: str = ""


@dataclass(frozen=True)
class Task:
    """What every trial of a sweep has in common; goes to worker processes as it is."""

    strategy: type[AnyStrategy]
    fixed: Mapping[str, Any]
    dataset: Dataset
    options: RunOptions
    metric: str

    def build(self, parameters: Mapping[str, Any]) -> AnyStrategy:
        """A strategy with its parameters."""
        return self.strategy(**{**self.fixed, **parameters})


@dataclass(frozen=True)
class Shared:
    """What trials in threads share: the prepared market and the computed columns."""

    market: compiled.Market
    memo: ColumnMemo


def run_trial(
    number: int, parameters: Mapping[str, Any], task: Task, *, shared: Shared | None = None
) -> Trial:
    """Run one trial; an error of the strategy makes a failed trial that names its line."""
    plain = dict(parameters)
    try:
        path, metrics, digest, reason = _measure(task.build(plain), task, shared)
    except Exception as error:  # noqa: BLE001 - the author's code may raise anything
        return Trial(number=number, parameters=plain, state="failed", reason=blame(error))
    score = metrics.get(task.metric)
    return Trial(
        number=number,
        parameters=plain,
        state="completed" if score is not None else "pruned",
        reason=reason if score is not None else f"{task.metric} is undefined: {reason}",
        path=path,
        metrics=metrics,
        digest=digest,
    )


def score(trial: Trial, metric: str) -> float | None:
    """The metric of a trial so that larger is better; None without one."""
    value = trial.metrics.get(metric)
    if trial.state != "completed" or value is None:
        return None
    return value if METRICS[metric] else -value


def blame(error: BaseException) -> str:
    """The error with the last line of the author's code that led to it."""
    text = f"{type(error).__name__}: {error}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/interlock/" not in frame.filename.replace("\\", "/")]
    own = [frame for frame in own if "/site-packages/" not in frame.filename]
    if not own:
        return text
    last = own[-1]
    return f"{text} ({last.filename}:{last.lineno}: {last.line})"


Measured = tuple[str, dict[str, float | None], str, str]


def _measure(strategy: AnyStrategy, task: Task, shared: Shared | None) -> Measured:
    reason = ""
    if shared is not None and isinstance(strategy, TargetStrategy):
        try:
            with memoized(shared.memo):
                outcome = compiled.run(strategy, shared.market, keep=False)
            metrics, reason = compiled_metrics(outcome, shared.market, task.options)
            return "compiled", metrics, _digest(outcome), reason
        except compiled.NeedsKernel as needed:
            reason = f"kernel: {needed}"
    result = run_kernel(strategy, task.dataset, task.options)
    metrics = kernel_metrics(result)
    undefined = result.metrics.get("reasons", {}).get(task.metric, "")
    return "kernel", metrics, result.result_digest, undefined or reason


def kernel_metrics(result: BacktestResult) -> dict[str, float | None]:
    """The metrics of a trial from a whole result."""
    last = float(result.equity["equity"][-1])
    return {
        **{name: result.metrics.get(name) for name in METRICS if name in result.metrics},
        "final_equity": last,
        "fees": result.costs["fees"] + result.costs["rebates"],
        "funding": result.costs["funding"],
        "traded_notional": float(result.fills["notional"].sum()),
        "fills": float(result.fills.height),
    }


def compiled_metrics(
    outcome: compiled.Outcome, market: compiled.Market, options: RunOptions
) -> tuple[dict[str, float | None], str]:
    """The metrics of a trial from a compiled run, and why the undefined ones are."""
    year = 365 if market.instrument.calendar == "24/7" else 252
    found: dict[str, float | None] = {
        "total_return": outcome.final_equity / options.cash - 1.0,
        "final_equity": outcome.final_equity,
        "max_drawdown": -outcome.max_drawdown,
        "fees": outcome.fees / MONEY_SCALE,
        "funding": -outcome.funding / MONEY_SCALE,
        "traded_notional": outcome.turnover,
        "fills": float(outcome.fill_count),
    }
    reasons: list[str] = []
    daily = functools.cache(lambda: _returns(outcome, options.cash, year))

    def put(name: str, measure: Callable[[Floats], float]) -> None:
        try:
            found[name] = measure(daily())
        except MetricUndefined as reason:
            found[name] = None
            reasons.append(str(reason))

    free = options.risk_free
    put("sharpe", lambda r: series.sharpe(r, periods_per_year=year, risk_free=free))
    put("sortino", lambda r: series.sortino(r, periods_per_year=year, risk_free=free))
    put("cagr", lambda r: series.cagr(r, periods_per_year=year))
    put("annual_volatility", lambda r: series.annual_volatility(r, periods_per_year=year))
    growth = found["cagr"]
    fall = outcome.max_drawdown
    found["calmar"] = growth / fall if growth is not None and fall > 0.0 else None
    return found, reasons[0] if reasons else ""


def _returns(outcome: compiled.Outcome, cash: float, year: int) -> Floats:
    values = outcome.daily / MONEY_SCALE
    if year == 365 and len(values) > 1:
        # Days without a bar carry the last value forward.
        numbers = outcome.day_numbers
        every = np.arange(numbers[0], numbers[-1] + 1)
        values = values[np.searchsorted(numbers, every, "right") - 1]
    before = np.concatenate(([cash], values[:-1]))
    if not float(before.min()) > 0.0:
        raise MetricUndefined("equity reached zero or less, so later returns have no meaning")
    returns: Floats = values / before - 1.0
    return returns


def _digest(outcome: compiled.Outcome) -> str:
    """A digest of a trial that kept no rows: daily equity and what is left."""
    left = [outcome.wallet, outcome.quantity, outcome.cost, outcome.fees, outcome.fill_count]
    values = np.concatenate((outcome.daily, np.array(left, dtype=np.int64)))
    return hashlib.sha256(values.astype("<i8").tobytes()).hexdigest()


def is_finite(value: float | None) -> bool:
    """Whether a metric is a number."""
    return value is not None and math.isfinite(value)
