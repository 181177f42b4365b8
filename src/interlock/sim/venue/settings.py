"""Settings and money of an account: margin type, position mode, isolated margin, transfers."""

from __future__ import annotations

from interlock.sim.venue import liquidation
from interlock.sim.venue.accounts import Account
from interlock.sim.venue.ledger import tell_account, transfer
from interlock.sim.venue.margin import balance
from interlock.sim.venue.requests import engaged, set_leverage
from interlock.sim.venue.state import VenueState
from interlock.sim.venue.values import ConfigEvent, Refusal, Refused


def change_leverage(
    state: VenueState, account: Account, symbol: str, leverage: int
) -> Refused | None:
    """Set the leverage of a symbol and tell it."""
    fault = set_leverage(state, account, symbol, leverage)
    if fault is None:
        state.events.append(
            ConfigEvent(
                ts=state.now,
                sequence=state.count(),
                account=account.name,
                symbol=symbol,
                leverage=leverage,
            )
        )
    return fault


def change_margin_type(
    state: VenueState, account: Account, symbol: str, isolated: bool
) -> Refused | None:
    """Isolated or cross margin for a symbol without orders and positions."""
    if symbol not in state.markets:
        return Refused(Refusal.UNKNOWN_SYMBOL, "there is no such symbol", symbol)
    if account.is_isolated(symbol) is isolated:
        return Refused(Refusal.NOTHING_TO_CHANGE, "the margin type is as wanted already")
    fault = engaged(account, symbol)
    if fault is None:
        account.isolated[symbol] = isolated
    return fault


def change_position_mode(account: Account, hedged: bool) -> Refused | None:
    """One-way or hedge mode for an account without orders and positions."""
    if account.is_hedged is hedged:
        return Refused(Refusal.NOTHING_TO_CHANGE, "the position mode is as wanted already")
    fault = engaged(account, None)
    if fault is None:
        account.is_hedged = hedged
    return fault


def add_margin(
    state: VenueState, account: Account, where: tuple[str, str], amount: int
) -> Refused | None:
    """Put money aside for an isolated holding (symbol, position side); negative takes it back."""
    symbol, position_side = where
    if symbol not in state.markets:
        return Refused(Refusal.UNKNOWN_SYMBOL, "there is no such symbol", symbol)
    market = state.markets[symbol]
    holding = account.holdings.get((symbol, position_side))
    if holding is None or not holding.quantity or not account.is_isolated(symbol):
        return Refused(Refusal.SIDE_RULE, "there is no isolated position", position_side)
    asset = market.instrument.quote
    if amount > max(0, balance(state, account, asset).available):
        return Refused(Refusal.BALANCE, "the balance is insufficient", f"{amount}")
    if amount < 0 and not _can_spare(state, account, where, -amount):
        return Refused(Refusal.BALANCE, "the position needs its margin", f"{amount}")
    holding.isolated_wallet += amount
    tell_account(state, account, "margin_type", holdings=(holding,))
    return None


def _can_spare(state: VenueState, account: Account, where: tuple[str, str], amount: int) -> bool:
    market, holding = state.markets[where[0]], account.holdings[where]
    mark = market.reference()
    needed = abs(holding.position.value(mark)) // max(
        1, account.leverages.get(where[0], state.rules.leverage)
    )
    return holding.isolated_wallet + holding.position.unrealized(mark) - amount >= needed


def move_money(state: VenueState, account: Account, asset: str, amount: int) -> Refused | None:
    """Deposit (positive) or withdraw money of an asset."""
    if amount < 0 and -amount > max(0, balance(state, account, asset).available):
        return Refused(Refusal.BALANCE, "the balance is insufficient", f"{-amount}")
    transfer(state, account, amount, kind="transfer", asset=asset)
    tell_account(state, account, "transfer", changes=((asset, amount),), asset=asset)
    liquidation.check(state)
    return None
