"""Keeping a book whole: the venue's rule of snapshot and differences, as a state machine.

Differences are buffered until a snapshot comes; those that end before it are dropped, the first
kept one must cover it, and every next one must name its predecessor. When a link is missing, or a
book comes out that no venue can have, the book is dropped and another snapshot is needed.
"""

from __future__ import annotations

from collections import deque

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.market import Book
from interlock.wire.binance.fault import WireFault, decoder
from interlock.wire.binance.payloads import DepthPayload, Level
from interlock.wire.binance.reading import positive, price_units, quantity_units

_BUFFER_MOST = 10_000
_read = decoder(DepthPayload)


class DepthDiff(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Absolute quantities of some levels, and the ids that link it to the one before."""

    instrument: str
    first_id: int
    last_id: int
    previous_id: int
    sides: tuple[int, ...]
    prices: tuple[int, ...]
    quantities: tuple[int, ...]
    ts_venue: int


class DepthSnapshot(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A book as it was after the difference ``last_id``."""

    last_id: int
    sides: tuple[int, ...]
    prices: tuple[int, ...]
    quantities: tuple[int, ...]
    ts_venue: int


def snapshot(body: bytes, instrument: Instrument) -> DepthSnapshot:
    """The book of a ``depth`` answer."""
    read = _read(body)
    sides, prices, quantities = level_rows(read.bids, read.asks, instrument)
    for quantity in quantities:
        positive(quantity, "the quantity of a level")
    return DepthSnapshot(
        last_id=read.last_update_id,
        sides=sides,
        prices=prices,
        quantities=quantities,
        ts_venue=read.traded * 1_000_000,
    )


Rows = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


def level_rows(bids: tuple[Level, ...], asks: tuple[Level, ...], instrument: Instrument) -> Rows:
    """Sides, prices and quantities of the venue's two lists."""
    levels = [(1, *level) for level in bids] + [(-1, *level) for level in asks]
    prices = tuple(price_units(price, instrument, "price of a level") for _, price, _ in levels)
    if prices and min(prices) <= 0:
        raise WireFault(f"a level of {instrument.id} has price 0")
    quantities = tuple(quantity_units(item, instrument, "quantity") for _, _, item in levels)
    return tuple(side for side, _, _ in levels), prices, quantities


class BookSync:
    """One instrument's book. ``book`` is whole only while ``is_live``."""

    __slots__ = ("_buffer", "_first", "_last_id", "book", "faults", "is_live")

    def __init__(self, instrument: Instrument) -> None:
        self.book = Book(instrument)
        self.is_live = False
        self.faults = 0
        self._buffer: deque[DepthDiff] = deque()
        self._last_id = 0
        self._first = False

    @property
    def needs_snapshot(self) -> bool:
        """Whether to ask for a snapshot; the rule wants a difference to be buffered before."""
        return not self.is_live and bool(self._buffer)

    def restart(self) -> None:
        """Forget the book: the stream was cut or cannot be believed."""
        self.book.clear()
        self.is_live = False
        self._buffer.clear()

    def on_diff(self, diff: DepthDiff, *, ts: int) -> str:
        """Apply or buffer one difference; a text says why the book was dropped instead."""
        if not self.is_live:
            if len(self._buffer) >= _BUFFER_MOST:
                self.restart()
                return f"{_BUFFER_MOST} differences came without a snapshot"
            self._buffer.append(diff)
            return ""
        reason = self._apply(diff, ts)
        if reason:
            self.faults += 1
            self.restart()
            # What broke the chain begins the next one.
            self._buffer.append(diff)
        return reason

    def on_snapshot(self, taken: DepthSnapshot, *, ts: int) -> str:
        """Begin at a snapshot and apply what is buffered; a text says why it does not fit."""
        while self._buffer and self._buffer[0].last_id < taken.last_id:
            self._buffer.popleft()
        waiting = list(self._buffer)
        if waiting and not _reaches(waiting[0], taken.last_id):
            return f"snapshot {taken.last_id} is older than difference {waiting[0].first_id}"
        self.book.clear()
        self.book.update((taken.sides, taken.prices, taken.quantities))
        self.book.ts_event = ts
        reason = self._crossed()
        self._last_id, self._first = taken.last_id, True
        self.is_live = not reason
        self._buffer.clear()
        for diff in waiting:
            reason = reason or self.on_diff(diff, ts=ts)
        if reason:
            self.restart()
        return reason

    def _apply(self, diff: DepthDiff, ts: int) -> str:
        if self._first:
            if diff.last_id < self._last_id:
                return ""
            if not _reaches(diff, self._last_id):
                return f"difference {diff.first_id} does not reach snapshot {self._last_id}"
        elif diff.previous_id != self._last_id:
            return f"difference after {diff.previous_id} came after {self._last_id}"
        self._first = False
        self._last_id = diff.last_id
        self.book.update((diff.sides, diff.prices, diff.quantities))
        self.book.ts_event = ts
        return self._crossed()

    def _crossed(self) -> str:
        bid, ask = self.book.bid_units, self.book.ask_units
        if bid and ask and bid >= ask:
            return f"the book is crossed: bid {bid} at or above ask {ask} units"
        return ""


def _reaches(diff: DepthDiff, last_id: int) -> bool:
    """Whether a difference that ends at or after a snapshot leaves no hole before it."""
    return diff.first_id <= last_id or diff.previous_id == last_id
