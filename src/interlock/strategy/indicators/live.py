"""The live form of an indicator, and the column form that starts from the same state.

An indicator is a formula `update(state, ring, fixed, count, value, ...) -> float` with its start
state. The live form calls the formula as it is on Python lists; the column form compiles the same
function. `fixed` holds the parameters and is never written. Of an indicator with several outputs
the last cells of the state are the outputs, and the formula returns the first of them.

A value that is not finite is refused, because a rolling sum cannot forget it: the live form raises
before its state changes. NaN stands for "not ready yet" in outputs; a column may begin with such
rows, so indicators chain.
"""

import math
from collections.abc import Callable, Hashable
from typing import Any, ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from interlock.strategy.indicators.compiler import freeze, run_columns, run_unit_means
from interlock.strategy.indicators.memo import active_memo

Column = npt.NDArray[np.float64]
Input = npt.NDArray[np.float64] | npt.NDArray[np.int64]


class Snapshot(NamedTuple):
    """The whole state of one live indicator; plain values, equal inputs give equal outputs."""

    name: str
    fixed: tuple[Any, ...]
    seen: int
    state: tuple[float, ...]
    ring: tuple[float, ...]
    value: float


class Indicator:
    """State, readiness and snapshots; subclasses add `update` for their number of inputs."""

    __slots__ = ("_fixed", "_last", "_ring", "_state", "count")
    formula: ClassVar[Callable[..., float]]
    outputs: ClassVar[int] = 1

    def __init__(self, state: int, ring: int, fixed: tuple[Any, ...]) -> None:
        several = self.outputs if self.outputs > 1 else 0
        self._state = [0.0] * state + [math.nan] * several
        self._ring = [0.0] * ring
        self._fixed = fixed
        self._last = math.nan
        self.count = 0

    @property
    def ready(self) -> bool:
        """Whether the last update gave a value (every value, of an indicator with several)."""
        last = self._last
        if self.outputs > 1:
            return last == last and self._state[-1] == self._state[-1]
        return last == last

    def snapshot(self) -> Snapshot:
        """Return the state, to be given to `restore` of an indicator with equal parameters."""
        state, ring = tuple(self._state), tuple(self._ring)
        name = type(self).__name__
        return Snapshot(name, self._fixed, self.count, state, ring, self._last)

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from `snapshot`. Raises ValueError when it is of another indicator."""
        name, fixed, seen, state, ring, value = snapshot
        if name != type(self).__name__ or _plain(fixed) != _plain(self._fixed):
            raise ValueError(
                f"snapshot of {name}{_plain(fixed)} does not fit {type(self).__name__}"
                f"{_plain(self._fixed)}: restore into an indicator with the same parameters"
            )
        self.count = seen
        self._state = list(state)
        self._ring = list(ring)
        self._last = value

    def _feed(self, *values: float) -> float:
        for value in values:
            if value - value != 0.0:
                raise not_finite(type(self).__name__, value)
        result = type(self).formula(self._state, self._ring, self._fixed, self.count, *values)
        self._last = result
        self.count += 1
        return result


class OfValue(Indicator):
    """One value in, one value out."""

    __slots__ = ()

    def update(self, value: float) -> float:
        """Take the next value and return the indicator, NaN until it is ready."""
        if value - value != 0.0:
            raise not_finite(type(self).__name__, value)
        count = self.count
        self._last = result = self.formula(self._state, self._ring, self._fixed, count, value)
        self.count = count + 1
        return result

    @property
    def value(self) -> float:
        """The last result, NaN until ready."""
        return self._last


class OfBar(Indicator):
    """High, low and close in, one value out."""

    __slots__ = ()

    def update(self, high: float, low: float, close: float) -> float:
        """Take the next bar and return the indicator, NaN until it is ready."""
        return self._feed(high, low, close)

    @property
    def value(self) -> float:
        """The last result, NaN until ready."""
        return self._last


def not_finite(name: str, value: float) -> ValueError:
    """The error of an input that a rolling state could not forget."""
    return ValueError(
        f"{name}.update got {value}: an input must be finite; skip the row or fill it first"
    )


def column_of(indicator: Indicator, *columns: Input) -> Column:
    """Return the one output of `indicator` over whole columns, shape (rows,), read-only."""
    column: Column = columns_of(indicator, *columns)[0]
    return column


def columns_of(indicator: Indicator, *columns: Input) -> npt.NDArray[np.float64]:
    """Return the indicator's outputs over whole columns, shape (outputs, rows), read-only."""
    name = type(indicator).__name__
    start = (indicator._state, indicator._ring, indicator._fixed, indicator.outputs)
    formula = type(indicator).formula
    return _columns(name, formula, start, columns)


