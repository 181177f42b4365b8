"""The price process: r_t = S(hour, weekday) * exp(x1 + x2 + x3 - norm) * z_t, minute by minute.

Each x is a Gaussian AR(1) of log volatility with a half-life of 3, 60 or 2,160 minutes, z a
Student t of 12 degrees scaled to variance 1. A market part of x, the normal part of z and the tail
scale of z are shared by all symbols, which gives correlated returns and tails that arrive together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from interlock.model.units import NANOSECONDS
from interlock.research.stylized_facts import day_of_week, hour_of_day
from interlock.research.synthetic.crashes import Imprint, imprint, schedule
from interlock.research.synthetic.streams import Stream
from interlock.research.synthetic.symbols import HALF_LIVES_MINUTES, Symbol, SyntheticError, symbol

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

MINUTE_NS = 60 * NANOSECONDS

# Volatility and volume by UTC hour, volatility by weekday from Monday: BTC USD-M 15m, 2023-25.
# fmt: off
HOUR_VOLATILITY = np.array([
    1.04, 1.07, 0.93, 0.76, 0.71, 0.69, 0.78, 0.76, 0.78, 0.76, 0.73, 0.76,
    0.98, 1.20, 1.42, 1.27, 1.16, 1.19, 1.07, 1.08, 1.07, 1.28, 1.11, 0.85,
])
HOUR_VOLUME = np.array([
    0.92, 0.89, 0.79, 0.65, 0.60, 0.62, 0.65, 0.74, 0.81, 0.80, 0.79, 0.80,
    1.14, 1.48, 1.91, 1.79, 1.52, 1.32, 1.19, 1.16, 1.05, 0.85, 0.79, 0.74,
])
# fmt: on
DAY_VOLATILITY = np.array([1.17, 1.09, 1.08, 1.09, 1.07, 0.64, 0.74])

# Shares of the market in the variance of x and of z; together a return correlation of about .75.
VOLATILITY_SHARED = 0.70
INNOVATION_SHARED = 0.81

BASIS_SD_BP = 6.7
BASIS_HALF_LIFE_MINUTES = 60.0 * math.log(0.5) / math.log(0.8)


@dataclass(frozen=True, kw_only=True)
class Path:
    """One symbol minute by minute: ``ts`` opens the minute, ``log_price`` is its close.

    ``volatility`` is the standard deviation of the minute's log return given the past;
    ``log_activity`` is the log volatility without season; ``surprise`` is |z|.
    """

    ts: Integers
    log_price: Floats
    returns: Floats
    volatility: Floats
    log_activity: Floats
    surprise: Floats
    crash: Imprint


def season(ts: Integers) -> Floats:
    """Relative volatility by hour and weekday; mean square 1 over a week."""
    norm = math.sqrt(float(np.mean(np.outer(DAY_VOLATILITY, HOUR_VOLATILITY) ** 2)))
    result: Floats = HOUR_VOLATILITY[hour_of_day(ts)] * DAY_VOLATILITY[day_of_week(ts)] / norm
    return result


@lru_cache(maxsize=2)
def _market(seed: int, minutes: int) -> tuple[tuple[Floats, ...], Floats, Floats]:
    factors = tuple(
        Stream(seed, "market", f"volatility {half_life:g}").autoregressive(minutes, half_life)
        for half_life in HALF_LIVES_MINUTES
    )
    return (
        factors,
        Stream(seed, "market", "innovation").normal(minutes),
        Stream(seed, "market", "tail").tail_scale(minutes),
    )


def path(name: str, *, start: int, minutes: int, seed: int, crashes: bool = True) -> Path:
    """The path of one symbol from ``start`` (ns UTC, a whole minute)."""
    _check(start, minutes, seed)
    asked = symbol(name)
    spec = symbol(asked.path_of) if asked.path_of else asked
    result = _path(spec, start, minutes, seed, crashes)
    if spec is asked:
        return result
    basis = Stream(seed, asked.name, "basis").autoregressive(minutes, BASIS_HALF_LIFE_MINUTES)
    shift = np.diff(basis * (BASIS_SD_BP * 1e-4), prepend=0.0)
    returns = result.returns - shift
    return Path(
        ts=result.ts,
        log_price=math.log(asked.price) + np.cumsum(returns),
        returns=returns,
        volatility=result.volatility,
        log_activity=result.log_activity,
        surprise=result.surprise,
        crash=result.crash,
    )


def _check(start: int, minutes: int, seed: int) -> None:
    if start % MINUTE_NS or start < 0:
        raise SyntheticError(f"start {start} must be a whole UTC minute in ns; round it down")
    if minutes <= 0:
        raise SyntheticError(f"{minutes} minutes is not a length; ask for at least one minute")
    if seed < 0:
        raise SyntheticError(f"seed {seed} must not be negative; choose 0 or more")


def _path(spec: Symbol, start: int, minutes: int, seed: int, crashes: bool) -> Path:
    shared, market_normal, tail = _market(seed, minutes)
    ts = start + MINUTE_NS * np.arange(minutes, dtype=np.int64)
    activity = np.zeros(minutes)
    keep, own = math.sqrt(VOLATILITY_SHARED), math.sqrt(1.0 - VOLATILITY_SHARED)
    for half_life, variance, common in zip(HALF_LIVES_MINUTES, spec.variances, shared, strict=True):
        stream = Stream(seed, spec.name, f"volatility {half_life:g}")
        mixed = keep * common + own * stream.autoregressive(minutes, half_life)
        activity += math.sqrt(variance) * mixed
    crash = imprint(
        schedule(seed, minutes) if crashes else (), minutes=minutes, beta=spec.crash_beta
    )
    # E exp(2x) = exp(2 var): the norm makes the mean square of the volatility factor 1.
    log_level = activity + (crash.log_volatility - sum(spec.variances))
    volatility = (spec.sd_bp * 1e-4) * season(ts) * np.exp(log_level)
    normal = math.sqrt(INNOVATION_SHARED) * market_normal
    normal += math.sqrt(1.0 - INNOVATION_SHARED) * Stream(seed, spec.name, "innovation").normal(
        minutes
    )
    innovation = normal * tail
    returns = volatility * innovation + crash.drift
    return Path(
        ts=ts,
        log_price=math.log(spec.price) + np.cumsum(returns),
        returns=returns,
        volatility=volatility,
        log_activity=activity,
        surprise=np.abs(innovation),
        crash=crash,
    )
