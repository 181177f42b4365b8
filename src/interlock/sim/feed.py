"""The timeline: which stream moves next, merged by time and the total order of equal times."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.model.market import Bar, Quote, Trade
from interlock.sim.messages import message_times
from interlock.strategy.columns import (
    BarColumns,
    Columns,
    Dataset,
    DepthColumns,
    OrderColumns,
    QuoteColumns,
    TradeColumns,
)

# Moments at equal times. The walk of a bar lies before its close; a bar opens after every decision
# on the bars that closed at that time.
WALK, FUNDING, MARK, BOOK, QUOTE, TRADE, DECIDE, OPEN = range(8)


@dataclass(frozen=True)
class Stream:
    """One sequence of moments: its columns, the kind of moment and whether it can be traded on."""

    columns: Columns
    moment: int
    tradable: bool = True


def streams(dataset: Dataset, larger: tuple[BarColumns, ...] = ()) -> list[Stream]:
    """Every stream of a dataset, bars split into open, walk and decision."""
    found: list[Stream] = []
    smallest: dict[str, BarColumns] = {}
    for bars in dataset.bars:
        best = smallest.get(bars.instrument.id)
        if best is None or bars.step_ns < best.step_ns:
            smallest[bars.instrument.id] = bars
    ticked = {part.instrument.id for part in (*dataset.quotes, *dataset.depth, *dataset.orders)}
    for bars in (*dataset.bars, *larger):
        own = bars is smallest.get(bars.instrument.id) and bars.instrument.id not in ticked
        if own:
            found += [Stream(bars, WALK), Stream(bars, OPEN)]
        found.append(Stream(bars, DECIDE, own))
    found += [Stream(part, FUNDING) for part in dataset.funding]
    found += [Stream(part, MARK) for part in dataset.marks]
    found += [Stream(part, BOOK) for part in (*dataset.depth, *dataset.orders)]
    found += [Stream(part, QUOTE) for part in dataset.quotes]
    found += [Stream(part, TRADE) for part in dataset.trades]
    return found


def times(stream: Stream) -> NDArray[np.int64]:
    """When each move of a stream happens, ns: a row, or a message of a recorded book."""
    columns = stream.columns
    if stream.moment in (WALK, DECIDE):
        assert isinstance(columns, BarColumns)
        return columns.close_ts
    if isinstance(columns, DepthColumns | OrderColumns):
        return message_times(columns)
    return columns.ts


def merge(found: list[Stream]) -> NDArray[np.uint16]:
    """The index of the stream that moves at each step of the run."""
    ranks = sorted(
        range(len(found)),
        key=lambda k: (
            found[k].moment,
            getattr(found[k].columns, "step_ns", 0),
            found[k].columns.instrument.id,
        ),
    )
    parts = [times(found[k]) for k in ranks]
    codes = np.concatenate(
        [np.full(len(part), k, np.uint16) for k, part in zip(ranks, parts, strict=True)]
    )
    # Stable: rows of equal time stay in rank order, and rows of one stream in their own order.
    return codes[np.argsort(np.concatenate(parts), kind="stable")]


def bar_cursor(columns: BarColumns) -> Bar:
    """A cursor before the first bar."""
    return Bar(columns.instrument, _views(columns), -1, columns.step_ns)


def quote_cursor(columns: QuoteColumns) -> Quote:
    """A cursor before the first quote."""
    return Quote(columns.instrument, _views(columns))


def trade_cursor(columns: TradeColumns) -> Trade:
    """A cursor before the first trade."""
    return Trade(columns.instrument, _views(columns))


def _views(columns: Columns) -> tuple[memoryview, ...]:
    return tuple(array.data for _, array in columns.arrays())
