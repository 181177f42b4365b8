"""The orders that we sent: what the venue leaves out of its words about them.

An amendment replaces an order by another number under the same cloid, for what is left to trade.
Here both stay one order: quantities are those of the whole, and the end of a number that was
replaced is not the end of the order. While an amendment is under way the end of its order is
withheld, because a stream that may have lost the replacement does not tell which of the two it was:
the answer does, and so does a question by our id, which finds the newest number.
"""

from __future__ import annotations

from collections import OrderedDict

import msgspec

from interlock.model.order import LIMIT_TYPES, TERMINAL, TRIGGERED_TYPES, OrderSpec, OrderStatus
from interlock.model.venue import AmendRequest, PlaceRequest, VenueFill, VenueOrder
from interlock.wire.hyperliquid.cloids import Cloids

_KEPT = 20_000
# Ends that the replacement of an order has too; a filled one is filled whatever comes.
_WITHOUT_REST = TERMINAL - {OrderStatus.FILLED}


class Executions(msgspec.Struct):
    """What numbers of one order have traded, by trade id."""

    by_number: dict[str, dict[int, int]] = {}

    def add(self, fill: VenueFill) -> None:
        """An execution was told, perhaps once more."""
        self.by_number.setdefault(fill.venue_order_id, {})[fill.trade_id] = fill.quantity

    def of(self, number: str) -> int:
        """What one number has traded."""
        return sum(self.by_number.get(number, {}).values())

    def before(self, number: str) -> int:
        """What the numbers before one have traded."""
        return sum(self.of(other) for other in self.by_number if int(other) < int(number))

    @property
    def total(self) -> int:
        """What all of them have traded."""
        return sum(self.of(number) for number in self.by_number)


class Held(msgspec.Struct):
    """One order of ours. ``told`` is what its states, ``fills`` what executions said it traded."""

    spec: OrderSpec
    number: str = ""
    told: int = 0
    fills: Executions = msgspec.field(default_factory=Executions)
    base_told: int = 0
    past: tuple[str, ...] = ()
    amending: AmendRequest | None = None
    withheld: VenueOrder | None = None

    @property
    def filled(self) -> int:
        """What all its numbers have traded."""
        return max(self.told, self.fills.total)

    @property
    def base(self) -> int:
        """What the numbers that it had before have traded."""
        return max(self.base_told, sum(self.fills.of(number) for number in self.past))


class Earlier(msgspec.Struct):
    """An order of an earlier process: what it has traded, and what it waits for if it is a stop.

    The stream's form of an order has no type and no trigger; that of questions has.
    """

    fills: Executions = msgspec.field(default_factory=Executions)
    stop: VenueOrder | None = None


