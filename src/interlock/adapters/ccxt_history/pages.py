"""Values of the download: what is asked for, one row of a venue, one page of integer columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

NS_PER_MS = 1_000_000

KINDS = ("bars", "trades", "funding")

STEPS_NS = {
    name: seconds * 1_000_000_000
    for name, seconds in {
        "1s": 1,
        "1m": 60,
        "5m": 300,
        "15m": 900,
        "1h": 3_600,
        "4h": 14_400,
        "1d": 86_400,
    }.items()
}


@dataclass(frozen=True, kw_only=True)
class HistoryRequest:
    """One series: ``kind`` bars (with a ``step``), trades or funding, from ``start_ns``.

    ``symbol`` is ccxt's unified symbol, such as BTC/USDT:USDT. A price or quantity exponent above
    zero replaces the one that follows from the venue's tick and lot.
    """

    symbol: str
    kind: str
    start_ns: int
    step: str = ""
    price_exponent: int | None = None
    quantity_exponent: int | None = None

    @property
    def step_ns(self) -> int:
        """Length of a bar, 0 for kinds without one."""
        return STEPS_NS[self.step] if self.kind == "bars" else 0


@dataclass(frozen=True)
class Row:
    """One row as the venue sent it: time in ms, the identity for repeats, exact values."""

    ts_ms: int
    identity: str
    values: tuple[Decimal, ...]


@dataclass(frozen=True, kw_only=True)
class HistoryPage:
    """Rows of one answer in integer units, and where the next page begins.

    ``columns`` holds int64 arrays of equal length, ``ts`` (ns, UTC) first; they may be empty when
    the venue has nothing there. ``repeats`` counts rows that the venue sent twice.
    """

    columns: dict[str, NDArray[np.int64]] = field(repr=False)
    next_ns: int
    repeats: int = 0

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns["ts"])


def time_text(time_ns: int) -> str:
    """A time as people read it, to the second or finer when needed."""
    text = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    rest = time_ns % 1_000_000_000 // NS_PER_MS
    return f"{text}.{rest:03d} UTC" if rest else f"{text} UTC"
