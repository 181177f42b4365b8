"""S1 over W3: 500 window pairs, the best one run again through the kernel, on every core."""

from bench import workloads
from bench.interlock_runs.workbench import BARS, VERSION, Cross, bar_set
from bench.measure import Stopwatch, emit, peak_rss_mb
from interlock.research.sweep import sweep

WARM_UP_BARS = 3_000


def main() -> None:
    """One sweep from columns in memory to the verified best; the table of trials is checked."""
    dataset = bar_set(first=workloads.SWEEP_BARS)
    pairs = workloads.window_pairs()
    fast, slow = ([*dict.fromkeys(windows)] for windows in zip(*pairs, strict=True))
    with Stopwatch() as compiling:
        sweep(
            Cross, bar_set(first=WARM_UP_BARS), {"fast": fast[:2], "slow": slow[:2]}, options=BARS
        )
    before = peak_rss_mb()
    with Stopwatch() as watch:
        found = sweep(Cross, dataset, {"fast": fast, "slow": slow}, options=BARS)
    if not found.best.agrees:
        raise SystemExit("the kernel gave another result than the compiled run")
    trials = found.trials
    emit(
        "Interlock",
        "sweep_w3",
        watch,
        version=VERSION,
        events=len(dataset.bars[0]) * trials.height,
        fills=int(trials["fills"].sum()),
        profit=float((trials["final_equity"] - workloads.CASH).sum()),
        compile_seconds=compiling.seconds,
        rss_before_mb=before,
    )


if __name__ == "__main__":
    main()
