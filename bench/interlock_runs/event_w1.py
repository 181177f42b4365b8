"""Event strategies over W1 through the kernel, from start to result."""

from bench.interlock_runs.workbench import BARS, VERSION, bar_set
from bench.measure import Stopwatch, emit, peak_rss_mb
from interlock.research.backtest import run
from interlock.strategy.api import Strategy

WARM_UP_ROWS = 25_000


def measure(mode: str, strategy: type[Strategy]) -> None:
    """One run over W1, after one on a few bars that loads the compiled averages."""
    dataset = bar_set()
    with Stopwatch() as loading:
        run(strategy(), bar_set(first=WARM_UP_ROWS), BARS)
    before = peak_rss_mb()
    with Stopwatch() as watch:
        result = run(strategy(), dataset, BARS)
    emit(
        "Interlock",
        mode,
        watch,
        version=VERSION,
        events=len(dataset.bars[0]),
        fills=len(result.fills),
        profit=result.equity["equity"][-1] - result.initial_equity,
        compile_seconds=loading.seconds,
        rss_before_mb=before,
    )
