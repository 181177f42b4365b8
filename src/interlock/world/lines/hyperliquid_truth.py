"""What happened at Hyperliquid, told as one order where the venue makes several of it.

The venue knows an order by a digest of our id, and replaces an order that is amended: it cancels
one number and takes on another under the same name, for what is left to trade. Whoever looks on
hears of one order under our id, with the quantity of the whole.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.model.order import OrderType
from interlock.sim.hyperliquid_server.rows import tid
from interlock.sim.venue.values import Event, Fill, Order, OrderEvent
from interlock.wire.hyperliquid.cloids import Cloids

_AT_THE_MARKET = frozenset({OrderType.STOP_MARKET, OrderType.TAKE_PROFIT})


class OneOrder:
    """Passes events on to ``observers``. ``asset`` is the place of a symbol in the venue's list."""

    def __init__(self, asset: Callable[[str], int]) -> None:
        self.observers: list[Callable[[Event], None]] = []
        self.cloids = Cloids()
        # Whether what happens now comes of a replacement.
        self.is_replacing = False
        self._asset = asset
        # What the numbers had traded that an order had before, by its present number.
        self._before: dict[int, int] = {}
        self._withheld: OrderEvent | None = None

    def saw(self, event: Event) -> None:
        """Something happened at the venue."""
        if not isinstance(event, OrderEvent):
            self._tell(event)
            return
        order, execution = event.order, event.execution
        if self.is_replacing and execution == "canceled" and self._withheld is None:
            self._withheld = event
            return
        old = None if self._withheld is None else self._withheld.order
        if old is not None and execution == "new" and order.client_id == old.client_id:
            self._withheld = None
            self._before[order.order_id] = self._before.get(old.order_id, 0) + old.filled
            execution = "amended"
        fill = None if event.fill is None else self._fill(event.fill)
        self._tell(
            msgspec.structs.replace(event, order=self.whole(order), execution=execution, fill=fill)
        )

    def settle(self) -> None:
        """A replacement is over: where none came, the order has ended."""
        self.is_replacing = False
        event, self._withheld = self._withheld, None
        if event is not None:
            self._tell(msgspec.structs.replace(event, order=self.whole(event.order)))

    def whole(self, order: Order) -> Order:
        """An order under our id, with what its earlier numbers have traded.

        The worst price that the venue wants of a stop at the market is no price of ours.
        """
        before = self._before.get(order.order_id, 0)
        return msgspec.structs.replace(
            order,
            client_id=self.cloids.original(order.client_id),
            quantity=order.quantity + before,
            filled=order.filled + before,
            price=0 if order.type in _AT_THE_MARKET else order.price,
        )

    def _fill(self, fill: Fill) -> Fill:
        """An execution by the trade id that the venue gives it."""
        return msgspec.structs.replace(
            fill,
            client_id=self.cloids.original(fill.client_id),
            fill_id=tid(fill.fill_id, self._asset(fill.symbol)),
        )

    def _tell(self, event: Event) -> None:
        for observer in self.observers:
            observer(event)
