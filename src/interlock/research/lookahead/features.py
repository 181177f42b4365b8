"""The columns of a target strategy on prefixes, on poisoned futures and on later starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.research.lookahead.source import StrategySource
from interlock.research.lookahead.verdict import Finding, Outcome, judged
from interlock.research.target_runner import FeatureBars, feature_columns
from interlock.strategy.api import TargetStrategy
from interlock.strategy.columns import BarColumns

Floats = NDArray[np.float64]
Variant = tuple[int, Callable[[], Mapping[str, Floats]]]
ROUNDING = 1e-9  # a relative difference up to here is arithmetic, not knowledge
# What an author's code may raise on data that are shorter or stranger than expected.
RAISED = (
    ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RuntimeError,
    AssertionError, NotImplementedError,
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """Where a column first differs before a cut, where it last does, and by how much at most."""

    column: str
    cut: int
    first: int
    last: int
    largest: float
    relative: float
    before: float
    after: float


def columns_of(make: Callable[[], TargetStrategy], bars: BarColumns) -> dict[str, Floats]:
    """The features of a fresh strategy over bars; strange data are no reason for warnings."""
    with np.errstate(all="ignore"):
        return feature_columns(make(), FeatureBars(bars))


def differences(
    full: Mapping[str, Floats], other: Mapping[str, Floats], cut: int
) -> Iterable[Difference]:
    """The columns that differ on the rows before ``cut``, bit for bit (NaN equals NaN)."""
    for name in sorted(set(full) | set(other)):
        if name not in full or name not in other:
            known = full.get(name, other.get(name, np.empty(0)))
            value = float(known[0]) if len(known) else np.nan
            yield Difference(name, cut, 0, cut - 1, np.inf, np.inf, value, np.nan)
            continue
        left, right = full[name][:cut], other[name][:cut]
        unequal = (left != right) & ~((left != left) & (right != right))
        if not unequal.any():
            continue
        rows = np.flatnonzero(unequal)
        gaps = np.abs(left[rows] - right[rows])
        gaps[gaps != gaps] = np.inf  # a value on one side only
        row = int(rows[0])
        yield Difference(
            name,
            cut,
            row,
            int(rows[-1]),
            float(gaps.max()),
            float((gaps / np.maximum(scale_of(left), np.abs(left[rows]))).max()),
            float(left[row]),
            float(right[row]),
        )


def scale_of(column: Floats) -> float:
    """The usual size of a column's values, so that a value near zero is no relative giant."""
    finite = np.abs(column[np.isfinite(column)])
    usual = float(np.median(finite)) if len(finite) else 0.0
    return usual or 1e-300


def check_columns(
    test: str,
    variants: Sequence[Variant],
    *,
    full: Mapping[str, Floats],
    bars: BarColumns,
    source: StrategySource,
) -> Outcome:
    """Compare the columns of every variant of the data with the full ones before its cut."""
    found: dict[str, list[Difference]] = {}
    warned: list[Finding] = []
    for cut, make in variants:
        try:
            other = make()
        except RAISED as error:
            # On a handful of rows an author's code may well have nothing to work with.
            if not warned and cut > len(bars) // 5:
                warned.append(_raised(error, cut, bars))
            continue
        for item in differences(full, other, cut):
            found.setdefault(item.column, []).append(item)
    failed: list[Finding] = []
    for name in sorted(found):
        worst = max(item.relative for item in found[name])
        (failed if worst > ROUNDING else warned).append(_finding(test, found[name], bars, source))
    tried = f"{len(full)} columns, {len(variants)} versions of the data"
    return judged(test, tried, failed, warned)


def _raised(error: Exception, cut: int, bars: BarColumns) -> Finding:
    return Finding(
        subject="features",
        text=f"features raised {type(error).__name__} on {cut} rows: {error}",
        remedy="let features work on any number of rows, or the column cannot be checked there",
        ts=int(bars.close_ts[cut - 1]),
    )


def _finding(
    test: str, items: list[Difference], bars: BarColumns, source: StrategySource
) -> Finding:
    line, suspect = source.column(items[0].column)
    worst = max(item.relative for item in items)
    item = min(items, key=lambda entry: (entry.relative <= ROUNDING, entry.first, entry.cut))
    late = [entry for entry in items if entry.cut > len(bars) // 5]
    ahead = max((entry.cut - entry.first for entry in late), default=0)
    known = "without the later rows" if "prefix" in test else "with other later rows"
    text = (
        f"the value is {item.before:.10g} with all data and {item.after:.10g} {known} "
        f"(from row {item.cut})"
    )
    if worst <= ROUNDING:
        remedy = (
            f"The largest difference is {max(e.largest for e in items):.3g}: rounding that depends "
            "on the length of the data; an incremental indicator has none"
        )
    elif suspect is not None:
        remedy = f"{suspect.what[:1].upper()}{suspect.what[1:]}: {suspect.remedy}"
    elif not late:
        remedy = "It is filled in from later rows: leave rows that are not ready NaN"
    elif ahead <= len(bars) // 20:
        remedy = (
            f"It looks up to {ahead} row{'s' if ahead > 1 else ''} ahead: use shift with positive "
            "rows, or a trailing window"
        )
    else:
        remedy = (
            "It depends on the whole column (a mean, a scale, a fit, a sort): compute it over a "
            "trailing window"
        )
    return Finding(
        subject=item.column,
        text=text,
        remedy=remedy,
        row=item.first,
        ts=int(bars.close_ts[item.first]),
        line=line,
    )