class KnownOrders:
    """Our orders by client order id; the oldest are forgotten when there are very many."""

    def __init__(self, cloids: Cloids) -> None:
        self.cloids = cloids
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._earlier: OrderedDict[str, Earlier] = OrderedDict()

    def sent(self, request: PlaceRequest) -> None:
        """An order leaves under its id."""
        self.cloids.remember(request.client_order_id)
        self._held[request.client_order_id] = Held(spec=request.spec)
        if len(self._held) > _KEPT:
            name, _ = self._held.popitem(last=False)
            self.cloids.forget(name)

    def traded(self, client_order_id: str) -> int | None:
        """What an order has traded as far as it was told; None for one that we did not send."""
        held = self._held.get(client_order_id)
        return None if held is None else held.filled

    def learn(self, request: AmendRequest, order: VenueOrder) -> None:
        """Take over an order of an earlier process, as the venue holds it."""
        number = order.venue_order_id
        fills = self._earlier.pop(request.client_order_id, Earlier()).fills
        held = Held(spec=request.spec, number=number, fills=fills, told=order.filled)
        held.past = tuple(other for other in fills.by_number if int(other) < int(number))
        held.told = max(held.told, held.base + order.filled)
        self._held[request.client_order_id] = held

    def amending(self, request: AmendRequest) -> None:
        """An amendment leaves; until it is settled the order's end is withheld."""
        self._held[request.client_order_id].amending = request

    def amended(self, request: AmendRequest, number: str) -> None:
        """The venue holds the replacement under a new number."""
        self._move(self._held[request.client_order_id], request.spec, number)

    def settle(self, client_order_id: str) -> VenueOrder | None:
        """The amendment is over without a replacement: the end that was withheld, if any."""
        held = self._held.get(client_order_id)
        if held is None:
            return None
        order, held.withheld, held.amending = held.withheld, None, None
        return order

    def release(self, client_order_id: str) -> None:
        """Nobody can tell by the stream what became of an amendment: questions tell the end."""
        self.settle(client_order_id)

    def fill(self, fill: VenueFill) -> None:
        """An execution was told, by the stream or by a list, perhaps once more."""
        name = fill.client_order_id
        held = self._held.get(name)
        if held is not None:
            held.fills.add(fill)
        elif self.cloids.knows(name):
            self._of(name).fills.add(fill)

    def whole(self, order: VenueOrder, *, is_newest: bool = False) -> VenueOrder | None:
        """The order with what the venue left out; None for what says nothing about the whole.

        ``is_newest`` when the venue was asked by our id: an order that has ended was not replaced.
        """
        held, number = self._held.get(order.client_order_id), order.venue_order_id
        if held is None:
            return self._of_earlier(order)
        if number in held.past:
            return None
        if held.number and number != held.number:
            if int(number) < int(held.number):
                return None
            spec = held.amending.spec if held.amending is not None else held.spec
            self._move(held, spec, number)
        held.number = number
        if held.amending is not None and order.status in _WITHOUT_REST:
            if not is_newest:
                held.withheld = order
                return None
            held.amending = held.withheld = None
        return self._completed(held, order)

    def _of(self, client_order_id: str) -> Earlier:
        found = self._earlier.setdefault(client_order_id, Earlier())
        if len(self._earlier) > _KEPT:
            self._earlier.popitem(last=False)
        return found

    def _of_earlier(self, order: VenueOrder) -> VenueOrder:
        """An order of an earlier process, with what the numbers that it had before have traded."""
        name = order.client_order_id
        if order.type in TRIGGERED_TYPES and self.cloids.knows(name):
            self._of(name).stop = order
        earlier = self._earlier.get(name)
        if earlier is None:
            return order
        stop, before = earlier.stop, earlier.fills.before(order.venue_order_id)
        if stop is not None and order.type not in TRIGGERED_TYPES:
            order = msgspec.structs.replace(
                order,
                type=stop.type,
                trigger=stop.trigger,
                price=order.price if stop.type in LIMIT_TYPES else 0,
            )
        is_begun = before and order.status is OrderStatus.ACCEPTED
        return msgspec.structs.replace(
            order,
            status=OrderStatus.PARTIALLY_FILLED if is_begun else order.status,
            quantity=before + order.quantity,
            filled=before + order.filled,
        )

    def _move(self, held: Held, spec: OrderSpec, number: str) -> None:
        if held.number and held.number != number:
            held.past = (*held.past, held.number)
            # Executions of the new number may have come before the word of it.
            held.base_told = max(held.told, held.fills.before(number))
        held.spec, held.number = spec, number
        held.amending = held.withheld = None

    def _completed(self, held: Held, order: VenueOrder) -> VenueOrder:
        spec = held.spec
        filled = held.base + order.filled
        held.told = max(held.told, filled)
        status = order.status
        if filled and status is OrderStatus.ACCEPTED:
            status = OrderStatus.PARTIALLY_FILLED
        return msgspec.structs.replace(
            order,
            type=spec.type,
            status=status,
            quantity=held.base + order.quantity,
            filled=filled,
            price=order.price if spec.type in LIMIT_TYPES else 0,
            trigger=order.trigger or spec.trigger,
            time_in_force=spec.time_in_force,
            reduce_only=spec.reduce_only,
        )
