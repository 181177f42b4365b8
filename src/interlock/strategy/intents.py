"""Intents: what a strategy wants. The kernel turns them into orders, or denies them."""

from __future__ import annotations

import msgspec

from interlock.model.order import OrderSpec


class Place(msgspec.Struct, frozen=True, gc=False):
    """Place one order; ``ref`` is the strategy's own number for it."""

    ref: int
    spec: OrderSpec


class Cancel(msgspec.Struct, frozen=True, gc=False):
    """Cancel the order with this reference."""

    ref: int


class CancelAll(msgspec.Struct, frozen=True, gc=False):
    """Cancel every open order on an instrument."""

    instrument: str


class Amend(msgspec.Struct, frozen=True, gc=False):
    """Change total quantity, price or trigger (units); 0 leaves a value as it is."""

    ref: int
    quantity: int = 0
    price: int = 0
    trigger: int = 0


class Target(msgspec.Struct, frozen=True, gc=False):
    """Bring the position to a signed quantity (units), or to a share of equity (1e-6)."""

    ref: int
    instrument: str
    quantity: int | None = None
    exposure: int | None = None
    band: int = 0
    tag: str = ""


class Timer(msgspec.Struct, frozen=True, gc=False):
    """Call ``on_timer(name)`` at ``ts_due``."""

    name: str
    ts_due: int


Intent = Place | Cancel | CancelAll | Amend | Target | Timer
