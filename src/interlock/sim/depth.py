"""Fills from every level of the book, with an estimate of our place in its queues.

Rules of this file. The book is the record's, without our orders: history does not know of us and
does not react to us. What that means is stated here once, for this fidelity and for order flow.

- A taker walks the levels from the best on, one execution per level. What it took is gone for us:
  the record still shows it, so a level offers what it shows less what we took there, and that
  debt falls only when the level itself falls below it. Nothing else of ours moves the market.
- A resting order joins behind everything the book shows at its price.
- A trade at our price eats what stands before us, then us. A trade beyond our price would have met
  us first and fills us, up to its quantity. A book that comes to cross our price fills us, up to
  what it shows there. The rest of our order goes on resting.
- A level that shrinks was traded or canceled, and the trade may be reported before or after the
  book. Trades that came before are subtracted. For ``ECHO_NS`` after a shrink, a trade at that
  price is taken to be the same execution. Only what no trade explains is a cancel.
- A cancel came from before or from behind us. ``risk_averse``: from behind, while there is anyone.
  ``power:n``: from before us by the share front^n / (front^n + back^n), rounded down, so that more
  of the longer part cancels; ``power`` is n = 2 and ``proportional`` n = 1.
- While a record shows a crossed book, the crossing quantity is taken to trade within the record.
"""

from __future__ import annotations

from collections import deque

from interlock.model.events import Event
from interlock.model.instrument import Instrument
from interlock.model.market import Book
from interlock.model.order import TimeInForce
from interlock.sim import liquidation
from interlock.sim.account import Account
from interlock.sim.costs import VenueOptions
from interlock.sim.messages import Rows
from interlock.sim.quotes import QuoteMarket
from interlock.sim.working import Working

ECHO_NS = 100_000_000
_POWERS = {"risk_averse": 0, "proportional": 1, "power": 2}
_POWER_MAX = 8


def queue_power(name: str) -> int:
    """The exponent of a queue model by its name; 0 is risk averse."""
    head, _, tail = name.partition(":")
    if head == "power" and tail.isdecimal() and 0 < int(tail) <= _POWER_MAX:
        return int(tail)
    if name not in _POWERS:
        raise ValueError(
            f"queue model {name!r} is not known; use risk_averse, proportional, power or "
            f"power:n with n from 1 to {_POWER_MAX}"
        )
    return _POWERS[name]


def after_cancel(front: int, level: int, *, canceled: int, power: int) -> int:
    """What stands before us when ``canceled`` of a level goes, in quantity units."""
    back = level - front
    share = 0
    if power and front:
        weight = front**power
        share = canceled * weight // (weight + back**power)
    return front - share - max(0, canceled - share - back)


class Queue:
    """The others at one price where we rest, and our places among them.

    ``Working.ahead`` counts shrinks that still wait for their trade as standing before us.
    """

    __slots__ = ("_power", "_shrunk", "_waiting", "level", "orders")

    def __init__(self, power: int, level: int) -> None:
        self.level = level
        self.orders: list[Working] = []
        self._power = power
        self._shrunk = 0
        self._waiting: deque[tuple[int, int]] = deque()

    def join(self, order: Working, ts: int) -> None:
        """An order goes to the back."""
        self._settle(ts)
        order.ahead = self.level
        self.orders.append(order)

    def leave(self, order: Working) -> None:
        """An order is gone."""
        self.orders.remove(order)

    def show(self, ts: int, shown: int) -> None:
        """The book shows a new quantity at the price."""
        self._settle(ts)
        change = shown - (self.level - self._shrunk)
        if change > 0:
            self.level += change
        elif change:
            self._shrunk -= change
            self._waiting.append((ts, -change))

    def trade(self, ts: int, quantity: int) -> list[tuple[Working, int]]:
        """A trade at the price; returns how much of it reaches which order."""
        self._settle(ts)
        self._shrunk -= take_oldest(self._waiting, min(quantity, self._shrunk))
        self.level = max(0, self.level - quantity)
        reached = []
        for order in self.orders:
            size = min(order.leaves, max(0, quantity - order.ahead))
            order.ahead = min(self.level, max(0, order.ahead - quantity))
            if size:
                reached.append((order, size))
                quantity -= size
        return reached

    def _settle(self, ts: int) -> None:
        # What no trade has explained in time was canceled.
        while self._waiting and self._waiting[0][0] < ts - ECHO_NS:
            _, canceled = self._waiting.popleft()
            for order in self.orders:
                order.ahead = after_cancel(
                    order.ahead, self.level, canceled=canceled, power=self._power
                )
            self.level -= canceled
            self._shrunk -= canceled


def take_oldest(waiting: deque[tuple[int, int]], quantity: int) -> int:
    """Take a quantity off a queue of (time, quantity) from its oldest entry on; returns it."""
    left = quantity
    while left:
        ts, first = waiting.popleft()
        if first > left:
            waiting.appendleft((ts, first - left))
            break
        left -= first
    return quantity


