"""Spread of values: variance, Bollinger bands, z-score, true range, Keltner, volatilities."""

import math
from typing import Generic, NamedTuple, TypeVar

from interlock.strategy.indicators.averages import (
    DECIMALS,
    SmaFixed,
    ema_period,
    sma_update,
    wilder_period,
)
from interlock.strategy.indicators.live import (
    Column,
    Indicator,
    Input,
    OfBar,
    OfValue,
    capacity,
    column_of,
    columns_of,
    positive,
    whole_number,
)
from interlock.strategy.indicators.numerics import (
    NAN,
    Cells,
    Period,
    reach,
    rolling_variance,
    smooth,
)

T = TypeVar("T")
Spread = tuple[int, int, int, int]


def _spread(length: int, degrees: int, start: int = 0) -> Spread:
    if degrees not in (0, 1):
        raise ValueError(f"degrees is {degrees!r}: give 0 (population) or 1 (sample)")
    whole_number("length", length, 1 + degrees)
    return (int(length), capacity(length) - 1, start, int(degrees))


def variance_update(
    state: Cells, ring: Cells, fixed: tuple[Spread], count: int, value: float
) -> float:
    """State: the block of `rolling_variance`."""
    return rolling_variance(state, 0, ring, fixed[0], count, value)


class Variance(OfValue):
    """Variance of `length` values; `degrees` 0 divides by length (population), 1 by length - 1."""

    __slots__ = ()
    formula = staticmethod(variance_update)

    def __init__(self, length: int, *, degrees: int = 0) -> None:
        super().__init__(6, capacity(whole_number("length", length)), (_spread(length, degrees),))


def variance(column: Input, length: int, *, degrees: int = 0) -> Column:
    """Rolling variance in squared units; NaN before row `length - 1`."""
    return column_of(Variance(length, degrees=degrees), column)


def stdev_update(
    state: Cells, ring: Cells, fixed: tuple[Spread], count: int, value: float
) -> float:
    """State: the block of `rolling_variance`."""
    return math.sqrt(rolling_variance(state, 0, ring, fixed[0], count, value))


class Stdev(OfValue):
    """Standard deviation of `length` values; `degrees` as in `Variance`."""

    __slots__ = ()
    formula = staticmethod(stdev_update)

    def __init__(self, length: int, *, degrees: int = 0) -> None:
        super().__init__(6, capacity(whole_number("length", length)), (_spread(length, degrees),))


def stdev(column: Input, length: int, *, degrees: int = 0) -> Column:
    """Rolling standard deviation; NaN before row `length - 1`."""
    return column_of(Stdev(length, degrees=degrees), column)


def zscore_update(
    state: Cells, ring: Cells, fixed: tuple[SmaFixed, Spread], count: int, value: float
) -> float:
    """State: the SMA's three cells, then the block of `rolling_variance`."""
    mean, spread = fixed
    middle = sma_update(state, ring, mean, count, value)
    deviation = math.sqrt(rolling_variance(state, 3, ring, spread, count, value))
    if deviation == 0.0:
        return 0.0
    return (value - middle) / deviation


class Zscore(OfValue):
    """Distance of the value from its mean in standard deviations; 0 in a flat window."""

    __slots__ = ()
    formula = staticmethod(zscore_update)

    def __init__(self, length: int, *, degrees: int = 0) -> None:
        cells = capacity(whole_number("length", length, 2))
        super().__init__(9, 2 * cells, (_mean(length), _spread(length, degrees, cells)))


def _mean(length: int) -> SmaFixed:
    scale = 10.0**DECIMALS
    return (int(length), capacity(length) - 1, scale, length * scale)


def zscore(column: Input, length: int, *, degrees: int = 0) -> Column:
    """Rolling z-score; NaN before row `length - 1`."""
    return column_of(Zscore(length, degrees=degrees), column)


class Bands(NamedTuple, Generic[T]):
    """A middle line and the bands around it."""

    upper: T
    middle: T
    lower: T


