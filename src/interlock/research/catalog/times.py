"""Times of files: epoch numbers by magnitude and ISO text with a zone become ns UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import polars as pl

from interlock.research.catalog.decimals import BadValue, Decimals, exact
from interlock.research.catalog.errors import CatalogError, ImportRefused
from interlock.strategy.columns import Integers

NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_DECIMALS = {"s": 9, "ms": 6, "us": 3, "ns": 0}
# 1990-01-01 .. 2100-01-01 in seconds; the four units do not overlap inside this window.
_FIRST, _LAST = 631_152_000, 4_102_444_800
_ZONE = r"(Z|z|UTC|[+-]\d{2}:?\d{2})$"
_STEPS = {"s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9, "w": 604800 * 10**9}


def step_ns(text: str) -> int:
    """Nanoseconds of a step name such as 1m, 15m, 4h or 1d."""
    number, unit = text[:-1], text[-1:]
    if not number.isdigit() or unit not in _STEPS or int(number) == 0:
        raise CatalogError(
            f"step {text!r} is not a step; write a number and s, m, h, d or w: 1m, 4h"
        )
    return int(number) * _STEPS[unit]


def step_name(ns: int) -> str:
    """Shortest name of a step: 60e9 ns is 1m."""
    for unit in ("d", "h", "m", "s"):
        if ns > 0 and ns % _STEPS[unit] == 0:
            return f"{ns // _STEPS[unit]}{unit}"
    raise CatalogError(f"step {ns} ns is not a whole number of seconds; bars need at least 1s")


def iso(ns: int) -> str:
    """ISO 8601 UTC text of a time in ns, for people."""
    seconds, rest = divmod(ns, 10**9)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{text}{fraction}Z"


def instant(text: str) -> int:
    """ns UTC of a date or an ISO time given by a person; a plain date or time is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise CatalogError(
            f"time {text!r} is not an ISO date or time; write 2024-01-31 or 2024-01-31T12:00:00Z"
        ) from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp())
    return whole * 10**9 + aware.microsecond * 1000


def distinct(times: Integers) -> Integers:
    """Each time once, ascending; times that are already so are returned as they are."""
    if bool(np.all(times[1:] > times[:-1])):
        return times
    ordered = np.sort(times)
    kept: Integers = ordered[np.concatenate([[True], ordered[1:] != ordered[:-1]])]
    return kept


