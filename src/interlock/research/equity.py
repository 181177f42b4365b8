"""The equity curve of a run, from the account's changes and the marks, to the last unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from interlock.model.instrument import Instrument
from interlock.model.units import MONEY_SCALE
from interlock.research.book_marks import book_marks
from interlock.research.options import BacktestError
from interlock.sim.record import AccountRow
from interlock.strategy.columns import BarColumns, Dataset, DepthColumns, OrderColumns, QuoteColumns

Integers = NDArray[np.int64]
CHUNK = 1 << 18
ROWS_MAX = 200_000
DAY_NS = 86_400 * 10**9
MINUTE_NS = 60 * 10**9
_UNITS_MAX = 1 << 62


@dataclass(frozen=True)
class Marks:
    """The mark of one instrument at some times, in price units."""

    instrument: Instrument
    ts: Integers
    price: Integers


@dataclass(frozen=True)
class Curve:
    """Equity at every sample: ``units`` exact, ``frame`` thinned where they are many."""

    ts: Integers
    units: Integers
    frame: pl.DataFrame


def marks_of(dataset: Dataset) -> list[Marks]:
    """The series that value each instrument: its finest bars, or the middle of quotes."""
    found: dict[str, Marks] = {}
    for part in dataset.quotes:
        total = part.bid + part.ask
        half = total >> 1
        found[part.instrument.id] = Marks(part.instrument, part.ts, half + (total & 1 & half))
    books: tuple[DepthColumns | OrderColumns, ...] = (*dataset.depth, *dataset.orders)
    for book in books:
        # A book costs a pass of its own: where quotes tell the touch, it is not needed.
        if book.instrument.id not in found:
            found[book.instrument.id] = Marks(book.instrument, *book_marks(book))
    for trades in dataset.trades:
        if trades.instrument.id not in found:
            found[trades.instrument.id] = Marks(trades.instrument, trades.ts, trades.price)
    steps: dict[str, int] = {}
    for bars in dataset.bars:
        key = bars.instrument.id
        if key in found and key not in steps:
            continue
        if key not in steps or bars.step_ns < steps[key]:
            steps[key] = bars.step_ns
            found[key] = Marks(bars.instrument, bars.close_ts, bars.close)
    return [found[key] for key in sorted(found)]


def sample_times(dataset: Dataset, changes: Sequence[AccountRow]) -> Integers:
    """Every bar close; for ticks the ends of minutes and the times of changes."""
    bars = _finest(dataset.bars)
    finer = (*dataset.quotes, *dataset.trades, *dataset.depth, *dataset.orders)
    if bars and not finer:
        if len(bars) == 1:
            return bars[0].close_ts
        return np.unique(np.concatenate([part.close_ts for part in bars]))
    parts = [mark.ts for mark in marks_of(dataset) if len(mark.ts)]
    first = min(int(part[0]) for part in parts)
    last = max(int(part[-1]) for part in parts)
    grid = np.arange(first - first % MINUTE_NS + MINUTE_NS, last, MINUTE_NS, dtype=np.int64)
    moved = np.fromiter((row.ts for row in changes), np.int64, len(changes))
    return np.unique(np.concatenate([[first], grid, moved[moved >= first], [last]]))


def curve(dataset: Dataset, changes: Sequence[AccountRow], cash: int) -> Curve:
    """Wallet plus open profit at each sample; raises BacktestError for more than 64 bits hold."""
    times = sample_times(dataset, changes)
    try:
        return _curve(dataset, changes, cash, times)
    except OverflowError:
        raise _beyond(changes) from None


def _curve(dataset: Dataset, changes: Sequence[AccountRow], cash: int, times: Integers) -> Curve:
    books = _Books(times, marks_of(dataset), changes, cash)
    units = np.empty(len(times), np.int64)
    for low in range(0, len(times), CHUNK):
        rows = np.arange(low, min(low + CHUNK, len(times)))
        units[low : low + CHUNK] = books.at(rows)["equity"]
    kept = _kept(times, units)
    return Curve(times, units, _frame(times[kept], books.at(kept)))


def _beyond(changes: Sequence[AccountRow]) -> BacktestError:
    """Why an account has no curve, with the first moment at which it left what is counted."""
    from interlock.research.catalog.times import iso

    rows = (row for row in changes if max(abs(row.wallet), abs(row.cost)) >= _UNITS_MAX)
    first = next(rows, None)
    when = "" if first is None else f" (first at {iso(first.ts)})"
    return BacktestError(
        f"the account grew beyond {_UNITS_MAX // MONEY_SCALE:,} of its currency, more than is "
        f"counted exactly{when}; a strategy that earns this much usually sees the future: "
        "`interlock check` finds where; otherwise start with less cash or allow less leverage"
    )


def _finest(bars: Sequence[BarColumns]) -> list[BarColumns]:
    found: dict[str, BarColumns] = {}
    for part in bars:
        best = found.get(part.instrument.id)
        if best is None or part.step_ns < best.step_ns:
            found[part.instrument.id] = part
    return [found[key] for key in sorted(found)]


def _kept(times: Integers, units: Integers) -> Integers:
    """The rows of the frame: all, or an even choice with every day's last and the worst fall."""
    total = len(times)
    if total <= ROWS_MAX:
        return np.arange(total, dtype=np.int64)
    even = np.linspace(0, total - 1, ROWS_MAX).astype(np.int64)
    midnights = np.arange(int(times[0]) // DAY_NS + 1, int(times[-1]) // DAY_NS + 1) * DAY_NS
    days = np.maximum(np.searchsorted(times, midnights, "right") - 1, 0)
    return np.unique(np.concatenate([even, days, _worst_fall(units)]))


def _worst_fall(units: Integers) -> Integers:
    """Rows of the peak and the trough of the largest relative fall."""
    peak, deepest, trough = int(units[0]), 0.0, 0
    for low in range(0, len(units), CHUNK):
        part = units[low : low + CHUNK]
        peaks = np.maximum.accumulate(np.maximum(part, peak))
        falls = 1.0 - part / np.maximum(peaks, 1)
        row = int(falls.argmax())
        if falls[row] > deepest:
            deepest, trough = float(falls[row]), low + row
        peak = int(peaks[-1])
    return np.array([int(units[: trough + 1].argmax()), trough], np.int64)


class _Books:
    """The account's money and positions at any rows of the samples."""

    def __init__(
        self, times: Integers, marks: Sequence[Marks], changes: Sequence[AccountRow], cash: int
    ) -> None:
        self.times = times
        self.wallet = _Steps(times, [(row.ts, row.wallet) for row in changes], cash)
        self.held: list[tuple[Marks, _Steps, _Steps]] = []
        for mark in marks:
            own = [row for row in changes if row.instrument == mark.instrument.id]
            if own:
                quantity = _Steps(times, [(row.ts, row.quantity) for row in own], 0)
                cost = _Steps(times, [(row.ts, row.cost) for row in own], 0)
                self.held.append((mark, quantity, cost))

    def at(self, rows: Integers) -> dict[str, Integers]:
        """Money units at some rows: equity, wallet, unrealized, net and gross value."""
        wallet = self.wallet.values(rows)
        unrealized, net, gross = (np.zeros(len(rows), np.int64) for _ in range(3))
        for mark, quantity, cost in self.held:
            value = _value(mark, self.times[rows], quantity.values(rows))
            unrealized += value - cost.values(rows)
            net += value
            gross += np.abs(value)
        return {
            "equity": wallet + unrealized,
            "wallet": wallet,
            "unrealized": unrealized,
            "net": net,
            "gross": gross,
        }


class _Steps:
    """A value that changes at some times, read at any rows."""

    def __init__(self, times: Integers, moves: list[tuple[int, int]], first: int) -> None:
        ts = np.fromiter((ts for ts, _ in moves), np.int64, len(moves))
        self._rows = np.searchsorted(times, ts, "left")
        values = (first, *(value for _, value in moves))
        self._values = np.fromiter(values, np.int64, len(moves) + 1)
        _check(self._values)

    def values(self, rows: Integers) -> Integers:
        """The value after every change at or before each row; rows ascend."""
        if not len(self._values) - 1:
            return np.full(len(rows), self._values[0])
        return self._values[np.searchsorted(self._rows, rows, "right")]


def _check(units: Integers) -> None:
    """Raise OverflowError for what two of would not fit into 64 bits together."""
    if len(units) and max(int(units.max()), -int(units.min())) >= _UNITS_MAX:
        raise OverflowError


def _value(mark: Marks, times: Integers, quantity: Integers) -> Integers:
    """Signed value of a quantity at the latest mark, in money units (half to even)."""
    index = np.searchsorted(mark.ts, times, "right") - 1
    price = np.where(index >= 0, mark.price[np.maximum(index, 0)], 0)
    numerator, denominator = mark.instrument.money_factor
    largest = int(np.abs(quantity).max(initial=0)) * int(price.max(initial=0)) * numerator
    if largest >= 1 << 62:
        exact = [
            mark.instrument.notional(int(p), int(q))
            for p, q in zip(price.tolist(), quantity.tolist(), strict=True)
        ]
        found = np.array(exact, np.int64)
        _check(found)
        return found
    product = price * quantity * numerator
    if denominator == 1:
        return product
    quotient, rest = np.divmod(product, denominator)
    twice = 2 * rest
    up = (twice > denominator) | ((twice == denominator) & (quotient & 1 == 1))
    return np.asarray(quotient + up, np.int64)


def _frame(ts: Integers, money: dict[str, Integers]) -> pl.DataFrame:
    equity = money["equity"] / MONEY_SCALE
    net = money["net"] / MONEY_SCALE
    return pl.DataFrame(
        {
            "ts": ts,
            "equity": equity,
            "equity_units": money["equity"],
            "cash": money["wallet"] / MONEY_SCALE,
            "unrealized": money["unrealized"] / MONEY_SCALE,
            "exposure": np.divide(net, equity, out=np.zeros_like(net), where=equity > 0),
            "gross_notional": money["gross"] / MONEY_SCALE,
        }
    )


def price_frame(dataset: Dataset, rows: int = 4000) -> pl.DataFrame:
    """Down-sampled prices of each instrument for plots: ts (close), open, high, low, close."""
    frames = []
    for bars in _finest(dataset.bars):
        frames.append(_buckets(bars, rows))
    covered = {part.instrument.id for part in dataset.bars}
    for quotes in dataset.quotes:
        if quotes.instrument.id not in covered:
            frames.append(_quote_buckets(quotes, rows))
    if not frames:
        return pl.DataFrame(schema=_PRICE_SCHEMA)
    return pl.concat(frames)


_PRICE_SCHEMA = {
    "instrument": pl.String,
    "ts": pl.Int64,
    "open": pl.Float64,
    "high": pl.Float64,
    "low": pl.Float64,
    "close": pl.Float64,
    "volume": pl.Float64,
}


def _buckets(bars: BarColumns, rows: int) -> pl.DataFrame:
    total = len(bars)
    starts = np.unique(np.linspace(0, max(0, total - 1), min(rows, total)).astype(np.int64))
    ends = np.append(starts[1:], total) - 1
    scale = 10.0**bars.instrument.price_exponent
    volume = np.add.reduceat(bars.volume, starts) / 10.0**bars.instrument.quantity_exponent
    return pl.DataFrame(
        {
            "instrument": [bars.instrument.id] * len(starts),
            "ts": bars.close_ts[ends],
            "open": bars.open[starts] / scale,
            "high": np.maximum.reduceat(bars.high, starts) / scale,
            "low": np.minimum.reduceat(bars.low, starts) / scale,
            "close": bars.close[ends] / scale,
            "volume": volume,
        },
        schema=_PRICE_SCHEMA,
    )


def _quote_buckets(quotes: QuoteColumns, rows: int) -> pl.DataFrame:
    total = len(quotes)
    starts = np.unique(np.linspace(0, max(0, total - 1), min(rows, total)).astype(np.int64))
    ends = np.append(starts[1:], total) - 1
    scale = 10.0**quotes.instrument.price_exponent
    middle = (quotes.bid + quotes.ask) / 2
    return pl.DataFrame(
        {
            "instrument": [quotes.instrument.id] * len(starts),
            "ts": quotes.ts[ends],
            "open": middle[starts] / scale,
            "high": np.maximum.reduceat(middle, starts) / scale,
            "low": np.minimum.reduceat(middle, starts) / scale,
            "close": middle[ends] / scale,
            "volume": np.zeros(len(starts)),
        },
        schema=_PRICE_SCHEMA,
    )
