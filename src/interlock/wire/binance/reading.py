"""REST bodies as values of the model; anything that does not fit the protocol is a WireFault."""

from __future__ import annotations

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.order import OrderStatus
from interlock.model.units import MONEY_EXPONENT
from interlock.model.venue import Payment, VenueBalance, VenueFill, VenueOrder, VenuePosition
from interlock.wire.binance.fault import WireFault, units
from interlock.wire.binance.payloads import (
    AlgoPayload,
    BalancePayload,
    IncomePayload,
    OrderPayload,
    PositionPayload,
    TradePayload,
)
from interlock.wire.binance.terms import (
    ALGO_STATUSES,
    LIFETIMES,
    MILLISECOND,
    SIDES,
    STATUSES,
    TYPES,
    Listing,
    instrument_id_of,
    meaning,
)

# The names by which the venue marks orders that it made itself.
FORCED_PREFIXES = {
    "autoclose-": "liquidation",
    "adl_autoclose": "adl",
    "settlement_autoclose-": "settlement",
}


LINKS_KEPT = 4096


class Links:
    """Which conditional order made which order: the venue gives the child another client id.

    The newest links are kept; one that is gone is learned again when its parent is asked about.
    """

    __slots__ = ("_children", "_parents")

    def __init__(self) -> None:
        self._parents: dict[str, VenueOrder] = {}
        self._children: dict[str, str] = {}

    def learn(self, child_id: str, parent: VenueOrder) -> None:
        """The order ``child_id`` was made by the trigger of ``parent``."""
        self._parents[child_id] = parent
        self._children[parent.client_order_id] = child_id
        if len(self._parents) > LINKS_KEPT:
            gone = self._parents.pop(next(iter(self._parents)))
            self._children.pop(gone.client_order_id, None)

    def parent(self, child_id: str) -> VenueOrder | None:
        """The conditional order that made this one, None when none is known."""
        return self._parents.get(child_id)

    def child(self, client_order_id: str) -> str:
        """The venue's number of the order that a conditional one became, or an empty text."""
        return self._children.get(client_order_id, "")


def order(body: OrderPayload, listing: Listing, links: Links) -> VenueOrder:
    """An order as the venue holds it; a child of a trigger goes by its parent's client id."""
    instrument = listing.by_symbol(body.symbol)
    kind = meaning(TYPES, body.orig_type or body.type, "order type")
    quantity = quantity_units(body.orig_qty, instrument, "origQty")
    filled = quantity_units(body.executed_qty, instrument, "executedQty")
    status = meaning(STATUSES, body.status, "order status")
    check_filled(status, quantity, filled)
    parent = links.parent(str(body.order_id))
    read = VenueOrder(
        instrument=instrument.id,
        client_order_id=body.client_order_id,
        venue_order_id=str(body.order_id),
        side=meaning(SIDES, body.side, "side"),
        type=kind,
        status=status,
        quantity=quantity,
        filled=filled,
        price=price_units(body.price, instrument, "price"),
        trigger=price_units(body.stop_price, instrument, "stopPrice"),
        time_in_force=meaning(LIFETIMES, body.time_in_force, "timeInForce"),
        reduce_only=body.reduce_only,
        reason=forced_reason(body.client_order_id),
        ts_venue=body.update_time * MILLISECOND,
    )
    return as_parent(read, parent) if parent else read


def as_parent(child: VenueOrder, parent: VenueOrder) -> VenueOrder:
    """What a trigger made, under the client id, type and trigger of the conditional order.

    That it rests says of the conditional order that it has triggered.
    """
    is_resting = child.status is OrderStatus.ACCEPTED
    return msgspec.structs.replace(
        child,
        client_order_id=parent.client_order_id,
        type=parent.type,
        trigger=parent.trigger,
        status=OrderStatus.TRIGGERED if is_resting else child.status,
    )


