"""What changes the account without an own order: foreign trades, forced closes, cash that moves.

The account's position is the sum of the strategies' positions and one external bucket. The bucket
is kept like a strategy that never decides, so that its quantity, cost and result are known, and so
that it can be closed through the same path as any other position.
"""

from __future__ import annotations

from interlock.kernel.positions import Position, share_out
from interlock.kernel.state import InstrumentSlot, State, StrategySlot
from interlock.model.events import CashMoved, ExternalTraded
from interlock.strategy.api import Strategy

EXTERNAL = "external"
FORCED = ("liquidation", "adl")


class Bystander(Strategy):
    """Holds what nobody here ordered, and never decides."""


def bucket(state: State) -> StrategySlot:
    """The external bucket of an account."""
    found = state.strategies.get(EXTERNAL)
    return state.add(EXTERNAL, Bystander(), 0) if found is None else found


def trade(state: State, event: ExternalTraded) -> None:
    """Book a trade that no own order explains to the account and to whom it belongs."""
    slot = state.instruments[event.instrument]
    state.wallet += slot.net.fill(event.quantity, event.price)
    slot.changed()
    _charge_account(state, slot, event)
    rest, fee = event.quantity, event.fee
    if event.cause in FORCED:
        rest, fee = _close_holders(state, slot, event)
    if rest or fee:
        owner = state.strategies.get(event.owner) or bucket(state)
        _book(owner, slot, event, quantity=rest, fee=fee)


def move_cash(state: State, event: CashMoved) -> None:
    """Book money that came or went to the account; no strategy's equity changes by it."""
    if event.instrument:
        _move_basis(state, event)
        return
    if event.asset == state.currency:
        state.wallet += event.amount
    else:
        state.balances[event.asset] = state.balances.get(event.asset, 0) + event.amount


def _move_basis(state: State, event: CashMoved) -> None:
    """Realized profit and the cost of the open position change by the same amount."""
    slot = state.instruments[event.instrument]
    slot.changed()
    net = slot.net
    state.wallet += event.amount
    net.realized += event.amount
    net.cost += event.amount
    held = [
        (owner, position)
        for owner in state.strategies.values()
        if (position := owner.positions.get(event.instrument)) is not None and position.quantity
    ]
    parts = share_out(event.amount, [abs(position.quantity) for _, position in held])
    for (owner, position), part in zip(held, parts, strict=True):
        owner.wallet += part
        position.realized += part
        position.cost += part


def _charge_account(state: State, slot: InstrumentSlot, event: ExternalTraded) -> None:
    if event.fee_asset == slot.instrument.quote:
        state.wallet -= event.fee
        slot.net.fees += event.fee
    elif event.fee:
        state.balances[event.fee_asset] = state.balances.get(event.fee_asset, 0) - event.fee


def _close_holders(state: State, slot: InstrumentSlot, event: ExternalTraded) -> tuple[int, int]:
    """Close the holders of the position in proportion; returns the quantity and fee left over."""
    sign = 1 if event.quantity > 0 else -1
    holders: list[tuple[StrategySlot, Position]] = [
        (owner, held)
        for owner in state.strategies.values()
        if (held := owner.positions.get(event.instrument)) is not None and held.quantity * sign < 0
    ]
    weights = [abs(held.quantity) for _, held in holders]
    size = min(abs(event.quantity), sum(weights))
    if not size:
        return event.quantity, event.fee
    fees = share_out(event.fee, weights)
    parts = share_out(size, weights)
    for (owner, _), part, fee in zip(holders, parts, fees, strict=True):
        _book(owner, slot, event, quantity=sign * part, fee=fee)
    return event.quantity - sign * size, 0


def _book(
    owner: StrategySlot, slot: InstrumentSlot, event: ExternalTraded, *, quantity: int, fee: int
) -> None:
    position = owner.position(slot)
    if quantity:
        owner.wallet += position.fill(quantity, event.price)
    if event.fee_asset == slot.instrument.quote:
        owner.wallet -= fee
        position.fees += fee
