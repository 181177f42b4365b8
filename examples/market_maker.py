"""A market maker on quotes: rest on both sides, lean against the inventory, never take by accident.

Quantities and prices are compared as integers of the instrument's units, as an exchange has them:
"is there room for one more order" and "has my wanted price moved" then have one answer. An order
is replaced only when its wanted price has moved by more than ``patience_bps``, because a replaced
order goes to the back of its queue.
"""

from interlock.strategy.api import Strategy, price_units, quantity_units
from interlock.strategy.parameters import param

SECOND = 10**9


class MarketMaker(Strategy):
    """Earns the spread while the market goes nowhere; leaves when it runs away."""

    quantity: float = param(0.01, 1e-8, text="base units of one order")
    inventory: float = param(0.05, 1e-8, text="base units held at most, long or short")
    half_spread_bps: float = param(0.5, 0.0, 100.0, text="distance from the fair price")
    skew_bps: float = param(1.0, 0.0, 100.0, text="shift of the fair price at full inventory")
    patience_bps: float = param(0.2, 0.0, 100.0, text="move of the wanted price worth an order")
    stop_bps: float = param(15.0, 1.0, 1000.0, text="loss on the inventory at which to leave")
    pause: int = param(30, 1, 3600, text="seconds to stay away after a stop")

    def on_start(self):
        self.instrument = self.view.instrument()
        self.size = quantity_units(self.instrument, self.quantity)
        self.most = quantity_units(self.instrument, self.inventory)
        self.orders = {1: 0, -1: 0}  # reference of the resting order on each side
        self.leaving = False
        self.away = False

    def on_quote(self, quote):
        position = self.view.position()
        if self.leaving:
            self.leave(position)
        elif self.is_stopped(position):
            self.leaving = True
            self.leave(position)
        elif not self.away:
            fair = self.fair(quote, position)
            half = fair * self.half_spread_bps / 10_000
            # Never above the best bid or below the best ask: a maker waits.
            self.keep_quote(1, min(fair - half, quote.bid), position.quantity_units)
            self.keep_quote(-1, max(fair + half, quote.ask), position.quantity_units)

    def on_timer(self, name):
        self.away = False

    def fair(self, quote, position):
        """The middle of the touch, moved against the inventory so that it drains."""
        middle = (quote.bid + quote.ask) / 2
        filled = position.quantity_units / self.most
        return middle * (1.0 - filled * self.skew_bps / 10_000)

    def keep_quote(self, side, price, held):
        """Keep one order at the wanted price; a new one leaves only when the old one is over."""
        order = self.view.order(self.orders[side])
        if order is None:
            if side * held + self.size <= self.most:
                self.orders[side] = self.limit(side, self.quantity, price, post_only=True)
            return
        wanted = price_units(self.instrument, price, up=side < 0)
        if abs(order.spec.price - wanted) * 10_000 > wanted * self.patience_bps:
            self.cancel(self.orders[side])

    def is_stopped(self, position):
        """Whether the inventory has lost more than it may."""
        value = abs(position.quantity) * position.average_price
        return position.unrealized < -value * self.stop_bps / 10_000

    def leave(self, position):
        """Cancel what rests, then close at the market, then stay away for a while."""
        if self.view.open_orders():
            self.cancel_all()
        elif position.quantity:
            side = -1 if position.quantity > 0 else 1
            self.market(side, abs(position.quantity), reduce_only=True, tag="stop")
        else:
            self.leaving, self.away = False, True
            self.timer("return", self.view.ts_event + self.pause * SECOND)
