"""Bars as the venue writes them, on the stream and in answers."""

from __future__ import annotations

import msgspec

from interlock.model.events import BarRow
from interlock.model.instrument import Instrument
from interlock.wire.hyperliquid.text import NS_PER_MS, WireFault, decode, units_of

# The most bars that one answer holds.
PAGE = 5_000
_MINUTE_NS = 60 * 10**9
_HOUR_NS = 60 * _MINUTE_NS
_INTERVALS = {
    **{minutes * _MINUTE_NS: f"{minutes}m" for minutes in (1, 3, 5, 15, 30)},
    **{hours * _HOUR_NS: f"{hours}h" for hours in (1, 2, 4, 8, 12)},
    24 * _HOUR_NS: "1d",
}


class CandleRow(msgspec.Struct):
    """A bar; ``t`` and ``T`` are its first and its last millisecond."""

    t: int
    T: int
    s: str
    i: str
    o: str
    c: str
    h: str
    l: str  # noqa: E741 - the venue's name of the low
    v: str


def interval_of(step_ns: int) -> str:
    """The venue's name of a step, empty where it has no such bars."""
    return _INTERVALS.get(step_ns, "")


def values_of(row: CandleRow, instrument: Instrument) -> BarRow:
    """Open time (ns) and units of a bar; raises WireFault."""
    opened, high, low, close = (
        units_of(text, instrument.price_exponent) for text in (row.o, row.h, row.l, row.c)
    )
    if not 0 < low <= min(opened, close) <= max(opened, close) <= high:
        raise WireFault(f"{instrument.id}: a bar of {row.o}, {row.h}, {row.l}, {row.c} is none")
    if not 0 <= row.t <= row.T < 2**63 // NS_PER_MS:
        raise WireFault(f"{instrument.id}: a bar from {row.t} to {row.T} is none")
    volume = units_of(row.v, instrument.quantity_exponent)
    return row.t * NS_PER_MS, opened, high, low, close, volume


def read(body: bytes, instrument: Instrument) -> tuple[BarRow, ...]:
    """The bars of an answer, the unfinished one included; raises WireFault."""
    rows: list[CandleRow] = decode(body, list[CandleRow])
    found = tuple(values_of(row, instrument) for row in rows)
    for before, after in zip(found, found[1:], strict=False):
        if after[0] <= before[0]:
            raise WireFault(f"{instrument.id}: bars go back in time at {after[0]}")
    return found
