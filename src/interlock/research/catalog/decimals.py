"""Exact decimals: text and floats become integer units without a silent rounding.

A float counts as its shortest decimal text: the value 0.1 is one tenth. For every row the smallest
number of decimals d is sought at which ``round(x * 10**d) / 10**d`` gives the float back; a row
that needs more than MAX_EXPONENT decimals is refused, never rounded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.research.catalog.errors import ImportRefused
from interlock.strategy.columns import Integers

MAX_EXPONENT = 9
_EXACT_FLOAT = 2.0**53
_INT64_MAX = 2**63 - 1
# Any decimal of up to 15 digits survives the trip through float64; one more byte is the point.
_SAFE_TEXT = 16
_PLAIN = r"^[+-]?(\d+\.?\d*|\.\d+)$"
_WITH_COMMA = re.compile(r"[+-]?[\d.]*\d,\d[\d.,]*")
_SCIENTIFIC = r"^[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d{1,3}$"


class BadValue(Exception):
    """A value without an exact meaning: its row (from 0), its text and the broken rule."""

    def __init__(self, row: int, text: str, rule: str) -> None:
        super().__init__(f"{text} in row {row} {rule}")
        self.row = row
        self.text = text
        self.rule = rule


@dataclass(frozen=True, slots=True)
class Decimals:
    """Integers of 10^-exponent; ``exponent`` is the smallest at which every row is exact."""

    units: Integers
    exponent: int

    def at(self, exponent: int) -> Integers:
        """Units of 10^-exponent; raises BadValue for a row that is finer or too large."""
        if exponent >= self.exponent:
            scale = 10 ** (exponent - self.exponent)
            largest = int(np.abs(self.units).max(initial=0))
            if largest * scale > _INT64_MAX:
                row = int(np.abs(self.units).argmax())
                raise BadValue(
                    row, self.text(row), f"does not fit 64 bits in units of 1e-{exponent}"
                )
            finer: Integers = self.units * scale
            return finer
        divisor = 10 ** (self.exponent - exponent)
        fine = self.units % divisor != 0
        if fine.any():
            row = int(fine.argmax())
            raise BadValue(row, self.text(row), f"is finer than the unit 1e-{exponent}")
        coarser: Integers = self.units // divisor
        return coarser

    def text(self, row: int) -> str:
        """Plain decimal text of one row."""
        value = Decimal(int(self.units[row])).scaleb(-self.exponent)
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text


def exact(column: pl.Series) -> Decimals:
    """Exact decimals of a text, float or integer column; raises BadValue with the row."""
    _refuse_missing(column)
    if column.dtype == pl.String:
        return _from_text(column)
    if column.dtype.is_float():
        return _from_floats(column.to_numpy())
    if column.dtype.is_integer():
        return Decimals(column.cast(pl.Int64).to_numpy(), 0)
    if column.dtype.is_decimal():
        return _from_text(column.cast(pl.String))
    raise BadValue(0, str(column.dtype), "is not a column of numbers")


def rounded(column: pl.Series, exponent: int) -> tuple[Decimals, int]:
    """Units of 10^-exponent rounded half-even, and how many rows were changed by it."""
    _refuse_missing(column)
    values = column.cast(pl.Float64, strict=False)
    _refuse_missing(values, column)
    numbers = values.to_numpy()
    units = np.rint(numbers * 10.0**exponent)
    if np.abs(units).max(initial=0.0) >= _EXACT_FLOAT:
        row = int(np.abs(units).argmax())
        raise BadValue(row, str(column[row]), f"is too large to round to units of 1e-{exponent}")
    changed = int((units / 10.0**exponent != numbers).sum())
    return Decimals(units.astype(np.int64), exponent), changed


def _refuse_missing(column: pl.Series, shown: pl.Series | None = None) -> None:
    bad = column.is_null()
    if column.dtype.is_float():
        bad = bad | ~column.is_finite().fill_null(False)
    if bad.any():
        row = int(bad.arg_true()[0])
        value = (column if shown is None else shown)[row]
        if value is None:
            raise BadValue(row, "(empty)", "is missing where a number is required")
        is_number = column.dtype.is_float() and column[row] is not None
        raise BadValue(row, str(value), "is not finite" if is_number else _no_number(str(value)))


def _from_floats(values: NDArray[np.floating]) -> Decimals:
    # Comparing in the column's own precision makes a float32 count as its own shortest text.
    precision = values.dtype
    wide = values.astype(np.float64)
    pending = np.arange(len(wide))
    units = np.zeros(len(wide), dtype=np.int64)
    decimals = np.zeros(len(wide), dtype=np.int64)
    for exponent in range(MAX_EXPONENT + 1):
        if not len(pending):
            break
        part = wide[pending]
        scaled = np.rint(part * 10.0**exponent)
        same = (scaled / 10.0**exponent).astype(precision) == values[pending]
        same &= np.abs(scaled) < (_EXACT_FLOAT if exponent else 2.0**63)
        found = pending[same]
        units[found] = scaled[same].astype(np.int64)
        decimals[found] = exponent
        pending = pending[~same]
    if len(pending):
        row = int(pending[0])
        raise BadValue(row, str(values[row]), f"has more than {MAX_EXPONENT} decimals")
    exponent = int(decimals.max(initial=0))
    scale = 10 ** (exponent - decimals)
    too_large = np.abs(units) > _INT64_MAX // scale
    if too_large.any():
        row = int(too_large.argmax())
        raise BadValue(row, str(values[row]), f"does not fit 64 bits in units of 1e-{exponent}")
    return Decimals(units * scale, exponent)


def _from_text(column: pl.Series) -> Decimals:
    text = column.str.strip_chars()
    valid = text.str.contains(_PLAIN)
    if not valid.all():
        text = _without_scientific(text, valid)
    if int(text.str.len_bytes().to_numpy().max(initial=0)) <= _SAFE_TEXT:
        return _from_floats(text.cast(pl.Float64).to_numpy())
    return _from_long_text(text)


def _without_scientific(text: pl.Series, plain: pl.Series) -> pl.Series:
    scientific = text.str.contains(_SCIENTIFIC)
    bad = ~(plain | scientific)
    if bad.any():
        row = int(bad.arg_true()[0])
        shown = str(text[row]) or "(empty)"
        missing = shown.lower() in ("(empty)", "nan", "null", "none", "inf", "-inf")
        rule = "is missing where a number is required" if missing else _no_number(shown)
        raise BadValue(row, shown, rule)
    rows = scientific.arg_true().to_list()
    return text.scatter(rows, [format(Decimal(str(text[row])), "f") for row in rows])


def _no_number(text: str) -> str:
    """The rule that a text breaks; a comma in a number may mean two things, so it means none."""
    if _WITH_COMMA.fullmatch(text.strip()):
        return "has a comma, of decimals or of thousands, where only a decimal point is read"
    return "is not a number"


def _from_long_text(text: pl.Series) -> Decimals:
    whole = text.str.extract(r"^[+-]?(\d*)").fill_null("")
    fraction = text.str.extract(r"\.(\d*)$").fill_null("").str.strip_chars_end("0")
    lengths = fraction.str.len_bytes()
    exponent = int(lengths.to_numpy().max(initial=0))
    if exponent > MAX_EXPONENT:
        row = int((lengths > MAX_EXPONENT).arg_true()[0])
        raise BadValue(row, str(text[row]), f"has more than {MAX_EXPONENT} decimals")
    digits = (whole + fraction.str.pad_end(exponent, "0")).str.strip_chars_start("0")
    units = digits.replace("", "0").cast(pl.Int64, strict=False)
    if units.null_count():
        row = int(units.is_null().arg_true()[0])
        raise BadValue(row, str(text[row]), f"does not fit 64 bits in units of 1e-{exponent}")
    sign = np.where(text.str.starts_with("-").to_numpy(), -1, 1)
    return Decimals(units.to_numpy() * sign, exponent)


def refuse(bad: BadValue, *, where: str, field: str, remedy: str) -> ImportRefused:
    """The one message for a bad value in a file; rows count from 1."""
    return ImportRefused(
        f"{where}: {field} {bad.text} in data row {bad.row + 1} {bad.rule}; {remedy}"
    )
