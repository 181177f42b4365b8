"""Backtesting.py on bars: `python -m bench.peers.backtesting_py w1_pass|w1_sma`.

A market order fills at the open of the bar after the one that decided it.
"""

from __future__ import annotations

import sys

import backtesting
import numpy as np
import pandas as pd
from backtesting import Backtest, Strategy

from bench import workloads
from bench.measure import Stopwatch, emit, peak_rss_mb

# Rolling float sums leave noise around ties that are exact on paper; ticks are 0.1.
TIE_NOISE = 1e-6


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    return pd.Series(values).rolling(window).mean().to_numpy()


class Nothing(Strategy):
    def init(self) -> None:
        pass

    def next(self) -> None:
        pass


class AverageCross(Strategy):
    def init(self) -> None:
        self.fast = self.I(moving_average, self.data.Close, workloads.FAST)
        self.slow = self.I(moving_average, self.data.Close, workloads.SLOW)

    def next(self) -> None:
        fast, slow = self.fast, self.slow
        before = slow[-2]
        if before != before:  # Not a number: the slow average has no past yet.
            return
        above = fast[-1] > slow[-1] + TIE_NOISE
        if above == (fast[-2] > before + TIE_NOISE):
            return
        if above:
            self.buy(size=1)
        elif self.position:
            self.position.close()


def main(mode: str) -> None:
    # The progress bar would be measured too.
    backtesting.backtesting._tqdm = lambda steps, *_, **__: steps
    rows = workloads.bars()
    index = pd.to_datetime(rows[:, 0].astype(np.int64), unit="s")
    names = ["Open", "High", "Low", "Close", "Volume"]
    frame = pd.DataFrame(rows[:, 1:], columns=names, index=index)
    test = Backtest(
        frame,
        AverageCross if mode == "w1_sma" else Nothing,
        cash=workloads.CASH,
        commission=workloads.FEE_RATE,
        finalize_trades=True,
    )
    before = peak_rss_mb()
    with Stopwatch() as watch:
        result = test.run()
    emit(
        "Backtesting.py",
        mode,
        watch,
        version=backtesting.__version__,
        events=len(frame),
        fills=2 * len(result["_trades"]),
        profit=float(result["Equity Final [$]"] - workloads.CASH),
        compile_seconds=0.0,
        rss_before_mb=before,
    )


if __name__ == "__main__":
    main(sys.argv[1])
