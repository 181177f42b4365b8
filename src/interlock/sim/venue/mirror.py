"""A live market as the other participants of a symbol: what is seen elsewhere becomes orders here.

Paper trading stands on it: our own orders queue behind the quantity that the true touch shows, and
fill when true trades reach them. What we trade moves nobody outside.
"""

from __future__ import annotations

from interlock.model.market import Book, Quote, Trade
from interlock.model.units import RATE_SCALE
from interlock.sim.venue.conditionals import react
from interlock.sim.venue.market import Market
from interlock.sim.venue.replay import Replay
from interlock.sim.venue.state import NEVER, VenueState


class Mirror(Replay):
    """A flow that is told what happens instead of reading it.

    ``share`` (of 1e-6) is the part of every shown and traded quantity that exists here: a cap on
    how much of the market we may be. The queue ahead and what eats it shrink alike.
    """

    def __init__(self, share: int = RATE_SCALE) -> None:
        super().__init__(iter(()))
        self._share = share
        # What of the trades of a side was too small for a lot so far, in 1e-6 quantity units.
        self._rest = {1: 0, -1: 0, 0: 0}

    def act(self, state: VenueState, market: Market, ts: int) -> int:
        """Nothing happens here by itself."""
        return NEVER

    def see(self, state: VenueState, market: Market, event: Quote | Trade | Book) -> None:
        """Take an event of the true market in."""
        if isinstance(event, Trade):
            quantity = self._traded(market, event.side, event.quantity_units)
            self._trade(state, market, (event.price_units, quantity, event.side))
        elif isinstance(event, Quote):
            self._show(state, market, event.values()[1:])
        else:
            bid, ask = event.bid_units, event.ask_units
            if bid and ask:
                touch = (bid, event.quantity_units(1, bid), ask, event.quantity_units(-1, ask))
                self._show(state, market, touch)
        market.index = market.middle() or market.index
        # Stops watch every print, not only the venue's own ticks.
        react(state, market)

    def _show(self, state: VenueState, market: Market, touch: tuple[int, ...]) -> None:
        if self._share != RATE_SCALE:
            lot = market.instrument.lot
            bid, bid_quantity, ask, ask_quantity = touch
            parts = [size * self._share // RATE_SCALE for size in (bid_quantity, ask_quantity)]
            low, high = (max(lot, part - part % lot) for part in parts)
            touch = (bid, low, ask, high)
        self._touch(state, market, touch)

    def _traded(self, market: Market, side: int, quantity: int) -> int:
        if self._share == RATE_SCALE:
            return quantity
        whole = self._rest[side] + quantity * self._share
        part = whole // RATE_SCALE
        part -= part % market.instrument.lot
        self._rest[side] = whole - part * RATE_SCALE
        return part
