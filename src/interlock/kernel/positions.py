"""Positions from fills only: signed quantity and cost, realized profit, margin, liquidation price.

A position is a signed quantity and its cost (money paid, negative for a short), never an average
price. Reducing by k of n releases cost x k / n rounded toward zero; the remainder stays with the
open part, so money is conserved to the unit. A flip is a close and an open at the same price.
"""

from __future__ import annotations

from typing import NamedTuple

from interlock.model.instrument import Instrument, MarginTier
from interlock.model.units import (
    FUNDING_SCALE,
    RATE_SCALE,
    div_away_from_zero,
    div_ceil,
    div_floor,
    div_half_even,
    div_toward_zero,
)

# A price that no market reaches.
UNREACHED = 1 << 62


class Position:
    """Quantity units and money of one instrument, for one owner."""

    __slots__ = ("cost", "fees", "funding", "instrument", "quantity", "realized")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.quantity = 0
        self.cost = 0
        self.realized = 0
        self.fees = 0
        self.funding = 0

    def fill(self, signed_quantity: int, price: int) -> int:
        """Apply one execution; returns the profit it realized, in money units before fees."""
        held = self.quantity
        notional = self.instrument.notional(price, abs(signed_quantity))
        if held == 0 or (held > 0) == (signed_quantity > 0):
            self.quantity = held + signed_quantity
            self.cost += notional if signed_quantity > 0 else -notional
            return 0
        closed = min(abs(held), abs(signed_quantity))
        if closed == abs(signed_quantity):
            closed_notional = notional
        else:
            closed_notional = self.instrument.notional(price, closed)
        released = div_toward_zero(self.cost * closed, abs(held))
        if closed == abs(held):
            released = self.cost
        proceeds = closed_notional if held > 0 else -closed_notional
        realized = proceeds - released
        self.realized += realized
        self.cost -= released
        self.quantity = held + signed_quantity
        rest = notional - closed_notional
        if self.quantity and (self.quantity > 0) != (held > 0):
            self.cost = rest if self.quantity > 0 else -rest
        return realized

    def take_fee_in_base(self, quantity: int) -> int:
        """A fee taken out of what was bought: quantity falls, the cost stays with what is left.

        Where nothing is left the cost is lost with it; returns that (negative) profit in money.
        """
        self.quantity -= quantity
        if self.quantity:
            return 0
        lost, self.cost = -self.cost, 0
        self.realized += lost
        return lost

    def value(self, mark: int) -> int:
        """Signed market value at a mark, in money units."""
        return self.instrument.notional(mark, self.quantity)

    def unrealized(self, mark: int) -> int:
        """Profit of the open part at a mark, in money units."""
        return self.instrument.notional(mark, self.quantity) - self.cost

    def average_price(self) -> float:
        """Cost per unit as a view, in quote units; 0.0 when flat."""
        if not self.quantity:
            return 0.0
        numerator, denominator = self.instrument.money_factor
        units = self.cost * denominator / (self.quantity * numerator)
        return units / 10.0**self.instrument.price_exponent


class Split(NamedTuple):
    """New shares per old (numerator / denominator), and the mark of an old share (0: none)."""

    numerator: int
    denominator: int
    mark: int

    def whole(self, instrument: Instrument, quantity: int) -> int:
        """Quantity units after the split, cut to the lot toward zero."""
        lots = div_toward_zero(quantity * self.numerator, self.denominator * instrument.lot)
        return lots * instrument.lot

    def cash(self, position: Position, whole: int) -> int:
        """Money for what ``whole`` leaves of the exact new quantity; negative is paid for more.

        Receipts round toward zero, payments away from it.
        """
        rest = position.quantity * self.numerator - whole * self.denominator
        factor, scale = position.instrument.money_factor
        return div_floor(rest * self.mark * factor, scale * self.numerator)

    def apply(self, position: Position, whole: int, cash: int) -> int:
        """Change the position; returns the profit that the fraction realized, in money units."""
        exact = position.quantity * self.numerator
        rest = exact - whole * self.denominator
        position.quantity = whole
        if rest * exact <= 0:
            # More than the exact part: the difference was bought, nothing is realized.
            position.cost -= cash
            return 0
        released = div_toward_zero(position.cost * rest, exact) if whole else position.cost
        position.cost -= released
        position.realized += cash - released
        return cash - released


