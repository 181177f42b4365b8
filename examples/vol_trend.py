"""Trend following at a steady risk: the position shrinks when the market gets wilder.

The direction is the sign of a fast average minus a slow one. The size is the volatility we want
divided by the volatility we measure, so that a quiet and a wild market move the equity alike.
"""

from interlock.strategy.api import TargetStrategy
from interlock.strategy.indicators import ewma_volatility, sma
from interlock.strategy.parameters import param

NANOSECONDS_PER_YEAR = 365 * 86_400 * 10**9


class VolTrend(TargetStrategy):
    """Long or short with the trend, sized to a yearly volatility of ``risk``."""

    fast: int = param(48, 2, 2000, text="bars of the fast average")
    slow: int = param(240, 3, 5000, text="bars of the slow average")
    decay: float = param(0.94, 0.5, 0.99, text="how slowly the volatility forgets")
    risk: float = param(0.2, 0.01, 2.0, text="wanted volatility of the equity per year, 0.2 = 20 %")
    most: float = param(1.0, 0.1, 10.0, text="largest exposure, as a share of the equity")

    rebalance_band = 0.1  # leave the position alone for changes below 10 % of the equity
    warmup = 700  # bars until the volatility has forgotten where the data started

    def features(self, bars):
        bars_per_year = NANOSECONDS_PER_YEAR / bars.step_ns
        return {
            "trend": sma(bars.close, self.fast) - sma(bars.close, self.slow),
            "volatility": ewma_volatility(bars.close, self.decay) * bars_per_year**0.5,
        }

    @staticmethod
    def target(f, position):
        if f.volatility <= 0.0:
            return 0.0
        size = min(f.risk / f.volatility, f.most)
        return size if f.trend > 0.0 else -size
