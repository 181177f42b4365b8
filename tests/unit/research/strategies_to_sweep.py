"""Small strategies and a market for the tests of the compiled path and of sweeps."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset
from interlock.strategy.indicators.averages import sma
from interlock.strategy.parameters import param

HALF = 0.5


def doubled(value: float) -> float:
    """A function that a target may call."""
    return value * 2.0


class Cross(TargetStrategy):
    """Long above the slow average, short below."""

    fast: int = param(5, 1, 50)
    slow: int = param(20, 2, 200)
    size: float = param(1.0, 0.0, 1.0)

    def features(self, bars: Any) -> dict[str, Any]:
        return {"quick": sma(bars.close, self.fast), "calm": sma(bars.close, self.slow)}

    @staticmethod
    def target(f: Any, position: float) -> float:
        return f.size if f.quick > f.calm else -f.size


class Calls(Cross):
    """Uses a constant, math and a function of the module."""

    @staticmethod
    def target(f: Any, position: float) -> float:
        """Half or none."""
        gap: float = doubled(f.quick - f.calm)
        if math.fabs(gap) < HALF:
            return position
        return HALF if gap > 0.0 else 0


class Powers(Cross):
    """Needs the kernel: powers may differ in the last bit."""

    @staticmethod
    def target(f: Any, position: float) -> float:
        return (f.quick / f.calm) ** 2 - 1.0


class Divides(Cross):
    """Raises where the averages are equal, in Python and compiled."""

    @staticmethod
    def target(f: Any, position: float) -> float:
        return 1.0 / (f.quick - f.quick)


class Raises(Cross):
    """Fails for some parameters."""

    def features(self, bars: Any) -> dict[str, Any]:
        if self.fast > 6:
            raise ZeroDivisionError("fast is too large for this one")
        return super().features(bars)


class BuysOnce(Strategy):
    """A strategy with callbacks."""

    wait: int = param(3, 1, 100)

    def on_start(self) -> None:
        self.seen = 0

    def on_bar(self, bar: Any) -> None:
        self.seen += 1
        if self.seen == self.wait:
            self.target_exposure(0.5)


def market(rows: int = 3_000, *, seed: int = 7) -> Dataset:
    """Hourly bars of a random walk."""
    generator = np.random.default_rng(seed)
    instrument = Instrument(
        id="AAAUSD-PERP.TEST", kind=InstrumentKind.PERPETUAL, base="AAA", quote="USD",
        price_exponent=2, quantity_exponent=3, price_rule=FixedTick(1), lot=1, taker_rate=500,
        leverage_max=5,
    )  # fmt: skip
    close = np.maximum(1_000, 100_000 + np.cumsum(generator.integers(-500, 501, rows)))
    opened = np.concatenate((close[:1], close[:-1]))
    step = 3600 * 10**9
    bars = BarColumns(
        instrument=instrument, step_ns=step, ts=np.arange(rows) * step, open=opened,
        high=np.maximum(opened, close) + 9, low=np.minimum(opened, close) - 9, close=close,
        volume=np.full(rows, 10**10),
    )  # fmt: skip
    return Dataset(name="walk", digest=f"walk-{rows}-{seed}", bars=(bars,))
