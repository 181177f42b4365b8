"""The venue's codes and words for what the exchange core refuses."""

from __future__ import annotations

from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.sim.venue.values import Refusal, Refused
from interlock.wire.binance.parameters import ApiFault

_WORDS: dict[Refusal, tuple[int, str]] = {
    Refusal.INSUFFICIENT_MARGIN: (-2019, "Margin is insufficient."),
    Refusal.POST_ONLY_WOULD_TAKE: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected. "
        "The order will not be recorded in the order history",
    ),
    Refusal.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Refusal.FOK_UNFILLABLE: (
        -5021,
        "Due to the order could not be filled immediately, the FOK order has been rejected. "
        "The order will not be recorded in the order history",
    ),
    Refusal.WOULD_TRIGGER_NOW: (-2021, "Order would immediately trigger."),
    Refusal.PRICE_RULE: (-4014, "Price not increased by tick size."),
    Refusal.QUANTITY_RULE: (-4023, "Qty not increased by step size."),
    Refusal.DUPLICATE_ID: (-4116, "ClientOrderId is duplicated."),
    Refusal.UNKNOWN_ORDER: (-2013, "Order does not exist."),
    Refusal.NO_LIQUIDITY: (
        -4131,
        "The counterparty's best price does not meet the PERCENT_PRICE filter limit",
    ),
    Refusal.SYMBOL_CLOSED: (-4141, "Symbol is closed."),
    Refusal.TOO_MANY_ORDERS: (-2025, "Reach max open order limit."),
    Refusal.LEVERAGE_RULE: (-4028, "Leverage is not valid"),
    Refusal.NOTHING_TO_CHANGE: (-5027, "No need to modify the order."),
    Refusal.HAS_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
    Refusal.HAS_OPEN_ORDERS: (
        -4047,
        "Margin type cannot be changed if there exists open orders.",
    ),
    Refusal.IN_LIQUIDATION: (-2023, "User in liquidation mode now."),
    Refusal.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Refusal.BALANCE: (-2018, "Balance is insufficient."),
    Refusal.NOT_AMENDABLE: (-4028, "This order cannot be modified."),
    Refusal.SIDE_RULE: (-4061, "Order's position side does not match user's setting."),
}
# The same refusal has other words where another thing was asked for.
_SPECIAL: dict[tuple[str, Refusal], tuple[int, str]] = {
    ("cancel", Refusal.UNKNOWN_ORDER): (-2011, "Unknown order sent."),
    ("margin_type", Refusal.NOTHING_TO_CHANGE): (-4046, "No need to change margin type."),
    ("position_mode", Refusal.NOTHING_TO_CHANGE): (-4059, "No need to change position side."),
    ("position_mode", Refusal.HAS_POSITION): (
        -4068,
        "Position side cannot be changed if there exists position.",
    ),
    ("position_mode", Refusal.HAS_OPEN_ORDERS): (
        -4067,
        "Position side cannot be changed if there exists open orders.",
    ),
    ("leverage", Refusal.HAS_POSITION): (
        -4161,
        "Leverage reduction is not supported in Isolated Margin Mode with open positions.",
    ),
    ("leverage", Refusal.INSUFFICIENT_MARGIN): (-2027, "Exceeded the maximum allowable position"),
    ("leverage", Refusal.LEVERAGE_RULE): (-4028, "Leverage {value} is not valid"),
    ("place", Refusal.LEVERAGE_RULE): (
        -2027,
        "Exceeded the maximum allowable position at current leverage.",
    ),
    ("conditional", Refusal.TOO_MANY_ORDERS): (-4045, "Reach max stop order limit."),
    ("amend", Refusal.NOT_AMENDABLE): (-4203, "Only limit orders can be modified."),
}


def fault(refused: Refused, asked: str = "place", side: int = 0) -> ApiFault:
    """The error answer for a refusal of the core."""
    found = refused.refusal
    if found is Refusal.PRICE_BAND:
        if side > 0:
            return ApiFault(-4016, f"Limit price can't be higher than {refused.limit}.")
        return ApiFault(-4024, f"Limit price can't be lower than {refused.limit}.")
    if found is Refusal.MIN_NOTIONAL:
        least = format_units(int(refused.limit or "0"), MONEY_EXPONENT)
        return ApiFault(
            -4164,
            f"Order's notional must be no smaller than {least} (unless you choose reduce only).",
        )
    code, text = _SPECIAL.get((asked, found)) or _WORDS[found]
    return ApiFault(code, text.format(value=refused.value) if "{" in text else text)
