"""Fills from the touch and the trades of others.

Rules of this file. A taker trades at the touch for at most the quantity shown there; the rest of a
market order waits for the next quote, the rest of a limit order rests. A resting order joins behind
what the touch shows at its price. Trades at its price eat that queue first, then the order; a trade
beyond its price, or a touch that crosses it, fills it. When the shown quantity falls below what
stood before us, the queue is that quantity: cancels are taken to be behind us (risk averse). A
trade at that price within ``ECHO_NS`` of the fall is what made it fall, and does not shorten the
queue twice.
"""

from __future__ import annotations

from collections import deque

from interlock.model.events import Event
from interlock.model.instrument import Instrument
from interlock.model.order import OrderSpec, OrderType
from interlock.sim import liquidation
from interlock.sim.account import Account
from interlock.sim.costs import VenueOptions
from interlock.sim.market import Market
from interlock.sim.working import UNKNOWN_AHEAD, Working

_LIMIT = OrderType.LIMIT
_TRAILING = OrderType.TRAILING_STOP
_NO_ASK = 1 << 62
ECHO_NS = 100_000_000


class QuoteMarket(Market):
    """Liquidity from quotes and trades."""

    def __init__(
        self,
        instrument: Instrument,
        account: Account,
        options: VenueOptions,
        reports: deque[Event],
    ) -> None:
        super().__init__(instrument, account, options, reports)
        self.bid = 0
        self.ask = 0
        self.bid_quantity = 0
        self.ask_quantity = 0
        # Prices of our best resting orders: an event that reaches neither concerns nobody.
        self._top_buy = 0
        self._top_sell = _NO_ASK
        self._watching = False
        # By order, the part of its queue that a fall of the touch took, and when.
        self._echoes: dict[str, tuple[int, int]] = {}

    def on_quote(self, ts: int, bid: int, bid_quantity: int, ask: int, ask_quantity: int) -> None:
        """A new touch."""
        self.ts = ts
        self.bid, self.bid_quantity = bid, bid_quantity
        self.ask, self.ask_quantity = ask, ask_quantity
        if not self.last:
            self.last = bid or ask
        if bid <= self.floor or ask >= self.ceiling:
            self._mark()
            liquidation.check(self)
        if not self.working:
            return
        if self.expiring:
            self.expire(ts)
        if bid <= self._top_buy or ask >= self._top_sell or self._watching:
            self._mark()
            self._on_touch()

    def on_trade(self, ts: int, price: int, quantity: int, side: int) -> None:
        """A trade of others: it eats the queue before us, then us."""
        self.ts = ts
        self.last = price
        if self.expiring:
            self.expire(ts)
        if price <= self._top_buy and side <= 0:
            self._eat(price, quantity, 1)
        elif price >= self._top_sell and side >= 0:
            self._eat(price, quantity, -1)
        if self._watching:
            self._check_triggers()

    def liquidate(self, price: int = 0) -> None:
        """Close the position by force at a price (0: the touch, or the last price without)."""
        held = self.account.position(self.instrument).quantity
        super().liquidate(price or (self.bid if held > 0 else self.ask))

    def meet(self, order: Working) -> None:
        """Take what the touch shows, as far as the order's price allows."""
        if not order.is_limit or self.crosses(order):
            self._take(order)
        self.settle(order)

    def crosses(self, order: Working) -> bool:
        """Whether a limit order would take the touch."""
        if order.side > 0:
            return 0 < self.ask <= order.price
        return self.bid >= order.price > 0

    def rest(self, order: Working) -> None:
        """Join the queue behind what is shown at our price."""
        order.rested = True
        if not order.is_limit:
            return
        if order.side > 0:
            order.ahead = self._ahead(
                order.price, self.bid, self.bid_quantity, order.price > self.bid
            )
            self._top_buy = max(self._top_buy, order.price)
        else:
            order.ahead = self._ahead(
                order.price, self.ask, self.ask_quantity, order.price < self.ask
            )
            self._top_sell = min(self._top_sell, order.price)

    def submit(self, ts: int, client_order_id: str, spec: OrderSpec) -> None:
        """Accept or reject an order, and let it trade."""
        super().submit(ts, client_order_id, spec)
        if spec.type is not _LIMIT:
            self._watch()

    def removed(self, order: Working) -> None:
        """Forget the place of an order that is gone."""
        self._echoes.pop(order.client_order_id, None)
        if order.spec.type is not _LIMIT:
            self._watch()
        if not order.rested or not order.is_limit:
            return
        if order.side > 0:
            if order.price == self._top_buy:
                self._top_buy = max(self._prices(1), default=0)
        elif order.price == self._top_sell:
            self._top_sell = min(self._prices(-1), default=_NO_ASK)

    def trigger_price(self, order: Working) -> int:
        """Buys watch the ask, sells the bid: the side they will trade at."""
        return self.ask if order.side > 0 else self.bid

    def _prices(self, side: int) -> list[int]:
        return [
            order.price
            for order in self.working.values()
            if order.rested and order.is_limit and order.side == side
        ]

    @staticmethod
    def _ahead(price: int, touch: int, shown: int, inside: bool) -> int:
        if price == touch:
            return shown
        return 0 if inside else UNKNOWN_AHEAD

    def _watch(self) -> None:
        self._watching = any(o.armed or not o.is_limit for o in self.working.values())

    def refresh_mark(self) -> None:
        """Bring the account's mark up to the present touch."""
        self._mark()

    def _mark(self) -> None:
        bid, ask = self.bid, self.ask
        if bid and ask:
            total = bid + ask
            half = total >> 1
            self.account.marks[self.instrument.id] = half + (total & 1 & half)
        elif bid or ask:
            self.account.marks[self.instrument.id] = bid or ask

    def _shorten(self, order: Working, shown: int) -> None:
        """The touch shows less than stood before us."""
        gone = order.ahead - shown
        if gone <= 0:
            return
        if order.ahead < UNKNOWN_AHEAD:
            self._echoes[order.client_order_id] = (self.ts, gone)
        order.ahead = shown

    def _echo(self, order: Working, quantity: int) -> int:
        """What of a trade the touch has told already; it is forgotten once told."""
        ts, gone = self._echoes.pop(order.client_order_id, (0, 0))
        if not gone or self.ts - ts > ECHO_NS:
            return 0
        told = min(gone, quantity)
        if gone > told:
            self._echoes[order.client_order_id] = (ts, gone - told)
        return told

    def _take(self, order: Working) -> None:
        buy = order.side > 0
        touch, shown = (self.ask, self.ask_quantity) if buy else (self.bid, self.bid_quantity)
        size = min(order.leaves, shown)
        if not touch or size <= 0:
            return
        if order.spec.time_in_force == "fok" and size < order.leaves:
            return
        price = self.taker_price(order, touch, size=size, volume=shown)
        done = self.execute(order, price, size, is_maker=False, reference=touch)
        if buy:
            self.ask_quantity -= done
        else:
            self.bid_quantity -= done

    def _on_touch(self) -> None:
        if self._watching:
            self._check_triggers()
        for order in list(self.working.values()):
            if not order.rested or order.client_order_id not in self.working:
                continue
            if not order.is_limit:
                self._take(order)
            elif order.side > 0:
                if 0 < self.ask <= order.price:
                    self._fill_resting(order, order.leaves)
                elif order.price >= self.bid:
                    shown = self.bid_quantity if order.price == self.bid else 0
                    self._shorten(order, shown)
            elif self.bid >= order.price:
                self._fill_resting(order, order.leaves)
            elif order.price <= self.ask:
                shown = self.ask_quantity if order.price == self.ask else 0
                self._shorten(order, shown)

    def _eat(self, price: int, quantity: int, side: int) -> None:
        """A trade's quantity meets our orders of one side, best price and oldest first."""
        queue = [
            order
            for order in self.working.values()
            if order.rested and order.is_limit and order.side == side
        ]
        if len(queue) > 1:
            queue.sort(key=lambda order: (-order.price * side, order.sequence))
        for order in queue:
            beyond = price < order.price if side > 0 else price > order.price
            if beyond:
                self._fill_resting(order, order.leaves)
            elif price == order.price:
                if order.ahead >= UNKNOWN_AHEAD:
                    # A queue that no touch has shown yet stays unknown.
                    continue
                told = self._echo(order, quantity) if self._echoes else 0
                through = max(0, quantity - told - order.ahead)
                order.ahead = max(0, order.ahead - (quantity - told))
                if through:
                    size = min(through, order.leaves)
                    quantity -= size
                    self._fill_resting(order, size)
            else:
                break

    def _fill_resting(self, order: Working, quantity: int) -> None:
        self._mark()
        self.execute(order, order.price, quantity, is_maker=True, reference=order.price)

    def _check_triggers(self) -> None:
        for order in list(self.working.values()):
            if not order.armed or order.client_order_id not in self.working:
                continue
            price = self.trigger_price(order)
            if not price:
                continue
            level = order.trigger
            if order.spec.type is _TRAILING:
                order.best = (
                    max(order.best, price) if order.side < 0 else min(order.best or price, price)
                )
                level = order.best + order.side * order.spec.trail
            if price >= level if order.rises_to_trigger else price <= level:
                self.trigger(order)
                self.meet(order)
                self._watch()
