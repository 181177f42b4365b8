"""Moving-average cross: long while the fast average is above the slow one, flat otherwise."""

from interlock.strategy.api import TargetStrategy
from interlock.strategy.indicators import sma
from interlock.strategy.parameters import param


class MaCross(TargetStrategy):
    """Hold the whole equity in an uptrend, and nothing in a downtrend."""

    fast: int = param(20, 2, 500, text="bars of the fast average")
    slow: int = param(100, 3, 5000, text="bars of the slow average")

    def features(self, bars):
        return {"fast_mean": sma(bars.close, self.fast), "slow_mean": sma(bars.close, self.slow)}

    @staticmethod
    def target(f, position):
        return 1.0 if f.fast_mean > f.slow_mean else 0.0
