"""Positions that no execution explains: taken over at the first start, or declared later.

What an account held before our books is taken over with what the venue says that it cost: its
profit counts from there in the venue's wallet. At the mark, each part that closes would realize
another profit than the wallet has.
"""

from __future__ import annotations

from typing import NamedTuple

from interlock.kernel.external import EXTERNAL
from interlock.model.instrument import Instrument
from interlock.model.rows import AdjustmentRow, EventRow
from interlock.model.units import UnitError, decimals_of, div_half_even, parse_units
from interlock.model.venue import VenuePosition
from interlock.runtime.adoption import adopter
from interlock.runtime.books import OPENED
from interlock.runtime.cash import Cash
from interlock.runtime.desk import Desk

# Looks at an account that somebody else trades all the time; the last one is believed.
LOOKS_MAX = 12


class Entry(NamedTuple):
    """The nearest price in price units, and the signed cost in money units."""

    price: int
    cost: int


def entry_of(position: VenuePosition, instrument: Instrument) -> Entry | None:
    """What the venue says that a position cost; None where it says nothing that is a price.

    An average of executions lies between two prices: only the cost holds all of it.
    """
    try:
        decimals = decimals_of(position.entry)
        average = parse_units(position.entry, decimals) * 10**instrument.price_exponent
    except UnitError:
        return None
    if average <= 0:
        return None
    numerator, denominator = instrument.money_factor
    finer = 10**decimals
    cost = div_half_even(average * position.quantity * numerator, denominator * finer)
    return Entry(div_half_even(average, finer), cost)


def adjust(
    desk: Desk, name: str, quantity: int, cause: str, *, bucket: str = EXTERNAL, price: int = 0
) -> None:
    """Put a quantity that no execution explains into a bucket, at the mark if at no price."""
    slot = desk.state.instruments[name]
    held = desk.state.strategies[bucket].position(slot)
    row = AdjustmentRow(
        ts_event=desk.ts,
        instrument=name,
        quantity=quantity,
        bucket=bucket,
        cause=cause,
        position_after=held.quantity + quantity,
        account=desk.settings.account,
        price=price or slot.mark,
    )
    desk.apply(row)


class Opening:
    """The first look at an account: what it holds is nobody's here, or its adopter's."""

    def __init__(self, desk: Desk, cash: Cash) -> None:
        self.desk = desk
        self.cash = cash
        self.positions: dict[str, VenuePosition] = {}
        self.wallets: dict[str, int] = {}
        # When the questions of the newest look left, and when the last of them was answered.
        self.ts_asked = self.ts_seen = 0
        self.looks = 0

    def looked(self, asked: int) -> None:
        """Positions and wallets were seen, by questions that left at ``asked``."""
        self.ts_asked, self.ts_seen = asked, self.desk.ts
        self.looks += 1

    def again(self, moved: int) -> int:
        """When to look again, since something moved at a time; 0 where the look is believed."""
        due = moved + self.desk.settings.proof_ns
        if due < self.ts_asked:
            return 0
        if self.looks < LOOKS_MAX:
            return max(due + 1, self.desk.ts)
        text = (
            f"it was traded or paid in {self.looks} times; the opening may count one of them twice"
        )
        self.desk.record("ACCOUNT_MOVES", self.desk.settings.account, text, level="WARNING")
        return 0

    def book(self) -> None:
        """Take over what was seen."""
        for name in self.desk.state.instruments:
            position = self.positions.get(name)
            if position is not None and position.quantity:
                self._take_over(position)
        # After the positions: what their cost moved is in the wallets already.
        self.cash.open(self.wallets)
        self.desk.write(EventRow(ts_event=self.ts_asked, name=OPENED))
        self.desk.tell("ACCOUNT_OPENED", self.desk.settings.account)

    def _take_over(self, position: VenuePosition) -> None:
        name, desk = position.instrument, self.desk
        slot = desk.state.instruments[name]
        owner = adopter(desk.state, desk.settings) or EXTERNAL
        entry = entry_of(position, slot.instrument)
        price = entry.price if entry is not None else 0
        adjust(desk, name, position.quantity, "opening", bucket=owner, price=price)
        if entry is not None and entry.cost != slot.net.cost:
            self.cash.move_basis(name, entry.cost - slot.net.cost)
