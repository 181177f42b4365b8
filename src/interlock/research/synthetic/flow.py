"""Taker orders and moves of the touch: who trades when, in which direction, and what it moves.

Order signs persist (a hidden buying or selling regime), but an order that the regime lets one
expect moves the price less often than a surprising one, so that prices stay unpredictable.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.model.units import NANOSECONDS
from interlock.research.synthetic.process import Path
from interlock.research.synthetic.streams import Stream
from interlock.research.synthetic.symbols import Symbol

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MICROSECOND_NS = 1_000
ORDER_GAP_NS = 1_000_000
RESPONSE_NS = 200_000
GAP_SPREAD = 1.04
GAP_CLUSTERED = 0.3
REGIME_MEAN_ORDERS = 66.0
REGIME_SIGN = 0.735
DEPLETE_SHARE = 0.15
JUMP_SPREAD = 0.9
WIDE_TIME_SHARE = 0.009
JITTER_GAP_NS = 2 * MICROSECOND_NS


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Taker orders: time, sign (+1 buy), quantity units wanted, and whether they empty the best.

    Times end in half a microsecond, those of quotes in whole ones: the two never coincide.
    """

    ts: Integers
    sign: Integers
    quantity: Integers
    depletes: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Moves:
    """Moves of the touch: the leading side jumps at ``ts``, the other follows at ``settled``."""

    ts: Integers
    settled: Integers
    direction: Integers
    ticks: Integers


def arrivals(stream: Stream, *, rate: float, seconds: float, gap_min_ns: int) -> Integers:
    """Clustered arrival times in ns from 0, on whole microseconds."""
    # Twice the standard deviation of the count is covered by the reserve; clustering adds to it.
    count = int(rate * seconds * 1.05 + 20.0 * math.sqrt(rate * seconds) + 20)
    clustered = stream.autoregressive(count, 5.0) * math.sqrt(GAP_CLUSTERED)
    noise = clustered + stream.normal(count) * math.sqrt(1.0 - GAP_CLUSTERED)
    mean_ns = NANOSECONDS / rate
    gaps = mean_ns * np.exp(GAP_SPREAD * noise - 0.5 * GAP_SPREAD**2)
    whole = np.maximum(gaps / MICROSECOND_NS, gap_min_ns / MICROSECOND_NS).astype(np.int64)
    times = np.cumsum(whole) * MICROSECOND_NS
    return times[times < int(seconds * NANOSECONDS)]


def orders(spec: Symbol, *, seconds: float, seed: int) -> Orders:
    """The taker orders of ``seconds`` seconds, times from 0."""
    stamp = arrivals(
        Stream(seed, spec.name, "orders"),
        rate=spec.book.taker_rate,
        seconds=seconds,
        gap_min_ns=ORDER_GAP_NS,
    )
    count = len(stamp)
    draws = Stream(seed, spec.name, "signs").uniform(count, 4)
    switches = np.cumsum(draws[:, 0] < 1.0 / REGIME_MEAN_ORDERS)
    regime = 1 - 2 * (switches % 2)
    follows = draws[:, 1] < (1.0 + REGIME_SIGN) / 2.0
    # P(deplete) makes the expected signed move zero whatever the regime is.
    expected = (1.0 - REGIME_SIGN) / (1.0 - REGIME_SIGN**2)
    surprising = (1.0 + REGIME_SIGN) / (1.0 - REGIME_SIGN**2)
    chance = DEPLETE_SHARE * np.where(follows, expected, surprising)
    sizes = Stream(seed, spec.name, "sizes").normal(count)
    wanted = spec.book.order_median * np.exp(spec.book.order_spread * sizes)
    units = np.rint(wanted * 10.0**spec.instrument.quantity_exponent).astype(np.int64)
    return Orders(
        ts=stamp + MICROSECOND_NS // 2,
        sign=np.where(follows, regime, -regime).astype(np.int64),
        quantity=np.maximum(units, spec.instrument.lot),
        depletes=draws[:, 2] < chance,
    )


def moves(spec: Symbol, taken: Orders, *, line: Path, seconds: float, seed: int) -> Moves:
    """Moves behind depleting orders and revisions by quoting alone, sized by the volatility."""
    after = taken.ts[taken.depletes] // MICROSECOND_NS * MICROSECOND_NS + RESPONSE_NS
    rate = max(0.2, spec.book.move_rate - DEPLETE_SHARE * spec.book.taker_rate)
    revised = arrivals(
        Stream(seed, spec.name, "revisions"), rate=rate, seconds=seconds, gap_min_ns=JITTER_GAP_NS
    )
    coins = Stream(seed, spec.name, "revision signs").uniform(len(revised))[:, 0]
    stamp = np.concatenate((after, revised))
    direction = np.concatenate((taken.sign[taken.depletes], np.where(coins < 0.5, 1, -1)))
    is_revision = np.arange(len(stamp)) >= len(after)
    order = np.argsort(stamp, kind="stable")
    stamp, direction, is_revision = stamp[order], direction[order], is_revision[order]
    near = np.diff(stamp) < JITTER_GAP_NS
    crowded = np.concatenate((near, [False])) | np.concatenate(([False], near))
    keep = ~(is_revision & crowded)
    stamp, direction = stamp[keep], direction[keep]
    return Moves(
        ts=stamp,
        settled=stamp + _settling(spec, stamp, seed),
        direction=direction.astype(np.int64),
        ticks=_jumps(spec, stamp, line, seed),
    )


def _settling(spec: Symbol, stamp: Integers, seed: int) -> Integers:
    mean_ns = WIDE_TIME_SHARE / spec.book.move_rate * NANOSECONDS
    draws = Stream(seed, spec.name, "settling").uniform(len(stamp))[:, 0]
    wanted = (-mean_ns * np.log(draws) / MICROSECOND_NS).astype(np.int64) * MICROSECOND_NS
    # A move is settled before the next begins, so that the touch can never cross itself.
    room = np.diff(stamp, append=stamp[-1:] + NANOSECONDS) // (2 * MICROSECOND_NS) * MICROSECOND_NS
    pause: Integers = np.maximum(np.minimum(wanted, room), MICROSECOND_NS)
    return pause


def _jumps(spec: Symbol, stamp: Integers, line: Path, seed: int) -> Integers:
    minute = stamp // (60 * NANOSECONDS)
    ticks_per_minute = line.volatility[minute] * spec.price * 10.0**spec.instrument.price_exponent
    square = ticks_per_minute**2 / (60.0 * spec.book.move_rate)
    median = np.sqrt(square) * math.exp(-(JUMP_SPREAD**2))
    noise = Stream(seed, spec.name, "jumps").normal(len(stamp))
    ticks: Integers = np.maximum(np.rint(median * np.exp(JUMP_SPREAD * noise)).astype(np.int64), 1)
    return ticks
