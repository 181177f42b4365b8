"""Whatever the seed, the start and the symbol: the synthetic market contradicts itself nowhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.research import synthetic
from interlock.research.synthetic.streams import autoregressive

NAMES = st.sampled_from(sorted(synthetic.SYMBOLS))
SEEDS = st.integers(0, 2**63)
STARTS = st.integers(0, 40_000_000).map(lambda minute: minute * 60 * 10**9)


@settings(max_examples=25)
@given(NAMES, SEEDS, STARTS)
def test_bars_never_contradict_themselves(name: str, seed: int, start: int) -> None:
    part = synthetic.bars([name], start=start, days=2, seed=seed)[0]
    assert np.all(part.low >= 1)
    assert np.all(part.low <= np.minimum(part.open, part.close))
    assert np.all(part.high >= np.maximum(part.open, part.close))
    assert np.all(part.volume > 0)


@settings(max_examples=25)
@given(NAMES, SEEDS, st.floats(0.5, 30.0))
def test_quotes_never_cross_and_share_no_time_with_trades(
    name: str, seed: int, seconds: float
) -> None:
    quotes, trades = synthetic.quotes_and_trades(name, seconds=seconds, seed=seed)
    assert np.all(quotes.bid < quotes.ask)
    assert np.all(np.minimum(quotes.bid_quantity, quotes.ask_quantity) > 0)
    assert np.all(trades.quantity > 0)
    assert not np.intersect1d(quotes.ts, trades.ts).size
    for part in (quotes, trades):
        assert np.all(part.ts < quotes.ts[0] + int(seconds * 10**9) + 1)


@given(st.integers(1, 400), st.floats(0.01, 0.9999), st.integers(0, 99))
def test_the_block_recursion_is_the_plain_one(rows: int, persistence: float, seed: int) -> None:
    noise = np.random.default_rng(seed).standard_normal(rows)
    expected = [float(noise[0])]
    for value in noise[1:]:
        expected.append(persistence * expected[-1] + (1 - persistence**2) ** 0.5 * float(value))
    assert autoregressive(noise, persistence) == pytest.approx(expected, abs=1e-6)
