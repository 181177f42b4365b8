"""Synthetic quotes and trades that agree: every trade is at the touch, or the touch moves to it.

The spread is one tick except for the moments in which one side has moved and the other has not
yet followed. A taker order takes from the best quantity, and the quote after it shows what is left;
an order that empties the best level moves the touch.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.model.units import NANOSECONDS
from interlock.research.synthetic.bars import START
from interlock.research.synthetic.flow import (
    MICROSECOND_NS,
    RESPONSE_NS,
    Moves,
    Orders,
    arrivals,
    moves,
    orders,
)
from interlock.research.synthetic.process import path
from interlock.research.synthetic.streams import Stream
from interlock.research.synthetic.symbols import Symbol, SyntheticError, symbol
from interlock.strategy.columns import QuoteColumns, TradeColumns

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

BID, ASK = 1, -1
QUANTITY_SPREAD = 0.9
QUANTITY_HALF_LIFE = 40.0
LEVEL_SPREAD = 1.5
THINNING_NS = 3_000_000
TILT = 0.5
TILT_NS = 200_000_000
PRINTS_MEAN = 4.0


@dataclass(frozen=True, kw_only=True)
class _Side:
    # Prices from ``price_ts`` on; quantities shown from ``ts`` on, before taker orders.
    price_ts: Integers
    price: Integers
    ts: Integers
    quantity: Integers

    def price_at(self, ts: Integers) -> Integers:
        return self.price[np.searchsorted(self.price_ts, ts, "right") - 1]


@dataclass(frozen=True, kw_only=True)
class _Taken:
    # Orders that found quantity: what they got at the best level, and what was left there.
    ts: Integers
    sign: Integers
    price: Integers
    quantity: Integers
    left: Integers
    depletes: NDArray[np.bool_]


def quotes_and_trades(
    name: str, *, start: int = START, seconds: float = 600.0, seed: int = 0
) -> tuple[QuoteColumns, TradeColumns]:
    """Best bid and ask, and the trades against them, from ``start`` (ns UTC, a whole minute).

    A quote that follows from a trade comes 0.2 ms after it; no quote and trade share a time.
    """
    if seconds <= 0:
        raise SyntheticError(f"{seconds} seconds is not a length; ask for more than zero")
    spec = symbol(name)
    minutes = int(seconds // 60) + 1
    line = path(name, start=start, minutes=minutes, seed=seed, crashes=False)
    wanted = orders(spec, seconds=seconds, seed=seed)
    shifts = moves(spec, wanted, line=line, seconds=seconds, seed=seed)
    sides = {side: _side(spec, side, wanted, shifts, seconds, seed) for side in (BID, ASK)}
    taken = {side: _take(spec, sides[side], wanted, -side) for side in (BID, ASK)}
    quotes = _quotes(spec, sides, taken, start=start, end=int(seconds * NANOSECONDS))
    return quotes, _trades(spec, sides, taken, start, seed)


def _side(
    spec: Symbol, side: int, wanted: Orders, shifts: Moves, seconds: float, seed: int
) -> _Side:
    label = "bid" if side == BID else "ask"
    leads = shifts.direction == -side
    changes = np.where(leads, shifts.ts, shifts.settled)
    first = round(spec.price * 10.0**spec.instrument.price_exponent) + (side == ASK)
    price = first + np.concatenate(([0], np.cumsum(shifts.direction * shifts.ticks)))
    if int(price.min()) < 1:
        raise SyntheticError(f"{spec.name}: the touch fell to zero; ask for fewer seconds")
    rate = max(2.0, spec.book.quote_rate - spec.book.taker_rate - 2.0 * spec.book.move_rate) / 2.0
    refreshed = arrivals(
        Stream(seed, spec.name, label), rate=rate, seconds=seconds, gap_min_ns=MICROSECOND_NS
    )
    emptied = wanted.ts[wanted.depletes & (wanted.sign == -side)]
    following = np.append(emptied, np.iinfo(np.int64).max)[np.searchsorted(emptied, refreshed)]
    refreshed = refreshed[following - refreshed > THINNING_NS]
    full = np.unique(np.concatenate(([0], refreshed, shifts.settled)))
    # Quoting thins before an order empties the level; a side that leads lands on a thin level.
    thin = np.maximum(emptied // MICROSECOND_NS * MICROSECOND_NS - THINNING_NS, 1)
    amounts = (
        _full_quantities(spec, full, shifts, side, seed),
        wanted.quantity[wanted.depletes & (wanted.sign == -side)],
        _thin_quantities(spec, int(leads.sum()), label, seed),
    )
    ts = np.concatenate((full, thin, shifts.ts[leads]))
    order = np.argsort(ts, kind="stable")
    return _Side(
        price_ts=np.concatenate(([0], changes)),
        price=price,
        ts=ts[order],
        quantity=np.concatenate(amounts)[order],
    )


def _full_quantities(spec: Symbol, ts: Integers, shifts: Moves, side: int, seed: int) -> Integers:
    stream = Stream(seed, spec.name, "bid quantity" if side == BID else "ask quantity")
    noise = QUANTITY_SPREAD * stream.autoregressive(len(ts), QUANTITY_HALF_LIFE)
    # The side toward which the price is about to move is thinner, the other one thicker.
    position = np.searchsorted(shifts.ts, ts)
    soon = np.append(shifts.ts, np.iinfo(np.int64).max)[position] - ts < TILT_NS
    ahead = np.append(shifts.direction, 0)[position]
    noise += TILT * side * ahead * soon
    return _units(spec, spec.book.best_median * np.exp(noise))


def _thin_quantities(spec: Symbol, count: int, label: str, seed: int) -> Integers:
    noise = Stream(seed, spec.name, f"{label} thin").normal(count)
    return _units(spec, spec.book.level_median * np.exp(LEVEL_SPREAD * noise))


def _units(spec: Symbol, quantity: Floats) -> Integers:
    units = np.rint(quantity * 10.0**spec.instrument.quantity_exponent).astype(np.int64)
    return np.maximum(units, spec.instrument.lot)


def _take(spec: Symbol, side: _Side, wanted: Orders, sign: int) -> _Taken:
    chosen = wanted.sign == sign
    ts, depletes = wanted.ts[chosen], wanted.depletes[chosen]
    segment = np.searchsorted(side.ts, ts, "right") - 1
    shown = side.quantity[segment]
    # What all orders up to this one took since the quantity was last refreshed; an order that is
    # not to empty the level leaves at least one lot.
    running = np.cumsum(np.where(depletes, 0, wanted.quantity[chosen]))
    begins = np.flatnonzero(np.diff(segment, prepend=-1))
    lengths = np.diff(begins, append=len(segment))
    before = np.repeat(np.concatenate(([0], running))[begins], lengths)
    used = np.minimum(running - before, shown - spec.instrument.lot)
    earlier = np.concatenate(([0], used[:-1]))
    earlier[begins] = 0
    got = np.where(depletes, shown - earlier, used - earlier)
    keep = got > 0
    return _Taken(
        ts=ts[keep],
        sign=np.full(int(keep.sum()), sign, dtype=np.int64),
        price=side.price_at(ts)[keep],
        quantity=got[keep],
        left=(shown - used)[keep],
        depletes=depletes[keep],
    )


def _quotes(
    spec: Symbol, sides: dict[int, _Side], taken: dict[int, _Taken], *, start: int, end: int
) -> QuoteColumns:
    shown: dict[int, tuple[Integers, Integers]] = {}
    for key, side in sides.items():
        after = taken[key].ts // MICROSECOND_NS * MICROSECOND_NS + RESPONSE_NS
        following = np.append(side.ts, np.iinfo(np.int64).max)
        # A refresh between the order and its echo makes the echo stale.
        fresh = following[np.searchsorted(side.ts, taken[key].ts, "right")] > after
        fresh &= ~taken[key].depletes
        ts = np.concatenate((side.ts, after[fresh]))
        order = np.argsort(ts, kind="stable")
        amounts = np.concatenate((side.quantity, taken[key].left[fresh]))
        shown[key] = ts[order], amounts[order]
    changes = (sides[BID].price_ts, sides[ASK].price_ts, shown[BID][0], shown[ASK][0])
    ts = np.unique(np.concatenate(changes))
    ts = ts[ts < end]
    row = {key: np.searchsorted(shown[key][0], ts, "right") - 1 for key in sides}
    return QuoteColumns(
        instrument=spec.instrument,
        ts=start + ts,
        bid=sides[BID].price_at(ts),
        bid_quantity=shown[BID][1][row[BID]],
        ask=sides[ASK].price_at(ts),
        ask_quantity=shown[ASK][1][row[ASK]],
    )


def _trades(
    spec: Symbol, sides: dict[int, _Side], taken: dict[int, _Taken], start: int, seed: int
) -> TradeColumns:
    both = (taken[BID], taken[ASK])
    ts = np.concatenate([part.ts for part in both])
    order = np.argsort(ts, kind="stable")
    ts = ts[order]
    sign = np.concatenate([part.sign for part in both])[order]
    price = np.concatenate([part.price for part in both])[order]
    quantity = np.concatenate([part.quantity for part in both])[order]
    moved = ts // MICROSECOND_NS * MICROSECOND_NS + RESPONSE_NS
    touch = np.where(sign > 0, sides[ASK].price_at(moved), sides[BID].price_at(moved))
    depletes = np.concatenate([part.depletes for part in both])[order]
    crossing = np.flatnonzero(depletes & ((touch - price) * sign > 0))
    first, amount = _prints(quantity, Stream(seed, spec.name, "prints"))
    draws = Stream(seed, spec.name, "crossing").uniform(len(crossing))[:, 0]
    reach = np.ceil((touch - price)[crossing] * sign[crossing] * draws).astype(np.int64)
    beyond = price[crossing] + sign[crossing] * reach
    index = np.concatenate((first, crossing))
    sequence = np.argsort(index, kind="stable")
    row = index[sequence]
    extra = _thin_quantities(spec, len(crossing), "crossing", seed)
    return TradeColumns(
        instrument=spec.instrument,
        ts=start + ts[row],
        price=np.concatenate((price[first], beyond))[sequence],
        quantity=np.concatenate((amount, extra))[sequence],
        side=sign[row],
    )


def _prints(quantity: Integers, stream: Stream) -> tuple[Integers, Integers]:
    # An order meets several resting orders: a geometric number of prints that sum to it.
    draws = stream.uniform(len(quantity))[:, 0]
    count = 1 + np.floor(np.log(draws) / np.log(1.0 - 1.0 / PRINTS_MEAN)).astype(np.int64)
    count = np.minimum(count, quantity)
    order = np.repeat(np.arange(len(quantity)), count)
    ends = np.cumsum(count)
    rank = np.arange(len(order)) - np.repeat(ends - count, count)
    # Cuts spread evenly with jitter keep every part positive without a second pass over groups.
    jitter = stream.uniform(len(order))[:, 0]
    cut = (rank + jitter) / count[order] * quantity[order]
    bounds = np.floor(cut).astype(np.int64)
    bounds[ends - 1] = quantity
    parts = np.diff(bounds, prepend=0)
    starts = ends - count
    parts[starts] = bounds[starts]
    keep = parts > 0
    return order[keep], parts[keep]
