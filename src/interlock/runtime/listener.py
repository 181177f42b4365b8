"""What the streams of a venue tell, handed to the part that it concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from interlock.model.venue import (
    BalanceSeen,
    FillSeen,
    OrderSeen,
    PaymentSeen,
    PositionSeen,
    Stream,
    StreamChanged,
)
from interlock.runtime.desk import Desk
from interlock.runtime.fills import Fills
from interlock.runtime.orders_check import OrdersCheck
from interlock.runtime.reconcile import Reconciler
from interlock.runtime.startup import Startup

# Why a wallet moved, where executions tell the rest.
TRADED = frozenset({"", "ORDER"})


class Listener:
    """One method per thing that a stream tells; ``takes`` finds it by the event's class."""

    def __init__(
        self, orders: OrdersCheck, fills: Fills, reconciler: Reconciler, startup: Startup
    ) -> None:
        self.desk: Desk = fills.desk
        self.freshness = fills.gate.freshness
        self.orders = orders
        self.fills = fills
        self.reconciler = reconciler
        self.startup = startup
        self.takes: dict[type, Callable[[Any], None]] = {
            OrderSeen: self._order,
            FillSeen: self._fill,
            PositionSeen: self._position,
            BalanceSeen: self._balance,
            PaymentSeen: self._payment,
            StreamChanged: self._stream,
        }

    def _order(self, event: OrderSeen) -> None:
        order = event.order
        self.freshness.user_heard()
        if order.instrument in self.desk.state.instruments:
            self.orders.seen(order, self.orders.name_of(order), asked=0)

    def _fill(self, event: FillSeen) -> None:
        self.freshness.user_heard()
        self.fills.take(event.fill, "stream")

    def _position(self, event: PositionSeen) -> None:
        """A hint only: executions are the source of a position."""
        self.freshness.user_heard()
        position, settings = event.position, self.desk.settings
        slot = self.desk.state.instruments.get(position.instrument)
        if slot is not None and slot.net.quantity != position.quantity:
            since = self.desk.ts - settings.fills_overlap_ns
            self.fills.fetch(position.instrument, since, delay=settings.fill_grace_ns)

    def _balance(self, event: BalanceSeen) -> None:
        """A sign of life, and of a payment where no trade moved the wallet: it is fetched."""
        self.freshness.user_heard()
        if event.cause.upper() not in TRADED:
            self.reconciler.want("payment")

    def _payment(self, event: PaymentSeen) -> None:
        self.freshness.user_heard()
        self.reconciler.cash.take(event.payment)

    def _stream(self, event: StreamChanged) -> None:
        self.freshness.changed(event)
        self.desk.tell("STREAM_UP" if event.is_up else "STREAM_DOWN", event.stream, event.reason)
        if event.stream is Stream.USER and event.is_up:
            self.startup.connected()
