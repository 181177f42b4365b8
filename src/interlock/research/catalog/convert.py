"""One file to exact columns: every chunk converted, nothing dropped, rounded or reordered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import polars as pl

from interlock.model.units import FUNDING_SCALE
from interlock.research.catalog.decimals import BadValue, Decimals, exact, refuse, rounded
from interlock.research.catalog.errors import ImportRefused
from interlock.research.catalog.layouts import Hints, Layout, recognize
from interlock.research.catalog.sources import Chunk, chunks
from interlock.research.catalog.table import PREVIOUS, PRICES, QUANTITIES
from interlock.research.catalog.times import TimeReader
from interlock.strategy.columns import Integers

Progress = Callable[[Path, float], None]
_FUNDING_EXPONENT = len(str(FUNDING_SCALE)) - 1
_SIDES = {
    "buy": 1, "b": 1, "bid": 1, "1": 1, "+1": 1, "1.0": 1, "a": -1, "sell": -1, "s": -1,
    "ask": -1, "-1": -1, "-1.0": -1, "0": 0, "": 0, "none": 0, "unknown": 0,
}  # fmt: skip
_TRUTHS = {"true": 1, "false": 0, "1": 1, "0": 0, "t": 1, "f": 0}


@dataclass(frozen=True, slots=True)
class Reading:
    """How files are to be read: hints on columns and times, and explicit rounding."""

    hints: Hints = field(default_factory=Hints)
    timezone: str | None = None
    time_unit: str | None = None
    symbol: str = ""
    # (price exponent, quantity exponent) to round to half-even; None refuses finer values.
    round_to: tuple[int, int] | None = None


@dataclass(slots=True)
class RawFile:
    """The exact content of one file: prices and quantities keep their own number of decimals."""

    path: Path
    layout: Layout
    ts: list[Integers] = field(default_factory=list)
    decimals: dict[str, list[Decimals]] = field(default_factory=dict)
    integers: dict[str, list[Integers]] = field(default_factory=dict)
    rounded: int = 0
    # What of the file was passed over.
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        """Rows read so far."""
        return sum(len(part) for part in self.ts)

    def release(self) -> None:
        """Give the rows back to memory once a table has taken them."""
        self.ts.clear()
        self.decimals.clear()
        self.integers.clear()

    def times(self) -> Integers:
        """All times, ns UTC."""
        return np.concatenate(self.ts) if self.ts else np.empty(0, dtype=np.int64)

    def exponent(self, names: tuple[str, ...]) -> int:
        """Decimals that the named fields need."""
        parts = [part for name in names for part in self.decimals.get(name, [])]
        return max((part.exponent for part in parts), default=0)

    def units(self, name: str, exponent: int, *, remedy: str) -> Integers:
        """One decimal field in units of 10^-exponent; raises ImportRefused for a finer row."""
        result, row = [], 0
        for part in self.decimals[name]:
            try:
                result.append(part.at(exponent))
            except BadValue as bad:
                shifted = BadValue(bad.row + row, bad.text, bad.rule)
                raise refuse(shifted, where=str(self.path), field=name, remedy=remedy) from None
            row += len(part.units)
        return np.concatenate(result)


def read_file(path: Path, reading: Reading, *, progress: Progress | None = None) -> RawFile:
    """All rows of a file; raises ImportRefused naming the first row that cannot be kept exactly."""
    raw: RawFile | None = None
    times = TimeReader(str(path), timezone=reading.timezone, unit=reading.time_unit)
    for chunk in chunks(path):
        if raw is None:
            layout = recognize(chunk.frame.columns, path, hints=reading.hints)
            raw = RawFile(path, layout, notes=chunk.notes)
        frame = _of_symbol(chunk.frame, raw.layout, reading.symbol, path)
        if len(frame):
            _append(raw, Chunk(frame, chunk.first_row, chunk.done), times, reading)
        if progress is not None:
            progress(path, chunk.done)
    if raw is None or not raw.rows:
        wanted = f" of symbol {reading.symbol}" if reading.symbol else ""
        raise ImportRefused(f"{path} has no rows{wanted}; nothing to import")
    return raw


def _of_symbol(frame: pl.DataFrame, layout: Layout, symbol: str, path: Path) -> pl.DataFrame:
    if not layout.symbol_column:
        if symbol:
            raise ImportRefused(f"--symbol {symbol}: {path} has no symbol column; leave it out")
        return frame
    if symbol:
        return frame.filter(pl.col(layout.symbol_column) == symbol)
    found = frame.get_column(layout.symbol_column).unique().sort().cast(pl.String).to_list()
    if len(found) > 1:
        shown = ", ".join(str(item) for item in found[:12])
        raise ImportRefused(
            f"{path} holds several symbols ({shown}); one import is for one: --symbol {found[0]}"
        )
    return frame


def _append(raw: RawFile, chunk: Chunk, times: TimeReader, reading: Reading) -> None:
    frame, layout = chunk.frame, raw.layout
    raw.ts.append(times.read(frame.get_column(layout.fields["time"]), chunk.first_row))
    for ours, theirs in layout.fields.items():
        if ours == "time":
            continue
        column = frame.get_column(theirs)
        try:
            _append_field(raw, ours, column, reading.round_to)
        except BadValue as bad:
            shifted = BadValue(bad.row + chunk.first_row, bad.text, bad.rule)
            remedy = _remedy(ours, bad)
            raise refuse(shifted, where=str(raw.path), field=theirs, remedy=remedy) from None


def _append_field(
    raw: RawFile, ours: str, column: pl.Series, round_to: tuple[int, int] | None
) -> None:
    if ours in PRICES or ours in QUANTITIES:
        if round_to is None:
            value = exact(column)
        else:
            value, changed = rounded(column, round_to[0 if ours in PRICES else 1])
            raw.rounded += changed
        raw.decimals.setdefault(ours, []).append(value)
    elif ours == "rate":
        raw.integers.setdefault(ours, []).append(
            _rates(column, raw, may_round=round_to is not None)
        )
    elif ours == "side":
        raw.integers.setdefault(ours, []).append(_sides(column))
    elif ours == "is_snapshot":
        raw.integers.setdefault(ours, []).append(_words(column, _TRUTHS, "true or false"))
    else:
        name = PREVIOUS if ours == "previous_sequence" else ours
        raw.integers.setdefault(name, []).append(exact(column).at(0))


def _rates(column: pl.Series, raw: RawFile, *, may_round: bool) -> Integers:
    value, changed = rounded(column, _FUNDING_EXPONENT)
    if changed and not may_round:
        exact_rows = value.units / float(FUNDING_SCALE) == column.cast(pl.Float64).to_numpy()
        row = int(exact_rows.argmin())
        raise BadValue(row, str(column[row]), f"has more than {_FUNDING_EXPONENT} decimals")
    raw.rounded += changed
    return value.units


def _sides(column: pl.Series) -> Integers:
    if column.dtype == pl.Boolean or (
        column.dtype == pl.String and column.str.to_lowercase().is_in(["true", "false"]).all()
    ):
        # "Buyer is maker" means that the aggressor sold.
        return 1 - 2 * _words(column, _TRUTHS, "true or false")
    return _words(column, _SIDES, "buy or sell, 1 or -1, 0 for unknown")


def _words(column: pl.Series, words: dict[str, int], allowed: str) -> Integers:
    text = column.cast(pl.String).fill_null("").str.strip_chars().str.to_lowercase()
    values = text.replace_strict(words, default=None, return_dtype=pl.Int64)
    if values.null_count():
        row = int(values.is_null().arg_true()[0])
        raise BadValue(row, repr(column[row]), f"is not {allowed}")
    return values.to_numpy()


def _remedy(field_name: str, bad: BadValue) -> str:
    if "comma" in bad.rule:
        return "export the file with decimal points and without separators of thousands"
    if "decimals" in bad.rule and field_name == "rate":
        return "round on purpose with --round, or export fewer digits"
    if "decimals" in bad.rule:
        exponent = "price" if field_name in PRICES else "quantity"
        return f"round on purpose with --round and --{exponent}-exponent 8, or export fewer digits"
    if "64 bits" in bad.rule:
        return "import it with --round and a smaller exponent"
    return "correct or remove the row: a number is never made up"
