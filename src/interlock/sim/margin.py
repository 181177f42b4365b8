"""Margin at the venue: where a position is in danger, and the cost of a borrowed one."""

from __future__ import annotations

from interlock.kernel.positions import Position
from interlock.model.instrument import Instrument
from interlock.model.units import RATE_SCALE, div_away_from_zero
from interlock.sim.account import Account, carries_margin

# A price that no market reaches.
NEVER = 1 << 62


def danger(account: Account, instrument: Instrument) -> tuple[int, int]:
    """(floor, ceiling) in price units: the position is liquidated at or beyond them.

    Where several positions share one margin, every price of any of them moves the level of all:
    then no price is safe to pass over, and the level is asked for each time.
    """
    held = account.positions.get(instrument.id)
    if held is None or not held.quantity:
        return 0, NEVER
    if shares_margin(account):
        return NEVER, 0
    level = account.liquidation_level(instrument)
    if level is None:
        return 0, NEVER
    return (level, NEVER) if held.quantity > 0 else (0, level)


def shares_margin(account: Account) -> bool:
    """Whether more than one position hangs on the account's margin."""
    if len(account.positions) < 2 or account.margin_mode == "isolated":
        return False
    held = [position.instrument for position in account.positions.values() if position.quantity]
    return len(held) > 1 and any(carries_margin(instrument) for instrument in held)


def is_liquidated(held: Position, level: int | None, price: int) -> bool:
    """Whether a position's liquidation level is reached at a price."""
    if level is None:
        return False
    return price <= level if held.quantity > 0 else price >= level


def borrow_cost(held: Position, mark: int, days: int) -> int:
    """What a short position pays for some days, in money units, rounded away from zero."""
    product = abs(held.value(mark)) * held.instrument.borrow_rate_daily * days
    return div_away_from_zero(product, RATE_SCALE)
