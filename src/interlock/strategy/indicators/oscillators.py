"""Bounded oscillators: RSI, stochastic, Williams %R, CCI, percent rank.

A flat window has no direction and gives the middle of the range: RSI 50, stochastic 50,
Williams -50, CCI 0.
"""

from typing import Generic, NamedTuple, TypeVar

from interlock.strategy.indicators.averages import wilder_period
from interlock.strategy.indicators.live import (
    Column,
    Indicator,
    Input,
    OfBar,
    OfValue,
    capacity,
    column_of,
    columns_of,
    whole_number,
    window_of,
)
from interlock.strategy.indicators.numerics import (
    NAN,
    Cells,
    Period,
    Window,
    rolling_highest,
    rolling_sum,
    slide,
    smooth,
)

T = TypeVar("T")


def rsi_update(state: Cells, ring: Cells, fixed: tuple[Period], count: int, value: float) -> float:
    """State: the previous value, the average gain, the average loss."""
    period = fixed[0]
    change = value - state[0]
    state[0] = value
    if count == 0:
        return NAN
    rise = change if change > 0.0 else 0.0
    fall = -change if change < 0.0 else 0.0
    gain = smooth(state, 1, period, count - 1, rise)
    loss = smooth(state, 2, period, count - 1, fall)
    if count < period[0]:
        return NAN
    if gain + loss == 0.0:
        return 50.0
    return 100.0 * (gain / (gain + loss))


class Rsi(OfValue):
    """Wilder's relative strength index, 0 to 100; ready after `length + 1` values."""

    __slots__ = ()
    formula = staticmethod(rsi_update)

    def __init__(self, length: int = 14) -> None:
        super().__init__(3, 0, (wilder_period(length),))


def rsi(column: Input, length: int = 14) -> Column:
    """Relative strength index, 0 to 100; NaN before row `length`."""
    return column_of(Rsi(length), column)


class StochasticLines(NamedTuple, Generic[T]):
    """The smoothed %K and its average %D, 0 to 100."""

    k: T
    d: T


def stochastic_update(
    state: Cells,
    ring: Cells,
    fixed: tuple[Window, Window, Window, Window],
    count: int,
    *bar: float,
) -> float:
    """State: the queues of highs and of lows, the sums of %K and %D, the outputs."""
    highs, lows, smoothing, signal = fixed
    high, low, close = bar
    top = rolling_highest(state, 0, ring, highs, count, high)
    bottom = -rolling_highest(state, 2, ring, lows, count, -low)
    seen = count - (highs[0] - 1)
    if seen < 0:
        return NAN
    raw = 50.0
    if top > bottom:
        raw = 100.0 * ((close - bottom) / (top - bottom))
    average = rolling_sum(state, 4, ring, smoothing, seen, raw) / smoothing[0]
    seen -= smoothing[0] - 1
    if seen < 0:
        return NAN
    slow = rolling_sum(state, 6, ring, signal, seen, average) / signal[0]
    if seen + 1 < signal[0]:
        return NAN
    state[8] = average
    state[9] = slow
    return average


class Stochastic(Indicator):
    """Place of the close in the window's range, smoothed (k), and its average (d).

    Ready after `length + smoothing + signal - 2` bars.
    """

    __slots__ = ()
    formula = staticmethod(stochastic_update)
    outputs = 2

    def __init__(self, length: int = 14, smoothing: int = 3, signal: int = 3) -> None:
        cells = capacity(whole_number("length", length))
        middle = 4 * cells + capacity(whole_number("smoothing", smoothing))
        end = middle + capacity(whole_number("signal", signal))
        windows = (
            window_of(length),
            window_of(length, 2 * cells),
            window_of(smoothing, 4 * cells),
            window_of(signal, middle),
        )
        super().__init__(8, end, windows)

    def update(self, high: float, low: float, close: float) -> StochasticLines[float]:
        """Take the next bar and return the lines, NaN until ready."""
        self._feed(high, low, close)
        return self.value

    @property
    def value(self) -> StochasticLines[float]:
        """The last lines."""
        return StochasticLines(*self._state[-2:])


