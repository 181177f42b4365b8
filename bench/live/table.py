"""The table of a load run: what was measured, what it has to reach, and whether it did."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

STEP_US = 200.0
LAG_MS = 50.0
OVER_FSYNC_MS = 2.0
# What is asked for must be what was had; a stream and a strategy's turns are never to the message.
SHARE = 0.97
# Resident memory that grows more slowly is flat: allocators round, and windows of the newest fill.
GROWTH_MB_MINUTE = 1.0
# Samples, one a second: orders that are over are packed after a minute, so that what is kept of
# them settles only then; and fewer than the least say nothing about their slope.
SETTLING = 90
SAMPLES_LEAST = 20


class Row(NamedTuple):
    """A figure; ``reached`` is None where nothing is asked of it."""

    name: str
    measured: str
    reach: str = ""
    reached: bool | None = None


def slope(values: list[float]) -> float:
    """Least squares, per sample."""
    count = len(values)
    middle, mean = (count - 1) / 2, sum(values) / count
    spread = sum((at - middle) ** 2 for at in range(count))
    return sum((at - middle) * (value - mean) for at, value in enumerate(values)) / spread


def rows(found: dict[str, Any], asked_messages: float, asked_orders: float) -> list[Row]:
    """The rows of a run's figures."""
    step, floors = found["step_cpu_us"]["all"], found["floors_ms"]
    lag, sent, decided = found["loop_lag_ms"], found["tick_to_send_ms"], found["decided_ms"]
    fsync = floors["fsync"]
    most = fsync["p99"] + OVER_FSYNC_MS
    inputs, orders = found["inputs_per_second"], found["orders_per_second"]
    return [
        Row("load average", " ".join(f"{value:.1f}" for value in os.getloadavg())),
        Row("fault that ended it", found["fault"] or "none", "none", not found["fault"]),
        Row(
            "inputs per second", f"{inputs:,.0f}", f">= {asked_messages:,.0f}",
            inputs >= SHARE * asked_messages,
        ),
        Row(
            "orders per second", f"{orders:.1f}", f">= {asked_orders:g}",
            orders >= SHARE * asked_orders,
        ),
        Row("CPU of one core", f"{found['cpu_share']:.0%}"),
        Row(
            "step, CPU, us", _times(step), f"p99 < {STEP_US:g}", step["p99"] < STEP_US,
        ),
        Row("lag of the event loop, ms", _times(lag), f"p99 < {LAG_MS:g}", lag["p99"] < LAG_MS),
        Row(
            "tick to send without the commit, ms", _times(decided), f"p99 < {LAG_MS:g}",
            decided["p99"] < LAG_MS,
        ),
        Row(
            "tick to send, durable, ms", _times(sent), f"p99 <= {most:.1f}", sent["p99"] <= most,
        ),
        *(
            Row(f"  {words}", _times(found[key]))
            for words, key in (
                ("from the input to its commit's begin, ms", "waited_ms"),
                ("written on the loop, ms", "staged_ms"),
                ("to the disk's thread, ms", "to_thread_ms"),
                ("synced there, ms", "in_thread_ms"),
                ("commit in all, ms", "commit_ms"),
            )
            if found[key].get("count")
        ),
        *(
            Row(f"  {words}", _times(found[key]))
            for words, key in (
                ("full collection of garbage, CPU ms", "full_collector_cpu_ms"),
                ("snapshot, CPU ms", "snapshot_cpu_ms"),
            )
            if found[key].get("count")
        ),
        *(Row(f"floor: {name}, ms", _times(floors[name])) for name in ("fsync", "post", "echo")),
        memory(found["rss_mb"]),
    ]  # fmt: skip


def memory(samples: list[float]) -> Row:
    """Growth of resident memory once it has settled, from one sample a second."""
    name, reach = "resident memory, MB", f"grows < {GROWTH_MB_MINUTE:g} per minute"
    settled = samples[SETTLING:]
    whole = f"{samples[0]:.1f} to {samples[-1]:.1f}" if samples else "none"
    if len(settled) < SAMPLES_LEAST:
        return Row(name, f"{whole}; not judged before {SETTLING + SAMPLES_LEAST} s", reach)
    growth = 60 * slope(settled)
    text = f"{whole}, {growth:+.2f} per minute after {SETTLING} s"
    return Row(name, text, reach, growth < GROWTH_MB_MINUTE)


def _times(found: dict[str, float]) -> str:
    if not found.get("count"):
        return "none"
    shares = " / ".join(f"{found[name]:.3g}" for name in ("p50", "p99", "p999", "most"))
    return f"{shares} ({found['count']})"


def text(table: list[Row]) -> str:
    """The table for a person: p50 / p99 / p99.9 / most (how many)."""
    words = {None: "", True: "reached", False: "NOT REACHED"}
    lines = [
        f"{row.name:<46} {row.measured:<44} {row.reach:<26} {words[row.reached]}".rstrip()
        for row in table
    ]
    head = f"{'figure':<46} {'p50 / p99 / p99.9 / most (count)':<44} {'reach':<26}".rstrip()
    return "\n".join([head, *lines])
