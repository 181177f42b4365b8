"""Fills from a record of individual orders, with our true place in its queues.

Rules of this file. They are those of ``depth`` but for what need not be guessed here: the others'
orders and ours stand in one ``OrderBook``, so it is known who stands before us.

- The record's own executions appear in it as changes and deletions of orders, and as trades. Ours
  happen when a trade at our price has eaten what stands before us, when a trade goes beyond our
  price, or when an order of others crosses our price and the record leaves it standing there.
- An order that shrinks at the front of its queue may have been executed: it goes on standing
  before us until a trade at the price explains it, for at most ``ECHO_NS``. Any other order that
  shrinks was canceled in part, and we move up at once.
- An order that grows or changes its price goes to the back of its queue, behind us.
- What we took of an order stays taken while that order stands, one execution per order taken. The
  record goes on as it was: orders behind what we took are not moved, and nobody reacts to us.
- Only an addition brings an order in. A change or deletion of an order that does not stand is
  ignored: recorded venues do send changes after the end of an order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from interlock.model.events import Event
from interlock.model.instrument import Instrument
from interlock.sim.account import Account
from interlock.sim.costs import VenueOptions
from interlock.sim.depth import ECHO_NS, DepthMarket, Queue, take_oldest
from interlock.sim.matching import Incoming, OrderBook, Resting
from interlock.sim.messages import Rows
from interlock.sim.working import Working

_ADD, _DELETE = 1, 3
_OURS = "us"


class Place:
    """Our order in a queue: ``ahead`` = others before it - owed + waiting.

    ``owed`` is traded but still shown, ``waiting`` no longer shown but perhaps not yet traded.
    """

    __slots__ = ("order", "owed", "waiting")

    def __init__(self, order: Working) -> None:
        self.order = order
        self.owed = 0
        self.waiting: deque[tuple[int, int]] = deque()

    def leaves_before(self, ts: int, quantity: int, *, is_front: bool) -> None:
        """Others before us show less."""
        if not is_front:
            self.order.ahead = max(0, self.order.ahead - quantity)
            return
        known = min(quantity, self.owed)
        self.owed -= known
        if quantity > known:
            self.waiting.append((ts, quantity - known))

    def eaten(self, quantity: int) -> None:
        """A trade met others before us."""
        quantity = min(quantity, self.order.ahead)
        self.order.ahead -= quantity
        shown = max(0, quantity - sum(size for _, size in self.waiting))
        take_oldest(self.waiting, quantity - shown)
        self.owed += shown

    def settle(self, ts: int) -> None:
        """What no trade has explained in time was canceled."""
        while self.waiting and self.waiting[0][0] < ts - ECHO_NS:
            self.order.ahead = max(0, self.order.ahead - self.waiting.popleft()[1])


class FlowQueue(Queue):
    """Our places at one price of an order book."""

    __slots__ = ("_book", "_key", "_places")

    def __init__(self, book: OrderBook, key: int) -> None:
        super().__init__(0, 0)
        self._book = book
        self._key = key
        self._places: list[Place] = []

    def join(self, order: Working, ts: int) -> None:
        """An order goes to the back."""
        side = order.side
        others = self._book.queue(side, side * self._key)
        order.ahead = sum(other.quantity for other in others if other.owner != _OURS)
        self._book.rest(
            Incoming(
                order_id=order.client_order_id,
                side=side,
                quantity=order.leaves,
                price=side * self._key,
                owner=_OURS,
            )
        )
        self.orders.append(order)
        self._places.append(Place(order))

    def leave(self, order: Working) -> None:
        """An order is gone."""
        at = self.orders.index(order)
        del self.orders[at], self._places[at]
        self._book.cancel(order.client_order_id)

    def show(self, ts: int, shown: int) -> None:
        """The orders said what the price shows; ours is brought to what is left of it."""
        for order in self.orders:
            more = self._book.order(order.client_order_id).quantity - order.leaves
            if more > 0:
                self._book.reduce(order.client_order_id, more)

    def shrinks(self, ts: int, other: Resting, *, quantity: int, is_cancel: bool) -> None:
        """An order of others at the price is about to get smaller by ``quantity``."""
        standing = self._book.queue(other.side, other.price)
        front = next(order for order in standing if order.owner != _OURS)
        behind = [order.order_id for order in standing[standing.index(other) :]]
        for place in self._places:
            place.settle(ts)
            if place.order.client_order_id in behind:
                place.leaves_before(ts, quantity, is_front=other is front and not is_cancel)

    def trade(self, ts: int, quantity: int) -> list[tuple[Working, int]]:
        """A trade at the price; returns how much of it reaches which order."""
        reached = []
        for place in self._places:
            place.settle(ts)
            order = place.order
            size = min(order.leaves, max(0, quantity - order.ahead))
            place.eaten(quantity)
            if size:
                reached.append((order, size))
                quantity -= size
        return reached


class OrderFlowMarket(DepthMarket):
    """Liquidity from individual orders and trades."""

    def __init__(
        self,
        instrument: Instrument,
        account: Account,
        options: VenueOptions,
        reports: deque[Event],
    ) -> None:
        super().__init__(instrument, account, options, reports)
        self.orders = OrderBook()
        # Here by order, not by level.
        self._taken: dict[int, int] = {}

    # The record.
    def on_orders(self, ts: int, ids: Sequence[int], actions: Sequence[int], rows: Rows) -> None:
        """Events of one time: order ids, actions, then sides, prices and remaining quantities."""
        for key, action, side, price, quantity in zip(ids, actions, *rows, strict=True):
            if key in self.orders:
                gone = action == _DELETE or quantity <= 0
                self._change(ts, self.orders.order(key), price, 0 if gone else quantity)
            elif action == _ADD and quantity > 0 and price > 0:
                self._add(key, side, price, quantity)
        self.after_message(ts)

    def on_depth(self, ts: int, rows: Rows, *, is_snapshot: bool = False) -> None:
        """Levels beside the orders change nothing: fills have one source."""

    def _add(self, key: int, side: int, price: int, quantity: int) -> None:
        self.orders.rest(Incoming(order_id=key, side=side, quantity=quantity, price=price))
        self._shift(side, price, quantity)

    def _change(self, ts: int, other: Resting, price: int, quantity: int) -> None:
        """An order of others goes on with this price and quantity; quantity 0 ends it."""
        key, side = other.order_id, other.side
        moves = quantity > other.quantity or (quantity > 0 and price != other.price)
        less = other.quantity if moves else other.quantity - quantity
        if not less:
            return
        queue = self._queues.get(side * other.price)
        if isinstance(queue, FlowQueue):
            queue.shrinks(ts, other, quantity=less, is_cancel=moves)
        self._shift(side, other.price, -less)
        self.orders.reduce(key, less)
        assert isinstance(key, int)
        if moves and price > 0:
            self._add(key, side, price, quantity)
        if key not in self.orders:
            self._taken.pop(key, None)

    def _shift(self, side: int, price: int, change: int) -> None:
        book = self.book
        shown = book.quantity_units(side, price)
        book.set_level(side, price, quantity=shown + change)

    def queue_at(self, key: int) -> Queue:
        """A queue for a price at which we begin to rest."""
        return FlowQueue(self.orders, key)

    # Liquidity.
    def offers(self, side: int, limit: int, *, need: int) -> list[tuple[int, int, int]]:
        """What an order may take now: (order id, price, quantity), best and oldest first."""
        found = []
        blocked = self._blocked(side)
        for other in self.orders.side(-side):
            if need <= 0 or (limit and (other.price - limit) * side > 0):
                break
            key = other.order_id
            if not isinstance(key, int):
                continue
            shown = max(0, other.quantity - self._taken.get(key, 0))
            passed = min(blocked, shown)
            blocked -= passed
            if shown > passed:
                found.append((key, other.price, shown - passed))
                need -= shown - passed
        return found

    def _forget_taken(self) -> None:
        """What we took is forgotten with its order, not with its level."""
