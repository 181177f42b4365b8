"""Moving averages and what is made of them: SMA, EMA, WMA, Wilder's average, MACD."""

from typing import Generic, NamedTuple, TypeVar

from interlock.strategy.columns import Prices
from interlock.strategy.indicators.live import (
    Column,
    Indicator,
    Input,
    OfValue,
    column_of,
    columns_of,
    unit_means,
    whole_number,
    window_of,
)
from interlock.strategy.indicators.numerics import (
    EXACT,
    NAN,
    ROUNDER,
    Cells,
    Period,
    Window,
    difference_error,
    rolling_ramp,
    smooth,
)

T = TypeVar("T")
SmaFixed = tuple[int, int, float, float]
DECIMALS = 8
INFINITE = float("inf")


def sma_update(state: Cells, ring: Cells, fixed: SmaFixed, count: int, value: float) -> float:
    """Mean of the window. State: exact sum, then the pair used when it cannot be exact.

    A price is a decimal that a float only carries, so the value is read back as a whole number of
    10**-decimals. Whole numbers below 2**53 add exactly, and one division rounds: equal means give
    equal floats, whatever the lengths, and a cross is decided as integers decide it. A value that
    is not such a decimal, or a sum that outgrows 2**53, moves the sum to the compensated pair.
    """
    length, mask, scale, divisor = fixed
    whole = (value * scale + ROUNDER) - ROUNDER
    total = state[0] + (whole - ring[(count - length) & mask])
    if whole / scale != value or not -EXACT < total < EXACT:
        return sma_inexact(state, ring, fixed, count, value)
    ring[count & mask] = whole
    state[0] = total
    if count + 1 < length:
        return NAN
    return total / divisor


def sma_inexact(state: Cells, ring: Cells, fixed: SmaFixed, count: int, value: float) -> float:
    """The same mean by a compensated sum; `state[0]` turns infinite and keeps the rest here."""
    length, mask, scale, divisor = fixed
    if state[0] - state[0] == 0.0:
        state[1] = state[0]
        state[0] = INFINITE
    term = value * scale
    whole = (term + ROUNDER) - ROUNDER
    if whole / scale == value:
        term = whole
    leaving = ring[(count - length) & mask]
    change = term - leaving
    rest = difference_error(term, leaving, change)
    ring[count & mask] = term
    before = state[1]
    after = before + change
    part = after - before
    state[1] = after
    state[2] += ((before - (after - part)) + (change - part)) + rest
    if count + 1 < length:
        return NAN
    return (after + state[2]) / divisor


class Sma(OfValue):
    """Simple moving average of `length` values; ready after `length`.

    `decimals` (0 to 15, default 8) is the finest decimal that the sum keeps exact; the sum of the
    window then stays exact while it is below 9e15 * 10**-decimals. Pass the price exponent when
    length * price is larger than 9e7.
    """

    __slots__ = ()
    formula = staticmethod(sma_update)

    def __init__(self, length: int, *, decimals: int = DECIMALS) -> None:
        super().__init__(
            3, window_of(whole_number("length", length))[1] + 1, _sma(length, decimals)
        )


def _sma(length: int, decimals: int) -> SmaFixed:
    if whole_number("decimals", decimals, 0) > 15:
        raise ValueError(f"decimals is {decimals}: a float64 carries at most 15")
    scale = 10.0**decimals
    return (int(length), window_of(length)[1], scale, length * scale)


def sma(column: Input, length: int, *, decimals: int | None = None) -> Column:
    """Simple moving average; NaN before row `length - 1`. See `Sma` for `decimals`.

    An int64 column of price units is summed as it is: the result is in price units.
    """
    if decimals is None:
        if isinstance(column, Prices) and _sums_exactly(column, length):
            assert column.units is not None
            divisor = length * 10.0**column.exponent
            return unit_means(column.units, length, divisor)
        decimals = 0 if getattr(column, "dtype", None) == "int64" else DECIMALS
    return column_of(Sma(length, decimals=decimals), column)


def _sums_exactly(column: Prices, length: int) -> bool:
    """Whether ``sma_update`` would stay in its exact branch on the whole column."""
    if column.units is None or column.exponent > DECIMALS:
        return False
    finest: int = column.largest * 10 ** (DECIMALS - column.exponent)
    return whole_number("length", length) * finest < int(EXACT)


