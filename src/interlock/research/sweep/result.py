"""What a sweep found, for notebooks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

from interlock.research.result import BacktestResult
from interlock.research.sweep.space import SweepError
from interlock.research.sweep.trial import METRICS


@dataclass(frozen=True)
class Verified:
    """One of the best trials, run again through the kernel; ``metrics`` are the kernel's.

    ``agrees`` says whether the compiled run gave the same result digest (True when the trial
    itself had run in the kernel). ``result`` is None where the sweep was loaded from disk.
    """

    number: int
    parameters: dict[str, Any]
    metrics: dict[str, Any]
    result_digest: str
    agrees: bool
    result: BacktestResult | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class SweepResult:
    """The trials of a sweep and the best of them.

    ``trials`` has one row for each trial, in order of number. ``search`` holds what the statistics
    need: the number of trials and the variance of their daily Sharpe ratios.
    """

    metric: str
    trials: pl.DataFrame
    top: tuple[Verified, ...]
    search: dict[str, float]
    config: dict[str, Any]
    folder: Path | None = None

    @property
    def best(self) -> Verified:
        """The best trial, with the kernel's numbers."""
        if not self.top:
            raise SweepError(f"no trial has a {self.metric}; see the reasons in .trials")
        return self.top[0]

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Columns of ``trials`` that are parameters."""
        others = {"number", "state", "path", "digest", "reason", *METRICS}
        return tuple(name for name in self.trials.columns if name not in others)

    def heatmap(self, rows: str = "", columns: str = "", metric: str = "") -> pl.DataFrame:
        """The best metric for each pair of values of two parameters, as a table.

        The first column is ``rows``; the others are named by the values of ``columns``.
        """
        metric = metric or self.metric
        names = self.parameter_names
        rows = rows or (names[0] if names else "")
        columns = columns or next((name for name in names if name != rows), "")
        for name in (rows, columns):
            if name not in names:
                raise SweepError(
                    f"a heat map needs two parameters; {name!r} is none of {', '.join(names)}"
                )
        if metric not in METRICS:
            raise SweepError(f"metric {metric!r} is not one of {', '.join(METRICS)}")
        best = pl.col(metric).max() if METRICS[metric] else pl.col(metric).min()
        cells = self.trials.group_by(rows, columns).agg(best).sort(columns, rows)
        table = cells.pivot(on=columns, index=rows, values=metric)
        return table.sort(rows)
