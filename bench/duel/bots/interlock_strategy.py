"""The two strategies of the duel for `interlock live`."""

from interlock.model.market import Quote
from interlock.strategy.api import Strategy

SECOND = 10**9
HOLD_S = 5
SIZES = {"BTC": 0.01, "ETH": 0.2, "SOL": 4.0}
BELOW = 0.985


class Trips(Strategy):
    """Buy at the market, hold five seconds, sell, wait five seconds."""

    def on_start(self) -> None:
        self.since = 0

    def on_quote(self, quote: Quote) -> None:
        now = self.view.ts_event
        if quote.instrument.base != "BTC" or self.view.open_orders():
            return
        if now - self.since < HOLD_S * SECOND:
            return
        self.since = now
        if self.view.position_units(quote.instrument.id):
            self.close(instrument=quote.instrument.id)
        else:
            self.market(1, SIZES["BTC"], instrument=quote.instrument.id)


class Resting(Strategy):
    """Two bids on each instrument, once, and nothing more."""

    def on_start(self) -> None:
        self.placed: set[str] = set()

    def on_quote(self, quote: Quote) -> None:
        name = quote.instrument.id
        if name in self.placed:
            return
        self.placed.add(name)
        for step in (1.0, 0.98):
            self.limit(1, SIZES[quote.instrument.base], quote.bid * BELOW * step, instrument=name)
