"""The load bench's own arithmetic: quantiles in buckets, the slope of memory, rows that fail."""

from __future__ import annotations

from typing import Any

import pytest

from bench.live.histogram import Histogram
from bench.live.table import Row, memory, rows, text


def test_a_quantile_in_buckets_is_right_to_a_hundredth() -> None:
    values = [(number * 7_919) % 1_000_003 for number in range(20_000)]
    kept, ordered = Histogram(values), sorted(values)
    assert (kept.count, kept.most) == (20_000, ordered[-1])
    for share in (0.01, 0.5, 0.9, 0.99, 0.999):
        true = ordered[int(share * len(ordered))]
        assert true <= kept.at(share) <= true * 1.01 + 1


def test_small_durations_are_exact_and_none_has_no_quantile() -> None:
    assert [Histogram([value]).at(0.5) for value in (0, 1, 127, 255)] == [0, 1, 127, 255]
    assert Histogram([-5]).most == 0
    assert Histogram().milliseconds() == {"count": 0}
    with pytest.raises(ValueError, match="empty"):
        Histogram().at(0.5)


def times(p99: float) -> dict[str, float]:
    return {"count": 10, "p50": p99 / 2, "p90": p99, "p99": p99, "p999": p99, "most": p99}


def figures(**changes: Any) -> dict[str, Any]:
    names = ("loop_lag", "decided", "waited", "staged", "to_thread", "in_thread", "commit")
    return {
        "fault": "",
        "inputs_per_second": 5_100.0,
        "orders_per_second": 50.1,
        "cpu_share": 0.3,
        "step_cpu_us": {"all": times(150.0)},
        "tick_to_send_ms": times(5.0),
        "full_collector_cpu_ms": {"count": 0},
        "snapshot_cpu_ms": {"count": 0},
        "floors_ms": {name: times(4.0) for name in ("fsync", "post", "echo")},
        "rss_mb": [70.0 + 0.001 * number for number in range(180)],
        **{f"{name}_ms": times(1.0) for name in names},
        **changes,
    }


def missed(**changes: Any) -> list[str]:
    return [row.name for row in rows(figures(**changes), 5_000, 50) if row.reached is False]


def test_a_run_that_reaches_all_misses_nothing() -> None:
    assert missed() == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"tick_to_send_ms": times(6.1)}, "tick to send, durable, ms"),
        ({"step_cpu_us": {"all": times(200.0)}}, "step, CPU, us"),
        ({"loop_lag_ms": times(50.0)}, "lag of the event loop, ms"),
        ({"inputs_per_second": 4_800.0}, "inputs per second"),
        ({"orders_per_second": 45.0}, "orders per second"),
        ({"fault": "StaleLease"}, "fault that ended it"),
        ({"rss_mb": [70.0 + 0.1 * number for number in range(180)]}, "resident memory, MB"),
    ],
)
def test_a_figure_beyond_its_reach_is_missed(change: dict[str, Any], name: str) -> None:
    assert missed(**change) == [name]


def test_memory_is_judged_once_it_has_settled() -> None:
    rising = [60.0 + 0.1 * number for number in range(90)]
    assert memory([*rising, *[70.0] * 30]).reached is True
    assert "+6.00 per minute" in memory([*rising, *rising]).measured
    assert memory([*rising, *rising]).reached is False
    short = memory([70.0] * 60)
    assert short.reached is None and "not judged before 110 s" in short.measured


def test_the_text_says_what_was_not_reached() -> None:
    lines = text([Row("a", "1", "< 2", True), Row("b", "3", "< 2", False)]).splitlines()
    assert lines[1].endswith("< 2                        reached")
    assert lines[2].endswith("NOT REACHED")
