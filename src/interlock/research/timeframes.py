"""Larger bars from smaller ones and bars from trades, closed only when their time is over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interlock.strategy.api import timeframe_ns
from interlock.strategy.columns import BarColumns, ColumnError, Dataset, TradeColumns

Integers = NDArray[np.int64]


def larger_bars(dataset: Dataset, names: Sequence[str]) -> tuple[BarColumns, ...]:
    """The wanted time frames of every instrument, from its finest bars or its trades."""
    made = []
    for instrument in dataset.instruments():
        own = [part for part in dataset.bars if part.instrument.id == instrument.id]
        trades = [part for part in dataset.trades if part.instrument.id == instrument.id]
        steps = {part.step_ns for part in own}
        for name in names:
            step = timeframe_ns(name)
            if step in steps:
                continue
            if own:
                made.append(aggregate_bars(min(own, key=lambda part: part.step_ns), step))
            elif trades:
                made.append(bars_from_trades(trades[0], step))
    return tuple(made)


def aggregate_bars(bars: BarColumns, step_ns: int) -> BarColumns:
    """Bars of a larger step, aligned to midnight UTC; a step without rows has no bar."""
    if step_ns % bars.step_ns:
        raise ColumnError(
            f"{bars.instrument.id}: {step_ns} ns is no multiple of the step {bars.step_ns} ns; "
            "aggregate to a multiple"
        )
    starts = _group_starts(bars.ts, step_ns)
    ends = np.append(starts[1:], len(bars)) - 1
    if not len(bars):
        starts = ends = np.empty(0, np.int64)
    return BarColumns(
        instrument=bars.instrument,
        step_ns=step_ns,
        ts=bars.ts[starts] - bars.ts[starts] % step_ns,
        open=bars.open[starts],
        high=_reduce(np.maximum, bars.high, starts),
        low=_reduce(np.minimum, bars.low, starts),
        close=bars.close[ends],
        volume=_reduce(np.add, bars.volume, starts),
    )


def bars_from_trades(trades: TradeColumns, step_ns: int) -> BarColumns:
    """Bars of a step from trades, aligned to midnight UTC; a step without trades has no bar."""
    starts = _group_starts(trades.ts, step_ns)
    ends = np.append(starts[1:], len(trades)) - 1
    if not len(trades):
        starts = ends = np.empty(0, np.int64)
    return BarColumns(
        instrument=trades.instrument,
        step_ns=step_ns,
        ts=trades.ts[starts] - trades.ts[starts] % step_ns,
        open=trades.price[starts],
        high=_reduce(np.maximum, trades.price, starts),
        low=_reduce(np.minimum, trades.price, starts),
        close=trades.price[ends],
        volume=_reduce(np.add, trades.quantity, starts),
    )


def _group_starts(ts: Integers, step_ns: int) -> Integers:
    group = ts // step_ns
    return np.flatnonzero(np.append(True, group[1:] != group[:-1])).astype(np.int64)


def _reduce(function: np.ufunc, values: Integers, starts: Integers) -> Integers:
    if not len(starts):
        return np.empty(0, np.int64)
    made: Integers = function.reduceat(values, starts)
    return made
