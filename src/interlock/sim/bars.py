"""Fills inside bars: open, the extreme nearer to the open, the other extreme, close.

Rules of this file. Orders that arrive between bars trade at the next open, and gaps fill at the
open, never at the untouched level. Inside the bar the price walks the path above; an order trades
when the walk reaches its level, a resting limit only when the price trades through it (or touches
it, by choice). Where a stop and a target of one position both lie inside the bar, the walk visits
the stop first and the bar is counted as ambiguous. A target whose entry filled inside the same bar
fills only when the close lies beyond it, because before that its order with the entry is not known.
At most a share of the bar's volume is ours.

The walk stops after each execution, so that the kernel can answer before the price moves on.
"""

from __future__ import annotations

from collections import deque

from interlock.kernel.positions import Position
from interlock.model.events import BorrowPaid, Event
from interlock.model.instrument import Instrument
from interlock.model.market import Bar
from interlock.model.order import OrderType, TimeInForce
from interlock.model.units import RATE_SCALE
from interlock.sim import margin
from interlock.sim.account import Account
from interlock.sim.costs import VenueOptions
from interlock.sim.margin import NEVER
from interlock.sim.market import Market, Working

_BETWEEN, _OPEN, _WALK, _CLOSE = range(4)
_STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP)
_TRAILING = OrderType.TRAILING_STOP
_DAY = 86_400 * 10**9


