"""Market events as cursors over columns: one object per stream, not one per row.

A cursor shows the row it stands on and nothing after it. It is the event that enters the kernel and
the object a strategy sees, in every mode: live data is a cursor over a column of one row. What a
strategy wants to keep beyond the call, it copies with ``copy()``.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from typing import Any, Self

from interlock.model.instrument import Instrument

Column = Any  # memoryview of format "q"; typed loosely because typeshed's is not generic on 3.11


def column(*values: int) -> Column:
    """A one-off column of the given integers."""
    return memoryview(array("q", values))


class Cursor:
    """A row of one instrument's columns; ``_row`` is moved by the feed and by nobody else."""

    __slots__ = ("_columns", "_price_scale", "_quantity_scale", "_row", "instrument")

    names: tuple[str, ...] = ("ts",)

    def __init__(self, instrument: Instrument, columns: tuple[Column, ...], row: int = -1) -> None:
        if len(columns) != len(self.names):
            raise ValueError(f"{type(self).__name__} takes the columns {self.names}")
        self.instrument = instrument
        self._row = row
        self._columns = columns
        self._price_scale: int = 10**instrument.price_exponent
        self._quantity_scale: int = 10**instrument.quantity_exponent

    def __len__(self) -> int:
        return len(self._columns[0])

    @classmethod
    def of(cls, instrument: Instrument, *values: int) -> Self:
        """A cursor over one row that owns its values."""
        row = column(*values)
        return cls(instrument, tuple([row[place : place + 1] for place in range(len(row))]), 0)

    @property
    def row(self) -> int:
        """Which row of its stream this is, from 0."""
        return self._row

    def history(self, name: str, count: int) -> list[int]:
        """The last ``count`` integers of a column up to and including this row."""
        end = self._row + 1
        values = self._columns[self.names.index(name)]
        return values[max(0, end - count) : end].tolist()  # type: ignore[no-any-return]

    def values(self) -> tuple[int, ...]:
        """The integers of the row, in the order of ``names``."""
        return tuple(values[self._row] for values in self._columns)

    def copy(self) -> Self:
        """The row as an object that does not move."""
        return type(self).of(self.instrument, *self.values())

    def arriving(self, ts: int) -> Self:
        """The row as it reaches us later: an event of its own, at ``ts``."""
        _, *values = self.values()
        return type(self).of(self.instrument, ts, *values)

    def __repr__(self) -> str:
        if not 0 <= self._row < len(self):
            return f"{type(self).__name__}({self.instrument.id}, before the first row)"
        pairs = ", ".join(f"{k}={v}" for k, v in zip(self.names, self.values(), strict=True))
        return f"{type(self).__name__}({self.instrument.id}, {pairs})"


class Bar(Cursor):
    """A complete bar. Times in ns; ``*_units`` are integers, the plain names floats."""

    __slots__ = ("_close", "_high", "_low", "_open", "_ready_ns", "_ts", "_volume", "step_ns")

    names = ("ts", "open", "high", "low", "close", "volume")

    def __init__(
        self, instrument: Instrument, columns: tuple[Column, ...], row: int = -1, step_ns: int = 0
    ) -> None:
        super().__init__(instrument, columns, row)
        self._ts, self._open, self._high, self._low, self._close, self._volume = columns
        self.step_ns = step_ns
        self._ready_ns = step_ns

    def copy(self) -> Self:
        """The bar as an object that does not move."""
        kept = super().copy()
        kept.step_ns = self.step_ns
        kept._ready_ns = self._ready_ns
        return kept

    def arriving(self, ts: int) -> Self:
        """The bar as it reaches us later: its own times, but an event at ``ts``."""
        # Over the same columns, so that what came before it stays in reach.
        kept = type(self)(self.instrument, self._columns, self._row, self.step_ns)
        kept._ready_ns = ts - self.ts_open
        return kept

    @property
    def ts_open(self) -> int:
        """Open time, ns."""
        return self._ts[self._row]  # type: ignore[no-any-return]

    @property
    def ts_event(self) -> int:
        """When the bar enters the kernel, ns: its close, or later where data takes time."""
        return self._ts[self._row] + self._ready_ns  # type: ignore[no-any-return]

    @property
    def open_units(self) -> int:
        """Open in price units."""
        return self._open[self._row]  # type: ignore[no-any-return]

    @property
    def high_units(self) -> int:
        """High in price units."""
        return self._high[self._row]  # type: ignore[no-any-return]

    @property
    def low_units(self) -> int:
        """Low in price units."""
        return self._low[self._row]  # type: ignore[no-any-return]

    @property
    def close_units(self) -> int:
        """Close in price units."""
        return self._close[self._row]  # type: ignore[no-any-return]

    @property
    def volume_units(self) -> int:
        """Volume in quantity units."""
        return self._volume[self._row]  # type: ignore[no-any-return]

    @property
    def mark_units(self) -> int:
        """The price that values a position after this event."""
        return self._close[self._row]  # type: ignore[no-any-return]

    @property
    def open(self) -> float:
        """Open in quote units."""
        return self._open[self._row] / self._price_scale  # type: ignore[no-any-return]

    @property
    def high(self) -> float:
        """High in quote units."""
        return self._high[self._row] / self._price_scale  # type: ignore[no-any-return]

    @property
    def low(self) -> float:
        """Low in quote units."""
        return self._low[self._row] / self._price_scale  # type: ignore[no-any-return]

    @property
    def close(self) -> float:
        """Close in quote units."""
        return self._close[self._row] / self._price_scale  # type: ignore[no-any-return]

    @property
    def volume(self) -> float:
        """Volume in base units."""
        return self._volume[self._row] / self._quantity_scale  # type: ignore[no-any-return]


