"""The fixed-seed workloads that every runner in this folder measures, and their oracle.

W1  1,000,000 one-minute bars of one instrument, tick 0.1
W2  1,000,000 trades and 1,000,000 top-of-book quotes of one instrument, merged in time
W3  500 (fast, slow) window pairs over the first 200,000 bars of W1
W4  50 instruments x 20,000 bars

S1  simple moving averages 20/100: long one unit while fast is above slow, else flat;
    fee 0.04 % of notional; the open position at the end is valued at the last close
S2  one bid and one ask two ticks behind the touch; a side is canceled and replaced only
    when its wanted price moved

`python -m bench.workloads` writes the cache, checks the hashes and prints the oracle.
The generated arrays are cached under bench/.data, so that a runner's memory peak is its own.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

DATA = Path(__file__).resolve().parent / ".data"
TICK = 0.1
PRICE_EXPONENT = 1
QUANTITY_EXPONENT = 3
FEE_RATE = 0.0004
CASH = 10_000_000.0
FAST, SLOW = 20, 100
QUOTE_OFFSET_TICKS = 2
START_NS = 1_609_459_200_000_000_000  # 2021-01-01T00:00:00Z
STEP_NS = 60_000_000_000
SWEEP_BARS = 200_000
FIRST_TOUCH_TICKS = 300_000

SHA256 = {"W1": "64ccc029127ea4be", "W2": "2919b130647d1d6d", "W4": "57df61a16b083b6a"}
BAR_COLUMNS = ("ts", "open", "high", "low", "close", "volume")

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Stored = TypeVar("Stored", FloatArray, IntArray)


class WorkloadChanged(Exception):
    """A generated workload is not the published one, so no figure made with it can be compared."""


def digest(array: FloatArray | IntArray) -> str:
    """First 16 hexadecimal digits of the SHA-256 of the array's bytes."""
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()[:16]


def _require(name: str, array: FloatArray | IntArray) -> None:
    found = digest(array)
    if found != SHA256[name]:
        raise WorkloadChanged(
            f"{name} has digest {found}, published is {SHA256[name]}: delete {DATA}; if it stays, "
            f"NumPy {np.__version__} draws other numbers from PCG64 than the published run"
        )


def _stored(name: str, make: Callable[[], Stored]) -> Stored:
    path = DATA / f"{name}.npy"
    if not path.exists():
        DATA.mkdir(parents=True, exist_ok=True)
        partial = DATA / f"{name}.partial.npy"
        np.save(partial, make())
        partial.replace(path)
    array: Stored = np.load(path)
    return array


def _generate_bars(count: int, seed: int) -> FloatArray:
    # The order of the draws is part of the recipe: another order is another workload.
    draw = np.random.Generator(np.random.PCG64(seed))
    path = np.cumsum(draw.normal(0.0, 0.0008, count))
    close = np.round(30_000.0 * np.exp(path) / TICK)
    gap = draw.integers(-3, 4, count)
    wick = draw.integers(0, 120, (2, count))
    volume = np.round(draw.gamma(2.0, 5000.0, count) + 1000.0, 3)
    open_ = close.copy()
    open_[1:] = close[:-1] + gap[1:]
    high = np.maximum(open_, close) + wick[0]
    low = np.minimum(open_, close) - wick[1]
    seconds = START_NS / 1e9 + 60.0 * np.arange(count)
    prices = [np.round(ticks * TICK, 1) for ticks in (open_, high, low, close)]
    return np.column_stack([seconds, *prices, volume])


def bars(count: int = 1_000_000, seed: int = 7) -> FloatArray:
    """Rows of (open time in epoch seconds, open, high, low, close, volume); W1 by default."""
    array = _stored(f"bars_{count}_{seed}", lambda: _generate_bars(count, seed))
    if (count, seed) == (1_000_000, 7):
        _require("W1", array)
    return array


def portfolio() -> list[FloatArray]:
    """W4: fifty bar arrays shaped as in `bars`."""
    arrays = [bars(20_000, 1000 + index) for index in range(50)]
    _require("W4", np.concatenate(arrays))
    return arrays


