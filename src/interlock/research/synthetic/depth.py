"""Synthetic depth: a snapshot, then messages of changed levels, under the touch of the quotes.

The best level is thick, the levels behind it are thin with gaps between them, and quantity grows
with the distance. After each message the best levels are those of the quotes at its time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interlock.model.units import NANOSECONDS
from interlock.research.synthetic.bars import START
from interlock.research.synthetic.streams import Stream
from interlock.research.synthetic.symbols import Symbol, symbol
from interlock.research.synthetic.ticks import ASK, BID, quotes_and_trades
from interlock.strategy.columns import DepthColumns, QuoteColumns

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MESSAGES_PER_SECOND = 20
WINDOW_BP = 10.0
OCCUPIED = 0.28
DELETED = 0.28
ADDED = OCCUPIED * DELETED / (1.0 - OCCUPIED)
TOUCHED = 85
QUANTITY_SPREAD = 1.6
GROWTH_BP = 2.0
GROWTH_MAX = 5.0


class _BookSide:
    """One side of the book over the whole range of prices that the touch will visit."""

    def __init__(self, spec: Symbol, side: int, best: Integers, seed: int) -> None:
        label = "bid depth" if side == BID else "ask depth"
        ticks_per_bp = spec.price * 10.0**spec.instrument.price_exponent * 1e-4
        self._window = max(20, int(WINDOW_BP * ticks_per_bp))
        self._growth = GROWTH_BP * ticks_per_bp
        self._low = int(best.min()) - self._window
        self._levels = np.zeros(int(best.max()) + self._window + 1 - self._low, dtype=np.int64)
        self._side = side
        self._best = int(best[0]) - self._low
        self._places = Stream(seed, spec.name, label)
        self._noise = Stream(seed, spec.name, label, "quantity")
        self._median = spec.book.level_median * 10.0**spec.instrument.quantity_exponent
        self._lot = spec.instrument.lot

    def open(self, quantity: int) -> tuple[Integers, Integers]:
        """Fill the window behind the best level; all its prices and quantities."""
        self._fill(np.arange(1, self._window + 1))
        self._levels[self._best] = quantity
        found = np.flatnonzero(self._levels)
        return found + self._low, self._levels[found]

    def advance(self, price: int, quantity: int) -> tuple[Integers, Integers]:
        """Bring the side to a new best level; the prices that changed and their new quantities."""
        old = self._levels.copy()
        before, now = self._best, price - self._low
        self._best = now
        shift = (now - before) * self._side
        if shift > 0:
            # The market moved away: levels open in front, the farthest leave the window.
            self._fill(np.arange(1, min(shift, self._window) + 1))
            self._clear_beyond()
        elif shift < 0:
            self._clear_in_front(before)
            self._fill(np.arange(max(1, self._window + shift + 1), self._window + 1))
        self._shuffle()
        self._levels[now] = quantity
        changed = np.flatnonzero(self._levels != old)
        return changed + self._low, self._levels[changed]

    def _fill(self, offsets: Integers) -> None:
        draws = self._places.uniform(len(offsets))[:, 0]
        amounts = self._amounts(offsets)
        self._levels[self._best - self._side * offsets] = np.where(draws < OCCUPIED, amounts, 0)

    def _amounts(self, offsets: Integers) -> Integers:
        growth = np.minimum(1.0 + offsets / self._growth, GROWTH_MAX)
        noise = np.exp(QUANTITY_SPREAD * self._noise.normal(len(offsets)))
        amounts = np.rint(self._median * growth * noise).astype(np.int64)
        return np.maximum(amounts, self._lot)

    def _shuffle(self) -> None:
        draws = self._places.uniform(TOUCHED, 2)
        # More changes near the touch; each place once, so that a change is one change.
        offsets = np.unique(1 + (self._window * draws[:, 0] ** 2).astype(np.int64))
        chance = draws[: len(offsets), 1]
        places = self._best - self._side * offsets
        empty = self._levels[places] == 0
        keeps = np.where(empty, chance < ADDED, chance >= DELETED)
        self._levels[places] = np.where(keeps, self._amounts(offsets), 0)

    def _clear_beyond(self) -> None:
        edge = self._best - self._side * self._window
        if self._side == BID:
            self._levels[:edge] = 0
        else:
            self._levels[edge + 1 :] = 0

    def _clear_in_front(self, before: int) -> None:
        low, high = min(before, self._best), max(before, self._best)
        self._levels[low : high + 1] = 0


def depth(name: str, *, start: int = START, seconds: float = 60.0, seed: int = 0) -> DepthColumns:
    """Depth messages, 20 a second, under the quotes of the same symbol, start and seed.

    ``sequence`` is 1 for the snapshot and grows by one a message; the rows of a message share it
    and its time. Levels lie within 10 basis points of the touch.
    """
    quotes, _ = quotes_and_trades(name, start=start, seconds=seconds, seed=seed)
    return depth_under(quotes, seed=seed)


def depth_under(quotes: QuoteColumns, *, seed: int) -> DepthColumns:
    """Depth whose best levels are those of the given synthetic quotes."""
    spec = symbol(quotes.instrument.id)
    period = NANOSECONDS // MESSAGES_PER_SECOND
    first = int(quotes.ts[0])
    ts = np.arange(first, int(quotes.ts[-1]) + 1, period, dtype=np.int64)
    row = np.searchsorted(quotes.ts, ts, "right") - 1
    touch = {
        BID: (quotes.bid[row], quotes.bid_quantity[row]),
        ASK: (quotes.ask[row], quotes.ask_quantity[row]),
    }
    books = {side: _BookSide(spec, side, touch[side][0], seed) for side in (BID, ASK)}
    parts: list[tuple[int, int, Integers, Integers]] = []
    for index in range(len(ts)):
        for side, book in books.items():
            price, quantity = int(touch[side][0][index]), int(touch[side][1][index])
            changed = book.open(quantity) if index == 0 else book.advance(price, quantity)
            parts.append((index, side, *changed))
    lengths = [len(prices) for _, _, prices, _ in parts]
    message = np.repeat(np.array([index for index, *_ in parts], dtype=np.int64), lengths)
    sides = np.repeat(np.array([side for _, side, *_ in parts], dtype=np.int64), lengths)
    _, sequence = np.unique(message, return_inverse=True)
    return DepthColumns(
        instrument=quotes.instrument,
        ts=ts[message],
        sequence=sequence.astype(np.int64) + 1,
        is_snapshot=(message == 0).astype(np.int64),
        side=sides,
        price=np.concatenate([prices for _, _, prices, _ in parts]),
        quantity=np.concatenate([quantities for *_, quantities in parts]),
    )
