"""Money that moves: fills with their fees, funding, borrow cost, liquidation, corporate actions."""

from __future__ import annotations

from interlock.kernel.positions import Split, settle, share_out
from interlock.kernel.state import InstrumentSlot, Order, State, StrategySlot
from interlock.model.events import (
    BorrowPaid,
    CorporateAction,
    FundingPaid,
    OrderFilled,
    PositionLiquidated,
)


def apply_fill(state: State, slot: InstrumentSlot, order: Order, event: OrderFilled) -> None:
    """Book one execution to its strategy's position and to the net one, with its fee."""
    owner = order.owner
    signed = event.quantity if order.spec.side > 0 else -event.quantity
    position = owner.position(slot)
    owner.wallet += position.fill(signed, event.price)
    state.wallet += slot.net.fill(signed, event.price)
    fee, asset = event.fee, event.fee_asset
    if asset == slot.instrument.quote:
        owner.wallet -= fee
        state.wallet -= fee
        position.fees += fee
        slot.net.fees += fee
    elif asset == slot.instrument.base:
        owner.wallet += position.take_fee_in_base(fee)
        state.wallet += slot.net.take_fee_in_base(fee)
    else:
        state.balances[asset] = state.balances.get(asset, 0) - fee
    slot.changed()


def pay_funding(state: State, event: FundingPaid) -> None:
    """Share a funding payment out to the strategies that hold the position."""
    slot = state.instruments[event.instrument]
    state.wallet += event.amount
    slot.net.funding += event.amount
    for owner, amount in _shares(state, event.instrument, event.amount):
        owner.wallet += amount
        owner.positions[event.instrument].funding += amount


def pay_borrow(state: State, event: BorrowPaid) -> None:
    """Share the cost of a borrowed position out to the strategies that are short."""
    slot = state.instruments[event.instrument]
    state.wallet += event.amount
    slot.net.fees -= event.amount
    for owner, amount in _shares(state, event.instrument, event.amount):
        owner.wallet += amount
        owner.positions[event.instrument].fees -= amount


def liquidate(state: State, event: PositionLiquidated) -> None:
    """Close the strategies' positions at the venue's price, as far as the venue closed the net."""
    slot = state.instruments[event.instrument]
    state.wallet += slot.net.fill(-event.quantity, event.price) - event.fee
    slot.net.fees += event.fee
    slot.changed()
    holders = _holders(state, event.instrument)
    fees = share_out(
        event.fee, [abs(owner.positions[event.instrument].quantity) for owner in holders]
    )
    for owner, fee in zip(holders, fees, strict=True):
        position = owner.positions[event.instrument]
        owner.wallet += position.fill(-position.quantity, event.price) - fee
        position.fees += fee


def corporate_action(state: State, event: CorporateAction) -> None:
    """A dividend per old share, then the split; fractions of a lot are paid out at the mark.

    Whole lots are shared out among the strategies; what one gets above or below its exact part it
    pays or receives at the same mark, so that their books add up to the account's. A price from
    before a split is no mark after it: equity is unknown until the next one.
    """
    slot = state.instruments[event.instrument]
    slot.changed()
    owners = _holders(state, event.instrument)
    held = [owner.positions[event.instrument] for owner in owners]
    unit = 10**slot.instrument.quantity_exponent
    total = slot.net.quantity * event.dividend // unit
    state.wallet += total
    parts = settle(total, [position.quantity * event.dividend // unit for position in held])
    for owner, amount in zip(owners, parts, strict=True):
        owner.wallet += amount
    if event.numerator == event.denominator:
        return
    split = Split(event.numerator, event.denominator, slot.mark)
    whole = split.whole(slot.instrument, slot.net.quantity)
    wholes = settle(whole, [split.whole(slot.instrument, item.quantity) for item in held])
    cash = split.cash(slot.net, whole)
    amounts = [split.cash(position, part) for position, part in zip(held, wholes, strict=True)]
    amounts = settle(cash, amounts)
    state.wallet += split.apply(slot.net, whole, cash)
    for owner, position, part, amount in zip(owners, held, wholes, amounts, strict=True):
        owner.wallet += split.apply(position, part, amount)
    slot.last, slot.mark_units = None, 0


def _holders(state: State, instrument: str) -> list[StrategySlot]:
    return [
        owner
        for owner in state.strategies.values()
        if instrument in owner.positions and owner.positions[instrument].quantity
    ]


def _shares(state: State, instrument: str, amount: int) -> list[tuple[StrategySlot, int]]:
    holders = _holders(state, instrument)
    if not holders:
        return []
    parts = share_out(amount, [owner.positions[instrument].quantity for owner in holders])
    return list(zip(holders, parts, strict=True))
