"""Runs a scalar formula over columns: the same function, compiled, in one generic loop.

numba is imported on the first column that is computed, not with the package. A compiled loop is
stored on disk; its key holds a checksum of the formula and of every block it calls, so an edited
formula is compiled anew. Fast-math stays off and LLVM does not contract a product and a sum into
one operation without it, so the loop gives the bits of the scalar function.
"""

import functools
import sys
import zlib
from collections.abc import Callable
from types import FunctionType
from typing import Any

import numpy as np
import numpy.typing as npt

Formula = Callable[..., float]
Loop = Callable[..., int]
# Rows of NaN kept before a single output, one cache line.
LEAD = 8
# Rows summed, then divided: their sums are still in the cache, and divisions go in vectors.
BLOCK = 2048
# Rows up to which an average does without the compiler while nothing else has loaded it.
PLAIN_ROWS = 1 << 20


def run_columns(
    formula: Formula,
    start: tuple[list[float], list[float], tuple[Any, ...], int],
    columns: tuple[npt.NDArray[np.float64], ...],
) -> tuple[npt.NDArray[np.float64], int]:
    """Return the outputs, shape (outputs, rows), and the first row that is not finite or -1.

    `start` is (state, ring, fixed, outputs). Leading rows with a NaN are the warm-up of the
    feature that made the column: they give NaN and the formula starts after them.
    """
    state, ring, fixed, outputs = start
    out = _empty(outputs, columns[0].size)
    loop = _compiled(formula, len(columns))
    bad = loop(np.array(state), np.array(ring or [0.0]), fixed, out, *columns)
    return out, int(bad)


def _empty(outputs: int, rows: int) -> npt.NDArray[np.float64]:
    """Room for the outputs; a single one has NaN before it, so that a shift need not copy it."""
    if outputs > 1:
        return np.empty((outputs, rows))
    whole = np.empty((1, LEAD + rows))
    whole[:, :LEAD] = np.nan
    return whole[:, LEAD:]


def freeze(out: npt.NDArray[np.float64]) -> None:
    """Make the outputs read-only, with what lies before them."""
    out.setflags(write=False)
    if isinstance(out.base, np.ndarray):
        out.base.setflags(write=False)


def lagged(column: npt.NDArray[Any], rows: int) -> npt.NDArray[np.float64] | None:
    """The column `rows` rows ago as a view, where as many NaN lie before it in its own memory."""
    whole = column.base
    if not isinstance(whole, np.ndarray) or whole.flags.writeable or column.flags.writeable:
        return None
    alike = whole.dtype == column.dtype == np.float64
    if not (alike and whole.flags.c_contiguous and column.flags.c_contiguous):
        return None
    flat = whole.reshape(-1)
    begin = (column.ctypes.data - flat.ctypes.data) // flat.itemsize - rows
    if begin < 0 or not np.isnan(flat[begin : begin + rows]).all():
        return None
    return flat[begin : begin + column.size]


def run_unit_means(
    units: npt.NDArray[np.int64], length: int, divisor: float
) -> npt.NDArray[np.float64]:
    """Return the means of `length` whole numbers over `divisor`, shape (1, rows)."""
    out = _empty(1, units.size)
    if "numba" in sys.modules or not length <= units.size <= PLAIN_ROWS:
        _compiled_means()(units, length, divisor, out[0])
    else:
        _plain_means(units, length, divisor, out[0])
    return out


def _plain_means(
    units: npt.NDArray[np.int64], length: int, divisor: float, out: npt.NDArray[np.float64]
) -> None:
    """The same by running totals: loading the compiler takes far longer than one short column."""
    # Totals may wrap around; their differences are below 2^53 all the same.
    totals = np.cumsum(units)
    out[: length - 1] = np.nan
    out[length - 1] = totals[length - 1]
    out[length:] = totals[length:] - totals[:-length]
    out[length - 1 :] /= divisor


@functools.cache
def _compiled_means() -> Loop:
    import numba

    compile_loop = numba.njit(cache=True, nogil=True, error_model="numpy")
    loop: Loop = compile_loop(_loop_means)
    return loop


