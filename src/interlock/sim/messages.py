"""The messages of recorded books: where they begin, which of them count, and their rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from interlock.strategy.columns import DepthColumns, Integers, OrderColumns

SKIP, UPDATE, SNAPSHOT = range(3)
Rows = tuple[Sequence[int], Sequence[int], Sequence[int]]


def message_starts(columns: DepthColumns | OrderColumns) -> Integers:
    """The first row of each message.

    Rows of one message share their time, and in depth their sequence and kind.
    """
    if not len(columns):
        return np.empty(0, np.int64)
    breaks = np.diff(columns.ts) != 0
    if isinstance(columns, DepthColumns):
        breaks |= np.diff(columns.sequence) != 0
        breaks |= np.diff(columns.is_snapshot) != 0
    return np.concatenate((np.zeros(1, np.int64), np.flatnonzero(breaks) + 1))


def message_times(columns: DepthColumns | OrderColumns) -> Integers:
    """When each message happens, ns."""
    times: Integers = columns.ts[message_starts(columns)]
    return times


def message_kinds(columns: DepthColumns, starts: Integers) -> NDArray[np.int8]:
    """SKIP, UPDATE or SNAPSHOT for each message.

    A snapshot replaces the book. Updates before the first snapshot change a book that nobody
    knows, and updates not newer than the last snapshot are in it already: both are skipped. A
    record without snapshots starts from an empty book.
    """
    kinds = np.full(len(starts), UPDATE, np.int8)
    first = _snapshot_starts(columns, starts)
    if not len(first):
        return kinds
    sequence = columns.sequence[starts]
    ordinal = np.searchsorted(first, np.arange(len(starts)), "right") - 1
    known = np.where(ordinal >= 0, sequence[first[ordinal]], 0)
    is_update = columns.is_snapshot[starts] == 0
    kinds[is_update & ((ordinal < 0) | ((known > 0) & (sequence <= known)))] = SKIP
    kinds[first] = SNAPSHOT
    return kinds


def newer_than_snapshots(columns: DepthColumns, starts: Integers) -> dict[int, list[int]]:
    """By snapshot, the messages that came before it and are newer: it has to take them again.

    A snapshot that was asked for beside the stream may arrive after updates that it lacks.
    """
    sequence = columns.sequence[starts]
    is_update = columns.is_snapshot[starts] == 0
    return {
        snapshot: found.tolist()
        for before, snapshot in _pairs(_snapshot_starts(columns, starts))
        if sequence[snapshot] > 0
        and len(
            found := before
            + np.flatnonzero(
                is_update[before:snapshot] & (sequence[before:snapshot] > sequence[snapshot])
            )
        )
    }


def depth_messages(columns: DepthColumns) -> Iterator[tuple[int, int, Rows]]:
    """(ts, SKIP or UPDATE or SNAPSHOT, (sides, prices, quantities)) of each message."""
    starts = message_starts(columns)
    edges = [*starts.tolist(), len(columns)]
    again = newer_than_snapshots(columns, starts)
    views = [array.data for array in (columns.side, columns.price, columns.quantity)]
    side, price, quantity = views
    kinds = message_kinds(columns, starts).tolist()
    times = columns.ts[starts].tolist()
    for at, (ts, kind) in enumerate(zip(times, kinds, strict=True)):
        low, high = edges[at], edges[at + 1]
        if at not in again:
            yield ts, kind, (side[low:high], price[low:high], quantity[low:high])
            continue
        parts = [(low, high), *((edges[k], edges[k + 1]) for k in again[at])]
        sides, prices, quantities = (
            [value for first, last in parts for value in view[first:last]] for view in views
        )
        yield ts, kind, (sides, prices, quantities)


def order_messages(
    columns: OrderColumns,
) -> Iterator[tuple[int, Sequence[int], Sequence[int], Rows]]:
    """(ts, order ids, actions, (sides, prices, quantities)) of each message."""
    starts = message_starts(columns).tolist()
    ts, key, action, side, price, quantity = (array.data for _, array in columns.arrays())
    for low, high in zip(starts, [*starts[1:], len(columns)], strict=True):
        rows = (side[low:high], price[low:high], quantity[low:high])
        yield ts[low], key[low:high], action[low:high], rows


def _snapshot_starts(columns: DepthColumns, starts: Integers) -> Integers:
    """Snapshots that are not the continuation of the one before."""
    is_snapshot = columns.is_snapshot[starts] != 0
    sequence = columns.sequence[starts]
    follows = np.zeros(len(starts), bool)
    follows[1:] = is_snapshot[:-1] & (sequence[1:] == sequence[:-1])
    return np.flatnonzero(is_snapshot & ~follows)


def _pairs(rows: Integers) -> Iterator[tuple[int, int]]:
    low = 0
    for row in rows.tolist():
        yield low, row
        low = row
