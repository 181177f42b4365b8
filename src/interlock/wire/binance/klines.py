"""Bars of the past: the call that asks for them, and its reply."""

from __future__ import annotations

import msgspec

from interlock.model.events import BarRow
from interlock.model.instrument import Instrument
from interlock.wire.binance.fault import WireFault, decoder
from interlock.wire.binance.reading import positive, price_units, quantity_units
from interlock.wire.binance.requests import Draft
from interlock.wire.binance.streams import INTERVALS_NS
from interlock.wire.binance.terms import MILLISECOND, symbol_of

# The most rows of a call of weight 5; more cost twice as much.
PAGE = 1_000
_INTERVALS = {step: name for name, step in INTERVALS_NS.items() if not name.endswith("s")}


class _Kline(msgspec.Struct, array_like=True, gc=False):
    """The part of a row that a bar needs; the venue writes more behind it."""

    opened: int
    open: str
    high: str
    low: str
    close: str
    volume: str


_read = decoder(list[_Kline])


def interval_of(step_ns: int) -> str:
    """The venue's name of a step, empty where it has no such bars."""
    return _INTERVALS.get(step_ns, "")


def ask(instrument: Instrument, *, step_ns: int, until: int, count: int) -> Draft:
    """Ask for the newest ``count`` bars (at most PAGE) that open before ``until`` (ns)."""
    return Draft(
        method="GET",
        path="/fapi/v1/klines",
        parameters=(
            ("symbol", symbol_of(instrument.id)),
            ("interval", interval_of(step_ns)),
            ("endTime", str((until - 1) // MILLISECOND)),
            ("limit", str(min(count, PAGE))),
        ),
        security="open",
        weight=5,
    )


def read(body: bytes, instrument: Instrument) -> tuple[BarRow, ...]:
    """The bars of a reply, the unfinished one included; raises WireFault."""
    found: list[BarRow] = []
    for row in _read(body):
        opened, high, low, close = (
            positive(price_units(text, instrument, "kline"), "kline")
            for text in (row.open, row.high, row.low, row.close)
        )
        if not low <= min(opened, close) <= max(opened, close) <= high:
            raise WireFault(f"kline of {instrument.id} is not within its high and low: {row}")
        ts = row.opened * MILLISECOND
        if found and ts <= found[-1][0]:
            raise WireFault(f"klines of {instrument.id} go back in time at {row.opened}")
        volume = quantity_units(row.volume, instrument, "v")
        found.append((ts, opened, high, low, close, volume))
    return tuple(found)