def ema_update(state: Cells, ring: Cells, fixed: tuple[Period], count: int, value: float) -> float:
    """Exponential average. State: the average (the sum while it is seeded)."""
    return smooth(state, 0, fixed[0], count, value)


class Ema(OfValue):
    """Exponential average of weight 2 / (length + 1), seeded with the mean of the first values."""

    __slots__ = ()
    formula = staticmethod(ema_update)

    def __init__(self, length: int) -> None:
        super().__init__(1, 0, (ema_period(length),))


def ema_period(length: int, name: str = "length") -> Period:
    """The block's (length, weight) of an exponential average."""
    length = whole_number(name, length)
    return (length, 2.0 / (length + 1.0))


def wilder_period(length: int, name: str = "length") -> Period:
    """The block's (length, weight) of Wilder's average."""
    length = whole_number(name, length)
    return (length, 1.0 / length)


def ema(column: Input, length: int) -> Column:
    """Exponential average, weight 2 / (length + 1); NaN before row `length - 1`."""
    return column_of(Ema(length), column)


class Rma(OfValue):
    """Wilder's average: exponential of weight 1 / length, seeded with the first mean."""

    __slots__ = ()
    formula = staticmethod(ema_update)

    def __init__(self, length: int) -> None:
        super().__init__(1, 0, (wilder_period(length),))


def rma(column: Input, length: int) -> Column:
    """Wilder's average, weight 1 / length; NaN before row `length - 1`."""
    return column_of(Rma(length), column)


def wma_update(
    state: Cells, ring: Cells, fixed: tuple[Window, float], count: int, value: float
) -> float:
    """Linearly weighted mean. State: the pairs of the sum and of the ramp."""
    window, divisor = fixed
    ramp = rolling_ramp(state, 0, ring, window, count, value)
    if count + 1 < window[0]:
        return NAN
    return ramp / divisor


class Wma(OfValue):
    """Linearly weighted average, the newest of `length` values weighs most; ready after them."""

    __slots__ = ()
    formula = staticmethod(wma_update)

    def __init__(self, length: int) -> None:
        window = window_of(whole_number("length", length))
        super().__init__(4, window[1] + 1, (window, length * (length + 1) / 2.0))


def wma(column: Input, length: int) -> Column:
    """Linearly weighted average; NaN before row `length - 1`."""
    return column_of(Wma(length), column)


class MacdLines(NamedTuple, Generic[T]):
    """MACD line, its signal line, and line - signal."""

    line: T
    signal: T
    histogram: T


def macd_update(
    state: Cells, ring: Cells, fixed: tuple[Period, Period, Period], count: int, value: float
) -> float:
    """State: fast, slow and signal averages, then the outputs."""
    fast, slow, signal = fixed
    line = smooth(state, 0, fast, count, value) - smooth(state, 1, slow, count, value)
    warm = slow[0] - 1
    if count < warm:
        return NAN
    average = smooth(state, 2, signal, count - warm, line)
    if count + 1 < slow[0] + signal[0] - 1:
        return NAN
    state[3] = line
    state[4] = average
    state[5] = line - average
    return line


class Macd(Indicator):
    """Difference of two exponential averages; ready after `slow + signal - 1` values."""

    __slots__ = ()
    formula = staticmethod(macd_update)
    outputs = 3

    def __init__(self, fast: int = 12, slow: int = 26, signal: int = 9) -> None:
        if not whole_number("fast", fast) < whole_number("slow", slow):
            raise ValueError(f"fast is {fast} and slow is {slow}: fast must be the shorter one")
        periods = (ema_period(fast), ema_period(slow), ema_period(signal, "signal"))
        super().__init__(3, 0, periods)

    def update(self, value: float) -> MacdLines[float]:
        """Take the next value and return the lines, all NaN until ready."""
        self._feed(value)
        return self.value

    @property
    def value(self) -> MacdLines[float]:
        """The last lines."""
        return MacdLines(*self._state[-3:])


def macd(column: Input, fast: int = 12, slow: int = 26, signal: int = 9) -> MacdLines[Column]:
    """MACD columns (line, signal, histogram); NaN before row `slow + signal - 2`."""
    return MacdLines(*columns_of(Macd(fast, slow, signal), column))
