"""Scripted crashes: what no stationary volatility model produces, at the frequency of real ones.

A crash belongs to the whole market and hits each symbol by its beta. The script follows measured
ones: half an hour of bleeding, one to three bars with more than half of the fall at 50 to 250
times the median volume, then a retrace of 35 to 75 % within half an hour, in nervous trading.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from interlock.research.synthetic.streams import Stream

Floats = NDArray[np.float64]

CRASHES_PER_YEAR = 3.0
FALL_MIN = 0.04
FALL_MAX = 0.15
FALL_TAIL = 1.6
SYMBOL_FALL_MAX = 0.45
RETRACE_MINUTES = 30
NERVOUS_MINUTES = 240
NERVOUS_HALF_LIFE = 45.0

MINUTES_PER_DAY = 1_440


@dataclass(frozen=True, kw_only=True)
class Crash:
    """One crash: ``minute`` is the first of its bleed, ``fall`` a fraction for a beta of 1."""

    minute: int
    fall: float
    bleed_minutes: int
    plunge_minutes: int
    plunge_share: float
    retrace: float
    volume_peak: float


def schedule(seed: int, minutes: int) -> tuple[Crash, ...]:
    """The crashes that begin within the given minutes, in order of time."""
    days = -(-minutes // MINUTES_PER_DAY)
    draws = Stream(seed, "market", "crashes").uniform(days, 8)
    struck = np.flatnonzero(draws[:, 0] < CRASHES_PER_YEAR / 365)
    found = (_crash(int(day), draws[day]) for day in struck)
    return tuple(crash for crash in found if crash.minute < minutes)


def _crash(day: int, draw: Floats) -> Crash:
    return Crash(
        minute=day * MINUTES_PER_DAY + int(draw[1] * MINUTES_PER_DAY),
        fall=min(FALL_MAX, FALL_MIN * float(draw[2]) ** (-1.0 / FALL_TAIL)),
        bleed_minutes=30 + int(draw[3] * 11),
        plunge_minutes=1 + int(draw[4] * 3),
        plunge_share=0.5 + 0.3 * float(draw[5]),
        retrace=0.35 + 0.4 * float(draw[6]),
        volume_peak=50.0 * 5.0 ** float(draw[7]),
    )


@dataclass(frozen=True, kw_only=True)
class Imprint:
    """What crashes add to a symbol: log return, log volatility and log volume, per minute."""

    drift: Floats
    log_volatility: Floats
    log_volume: Floats


def imprint(crashes: tuple[Crash, ...], *, minutes: int, beta: float) -> Imprint:
    """Lay the scripts of all crashes over ``minutes`` minutes."""
    drift, nervous, volume = np.zeros(minutes), np.zeros(minutes), np.zeros(minutes)
    for crash in crashes:
        for start, part in _drift_parts(crash, beta):
            _add(drift, start, part)
        low = crash.minute + crash.bleed_minutes
        after = 0.5 ** (np.arange(NERVOUS_MINUTES) / NERVOUS_HALF_LIFE)
        before = np.linspace(0.0, 1.0, crash.bleed_minutes)
        _add(nervous, crash.minute, math.log(2.0) * before)
        _add(nervous, low, math.log(4.0) * after)
        _add(volume, crash.minute, 0.25 * math.log(crash.volume_peak) * before)
        _add(volume, low, 0.5 * math.log(crash.volume_peak) * after)
        peak = np.full(crash.plunge_minutes, 0.5 * math.log(crash.volume_peak))
        _add(volume, low, peak)
    return Imprint(drift=drift, log_volatility=nervous, log_volume=volume)


def _drift_parts(crash: Crash, beta: float) -> Iterator[tuple[int, Floats]]:
    fall = max(beta * math.log1p(-crash.fall), math.log1p(-SYMBOL_FALL_MAX))
    bleed = np.full(crash.bleed_minutes, fall * (1.0 - crash.plunge_share) / crash.bleed_minutes)
    # The first minute of the plunge takes the most of it.
    weights = 0.5 ** np.arange(crash.plunge_minutes)
    plunge = fall * crash.plunge_share * weights / weights.sum()
    # The retrace is a share of the fall in price, not in log price.
    back = math.log(1.0 - (1.0 - crash.retrace) * -math.expm1(fall)) - fall
    pull = 0.5 ** (np.arange(RETRACE_MINUTES) / 8.0)
    start = crash.minute
    yield start, bleed
    yield start + crash.bleed_minutes, plunge
    yield start + crash.bleed_minutes + crash.plunge_minutes, back * pull / pull.sum()


def _add(target: Floats, start: int, part: Floats) -> None:
    size = min(len(part), len(target) - start)
    if size > 0:
        target[start : start + size] += part[:size]
