"""vectorbt on S1: `python -m bench.peers.vectorbt w1_sma|w3_sweep [numba|rust] [cold]`.

An order fills at the close of the bar that decided it. `cold` starts with an empty numba cache
and measures the first call on the whole workload, compilation included.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import workloads
from bench.measure import Stopwatch, emit, peak_rss_mb

if TYPE_CHECKING:
    import pandas as pd

# Wider chunks only cost memory: 50 columns of 200,000 bars already peak above 2 GB.
COLUMNS_AT_ONCE = 50
# Rolling float sums leave noise around ties that are exact on paper.
TIE_NOISE = 1e-6
WARM_UP_BARS = 3_000


def _averages(close: pd.Series[float], windows: list[int]) -> Any:
    import vectorbt

    values = vectorbt.MA.run(close, window=windows).ma.to_numpy()
    return values.reshape(len(close), len(windows))


def trade(close: pd.Series[float], pairs: list[tuple[int, int]]) -> tuple[int, float]:
    """S1 for every window pair over one close series: (fills, profit), summed."""
    import pandas as pd
    import vectorbt

    slow = _averages(close, [pair[1] for pair in pairs])
    above = _averages(close, [pair[0] for pair in pairs]) > slow + TIE_NOISE
    known = ~np.isnan(slow)
    enter, leave = np.zeros_like(above), np.zeros_like(above)
    both = known[1:] & known[:-1]
    enter[1:] = both & above[1:] & ~above[:-1]
    leave[1:] = both & ~above[1:] & above[:-1]
    prices = np.broadcast_to(close.to_numpy()[:, None], above.shape)
    book = vectorbt.Portfolio.from_signals(
        pd.DataFrame(prices, index=close.index),
        pd.DataFrame(enter, index=close.index),
        pd.DataFrame(leave, index=close.index),
        size=1.0,
        fees=workloads.FEE_RATE,
        init_cash=workloads.CASH,
        freq="1min",
    )
    return len(book.order_records), float(np.sum(book.total_profit().to_numpy()))


def sweep(close: pd.Series[float], pairs: list[tuple[int, int]]) -> tuple[int, float]:
    fills, profit = 0, 0.0
    for first in range(0, len(pairs), COLUMNS_AT_ONCE):
        some_fills, some_profit = trade(close, pairs[first : first + COLUMNS_AT_ONCE])
        fills += some_fills
        profit += some_profit
    return fills, profit


def main(mode: str, options: list[str]) -> None:
    kernel = "rust" if "rust" in options else "numba"
    if "cold" in options:
        os.environ["NUMBA_CACHE_DIR"] = tempfile.mkdtemp(prefix="cold-numba-")
    with Stopwatch() as loading:
        import pandas as pd
        import vectorbt
    vectorbt.settings["engine"] = kernel
    rows = workloads.bars()[: None if mode == "w1_sma" else workloads.SWEEP_BARS]
    index = pd.to_datetime(rows[:, 0].astype(np.int64), unit="s")
    close = pd.Series(rows[:, 4], index=index)
    pairs = workloads.window_pairs()
    if mode == "w1_sma":
        pairs = [(workloads.FAST, workloads.SLOW)]
    with Stopwatch() as compiling:
        if "cold" not in options:
            trade(close[:WARM_UP_BARS], pairs[:2])
    before = peak_rss_mb()
    with Stopwatch() as watch:
        fills, profit = sweep(close, pairs)
    emit(
        f"vectorbt {kernel}",
        " ".join([mode, *options]),
        watch,
        version=vectorbt.__version__,
        events=len(close) * len(pairs),
        fills=fills,
        profit=profit,
        import_seconds=loading.seconds,
        compile_seconds=compiling.seconds,
        rss_before_mb=before,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
