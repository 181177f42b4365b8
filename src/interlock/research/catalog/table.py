"""One table of integer columns: what a file holds before it is proven to be ordered."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from interlock.model.instrument import Instrument
from interlock.research.catalog.errors import CatalogError
from interlock.research.catalog.times import step_name
from interlock.strategy.columns import (
    BarColumns,
    Columns,
    DepthColumns,
    FundingColumns,
    Integers,
    MarkColumns,
    OrderColumns,
    QuoteColumns,
    TradeColumns,
)

KINDS: dict[str, type[Columns]] = {
    kind.kind: kind
    for kind in (
        BarColumns,
        QuoteColumns,
        TradeColumns,
        DepthColumns,
        OrderColumns,
        FundingColumns,
        MarkColumns,
    )
}
PRICES = ("open", "high", "low", "close", "bid", "ask", "price")
QUANTITIES = ("volume", "quantity", "bid_quantity", "ask_quantity")
# Kept beside the columns of DepthColumns, because only the check of the sequence reads it.
PREVIOUS = "previous_sequence"


@dataclass(frozen=True, slots=True)
class Table:
    """int64 columns of one instrument and kind, in file order; ``step_ns`` is 0 except for bars."""

    instrument: Instrument
    kind: str
    arrays: Mapping[str, Integers]
    step_ns: int = 0

    def __len__(self) -> int:
        return len(self.arrays["ts"])

    @property
    def name(self) -> str:
        """The name of the entry: bars-1m, quotes, trades, ..."""
        return f"bars-{step_name(self.step_ns)}" if self.kind == "bars" else self.kind

    def columns(self) -> Columns:
        """The validated columns that a run reads."""
        names = {item.name for item in fields(KINDS[self.kind])}
        values: dict[str, object] = {k: v for k, v in self.arrays.items() if k in names}
        if self.kind == "bars":
            values["step_ns"] = self.step_ns
        return KINDS[self.kind](instrument=self.instrument, **values)  # type: ignore[arg-type]

    def take(self, rows: Integers | slice) -> Table:
        """The same table with the chosen rows."""
        arrays = {name: np.ascontiguousarray(array[rows]) for name, array in self.arrays.items()}
        return Table(self.instrument, self.kind, arrays, self.step_ns)


def table_of(columns: Columns | Table) -> Table:
    """The plain table of columns; a table is returned as it is."""
    if isinstance(columns, Table):
        return columns
    if columns.kind not in KINDS:
        raise CatalogError(f"columns of kind {columns.kind!r} cannot be stored in a catalog")
    step = columns.step_ns if isinstance(columns, BarColumns) else 0
    return Table(columns.instrument, columns.kind, dict(columns.arrays()), step)


def digest_of(table: Table) -> str:
    """sha256 over the kind, the step and the little-endian bytes of each column by name."""
    running = hashlib.sha256()
    running.update(f"{table.kind}:{table.step_ns}:{len(table)}\n".encode())
    for name in sorted(table.arrays):
        running.update(name.encode() + b"\n")
        running.update(np.ascontiguousarray(table.arrays[name], dtype="<i8").data)
    return running.hexdigest()
