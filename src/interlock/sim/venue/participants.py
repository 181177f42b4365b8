"""Synthetic participants of one symbol: makers around a moving fair price, and takers.

The fair price moves by clustered steps with fat tails (two log-volatility factors, Student t).
Makers keep a thick best level and a thin ladder with gaps behind it; takers come in runs of one
side and with sizes over many magnitudes, and push the fair price. Everything is drawn from one
seeded generator in an order that depends on nothing but the venue's own course.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from interlock.model.instrument import Instrument
from interlock.sim.venue import crowd
from interlock.sim.venue.market import Market
from interlock.sim.venue.state import VenueState

_BLOCK = 4_096
_MINUTE_NS = 60 * 10**9
# Half-lives (minutes) and variances of the two factors of log volatility, and of the basis.
_FAST_MINUTES, _SLOW_MINUTES, _BASIS_MINUTES = 3.0, 60.0, 186.0
_FAST_VARIANCE, _SLOW_VARIANCE = 0.084, 0.091
_BASIS_SD = 6.7e-4
_T_DEGREES = 12.5
_SIZE_SPREAD, _TAKER_SPREAD = 1.1, 2.4
# Share of empty prices in the ladder that a change fills; 0.4 leaves 28 of 100 prices taken.
_FILL_SHARE = 0.4
_SAME_SIDE = 0.85
# How many times thicker than at the touch a level is at the ladder's mean distance, less one.
_THICKENING = 6.0


@dataclass(frozen=True, kw_only=True)
class FlowShape:
    """How busy and how deep a market is.

    ``price`` is where it starts, in price units; ``volatility`` the sd of a minute's log return;
    quantities are units: of the best level, of a level behind it (median), of a taker (median).
    ``reach_ticks`` is the mean distance of the ladder's changes from the touch.
    """

    price: int
    volatility: float = 5.13e-4
    best_quantity: int
    level_quantity: int
    taker_quantity: int
    reach_ticks: int = 150
    changes_per_second: float = 600.0
    takers_per_second: float = 15.0
    impact: float = 0.35
    step_ns: int = 50_000_000


def shape_of(instrument: Instrument, price: int, **changes: float) -> FlowShape:
    """A shape with the depth of a large perpetual at a price in price units."""
    unit = instrument.notional(price, instrument.lot) or 1

    def lots(money: int) -> int:
        return max(1, money * 10**8 // unit) * instrument.lot

    fields: dict[str, float] = {
        "best_quantity": lots(180_000),
        "level_quantity": lots(3_000),
        "taker_quantity": lots(1_850),
    }
    return FlowShape(price=price, **{**fields, **changes})  # type: ignore[arg-type]


class _Draws:
    """Numbers drawn in blocks, handed out one by one."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.PCG64(seed))
        self._uniform: list[float] = []
        self._normal: list[float] = []

    def uniform(self) -> float:
        """In [0, 1)."""
        if not self._uniform:
            self._uniform = self._generator.random(_BLOCK).tolist()
        return self._uniform.pop()

    def normal(self) -> float:
        """Mean 0, variance 1."""
        if not self._normal:
            self._normal = self._generator.standard_normal(_BLOCK).tolist()
        return self._normal.pop()

    def tailed(self) -> float:
        """Student t of variance 1."""
        scale = math.sqrt((_T_DEGREES - 2) / _T_DEGREES)
        return float(self._generator.standard_t(_T_DEGREES)) * scale

    def count(self, mean: float) -> int:
        """A Poisson number."""
        return int(self._generator.poisson(mean)) if mean > 0 else 0


