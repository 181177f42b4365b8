"""A small venue in memory: the truth that the live core is held to, with queries that may lag.

It matches against one price per instrument, keeps ids unique among open orders only, as real
venues do, and remembers every state with its time, so that a lagging query can be answered as of
then. It is no simulator of markets; it is the other side of an account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from interlock.kernel.positions import Position
from interlock.model.instrument import Instrument
from interlock.model.order import TERMINAL, TRIGGERED_TYPES, OrderSpec, OrderStatus, OrderType
from interlock.model.venue import (
    FillSeen,
    OrderSeen,
    VenueBalance,
    VenueEvent,
    VenueFill,
    VenueOrder,
    VenuePosition,
)
from interlock.sim import chance

S = OrderStatus
FEE_RATE = 400


class Splitmix(chance.Splitmix):
    """The same seed gives the same run in every process."""

    def below(self, most: int) -> int:
        return self.draw() % most

    def chance(self, share: float) -> bool:
        return self.below(1_000_000) < share * 1_000_000


@dataclass
class Held:
    """One order at the venue with every state it went through."""

    order: VenueOrder
    spec: OrderSpec
    is_triggered: bool = False
    states: list[tuple[int, VenueOrder]] = field(default_factory=list)

    def as_of(self, ts: int) -> VenueOrder | None:
        found = None
        for when, order in self.states:
            if when <= ts:
                found = order
        return found


class ToyVenue:
    """One account. ``tell`` hears what the user stream would say, in order."""

    def __init__(
        self, instruments: list[Instrument], seed: int, tell: Callable[[VenueEvent], None]
    ) -> None:
        self.instruments = {item.id: item for item in instruments}
        self.price = {item.id: 100_00 for item in instruments}
        self.orders: dict[str, Held] = {}
        self.fills: list[VenueFill] = []
        self.positions = {item.id: Position(item) for item in instruments}
        self.wallet = 1_000_000 * 10**8
        self.wallets: list[tuple[int, int]] = [(0, self.wallet)]
        self.random = Splitmix(seed)
        self.tell = tell
        self.lists_conditional = True
        self._next = 1

    # What can be asked of it.
    def place(self, ts: int, client_order_id: str, spec: OrderSpec) -> VenueOrder | str:
        open_ids = {h.order.client_order_id for h in self.open()}
        if client_order_id in open_ids:
            return "DUPLICATE_ID"
        held = self.positions[spec.instrument].quantity
        if spec.reduce_only and held * spec.side >= 0:
            return "REDUCE_ONLY"
        number = str(self._next)
        self._next += 1
        quantity = spec.quantity
        order = VenueOrder(
            instrument=spec.instrument,
            client_order_id=client_order_id,
            venue_order_id=number,
            side=spec.side,
            type=spec.type,
            status=S.ACCEPTED,
            quantity=quantity,
            price=spec.price,
            trigger=spec.trigger,
            time_in_force=spec.time_in_force,
            reduce_only=spec.reduce_only,
            ts_venue=ts,
        )
        self.orders[number] = entry = Held(order, spec)
        self._set(ts, entry, order)
        self._match(ts, entry)
        if spec.time_in_force in ("ioc", "fok") and entry.order.status not in TERMINAL:
            self._set(ts, entry, msgspec.structs.replace(entry.order, status=S.EXPIRED))
        return entry.order

    def cancel(self, ts: int, client_order_id: str) -> VenueOrder | str:
        entry = self._open_by(client_order_id)
        if entry is None:
            return "UNKNOWN_ORDER"
        self._set(ts, entry, msgspec.structs.replace(entry.order, status=S.CANCELED))
        return entry.order

    def amend(self, ts: int, client_order_id: str, spec: OrderSpec) -> VenueOrder | str:
        entry = self._open_by(client_order_id)
        if entry is None:
            return "UNKNOWN_ORDER"
        if spec.quantity <= entry.order.filled:
            self._set(ts, entry, msgspec.structs.replace(entry.order, status=S.CANCELED))
            return entry.order
        entry.spec = spec
        changed = msgspec.structs.replace(
            entry.order, quantity=spec.quantity, price=spec.price, trigger=spec.trigger
        )
        self._set(ts, entry, changed)
        self._match(ts, entry)
        return entry.order

    def move(self, ts: int, instrument: str, price: int) -> None:
        """The price moves, and orders meet it."""
        self.price[instrument] = price
        for entry in list(self.open()):
            if entry.order.instrument == instrument:
                self._match(ts, entry)

    # What it says when asked, as of a time.
    def order_as_of(self, ts: int, client_order_id: str) -> VenueOrder | None:
        found = None
        for entry in self.orders.values():
            if entry.order.client_order_id == client_order_id:
                found = entry.as_of(ts) or found
        return found

    def numbered_as_of(self, ts: int, venue_order_id: str) -> VenueOrder | None:
        entries = self.orders.values()
        return next(
            (e.as_of(ts) for e in entries if e.order.venue_order_id == venue_order_id), None
        )

    def open_as_of(self, ts: int) -> tuple[VenueOrder, ...]:
        states = (entry.as_of(ts) for entry in self.orders.values())
        return tuple(o for o in states if o is not None and o.status not in TERMINAL)

    def fills_as_of(self, ts: int, instrument: str, ts_from: int) -> tuple[VenueFill, ...]:
        return tuple(
            f for f in self.fills if f.instrument == instrument and ts_from <= f.ts_venue <= ts
        )

    def positions_as_of(self, ts: int) -> tuple[VenuePosition, ...]:
        totals = dict.fromkeys(self.instruments, 0)
        for f in self.fills:
            if f.ts_venue <= ts:
                totals[f.instrument] += f.side * f.quantity
        return tuple(VenuePosition(instrument=k, quantity=q) for k, q in totals.items() if q)

    def balances_as_of(self, ts: int) -> tuple[VenueBalance, ...]:
        wallet = [wallet for when, wallet in self.wallets if when <= ts][-1]
        return (VenueBalance(asset="USDT", wallet=wallet),)

    def open(self) -> list[Held]:
        return [entry for entry in self.orders.values() if entry.order.status not in TERMINAL]

    def _open_by(self, client_order_id: str) -> Held | None:
        return next((h for h in self.open() if h.order.client_order_id == client_order_id), None)

    def _match(self, ts: int, entry: Held) -> None:
        spec, price = entry.spec, self.price[entry.order.instrument]
        if spec.type in TRIGGERED_TYPES and not entry.is_triggered:
            is_stop = spec.type in (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
            beyond = (price - spec.trigger) * spec.side >= 0
            if beyond != is_stop:
                return
            entry.is_triggered = True
            self._set(ts, entry, msgspec.structs.replace(entry.order, status=S.TRIGGERED))
        if spec.price and (spec.price - price) * spec.side < 0:
            return
        left = entry.order.quantity - entry.order.filled
        if not spec.price or self.random.chance(0.5):
            self._fill(ts, entry, left, price)
        else:
            lot = self.instruments[spec.instrument].lot
            self._fill(ts, entry, max(lot, left // 2 // lot * lot), spec.price)

    def _fill(self, ts: int, entry: Held, quantity: int, price: int) -> None:
        order = entry.order
        instrument = self.instruments[order.instrument]
        position = self.positions[order.instrument]
        if order.reduce_only:
            quantity = min(quantity, max(0, -position.quantity * order.side))
        if not quantity:
            self._set(ts, entry, msgspec.structs.replace(order, status=S.EXPIRED))
            return
        fee = instrument.fee(instrument.notional(price, quantity), FEE_RATE)
        self.wallet += position.fill(order.side * quantity, price) - fee
        self.wallets.append((ts, self.wallet))
        fill = VenueFill(
            instrument=order.instrument,
            trade_id=len(self.fills) + 1,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            side=order.side,
            price=price,
            quantity=quantity,
            fee=fee,
            fee_asset="USDT",
            is_maker=False,
            ts_venue=ts,
        )
        self.fills.append(fill)
        filled = order.filled + quantity
        status = S.FILLED if filled >= order.quantity else S.PARTIALLY_FILLED
        self._set(ts, entry, msgspec.structs.replace(order, filled=filled, status=status))
        self.tell(FillSeen(ts_event=ts, fill=fill))
        if order.reduce_only and not position.quantity and status is not S.FILLED:
            self._set(ts, entry, msgspec.structs.replace(entry.order, status=S.EXPIRED))

    def _set(self, ts: int, entry: Held, order: VenueOrder) -> None:
        entry.order = msgspec.structs.replace(order, ts_venue=ts)
        entry.states.append((ts, entry.order))
        self.tell(OrderSeen(ts_event=ts, order=entry.order))