class TimeReader:
    """Converts the time column of one file, chunk by chunk, holding it to one unit and one zone."""

    def __init__(self, where: str, *, timezone: str | None = None, unit: str | None = None) -> None:
        if unit is not None and unit not in NS:
            raise ImportRefused(f"time unit {unit!r} is not known; use s, ms, us or ns")
        self._where = where
        self._zone = _zone(timezone)
        self._unit = unit
        self._forced = unit is not None
        self._offset: str | None = None

    def read(self, column: pl.Series, start_row: int = 0) -> Integers:
        """int64 ns UTC; raises ImportRefused naming the row, the rule and the remedy."""
        try:
            return self._convert(column)
        except BadValue as bad:
            raise ImportRefused(
                f"{self._where}: time {bad.text} in data row {bad.row + 1 + start_row} {bad.rule}"
            ) from None

    def _convert(self, column: pl.Series) -> Integers:
        if column.null_count():
            row = int(column.is_null().arg_true()[0])
            raise BadValue(row, "(empty)", "is missing; remove the row or fill in its time")
        if isinstance(column.dtype, pl.Datetime):
            zone = column.dtype.time_zone
            return _ns(column) if zone else self._localize(column)
        if column.dtype == pl.Date:
            return self._localize(column.cast(pl.Datetime("us")))
        if column.dtype == pl.String and not self._looks_numeric(column):
            return self._from_text(column)
        return self._from_epoch(column)

    @staticmethod
    def _looks_numeric(column: pl.Series) -> bool:
        return column.is_empty() or bool(column.str.contains(r"^\s*[+-]?\d+(\.\d+)?\s*$")[0])

    def _from_epoch(self, column: pl.Series) -> Integers:
        numbers = _epoch_decimals(column)
        scale = 10**numbers.exponent
        whole = numbers.units // scale
        if self._unit is None:
            self._unit = _unit_of(int(whole[0]), 0) if len(whole) else "ns"
        if not self._forced:
            self._hold_unit(whole)
        return (
            numbers.at(max(numbers.exponent, _DECIMALS[self._unit]))
            if (numbers.exponent > _DECIMALS[self._unit])
            else numbers.at(_DECIMALS[self._unit])
        )

    def _hold_unit(self, whole: Integers) -> None:
        assert self._unit is not None
        per_second = 10**9 // NS[self._unit]
        outside = (whole < _FIRST * per_second) | (whole >= _LAST * per_second)
        if outside.any():
            row = int(outside.argmax())
            other = _unit_of(int(whole[row]), row)
            raise BadValue(
                row,
                str(int(whole[row])),
                f"reads as {other} while the rows before read as {self._unit}; one file has one "
                "unit: split the file where the unit changes and import both parts",
            )

    def _from_text(self, column: pl.Series) -> Integers:
        text = column.str.strip_chars()
        zones = text.str.slice(10).str.extract(_ZONE).replace({"z": "+00:00", "Z": "+00:00"})
        zones = zones.replace({"UTC": "+00:00"}).str.replace(":", "")
        has_zone = zones.is_not_null()
        if has_zone.any() and not has_zone.all():
            row = int((has_zone != has_zone[0]).arg_true()[0])
            raise BadValue(row, str(text[row]), _mixed("some times carry a zone and some do not"))
        if not has_zone.any():
            if self._offset is not None:
                raise BadValue(0, str(text[0]), _mixed("the rows before carry a zone"))
            return self._localize(_parse(text))
        self._hold_offset(text, zones)
        bare = text.str.replace(_ZONE, "").str.strip_chars()
        signs = pl.when(zones.str.starts_with("-")).then(-1).otherwise(1)
        hours, minutes = zones.str.slice(1, 2).cast(pl.Int64), zones.str.slice(3, 2).cast(pl.Int64)
        offset = pl.select(signs * (hours * 3600 + minutes * 60)).to_series().to_numpy()
        shifted: Integers = _ns(_parse(bare)) - offset * 10**9
        return shifted

    def _hold_offset(self, text: pl.Series, zones: pl.Series) -> None:
        first = self._offset or str(zones[0])
        differs = zones != first
        if differs.any():
            row = int(differs.arg_true()[0])
            raise BadValue(
                row, str(text[row]), _mixed(f"its zone is {zones[row]}, the first is {first}")
            )
        self._offset = first

    def _localize(self, column: pl.Series) -> Integers:
        if self._zone is None:
            raise BadValue(
                0,
                str(column[0]) if len(column) else "",
                "has no time zone; say which one it is: --timezone UTC (or America/New_York ...)",
            )
        aware = column.dt.replace_time_zone(self._zone, ambiguous="null", non_existent="null")
        if aware.null_count():
            row = int(aware.is_null().arg_true()[0])
            raise BadValue(
                row,
                str(column[row]),
                f"happens twice or never in {self._zone} (clock change); export the file in UTC",
            )
        return _ns(aware)


def _mixed(what: str) -> str:
    return f"mixes time zones: {what}; export the file with one zone, best UTC"


def _zone(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ImportRefused(
            f"time zone {name!r} is not known; use a name such as UTC or America/New_York"
        ) from None
    return name


def _ns(column: pl.Series) -> Integers:
    return column.dt.timestamp("ns").to_numpy()


def _parse(text: pl.Series) -> pl.Series:
    clean = text.str.replace("T", " ").str.replace(r"^(\d{4}-\d{2}-\d{2})$", "$1 00:00:00")
    clean = clean.str.replace(r"^(\S+ \d{2}:\d{2})$", "$1:00")
    parsed = clean.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="ns", strict=False)
    if parsed.null_count():
        row = int(parsed.is_null().arg_true()[0])
        raise BadValue(
            row, str(text[row]), "is not an ISO 8601 time; write 2024-01-31T12:00:00Z or epoch ms"
        )
    return parsed


def _epoch_decimals(column: pl.Series) -> Decimals:
    numbers = exact(column)
    if column.dtype.is_float():
        # A float64 above 2^53 holds no odd nanosecond: only round times can be trusted.
        lossy = (np.abs(numbers.units) > 2**53 * 10**numbers.exponent) & (
            numbers.units % 10**6 != 0
        )
        if lossy.any():
            row = int(lossy.argmax())
            raise BadValue(
                row, numbers.text(row), "is a float too large to be exact; store it as an integer"
            )
    return numbers


def _unit_of(value: int, row: int) -> str:
    for unit, ns in NS.items():
        per_second = 10**9 // ns
        if _FIRST * per_second <= value < _LAST * per_second:
            return unit
    raise BadValue(
        row,
        str(value),
        "is no epoch time in s, ms, us or ns between 1990 and 2100; say the unit: --time-unit s",
    )
