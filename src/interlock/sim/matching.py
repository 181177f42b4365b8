"""One order book of individual orders, matched by price and then by time.

The rules of this file. It is the plain statement of how a venue matches, and the oracle for every
faster or coarser model: it prefers one obvious way over speed.

- A better price trades first; at one price the older order trades first.
- A trade happens at the resting order's price; the incoming order keeps what that saves.
- A resting order keeps its place when it gets smaller. It goes to the back when its price changes
  or it grows, and then meets the book like a new order.
- What an incoming order may not keep on the book ends: the rest of a market or immediate order,
  the whole of a fill-or-kill that cannot be filled at once, a post-only order that would take.
- Where both sides of a trade have one owner, ``SelfTrade`` says who yields. An order with an empty
  owner is nobody's own.

Deliberately absent: money, fees, clocks, ticks, stops and good-till-date. They belong to the venue
around the book; here prices and quantities are integers of whatever unit the caller uses. Nothing
is drawn from a clock or from chance, so equal calls give equal books.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from interlock.model.order import TimeInForce

OrderId = int | str
_IMMEDIATE = (TimeInForce.IOC, TimeInForce.FOK)


class BookError(ValueError):
    """A request that does not fit the book."""


class SelfTrade(StrEnum):
    """Who yields when both sides of a trade have one owner."""

    ALLOW = "allow"
    CANCEL_INCOMING = "cancel_incoming"
    CANCEL_RESTING = "cancel_resting"
    CANCEL_BOTH = "cancel_both"


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """An order on its way in: side +1 buy or -1 sell; price 0 is a market order."""

    order_id: OrderId
    side: int
    quantity: int
    price: int = 0
    owner: str = ""
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False


def check(order: Incoming) -> None:
    """Refuse an order that contradicts itself, whatever the book."""
    if order.side not in (1, -1):
        raise BookError(f"side {order.side} must be +1 (buy) or -1 (sell)")
    if order.quantity <= 0 or order.price < 0:
        raise BookError(
            f"order {order.order_id!r}: quantity {order.quantity} must be positive and price "
            f"{order.price} must not be negative"
        )
    if order.post_only and (not order.price or order.time_in_force in _IMMEDIATE):
        raise BookError(f"order {order.order_id!r} is post-only and must be able to rest")


class Resting(msgspec.Struct, kw_only=True):
    """An order on the book; ``quantity`` is what is still open. Only the book changes it."""

    order_id: OrderId
    side: int
    quantity: int
    price: int
    owner: str = ""
    post_only: bool = False


class Match(msgspec.Struct, frozen=True):
    """One trade; ``side`` is the taker's, ``maker_left`` what stays open of the maker."""

    price: int
    quantity: int
    side: int
    taker: OrderId
    maker: OrderId
    maker_left: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request: quantity = traded + resting + ended.

    ``reason`` says why ``ended`` is not 0; ``yielded`` names resting orders that were canceled to
    prevent a trade of an owner with itself.
    """

    trades: tuple[Match, ...] = ()
    resting: int = 0
    ended: int = 0
    reason: str = ""
    yielded: tuple[OrderId, ...] = ()


def _is_own(rule: SelfTrade, order: Incoming, maker: Resting) -> bool:
    return rule is not SelfTrade.ALLOW and bool(order.owner) and order.owner == maker.owner


class OrderBook:
    """Resting orders of one instrument."""

    def __init__(self, self_trade: SelfTrade = SelfTrade.ALLOW) -> None:
        self.self_trade = self_trade
        self._orders: dict[OrderId, Resting] = {}
        # Dictionaries keep the order of arrival, which is the queue at a price. Buyers' prices
        # are stored negative, so that on either side the best key is the smallest.
        self._queues: dict[int, dict[int, dict[OrderId, Resting]]] = {1: {}, -1: {}}
        self._keys: dict[int, list[int]] = {1: [], -1: []}

    # Requests.
    def place(self, order: Incoming) -> Outcome:
        """Match an order and rest what may rest; raises BookError when it contradicts itself."""
        self._check(order)
        if order.post_only and self.crosses(order.side, order.price):
            return Outcome(ended=order.quantity, reason="a post-only order would take")
        if order.time_in_force is TimeInForce.FOK and _fillable(self, order) < order.quantity:
            return Outcome(ended=order.quantity, reason="the whole cannot be filled at once")
        left, trades, yielded, stopped = self._match(order)
        if not left:
            return Outcome(trades=trades, yielded=yielded)
        immediate = order.time_in_force in _IMMEDIATE
        if stopped or immediate or not order.price:
            reason = "self-trade prevention" if stopped else "nothing left to take at once"
            return Outcome(trades=trades, yielded=yielded, ended=left, reason=reason)
        self._put(order, left)
        return Outcome(trades=trades, yielded=yielded, resting=left)

    def rest(self, order: Incoming) -> None:
        """Put an order at the back of its queue without matching it.

        For rebuilding a recorded book, which may stand crossed until its record reports the trade.
        """
        self._check(order)
        if not order.price:
            raise BookError(f"order {order.order_id!r} needs a price to rest")
        self._put(order, order.quantity)

    def cancel(self, order_id: OrderId) -> Resting:
        """Take an order off the book; returns it as it was."""
        order = self.order(order_id)
        self._remove(order)
        return order

    def reduce(self, order_id: OrderId, quantity: int) -> int:
        """Take ``quantity`` off an order, which keeps its place; returns what stays open."""
        order = self.order(order_id)
        if not 0 < quantity <= order.quantity:
            raise BookError(
                f"order {order_id!r} has {order.quantity} open and cannot be reduced by "
                f"{quantity}; reduce by 1 to {order.quantity}"
            )
        order.quantity -= quantity
        if not order.quantity:
            self._remove(order)
        return order.quantity

    def amend(self, order_id: OrderId, *, price: int, quantity: int) -> Outcome:
        """Give an order a new price and open quantity. Only getting smaller keeps its place."""
        order = self.order(order_id)
        if price <= 0 or quantity <= 0:
            raise BookError(
                f"order {order_id!r} cannot be amended to {quantity} at {price}; both must be "
                "positive, and an end is a cancel"
            )
        if price == order.price and quantity <= order.quantity:
            order.quantity = quantity
            return Outcome(resting=quantity)
        if order.post_only and self.crosses(order.side, price):
            raise BookError(f"order {order_id!r} is post-only and would take at {price}")
        self._remove(order)
        return self.place(
            Incoming(
                order_id=order_id,
                side=order.side,
                quantity=quantity,
                price=price,
                owner=order.owner,
                post_only=order.post_only,
            )
        )

    # Views.
    def __contains__(self, order_id: OrderId) -> bool:
        return order_id in self._orders

    def __len__(self) -> int:
        return len(self._orders)

    def __iter__(self) -> Iterator[Resting]:
        """Every order: buys, then sells, each side best price and oldest first."""
        for side in (1, -1):
            yield from self.side(side)

    def side(self, side: int) -> Iterator[Resting]:
        """The orders of one side, best price and oldest first."""
        for key in self._keys[side]:
            yield from self._queues[side][key].values()

    def order(self, order_id: OrderId) -> Resting:
        """A resting order by its id."""
        found = self._orders.get(order_id)
        if found is None:
            raise BookError(f"order {order_id!r} does not rest on this book; it is over or unknown")
        return found

    def best(self, side: int) -> int:
        """The best price of a side, 0 when the side is empty."""
        keys = self._keys[side]
        return -side * keys[0] if keys else 0

    def crosses(self, side: int, price: int) -> bool:
        """Whether an order of this side and price (0 = market) would take."""
        best = self.best(-side)
        return best > 0 and (not price or (best - price) * side <= 0)

    def queue(self, side: int, price: int) -> tuple[Resting, ...]:
        """The orders at one price, oldest first."""
        return tuple(self._queues[side].get(-side * price, {}).values())

    def levels(self, side: int, count: int = 0) -> list[tuple[int, int]]:
        """(price, quantity) of the best ``count`` levels of a side; 0 = all."""
        keys = self._keys[side][: count or None]
        return [
            (-side * key, sum(order.quantity for order in self._queues[side][key].values()))
            for key in keys
        ]

    def ahead(self, order_id: OrderId) -> int:
        """The quantity that stands before an order at its own price."""
        order = self.order(order_id)
        total = 0
        for other in self._queues[order.side][-order.side * order.price].values():
            if other is order:
                break
            total += other.quantity
        return total

    # Matching.
    def _match(self, order: Incoming) -> tuple[int, tuple[Match, ...], tuple[OrderId, ...], bool]:
        left = order.quantity
        trades: list[Match] = []
        yielded: list[OrderId] = []
        while left and self.crosses(order.side, order.price):
            key = self._keys[-order.side][0]
            maker = next(iter(self._queues[-order.side][key].values()))
            if _is_own(self.self_trade, order, maker):
                if self.self_trade is not SelfTrade.CANCEL_INCOMING:
                    self._remove(maker)
                    yielded.append(maker.order_id)
                if self.self_trade is not SelfTrade.CANCEL_RESTING:
                    return left, tuple(trades), tuple(yielded), True
                continue
            size = min(left, maker.quantity)
            left -= size
            maker.quantity -= size
            if not maker.quantity:
                self._remove(maker)
            trades.append(
                Match(maker.price, size, order.side, order.order_id, maker.order_id, maker.quantity)
            )
        return left, tuple(trades), tuple(yielded), False

    def _check(self, order: Incoming) -> None:
        check(order)
        if order.order_id in self._orders:
            raise BookError(f"order id {order.order_id!r} rests already; use a new id")

    def _put(self, order: Incoming, quantity: int) -> None:
        resting = Resting(
            order_id=order.order_id,
            side=order.side,
            quantity=quantity,
            price=order.price,
            owner=order.owner,
            post_only=order.post_only,
        )
        key = -order.side * order.price
        queue = self._queues[order.side].get(key)
        if queue is None:
            queue = self._queues[order.side][key] = {}
            insort(self._keys[order.side], key)
        queue[order.order_id] = resting
        self._orders[order.order_id] = resting

    def _remove(self, order: Resting) -> None:
        key = -order.side * order.price
        queue = self._queues[order.side][key]
        del queue[order.order_id]
        del self._orders[order.order_id]
        if not queue:
            del self._queues[order.side][key]
            keys = self._keys[order.side]
            keys.pop(bisect_left(keys, key))


def _fillable(book: OrderBook, order: Incoming) -> int:
    """How much would trade now, without touching the book."""
    total = 0
    for maker in book.side(-order.side):
        if order.price and (maker.price - order.price) * order.side > 0:
            break
        if not _is_own(book.self_trade, order, maker):
            total += maker.quantity
        elif book.self_trade is not SelfTrade.CANCEL_RESTING:
            break
    return total
