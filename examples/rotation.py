"""Rotation: once a day, hold the strongest few of several instruments in equal parts.

Strength is the change of the daily close over ``lookback`` days. What falls out of the list is sold
first; what enters it is bought ``patience`` minutes later, or as much later as the sales take, with
the money they brought. Both steps hang on timers: a timer that is due now rings after every bar of
this moment has been seen, so that no instrument is judged on yesterday's close because its bar
came last.
"""

from interlock.strategy.api import Strategy
from interlock.strategy.indicators import Roc
from interlock.strategy.parameters import param

MINUTE = 60 * 10**9


class Rotation(Strategy):
    """Equal parts of the ``top`` instruments with a positive change, the rest in cash."""

    lookback: int = param(20, 2, 250, text="days over which strength is measured")
    top: int = param(2, 1, 50, text="how many instruments to hold")
    invested: float = param(0.9, 0.05, 1.0, text="share of the equity in the market at most")
    band: float = param(0.05, 0.0, 0.5, text="smallest change of an exposure worth trading")
    patience: int = param(60, 1, 1440, text="minutes between selling and buying")

    timeframes = ("1d",)

    def on_start(self):
        self.strength = {
            item.id: self.follow(Roc(self.lookback), instrument=item.id, timeframe="1d")
            for item in self.view.instruments()
        }
        self.day = 0  # the close of the last day we acted on
        self.wanted = {}

    def on_bar(self, bar):
        day_is_over = bar.step_ns == 1440 * MINUTE
        if day_is_over and bar.ts_event > self.day:
            self.day = bar.ts_event
            self.timer("sell", bar.ts_event)

    def on_timer(self, name):
        is_waiting = name == "buy" and bool(self.view.open_orders())
        if name == "sell":
            self.choose()
        if name == "sell" or is_waiting:
            self.timer("buy", self.view.ts_event + self.patience * MINUTE)
        if is_waiting:
            return  # a sale is still under way, and its money not here
        for instrument, exposure in self.wanted.items():
            grows = exposure > self.view.exposure(instrument)
            if grows == (name == "buy"):
                self.target_exposure(exposure, instrument=instrument, band=self.band)

    def choose(self):
        """The exposure of every instrument: an equal part for the strongest, nothing for others."""
        ready = [key for key, change in self.strength.items() if change.ready]
        rising = [key for key in ready if self.strength[key].value > 0.0]
        # The instrument's name settles a tie, so that a run can be repeated.
        best = sorted(rising, key=lambda key: (-self.strength[key].value, key))[: self.top]
        part = self.invested / self.top
        self.wanted = {key: part if key in best else 0.0 for key in self.strength}
