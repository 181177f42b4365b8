"""Findings: what a check saw, on which rows, what it means and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from interlock.research.catalog.times import iso
from interlock.strategy.columns import Integers

Severity = Literal["error", "warning", "info"]
ROWS_SHOWN = 5


class FindingRow(msgspec.Struct, frozen=True):
    """One affected row, counted from 0, its time in ns UTC and what is there."""

    row: int
    ts: int
    detail: str = ""

    @property
    def time(self) -> str:
        """ISO text of the row's time."""
        return iso(self.ts)


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of fault: ``count`` rows have it, ``rows`` are the first of them."""

    code: str
    severity: Severity
    count: int
    rows: tuple[FindingRow, ...]
    meaning: str
    remedy: str


# code: (severity, meaning, remedy)
_TEXTS: dict[str, tuple[Severity, str, str]] = {
    "unordered_time": (
        "error",
        "a row is earlier than the row before it",
        "export the file in time order or import it with --sort",
    ),
    "duplicate_time": (
        "error",
        "two rows have the same time where one is allowed",
        "find out which source is right; import with --merge to collapse identical rows",
    ),
    "future_time": (
        "error",
        "the time lies after the present",
        "check the time unit and zone of the source; import it again",
    ),
    "gap": (
        "warning",
        "bars are missing while the market was open",
        "import the missing dates if the source has them; an exchange outage is real",
    ),
    "off_grid_time": (
        "warning",
        "open times are not spaced by whole steps",
        "check the step and whether the source labels bars by their close (--label close)",
    ),
    "outside_session": (
        "info",
        "bars lie outside the sessions of the instrument's calendar",
        "expected for extended hours; otherwise check the time zone of the import",
    ),
    "ohlc_contradiction": (
        "error",
        "high is not the highest or low not the lowest of the bar",
        "import the bars from another source; fills inside such a bar have no meaning",
    ),
    "nonpositive_price": (
        "error",
        "a price is zero or negative",
        "remove or correct the row at the source and import again with --replace",
    ),
    "off_tick_price": (
        "warning",
        "a price is no multiple of the tick",
        "check the tick of the instrument; market data may be off it after a tick change",
    ),
    "coarse_tick": (
        "error",
        "a price is less than ten ticks: every order price would be off by a twentieth or more",
        "import again with the tick of the venue: `interlock data remove ID`, then --tick",
    ),
    "off_lot_quantity": (
        "info",
        "a quantity is no multiple of the lot",
        "check the lot of the instrument; market data may be off it after a lot change",
    ),
    "negative_quantity": (
        "error",
        "a quantity is negative",
        "correct the source: quantities are absolute, the side has its own column",
    ),
    "zero_quantity": (
        "error",
        "a trade has no quantity",
        "remove the row at the source and import again",
    ),
    "zero_volume": (
        "info",
        "nothing was traded in the bar",
        "none needed: no order fills there; bars without any volume have no cap",
    ),
    "outlier": (
        "warning",
        "a price jumps far beyond its usual moves and comes back at once, as a bad print does",
        "compare with another source; correct it there and import again with --replace",
    ),
    "crossed_quote": (
        "error",
        "the bid is above the ask",
        "import quotes sampled at one instant; fills against a crossed quote are too good",
    ),
    "locked_quote": (
        "info",
        "the bid equals the ask",
        "none needed: short locks occur in real markets",
    ),
    "zero_side": (
        "warning",
        "one side of the quote is missing (price 0)",
        "build the best bid and offer before importing; a zero side cannot fill",
    ),
    "sequence_break": (
        "error",
        "a message is missing: it does not follow the one before it",
        "import the stretch again from a complete capture or start after a new snapshot",
    ),
    "sequence_backward": (
        "error",
        "a sequence number is smaller than the one before it",
        "restore the order of the capture and import again",
    ),
    "crossed_book": (
        "error",
        "the rebuilt book has its best bid at or above its best ask",
        "messages are missing or out of order; import from a complete capture",
    ),
    "no_snapshot": (
        "info",
        "the depth starts without a snapshot",
        "the book is incomplete until its levels have been seen; skip the first minutes",
    ),
    "unknown_side": (
        "info",
        "the aggressor is not known",
        "none needed; order flow measures leave these trades out",
    ),
    "bad_side": (
        "error",
        "side is neither +1 nor -1",
        "map the side column: +1 is a buy or a bid, -1 a sell or an ask",
    ),
    "bad_action": (
        "error",
        "action is not 1 (add), 2 (change) or 3 (delete)",
        "map the action column to 1, 2 and 3",
    ),
    "unknown_order": (
        "warning",
        "an order changes or ends that was never added",
        "start the import earlier; queue positions of these orders are unknown",
    ),
    "extreme_rate": (
        "warning",
        "a funding rate is above 3 % of notional for one interval",
        "check that rates are fractions, not percents",
    ),
    "corrupt": (
        "error",
        "the stored file differs from what was written",
        "remove the entry with `interlock data remove` and import it again",
    ),
}


def finding(code: str, count: int, *, rows: tuple[FindingRow, ...], also: str = "") -> Finding:
    """A finding with the texts of its code; ``also`` adds figures to the meaning."""
    severity, meaning, remedy = _TEXTS[code]
    return Finding(
        code=code,
        severity=severity,
        count=count,
        rows=rows,
        meaning=f"{meaning}; {also}" if also else meaning,
        remedy=remedy,
    )


def at_rows(
    code: str,
    ts: Integers,
    *,
    rows: NDArray[Any],
    detail: Callable[[int], str] | None = None,
    also: str = "",
) -> list[Finding]:
    """A finding on the given row numbers, or none when there are none."""
    if not len(rows):
        return []
    shown = tuple(
        FindingRow(int(row), int(ts[row]), detail(int(row)) if detail else "")
        for row in rows[:ROWS_SHOWN]
    )
    return [finding(code, len(rows), rows=shown, also=also)]


def where(
    code: str, ts: Integers, *, mask: NDArray[np.bool_], detail: Callable[[int], str] | None = None
) -> list[Finding]:
    """A finding on the rows where the mask holds, or none."""
    return at_rows(code, ts, rows=np.flatnonzero(mask), detail=detail) if mask.any() else []
