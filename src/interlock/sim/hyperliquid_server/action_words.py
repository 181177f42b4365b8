"""The words of the actions that clients send, and who sends them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from interlock.sim.hyperliquid_server.orders import OrderWords

Response = dict[str, object]


class Caller(msgspec.Struct, frozen=True):
    """Who acts, for which account, and when."""

    ts: int
    address: str
    account: str


Handler = Callable[[Caller, dict[str, object]], Response]


class Builder(msgspec.Struct):
    """Who is named for a share of the fee: tenths of a basis point."""

    b: str
    f: int


class PlaceWords(msgspec.Struct):
    """Orders of one action."""

    orders: list[OrderWords]
    grouping: Literal["na", "normalTpsl", "positionTpsl"] | dict[str, object] = "na"
    builder: Builder | None = None


class CancelWords(msgspec.Struct):
    """A cancel by number."""

    a: int
    o: int


class CloidWords(msgspec.Struct):
    """A cancel by cloid."""

    asset: int
    cloid: str


class ModifyWords(msgspec.Struct):
    """A replacement."""

    oid: int | str
    order: OrderWords


class LeverageWords(msgspec.Struct, rename="camel"):
    """Leverage of an asset."""

    asset: int
    is_cross: bool
    leverage: int


class MarginWords(msgspec.Struct, rename="camel"):
    """Isolated margin to add, in micro-dollars."""

    asset: int
    is_buy: bool
    ntli: int


def length_of(action: dict[str, object]) -> int:
    """How many orders, cancels or changes an action has: what it counts as."""
    for name in ("orders", "cancels", "modifies"):
        batch = action.get(name)
        if isinstance(batch, list):
            return max(1, len(batch))
    return 1


def is_cancel(action: dict[str, object]) -> bool:
    """Whether an action has the larger budget of cancels."""
    return action.get("type") in ("cancel", "cancelByCloid")