def _loop_means(units: Any, length: int, divisor: float, out: Any) -> int:
    total = 0
    for row in range(min(length - 1, units.size)):
        total += units[row]
        out[row] = np.nan
    if length <= units.size:
        total += units[length - 1]
        out[length - 1] = total / divisor
    low = length
    while low < units.size:
        high = min(units.size, low + BLOCK)
        new, old, means = units[low:high], units[low - length : high - length], out[low:high]
        for k in range(high - low):
            total += new[k] - old[k]
            means[k] = total
        for k in range(high - low):
            means[k] /= divisor
        low = high
    return 0


@functools.cache
def _compiled(formula: Formula, inputs: int) -> Loop:
    import numba
    from numba.extending import register_jitable

    checksum = 0
    for function in _called(formula, []):
        register_jitable(function)
        code = function.__code__
        body = code.co_code + repr((code.co_consts, code.co_names)).encode()
        checksum = zlib.crc32(body, checksum)
    build = (_loop_one, _loop_two, _loop_three)[inputs - 1]
    compile_loop = numba.njit(cache=True, nogil=True, error_model="numpy")
    loop: Loop = compile_loop(build(formula, checksum))
    return loop


def _called(formula: Any, found: list[FunctionType]) -> list[FunctionType]:
    """List `formula` and every function of its module's names that it reaches."""
    if formula not in found:
        found.append(formula)
        for name in formula.__code__.co_names:
            block = formula.__globals__.get(name)
            if isinstance(block, FunctionType):
                _called(block, found)
    return found


def _loop_one(formula: Formula, checksum: int) -> Loop:
    def loop_one(state: Any, ring: Any, fixed: Any, out: Any, first: Any) -> int:
        rows = first.size if checksum >= 0 else 0
        begin = 0
        while begin < rows and first[begin] != first[begin]:
            out[:, begin] = np.nan
            begin += 1
        outputs = out.shape[0]
        last = state.size - outputs
        for row in range(begin, rows):
            value = first[row]
            if value - value != 0.0:
                return row
            out[0, row] = formula(state, ring, fixed, row - begin, value)
            for k in range(1, outputs):
                out[k, row] = state[last + k]
        return -1

    return loop_one


def _loop_two(formula: Formula, checksum: int) -> Loop:
    def loop_two(state: Any, ring: Any, fixed: Any, out: Any, first: Any, second: Any) -> int:
        rows = first.size if checksum >= 0 else 0
        begin = 0
        while begin < rows and (first[begin] != first[begin] or second[begin] != second[begin]):
            out[:, begin] = np.nan
            begin += 1
        outputs = out.shape[0]
        last = state.size - outputs
        for row in range(begin, rows):
            left = first[row]
            right = second[row]
            if left - left != 0.0 or right - right != 0.0:
                return row
            out[0, row] = formula(state, ring, fixed, row - begin, left, right)
            for k in range(1, outputs):
                out[k, row] = state[last + k]
        return -1

    return loop_two


def _loop_three(formula: Formula, checksum: int) -> Loop:
    def loop_three(  # noqa: PLR0913 -- a formula of three inputs
        state: Any, ring: Any, fixed: Any, out: Any, high: Any, low: Any, close: Any
    ) -> int:
        rows = high.size if checksum >= 0 else 0
        begin = 0
        while begin < rows and (
            high[begin] != high[begin] or low[begin] != low[begin] or close[begin] != close[begin]
        ):
            out[:, begin] = np.nan
            begin += 1
        outputs = out.shape[0]
        last = state.size - outputs
        for row in range(begin, rows):
            top = high[row]
            bottom = low[row]
            end = close[row]
            if top - top != 0.0 or bottom - bottom != 0.0 or end - end != 0.0:
                return row
            out[0, row] = formula(state, ring, fixed, row - begin, top, bottom, end)
            for k in range(1, outputs):
                out[k, row] = state[last + k]
        return -1

    return loop_three
