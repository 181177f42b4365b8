"""I14: a position that needs protection has a stop at the venue that covers it, soon enough."""

from __future__ import annotations

from typing import Any

from interlock.model.order import OrderType
from interlock.runtime.settings import SECOND
from interlock.sim.venue.values import AccountEvent, ConditionalEvent, Order, OrderEvent
from interlock.world.exchange import ACCOUNT
from interlock.world.judging import Judge
from interlock.world.scene import Scene

# How long a position may stand uncovered, counted only while an engine trades and the venue can
# be reached: the alarm and the exit at the market come long before.
NAKED_NS = 45 * SECOND
LOOK_NS = 1 * SECOND
_STOPS = frozenset({OrderType.STOP_MARKET, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP})


class Protection(Judge):
    """Watches positions of the venue, from the moment one is uncovered until it is covered."""

    invariants = ("I14",)

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self._naked: dict[str, int] = {}
        self.longest = 0

    def saw(self, event: Any) -> None:
        """Whatever may cover or uncover a position of ours."""
        if not self.scene.protected or isinstance(event, AccountEvent):
            return
        if not isinstance(event, OrderEvent | ConditionalEvent) or event.order.account != ACCOUNT:
            return
        symbol = event.order.symbol
        if symbol not in self._naked and self._missing(symbol):
            self._naked[symbol] = 0
            self.scene.timeline.after(LOOK_NS, self._look, symbol)

    def _missing(self, symbol: str) -> int:
        """Quantity of the position that no stop of ours covers; 0 where strangers trade too."""
        self.checked["I14"] += 1
        held = self.scene.exchange.position(symbol)
        if not held or symbol in self.scene.truth.touched_at:
            return 0
        side = -1 if held > 0 else 1
        stops = [
            order
            for order in self.scene.exchange.conditionals()
            if order.symbol == symbol and order.side == side and order.type in _STOPS
        ]
        for order in stops:
            self._is_exit(order)
        return max(0, abs(held) - sum(order.left for order in stops))

    def _is_exit(self, order: Order) -> None:
        if not order.reduce_only:
            text = f"the stop {order.client_id} could open a position: it is not reduce-only"
            self.demand("I14", False, text)

    def _look(self, symbol: str) -> None:
        missing = self._missing(symbol)
        if not missing:
            del self._naked[symbol]
            return
        if self.may_act():
            self._naked[symbol] += LOOK_NS
            self.longest = max(self.longest, self._naked[symbol])
            if self._naked[symbol] > NAKED_NS:
                seconds = self._naked[symbol] // SECOND
                text = f"{missing} of {symbol} stand without a stop for {seconds} s"
                self.demand("I14", False, text)
        self.scene.timeline.after(LOOK_NS, self._look, symbol)
