"""What is measured against what, the results a run must reproduce, and the ratios to reach."""

from __future__ import annotations

from dataclasses import dataclass

INTERLOCK = "interlock"
FLOOR = "floor"
PROFIT_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Oracle:
    """The (fills, profit) pairs that a correct run of a job may print."""

    results: tuple[tuple[int, float], ...]

    def accepts(self, fills: int, profit: float) -> bool:
        return any(
            fills == known_fills and abs(profit - known_profit) <= PROFIT_TOLERANCE
            for known_fills, known_profit in self.results
        )

    def __or__(self, other: Oracle) -> Oracle:
        return Oracle(self.results + other.results)


IDLE = Oracle(((0, 0.0),))
# `python -m bench.workloads` prints the results of S1: an order fills at the close of the bar
# that decided it, or at the open of the next one.
S1_CLOSE = Oracle(((13_824, -202_106.773),))
S1_OPEN = Oracle(((13_824, -202_140.169),))
SWEEP_CLOSE = Oracle(((1_159_267, -9_021_063.461),))
SWEEP_OPEN = Oracle(((1_159_253, -9_020_279.497),))
LONG_CLOSE = Oracle(((137_861, -914_425.230),))
LONG_OPEN = Oracle(((137_861, -914_452.413),))
# The fills of S2 are the same everywhere; the 76 units short at the end are valued at the middle
# of the touch or at the side that would close them.
S2_MIDDLE = Oracle(((15_260, -1_916.800),))
S2_TOUCH = Oracle(((15_260, -1_920.600),))


@dataclass(frozen=True)
class Job:
    """One process to start: who runs it (a peer's environment, or ours) and how."""

    label: str
    owner: str
    module: str
    arguments: tuple[str, ...] = ()
    oracle: Oracle | None = None
    is_cold: bool = False


@dataclass(frozen=True)
class Comparison:
    """One work, done by Interlock and by others in turns within one run."""

    name: str
    title: str
    ours: Job
    others: tuple[Job, ...] = ()
    reach: tuple[tuple[str, float], ...] = ()  # Label of another job -> our speed / its speed.
    memory_reach: float | None = None  # Our peak / the first peer's, at most.
    column_reach: float | None = None  # (Our peak - after import) / the columns, at most.


def _ours(mode: str, oracle: Oracle | None = None, *, is_cold: bool = False) -> Job:
    return Job("Interlock", INTERLOCK, f"bench.interlock_runs.{mode}", (), oracle, is_cold)


def _vectorbt(kernel: str, *arguments: str, oracle: Oracle = S1_CLOSE) -> Job:
    label = f"vectorbt ({kernel})"
    order = (arguments[0], kernel, *arguments[1:])
    return Job(label, "vectorbt", "bench.peers.vectorbt", order, oracle, "cold" in arguments)


def _backtesting(mode: str, oracle: Oracle) -> Job:
    return Job("Backtesting.py", "backtesting_py", "bench.peers.backtesting_py", (mode,), oracle)


def _nautilus(mode: str, oracle: Oracle) -> Job:
    return Job("NautilusTrader", "nautilus", "bench.peers.nautilus", (mode,), oracle)


def _floor(label: str, mode: str, oracle: Oracle) -> Job:
    return Job(f"floor: {label}", FLOOR, "bench.floors", (mode,), oracle)


# Cheap work first: when time runs short, the long comparisons are repeated less often.
COMPARISONS = (
    Comparison(
        "target_w1",
        "target strategy, 1,000,000 bars, SMA 20/100, after compile",
        _ours("target_w1", S1_CLOSE | S1_OPEN),
        (
            _vectorbt("numba", "w1_sma"),
            _vectorbt("rust", "w1_sma"),
            _floor("bare compiled loop", "numba_w1", S1_CLOSE),
        ),
        reach=(("vectorbt (numba)", 20.0), ("vectorbt (rust)", 8.0)),
    ),
    Comparison(
        "event_w1_pass",
        "event strategy in Python, 1,000,000 bars, doing nothing",
        _ours("event_w1_pass", IDLE),
        (
            _backtesting("w1_pass", IDLE),
            _nautilus("w1_pass", IDLE),
            _floor("empty Python call", "call", IDLE),
        ),
        reach=(("Backtesting.py", 8.0),),
    ),
    Comparison(
        "memory_10m",
        "memory, target strategy, 10,000,000 bars",
        _ours("memory_10m", LONG_CLOSE | LONG_OPEN),
        column_reach=2.0,
    ),
    Comparison(
        "sweep_w3",
        "sweep, 500 pairs over 200,000 bars, end to end",
        _ours("sweep_w3", SWEEP_CLOSE | SWEEP_OPEN),
        (
            _vectorbt("numba", "w3_sweep", oracle=SWEEP_CLOSE),
            _floor("bare compiled loop, one core", "numba_w3", SWEEP_CLOSE),
        ),
        reach=(("vectorbt (numba)", 40.0),),
        memory_reach=0.25,
    ),
    Comparison(
        "cold_w1",
        "first run on an empty compile cache, 1,000,000 bars, SMA 20/100",
        _ours("cold_w1", S1_CLOSE | S1_OPEN, is_cold=True),
        (_vectorbt("numba", "w1_sma", "cold"),),
        reach=(("vectorbt (numba)", 4.0),),
    ),
    Comparison(
        "event_w1_sma",
        "event strategy in Python, 1,000,000 bars, SMA 20/100 trading",
        _ours("event_w1_sma", S1_CLOSE | S1_OPEN),
        (
            _backtesting("w1_sma", S1_OPEN),
            _nautilus("w1_sma", S1_CLOSE),
            _floor("plain Python loop", "python_sma", S1_CLOSE),
        ),
        reach=(("Backtesting.py", 5.0),),
    ),
    Comparison(
        "quotes_w2",
        "event strategy, 2,000,000 quotes and trades, two-sided quoting",
        _ours("quotes_w2", S2_MIDDLE | S2_TOUCH),
        (
            _nautilus("w2_quotes", S2_TOUCH),
            Job(
                "hftbacktest (compiled strategy)",
                "hftbacktest",
                "bench.peers.hftbacktest",
                ("w2_quotes",),
                S2_MIDDLE,
            ),
        ),
        reach=(("NautilusTrader", 15.0),),
    ),
)
