"""How many rows a column needs to forget where its data start, and whether warm-up covers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.research.lookahead.features import RAISED, ROUNDING, Variant, scale_of
from interlock.research.lookahead.source import StrategySource
from interlock.research.lookahead.verdict import Finding, Outcome, judged
from interlock.strategy.columns import BarColumns

Floats = NDArray[np.float64]
Columns = Mapping[str, Floats]


@dataclass(frozen=True)
class Convergence:
    """Rows until a column agrees with the longer history; None when it does not in these data."""

    needed: int | None
    shrinks: bool
    row: int
    worst: float


def check_warmup(
    full: Columns,
    late: Sequence[Variant],
    *,
    bars: BarColumns,
    declared: int,
    source: StrategySource,
) -> Outcome:
    """Compare columns that start later with the full ones, row by row from their start.

    A row on which any column is NaN makes no decision, so it needs no agreement.
    """
    made: list[tuple[int, Columns]] = []
    for start, make in late:
        try:
            made.append((start, make()))
        except RAISED:
            continue  # too short for this author's code: prefix invariance has said so
    failed: list[Finding] = []
    warned: list[Finding] = []
    needs: list[str] = []
    for name in sorted(full):
        found = [
            convergence(full[name], columns[name], start, _ready(columns))
            for start, columns in made
            if name in columns
        ]
        if not found:
            continue
        worst = max(found, key=lambda item: (item.needed is None, item.needed or 0))
        needs.append(f"{name} {'never' if worst.needed is None else worst.needed}")
        if worst.needed is None or worst.needed > declared:
            never = worst.needed is None and not worst.shrinks
            finding = _finding(name, worst, bars, declared, source)
            (failed if never else warned).append(finding)
    tried = f"{len(made)} later starts; rows to agree: {', '.join(needs) or 'no columns'}"
    return judged("warm-up convergence", tried, failed, warned)


def convergence(full: Floats, late: Floats, start: int, ready: NDArray[np.bool_]) -> Convergence:
    """When ``late``, which starts at row ``start``, has come to agree with ``full`` for good."""
    same = full[start : start + len(late)]
    gaps = np.abs(same - late)
    gaps[(same != same) & (late != late)] = 0.0
    gaps[gaps != gaps] = np.inf
    gaps /= np.maximum(scale_of(same), np.abs(same))
    gaps[gaps != gaps] = np.inf
    gaps[~ready] = 0.0
    apart = np.flatnonzero(gaps > ROUNDING)
    if not len(apart):
        return Convergence(0, True, start, 0.0)
    last = int(apart[-1])
    first = int(apart[0])
    if last < len(late) * 9 // 10:
        return Convergence(last + 1, True, start + first, float(gaps[first]))
    part = max(1, (len(late) - first) // 4)
    early, final = float(gaps[first : first + part].max()), float(gaps[-part:].max())
    return Convergence(None, final < early / 10, start + first, early)


def _ready(columns: Columns) -> NDArray[np.bool_]:
    length = len(next(iter(columns.values())))
    ready = np.ones(length, dtype=bool)
    for values in columns.values():
        ready &= values == values
    return ready


def _finding(
    name: str, found: Convergence, bars: BarColumns, declared: int, source: StrategySource
) -> Finding:
    line, _ = source.column(name)
    if found.needed is not None:
        text = f"needs {found.needed} rows to forget where the data start, warmup is {declared}"
        remedy = f"Set warmup = {found.needed}, so that no decision is made before"
    elif found.shrinks:
        text = f"still depends on where the data start after {len(bars)} rows, warmup is {declared}"
        remedy = "Check with more rows (--rows), or use a shorter memory"
    else:
        text = (
            f"depends on where the data start and never forgets it (relative difference "
            f"{found.worst:.3g})"
        )
        remedy = (
            "Live it would begin at another row and have other values: use a trailing window, or "
            "the change of the column instead of its level"
        )
    ts = int(bars.close_ts[found.row])
    return Finding(subject=name, text=text, remedy=remedy, row=found.row, ts=ts, line=line)
