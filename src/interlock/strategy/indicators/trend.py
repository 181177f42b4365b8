"""Extremes and trends: highest, lowest, Donchian, supertrend, regression slope, ADX."""

from typing import Generic, NamedTuple, TypeVar

from interlock.strategy.indicators.averages import wilder_period
from interlock.strategy.indicators.dispersion import Bands
from interlock.strategy.indicators.live import (
    Column,
    Indicator,
    Input,
    OfValue,
    capacity,
    column_of,
    columns_of,
    positive,
    whole_number,
    window_of,
)
from interlock.strategy.indicators.numerics import (
    NAN,
    Cells,
    Period,
    Window,
    product_error,
    reach,
    rolling_highest,
    rolling_ramp,
    smooth,
)

T = TypeVar("T")


def highest_update(
    state: Cells, ring: Cells, fixed: tuple[Window], count: int, value: float
) -> float:
    """State: the queue of `rolling_highest`."""
    top = rolling_highest(state, 0, ring, fixed[0], count, value)
    if count + 1 < fixed[0][0]:
        return NAN
    return top


class Highest(OfValue):
    """Highest of the last `length` values, this one included; ready after `length`."""

    __slots__ = ()
    formula = staticmethod(highest_update)

    def __init__(self, length: int) -> None:
        super().__init__(2, 2 * capacity(whole_number("length", length)), (window_of(length),))


def highest(column: Input, length: int) -> Column:
    """Rolling maximum; NaN before row `length - 1`."""
    return column_of(Highest(length), column)


def lowest_update(
    state: Cells, ring: Cells, fixed: tuple[Window], count: int, value: float
) -> float:
    """State: the queue of `rolling_highest` over the negated values."""
    bottom = -rolling_highest(state, 0, ring, fixed[0], count, -value)
    if count + 1 < fixed[0][0]:
        return NAN
    return bottom


class Lowest(OfValue):
    """Lowest of the last `length` values, this one included; ready after `length`."""

    __slots__ = ()
    formula = staticmethod(lowest_update)

    def __init__(self, length: int) -> None:
        super().__init__(2, 2 * capacity(whole_number("length", length)), (window_of(length),))


def lowest(column: Input, length: int) -> Column:
    """Rolling minimum; NaN before row `length - 1`."""
    return column_of(Lowest(length), column)


def donchian_update(
    state: Cells, ring: Cells, fixed: tuple[Window, Window], count: int, *bar: float
) -> float:
    """State: the queues of highs and of lows, the outputs."""
    highs, lows = fixed
    high, low = bar
    top = rolling_highest(state, 0, ring, highs, count, high)
    bottom = -rolling_highest(state, 2, ring, lows, count, -low)
    if count + 1 < highs[0]:
        return NAN
    state[4] = top
    state[5] = (top + bottom) / 2.0
    state[6] = bottom
    return top


class Donchian(Indicator):
    """Highest high, lowest low and their middle, this bar included; ready after `length` bars."""

    __slots__ = ()
    formula = staticmethod(donchian_update)
    outputs = 3

    def __init__(self, length: int = 20) -> None:
        cells = capacity(whole_number("length", length))
        super().__init__(4, 4 * cells, (window_of(length), window_of(length, 2 * cells)))

    def update(self, high: float, low: float) -> Bands[float]:
        """Take the next bar and return the channel, NaN until ready."""
        self._feed(high, low)
        return self.value

    @property
    def value(self) -> Bands[float]:
        """The last channel."""
        return Bands(*self._state[-3:])


def donchian(high: Input, low: Input, length: int = 20) -> Bands[Column]:
    """Donchian channel (upper, middle, lower); NaN before row `length - 1`."""
    return Bands(*columns_of(Donchian(length), high, low))


class SupertrendLines(NamedTuple, Generic[T]):
    """The trailing line, and the direction: 1.0 line below the price, -1.0 above."""

    line: T
    direction: T


def supertrend_update(
    state: Cells, ring: Cells, fixed: tuple[Period, float], count: int, *bar: float
) -> float:
    """State: the previous close, the average true range, upper, lower, direction, the outputs."""
    wilder, width = fixed
    high, low, close = bar
    previous = state[0]
    state[0] = close
    if count == 0:
        return NAN
    span = width * smooth(state, 1, wilder, count - 1, reach(high, low, previous))
    if count < wilder[0]:
        return NAN
    middle = (high + low) / 2.0
    upper = middle + span
    lower = middle - span
    if count == wilder[0]:
        state[4] = 1.0
    else:
        if upper > state[2] and previous <= state[2]:
            upper = state[2]
        if lower < state[3] and previous >= state[3]:
            lower = state[3]
    if state[4] > 0.0 and close < lower:
        state[4] = -1.0
    elif state[4] < 0.0 and close > upper:
        state[4] = 1.0
    state[2] = upper
    state[3] = lower
    state[5] = lower if state[4] > 0.0 else upper
    state[6] = state[4]
    return state[5]


