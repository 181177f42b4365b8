"""The other participants of the world: a fair price that walks in bursts, a thin ladder, takers.

Cheap on purpose: a step costs a few operations of the book, so that simulated hours are cheap too.
How fills come about (queue, parts, sweeps) is the exchange's own matching.
"""

from __future__ import annotations

from interlock.runtime.settings import MS
from interlock.sim.venue import crowd
from interlock.sim.venue.market import Market
from interlock.sim.venue.state import VenueState
from interlock.world.chance import MILLION, Chance

_LEVELS = 2
# The chances of a step that a burst begins and that it ends, in parts of a million.
_BEGINS, _ENDS = 50_000, 120_000


class Walk:
    """One symbol's flow.

    ``price`` and the ``tick`` that it walks by in price units; in quantity units the ``clip`` that
    sizes are multiples of, and ``size`` the most of the best level.
    """

    def __init__(self, chance: Chance, price: int, *, tick: int, size: int, clip: int) -> None:
        self.fair = price
        self._chance = chance
        self._tick = tick
        self._size = size
        self._clip = clip
        self._numbers: list[int] = []
        self._is_burst = False
        self.is_resting = False

    def act(self, state: VenueState, market: Market, ts: int) -> int:
        """Trade, walk, quote; returns when to act again."""
        chance = self._chance
        if self.is_resting:
            self._quote(state, market)
            return ts + 2_000 * MS
        if chance.happens(_ENDS if self._is_burst else _BEGINS):
            self._is_burst = not self._is_burst
        if chance.below(3) == 0:
            self._take(state, market)
        steps = (9 if self._is_burst else 3) * (8 if chance.below(60) == 0 else 1)
        self.fair = max(100 * self._tick, self.fair + chance.between(-steps, steps) * self._tick)
        self._quote(state, market)
        mean = 700 * MS if self._is_burst else 4_500 * MS
        return ts + chance.between(mean // 4, 2 * mean)

    def gap(self, state: VenueState, market: Market, ratio: float) -> None:
        """Quote around another price at once."""
        self.fair = max(100 * self._tick, round(self.fair * ratio) // self._tick * self._tick)
        self._numbers.clear()
        self._quote(state, market)

    def _quote(self, state: VenueState, market: Market) -> None:
        for number in self._numbers:
            crowd.withdraw(market, number)
        self._numbers.clear()
        tick = max(self._tick, market.instrument.round_price(1, up=True))
        fair = market.instrument.round_price(self.fair, up=False)
        for level in range(_LEVELS):
            for side in (1, -1):
                price = fair - tick * level if side > 0 else fair + tick * (level + 1)
                clips = 1 + self._chance.below(self._size // self._clip)
                quantity = clips * self._clip
                number = crowd.rest(state, market, side, price=price, quantity=quantity)
                if number:
                    self._numbers.append(number)
        market.index = self.fair

    def _take(self, state: VenueState, market: Market) -> None:
        side = 1 if self._chance.below(2) else -1
        best = market.book.best(-side)
        if best:
            clips = 1 + self._chance.below(2 * self._size // self._clip)
            reach = max(1, best * 2_000 // MILLION)
            price, quantity = best + side * reach, clips * self._clip
            crowd.take(state, market, side, price=price, quantity=quantity)
