"""Joining new rows to stored ones: appended, merged on request, never overwritten in silence."""

from __future__ import annotations

import numpy as np

from interlock.research.catalog.errors import ImportRefused
from interlock.research.catalog.table import Table
from interlock.research.catalog.times import iso
from interlock.strategy.columns import Integers

# One row per instant; in the other kinds several rows may share a time.
UNIQUE = ("bars", "funding", "mark")


def join(parts: list[Table], *, merge: bool) -> tuple[Table, int]:
    """One ordered table of all parts and the number of identical rows that were collapsed.

    Raises ImportRefused where parts overlap and ``merge`` is off, or where they contradict.
    """
    ordered = sorted((part for part in parts if len(part)), key=lambda part: _span(part))
    overlap = any(_overlaps(left, right) for left, right in zip(ordered, ordered[1:], strict=False))
    if overlap and not merge:
        left, right = next(
            pair for pair in zip(ordered, ordered[1:], strict=False) if _overlaps(*pair)
        )
        raise ImportRefused(
            f"{left.instrument.id} {left.name}: rows from {iso(_span(right)[0])} overlap rows up "
            f"to {iso(_span(left)[1])}; pass --merge to collapse identical rows, or --replace"
        )
    joined = _concatenate(ordered)
    return _merged(joined, ordered) if overlap else (joined, 0)


def ordered_rows(table: Table, *, where: str, sort: bool) -> tuple[Table, int]:
    """The table in time order; an unordered one is refused unless ``sort`` asks for it."""
    times = table.arrays["ts"]
    backward = times[1:] < times[:-1]
    if not backward.any():
        return table, 0
    row = int(backward.argmax()) + 1
    if not sort:
        raise ImportRefused(
            f"{where}: time {iso(int(times[row]))} in data row {row + 1} is earlier than the row "
            f"before ({iso(int(times[row - 1]))}); times must not go back: pass --sort"
        )
    return table.take(np.argsort(times, kind="stable")), int(backward.sum())


def collapse(table: Table, *, where: str, merge: bool) -> tuple[Table, int]:
    """Collapse repeated rows of kinds with one row per instant; conflicts are refused."""
    if table.kind not in UNIQUE:
        return table, 0
    times = table.arrays["ts"]
    repeated = np.flatnonzero(times[1:] == times[:-1]) + 1
    if not len(repeated):
        return table, 0
    _refuse_conflict(table, repeated, where)
    if not merge:
        rows = ", ".join(str(row + 1) for row in repeated[:5])
        raise ImportRefused(
            f"{where}: {len(repeated)} rows repeat the row before (data rows {rows}; the first at "
            f"{iso(int(times[repeated[0]]))}); one time has one row: pass --merge to collapse them"
        )
    keep = np.ones(len(table), dtype=np.bool_)
    keep[repeated] = False
    return table.take(np.flatnonzero(keep)), len(repeated)


def _refuse_conflict(table: Table, repeated: Integers, where: str) -> None:
    for name, array in table.arrays.items():
        differs = array[repeated] != array[repeated - 1]
        if differs.any():
            row = int(repeated[int(differs.argmax())])
            raise ImportRefused(
                f"{where}: two rows at {iso(int(table.arrays['ts'][row]))} disagree on {name} "
                f"({array[row - 1]} and {array[row]} units, rows {row} and {row + 1} of the joined "
                f"data, {int(differs.sum())} such times); decide which source is right and "
                "import only that one (--replace discards the stored rows)"
            )


def _merged(joined: Table, parts: list[Table]) -> tuple[Table, int]:
    where = f"{joined.instrument.id} {joined.name}"
    if joined.kind not in UNIQUE:
        return _merged_ticks(parts)
    ordered = joined.take(np.argsort(joined.arrays["ts"], kind="stable"))
    return collapse(ordered, where=where, merge=True)


def _merged_ticks(parts: list[Table]) -> tuple[Table, int]:
    # Ticks may repeat legitimately, so only a block that both sides hold row by row is collapsed.
    result, collapsed = parts[0], 0
    for part in parts[1:]:
        start = _span(part)[0]
        begin = int(np.searchsorted(result.arrays["ts"], start, "left"))
        shared = min(len(result) - begin, len(part))
        for name, array in result.arrays.items():
            same = array[begin : begin + shared] == part.arrays[name][:shared]
            if not same.all():
                row = int((~same).argmax())
                raise ImportRefused(
                    f"{part.instrument.id} {part.name}: overlapping rows differ in {name} at "
                    f"{iso(int(part.arrays['ts'][row]))}; import only one source for that time"
                )
        collapsed += shared
        result = _concatenate([result, part.take(slice(shared, None))])
    return result, collapsed


def _span(table: Table) -> tuple[int, int]:
    times = table.arrays["ts"]
    return int(times[0]), int(times[-1])


def _overlaps(left: Table, right: Table) -> bool:
    (_, left_last), (right_first, _) = _span(left), _span(right)
    return right_first <= left_last if left.kind in UNIQUE else right_first < left_last


def _concatenate(parts: list[Table]) -> Table:
    first = parts[0]
    if len(parts) == 1:
        return first
    names = [name for name in first.arrays if all(name in part.arrays for part in parts)]
    arrays = {name: np.concatenate([part.arrays[name] for part in parts]) for name in names}
    return Table(first.instrument, first.kind, arrays, first.step_ns)