def bollinger_update(
    state: Cells, ring: Cells, fixed: tuple[SmaFixed, Spread, float], count: int, value: float
) -> float:
    """State: the SMA's three cells, the block of `rolling_variance`, the outputs."""
    mean, spread, width = fixed
    middle = sma_update(state, ring, mean, count, value)
    reached = width * math.sqrt(rolling_variance(state, 3, ring, spread, count, value))
    state[9] = middle + reached
    state[10] = middle
    state[11] = middle - reached
    return state[9]


class Bollinger(Indicator):
    """SMA and `width` population standard deviations around it; ready after `length` values."""

    __slots__ = ()
    formula = staticmethod(bollinger_update)
    outputs = 3

    def __init__(self, length: int = 20, width: float = 2.0) -> None:
        cells = capacity(whole_number("length", length))
        fixed = (_mean(length), _spread(length, 0, cells), positive("width", width))
        super().__init__(9, 2 * cells, fixed)

    def update(self, value: float) -> Bands[float]:
        """Take the next value and return the bands, NaN until ready."""
        self._feed(value)
        return self.value

    @property
    def value(self) -> Bands[float]:
        """The last bands."""
        return Bands(*self._state[-3:])


def bollinger(column: Input, length: int = 20, width: float = 2.0) -> Bands[Column]:
    """Bollinger bands (upper, middle, lower); NaN before row `length - 1`."""
    return Bands(*columns_of(Bollinger(length, width), column))


def true_range_update(
    state: Cells, ring: Cells, fixed: tuple[int], count: int, *bar: float
) -> float:
    """State: the previous close."""
    high, low, close = bar
    previous = state[0]
    state[0] = close
    if count == 0:
        return NAN
    return reach(high, low, previous)


class TrueRange(OfBar):
    """Span of the bar extended to the previous close; ready with the second bar."""

    __slots__ = ()
    formula = staticmethod(true_range_update)

    def __init__(self) -> None:
        super().__init__(1, 0, (0,))


def true_range(high: Input, low: Input, close: Input) -> Column:
    """True range; NaN in row 0, which has no previous close."""
    return column_of(TrueRange(), high, low, close)


def atr_update(state: Cells, ring: Cells, fixed: tuple[Period], count: int, *bar: float) -> float:
    """State: the previous close, the average."""
    high, low, close = bar
    previous = state[0]
    state[0] = close
    if count == 0:
        return NAN
    return smooth(state, 1, fixed[0], count - 1, reach(high, low, previous))


class Atr(OfBar):
    """Wilder's average of the true range; ready after `length + 1` bars."""

    __slots__ = ()
    formula = staticmethod(atr_update)

    def __init__(self, length: int = 14) -> None:
        super().__init__(2, 0, (wilder_period(length),))


def atr(high: Input, low: Input, close: Input, length: int = 14) -> Column:
    """Average true range; NaN before row `length`."""
    return column_of(Atr(length), high, low, close)


def keltner_update(
    state: Cells, ring: Cells, fixed: tuple[Period, Period, float], count: int, *bar: float
) -> float:
    """State: the previous close, the average true range, the middle, the outputs."""
    period, wilder, width = fixed
    high, low, close = bar
    middle = smooth(state, 2, period, count, close)
    previous = state[0]
    state[0] = close
    if count == 0:
        return NAN
    reached = width * smooth(state, 1, wilder, count - 1, reach(high, low, previous))
    if count + 1 < period[0] or count < wilder[0]:
        return NAN
    state[3] = middle + reached
    state[4] = middle
    state[5] = middle - reached
    return state[3]


class Keltner(Indicator):
    """EMA of the close and `width` average true ranges around it."""

    __slots__ = ()
    formula = staticmethod(keltner_update)
    outputs = 3

    def __init__(self, length: int = 20, atr_length: int = 10, width: float = 2.0) -> None:
        wilder = wilder_period(atr_length, "atr_length")
        super().__init__(3, 0, (ema_period(length), wilder, positive("width", width)))

    def update(self, high: float, low: float, close: float) -> Bands[float]:
        """Take the next bar and return the bands, NaN until ready."""
        self._feed(high, low, close)
        return self.value

    @property
    def value(self) -> Bands[float]:
        """The last bands."""
        return Bands(*self._state[-3:])