def window_pairs() -> list[tuple[int, int]]:
    """W3: the 500 (fast, slow) windows, fast outermost."""
    fast = np.unique(np.round(np.linspace(5, 50, 25)).astype(int))
    return [(int(f), int(s)) for f in fast for s in range(60, 251, 10)]


def _generate_ticks(pairs: int, seed: int) -> IntArray:
    draw = np.random.Generator(np.random.PCG64(seed))
    moves = draw.random(pairs) < 0.20
    by_one = draw.random(pairs) < 0.9
    jump = draw.integers(2, 6, pairs)
    direction = draw.choice([-1, 1], pairs)
    change = np.where(moves, np.where(by_one, 1, jump) * direction, 0)
    bid = FIRST_TOUCH_TICKS + np.cumsum(change)
    bid_before = bid - change
    # The first touch is the reference of the first change, as in the published recipe.
    coin = draw.choice([-1, 1], pairs)
    side = np.where(change == 0, coin, np.sign(change))
    # A trade precedes its quote; a touch that jumps k ticks was traded k - 1 through.
    through = np.maximum(np.abs(change) - 1, 0)
    price = np.where(side > 0, bid_before + 1 + through, bid_before - through)
    gaps = draw.integers(1_000_000, 40_000_000, 2 * pairs)
    rows = np.zeros((2 * pairs, 7), dtype=np.int64)
    rows[:, 0] = START_NS + np.cumsum(gaps)
    trades, quotes = rows[0::2], rows[1::2]
    trades[:, 1] = 1
    trades[:, 2] = bid_before
    trades[:, 3] = bid_before + 1
    trades[:, 4] = price
    trades[:, 5] = draw.integers(1, 500, pairs)
    trades[:, 6] = side
    quotes[:, 2] = bid
    quotes[:, 3] = bid + 1
    quotes[:, 5] = draw.integers(100, 5000, pairs)
    return rows


def ticks() -> IntArray:
    """W2: rows of (ns, kind 0 quote 1 trade, bid tick, ask tick, trade tick, quantity, side).

    Side is +1 for a buying aggressor; a quote's quantity stands on both sides of the touch.
    """
    array = _stored("ticks_2000000_11", lambda: _generate_ticks(1_000_000, 11))
    _require("W2", array)
    return array


def _write_integer_bars(count: int, folder: Path) -> None:
    rows = bars(count)
    folder.mkdir(parents=True, exist_ok=True)
    scales = (1_000_000_000.0, *(10.0**PRICE_EXPONENT,) * 4, 10.0**QUANTITY_EXPONENT)
    for index, (name, scale) in enumerate(zip(BAR_COLUMNS, scales, strict=True)):
        np.save(folder / f"{name}.npy", np.round(rows[:, index] * scale).astype(np.int64))
    (folder / "complete").touch()


def integer_bars(count: int = 1_000_000) -> dict[str, IntArray]:
    """The bars as int64 columns: ns, price units of 0.1, quantity units of 0.001.

    Each column is its own file; once the cache is written (`python -m bench.workloads`),
    loading them costs exactly the memory of the columns.
    """
    folder = DATA / f"integer_bars_{count}"
    if not (folder / "complete").exists():
        _write_integer_bars(count, folder)
    return {name: np.load(folder / f"{name}.npy") for name in BAR_COLUMNS}


def _tick_average(close: FloatArray, window: int) -> FloatArray:
    # Integer sums: two averages that are equal on paper are equal here too.
    total = np.cumsum(np.round(close / TICK).astype(np.int64))
    average = np.full(len(close), np.nan)
    average[window - 1] = total[window - 1]
    average[window:] = total[window:] - total[:-window]
    return average / window


def crossings(close: FloatArray, fast: int = FAST, slow: int = SLOW) -> IntArray:
    """+1 on bars whose close lifts the fast average above the slow, -1 where it ends, else 0."""
    quick, calm = _tick_average(close, fast), _tick_average(close, slow)
    above = quick > calm
    known = ~np.isnan(calm)
    signal = np.zeros(len(close), dtype=np.int64)
    both = known[1:] & known[:-1]
    signal[1:] = np.where(both, above[1:].astype(np.int64) - above[:-1].astype(np.int64), 0)
    return signal


