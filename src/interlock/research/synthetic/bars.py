"""Synthetic bars: the path cut into minutes, ranges from Brownian bridges, and their volume."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interlock.model.units import NANOSECONDS
from interlock.research.stylized_facts import day_of_week, hour_of_day
from interlock.research.synthetic.process import (
    DAY_VOLATILITY,
    HOUR_VOLUME,
    MINUTE_NS,
    Path,
    path,
)
from interlock.research.synthetic.streams import Stream
from interlock.research.synthetic.symbols import Symbol, SyntheticError, symbol
from interlock.strategy.columns import BarColumns

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

DAY_NS = 86_400 * NANOSECONDS
START = 20_089 * DAY_NS  # 2025-01-01 00:00 UTC
MINUTES_PER_STEP = {"1m": 1, "5m": 5, "15m": 15, "1h": 60, "4h": 240, "1d": 1_440}

# log volume = median + season + ACTIVITY * log volatility + SURPRISE * |z| + slow, fast and
# white noise; an AR(1) is (standard deviation, half-life in minutes).
VOLUME_ACTIVITY = 0.90
VOLUME_SURPRISE = 0.40
SURPRISE_MEAN = 0.78
VOLUME_SLOW = (0.55, 180.0)
VOLUME_FAST = (0.60, 6.0)
VOLUME_WHITE = 0.58


def bars(
    symbols: Sequence[str],
    *,
    start: int = START,
    days: int = 180,
    step: str = "1m",
    seed: int = 0,
    crashes: bool = True,
) -> tuple[BarColumns, ...]:
    """Bars of each symbol from ``start`` (ns UTC, a whole step) over ``days`` days.

    Coarser steps are the same minutes taken together, and neither another symbol nor more days
    change a bar. Refuses an unknown symbol, a step below one minute and a start off the step.
    """
    minutes_per_bar = MINUTES_PER_STEP.get(step)
    if minutes_per_bar is None:
        raise SyntheticError(
            f"step {step!r} is not one of {', '.join(MINUTES_PER_STEP)}; "
            "for less than a minute take quotes_and_trades"
        )
    if start % (MINUTE_NS * minutes_per_bar):
        raise SyntheticError(f"start {start} is off the {step} step; round it down to the step")
    if len(set(symbols)) != len(symbols):
        raise SyntheticError(f"symbols {', '.join(symbols)} repeat; name each one once")
    found = []
    for name in symbols:
        spec = symbol(name)
        line = path(name, start=start, minutes=days * 1_440, seed=seed, crashes=crashes)
        found.append(_resampled(_minutes(spec, line, seed), minutes_per_bar))
    return tuple(found)


def _minutes(spec: Symbol, line: Path, seed: int) -> BarColumns:
    count = len(line.ts)
    scale = 10.0**spec.instrument.price_exponent
    exact = np.exp(line.log_price) * scale
    close = np.maximum(np.rint(exact).astype(np.int64), 1)
    draws = Stream(seed, spec.name, "bars").uniform(count, 3)
    before = np.empty(count, dtype=np.int64)
    before[0] = max(1, round(spec.price * scale))
    before[1:] = close[:-1]
    # Half of all bars open one tick off the close before, as the last trade was on the other side.
    gap = (draws[:, 0] < 0.25).astype(np.int64) - (draws[:, 0] > 0.75).astype(np.int64)
    opened = np.maximum(before + gap, 1)
    high, low = _extremes(spec, line, draws)
    top = np.maximum(np.rint(exact * np.exp(high)).astype(np.int64), np.maximum(opened, close))
    bottom = np.minimum(np.rint(exact * np.exp(low)).astype(np.int64), np.minimum(opened, close))
    return BarColumns(
        instrument=spec.instrument,
        step_ns=MINUTE_NS,
        ts=line.ts,
        open=opened,
        high=top,
        low=np.maximum(bottom, 1),
        close=close,
        volume=_volume(spec, line, seed),
    )


def _extremes(spec: Symbol, line: Path, draws: Floats) -> tuple[Floats, Floats]:
    # The maximum of a Brownian bridge from 0 to r with variance s^2 is
    # (r + sqrt(r^2 - 2 s^2 ln U)) / 2, the minimum its mirror image; both relative to the close.
    move = line.returns
    spread = 2.0 * (spec.range_scale * line.volatility) ** 2
    square = move * move
    high = (np.sqrt(square - spread * np.log(draws[:, 1])) - move) * 0.5
    low = -(np.sqrt(square - spread * np.log(draws[:, 2])) + move) * 0.5
    return high, low


def _volume(spec: Symbol, line: Path, seed: int) -> Integers:
    count = len(line.ts)
    noise = np.zeros(count)
    for part, (weight, half_life) in (("slow", VOLUME_SLOW), ("fast", VOLUME_FAST)):
        stream = Stream(seed, spec.name, f"volume {part}")
        noise += weight * stream.autoregressive(count, half_life)
    noise += VOLUME_WHITE * Stream(seed, spec.name, "volume white").normal(count)
    season = HOUR_VOLUME[hour_of_day(line.ts)] * DAY_VOLATILITY[day_of_week(line.ts)]
    level = np.log(season) + VOLUME_ACTIVITY * line.log_activity + line.crash.log_volume
    level += VOLUME_SURPRISE * (line.surprise - SURPRISE_MEAN) + spec.volume_noise * noise
    units = np.exp(level) * (spec.volume * 10.0**spec.instrument.quantity_exponent)
    volume: Integers = np.maximum(np.rint(units).astype(np.int64), spec.instrument.lot)
    return volume


def _resampled(minutes: BarColumns, factor: int) -> BarColumns:
    if factor == 1:
        return minutes
    shape = (-1, factor)
    return BarColumns(
        instrument=minutes.instrument,
        step_ns=minutes.step_ns * factor,
        ts=minutes.ts[::factor],
        open=minutes.open[::factor],
        high=minutes.high.reshape(shape).max(axis=1),
        low=minutes.low.reshape(shape).min(axis=1),
        close=minutes.close[factor - 1 :: factor],
        volume=minutes.volume.reshape(shape).sum(axis=1),
    )
