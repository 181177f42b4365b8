"""Parameters of an order as a ticket of the exchange core."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.model.order import LIMIT_TYPES, TRIGGERED_TYPES, OrderType, TimeInForce
from interlock.sim.binance_server.views import LIFETIMES, ORDER_TYPES
from interlock.sim.venue.values import OrderTicket
from interlock.wire.binance.parameters import ApiFault, Parameters
from interlock.wire.binance.terms import LIFETIMES as LIFETIME_MEANINGS
from interlock.wire.binance.terms import SIDES, TYPES

_SECOND_MS = 1_000
_GOOD_TILL_LEAST_MS = 600 * _SECOND_MS
_GOOD_TILL_MOST_MS = 253_402_300_799_000


def read_ticket(
    parameters: Parameters,
    instrument: Instrument,
    *,
    now_ms: int,
    is_conditional: bool,
    is_free: bool = False,
) -> OrderTicket:
    """The ticket, or the venue's error. ``is_free`` lets conditional types stand on ``order``."""
    side = parameters.word("side", SIDES, code=-1117, text="Invalid side.")
    word = parameters.word("type", ORDER_TYPES, code=-1116, text="Invalid orderType.")
    kind = TYPES[word]
    is_triggered = kind in TRIGGERED_TYPES
    if is_triggered and not is_conditional and not is_free:
        raise ApiFault(
            -4120,
            "Order type not supported for this endpoint. Please use the Algo Order API "
            "endpoints instead.",
        )
    if is_conditional and not is_triggered:
        raise ApiFault(-1116, "Invalid orderType.")
    lifetime, post_only, expires = _lifetime(parameters, kind, now_ms)
    ticket = OrderTicket(
        symbol=instrument.id,
        side=SIDES[side],
        quantity=_quantity(parameters, instrument),
        type=kind,
        price=_price(parameters, instrument, "price") if kind in LIMIT_TYPES else 0,
        time_in_force=lifetime,
        post_only=post_only,
        expire_ts=expires,
        reduce_only=parameters.flag("reduceOnly"),
        close_position=parameters.flag("closePosition"),
        client_id=parameters.client_id("clientAlgoId" if is_conditional else "newClientOrderId"),
        working_type=_working(parameters),
        position_side=_position_side(parameters),
        is_conditional=is_conditional,
    )
    if is_triggered:
        _read_trigger(parameters, instrument, ticket, is_conditional)
    return ticket


def _read_trigger(
    parameters: Parameters, instrument: Instrument, ticket: OrderTicket, is_conditional: bool
) -> None:
    if ticket.type is OrderType.TRAILING_STOP:
        parameters.need("callbackRate")
        # Percent in, 1e-6 out: a percentage of four decimals is whole.
        ticket.callback_rate = parameters.units("callbackRate", 4)
        if not 1_000 <= ticket.callback_rate <= 100_000:
            raise ApiFault(-2007, "Invalid callBack rate.")
        name = "activatePrice" if "activatePrice" in parameters else "activationPrice"
        ticket.activation = parameters.units(name, instrument.price_exponent)
        return
    name = "triggerPrice" if is_conditional else "stopPrice"
    ticket.trigger = _price(parameters, instrument, name)


def _quantity(parameters: Parameters, instrument: Instrument) -> int:
    if parameters.flag("closePosition"):
        if "quantity" in parameters:
            raise ApiFault(-4136, "Target strategy invalid for orderType, closePosition, true.")
        return 0
    parameters.need("quantity")
    quantity = parameters.units("quantity", instrument.quantity_exponent)
    if quantity <= 0:
        raise ApiFault(-4003, "Quantity less than or equal to zero.")
    if quantity < instrument.min_quantity:
        raise ApiFault(-4004, "Quantity less than min quantity.")
    if instrument.max_quantity and quantity > instrument.max_quantity:
        raise ApiFault(-4005, "Quantity greater than max quantity.")
    return quantity


def _price(parameters: Parameters, instrument: Instrument, name: str) -> int:
    parameters.need(name)
    price = parameters.units(name, instrument.price_exponent)
    if price <= 0:
        code = -4001 if name == "price" else -4006
        what = "Price" if name == "price" else "Stop price"
        raise ApiFault(code, f"{what} less than or equal to zero.")
    return price


def _lifetime(
    parameters: Parameters, kind: OrderType, now_ms: int
) -> tuple[TimeInForce, bool, int]:
    """Lifetime, whether post-only, and the end, ns."""
    if kind in LIMIT_TYPES and kind is OrderType.LIMIT:
        parameters.need("timeInForce")
    word = parameters.text("timeInForce", "GTC")
    if word not in LIFETIMES and word != "GTE_GTC":
        raise ApiFault(-1115, "Invalid timeInForce.")
    if kind not in LIMIT_TYPES:
        return TimeInForce.GTC, False, 0
    if word != "GTD":
        return LIFETIME_MEANINGS[word], word == "GTX", 0
    end = parameters.count("goodTillDate")
    if not now_ms + _GOOD_TILL_LEAST_MS < end < _GOOD_TILL_MOST_MS:
        raise ApiFault(
            -5040,
            "The goodTillDate timestamp must be greater than the current time plus 600 seconds "
            "and smaller than 253402300799000.",
        )
    return TimeInForce.GTD, False, end // _SECOND_MS * 10**9


def _working(parameters: Parameters) -> str:
    word = parameters.text("workingType", "CONTRACT_PRICE")
    if word not in ("CONTRACT_PRICE", "MARK_PRICE"):
        raise ApiFault(-1130, "Data sent for parameter 'workingType' is not valid.")
    return "mark" if word == "MARK_PRICE" else "contract"


def _position_side(parameters: Parameters) -> str:
    word = parameters.text("positionSide", "BOTH")
    if word not in ("BOTH", "LONG", "SHORT"):
        raise ApiFault(-4060, "Invalid position side.")
    return word.lower()
