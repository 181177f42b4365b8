"""One instrument at the simulated venue: the life of working orders, whatever the fidelity.

A fidelity says when and at what price an order meets liquidity; acceptance, filters, triggers,
reduce-only, fees, liquidation and reports are the same for all and are here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import msgspec

from interlock.model.events import (
    CancelRejected,
    Event,
    OrderAccepted,
    OrderCanceled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderUpdated,
    PositionLiquidated,
    UpdateRejected,
)
from interlock.model.instrument import Instrument
from interlock.model.order import OrderSpec, TimeInForce
from interlock.model.units import NANOSECONDS
from interlock.sim import acceptance, liquidation, margin
from interlock.sim.account import Account
from interlock.sim.costs import VenueOptions, worsened
from interlock.sim.working import Working

_IOC = TimeInForce.IOC
_FOK = TimeInForce.FOK

_DAY = 86_400 * NANOSECONDS


class Market:
    """Working orders of one instrument; subclasses add liquidity."""

    def __init__(
        self,
        instrument: Instrument,
        account: Account,
        options: VenueOptions,
        reports: deque[Event],
    ) -> None:
        self.instrument = instrument
        self.account = account
        self.options = options
        self.reports = reports
        self.working: dict[str, Working] = {}
        self.ts = 0
        self.ts_row = 0
        self.last = 0
        self.trades = 0
        self.liquidations = 0
        self._sequence = 0
        self.expiring = False
        self.borrow_day = 0
        # Prices at which the position is liquidated; outside every market while there is none.
        self.floor, self.ceiling = 0, margin.NEVER
        # All markets of the venue: their positions share the account's margin.
        self.peers: Mapping[str, Market] = {instrument.id: self}

    # What a fidelity defines.
    def meet(self, order: Working) -> None:
        """Let an order that has just become active take what is there now."""
        raise NotImplementedError

    def crosses(self, order: Working) -> bool:
        """Whether a limit order would trade on arrival."""
        raise NotImplementedError

    def on_trade(self, ts: int, price: int, quantity: int, side: int) -> None:
        """A trade of others, where the fidelity trades on it."""

    def rest(self, order: Working) -> None:
        """An order takes its place in the queue."""
        order.rested = True

    # The venue's interface.
    def submit(self, ts: int, client_order_id: str, spec: OrderSpec) -> None:
        """Accept or reject an order, and let it trade."""
        self.ts = ts
        fault = self._fault(client_order_id, spec)
        if fault is not None:
            self.reports.append(OrderRejected(ts, client_order_id, fault))
            return
        self._sequence += 1
        order = Working(client_order_id, spec, self._sequence)
        order.best = self.trigger_price(order) or self.last
        self.working[client_order_id] = order
        self.expiring = self.expiring or spec.expire_ts > 0
        self.reports.append(OrderAccepted(ts, client_order_id))
        if not order.armed:
            self.meet(order)

    def settle(self, order: Working) -> None:
        """After meeting liquidity: immediate orders end, the rest takes its place."""
        if not order.leaves or order.client_order_id not in self.working:
            return
        if order.spec.time_in_force in (_IOC, _FOK):
            self.drop(order, "nothing left to take at once")
        elif not order.rested:
            self.rest(order)

    def cancel(self, ts: int, client_order_id: str) -> None:
        """Cancel a working order."""
        self.ts = ts
        order = self.working.pop(client_order_id, None)
        if order is None:
            self.reports.append(CancelRejected(ts, client_order_id, "unknown order"))
            return
        self.removed(order)
        self.reports.append(OrderCanceled(ts, client_order_id))

    def amend(
        self, ts: int, client_order_id: str, *, quantity: int = 0, price: int = 0, trigger: int = 0
    ) -> None:
        """Change an order; a new price or a larger size loses its place in the queue."""
        self.ts = ts
        order = self.working.get(client_order_id)
        if order is None:
            self.reports.append(UpdateRejected(ts, client_order_id, "unknown order"))
            return
        spec = msgspec.structs.replace(
            order.spec,
            quantity=quantity or order.spec.quantity,
            price=price or order.spec.price,
            trigger=trigger or order.spec.trigger,
        )
        filled = order.spec.quantity - order.leaves
        fault = self._amend_fault(spec, filled, order)
        if fault is not None:
            self.reports.append(UpdateRejected(ts, client_order_id, fault))
            return
        loses_place = spec.price != order.price or spec.quantity > order.spec.quantity
        if loses_place and not order.armed:
            self.working.pop(client_order_id)
            self.removed(order)
        order.spec = spec
        order.leaves = spec.quantity - filled
        order.price, order.trigger = spec.price, spec.trigger
        self.reports.append(
            OrderUpdated(ts, client_order_id, spec.quantity, spec.price, spec.trigger)
        )
        if client_order_id not in self.working:
            self._sequence += 1
            order.sequence = self._sequence
            order.rested = False
            self.working[client_order_id] = order
            self.meet(order)

    def removed(self, order: Working) -> None:
        """An order has left the working set; a fidelity may forget its place."""

    def expire(self, ts: int) -> None:
        """End good-till-date orders whose time has come."""
        if not self.expiring:
            return
        for order in list(self.working.values()):
            if 0 < order.spec.expire_ts <= ts:
                self.working.pop(order.client_order_id)
                self.removed(order)
                self.reports.append(
                    OrderExpired(order.spec.expire_ts, order.client_order_id, "good till date")
                )
        self.expiring = any(order.spec.expire_ts for order in self.working.values())

    def trigger(self, order: Working) -> None:
        """A conditional order becomes active."""
        order.armed = False
        self.reports.append(OrderTriggered(self.ts, order.client_order_id))

    def drop(self, order: Working, reason: str) -> None:
        """The venue ends an order."""
        self.working.pop(order.client_order_id, None)
        self.removed(order)
        if order.spec.time_in_force in (_IOC, _FOK):
            self.reports.append(OrderExpired(self.ts, order.client_order_id, reason))
        else:
            self.reports.append(OrderCanceled(self.ts, order.client_order_id, reason))

    def execute(
        self, order: Working, price: int, quantity: int, *, is_maker: bool, reference: int
    ) -> int:
        """Trade ``quantity`` of an order at a price; returns what was traded, in units."""
        instrument, account = self.instrument, self.account
        held = account.position(instrument)
        quantity = min(quantity, order.leaves)
        if order.spec.reduce_only:
            room = abs(held.quantity) if held.quantity * order.side < 0 else 0
            if not room:
                self.drop(order, "reduce-only with nothing to reduce")
                return 0
            quantity = min(quantity, room)
        elif not instrument.is_margined:
            fits = account.affordable(instrument, order.side, quantity, price)
            if fits < quantity:
                if fits:
                    self._book(order, price, fits, is_maker=is_maker, reference=reference)
                if order.client_order_id in self.working:
                    self.drop(order, "insufficient balance")
                return fits
        if quantity <= 0:
            return 0
        self._book(order, price, quantity, is_maker=is_maker, reference=reference)
        return quantity

    def _book(
        self, order: Working, price: int, quantity: int, *, is_maker: bool, reference: int
    ) -> None:
        instrument, account = self.instrument, self.account
        held = account.position(instrument)
        if instrument.borrow_rate_daily and not held.quantity:
            self.borrow_day = self.ts // _DAY
        account.marks[instrument.id] = account.marks.get(instrument.id) or price
        account.wallet += held.fill(quantity * order.side, price)
        rate = instrument.maker_rate if is_maker else instrument.taker_rate
        notional = instrument.notional(price, quantity)
        fee, asset = account.charge(
            instrument, order.side, quantity=quantity, notional=notional, rate=rate
        )
        order.leaves -= quantity
        self.trades += 1
        self.reports.append(
            OrderFilled(
                self.ts,
                order.client_order_id,
                self.trades,
                price,
                quantity,
                fee,
                asset,
                is_maker,
                reference,
            )
        )
        liquidation.guard(self)
        if not order.leaves:
            self.working.pop(order.client_order_id, None)
            self.removed(order)

    def refresh_mark(self) -> None:
        """Bring the account's mark up to the present, where it is not kept so."""

    def liquidate(self, price: int = 0) -> None:
        """Close the position by force at a price (0: the present one), its orders first."""
        price = price or self.last
        held = self.account.position(self.instrument)
        quantity = held.quantity
        for order in list(self.working.values()):
            self.drop(order, "liquidation")
        notional = self.instrument.notional(price, quantity)
        fee = self.instrument.fee(notional, self.options.liquidation_fee_rate)
        self.account.wallet += held.fill(-quantity, price) - fee
        held.fees += fee
        self.liquidations += 1
        liquidation.guard(self)
        self.reports.append(PositionLiquidated(self.ts, self.instrument.id, quantity, price, fee))

    def taker_price(self, order: Working, reference: int, *, size: int, volume: int) -> int:
        """What taking costs: the reference after slippage, within the order's limit."""
        slippage = self.options.slippage
        price = worsened(
            self.instrument, slippage, reference, side=order.side, quantity=size, volume=volume
        )
        if not order.is_limit:
            return price
        return min(price, order.price) if order.side > 0 else max(price, order.price)

    def _fault(self, client_order_id: str, spec: OrderSpec) -> str | None:
        """Why the venue refuses an order, or None: first its form, then what it would risk."""
        if client_order_id in self.working:
            return "duplicate client order id"
        if not self.last:
            return "the instrument has no price yet"
        fault = acceptance.form_fault(self.instrument, spec)
        if fault is not None:
            return fault
        price = spec.price or spec.trigger or self.trigger_price(Working("", spec, 0)) or self.last
        liquidation.refresh_marks(self)
        fault = acceptance.funds_fault(self.instrument, self.account, spec, price=price)
        return fault or acceptance.timing_fault(self, spec)

    def _amend_fault(self, spec: OrderSpec, filled: int, order: Working) -> str | None:
        if spec.quantity <= filled:
            return "the new quantity is already filled"
        fault = acceptance.form_fault(self.instrument, spec)
        if fault is not None or (spec.price == order.price and spec.trigger == order.trigger):
            return fault
        return acceptance.timing_fault(self, spec) if order.armed or spec.post_only else None

    def trigger_price(self, order: Working) -> int:
        """The price that conditional orders watch, in price units."""
        return self.last