def keltner(
    high: Input,
    low: Input,
    close: Input,
    length: int = 20,
    atr_length: int = 10,
    width: float = 2.0,
) -> Bands[Column]:
    """Keltner channel (upper, middle, lower); NaN before row max(length - 1, atr_length)."""
    return Bands(*columns_of(Keltner(length, atr_length, width), high, low, close))


def ewma_volatility_update(
    state: Cells, ring: Cells, fixed: tuple[float, float], count: int, value: float
) -> float:
    """State: the previous price, the variance."""
    decay, annual = fixed
    previous = state[0]
    state[0] = value
    if count == 0:
        return NAN
    change = math.log(value / previous)
    if count == 1:
        state[1] = change * change
    else:
        state[1] = decay * state[1] + (1.0 - decay) * (change * change)
    return annual * math.sqrt(state[1])


class EwmaVolatility(OfValue):
    """Root of the exponentially weighted mean of squared log returns (mean return taken as 0).

    `decay` is lambda, the weight kept per row, between 0 and 1 (0.94 for daily rows is common).
    Ready with the second price. Prices must be positive. Per row, times sqrt(`periods_per_year`).
    """

    __slots__ = ()
    formula = staticmethod(ewma_volatility_update)

    def __init__(self, decay: float, *, periods_per_year: float = 1.0) -> None:
        if not 0.0 < decay < 1.0:
            raise ValueError(f"decay is {decay!r}: give a number between 0 and 1, both excluded")
        annual = math.sqrt(positive("periods_per_year", periods_per_year))
        super().__init__(2, 0, (float(decay), annual))

    def update(self, value: float) -> float:
        """Take the next price, which must be positive."""
        return super().update(_price(value))


def _price(value: float) -> float:
    if value <= 0.0:
        raise ValueError(f"price is {value}: a log return needs prices above zero; drop the row")
    return value


def ewma_volatility(column: Input, decay: float, *, periods_per_year: float = 1.0) -> Column:
    """Exponentially weighted volatility of a price column; NaN in row 0."""
    require_prices(column)
    indicator = EwmaVolatility(decay, periods_per_year=periods_per_year)
    return column_of(indicator, column)


def require_prices(column: Input) -> None:
    """Raise ValueError naming the first row that is zero or negative."""
    wrong = column <= 0
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"price is {column[row]} at row {row}: a log return needs prices above zero"
        )


def realized_volatility_update(
    state: Cells, ring: Cells, fixed: tuple[Spread, float], count: int, value: float
) -> float:
    """State: the block of `rolling_variance`, the previous price."""
    spread, annual = fixed
    previous = state[6]
    state[6] = value
    if count == 0:
        return NAN
    change = math.log(value / previous)
    return annual * math.sqrt(rolling_variance(state, 0, ring, spread, count - 1, change))


class RealizedVolatility(OfValue):
    """Sample deviation of `length` log returns times sqrt(`periods_per_year`).

    Ready after `length + 1` prices, which must be positive. The caller names the number of rows
    in a year (8760 hours, 365 days, 252 sessions).
    """

    __slots__ = ()
    formula = staticmethod(realized_volatility_update)

    def __init__(self, length: int, periods_per_year: float) -> None:
        spread = _spread(whole_number("length", length, 2), 1)
        annual = math.sqrt(positive("periods_per_year", periods_per_year))
        super().__init__(7, capacity(length), (spread, annual))

    def update(self, value: float) -> float:
        """Take the next price, which must be positive."""
        return super().update(_price(value))


def realized_volatility(column: Input, length: int, periods_per_year: float) -> Column:
    """Rolling deviation of log returns, annualized; NaN before row `length`."""
    require_prices(column)
    return column_of(RealizedVolatility(length, periods_per_year), column)