def algo(body: AlgoPayload, listing: Listing, links: Links) -> VenueOrder:
    """A conditional order; after its trigger it carries the id of the order that it made."""
    instrument = listing.by_symbol(body.symbol)
    read = VenueOrder(
        instrument=instrument.id,
        client_order_id=body.client_algo_id,
        venue_order_id=body.actual_order_id or str(body.algo_id),
        side=meaning(SIDES, body.side, "side"),
        type=meaning(TYPES, body.order_type, "orderType"),
        status=meaning(ALGO_STATUSES, body.algo_status, "algoStatus"),
        quantity=quantity_units(body.quantity, instrument, "quantity"),
        price=price_units(body.price, instrument, "price"),
        trigger=price_units(body.trigger_price, instrument, "triggerPrice"),
        time_in_force=meaning(LIFETIMES, body.time_in_force, "timeInForce"),
        reduce_only=body.reduce_only,
        ts_venue=body.update_time * MILLISECOND,
    )
    if body.actual_order_id:
        links.learn(body.actual_order_id, read)
    return read


def fill(body: TradePayload, listing: Listing, links: Links) -> VenueFill:
    """An execution. The venue names its order by the venue's id only."""
    instrument = listing.by_symbol(body.symbol)
    parent = links.parent(str(body.order_id))
    return VenueFill(
        instrument=instrument.id,
        trade_id=body.id,
        client_order_id=parent.client_order_id if parent else "",
        venue_order_id=str(body.order_id),
        side=meaning(SIDES, body.side, "side"),
        price=positive(price_units(body.price, instrument, "price"), "price"),
        quantity=positive(quantity_units(body.qty, instrument, "qty"), "qty"),
        fee=money(body.commission, "commission"),
        fee_asset=body.commission_asset,
        is_maker=body.maker,
        ts_venue=body.time * MILLISECOND,
    )


def position(body: PositionPayload, listing: Listing) -> VenuePosition:
    """A position; a symbol that is not listed is a fault unless it is flat."""
    if body.position_side != "BOTH":
        raise WireFault(
            f"{body.symbol} has a position of side {body.position_side}; "
            "set the account to one-way mode"
        )
    instrument = listing.by_symbol(body.symbol)
    return VenuePosition(
        instrument=instrument.id,
        quantity=units(body.position_amt, instrument.quantity_exponent, "positionAmt"),
        entry=body.entry_price,
        liquidation=body.liquidation_price,
        ts_venue=body.update_time * MILLISECOND,
    )


def balance(body: BalancePayload) -> VenueBalance:
    """A wallet."""
    return VenueBalance(
        asset=body.asset,
        wallet=money(body.balance, "balance"),
        available=money(body.available_balance, "availableBalance"),
    )


def payment(body: IncomePayload) -> Payment:
    """A line of income; its id is unique together with its kind."""
    return Payment(
        kind=body.income_type.lower(),
        instrument=instrument_id_of(body.symbol) if body.symbol else "",
        asset=body.asset,
        amount=money(body.income, "income"),
        payment_id=f"{body.income_type}:{body.tran_id}:{body.asset}",
        ts_venue=body.time * MILLISECOND,
    )


def price_units(text: str, instrument: Instrument, what: str) -> int:
    """Price units of a text that is not negative."""
    return not_negative(units(text, instrument.price_exponent, what), what)


def quantity_units(text: str, instrument: Instrument, what: str) -> int:
    """Quantity units of a text that is not negative."""
    return not_negative(units(text, instrument.quantity_exponent, what), what)


def money(text: str, what: str) -> int:
    """Money units."""
    return units(text, MONEY_EXPONENT, what)


def not_negative(value: int, what: str) -> int:
    """The value, or a fault."""
    if value < 0:
        raise WireFault(f"{what} is negative: {value} units")
    return value


def positive(value: int, what: str) -> int:
    """The value, or a fault: an execution of nothing, or for nothing, did not happen."""
    if value <= 0:
        raise WireFault(f"{what} of an execution must be positive, got {value} units")
    return value


def check_filled(status: OrderStatus, quantity: int, filled: int) -> None:
    """Refuse an order whose status and quantities contradict each other."""
    if filled > quantity > 0:
        raise WireFault(f"executed {filled} of {quantity} units")
    if status is OrderStatus.FILLED and filled < quantity:
        raise WireFault(f"FILLED with {filled} of {quantity} units")


def forced_reason(client_id: str) -> str:
    """Why the venue made this order itself, empty for everybody else's."""
    for prefix, reason in FORCED_PREFIXES.items():
        if client_id.startswith(prefix):
            return reason
    return ""
