"""A live market as the other participants of a symbol: what is seen elsewhere becomes orders here.

Paper trading stands on it: our own orders queue behind the quantity that the true touch shows, and
fill when true trades reach them. What we trade moves nobody outside.
"""

from __future__ import annotations

from interlock.model.market import Book, Quote, Trade
from interlock.sim.venue.market import Market
from interlock.sim.venue.replay import Replay
from interlock.sim.venue.state import NEVER, VenueState


class Mirror(Replay):
    """A flow that is told what happens instead of reading it."""

    def __init__(self) -> None:
        super().__init__(iter(()))

    def act(self, state: VenueState, market: Market, ts: int) -> int:
        """Nothing happens here by itself."""
        return NEVER

    def see(self, state: VenueState, market: Market, event: Quote | Trade | Book) -> None:
        """Take an event of the true market in."""
        if isinstance(event, Trade):
            values = (event.price_units, event.quantity_units, event.side)
            self._trade(state, market, values)
        elif isinstance(event, Quote):
            self._touch(state, market, event.values()[1:])
        else:
            bid, ask = event.bid_units, event.ask_units
            if bid and ask:
                touch = (bid, event.quantity_units(1, bid), ask, event.quantity_units(-1, ask))
                self._touch(state, market, touch)
        market.index = market.middle() or market.index
