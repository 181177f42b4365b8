"""Physical floors on this machine: `python -m bench.floors MODE`.

call        one empty Python method call per bar: no engine that calls Python per bar is faster
python_sma  S1 in the plainest Python that still keeps a position and pays fees
numba_w1    S1 as a bare compiled loop with accounting in floats: the floor of compiled paths
numba_w3    the same loop over the sweep W3, one core
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from bench import workloads
from bench.measure import Stopwatch, emit, peak_rss_mb

# A floor lasts milliseconds: the best of several calls is the machine, the rest is noise.
CALLS = 9


class EmptyStrategy:
    __slots__ = ()

    def on_bar(self, index: int) -> None:
        pass


def call_per_bar(count: int) -> None:
    on_bar = EmptyStrategy().on_bar
    for index in range(count):
        on_bar(index)


class PlainCross:
    """S1 on closes in ticks, filling at the close; nothing an engine needs beyond that."""

    def __init__(self) -> None:
        self.seen: list[int] = []
        self.fast_sum = self.slow_sum = 0
        self.was_above: bool | None = None
        self.position = 0
        self.cash = 0.0
        self.fills = 0

    def on_bar(self, close: int) -> None:
        seen = self.seen
        seen.append(close)
        self.fast_sum += close
        self.slow_sum += close
        count = len(seen)
        if count > workloads.FAST:
            self.fast_sum -= seen[-workloads.FAST - 1]
        if count > workloads.SLOW:
            self.slow_sum -= seen[-workloads.SLOW - 1]
        elif count < workloads.SLOW:
            return
        above = self.fast_sum * workloads.SLOW > self.slow_sum * workloads.FAST
        before, self.was_above = self.was_above, above
        if before is None or before == above or above == self.position:
            return
        self.position = int(above)
        self.cash -= (1 if above else -1) * close + workloads.FEE_RATE * close
        self.fills += 1


@njit  # type: ignore[untyped-decorator]
def compiled_cross(
    close: NDArray[np.float64], fee: float, fast: int, slow: int
) -> tuple[int, float]:
    fast_sum = slow_sum = cash = 0.0
    position = fills = 0
    was_above = known = False
    for index in range(len(close)):
        price = close[index]
        fast_sum += price
        slow_sum += price
        if index >= fast:
            fast_sum -= close[index - fast]
        if index >= slow:
            slow_sum -= close[index - slow]
        if index < slow - 1:
            continue
        above = fast_sum * slow > slow_sum * fast
        if known and above != was_above:
            if above:
                cash -= price * (1.0 + fee)
                position = 1
                fills += 1
            elif position == 1:
                cash += price * (1.0 - fee)
                position = 0
                fills += 1
        was_above, known = above, True
    return fills, cash + position * close[-1]


@njit  # type: ignore[untyped-decorator]
def compiled_sweep(
    close: NDArray[np.float64], fee: float, pairs: NDArray[np.int64]
) -> tuple[int, float]:
    fills, profit = 0, 0.0
    for index in range(len(pairs)):
        some_fills, some_profit = compiled_cross(close, fee, pairs[index, 0], pairs[index, 1])
        fills += some_fills
        profit += some_profit
    return fills, profit


def best_of(action: Callable[[], Any], calls: int = CALLS) -> tuple[Stopwatch, Any]:
    watches, result = [], None
    for _ in range(calls):
        watch = Stopwatch()
        with watch:
            result = action()
        watches.append(watch)
    return min(watches, key=lambda watch: watch.seconds), result


def plain(closes: list[int]) -> tuple[int, float]:
    cross = PlainCross()
    on_bar = cross.on_bar
    for close in closes:
        on_bar(close)
    return cross.fills, (cross.cash + cross.position * closes[-1]) * workloads.TICK


def main(mode: str) -> None:
    ticks = np.round(workloads.bars()[:, 4] / workloads.TICK)
    fee, compiling = workloads.FEE_RATE, Stopwatch()
    events, fills, profit = len(ticks), 0, 0.0
    before = peak_rss_mb()
    if mode == "call":
        watch, _ = best_of(lambda: call_per_bar(events))
    elif mode == "python_sma":
        closes = ticks.astype(np.int64).tolist()
        watch, (fills, profit) = best_of(lambda: plain(closes), 3)
    elif mode == "numba_w1":
        with compiling:
            compiled_cross(ticks[:300], fee, workloads.FAST, workloads.SLOW)
        watch, (fills, profit) = best_of(
            lambda: compiled_cross(ticks, fee, workloads.FAST, workloads.SLOW)
        )
        profit *= workloads.TICK
    else:
        pairs, part = np.array(workloads.window_pairs()), ticks[: workloads.SWEEP_BARS]
        with compiling:
            compiled_sweep(ticks[:300], fee, pairs[:2])
        watch, (fills, profit) = best_of(lambda: compiled_sweep(part, fee, pairs), 3)
        events, profit = len(part) * len(pairs), profit * workloads.TICK
    emit(
        "floor",
        mode,
        watch,
        version=np.__version__,
        events=events,
        fills=fills,
        profit=profit,
        compile_seconds=compiling.seconds,
        rss_before_mb=before,
    )


if __name__ == "__main__":
    main(sys.argv[1])