class Quote(Cursor):
    """Best bid and ask."""

    __slots__ = ("_ask", "_ask_quantity", "_bid", "_bid_quantity", "_ts")

    names = ("ts", "bid", "bid_quantity", "ask", "ask_quantity")

    def __init__(self, instrument: Instrument, columns: tuple[Column, ...], row: int = -1) -> None:
        super().__init__(instrument, columns, row)
        self._ts, self._bid, self._bid_quantity, self._ask, self._ask_quantity = columns

    @property
    def ts_event(self) -> int:
        """Time, ns."""
        return self._ts[self._row]  # type: ignore[no-any-return]

    @property
    def bid_units(self) -> int:
        """Best bid in price units."""
        return self._bid[self._row]  # type: ignore[no-any-return]

    @property
    def ask_units(self) -> int:
        """Best ask in price units."""
        return self._ask[self._row]  # type: ignore[no-any-return]

    @property
    def bid_quantity_units(self) -> int:
        """Quantity at the best bid in quantity units."""
        return self._bid_quantity[self._row]  # type: ignore[no-any-return]

    @property
    def ask_quantity_units(self) -> int:
        """Quantity at the best ask in quantity units."""
        return self._ask_quantity[self._row]  # type: ignore[no-any-return]

    @property
    def mark_units(self) -> int:
        """The middle of the touch in price units, rounded half to even."""
        total: int = self._bid[self._row] + self._ask[self._row]
        half = total >> 1
        return half + (total & 1 & half)

    @property
    def bid(self) -> float:
        """Best bid in quote units."""
        return self._bid[self._row] / self._price_scale  # type: ignore[no-any-return]

    @property
    def ask(self) -> float:
        """Best ask in quote units."""
        return self._ask[self._row] / self._price_scale  # type: ignore[no-any-return]

    @property
    def bid_quantity(self) -> float:
        """Quantity at the best bid in base units."""
        return self._bid_quantity[self._row] / self._quantity_scale  # type: ignore[no-any-return]

    @property
    def ask_quantity(self) -> float:
        """Quantity at the best ask in base units."""
        return self._ask_quantity[self._row] / self._quantity_scale  # type: ignore[no-any-return]


class Trade(Cursor):
    """One trade of others; ``side`` is the aggressor: +1 buyer, -1 seller, 0 unknown."""

    __slots__ = ("_price", "_quantity", "_side", "_ts")

    names = ("ts", "price", "quantity", "side")

    def __init__(self, instrument: Instrument, columns: tuple[Column, ...], row: int = -1) -> None:
        super().__init__(instrument, columns, row)
        self._ts, self._price, self._quantity, self._side = columns

    @property
    def ts_event(self) -> int:
        """Time, ns."""
        return self._ts[self._row]  # type: ignore[no-any-return]

    @property
    def price_units(self) -> int:
        """Price in price units."""
        return self._price[self._row]  # type: ignore[no-any-return]

    @property
    def quantity_units(self) -> int:
        """Quantity in quantity units."""
        return self._quantity[self._row]  # type: ignore[no-any-return]

    @property
    def side(self) -> int:
        """Aggressor: +1 buyer, -1 seller, 0 unknown."""
        return self._side[self._row]  # type: ignore[no-any-return]

    @property
    def mark_units(self) -> int:
        """The price that values a position after this event."""
        return self._price[self._row]  # type: ignore[no-any-return]

    @property
    def price(self) -> float:
        """Price in quote units."""
        return self._price[self._row] / self._price_scale  # type: ignore[no-any-return]

    @property
    def quantity(self) -> float:
        """Quantity in base units."""
        return self._quantity[self._row] / self._quantity_scale  # type: ignore[no-any-return]


