"""Seeds side by side on several cores, counted as they end."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing import active_children, get_context
from multiprocessing.process import BaseProcess

import msgspec

from interlock.adapters.system import end_with
from interlock.simulation.play import play
from interlock.world.kinds import ABSENT, BINANCE, KINDS
from interlock.world.marks import MARKS
from interlock.world.plan import drawn
from interlock.world.world import Verdict

_HOUR_NS = 3_600 * 10**9
# Seeds that a worker takes at once: few enough for a bar that moves.
_BATCH = 4
# Failing verdicts that are kept whole.
_KEPT = 50
# Every so many seeds one is played twice: the same plan gives the same digest.
TWICE = 25


class Summary(msgspec.Struct, kw_only=True):
    """What a sweep found. ``cpu_s`` is the time of all workers together."""

    first: int
    minutes: int
    venue: str = BINANCE
    seeds: int = 0
    clean: int = 0
    simulated_ns: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    inputs: int = 0
    steps: int = 0
    orders: int = 0
    fills: int = 0
    rows: int = 0
    lives: int = 0
    struck: Counter[str] = msgspec.field(default_factory=Counter)
    mattered: Counter[str] = msgspec.field(default_factory=Counter)
    marks: Counter[str] = msgspec.field(default_factory=Counter)
    checked: Counter[str] = msgspec.field(default_factory=Counter)
    violated: Counter[str] = msgspec.field(default_factory=Counter)
    failed: list[Verdict] = []

    def add(self, verdict: Verdict) -> None:
        """One more plan has been played."""
        self.seeds += 1
        self.simulated_ns += verdict.simulated_ns
        for name in ("inputs", "steps", "orders", "fills", "rows", "lives"):
            setattr(self, name, getattr(self, name) + getattr(verdict, name))
        for name in ("struck", "mattered", "marks", "checked"):
            getattr(self, name).update(getattr(verdict, name))
        if verdict.is_clean:
            self.clean += 1
        else:
            self.violated[verdict.invariant] += 1
            if len(self.failed) < _KEPT:
                self.failed.append(verdict)

    @property
    def hours(self) -> float:
        """Simulated hours."""
        return self.simulated_ns / _HOUR_NS

    @property
    def hours_per_core_hour(self) -> float:
        """Simulated hours for one hour of one core."""
        return self.hours * 3_600 / self.cpu_s if self.cpu_s else 0.0

    @property
    def never(self) -> list[str]:
        """Kinds of faults that never mattered."""
        absent = ABSENT[self.venue]
        names = [kind.name for kind in KINDS if kind.name not in absent]
        return [name for name in names if not self.mattered[name]]

    @property
    def unreached(self) -> list[str]:
        """Branches of recovery, doubt and defense that no seed went through."""
        return [mark for mark in MARKS if not self.marks[mark]]


def _batch(seeds: list[int], *, minutes: int, venue: str) -> tuple[list[Verdict], float]:
    before = os.times()
    # A world is thrown away as a whole: looking for cycles meanwhile only costs time, and so does
    # looking through what was there before the first one.
    gc.disable()
    gc.freeze()
    verdicts = []
    for seed in seeds:
        plan = drawn(seed, busy_ns=minutes * 60 * 10**9, venue=venue)
        verdict = play(plan)
        gc.collect()
        if seed % TWICE == 0:
            _repeat(verdict, play(plan).digest)
            gc.collect()
        verdicts.append(verdict)
    after = os.times()
    return verdicts, after.user + after.system - before.user - before.system


def _repeat(verdict: Verdict, digest: str) -> None:
    """Judge the digest of a second time (I19)."""
    verdict.checked["I19"] = verdict.checked.get("I19", 0) + 1
    if digest != verdict.digest and verdict.is_clean:
        verdict.invariant = "I19"
        verdict.text = f"played again it gave the digest {digest}, not {verdict.digest}"


def sweep(
    first: int,
    count: int,
    *,
    minutes: int = 30,
    venue: str = BINANCE,
    jobs: int = 0,
    told: Callable[[Verdict], None] = lambda verdict: None,
) -> Summary:
    """Play ``count`` seeds from ``first`` on; ``told`` hears each verdict as it comes.

    ``jobs`` 0 = one per core.
    """
    summary = Summary(first=first, minutes=minutes, venue=venue)
    seeds = iter(range(first, first + count))
    run = partial(_batch, minutes=minutes, venue=venue)
    workers = jobs or os.cpu_count() or 1
    context = get_context("spawn")
    # Whatever ends the sweep ends its workers: a killed one cannot, so they look for it themselves.
    with (
        ProcessPoolExecutor(
            workers, mp_context=context, initializer=end_with, initargs=(os.getpid(),)
        ) as pool,
        _ending(set(active_children())),
    ):
        for verdicts, cpu_s in _ended(pool, run, seeds, workers):
            summary.cpu_s += cpu_s
            for verdict in verdicts:
                summary.add(verdict)
                told(verdict)
    return summary


def _ended(
    pool: ProcessPoolExecutor,
    run: Callable[[list[int]], tuple[list[Verdict], float]],
    seeds: Iterator[int],
    workers: int,
) -> Iterator[tuple[list[Verdict], float]]:
    """Batches as they end, two waiting for every worker."""
    running: set[Future[tuple[list[Verdict], float]]] = set()
    while True:
        while len(running) < 2 * workers and (batch := list(islice(seeds, _BATCH))):
            with _deaf():
                running.add(pool.submit(run, batch))
        if not running:
            return
        done, running = wait(running, return_when=FIRST_COMPLETED)
        for future in done:
            yield future.result()


@contextmanager
def _ending(others: set[BaseProcess]) -> Iterator[None]:
    """Where this ends before its time, so do all workers: nobody waits for seeds of minutes."""
    try:
        yield
    except BaseException:
        for worker in set(active_children()) - others:
            worker.terminate()
        raise


@contextmanager
def _deaf() -> Iterator[None]:
    """A process that is started here does not hear an interrupt: it is for who started it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