def unit_means(units: npt.NDArray[np.int64], length: int, divisor: float) -> Column:
    """Means of `length` whole numbers over `divisor`: `sma_update` where its sums are exact.

    A sum of whole numbers is the same in any order and one division rounds it, so this is that
    formula to the last bit, without its checks and with the sum in a register.
    """
    memo = active_memo()
    key: tuple[Hashable, ...] = ()
    if memo is not None:
        key = ("unit_means", length, divisor, _token(units))
        known = memo.get(key)
        if known is not None:
            kept: Column = known[0]
            return kept
    out = run_unit_means(units, length, divisor)
    freeze(out)
    if memo is not None:
        memo.put(key, out, (units,))
    column: Column = out[0]
    return column


def _columns(
    name: str,
    formula: Callable[..., float],
    start: tuple[list[float], list[float], tuple[Any, ...], int],
    columns: tuple[Input, ...],
) -> npt.NDArray[np.float64]:
    """The one door of every compiled column: checks, memory, loop."""
    for column in columns:
        _check(name, column, columns[0])
    memo = active_memo()
    key: tuple[Hashable, ...] = ()
    if memo is not None:
        key = (name, start[2], *(_token(column) for column in columns))
        known = memo.get(key)
        if known is not None:
            return known
    floats = tuple(np.ascontiguousarray(column, dtype=np.float64) for column in columns)
    out, bad = run_columns(formula, start, floats)
    if bad >= 0:
        values = ", ".join(str(column[bad]) for column in floats)
        raise ValueError(
            f"{name} got {values} at row {bad}: only leading NaN rows (a feature's warm-up) are "
            "allowed; fill or drop the row first"
        )
    freeze(out)
    if memo is not None:
        memo.put(key, out, columns)
    return out


def _check(name: str, column: Input, first: Input) -> None:
    if not isinstance(column, np.ndarray) or column.ndim != 1:
        raise TypeError(f"{name} got {type(column).__name__}: give a one-dimensional numpy array")
    if column.dtype != np.float64 and column.dtype != np.int64:
        raise TypeError(f"{name} got a {column.dtype} column: give float64, or int64 price units")
    if column.size != first.size:
        raise ValueError(f"{name} got {first.size} and {column.size} rows: columns must be equal")


def _token(column: Input) -> Hashable:
    address = column.__array_interface__["data"][0]
    return (address, column.size, column.strides, column.dtype.char)


def _plain(fixed: Any) -> Any:
    """`fixed` with lists read as tuples, as a decoder may return them."""
    if isinstance(fixed, list | tuple):
        return tuple(_plain(part) for part in fixed)
    return fixed


def whole_number(name: str, value: int, least: int = 1) -> int:
    """Return `value` when it is an int of at least `least`; raise ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{name} is {value!r}: give a whole number of at least {least}")
    return int(value)


def positive(name: str, value: float) -> float:
    """Return `value` as float when it is finite and above zero; raise ValueError otherwise."""
    number = float(value)
    if not 0.0 < number < math.inf:
        raise ValueError(f"{name} is {value!r}: give a finite number above zero")
    return number


def window_of(length: int, start: int = 0) -> tuple[int, int, int]:
    """The block's (length, mask, start) of a window of `length` rows."""
    return (length, capacity(length) - 1, start)


def capacity(length: int) -> int:
    """Ring cells of a window: the least power of two that holds it."""
    return 1 << (length - 1).bit_length()
