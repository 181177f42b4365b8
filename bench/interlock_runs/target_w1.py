"""S1 as a target strategy over W1, compiled, after one call on a few bars."""

from bench.interlock_runs.workbench import BARS, VERSION, Cross, bar_set, profit
from bench.measure import Stopwatch, emit, peak_rss_mb
from interlock.research import compiled


def measure(mode: str, *, warm: bool, count: int = 1_000_000) -> None:
    """One compiled run from columns in memory to fills and profit.

    Warm, the market stands ready with its closes as floats, as the peers' data frame does, and
    making it is `load_seconds`; cold, everything is measured.
    """
    dataset = bar_set(count)
    compiling, loading, watch = Stopwatch(), Stopwatch(), Stopwatch()
    if warm:
        with compiling:
            # Twice: the first features of a process do without the compiler, all later ones use it.
            for _ in range(2):
                compiled.run(Cross(), compiled.prepare(bar_set(count, 3_000), BARS), keep=False)
    before = peak_rss_mb()
    with loading if warm else watch:
        market = compiled.prepare(dataset, BARS)
        assert len(market.view.close) == count
    with watch:
        outcome = compiled.run(Cross(), market, keep=False)
    emit(
        "Interlock",
        mode,
        watch,
        version=VERSION,
        events=count,
        fills=outcome.fill_count,
        profit=profit(outcome.daily),
        compile_seconds=compiling.seconds,
        load_seconds=loading.seconds,
        rss_before_mb=before,
    )


if __name__ == "__main__":
    measure("target_w1", warm=True)