def stochastic(
    high: Input, low: Input, close: Input, length: int = 14, smoothing: int = 3, signal: int = 3
) -> StochasticLines[Column]:
    """Stochastic columns (k, d); NaN before row `length + smoothing + signal - 3`."""
    return StochasticLines(*columns_of(Stochastic(length, smoothing, signal), high, low, close))


def williams_update(
    state: Cells, ring: Cells, fixed: tuple[Window, Window], count: int, *bar: float
) -> float:
    """State: the queues of highs and of lows."""
    highs, lows = fixed
    high, low, close = bar
    top = rolling_highest(state, 0, ring, highs, count, high)
    bottom = -rolling_highest(state, 2, ring, lows, count, -low)
    if count + 1 < highs[0]:
        return NAN
    if top <= bottom:
        return -50.0
    return -100.0 * ((top - close) / (top - bottom))


class WilliamsR(OfBar):
    """Distance of the close from the window's high, -100 to 0; ready after `length` bars."""

    __slots__ = ()
    formula = staticmethod(williams_update)

    def __init__(self, length: int = 14) -> None:
        cells = capacity(whole_number("length", length))
        super().__init__(4, 4 * cells, (window_of(length), window_of(length, 2 * cells)))


def williams_r(high: Input, low: Input, close: Input, length: int = 14) -> Column:
    """Williams %R, -100 to 0; NaN before row `length - 1`."""
    return column_of(WilliamsR(length), high, low, close)


def cci_update(state: Cells, ring: Cells, fixed: tuple[Window], count: int, *bar: float) -> float:
    """State: the pair of the typical prices' sum. One pass over the window per row."""
    window = fixed[0]
    length, mask, start = window
    high, low, close = bar
    typical = (high + low + close) / 3.0
    mean = rolling_sum(state, 0, ring, window, count, typical) / length
    if count + 1 < length:
        return NAN
    spread = 0.0
    flat = True
    for back in range(length):
        past = ring[start + ((count - back) & mask)]
        spread += abs(past - mean)
        if past != typical:
            flat = False
    if flat:
        return 0.0
    return (typical - mean) / (0.015 * (spread / length))


class Cci(OfBar):
    """Commodity channel index of the typical price; ready after `length` bars.

    The mean absolute deviation is around a moving mean, so an update costs O(length).
    """

    __slots__ = ()
    formula = staticmethod(cci_update)

    def __init__(self, length: int = 20) -> None:
        super().__init__(2, capacity(whole_number("length", length)), (window_of(length),))


def cci(high: Input, low: Input, close: Input, length: int = 20) -> Column:
    """Commodity channel index; NaN before row `length - 1`."""
    return column_of(Cci(length), high, low, close)


def percent_rank_update(
    state: Cells, ring: Cells, fixed: tuple[Window], count: int, value: float
) -> float:
    """No state; the ring holds the last values. One pass over the window per row."""
    window = fixed[0]
    length, mask, start = window
    oldest = slide(ring, window, count, value)
    if count < length:
        return NAN
    below = 1 if oldest <= value else 0
    for back in range(1, length):
        if ring[start + ((count - back) & mask)] <= value:
            below += 1
    return 100.0 * (below / length)


class PercentRank(OfValue):
    """Percent of the `length` values before this one that are not above it.

    Ready after `length + 1` values; an update costs O(length).
    """

    __slots__ = ()
    formula = staticmethod(percent_rank_update)

    def __init__(self, length: int) -> None:
        super().__init__(0, capacity(whole_number("length", length)), (window_of(length),))


def percent_rank(column: Input, length: int) -> Column:
    """Percent rank among the `length` rows before, 0 to 100; NaN before row `length`."""
    return column_of(PercentRank(length), column)
