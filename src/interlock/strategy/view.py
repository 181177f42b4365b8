"""What a strategy may read: a protocol that the kernel satisfies, with no way to write."""

from __future__ import annotations

from typing import Protocol

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.order import OrderSpec, OrderStatus


class PositionView(msgspec.Struct, frozen=True, gc=False):
    """A strategy's position: quantity in base units (signed), money in quote units."""

    quantity: float
    quantity_units: int
    average_price: float
    unrealized: float
    realized: float
    fees: float
    funding: float


class OrderView(Protocol):
    """An order as its strategy may see it."""

    @property
    def client_order_id(self) -> str: ...
    @property
    def spec(self) -> OrderSpec: ...
    @property
    def status(self) -> OrderStatus: ...
    @property
    def filled(self) -> int: ...
    @property
    def leaves(self) -> int: ...
    @property
    def is_open(self) -> bool: ...


class Fill(msgspec.Struct, frozen=True, gc=False):
    """One execution of an own order, in quote and base units."""

    ts_event: int
    ref: int
    instrument: str
    side: int
    quantity: float
    price: float
    fee: float
    is_maker: bool
    tag: str
    quantity_units: int
    price_units: int


class View(Protocol):
    """Read-only access to now, prices, positions, orders and equity."""

    @property
    def ts_event(self) -> int: ...
    @property
    def equity(self) -> float: ...
    @property
    def cash(self) -> float: ...
    def instrument(self, instrument_id: str = "") -> Instrument: ...
    def instruments(self) -> tuple[Instrument, ...]: ...
    def mark(self, instrument_id: str = "") -> float: ...
    def position(self, instrument_id: str = "") -> PositionView: ...
    def position_units(self, instrument_id: str = "") -> int: ...
    def exposure(self, instrument_id: str = "") -> float: ...
    def equity_beside(self, instrument_id: str = "") -> int | None: ...
    def order(self, ref: int) -> OrderView | None: ...
    def is_open(self, ref: int) -> bool: ...
    def open_orders(self, instrument_id: str = "") -> tuple[int, ...]: ...
