"""The venue's own books of our account: wallet, net positions, margin, fees."""

from __future__ import annotations

from interlock.kernel.positions import (
    Position,
    initial_margin,
    liquidation_price,
    maintenance_margin,
)
from interlock.model.instrument import Instrument
from interlock.model.units import (
    MONEY_SCALE,
    RATE_SCALE,
    div_away_from_zero,
    div_ceil,
    div_toward_zero,
)


class Account:
    """What the venue believes; the kernel keeps its own books, and tests hold the two equal."""

    def __init__(self, wallet: int, *, margin_mode: str = "cross", leverage: int | None = None):
        self.wallet = wallet
        self.positions: dict[str, Position] = {}
        self.marks: dict[str, int] = {}
        self.balances: dict[str, int] = {}
        self.margin_mode = margin_mode
        self._leverage = leverage

    def position(self, instrument: Instrument) -> Position:
        """The net position in an instrument."""
        found = self.positions.get(instrument.id)
        if found is None:
            found = self.positions[instrument.id] = Position(instrument)
        return found

    def leverage(self, instrument: Instrument) -> int:
        """The leverage the account uses on an instrument."""
        most = instrument.leverage_max
        return most if self._leverage is None else min(most, self._leverage)

    def equity(self) -> int:
        """Wallet plus open profit at the venue's marks, in money units."""
        return self.wallet + sum(
            held.unrealized(self.marks[key])
            for key, held in self.positions.items()
            if held.quantity
        )

    def free_cash(self) -> int:
        """Cash not tied up in paid-for positions, in money units."""
        tied = sum(
            held.cost
            for held in self.positions.values()
            if not held.instrument.is_margined and held.quantity > 0
        )
        return self.wallet - tied

    def free_margin(self, skip: str) -> int:
        """Equity less the initial margin of every margined position but one, in money units."""
        used = 0
        for key, held in self.positions.items():
            if key != skip and held.quantity and carries_margin(held.instrument):
                notional = held.value(self.marks[key])
                used += initial_margin(held.instrument, notional, self.leverage(held.instrument))
        return self.equity() - used

    def lacks_funds(
        self, instrument: Instrument, side: int, quantity: int, price: int
    ) -> str | None:
        """Why an order of this size cannot be carried, or None. Shrinking orders always can."""
        held = self.position(instrument)
        after = held.quantity + side * quantity
        if held.quantity * side < 0 and abs(after) <= abs(held.quantity):
            return None
        if not carries_margin(instrument):
            if after < 0:
                return "short sale on a cash account"
            return "insufficient balance" if self.free_cash() <= 0 else None
        notional = instrument.notional(price, after)
        needed = initial_margin(instrument, notional, self.leverage(instrument))
        if len(self.positions) == 1:
            mark = self.marks.get(instrument.id, price)
            free = self.wallet + held.unrealized(mark) if held.quantity else self.wallet
            return "margin is insufficient" if needed > free else None
        return "margin is insufficient" if needed > self.free_margin(instrument.id) else None

    def affordable(self, instrument: Instrument, side: int, quantity: int, price: int) -> int:
        """What a paid-for account can trade of this, in quantity units cut to the lot.

        A buy is bounded by what the free cash pays, fee included, a sale by what is held.
        """
        if carries_margin(instrument):
            return quantity
        held = self.position(instrument).quantity
        if side < 0:
            fits = max(0, min(quantity, held))
            return fits - fits % instrument.lot
        notional = instrument.notional(price, quantity, "ceil")
        cash = self.free_cash()
        total = notional + max(0, instrument.fee(notional, instrument.taker_rate))
        if total <= cash:
            return quantity
        fits = max(0, cash) * quantity // total
        return fits - fits % instrument.lot

    def charge(
        self, instrument: Instrument, side: int, *, quantity: int, notional: int, rate: int
    ) -> tuple[int, str]:
        """Take the fee of one execution; returns (fee, asset) in the units of that asset.

        ``rate`` is of 1e-6, ``notional`` money units, ``quantity`` quantity units.
        """
        held = self.position(instrument)
        fee = instrument.fee(notional, rate)
        asset = instrument.fee_asset or instrument.quote
        if asset == instrument.base:
            if side < 0:
                asset = instrument.quote
            else:
                taken = div_ceil(quantity * rate, RATE_SCALE)
                self.wallet += held.take_fee_in_base(taken)
                return taken, asset
        if asset != instrument.quote:
            rate_mark = self._conversion(asset, instrument.quote)
            if rate_mark is None or self.balances.get(asset, 0) <= 0:
                asset = instrument.quote
            else:
                divide = div_away_from_zero if fee > 0 else div_toward_zero
                converted = divide(fee * MONEY_SCALE, rate_mark)
                self.balances[asset] -= converted
                return converted, asset
        self.wallet -= fee
        held.fees += fee
        return fee, asset

    def _conversion(self, asset: str, quote: str) -> int | None:
        """Money units of quote for one unit of the asset, from the mark of a traded pair."""
        for key, held in self.positions.items():
            instrument = held.instrument
            if instrument.base == asset and instrument.quote == quote and self.marks.get(key):
                return instrument.notional(self.marks[key], 10**instrument.quantity_exponent)
        return None

    def liquidation_level(self, instrument: Instrument) -> int | None:
        """The price at which the venue closes this position by force, in price units."""
        held = self.positions.get(instrument.id)
        if held is None or not held.quantity or not carries_margin(instrument):
            return None
        if self.margin_mode == "isolated":
            margin = initial_margin(instrument, held.cost, self.leverage(instrument))
            return liquidation_price(held, margin)
        margin = self.wallet
        for key, other in self.positions.items():
            if key != instrument.id and other.quantity:
                mark = self.marks[key]
                margin += other.unrealized(mark)
                if carries_margin(other.instrument):
                    margin -= maintenance_margin(other.instrument, other.value(mark))
        return liquidation_price(held, margin)


def carries_margin(instrument: Instrument) -> bool:
    """Whether positions in an instrument are held on margin and can be liquidated."""
    return instrument.is_margined or instrument.allow_short
