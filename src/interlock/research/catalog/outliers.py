"""Bad prints: a price that leaves its usual range in one row and comes back in the next."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interlock.strategy.columns import Floats, Integers

# A move counts when it is this many robust deviations of its neighborhood ...
DEVIATIONS = 12.0
# ... and at least this large; below it lies ordinary bid-ask bounce.
MOVE_MIN = 0.01
# ... and when the next row takes back at least this share of it.
REVERSAL = 0.6
_BLOCK = 256
_NORMAL = 1.4826


def bad_prints(prices: Integers) -> tuple[NDArray[np.intp], Floats]:
    """Rows of isolated prices and their move from the row before (a fraction).

    The scale is 1.4826 x the median absolute move of the row's block of 256 and its two
    neighbors, so that one bad print cannot widen its own bound.
    """
    empty = np.empty(0, dtype=np.intp), np.empty(0, dtype=np.float64)
    good = np.flatnonzero(prices > 0)
    if len(good) < 5:
        return empty
    logs = np.log(prices[good].astype(np.float64))
    moves = np.diff(logs)
    # The cheap bound first: few rows of real data pass it.
    candidates = np.flatnonzero(np.abs(moves[:-1]) >= MOVE_MIN)
    if not len(candidates):
        return empty
    sizes = np.abs(moves)
    forth, back = moves[candidates], moves[candidates + 1]
    reverts = (forth * back < 0) & (np.abs(back) >= REVERSAL * np.abs(forth))
    beyond = np.minimum(np.abs(forth), np.abs(back)) > DEVIATIONS * _scale(sizes, candidates)
    chosen = candidates[reverts & beyond]
    return good[chosen + 1], np.expm1(moves[chosen])


def _scale(sizes: Floats, rows: NDArray[np.intp]) -> Floats:
    blocks = -(-len(sizes) // _BLOCK)
    padded = np.full(blocks * _BLOCK, np.nan)
    padded[: len(sizes)] = sizes
    medians = np.nanmedian(padded.reshape(blocks, _BLOCK), axis=1)
    edge = np.concatenate([medians[:1], medians, medians[-1:]])
    around = np.maximum(np.maximum(edge[:-2], edge[1:-1]), edge[2:])
    # Quiet stretches without any move fall back to the scale of the whole series.
    overall = max(float(np.median(sizes)), 1e-6)
    scale: Floats = _NORMAL * np.maximum(around, overall)[rows // _BLOCK]
    return scale
