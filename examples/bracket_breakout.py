"""Channel breakout with a bracket: every entry leaves with its stop and its target.

A close above the highest high of the last ``channel`` bars is bought, a close below the lowest low
is sold. The stop lies ``stop_ranges`` average ranges away and the quantity follows from it: a
stop that is hit costs about ``risk`` of the equity. ``protection = "required"`` makes the kernel
refuse any entry that comes without a covering stop.
"""

from interlock.strategy.api import Strategy
from interlock.strategy.indicators import Atr, Donchian
from interlock.strategy.parameters import param


class BracketBreakout(Strategy):
    """One position at a time; the stop or the target ends it, whichever comes first."""

    channel: int = param(48, 5, 2000, text="bars of the channel")
    ranges: int = param(24, 2, 500, text="bars of the average true range")
    stop_ranges: float = param(2.0, 0.5, 10.0, text="distance of the stop in average ranges")
    target_ranges: float = param(4.0, 0.5, 30.0, text="distance of the target in average ranges")
    risk: float = param(0.005, 0.0001, 0.05, text="share of the equity lost at the stop")

    protection = "required"
    warmup = 600  # bars until the average range has forgotten where the data started

    def on_start(self):
        self.lines = self.follow(Donchian(self.channel), "high", "low")
        self.range = self.follow(Atr(self.ranges), "high", "low", "close")
        self.upper = self.lower = None  # the channel up to the bar before this one

    def on_bar(self, bar):
        upper, lower = self.upper, self.lower
        channel = self.lines.value  # includes this bar, so that it serves the next one
        self.upper, self.lower = channel.upper, channel.lower
        if upper is None or self.view.position_units() or self.view.open_orders():
            return
        if bar.close > upper:
            self.enter(1, bar.close)
        elif bar.close < lower:
            self.enter(-1, bar.close)

    def enter(self, side, price):
        """Buy (+1) or sell (-1) at the market, with the stop and the target in the same breath."""
        stop_distance = self.stop_ranges * self.range.value
        target_distance = self.target_ranges * self.range.value
        if not 0.0 < max(stop_distance, target_distance) < price:
            return
        by_risk = self.risk * self.view.equity / stop_distance
        by_cash = 0.9 * self.view.equity / price  # no leverage, and room for a gap at the open
        self.bracket(
            side,
            min(by_risk, by_cash),
            stop=price - side * stop_distance,
            target=price + side * target_distance,
        )