class Participants:
    """Everybody else on one symbol; a Flow."""

    def __init__(self, instrument: Instrument, shape: FlowShape, seed: int) -> None:
        self.shape = shape
        self.fair = float(shape.price)
        self._draws = _Draws(seed)
        self._lot = instrument.lot
        self._levels: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self._fast = self._slow = self._basis = 0.0
        self._side = 1
        self._touch = {1: 0, -1: 0}
        self._steps = 0
        self._widen = 0

    # The flow.
    def act(self, state: VenueState, market: Market, ts: int) -> int:
        """One step: take, change the ladder, move, and quote around the new price."""
        tick = _step_at(market.instrument, self.fair)
        seconds = self.shape.step_ns / 1e9
        busy = math.exp(0.5 * (self._fast + self._slow))
        for _ in range(self._draws.count(self.shape.takers_per_second * seconds * busy)):
            self._take(state, market)
        for _ in range(self._draws.count(self.shape.changes_per_second * seconds)):
            self._change(state, market, tick)
        self._move(market, tick)
        self._quote(state, market, tick)
        self._steps += 1
        if self._steps % 64 == 0:
            self._prune(market, tick)
        return ts + self.shape.step_ns

    def gap(self, state: VenueState, market: Market, ratio: float) -> None:
        """Quote around the new price at once, running over who stands in the way, and trade."""
        self.fair = max(1.0, self.fair * ratio)
        self._levels = {1: {}, -1: {}}
        tick = _step_at(market.instrument, self.fair)
        self._quote(state, market, tick)
        for _ in range(40):
            self._change(state, market, tick)
        side = -1 if ratio < 1 else 1
        best = market.book.best(-side)
        if best:
            crowd.take(state, market, side, price=best, quantity=self._lot)
        market.flow_signed = 0

    # Parts of a step.
    def _move(self, market: Market, tick: int) -> None:
        draws, shape = self._draws, self.shape
        minutes = shape.step_ns / _MINUTE_NS
        self._fast = self._drift(self._fast, minutes / _FAST_MINUTES, _FAST_VARIANCE)
        self._slow = self._drift(self._slow, minutes / _SLOW_MINUTES, _SLOW_VARIANCE)
        self._basis = self._drift(self._basis, minutes / _BASIS_MINUTES, _BASIS_SD**2)
        level = math.exp(self._fast + self._slow - _FAST_VARIANCE - _SLOW_VARIANCE)
        change = shape.volatility * math.sqrt(minutes) * level * draws.tailed()
        pushed, market.flow_signed = market.flow_signed, 0
        push = shape.impact * tick * pushed / shape.best_quantity
        push = max(-20.0 * tick, min(20.0 * tick, push))
        before = self.fair
        self.fair = max(2.0 * tick, self.fair * math.exp(change) + push)
        usual = shape.volatility * math.sqrt(minutes) * before
        self._widen = min(50, max(0, int(abs(self.fair - before) / max(usual, tick)) - 2))
        market.index = max(1, round(self.fair * (1.0 - self._basis)))

    def _drift(self, value: float, half_lives: float, variance: float) -> float:
        keep = math.pow(0.5, half_lives)
        return value * keep + math.sqrt(variance * (1 - keep * keep)) * self._draws.normal()

    def _quote(self, state: VenueState, market: Market, tick: int) -> None:
        """Withdraw what stands on the wrong side of the fair price and stand at the touch."""
        bid = max(tick, int(self.fair // tick) * tick)
        valid = market.instrument.round_price
        touch = {
            1: valid(max(tick, bid - self._widen * tick), up=False),
            -1: valid(bid + (1 + self._widen) * tick, up=True),
        }
        for side in (1, -1):
            levels = self._levels[side]
            for price in [price for price in levels if (price - touch[side]) * side > 0]:
                crowd.withdraw(market, levels.pop(price))
        for side in (1, -1):
            price, old = touch[side], self._touch[side]
            if price != old and old in self._levels[side]:
                # Makers follow the touch; what was the best level becomes one of the ladder.
                self._stand(state, market, side, price=old, mean=self.shape.level_quantity)
            self._touch[side] = price
            standing = sum([item.quantity for item in market.book.queue(side, price)])
            if standing * 2 < self.shape.best_quantity:
                self._stand(state, market, side, price=price, mean=self.shape.best_quantity)

    def _stand(
        self, state: VenueState, market: Market, side: int, *, price: int, mean: int
    ) -> None:
        levels = self._levels[side]
        before = levels.pop(price, 0)
        if before:
            crowd.withdraw(market, before)
        quantity = self._quantity(mean, _SIZE_SPREAD)
        number = crowd.rest(state, market, side, price=price, quantity=quantity)
        if number:
            levels[price] = number

    def _quantity(self, median: int, spread: float) -> int:
        lots = int(median * math.exp(spread * self._draws.normal()) / self._lot)
        return max(1, lots) * self._lot

    def _change(self, state: VenueState, market: Market, tick: int) -> None:
        """One maker comes to or leaves a price behind the touch."""
        draws = self._draws
        side = 1 if draws.uniform() < 0.5 else -1
        best = market.book.best(side)
        if not best:
            return
        distance = 1 - int(self.shape.reach_ticks * math.log(1.0 - draws.uniform()))
        # Where the step depends on the price, the ladder may reach into another step.
        price = market.instrument.round_price(best - side * distance * tick, up=side < 0)
        levels = self._levels[side]
        number = levels.get(price)
        if number is not None:
            del levels[price]
            crowd.withdraw(market, number)
        elif price > 0 and draws.uniform() < _FILL_SHARE:
            thickness = 1.0 + _THICKENING * distance / self.shape.reach_ticks
            median = int(self.shape.level_quantity * thickness)
            self._stand(state, market, side, price=price, mean=median)

    def _take(self, state: VenueState, market: Market) -> None:
        if self._draws.uniform() > _SAME_SIDE:
            self._side = -self._side
        side = self._side
        best = market.book.best(-side)
        if not best:
            return
        quantity = min(
            self._quantity(self.shape.taker_quantity, _TAKER_SPREAD), 20 * self.shape.best_quantity
        )
        bound = max(1, best + side * max(1, best // 500))
        crowd.take(state, market, side, price=bound, quantity=quantity)

    def _prune(self, market: Market, tick: int) -> None:
        """Forget what has traded away, and withdraw what lies too far off."""
        farthest = 8 * self.shape.reach_ticks * tick
        for side, levels in self._levels.items():
            best = market.book.best(side)
            for price in list(levels):
                if levels[price] not in market.book:
                    del levels[price]
                elif (best - price) * side > farthest:
                    crowd.withdraw(market, levels.pop(price))


def _step_at(instrument: Instrument, fair: float) -> int:
    """The distance of two valid prices around the fair price, in price units."""
    below = instrument.round_price(max(1, int(fair)), up=False)
    return instrument.round_price(below + 1, up=True) - below
