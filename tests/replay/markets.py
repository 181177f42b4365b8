"""Small markets made of whole numbers alone: the same rows on every machine and every version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from interlock.model.instrument import Instrument
from interlock.strategy.columns import (
    BarColumns,
    DepthColumns,
    FundingColumns,
    QuoteColumns,
    TradeColumns,
)

SECOND = 10**9
MINUTE = 60 * SECOND
# 2023-11-15 00:00 UTC.
START = 1_700_006_400 * SECOND


def numbers(seed: int) -> Iterator[int]:
    """A linear congruential sequence of 31 bits."""
    state = seed
    while True:
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        yield state >> 33


def steps(seed: int, count: int, *, size: int, drift: int = 0) -> list[int]:
    """A walk from 10,000 in steps of up to ``size`` either way."""
    price, found = 10_000, []
    for number in islice(numbers(seed), count):
        price = max(100, price + number % (2 * size + 1) - size + drift)
        found.append(price)
    return found


def bars(
    instrument: Instrument, seed: int, count: int, *, size: int = 60, drift: int = 0
) -> BarColumns:
    """Bars of a minute: each opens at the close before it."""
    closes = steps(seed, count, size=size, drift=drift)
    opens = [10_000, *closes[:-1]]
    draws = numbers(seed + 1)
    rows = []
    for opened, closed in zip(opens, closes, strict=True):
        high = max(opened, closed) + next(draws) % size
        low = min(opened, closed) - next(draws) % size
        rows.append((opened, high, low, closed, 20_000 + next(draws) % 80_000))
    names = ("open", "high", "low", "close", "volume")
    return BarColumns(
        instrument=instrument,
        step_ns=MINUTE,
        ts=START + MINUTE * np.arange(count),
        **dict(zip(names, _columns(rows), strict=True)),
    )


def quotes(instrument: Instrument, seed: int, count: int, *, drift: int = 0) -> QuoteColumns:
    """A touch one to four units wide, once a second."""
    draws = numbers(seed + 1)
    rows = []
    for middle in steps(seed, count, size=4, drift=drift):
        wide = 1 + next(draws) % 4
        sizes = [1_000 + next(draws) % 9_000 for _ in range(2)]
        rows.append((middle, sizes[0], middle + wide, sizes[1]))
    names = ("bid", "bid_quantity", "ask", "ask_quantity")
    return QuoteColumns(
        instrument=instrument,
        ts=START + SECOND * np.arange(count),
        **dict(zip(names, _columns(rows), strict=True)),
    )


def trades(touch: QuoteColumns, seed: int) -> TradeColumns:
    """A trade half a second after every quote, at its bid or its ask or a unit beyond."""
    draws = numbers(seed)
    rows = []
    for bid, ask in zip(touch.bid.tolist(), touch.ask.tolist(), strict=True):
        side = 1 if next(draws) % 2 else -1
        beyond = side * (next(draws) % 3 == 0)
        price = (ask if side > 0 else bid) + beyond
        rows.append((price, 500 + next(draws) % 9_500, side))
    return TradeColumns(
        instrument=touch.instrument,
        ts=touch.ts + SECOND // 2,
        **dict(zip(("price", "quantity", "side"), _columns(rows), strict=True)),
    )


def depth(instrument: Instrument, seed: int, count: int) -> DepthColumns:
    """A snapshot of five levels a side, then one level changing its quantity every second."""
    draws = numbers(seed)
    rows: list[tuple[int, ...]] = []
    for level in range(5):
        rows.append((START, 0, 1, 1, 9_999 - level, 2_000))
        rows.append((START, 0, 1, -1, 10_001 + level, 2_000))
    for row in range(1, count):
        side = 1 if next(draws) % 2 else -1
        level = next(draws) % 5
        quantity = 0 if next(draws) % 6 == 0 else 500 + next(draws) % 4_000
        price = 9_999 - level if side > 0 else 10_001 + level
        rows.append((START + SECOND * row, row, 0, side, price, quantity))
    names = ("ts", "sequence", "is_snapshot", "side", "price", "quantity")
    return DepthColumns(instrument=instrument, **dict(zip(names, _columns(rows), strict=True)))


def funding(instrument: Instrument, rates: Sequence[int], *, every: int) -> FundingColumns:
    """Funding instants in the middle of every so many minutes."""
    ts = [START + MINUTE * every * (k + 1) + MINUTE // 2 for k in range(len(rates))]
    return FundingColumns(
        instrument=instrument, ts=np.array(ts), rate=np.array(rates, dtype=np.int64)
    )


def _columns(rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
    return list(np.ascontiguousarray(np.array(rows, dtype=np.int64).T))