_NO_ASK = 1 << 62


class Book:
    """Aggregated levels of one instrument, kept current by its feed.

    ``bids`` and ``asks`` map price units to quantity units. They are changed through the methods
    only, because the best price of a side is remembered and searched again when its level goes.
    """

    __slots__ = (
        "_ask",
        "_bid",
        "_price_scale",
        "_quantity_scale",
        "asks",
        "bids",
        "instrument",
        "ts_event",
    )

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}
        self.ts_event = 0
        # The best prices. While the best level is gone and not yet searched for, they hold a value
        # that no price improves: for bids _NO_ASK, for asks 0. Empty sides hold 0 and _NO_ASK.
        self._bid = 0
        self._ask = _NO_ASK
        self._price_scale: int = 10**instrument.price_exponent
        self._quantity_scale: int = 10**instrument.quantity_exponent

    def set_level(self, side: int, price: int, *, quantity: int) -> None:
        """Replace one level; quantity 0 removes it."""
        self.update(((side,), (price,), (quantity,)))

    def update(self, rows: tuple[Iterable[int], Iterable[int], Iterable[int]]) -> None:
        """Replace levels, given as sides, prices and quantities; quantity 0 removes a level."""
        bids, asks, best_bid, best_ask = self.bids, self.asks, self._bid, self._ask
        for side, price, quantity in zip(*rows, strict=True):
            if side > 0:
                if quantity:
                    bids[price] = quantity
                    if price > best_bid:
                        best_bid = price
                elif bids.pop(price, 0) and price == best_bid:
                    best_bid = _NO_ASK
            elif quantity:
                asks[price] = quantity
                if price < best_ask:
                    best_ask = price
            elif asks.pop(price, 0) and price == best_ask:
                best_ask = 0
        self._bid, self._ask = best_bid, best_ask

    def clear(self) -> None:
        """Forget every level, before a snapshot."""
        self.bids.clear()
        self.asks.clear()
        self._bid, self._ask = 0, _NO_ASK

    def copy(self) -> Book:
        """The book as an object that does not move."""
        kept = Book(self.instrument)
        kept.bids, kept.asks = self.bids.copy(), self.asks.copy()
        kept.ts_event, kept._bid, kept._ask = self.ts_event, self._bid, self._ask
        return kept

    def arriving(self, ts: int) -> Book:
        """The book as it reaches us later: as it is now, but an event at ``ts``."""
        kept = self.copy()
        kept.ts_event = ts
        return kept

    @property
    def bid_units(self) -> int:
        """Best bid in price units, 0 when the side is empty."""
        if self._bid == _NO_ASK:
            self._bid = max(self.bids, default=0)
        return self._bid

    @property
    def ask_units(self) -> int:
        """Best ask in price units, 0 when the side is empty."""
        if not self._ask:
            self._ask = min(self.asks, default=_NO_ASK)
        return 0 if self._ask == _NO_ASK else self._ask

    def quantity_units(self, side: int, price: int) -> int:
        """Quantity at one price of a side in quantity units, 0 when there is no such level."""
        return (self.bids if side > 0 else self.asks).get(price, 0)

    def prices(self, side: int) -> Iterator[int]:
        """The prices of a side from the best on; the side must not change meanwhile."""
        best = self.bid_units if side > 0 else self.ask_units
        if best:
            # Most walks end at the best level: the rest is sorted only when somebody goes on.
            yield best
            rest = sorted(self.bids, reverse=True) if side > 0 else sorted(self.asks)
            yield from rest[1:]

    @property
    def mark_units(self) -> int:
        """The middle of the touch, or the side that exists."""
        bid, ask = self.bid_units, self.ask_units
        if not bid or not ask:
            return bid or ask
        total = bid + ask
        half = total >> 1
        return half + (total & 1 & half)

    @property
    def bid(self) -> float:
        """Best bid in quote units."""
        return self.bid_units / self._price_scale

    @property
    def ask(self) -> float:
        """Best ask in quote units."""
        return self.ask_units / self._price_scale

    def levels(self, side: int, count: int) -> list[tuple[float, float]]:
        """The best ``count`` (price, quantity) of a side in quote and base units."""
        levels = self.bids if side > 0 else self.asks
        best = sorted(levels, reverse=side > 0)[:count]
        return [(p / self._price_scale, levels[p] / self._quantity_scale) for p in best]
