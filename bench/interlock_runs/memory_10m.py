"""S1 over 10,000,000 bars through the kernel: the peak against the columns it used."""

import numba  # noqa: F401 - what a long run imports belongs to the baseline

from bench import workloads
from bench.interlock_runs.workbench import BARS, VERSION, CrossSigns, bar_set
from bench.measure import Stopwatch, emit, peak_rss_mb
from interlock.research.backtest import run

COUNT = 10_000_000

if __name__ == "__main__":
    run(CrossSigns(), bar_set(first=25_000), BARS)
    imported = peak_rss_mb()
    dataset = bar_set(COUNT)
    with Stopwatch() as watch:
        result = run(CrossSigns(), dataset, BARS)
    emit(
        "Interlock",
        "memory_10m",
        watch,
        version=VERSION,
        events=COUNT,
        fills=len(result.fills),
        profit=result.equity["equity"][-1] - workloads.CASH,
        rss_import_mb=imported,
        columns_mb=sum(array.nbytes for _, array in dataset.bars[0].arrays()) / 1e6,
    )