class Supertrend(Indicator):
    """Bands of `width` average true ranges that only tighten, until the close breaks one.

    Starts upward; ready after `length + 1` bars.
    """

    __slots__ = ()
    formula = staticmethod(supertrend_update)
    outputs = 2

    def __init__(self, length: int = 10, width: float = 3.0) -> None:
        super().__init__(5, 0, (wilder_period(length), positive("width", width)))

    def update(self, high: float, low: float, close: float) -> SupertrendLines[float]:
        """Take the next bar and return line and direction, NaN until ready."""
        self._feed(high, low, close)
        return self.value

    @property
    def value(self) -> SupertrendLines[float]:
        """The last line and direction."""
        return SupertrendLines(*self._state[-2:])


def supertrend(
    high: Input, low: Input, close: Input, length: int = 10, width: float = 3.0
) -> SupertrendLines[Column]:
    """Supertrend columns (line, direction); NaN before row `length`."""
    return SupertrendLines(*columns_of(Supertrend(length, width), high, low, close))


def slope_update(
    state: Cells, ring: Cells, fixed: tuple[Window, float, float], count: int, value: float
) -> float:
    """State: the pairs of the sum and of the ramp, whose difference is taken in pairs too."""
    window, center, divisor = fixed
    rolling_ramp(state, 0, ring, window, count, value)
    if count + 1 < window[0]:
        return NAN
    level = center * state[0]
    level_low = product_error(center, state[0], level) + center * state[1]
    return ((state[2] - level) + (state[3] - level_low)) / divisor


class LinearRegressionSlope(OfValue):
    """Slope per row of the least-squares line through `length` values; ready after them."""

    __slots__ = ()
    formula = staticmethod(slope_update)

    def __init__(self, length: int) -> None:
        window = window_of(whole_number("length", length, 2))
        fixed = (window, (length + 1) / 2.0, length * (length * length - 1) / 12.0)
        super().__init__(4, window[1] + 1, fixed)


def linear_regression_slope(column: Input, length: int) -> Column:
    """Rolling regression slope per row; NaN before row `length - 1`."""
    return column_of(LinearRegressionSlope(length), column)


class DirectionalLines(NamedTuple, Generic[T]):
    """Average directional index and the directional indicators, 0 to 100."""

    adx: T
    plus: T
    minus: T


def adx_update(state: Cells, ring: Cells, fixed: tuple[Period], count: int, *bar: float) -> float:
    """State: previous high, low, close; averages of range, plus, minus, DX; the outputs."""
    period = fixed[0]
    high, low, close = bar
    up = high - state[0]
    down = state[1] - low
    span = reach(high, low, state[2])
    state[0] = high
    state[1] = low
    state[2] = close
    if count == 0:
        return NAN
    rise = up if up > down and up > 0.0 else 0.0
    fall = down if down > up and down > 0.0 else 0.0
    whole = smooth(state, 3, period, count - 1, span)
    plus = smooth(state, 4, period, count - 1, rise)
    minus = smooth(state, 5, period, count - 1, fall)
    if count < period[0]:
        return NAN
    ratio = 0.0
    if plus + minus > 0.0:
        ratio = 100.0 * (abs(plus - minus) / (plus + minus))
    average = smooth(state, 6, period, count - period[0], ratio)
    if count + 1 < 2 * period[0]:
        return NAN
    state[7] = average
    state[8] = 100.0 * (plus / whole) if whole > 0.0 else 0.0
    state[9] = 100.0 * (minus / whole) if whole > 0.0 else 0.0
    return average


class Adx(Indicator):
    """Wilder's directional movement; ready after `2 * length` bars. A flat market gives 0."""

    __slots__ = ()
    formula = staticmethod(adx_update)
    outputs = 3

    def __init__(self, length: int = 14) -> None:
        super().__init__(7, 0, (wilder_period(length),))

    def update(self, high: float, low: float, close: float) -> DirectionalLines[float]:
        """Take the next bar and return the lines, NaN until ready."""
        self._feed(high, low, close)
        return self.value

    @property
    def value(self) -> DirectionalLines[float]:
        """The last lines."""
        return DirectionalLines(*self._state[-3:])


def adx(high: Input, low: Input, close: Input, length: int = 14) -> DirectionalLines[Column]:
    """Directional movement columns (adx, plus, minus); NaN before row `2 * length - 1`."""
    return DirectionalLines(*columns_of(Adx(length), high, low, close))
