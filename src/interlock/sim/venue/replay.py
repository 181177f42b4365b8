"""Recorded data as the other participants of a symbol: quotes, trades or bars become their orders.

Quotes set what stands at the touch: more joins the back of the queue, less leaves it, and our own
orders keep their place in between. A recorded trade takes its quantity at its price; where the
book has less than the record says, the missing part is offered behind whoever stands there. A bar
is walked from its open to the nearer extreme, the other one, and the close, with its volume in
four parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import merge
from typing import NamedTuple

from interlock.sim.venue import crowd
from interlock.sim.venue.market import Market
from interlock.sim.venue.state import NEVER, VenueState
from interlock.strategy.columns import BarColumns, Columns, QuoteColumns, TradeColumns

_BLOCK = 4_096
_LEVELS = 40
# Where only trades or bars are recorded, the touch holds this many times their quantity.
_DEPTH_FACTOR = 4


class Row(NamedTuple):
    """One recorded moment: kind 0 a touch (bid, quantity, ask, quantity), 1 a trade."""

    ts: int
    kind: int
    values: tuple[int, ...]


def _rows(columns: Columns) -> Iterator[tuple[int, ...]]:
    arrays = [array for _, array in columns.arrays()]
    for start in range(0, len(columns), _BLOCK):
        block = [array[start : start + _BLOCK].tolist() for array in arrays]
        yield from zip(*block, strict=True)


def _quote_rows(quotes: QuoteColumns) -> Iterator[Row]:
    for ts, *values in _rows(quotes):
        yield Row(ts, 0, tuple(values))


def _trade_rows(trades: TradeColumns, with_touch: bool) -> Iterator[Row]:
    tick = trades.instrument.round_price(1, up=True)
    for ts, price, quantity, side in _rows(trades):
        yield Row(ts, 1, (price, quantity, side))
        if with_touch:
            depth = _DEPTH_FACTOR * quantity
            yield Row(ts, 0, (max(1, price - tick), depth, price + tick, depth))


def _bar_rows(bars: BarColumns) -> Iterator[Row]:
    tick = bars.instrument.round_price(1, up=True)
    lot = bars.instrument.lot
    for ts, opened, high, low, close, volume in _rows(bars):
        first, second = (low, high) if opened - low <= high - opened else (high, low)
        before = opened
        for part, price in enumerate((opened, first, second, close)):
            quantity = max(lot, volume // 4 // lot * lot)
            moment = ts + bars.step_ns * part // 4
            depth = _DEPTH_FACTOR * quantity
            yield Row(moment, 0, (max(1, price - tick), depth, price + tick, depth))
            yield Row(moment, 1, (price, quantity, 1 if price >= before else -1))
            before = price


def rows_of(
    *,
    quotes: QuoteColumns | None = None,
    trades: TradeColumns | None = None,
    bars: BarColumns | None = None,
) -> Iterator[Row]:
    """Recorded columns of one symbol as one ordered stream; a quote goes before a trade."""
    parts: list[Iterator[Row]] = []
    if quotes is not None:
        parts.append(_quote_rows(quotes))
    if trades is not None:
        parts.append(_trade_rows(trades, with_touch=quotes is None))
    if bars is not None and not parts:
        parts.append(_bar_rows(bars))
    return merge(*parts, key=lambda row: row.ts)


class Replay:
    """Recorded rows as a Flow; ``shift_ns`` is added to their times."""

    def __init__(self, rows: Iterator[Row], *, shift_ns: int = 0) -> None:
        self._rows = rows
        self._shift = shift_ns
        self._parts = 1_000_000
        self._ours: dict[int, dict[int, list[int]]] = {1: {}, -1: {}}
        self._ahead = next(rows, None)

    def act(self, state: VenueState, market: Market, ts: int) -> int:
        """Everything recorded up to ``ts``."""
        while self._ahead is not None and self._ahead.ts + self._shift <= ts:
            self._apply(state, market, self._ahead)
            self._ahead = next(self._rows, None)
        # No index is recorded: the middle stands for it, so that funding has no premium.
        market.index = market.middle() or market.index
        return NEVER if self._ahead is None else self._ahead.ts + self._shift

    @property
    def is_over(self) -> bool:
        """Whether everything recorded has happened."""
        return self._ahead is None

    def gap(self, state: VenueState, market: Market, ratio: float) -> None:
        """From here on every recorded price is scaled by the ratio."""
        self._parts = max(1, round(self._parts * ratio))
        self._ours = {1: {}, -1: {}}
        price = market.instrument.round_price(max(1, round(market.last * ratio)), up=ratio > 1)
        quantity = market.instrument.lot
        tick = market.instrument.round_price(1, up=True)
        depth = max(market.top[1], market.top[3], quantity) * _DEPTH_FACTOR
        self._touch(state, market, (max(1, price - tick), depth, price + tick, depth))
        self._trade(state, market, (price, quantity, -1 if ratio < 1 else 1))

    def _scaled(self, price: int, market: Market) -> int:
        if self._parts == 1_000_000:
            return price
        scaled = price * self._parts // 1_000_000
        return max(1, market.instrument.round_price(scaled, up=False))

    def _apply(self, state: VenueState, market: Market, row: Row) -> None:
        if row.kind:
            price, quantity, side = row.values
            self._trade(state, market, (self._scaled(price, market), quantity, side))
            return
        bid, bid_quantity, ask, ask_quantity = row.values
        low, high = self._scaled(bid, market), self._scaled(ask, market)
        if low == high and bid != ask:
            high = market.instrument.round_price(high + 1, up=True)
        self._touch(state, market, (low, bid_quantity, high, ask_quantity))

    def _touch(self, state: VenueState, market: Market, values: tuple[int, ...]) -> None:
        touch = {1: values[0], -1: values[2]}
        for side in (1, -1):
            levels = self._ours[side]
            best = touch[side] or -side * NEVER
            for price in [price for price in levels if (price - best) * side > 0]:
                for number in levels.pop(price):
                    crowd.withdraw(market, number)
        for side, quantity in ((1, values[1]), (-1, values[3])):
            if touch[side] and quantity:
                self._hold(state, market, side, (touch[side], quantity))
            self._prune(market, side)

    def _hold(self, state: VenueState, market: Market, side: int, wanted: tuple[int, int]) -> None:
        """Bring what we stand for at a price to a quantity: from the back, or at the back."""
        price, quantity = wanted
        numbers = [n for n in self._ours[side].get(price, ()) if n in market.book]
        surplus = sum(market.book.order(n).quantity for n in numbers) - quantity
        while surplus > 0:
            last = market.book.order(numbers[-1]).quantity
            crowd.shrink(market, numbers[-1], min(last, surplus))
            if last <= surplus:
                numbers.pop()
            surplus -= last
        if surplus < 0:
            number = crowd.rest(state, market, side, price=price, quantity=-surplus)
            if number:
                numbers.append(number)
        self._ours[side][price] = numbers

    def _prune(self, market: Market, side: int) -> None:
        levels = self._ours[side]
        while len(levels) > _LEVELS:
            farthest = min(levels, key=lambda price: price * side)
            for number in levels.pop(farthest):
                crowd.withdraw(market, number)

    def _trade(self, state: VenueState, market: Market, values: tuple[int, ...]) -> None:
        price, quantity, side = values
        if not quantity:
            return
        if not side:
            side = 1 if price >= market.middle() else -1
        missing = quantity - self._reach(market, side, price, quantity)
        if missing > 0 and not market.book.crosses(-side, price):
            number = crowd.rest(state, market, -side, price=price, quantity=missing)
            if number:
                self._ours[-side].setdefault(price, []).append(number)
        crowd.take(state, market, side, price=price, quantity=quantity)

    def _reach(self, market: Market, side: int, price: int, quantity: int) -> int:
        reach = 0
        for resting in market.book.side(-side):
            if reach >= quantity or (resting.price - price) * side > 0:
                break
            reach += resting.quantity
        return reach
