"""The result digest: what a run did to money, in canonical bytes, whichever path computed it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def result_digest(
    fills: Sequence[Integers], equity: Integers, *, wallet: int, quantities: Sequence[int]
) -> str:
    """SHA-256 over fills, equity and what is left, as little-endian int64.

    ``fills`` are equal-length columns: bar close time in progress (ns), signed quantity, price,
    fee, realized. ``equity`` is one value per sample; ``quantities`` the final positions, ordered
    by instrument id.
    """
    total = hashlib.sha256()
    for column in (*fills, equity, np.array([wallet, *quantities], np.int64)):
        array = np.ascontiguousarray(column, dtype="<i8")
        total.update(len(array).to_bytes(8, "little"))
        total.update(array.data)
    return total.hexdigest()
