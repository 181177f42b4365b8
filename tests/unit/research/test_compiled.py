"""The compiled path: what it takes, what it refuses and why, and that it compiles once."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.research import compiled
from interlock.research.backtest import run as run_kernel
from interlock.research.compiled import arithmetic
from interlock.research.compiled.source import read_target
from interlock.research.options import RunOptions
from interlock.strategy.columns import Dataset, FundingColumns, MarkColumns
from tests.unit.research.strategies_to_sweep import Calls, Cross, Divides, Powers, market

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("kind", [Cross, Calls])
def test_digest_equals_the_kernel(kind: type[Cross]) -> None:
    dataset, options = market(), RunOptions(slippage="fixed", slippage_bps=1.5)
    prepared = compiled.prepare(dataset, options)
    outcome = compiled.run(kind(), prepared)
    result = run_kernel(kind(), dataset, options)
    assert outcome.fill_count > 10
    assert compiled.digest(outcome, prepared) == result.result_digest


@pytest.mark.parametrize(("kind", "reason"), [(Powers, r"\*\*"), (Divides, "raises")])
def test_a_target_that_may_differ_needs_the_kernel(kind: type[Cross], reason: str) -> None:
    with pytest.raises(compiled.NeedsKernel, match=reason):
        compiled.run(kind(), compiled.prepare(market(), RunOptions()))


def closed_over(limit: float) -> Any:
    def target(f: Any, position: float) -> float:
        return limit

    return target


def reads_unknown(f: Any, position: float) -> float:
    return float(f.missing)


def uses_row(f: Any, position: float) -> float:
    return float(len(f))


def calls_method(f: Any, position: float) -> float:
    return float("1.0")


def loops(f: Any, position: float) -> float:
    total = 0.0
    while total < 1.0:
        total += 1.0
    return total


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (closed_over(1.0), "closes over 'limit'"),
        (reads_unknown, "neither a feature nor a parameter"),
        (uses_row, "len"),
        (calls_method, "not a number"),
        (loops, "While"),
        (len, "not a plain Python function"),
        (lambda f, position: 1.0, "def"),
    ],
)
def test_the_reason_names_what_cannot_be_compiled(target: Any, reason: str) -> None:
    with pytest.raises(compiled.NeedsKernel, match=reason):
        read_target(target, ("signal",), {})


@pytest.mark.parametrize(
    "change",
    [
        {"slippage": "square_root", "slippage_bps": 1.0},
        {"margin_mode": "isolated"},
        {"order_latency_ms": 5.0},
        {"order_notional_max": 1000.0},
        {"cash": 8e10},
    ],
)
def test_options_that_need_the_kernel(change: dict[str, Any]) -> None:
    with pytest.raises(compiled.NeedsKernel):
        compiled.prepare(market(10), RunOptions(**change))


def test_data_that_need_the_kernel() -> None:
    dataset = market(10)
    bars = dataset.bars[0]
    marks = MarkColumns(instrument=bars.instrument, ts=bars.ts, price=bars.close)
    other = replace(bars, instrument=msgspec.structs.replace(bars.instrument, fee_asset="BNB"))
    wild = FundingColumns(instrument=bars.instrument, ts=bars.ts + 1, rate=bars.close * 10**9)
    for part in ({"marks": (marks,)}, {"bars": (other,)}, {"bars": ()}, {"funding": (wild,)}):
        values: dict[str, Any] = {"name": "x", "digest": "x", "bars": dataset.bars, **part}
        with pytest.raises(compiled.NeedsKernel):
            compiled.prepare(Dataset(**values), RunOptions())


WHOLE = st.integers(0, 2**61)


@given(amount=WHOLE, rate=st.integers(0, 10**6), up=st.integers(0, 1))
def test_share_is_exact(amount: int, rate: int, up: int) -> None:
    expected = -(-amount * rate // 10**6) if up else amount * rate // 10**6
    assert arithmetic.share(amount, rate, up) == expected


@given(amount=WHOLE, factor=WHOLE, divisor=st.integers(1, 2**61), up=st.integers(0, 1))
def test_scaled_is_exact(amount: int, factor: int, divisor: int, up: int) -> None:
    expected = -(-amount * factor // divisor) if up else amount * factor // divisor
    assert arithmetic.scaled(amount, factor, divisor, up) == expected


def test_a_second_process_does_not_compile_again(tmp_path: Path) -> None:
    script = (
        "import sys, numba\n"
        "from interlock.research import compiled\n"
        "from interlock.research.options import RunOptions\n"
        "from tests.unit.research.strategies_to_sweep import Cross, market\n"
        "compiled.run(Cross(), compiled.prepare(market(50), RunOptions()))\n"
        "found = [m for name, m in sys.modules.items() if name.startswith('target_')]\n"
        "print(sum(found[0].run_bars.stats.cache_hits.values()))\n"
    )
    environ = {**os.environ, "INTERLOCK_HOME": str(tmp_path)}
    environ["NUMBA_CACHE_DIR"] = str(tmp_path / "numba")
    hits = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True,
            check=True,
        )  # fmt: skip
        hits.append(int(done.stdout))
    assert hits == [0, 1]
