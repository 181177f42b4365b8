"""Datasets with less history, less future or another future than the one given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.model.instrument import FixedTick, Instrument
from interlock.strategy.columns import BarColumns, Columns, Dataset

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
POISONS = ("up", "down", "extreme")

_GROUPS = ("bars", "quotes", "trades", "depth", "orders", "funding", "marks")
_PRICES = {
    "bars": ("open", "high", "low", "close"),
    "quotes": ("bid", "ask"),
    "trades": ("price",),
    "marks": ("price",),
}
_SIZES = ("volume", "quantity", "bid_quantity", "ask_quantity")


def known_at(part: Columns) -> Integers:
    """When each row is known, ns: a bar at its close, anything else at its time."""
    return part.close_ts if isinstance(part, BarColumns) else part.ts


def moments(dataset: Dataset) -> Integers:
    """The times at which a strategy may act, each once: of the finest bars, else of the ticks."""
    if dataset.bars and not (dataset.quotes or dataset.depth or dataset.orders):
        finest = min(part.step_ns for part in dataset.bars)
        parts = [known_at(part) for part in dataset.bars if part.step_ns == finest]
    else:
        ticks = (*dataset.quotes, *dataset.trades, *dataset.depth, *dataset.orders)
        parts = [part.ts for part in ticks]
    return np.unique(np.concatenate(parts))


def bounded(dataset: Dataset, rows: int) -> Dataset:
    """The first moments of a dataset, ``rows`` of them at most, under its own digest."""
    times = moments(dataset)
    return dataset if len(times) <= rows else prefix(dataset, int(times[rows - 1]))


def prefix(dataset: Dataset, ts: int) -> Dataset:
    """What is known at ``ts``, under the digest of the whole that it is compared with."""
    return _changed(dataset, lambda part: _rows(part, 0, _count(part, ts)))


def later(dataset: Dataset, ts: int) -> Dataset:
    """The rows that begin at ``ts`` or after."""
    return _changed(dataset, lambda part: _rows(part, int(np.searchsorted(part.ts, ts)), len(part)))


def poisoned(dataset: Dataset, ts: int, how: str, seed: int) -> Dataset:
    """The same until ``ts``, another market after it.

    "up" and "down" are one seeded random walk and its mirror image, so that at least one of them
    contradicts a foreseen move; "extreme" throws prices and quantities about by factors of 100.
    Times stay, and so do the rules of each kind of row (low <= open <= high, bid < ask).
    """
    parts = [known_at(part)[_count(part, ts) :] for part in dataset.parts()]
    times = np.unique(np.concatenate([np.empty(0, np.int64), *parts]))
    factors = _factors(len(times), how, seed)

    def change(part: Columns) -> Columns:
        first = _count(part, ts)
        chosen = factors[np.searchsorted(times, known_at(part)[first:])]
        return _poison(part, first, chosen, how)

    return _changed(dataset, change)


def _factors(count: int, how: str, seed: int) -> Floats:
    generator = np.random.default_rng(seed)
    if how == "extreme":
        return np.where(generator.random(count) < 0.5, 0.01, 100.0)
    steps = np.cumsum(generator.normal(0.0, max(0.001, 0.3 / max(count, 1) ** 0.5), count))
    return np.exp(np.clip(steps if how == "up" else -steps, -2.0, 2.0))


def _poison(part: Columns, first: int, factors: Floats, how: str) -> Columns:
    made: dict[str, Any] = {}
    for name in _PRICES.get(part.kind, ()):
        made[name] = _scaled(part.instrument, getattr(part, name), first, factors)
    if part.kind == "quotes":
        made["ask"] = np.maximum(made["ask"], made["bid"] + _tick(part.instrument))
        made["ask"][:first] = _column(part, "ask")[:first]
    for name in _SIZES:
        if hasattr(part, name):
            sizes = getattr(part, name).copy()
            grown = sizes[first:] * (100 if how == "extreme" else 1 + factors)
            sizes[first:] = np.rint(grown).astype(np.int64)
            made[name] = sizes
    if part.kind == "funding":
        rates = _column(part, "rate").copy()
        rates[first:] = -rates[first:]
        made["rate"] = rates
    return replace(part, **made)


def _scaled(instrument: Instrument, values: Integers, first: int, factors: Floats) -> Integers:
    tick = _tick(instrument)
    made = values.copy()
    steps = np.rint(values[first:] * factors / tick).astype(np.int64)
    made[first:] = np.maximum(steps, 1) * tick
    return made


def _tick(instrument: Instrument) -> int:
    return instrument.price_rule.tick if isinstance(instrument.price_rule, FixedTick) else 1


def _count(part: Columns, ts: int) -> int:
    return int(np.searchsorted(known_at(part), ts, "right"))


def _rows(part: Columns, low: int, high: int) -> Columns:
    values: dict[str, Any] = {name: array[low:high] for name, array in part.arrays()}
    return replace(part, **values)


def _changed(dataset: Dataset, change: Callable[[Columns], Columns]) -> Dataset:
    made: dict[str, Any] = {}
    for group in _GROUPS:
        parts = [change(part) for part in getattr(dataset, group)]
        # A part without rows has nothing to say, and not every reader takes one.
        made[group] = tuple(part for part in parts if len(part))
    return replace(dataset, **made)


def _column(part: Columns, name: str) -> Integers:
    values: Integers = getattr(part, name)
    return values
