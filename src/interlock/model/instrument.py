"""Instruments: what is traded, its units, and the separate rule for a valid order."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property

import msgspec

from interlock.model.units import (
    DIVIDE,
    MONEY_EXPONENT,
    RATE_SCALE,
    Rounding,
    div_away_from_zero,
    div_toward_zero,
    format_units,
)


class InstrumentKind(StrEnum):
    """Kinds with their own accounting."""

    PERPETUAL = "perpetual"
    SPOT = "spot"
    EQUITY = "equity"


class FixedTick(msgspec.Struct, frozen=True, tag="fixed_tick"):
    """An order price is a multiple of ``tick`` price units."""

    tick: int


class SignificantFigures(msgspec.Struct, frozen=True, tag="significant_figures"):
    """A price has at most ``figures`` digits and ``decimals`` decimals; integers always pass."""

    figures: int
    decimals: int


class MarginTier(msgspec.Struct, frozen=True):
    """Maintenance margin up to ``notional_max`` money (0 = no cap): notional x rate - amount."""

    notional_max: int
    maintenance_rate: int
    amount: int = 0


class InstrumentError(ValueError):
    """An instrument that cannot be traded as described."""


class Instrument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """One tradable thing at one venue.

    Prices are integers of 10^-price_exponent quote units, quantities of 10^-quantity_exponent,
    fee and maintenance rates integers of 1e-6 (a negative fee is a rebate), money 1e-8.
    """

    id: str
    kind: InstrumentKind
    base: str
    quote: str
    price_exponent: int
    quantity_exponent: int
    price_rule: FixedTick | SignificantFigures
    lot: int
    min_quantity: int = 0
    max_quantity: int = 0
    min_notional: int = 0
    multiplier: int = 1
    maker_rate: int = 0
    taker_rate: int = 0
    fee_asset: str = ""
    margin_tiers: tuple[MarginTier, ...] = (MarginTier(0, 5_000, 0),)
    leverage_max: int = 1
    calendar: str = "24/7"
    allow_short: bool = False
    borrow_rate_daily: int = 0
    funding_interval_ns: int = 0
    synthetic: bool = False

    def __post_init__(self) -> None:
        if not self.id or "." not in self.id:
            raise InstrumentError(f"instrument id {self.id!r} must read SYMBOL.VENUE")
        if not 0 <= self.price_exponent <= 12 or not 0 <= self.quantity_exponent <= 12:
            raise InstrumentError(
                f"{self.id}: price_exponent {self.price_exponent} and quantity_exponent "
                f"{self.quantity_exponent} must lie between 0 and 12"
            )
        if self.lot <= 0:
            raise InstrumentError(f"{self.id}: lot {self.lot} must be positive; state the lot size")
        if isinstance(self.price_rule, FixedTick) and self.price_rule.tick <= 0:
            raise InstrumentError(f"{self.id}: tick {self.price_rule.tick} must be positive")
        if not self.margin_tiers:
            raise InstrumentError(f"{self.id}: margin_tiers is empty; give at least one tier")
        if self.multiplier <= 0 or self.leverage_max <= 0:
            raise InstrumentError(f"{self.id}: multiplier and leverage_max must be positive")
        for name in ("maker_rate", "taker_rate"):
            rate = getattr(self, name)
            if not -RATE_SCALE < rate < RATE_SCALE:
                raise InstrumentError(f"{self.id}: {name} {rate} is not a rate of 1e-6 below 1")

    @property
    def is_margined(self) -> bool:
        """Whether a position is carried on margin instead of paid in full."""
        return self.kind is InstrumentKind.PERPETUAL

    @cached_property
    def money_factor(self) -> tuple[int, int]:
        """(numerator, denominator) that brings price units x quantity units to money units."""
        shift = MONEY_EXPONENT - self.price_exponent - self.quantity_exponent
        if shift >= 0:
            return self.multiplier * 10**shift, 1
        return self.multiplier, 10**-shift

    def notional(self, price: int, quantity: int, rounding: Rounding = "half_even") -> int:
        """Exact price x quantity x multiplier, brought to money units once."""
        numerator, denominator = self.money_factor
        product = price * quantity * numerator
        return product if denominator == 1 else DIVIDE[rounding](product, denominator)

    def fee(self, notional: int, rate: int) -> int:
        """Fee in money units: paid fees round away from zero, rebates toward zero."""
        product = abs(notional) * rate
        divide = div_away_from_zero if rate > 0 else div_toward_zero
        return divide(product, RATE_SCALE)

    def round_price(self, price: int, *, up: bool) -> int:
        """The nearest valid order price at or above (up) or at or below the given units."""
        step = self._price_step(price)
        return -(-price // step) * step if up else price // step * step

    def price_fault(self, price: int) -> str | None:
        """Why this order price is invalid, or None."""
        tick = self._tick
        if tick and price > 0 and not price % tick:
            return None
        if price <= 0:
            return f"price {self.price_text(price)} must be positive"
        step = self._price_step(price)
        if price % step:
            return (
                f"price {self.price_text(price)} is not a multiple of {self.price_text(step)}; "
                "round it to the tick"
            )
        return None

    def quantity_fault(self, quantity: int) -> str | None:
        """Why this order quantity is invalid, or None."""
        least, most = self.min_quantity, self.max_quantity
        if quantity > 0 and not quantity % self.lot and least <= quantity <= (most or quantity):
            return None
        text = self.quantity_text(quantity)
        if quantity <= 0:
            return f"quantity {text} must be positive"
        if quantity % self.lot:
            return f"quantity {text} is not a multiple of the lot {self.quantity_text(self.lot)}"
        if quantity < least:
            return f"quantity {text} is below the minimum {self.quantity_text(least)}"
        return f"quantity {text} is above the maximum {self.quantity_text(most)}"

    def price_text(self, price: int) -> str:
        """Plain decimal text of price units."""
        return format_units(price, self.price_exponent)

    def quantity_text(self, quantity: int) -> str:
        """Plain decimal text of quantity units."""
        return format_units(quantity, self.quantity_exponent)

    @cached_property
    def _tick(self) -> int:
        """The fixed tick, 0 where the step depends on the price."""
        return self.price_rule.tick if isinstance(self.price_rule, FixedTick) else 0

    def _price_step(self, price: int) -> int:
        rule = self.price_rule
        if isinstance(rule, FixedTick):
            return rule.tick
        whole: int = 10**self.price_exponent
        decimals: int = 10 ** max(0, self.price_exponent - rule.decimals)
        figures: int = 10 ** max(0, len(str(abs(price))) - rule.figures)
        # An integer price is always valid on such venues, however many digits it has.
        return min(max(decimals, figures), whole)