class BarMarket(Market):
    """Liquidity from bars."""

    def __init__(
        self,
        instrument: Instrument,
        account: Account,
        options: VenueOptions,
        reports: deque[Event],
    ) -> None:
        super().__init__(instrument, account, options, reports)
        self.ambiguous = 0
        self.has_volume = True
        self._moment = _BETWEEN
        self._price = 0
        self._budget = 0
        self._volume = 0
        self._legs: list[int] = []
        self._next: list[Working] = []
        self._bar: Bar | None = None

    # Moments of a bar, in the order the driver calls them.
    def open_bar(self, bar: Bar) -> None:
        """The first print of a bar: what waited trades at the open."""
        self.ts = bar.ts_open
        self.ts_row = bar.ts_event
        self._bar = bar
        self._volume = bar.volume_units
        self._budget = self._cap(self._volume)
        if self.instrument.borrow_rate_daily:
            self._pay_borrow(bar.ts_open)
        self._set_price(bar.open_units)
        self._legs = []
        # Also with nothing of ours: what arrives late meets this bar's open like everything else.
        self._moment = _OPEN
        if not self.working and not self.account.position(self.instrument).quantity:
            return
        if self.expiring:
            self.expire(bar.ts_open)
        held, level = self._margin()
        if margin.is_liquidated(held, level, self._price):
            self.liquidate(self._price)
        self._next = list(self.working.values())

    def step_open(self) -> bool:
        """Let the next waiting order meet the open; False when all have."""
        while self._next:
            order = self._next.pop(0)
            if order.client_order_id not in self.working:
                continue
            before = len(self.reports)
            self._meet_open(order)
            if len(self.reports) > before:
                return True
        return False

    def begin_walk(self) -> bool:
        """Lay out the path of the bar; False when nothing of ours can happen on it."""
        bar = self._bar
        assert bar is not None
        held = self.account.position(self.instrument).quantity
        if not self.working and not held:
            self._end(bar)
            return False
        if self.expiring:
            # What ends inside the bar has seen its open and no proof of more.
            self.expire(bar.ts_event - 1)
        self.ts = bar.ts_event
        self._moment = _WALK
        first, second = bar.low_units, bar.high_units
        stop_side = self._ambiguous_side(bar)
        if stop_side:
            self.ambiguous += 1
            if stop_side > 0:
                first, second = second, first
        elif second - self._price < self._price - first:
            first, second = second, first
        self._legs = [first, second, bar.close_units]
        return True

    def step_walk(self) -> bool:
        """Walk to the next execution; False when the bar is over."""
        while self._legs:
            goal = self._legs[0]
            found = self._first_reached(goal)
            if found is None:
                self._trail(goal)
                self._price = goal
                self._legs.pop(0)
                continue
            order, level = found
            before = len(self.reports)
            self._set_price(level)
            if order is None:
                self.liquidate(level)
            else:
                self._reach(order, level)
            if len(self.reports) > before:
                return True
        assert self._bar is not None
        self._end(self._bar)
        return False

    def see_close(self, bar: Bar) -> None:
        """The close of a bar on which nothing of ours happened, before the decision on it."""
        self._volume = bar.volume_units
        self._budget = self._cap(self._volume)
        self._end(bar)

    def danger(self) -> tuple[int, int]:
        """Prices outside which a bar cannot be passed over: (floor, ceiling) in price units."""
        if (
            self.instrument.borrow_rate_daily
            and self.account.position(self.instrument).quantity < 0
        ):
            # Borrowed: every bar may begin a day that costs.
            return NEVER, 0
        return margin.danger(self.account, self.instrument)

    def end_decision(self) -> None:
        """After the strategies decided on the close: nothing trades until the next open."""
        self._moment = _BETWEEN

    def _end(self, bar: Bar) -> None:
        self._set_price(bar.close_units)
        self.ts = self.ts_row = bar.ts_event
        self._moment = _CLOSE if self.options.fill == "same_close" else _BETWEEN

    # Liquidity.
    def meet(self, order: Working) -> None:
        """Trade at the present price of the walk; between bars, wait for the next open."""
        if self._moment == _BETWEEN:
            return
        order.mid_bar = self._moment == _WALK
        if not order.is_limit or self.crosses(order):
            self._take(order, self._price)
        else:
            self.rest(order)
            return
        self.settle(order)

    def crosses(self, order: Working) -> bool:
        """Whether a limit order would trade at the present price."""
        return self.last <= order.price if order.side > 0 else self.last >= order.price

    def _meet_open(self, order: Working) -> None:
        price = self._price
        order.mid_bar = False
        if order.armed:
            self._follow(order, price)
            if self._is_triggered(order, price):
                self.trigger(order)
                self.meet(order)
            return
        if not order.is_limit:
            self._take(order, price)
            self.settle(order)
        elif self.crosses(order):
            if order.rested or order.spec.post_only:
                # A limit that rested is filled by the gap as a maker, at the open: its gain.
                self._trade(order, price, is_maker=True, reference=price)
            else:
                self._take(order, price)
            self.settle(order)
        elif order.spec.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
            self.settle(order)
        else:
            self.rest(order)

    def _take(self, order: Working, reference: int) -> None:
        size = min(order.leaves, self._budget)
        price = self.taker_price(order, reference, size=size, volume=self._volume)
        self._trade(order, price, is_maker=False, reference=reference)

    def _trade(self, order: Working, price: int, *, is_maker: bool, reference: int) -> None:
        if order.spec.time_in_force is TimeInForce.FOK and order.leaves > self._budget:
            return
        size = min(order.leaves, self._budget)
        if size > 0:
            self._budget -= self.execute(order, price, size, is_maker=is_maker, reference=reference)

    # The walk.
    def _first_reached(self, goal: int) -> tuple[Working | None, int] | None:
        """The order that the price meets first on its way to ``goal``, and where."""
        start = self._price
        rising = goal >= start
        best: tuple[int, int, int, Working | None, int] | None = None
        for order in self.working.values():
            level = self._level(order, goal, rising=rising)
            if level is None:
                continue
            key = (abs(level - start), 1 if order.is_limit and not order.armed else 0)
            rank = (*key, order.sequence, order, level)
            if best is None or rank[:3] < best[:3]:
                best = rank
        held, level = self._margin()
        if level is not None and margin.is_liquidated(held, level, goal):
            where = min(level, start) if goal < start else max(level, start)
            if best is None or abs(where - start) <= best[0]:
                return None, where
        return None if best is None else (best[3], best[4])

    def _level(self, order: Working, goal: int, *, rising: bool) -> int | None:
        """Where on this leg the order acts, or None."""
        if order.armed:
            level = self._trigger_level(order)
            if order.rises_to_trigger != rising:
                return None
            reached = goal >= level if rising else goal <= level
            return (
                max(level, self._price)
                if reached and rising
                else (min(level, self._price) if reached else None)
            )
        if not order.is_limit or not self._budget:
            return None
        if order.mid_bar:
            return self._late_level(order, goal)
        if (order.side > 0) == rising:
            return None
        level = order.price
        if self.options.touch_fills:
            reached = goal >= level if rising else goal <= level
        else:
            reached = goal > level if rising else goal < level
        if not reached:
            return None
        return max(level, self._price) if rising else min(level, self._price)

    def _late_level(self, order: Working, goal: int) -> int | None:
        """Where an order that came during the walk trades: only a close beyond it is proof."""
        if len(self._legs) > 1:
            return None
        beyond = (order.price - goal) * order.side
        if beyond < 0 or (not beyond and not self.options.touch_fills):
            return None
        low, high = sorted((self._price, goal))
        return order.price if low <= order.price <= high else goal

    def _reach(self, order: Working, level: int) -> None:
        if order.armed:
            self.trigger(order)
            self.meet(order)
            return
        self._trade(order, order.price, is_maker=True, reference=order.price)

    def _ambiguous_side(self, bar: Bar) -> int:
        """+1 when exits' stop lies above inside the bar with their target, -1 below, else 0."""
        if len(self.working) < 2:
            return 0
        low, high = bar.low_units, bar.high_units
        stops: set[int] = set()
        goals: set[int] = set()
        for order in self.working.values():
            if not order.spec.oco and not order.spec.reduce_only:
                continue
            is_stop = order.armed and order.spec.type in _STOPS
            level = self._trigger_level(order) if is_stop else order.price or order.trigger
            if low <= level <= high:
                (stops if is_stop else goals).add(order.side)
        return next((side for side in (1, -1) if side in stops and side in goals), 0)

    # Triggers.
    def _trigger_level(self, order: Working) -> int:
        if order.spec.type is not _TRAILING:
            return order.trigger
        if order.side < 0:
            return order.best - order.spec.trail
        return order.best + order.spec.trail

    def _is_triggered(self, order: Working, price: int) -> bool:
        level = self._trigger_level(order)
        return price >= level if order.rises_to_trigger else price <= level

    def _follow(self, order: Working, price: int) -> None:
        if order.spec.type is _TRAILING:
            order.best = max(order.best, price) if order.side < 0 else min(order.best, price)

    def _trail(self, price: int) -> None:
        for order in self.working.values():
            if order.armed:
                self._follow(order, price)

    def _margin(self) -> tuple[Position, int | None]:
        account, instrument = self.account, self.instrument
        return account.position(instrument), account.liquidation_level(instrument)

    def _pay_borrow(self, ts: int) -> None:
        """Charge a short position for every UTC day that began since it was last charged."""
        days = ts // _DAY - self.borrow_day
        self.borrow_day = ts // _DAY
        held = self.account.position(self.instrument)
        if held.quantity >= 0 or days <= 0:
            return
        cost = margin.borrow_cost(held, self.account.marks[self.instrument.id], days)
        self.account.wallet -= cost
        held.fees += cost
        self.reports.append(BorrowPaid(ts, self.instrument.id, -cost))

    def _set_price(self, price: int) -> None:
        self._price = self.last = price
        self.account.marks[self.instrument.id] = price

    def _cap(self, volume: int) -> int:
        ratio = self.options.volume_cap_ratio
        if ratio is None or not self.has_volume:
            return 1 << 62
        share = volume * ratio // RATE_SCALE
        return share - share % self.instrument.lot
