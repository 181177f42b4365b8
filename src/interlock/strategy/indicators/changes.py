"""Changes over time: momentum, rate of change, returns, crosses and past-only shifts."""

import math

import numpy as np
import numpy.typing as npt

from interlock.strategy.indicators.compiler import lagged
from interlock.strategy.indicators.dispersion import require_prices
from interlock.strategy.indicators.live import (
    Column,
    Input,
    OfValue,
    column_of,
    whole_number,
    window_of,
)
from interlock.strategy.indicators.numerics import NAN, Cells, Window, slide


def momentum_update(
    state: Cells, ring: Cells, fixed: tuple[Window], count: int, value: float
) -> float:
    """No state; the ring holds the last values."""
    past = slide(ring, fixed[0], count, value)
    if count < fixed[0][0]:
        return NAN
    return value - past


class Momentum(OfValue):
    """Value less the value `length` rows ago; ready after `length + 1`."""

    __slots__ = ()
    formula = staticmethod(momentum_update)

    def __init__(self, length: int) -> None:
        window = window_of(whole_number("length", length))
        super().__init__(0, window[1] + 1, (window,))


def momentum(column: Input, length: int) -> Column:
    """Change over `length` rows; NaN before row `length`."""
    return column_of(Momentum(length), column)


def change_ratio_update(
    state: Cells, ring: Cells, fixed: tuple[Window, float], count: int, value: float
) -> float:
    """No state; the ring holds the last values."""
    window, factor = fixed
    past = slide(ring, window, count, value)
    if count < window[0] or past == 0.0:
        return NAN
    return factor * (value / past - 1.0)


class Roc(OfValue):
    """Change over `length` rows in percent of the past value; NaN where that is zero."""

    __slots__ = ()
    formula = staticmethod(change_ratio_update)

    def __init__(self, length: int) -> None:
        window = window_of(whole_number("length", length))
        super().__init__(0, window[1] + 1, (window, 100.0))


def roc(column: Input, length: int) -> Column:
    """Rate of change in percent; NaN before row `length`."""
    return column_of(Roc(length), column)


class Returns(OfValue):
    """Change over `length` rows as a fraction of the past value; NaN where that is zero."""

    __slots__ = ()
    formula = staticmethod(change_ratio_update)

    def __init__(self, length: int = 1) -> None:
        window = window_of(whole_number("length", length))
        super().__init__(0, window[1] + 1, (window, 1.0))


def returns(column: Input, length: int = 1) -> Column:
    """Simple returns as fractions; NaN before row `length`."""
    return column_of(Returns(length), column)


def log_returns_update(
    state: Cells, ring: Cells, fixed: tuple[Window], count: int, value: float
) -> float:
    """No state; the ring holds the last prices."""
    past = slide(ring, fixed[0], count, value)
    if count < fixed[0][0]:
        return NAN
    return math.log(value / past)


class LogReturns(OfValue):
    """Natural logarithm of the price over the price `length` rows ago; prices are positive."""

    __slots__ = ()
    formula = staticmethod(log_returns_update)

    def __init__(self, length: int = 1) -> None:
        window = window_of(whole_number("length", length))
        super().__init__(0, window[1] + 1, (window,))

    def update(self, value: float) -> float:
        """Take the next price, which must be positive."""
        if value <= 0.0:
            raise ValueError(f"price is {value}: a log return needs prices above zero")
        return super().update(value)


def log_returns(column: Input, length: int = 1) -> Column:
    """Log returns; NaN before row `length`."""
    require_prices(column)
    return column_of(LogReturns(length), column)


def shift(column: Input, rows: int) -> Column:
    """The column `rows` rows ago; the first `rows` rows are NaN. Negative `rows` is refused."""
    if rows < 0:
        raise ValueError(
            f"shift by {rows} would show future rows: give 0 or more rows into the past"
        )
    rows = whole_number("rows", rows, 0)
    view = lagged(column, rows)
    if view is not None:
        return view
    out = np.full(column.size, np.nan)
    out[rows:] = column[: max(column.size - rows, 0)]
    out.setflags(write=False)
    return out


def _other_side(left: Input, right: Input | float) -> Column:
    other = np.asarray(right, dtype=np.float64)
    if other.ndim == 0:
        return np.full(left.size, float(other))
    if other.shape != left.shape:
        raise ValueError(f"columns have {left.size} and {other.size} rows: columns must be equal")
    return other


def crossed_above(left: Input, right: Input | float) -> npt.NDArray[np.bool_]:
    """Rows where `left` is above `right` and was not in the row before; equal is not above.

    False where either side of either row is NaN. `right` may be a number.
    """
    other = _other_side(left, right)
    out = np.zeros(left.size, dtype=np.bool_)
    out[1:] = (left[1:] > other[1:]) & (left[:-1] <= other[:-1])
    return out


def crossed_below(left: Input, right: Input | float) -> npt.NDArray[np.bool_]:
    """Rows where `left` ceases to be above `right`: it was above and is not; equal is not above.

    The mirror of `crossed_above` in time: between an upward and a downward cross `left` is above.
    False where either side of either row is NaN. `right` may be a number.
    """
    other = _other_side(left, right)
    out = np.zeros(left.size, dtype=np.bool_)
    out[1:] = (left[1:] <= other[1:]) & (left[:-1] > other[:-1])
    return out
