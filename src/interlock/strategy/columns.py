"""Market data in columns: read-only integer arrays of one instrument, and the set a run reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.model.instrument import Instrument

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class ColumnError(ValueError):
    """Columns that do not form one ordered series."""


class Prices(np.ndarray[Any, np.dtype[np.float64]]):
    """A float64 price column that remembers the integer units it was made from.

    What is computed from it is an ordinary array; only the column itself carries ``units``.
    """

    units: Integers | None = None
    exponent: int = 0

    @classmethod
    def of(cls, units: Integers, exponent: int) -> Prices:
        """The column units / 10**exponent, read-only."""
        values = (units / 10.0**exponent).view(cls)
        values.units = units
        values.exponent = exponent
        values.flags.writeable = False
        return values

    def __array_finalize__(self, source: Any) -> None:
        """A slice or a result is a new column: it remembers nothing."""
        self.units = None

    @cached_property
    def largest(self) -> int:
        """The largest absolute number of units."""
        assert self.units is not None
        return max(int(self.units.max(initial=0)), -int(self.units.min(initial=0)))


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Equal-length int64 arrays of one instrument, ordered by ``ts`` (ns, UTC)."""

    instrument: Instrument
    ts: Integers

    kind = ""

    def __post_init__(self) -> None:
        length = len(self.ts)
        for name in self.names():
            array = np.ascontiguousarray(getattr(self, name), dtype=np.int64)
            if array.shape != (length,):
                raise ColumnError(
                    f"{self.instrument.id} {self.kind}: column {name} has shape {array.shape}, "
                    f"the time column has {length} rows; pass columns of equal length"
                )
            if array.flags.writeable:
                # A view, so that the caller's own array stays writable.
                array = array.view()
                array.flags.writeable = False
            object.__setattr__(self, name, array)
        if length and bool(np.any(self.ts[1:] < self.ts[:-1])):
            row = int(np.argmax(self.ts[1:] < self.ts[:-1])) + 1
            raise ColumnError(
                f"{self.instrument.id} {self.kind}: row {row} is earlier than the row before; "
                "sort by time before loading"
            )

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Column names in their fixed order, ``ts`` first."""
        skipped = ("instrument", "step_ns")
        return tuple(item.name for item in fields(cls) if item.name not in skipped)

    def __len__(self) -> int:
        return len(self.ts)

    def arrays(self) -> Iterator[tuple[str, Integers]]:
        """(name, array) in the fixed order."""
        for name in self.names():
            yield name, getattr(self, name)

    def prices(self, name: str) -> Floats:
        """A price column as float64 in quote units (correctly rounded)."""
        values: Floats = getattr(self, name) / 10.0**self.instrument.price_exponent
        return values

    def quantities(self, name: str) -> Floats:
        """A quantity column as float64 in base units (correctly rounded)."""
        values: Floats = getattr(self, name) / 10.0**self.instrument.quantity_exponent
        return values

    def between(self, start: int | None, end: int | None) -> Any:
        """The rows with start <= ts < end, as views."""
        low = 0 if start is None else int(np.searchsorted(self.ts, start, "left"))
        high = len(self.ts) if end is None else int(np.searchsorted(self.ts, end, "left"))
        rest = {item.name: getattr(self, item.name) for item in fields(self)}
        rest.update({name: array[low:high] for name, array in self.arrays()})
        return type(self)(**rest)


@dataclass(frozen=True, kw_only=True)
class BarColumns(Columns):
    """Bars: ``ts`` is the open time; a bar may be used only at ts + step_ns."""

    step_ns: int
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    volume: Integers

    kind = "bars"

    @cached_property
    def close_ts(self) -> Integers:
        """When each bar is complete."""
        return self.ts + self.step_ns


@dataclass(frozen=True, kw_only=True)
class QuoteColumns(Columns):
    """Best bid and ask with their quantities."""

    bid: Integers
    bid_quantity: Integers
    ask: Integers
    ask_quantity: Integers

    kind = "quotes"


@dataclass(frozen=True, kw_only=True)
class TradeColumns(Columns):
    """Trades; ``side`` is the aggressor: +1 buyer, -1 seller, 0 unknown."""

    price: Integers
    quantity: Integers
    side: Integers

    kind = "trades"


@dataclass(frozen=True, kw_only=True)
class DepthColumns(Columns):
    """Book levels: the new absolute quantity at a price (0 removes it), side +1 bid, -1 ask."""

    sequence: Integers
    is_snapshot: Integers
    side: Integers
    price: Integers
    quantity: Integers

    kind = "depth"


@dataclass(frozen=True, kw_only=True)
class OrderColumns(Columns):
    """Individual orders of others: action 1 add, 2 change (quantity remaining), 3 delete."""

    order_id: Integers
    action: Integers
    side: Integers
    price: Integers
    quantity: Integers

    kind = "orders"


@dataclass(frozen=True, kw_only=True)
class FundingColumns(Columns):
    """Funding instants and rates of 1e-10; positive means longs pay shorts."""

    rate: Integers

    kind = "funding"


@dataclass(frozen=True, kw_only=True)
class MarkColumns(Columns):
    """Mark prices, used for margin and funding instead of the last price."""

    price: Integers

    kind = "mark"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Everything one run reads, with the digest that names it."""

    name: str
    digest: str
    synthetic: bool = False
    bars: tuple[BarColumns, ...] = ()
    quotes: tuple[QuoteColumns, ...] = ()
    trades: tuple[TradeColumns, ...] = ()
    depth: tuple[DepthColumns, ...] = ()
    orders: tuple[OrderColumns, ...] = ()
    funding: tuple[FundingColumns, ...] = ()
    marks: tuple[MarkColumns, ...] = ()

    def instruments(self) -> tuple[Instrument, ...]:
        """The instruments of all columns, each once, ordered by id."""
        found = {part.instrument.id: part.instrument for part in self.parts()}
        return tuple(found[key] for key in sorted(found))

    def parts(self) -> Iterator[Columns]:
        """All columns, in a fixed order."""
        for group in (
            self.bars,
            self.quotes,
            self.trades,
            self.depth,
            self.orders,
            self.funding,
            self.marks,
        ):
            yield from group

    def bar(self, instrument_id: str) -> BarColumns:
        """The bars of one instrument with the smallest step."""
        found = [part for part in self.bars if part.instrument.id == instrument_id]
        if not found:
            known = ", ".join(sorted({part.instrument.id for part in self.bars})) or "none"
            raise ColumnError(f"no bars of {instrument_id} in {self.name}; there are: {known}")
        return min(found, key=lambda part: part.step_ns)
