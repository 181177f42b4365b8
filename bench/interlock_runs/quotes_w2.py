"""S2 as an event strategy over the quotes and trades of W2."""

from bench.interlock_runs.workbench import TICKS, VERSION, Quoter, tick_set
from bench.measure import Stopwatch, emit, peak_rss_mb
from interlock.research.backtest import run

if __name__ == "__main__":
    dataset = tick_set()
    run(Quoter(), tick_set(20_000), TICKS)
    before = peak_rss_mb()
    strategy = Quoter()
    with Stopwatch() as watch:
        result = run(strategy, dataset, TICKS)
    emit(
        "Interlock",
        "quotes_w2",
        watch,
        version=VERSION,
        events=sum(len(part) for part in dataset.parts()),
        fills=len(result.fills),
        profit=result.equity["equity"][-1] - result.initial_equity,
        orders=strategy.orders,
        cancels=strategy.cancels,
        rss_before_mb=before,
    )
