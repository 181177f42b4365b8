"""Rebuild the book of stored depth and find the messages after which it is crossed."""

from __future__ import annotations

from heapq import heappop, heappush

import numpy as np

from interlock.research.catalog.findings import Finding, at_rows
from interlock.research.catalog.table import Table


class _Side:
    """Resting prices of one side; ``sign`` makes the best price the smallest key."""

    def __init__(self, sign: int) -> None:
        self._sign = sign
        self._levels: set[int] = set()
        self._heap: list[int] = []

    def apply(self, price: int, quantity: int) -> None:
        key = self._sign * price
        if quantity <= 0:
            self._levels.discard(key)
        elif key not in self._levels:
            self._levels.add(key)
            heappush(self._heap, key)

    def clear(self) -> None:
        self._levels.clear()
        self._heap.clear()

    def best(self) -> int | None:
        """The best price, or None for an empty side."""
        heap = self._heap
        while heap and heap[0] not in self._levels:
            heappop(heap)
        return self._sign * heap[0] if heap else None


def book_findings(table: Table) -> list[Finding]:
    """Findings on rows that end a message with the best bid at or above the best ask.

    Rows of a message share their sequence (their time where there is none). Updates that are
    not newer than the last snapshot are skipped, as a client of the venue does.
    """
    arrays = table.arrays
    sequence = arrays["sequence"] if arrays["sequence"].any() else arrays["ts"]
    has_sequence = bool(arrays["sequence"].any())
    snapshot = arrays["is_snapshot"] != 0
    ends = np.flatnonzero((np.diff(sequence) != 0) | (np.diff(snapshot) != 0))
    last_rows = np.append(ends, len(table) - 1)
    rows = list(
        zip(arrays["side"].tolist(), arrays["price"].tolist(), arrays["quantity"].tolist(),
            strict=True)
    )  # fmt: skip
    bids, asks = _Side(-1), _Side(1)
    crossed, details = [], {}
    start, floor = 0, -1
    for last in last_rows.tolist():
        number = int(sequence[last])
        message = rows[start : last + 1]
        start = last + 1
        if snapshot[last]:
            bids.clear()
            asks.clear()
            floor = number if has_sequence else -1
        elif number <= floor:
            continue
        for side, price, quantity in message:
            (bids if side > 0 else asks).apply(price, quantity)
        bid, ask = bids.best(), asks.best()
        if bid is not None and ask is not None and bid >= ask:
            crossed.append(last)
            text = table.instrument.price_text
            details[last] = f"best bid {text(bid)}, best ask {text(ask)}"
    return at_rows(
        "crossed_book",
        arrays["ts"],
        rows=np.array(crossed, dtype=np.int64),
        detail=details.__getitem__,
    )
