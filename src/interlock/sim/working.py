"""A working order as the venue keeps it."""

from __future__ import annotations

from interlock.model.order import LIMIT_TYPES, TRIGGERED_TYPES, OrderSpec, OrderType

_TAKE = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)

UNKNOWN_AHEAD = 1 << 62


class Working:
    """An order at the venue."""

    __slots__ = (
        "ahead",
        "armed",
        "best",
        "client_order_id",
        "is_limit",
        "leaves",
        "mid_bar",
        "price",
        "rested",
        "sequence",
        "side",
        "spec",
        "trigger",
    )

    def __init__(self, client_order_id: str, spec: OrderSpec, sequence: int) -> None:
        self.client_order_id = client_order_id
        self.spec = spec
        self.side = spec.side
        self.leaves = spec.quantity
        self.price = spec.price
        self.trigger = spec.trigger
        self.sequence = sequence
        self.is_limit = spec.type in LIMIT_TYPES
        self.armed = spec.type in TRIGGERED_TYPES
        self.best = 0
        self.ahead = 0
        self.mid_bar = False
        self.rested = False

    @property
    def rises_to_trigger(self) -> bool:
        """Whether a rising price triggers it: stops with their side, take-profits against it."""
        return (self.side > 0) != (self.spec.type in _TAKE)
