"""Effects: what the kernel asks the world to do. Imperative, frozen."""

from __future__ import annotations

import msgspec

from interlock.model.order import OrderSpec


class SubmitOrder(msgspec.Struct, frozen=True, array_like=True, tag="submit", gc=False):
    """Send one order under its client order id, at most once."""

    ts_event: int
    strategy: str
    client_order_id: str
    spec: OrderSpec


class CancelOrder(msgspec.Struct, frozen=True, array_like=True, tag="cancel", gc=False):
    """Ask the venue to cancel one order."""

    ts_event: int
    client_order_id: str
    instrument: str


class AmendOrder(msgspec.Struct, frozen=True, array_like=True, tag="amend", gc=False):
    """Ask the venue to change total quantity, price or trigger; 0 leaves a value as it is."""

    ts_event: int
    client_order_id: str
    instrument: str
    quantity: int = 0
    price: int = 0
    trigger: int = 0


class SetTimer(msgspec.Struct, frozen=True, array_like=True, tag="set_timer", gc=False):
    """Wake the strategy at ``ts_due``."""

    ts_event: int
    strategy: str
    name: str
    ts_due: int


Effect = SubmitOrder | CancelOrder | AmendOrder | SetTimer
