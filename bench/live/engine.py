"""The engine of the load runs: `python -m bench.live.engine` with one line of JSON as its input.

It trades every instrument in turn at a stated rate of orders, half of them filled at once, half
resting until the next turn, and reports what it cost.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from bench.live.histogram import Histogram
from bench.live.stages import Stages
from interlock.adapters.binance import BinanceVenue, Endpoints, Feeds, Keys
from interlock.adapters.signing import HmacSigner
from interlock.adapters.system import SystemClock
from interlock.live.driver import Driver
from interlock.live.start import Entry, Plan, start
from interlock.model.limits import Limits
from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderType
from interlock.runtime.budget import Rate
from interlock.runtime.settings import Settings
from interlock.strategy.api import Strategy

MONEY = 10**8
WARM_S = 20.0
LAG_S = 0.005


class Job(msgspec.Struct):
    """What to run."""

    url: str
    key: str
    secret: str
    instruments: list[str]
    folder: str
    seconds: float
    orders_per_second: float
    switch_interval_s: float = 0.0
    profile: str = ""


class Turns(Strategy):
    """An order per instrument and turn: bought, sold, rested, and the rested one canceled."""

    def __init__(self, period_ns: int) -> None:
        super().__init__()
        self.period_ns = period_ns
        self.next: dict[str, int] = {}
        self.turn: dict[str, int] = {}
        self.resting: dict[str, int] = {}

    def on_quote(self, quote: Quote) -> None:
        name, ts = quote.instrument.id, quote.ts_event
        due = self.next.get(name)
        if due is None:
            # Spread over the period, so that orders do not come in bursts.
            self.next[name] = ts + self.period_ns * (len(self.next) % 50) // 50
            return
        if ts < due:
            return
        self.next[name] = max(due + self.period_ns, ts)
        if self.resting.get(name):
            self.cancel(self.resting.pop(name))
        turn = self.turn[name] = self.turn.get(name, 0) + 1
        lots = quote.instrument.lot * 10
        if turn % 2:
            self.place(OrderSpec(name, 1 if turn % 4 == 1 else -1, lots))
        else:
            price = quote.bid_units * 95 // 100
            self.resting[name] = self.place(OrderSpec(name, 1, lots, OrderType.LIMIT, price))


class Meter:
    """Lag of the loop, memory, and how long each kind of step took."""

    def __init__(self, driver: Driver, stages: Stages) -> None:
        self.driver = driver
        self.stages = stages
        self.lags = Histogram()
        self.rss: list[int] = []
        self.steps: dict[str, Histogram] = {}
        self.is_on = False
        self.pauses = {name: Histogram() for name in ("collector", "full_collector", "snapshot")}
        self._take = driver.engine.take
        driver.engine.take = self._timed  # type: ignore[method-assign]
        self._snapshot = driver.engine.snapshot
        driver.engine.snapshot = self._kept  # type: ignore[method-assign]
        self._ts_collecting = 0
        gc.callbacks.append(self._collected)

    def profile(self) -> cProfile.Profile:
        """Profile the steps from here on; it slows them."""
        found = cProfile.Profile()
        take = self._take
        self._take = lambda event, ts: found.runcall(take, event, ts)
        return found

    def _timed(self, event: Any, ts: int) -> Any:
        self.stages.taken(ts)
        started = time.thread_time_ns()
        outputs = self._take(event, ts)
        if self.is_on:
            took = time.thread_time_ns() - started
            kind = type(event).__name__ + (" that decides" if outputs.requests else "")
            self._count(kind, took)
            self._count("all", took)
        return outputs

    def _kept(self, ts: int) -> Any:
        started = time.thread_time_ns()
        found = self._snapshot(ts)
        if self.is_on:
            self.pauses["snapshot"].append(time.thread_time_ns() - started)
        return found

    def _collected(self, phase: str, about: dict[str, int]) -> None:
        if phase == "start":
            self._ts_collecting = time.thread_time_ns()
        elif self.is_on:
            name = "collector" if about["generation"] < 2 else "full_collector"
            self.pauses[name].append(time.thread_time_ns() - self._ts_collecting)

    def _count(self, kind: str, took: int) -> None:
        if kind not in self.steps:
            self.steps[kind] = Histogram()
        self.steps[kind].append(took)

    async def follow_lag(self) -> None:
        """How late the loop calls."""
        while True:
            started = time.perf_counter_ns()
            await asyncio.sleep(LAG_S)
            if self.is_on:
                self.lags.append(max(0, time.perf_counter_ns() - started - int(LAG_S * 1e9)))

    async def follow_memory(self) -> None:
        """Resident memory, every second."""
        while True:
            await asyncio.sleep(1.0)
            if self.is_on:
                self.rss.append(resident())

    def figures(self) -> dict[str, Any]:
        """What was measured since it was switched on."""
        lags, gate = self.stages.lags, self.driver.engine.gate
        return {
            "rss_mb": [round(size / 1e6, 2) for size in self.rss],
            "loop_lag_ms": self.lags.milliseconds(),
            **{f"{name}_cpu_ms": took.milliseconds() for name, took in self.pauses.items()},
            "tick_to_send_ms": lags.sent.milliseconds(),
            "commit_ms": lags.committed.milliseconds(),
            **self.stages.figures(),
            "step_cpu_us": {name: _microseconds(took) for name, took in sorted(self.steps.items())},
            "refusals": gate.refusals,
            "fault": str(self.driver.fault or ""),
        }


def _microseconds(took: Histogram) -> dict[str, float]:
    found = took.milliseconds()
    return {key: round(value * (1 if key == "count" else 1_000), 1) for key, value in found.items()}


def resident() -> int:
    """Resident memory of this process, bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def main(job: Job) -> dict[str, Any]:
    """Warm up, measure, leave."""
    clock = SystemClock()
    venue = BinanceVenue(
        Endpoints(job.url, job.url.replace("http", "ws")),
        Keys(job.key, HmacSigner(job.secret)),
        Feeds(instruments=tuple(job.instruments), trades=False),
        clock=clock,
    )
    period = int(len(job.instruments) / job.orders_per_second * 1e9)
    cash = 100_000_000 * MONEY
    plan = Plan(
        folder=Path(job.folder),
        entries=[Entry("turns", lambda: Turns(period), cash)],
        currency="USDT",
        limits=Limits(),
        settings=Settings(),
        rate=Rate(weight=10**7),
    )
    counts: Counter[str] = Counter()
    stages = Stages()
    started = await start(
        plan, venue, clock, around=stages.around,
        told=lambda fact: counts.update([getattr(fact, "name", type(fact).__name__)]),
    )  # fmt: skip
    driver = started.driver
    meter = Meter(driver, stages)
    running = asyncio.create_task(driver.run())
    if job.switch_interval_s:
        # After the driver has set its own.
        asyncio.get_running_loop().call_later(1.0, sys.setswitchinterval, job.switch_interval_s)
    side = [asyncio.create_task(meter.follow_lag()), asyncio.create_task(meter.follow_memory())]
    await asyncio.wait([running], timeout=WARM_S)
    gc.collect()
    stages.begin(driver)
    profile = meter.profile() if job.profile else None
    before = (driver.inputs, stages.orders, time.process_time(), resident())
    meter.is_on = True
    await asyncio.wait([running], timeout=job.seconds)
    after = (driver.inputs, stages.orders, time.process_time(), resident())
    meter.is_on = False
    for task in side:
        task.cancel()
    gc.collect()
    found = {
        "seconds": job.seconds,
        "inputs_per_second": (after[0] - before[0]) / job.seconds,
        "orders_per_second": (after[1] - before[1]) / job.seconds,
        "cpu_share": (after[2] - before[2]) / job.seconds,
        "rss_mb_before": before[3] / 1e6,
        "rss_mb_after": resident() / 1e6,
        **meter.figures(),
        "facts": dict(counts.most_common(12)),
    }
    driver.abandon()
    await asyncio.wait([running], timeout=30)
    if profile is not None:
        profile.dump_stats(job.profile)
    return found


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.stdin.readline(), type=Job)
    print(json.dumps(uvloop.run(main(asked))), flush=True)
