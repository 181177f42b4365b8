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

from interlock.model.events import BorrowPaid, Event
from interlock.model.instrument import Instrument
from interlock.model.market import Bar
from interlock.model.order import OrderType, TimeInForce
from interlock.model.units import RATE_SCALE
from interlock.sim import liquidation, margin, walk
from interlock.sim.account import Account
from interlock.sim.costs import VenueOptions
from interlock.sim.margin import NEVER
from interlock.sim.market import Market
from interlock.sim.working import Working

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
        level = self.account.liquidation_level(self.instrument)
        held = self.account.position(self.instrument)
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
        stop_side = walk.ambiguous_side(self.working.values(), bar.low_units, bar.high_units)
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
                walk.follow(self.working.values(), goal)
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
            walk.follow((order,), price)
            if walk.is_triggered(order, price):
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

    def _first_reached(self, goal: int) -> tuple[Working | None, int] | None:
        """What the price meets first on its way: an order, or the position's liquidation (None)."""
        leg = walk.Leg(
            self._price,
            goal,
            is_last=len(self._legs) == 1,
            touches=self.options.touch_fills,
            is_open=self._budget > 0,
        )
        found = walk.first_reached(self.working.values(), leg)
        account, instrument = self.account, self.instrument
        level = account.liquidation_level(instrument)
        held = account.position(instrument)
        if level is None or not margin.is_liquidated(held, level, goal):
            return found
        # Passed already, by a fill or a payment since the last price: here, whatever the way.
        where = leg.start if margin.is_liquidated(held, level, leg.start) else level
        if found is not None and abs(where - leg.start) > abs(found[1] - leg.start):
            return found
        return None, where

    def _reach(self, order: Working, level: int) -> None:
        if order.armed:
            self.trigger(order)
            self.meet(order)
            return
        if order.mid_bar or level == order.price:
            self._trade(order, order.price, is_maker=True, reference=order.price)
        else:
            # The price had passed it while there was nothing to reduce: it takes what is there.
            self._take(order, level)

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
        liquidation.guard(self)
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