def funding_payment(instrument: Instrument, quantity: int, mark: int, rate: int) -> int:
    """-(quantity x mark x rate): money received (negative: paid) by a signed position.

    Payments by the holder round away from zero, receipts toward zero.
    """
    numerator, denominator = instrument.money_factor
    product = -(quantity * mark * rate) * numerator
    scale = denominator * FUNDING_SCALE
    if product < 0:
        return div_away_from_zero(product, scale)
    return div_toward_zero(product, scale)


def initial_margin(instrument: Instrument, notional: int, leverage: int) -> int:
    """Margin that a notional needs, in money units, rounded up."""
    return div_ceil(abs(notional), leverage)


def tier_of(instrument: Instrument, notional: int) -> MarginTier:
    """The maintenance tier that a notional falls into."""
    for tier in instrument.margin_tiers:
        if not tier.notional_max or notional <= tier.notional_max:
            return tier
    return instrument.margin_tiers[-1]


def maintenance_margin(instrument: Instrument, notional: int) -> int:
    """Maintenance margin of a notional, in money units, rounded up."""
    tier = tier_of(instrument, abs(notional))
    return max(0, div_ceil(abs(notional) * tier.maintenance_rate, RATE_SCALE) - tier.amount)


def liquidation_price(position: Position, margin: int) -> int | None:
    """The mark at which margin plus profit equals maintenance, in price units.

    Long: (C - M - ma) / (q (1 - mmr)), rounded down; short: (C + M + ma) / (q (1 + mmr)), rounded
    up, so that the unit returned is already liquidated. The tier is that of the notional at this
    price, which the price meets first. None when the price cannot be reached.
    """
    if not position.quantity:
        return None
    tiers = position.instrument.margin_tiers
    if len(tiers) == 1:
        return _level(position, margin, tiers[0])
    numerator, denominator = position.instrument.money_factor
    quantity = abs(position.quantity) * numerator
    cost, is_long = abs(position.cost), position.quantity > 0
    # A long that is sound at its cost is liquidated below it: larger tiers do not matter.
    is_sound = is_long and margin > maintenance_margin(position.instrument, cost)
    found = []
    floor = 0
    for index, tier in enumerate(tiers):  # pragma: no branch - the last tier ends it
        # Prices above the floor, up to the ceiling, give a notional of this tier.
        is_last = index == len(tiers) - 1 or not tier.notional_max
        ceiling = UNREACHED if is_last else tier.notional_max * denominator // quantity
        level = _level(position, margin, tier)
        if level is not None:
            level = min(level, ceiling) if is_long else max(level, floor + 1)
            if floor < level <= ceiling:
                found.append(level)
        if is_last or (is_sound and tier.notional_max >= cost):
            break
        floor = ceiling
    if not found:
        return None
    return max(found) if is_long else min(found)


def _level(position: Position, margin: int, tier: MarginTier) -> int | None:
    """The liquidation price if this tier held at every price."""
    numerator, denominator = position.instrument.money_factor
    quantity = abs(position.quantity) * numerator
    cost = abs(position.cost)
    if position.quantity > 0:
        money = (cost - margin - tier.amount) * denominator * RATE_SCALE
        price = money // (quantity * (RATE_SCALE - tier.maintenance_rate))
        return price if price > 0 else None
    money = (cost + margin + tier.amount) * denominator * RATE_SCALE
    return div_ceil(money, quantity * (RATE_SCALE + tier.maintenance_rate))


def share_out(amount: int, weights: list[int]) -> list[int]:
    """Split an amount by signed weights, to the unit; the remainder goes to the first ones."""
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    parts = [div_half_even(amount * weight, total) for weight in weights]
    rest = amount - sum(parts)
    for index, weight in enumerate(weights):
        if rest and weight:
            step = 1 if rest > 0 else -1
            parts[index] += step
            rest -= step
    parts[0] += rest
    return parts


def settle(total: int, parts: list[int]) -> list[int]:
    """Parts that were rounded one by one, changed by units so that they add up to the total."""
    rest = total - sum(parts)
    return [parts[0] + rest, *parts[1:]] if parts else []