def oracle(rows: FloatArray, *, fill: str, fast: int = FAST, slow: int = SLOW) -> tuple[int, float]:
    """S1 in NumPy: (fills, profit after fees); fill is "close" (deciding bar) or "open" (next)."""
    signal = crossings(rows[:, 4], fast, slow)
    where = np.nonzero(signal)[0]
    where = where[np.argmax(signal[where] == 1) :]  # The first order must buy.
    if fill == "open":
        where = where[where + 1 < len(rows)]
        price = rows[where + 1, 1]
    else:
        price = rows[where, 4]
    side = signal[where].astype(np.float64)
    profit = -(side * price).sum() - FEE_RATE * price.sum() + side.sum() * rows[-1, 4]
    return len(where), float(profit)


def quoting_fills(rows: IntArray) -> IntArray:
    """S2 on W2 without an engine: rows of (row of the trade, side +1 buy, price in ticks).

    Both orders stand two ticks behind the touch of the last quote, so only a jump of three
    ticks or more reaches one: its trade prints at the order's price or through it, and the quote
    that follows (the next row) crosses the order. Every fill is one unit at the order's price.
    """
    touch = rows[1::2, 2]
    jump = np.diff(touch)
    where = np.nonzero(np.abs(jump) > QUOTE_OFFSET_TICKS)[0]
    side = -np.sign(jump[where])
    behind = np.where(side > 0, -QUOTE_OFFSET_TICKS, QUOTE_OFFSET_TICKS + 1)
    return np.column_stack([2 * (where + 1), side, touch[where] + behind])


def quoting_oracle(rows: IntArray) -> tuple[int, int, float, float]:
    """S2 in NumPy: (fills, final position, profit at the middle, profit at the closing touch)."""
    fills = quoting_fills(rows)
    position = int(fills[:, 1].sum())
    cash = -int((fills[:, 1] * fills[:, 2]).sum())
    bid, ask = int(rows[-1, 2]), int(rows[-1, 3])
    middle = cash + position * (bid + ask) / 2
    closing = cash + position * (bid if position > 0 else ask)
    return len(fills), position, middle * TICK, closing * TICK


def prepare() -> None:
    """Write every cached array that a runner may read, and check the hashes."""
    bars(), ticks(), portfolio()
    for count in (1_000_000, 10_000_000):
        folder = DATA / f"integer_bars_{count}"
        if not (folder / "complete").exists():
            _write_integer_bars(count, folder)


def main() -> None:
    one, flow, many = bars(), ticks(), portfolio()
    for name, array in (("W1", one), ("W2", flow), ("W4", np.concatenate(many))):
        print(f"{name} {array.shape} {digest(array)}")
    for count in (1_000_000, 10_000_000):
        columns = integer_bars(count)
        size = sum(column.nbytes for column in columns.values())
        print(f"integer bars {count:,}: {size / 1e6:,.0f} MB in {len(columns)} columns")
    for fill in ("close", "open"):
        fills, profit = oracle(one, fill=fill)
        print(f"S1 W1 at {fill}: {fills:,} fills, profit {profit:,.3f}")
        several = [oracle(rows, fill=fill) for rows in many]
        total = sum(profit for _, profit in several)
        print(f"S1 W4 at {fill}: {sum(n for n, _ in several):,} fills, profit {total:,.3f}")
        trials = [oracle(one[:SWEEP_BARS], fill=fill, fast=f, slow=s) for f, s in window_pairs()]
        total = sum(profit for _, profit in trials)
        print(f"S1 W3 at {fill}: {sum(n for n, _ in trials):,} fills, profit {total:,.3f}")
    fills, position, middle, closing = quoting_oracle(flow)
    print(
        f"S2 W2: {fills:,} fills, position {position}, profit {middle:,.3f} at the middle", end=""
    )
    print(f", {closing:,.3f} at the closing touch")


if __name__ == "__main__":
    if sys.argv[1:] == ["quiet"]:
        prepare()
    else:
        main()
