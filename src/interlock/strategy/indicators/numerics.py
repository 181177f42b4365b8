"""Arithmetic blocks that every formula is made of: plain functions on indexable float state.

Rules of this file. A block works on Python lists (live) and on float64 arrays (compiled) alike,
uses only operations that IEEE 754 rounds in one way (+ - * / sqrt) and the C library's logarithm,
and therefore gives the same bits in both. `at` is the first state cell of the block. A `window` is
`(length, mask, start)`: the rows in the window, the power-of-two capacity less one, and the first
ring cell of the block. `count` is the number of values the block has seen before this one.

Sums are kept as pairs (high, low) whose exact sum is the value: a pair carries about 106 bits, so
a sum that slides for millions of rows does not drift, and a spike leaves no trace when it leaves.
"""

import math
from collections.abc import MutableSequence

Cells = MutableSequence[float]
Window = tuple[int, int, int]
Period = tuple[int, float]

NAN = math.nan
SPLITTER = 134217729.0  # 2**27 + 1 halves a float64 significand
ROUNDER = 6755399441055744.0  # 1.5 * 2**52: adding and subtracting it rounds to a whole number
EXACT = 9007199254740992.0  # 2**53: whole numbers below it add without rounding


def accumulate(state: Cells, at: int, term: float, rest: float) -> None:
    """Add the pair (term, rest) to the pair at `state[at], state[at + 1]`."""
    before = state[at]
    after = before + term
    part = after - before
    low = state[at + 1] + (((before - (after - part)) + (term - part)) + rest)
    total = after + low
    state[at] = total
    state[at + 1] = low - (total - after)


def difference_error(left: float, right: float, difference: float) -> float:
    """Return `left - right - difference` exactly, where `difference` is the rounded one."""
    part = difference - left
    return (left - (difference - part)) - (right + part)


def product_error(left: float, right: float, product: float) -> float:
    """Return `left * right - product` exactly, where `product` is the rounded product."""
    scaled = SPLITTER * left
    left_high = scaled - (scaled - left)
    left_low = left - left_high
    scaled = SPLITTER * right
    right_high = scaled - (scaled - right)
    right_low = right - right_high
    return (
        (left_high * right_high - product) + left_high * right_low + left_low * right_high
    ) + left_low * right_low


def replace(state: Cells, at: int, value: float, leaving: float) -> None:
    """Add `value` to the pair at `state[at], state[at + 1]` and take `leaving` out of it."""
    change = value - leaving
    accumulate(state, at, change, difference_error(value, leaving, change))


def replace_product(
    state: Cells, at: int, entering: tuple[float, float], leaving: tuple[float, float]
) -> None:
    """Add the product of `entering` to the pair at `at` and take that of `leaving` out of it."""
    left, right = entering
    gained = left * right
    past_left, past_right = leaving
    lost = past_left * past_right
    change = gained - lost
    rest = product_error(left, right, gained) - product_error(past_left, past_right, lost)
    accumulate(state, at, change, difference_error(gained, lost, change) + rest)


def slide(ring: Cells, window: Window, count: int, value: float) -> float:
    """Store `value` and return the one that leaves the window, 0.0 while it fills."""
    length, mask, start = window
    leaving = ring[start + ((count - length) & mask)]
    ring[start + (count & mask)] = value
    return leaving


def rolling_sum(
    state: Cells, at: int, ring: Cells, window: Window, count: int, value: float
) -> float:
    """Slide `value` into a window and return the window's sum. State: the pair."""
    leaving = slide(ring, window, count, value)
    replace(state, at, value, leaving)
    return state[at] + state[at + 1]


def rolling_ramp(
    state: Cells, at: int, ring: Cells, window: Window, count: int, value: float
) -> float:
    """Slide `value` in and return sum(k * x[k]), k = 1 (oldest) to length (newest).

    State: the pair of the plain sum, then the pair of the ramp. While the window fills its
    missing rows count as zeros, so the newest value weighs `length` from the first row on.
    """
    leaving = slide(ring, window, count, value)
    rows = float(window[0])
    weighted = rows * value
    change = weighted - state[at]
    rest = difference_error(weighted, state[at], change)
    rest += product_error(rows, value, weighted) - state[at + 1]
    accumulate(state, at + 2, change, rest)
    replace(state, at, value, leaving)
    return state[at + 2] + state[at + 3]


def rolling_variance(
    state: Cells, at: int, ring: Cells, window: tuple[int, int, int, int], count: int, value: float
) -> float:
    """Slide `value` in and return the window's variance, NaN while it fills.

    `window` ends with the degrees of freedom taken from the divisor (0 population, 1 sample).
    State: the pair of the sum, the pair of the squares, the run of equal values, the last value.
    A window of equal values has variance exactly 0.
    """
    length, mask, start, degrees = window
    leaving = slide(ring, (length, mask, start), count, value)
    replace(state, at, value, leaving)
    replace_product(state, at + 2, (value, value), (leaving, leaving))
    if value == state[at + 5]:
        state[at + 4] += 1.0
    else:
        state[at + 4] = 1.0
    state[at + 5] = value
    if count + 1 < length:
        return NAN
    if state[at + 4] >= length:
        return 0.0
    rows = float(length)
    squared = state[at] * state[at]
    squared_low = product_error(state[at], state[at], squared) + 2.0 * state[at] * state[at + 1]
    scaled = rows * state[at + 2]
    scaled_low = product_error(rows, state[at + 2], scaled) + rows * state[at + 3]
    spread = (scaled - squared) + (scaled_low - squared_low)
    if spread <= 0.0:
        return 0.0
    return spread / (rows * (rows - degrees))


def rolling_highest(
    state: Cells, at: int, ring: Cells, window: Window, count: int, value: float
) -> float:
    """Slide `value` in and return the highest of the window, from the first row on.

    A falling queue: values in one half of the block's ring cells, their rows in the other.
    State: the queue's head and tail. Amortised O(1). The lowest is minus the highest of minus.
    """
    length, mask, start = window
    rows = start + mask + 1
    head = int(state[at])
    tail = int(state[at + 1])
    while tail > head and ring[start + ((tail - 1) & mask)] <= value:
        tail -= 1
    ring[start + (tail & mask)] = value
    ring[rows + (tail & mask)] = float(count)
    if ring[rows + (head & mask)] <= count - length:
        head += 1
    state[at] = float(head)
    state[at + 1] = float(tail + 1)
    return ring[start + (head & mask)]


def smooth(state: Cells, at: int, period: Period, count: int, value: float) -> float:
    """Exponential average seeded with the mean of the first `length` values. State: one cell.

    `period` is `(length, weight of the newest value)`. NaN before row `length - 1`.
    """
    length, weight = period
    if count >= length:
        state[at] += weight * (value - state[at])
        return state[at]
    state[at] += value
    if count + 1 < length:
        return NAN
    state[at] = state[at] / length
    return state[at]


def reach(high: float, low: float, previous: float) -> float:
    """True range: the span from low to high, extended to the close before the bar."""
    span = high - low
    up = high - previous
    down = previous - low
    if up > span:
        span = up
    if down > span:
        span = down
    return span
