"""Synthetic funding: a persistent latent premium, mapped to the measured distribution of rates."""

from __future__ import annotations

import math

import numpy as np

from interlock.model.units import FUNDING_SCALE
from interlock.research.synthetic.bars import DAY_NS, START
from interlock.research.synthetic.streams import Stream
from interlock.research.synthetic.symbols import FUNDING_INTERVAL_NS, SyntheticError, symbol
from interlock.strategy.columns import FundingColumns

# Normal scores and the rates there, in basis points per 8 hours (Binance BTC, 2019-26): the flat
# part is the clamp of the venue's formula, 1 bp in 36 % of all intervals.
SCORES = (-4.0, -2.326, -1.645, -1.054, -0.385, 0.556, 1.0, 1.645, 2.326, 4.0)
RATES_BP = (-30.0, -1.9, -0.6, 0.0, 1.0, 1.0, 1.7, 4.4, 10.6, 30.0)
PERSISTENCE = 0.88
RATE_STEP = FUNDING_SCALE // 10**8


def funding(name: str, *, start: int = START, days: int = 180, seed: int = 0) -> FundingColumns:
    """Funding every 8 hours (00, 08, 16 h UTC) at or after ``start``, over ``days`` days.

    Rates are integers of 1e-10 on the grid of 1e-8; refuses a symbol without funding.
    """
    spec = symbol(name)
    interval = spec.instrument.funding_interval_ns
    if not interval:
        raise SyntheticError(f"{spec.name} pays no funding; choose a perpetual")
    first = -(-start // interval) * interval
    ts = np.arange(first, start + days * DAY_NS, interval, dtype=np.int64)
    half_life = math.log(0.5) / math.log(PERSISTENCE)
    latent = Stream(seed, spec.name, "funding").autoregressive(len(ts), half_life)
    rates = np.interp(latent, SCORES, RATES_BP) * (interval / FUNDING_INTERVAL_NS)
    steps = np.rint(rates * (FUNDING_SCALE * 1e-4 / RATE_STEP)).astype(np.int64)
    return FundingColumns(instrument=spec.instrument, ts=ts, rate=steps * RATE_STEP)