class DepthMarket(QuoteMarket):
    """Liquidity from aggregated levels and trades. Sides of levels are the signs of their keys."""

    def __init__(
        self,
        instrument: Instrument,
        account: Account,
        options: VenueOptions,
        reports: deque[Event],
    ) -> None:
        super().__init__(instrument, account, options, reports)
        self.book = Book(instrument)
        self._power = queue_power(options.queue)
        self._queues: dict[int, Queue] = {}
        # What we took and the record still shows, by level.
        self._taken: dict[int, int] = {}

    # The record.
    def on_depth(self, ts: int, rows: Rows, *, is_snapshot: bool = False) -> None:
        """One message: sides, prices and new absolute quantities of its levels."""
        book = self.book
        if is_snapshot:
            book.clear()
        book.update(rows)
        self.after_message(ts)

    def after_message(self, ts: int) -> None:
        """The book has changed: our queues move, what it crosses fills."""
        self.ts = self.book.ts_event = ts
        self.bid, self.ask = self.book.bid_units, self.book.ask_units
        if not self.last:
            self.last = self.bid or self.ask
        if self._taken:
            self._forget_taken()
        if self.bid <= self.floor or self.ask >= self.ceiling:
            self._mark()
            liquidation.check(self)
        if self.expiring:
            self.expire(ts)
        if not self.working:
            return
        for key, queue in self._queues.items():
            queue.show(ts, self._shown(key))
        self._mark()
        if self._watching or 0 < self.ask <= self._top_buy or self.bid >= self._top_sell:
            self._on_touch()

    def on_quote(self, ts: int, bid: int, bid_quantity: int, ask: int, ask_quantity: int) -> None:
        """A touch beside the book is for strategies only: fills have one source."""

    # Our places.
    def rest(self, order: Working) -> None:
        """Join the queue behind what the book shows at our price."""
        order.rested = True
        if not order.is_limit:
            return
        if order.side > 0:
            self._top_buy = max(self._top_buy, order.price)
        else:
            self._top_sell = min(self._top_sell, order.price)
        key = order.side * order.price
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = self.queue_at(key)
        queue.join(order, self.ts)

    def queue_at(self, key: int) -> Queue:
        """A queue for a price at which we begin to rest."""
        return Queue(self._power, self._shown(key))

    def removed(self, order: Working) -> None:
        """Forget the place of an order that is gone."""
        super().removed(order)
        if order.rested and order.is_limit:
            key = order.side * order.price
            queue = self._queues[key]
            queue.leave(order)
            if not queue.orders:
                del self._queues[key]

    # Liquidity.
    def offers(self, side: int, limit: int, *, need: int) -> list[tuple[int, int, int]]:
        """What an order may take now: (key of what is taken, price, quantity), best first."""
        book, found = self.book, []
        blocked = self._blocked(side)
        for price in book.prices(-side):
            if need <= 0 or (limit and (price - limit) * side > 0):
                break
            key = -side * price
            shown = book.quantity_units(-side, price) - self._taken.get(key, 0)
            passed = min(blocked, max(0, shown))
            blocked -= passed
            if shown > passed:
                found.append((key, price, shown - passed))
                need -= shown - passed
        return found

    def _take(self, order: Working) -> None:
        limit = order.price if order.is_limit else 0
        found = self.offers(order.side, limit, need=order.leaves)
        shown = sum(quantity for _, _, quantity in found)
        if order.spec.time_in_force is TimeInForce.FOK and shown < order.leaves:
            return
        best = found[0][1] if found else 0
        for key, level, quantity in found:
            size = min(order.leaves, quantity)
            price = self.taker_price(order, level, size=size, volume=quantity)
            if not self._execute_against(order, key, price, size, reference=best):
                return

    def _execute_against(
        self, order: Working, key: int, price: int, size: int, *, reference: int
    ) -> bool:
        """Trade with something of the book; False when the order is over or can go no further."""
        is_maker = order.rested and order.is_limit
        done = self.execute(order, price, size, is_maker=is_maker, reference=reference)
        if done:
            self._taken[key] = self._taken.get(key, 0) + done
        return bool(done) and order.client_order_id in self.working

    def _on_touch(self) -> None:
        if self._watching:
            self._check_triggers()
        for order in list(self.working.values()):
            if order.rested and not order.is_limit and order.client_order_id in self.working:
                self._take(order)
        for side in (1, -1):
            for order in self._resting(side):
                if order.client_order_id not in self.working:
                    continue
                for key, _, size in self.offers(side, order.price, need=order.leaves):
                    size = min(size, order.leaves)
                    if not self._execute_against(
                        order, key, order.price, size, reference=order.price
                    ):
                        break

    def _eat(self, price: int, quantity: int, side: int) -> None:
        for order in self._resting(side):
            if not quantity or (order.price - price) * side <= 0:
                break
            # The trade went on to a worse price than ours: it would have met us before.
            size = min(quantity, order.leaves)
            quantity -= size
            self._fill_resting(order, size)
        queue = self._queues.get(side * price)
        if queue is not None and quantity:
            for order, size in queue.trade(self.ts, quantity):
                self._fill_resting(order, size)

    def _resting(self, side: int) -> list[Working]:
        """Our resting limit orders of one side, best price and oldest first."""
        found = [o for o in self.working.values() if o.rested and o.is_limit and o.side == side]
        return sorted(found, key=lambda order: (-order.price * side, order.sequence))

    def _blocked(self, side: int) -> int:
        """Others of our side whose trade with the crossing part of the book is still to come."""
        if not 0 < self.ask <= self.bid:
            return 0
        against = self.ask if side > 0 else self.bid
        total = 0
        for price in self.book.prices(side):
            if (price - against) * side < 0:
                break
            total += self.book.quantity_units(side, price)
        return total

    # What is known of the book.
    def _mark(self) -> None:
        mark = self.book.mark_units
        if mark:
            self.account.marks[self.instrument.id] = mark

    def _shown(self, key: int) -> int:
        return self.book.bids.get(key, 0) if key > 0 else self.book.asks.get(-key, 0)

    def _forget_taken(self) -> None:
        self._taken = {
            key: min(taken, shown)
            for key, taken in self._taken.items()
            if (shown := self._shown(key))
        }
