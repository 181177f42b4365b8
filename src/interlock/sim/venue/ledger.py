"""Money: the one place that changes a wallet or a holding, and the payment that explains it."""

from __future__ import annotations

from interlock.kernel.positions import initial_margin
from interlock.model.instrument import Instrument
from interlock.model.units import div_toward_zero
from interlock.sim.venue.accounts import Account, Holding
from interlock.sim.venue.margin import holding_told, leverage_of, wallet_told
from interlock.sim.venue.state import VenueState
from interlock.sim.venue.values import AccountEvent, Payment


def pay(
    state: VenueState,
    account: Account,
    amount: int,
    *,
    kind: str,
    instrument: Instrument,
    trade_id: int = 0,
) -> None:
    """Add money (negative: take it) in the instrument's quote asset; 0 leaves no trace."""
    transfer(
        state, account, amount, kind=kind, asset=instrument.quote, about=(instrument.id, trade_id)
    )


def transfer(
    state: VenueState,
    account: Account,
    amount: int,
    *,
    kind: str,
    asset: str,
    about: tuple[str, int] = ("", 0),
) -> None:
    """Change a wallet of any asset; ``about`` is the symbol and trade it belongs to."""
    if not amount:
        return
    account.wallets[asset] = account.wallets.get(asset, 0) + amount
    state.payment_id += 1
    account.payments.append(
        Payment(
            kind=kind,
            account=account.name,
            symbol=about[0],
            asset=asset,
            amount=amount,
            ts=state.now,
            payment_id=state.payment_id,
            trade_id=about[1],
        )
    )


def change_holding(
    state: VenueState, account: Account, holding: Holding, *, signed: int, price: int
) -> int:
    """Apply an execution to a holding and its isolated margin; returns the realized profit."""
    position = holding.position
    before, cost_before = position.quantity, position.cost
    realized = position.fill(signed, price)
    holding.ts_updated = state.now
    symbol = position.instrument.id
    if not account.is_isolated(symbol):
        return realized
    leverage = leverage_of(state, account, symbol)
    if before * position.quantity < 0 or not before:
        holding.isolated_wallet = initial_margin(position.instrument, position.cost, leverage)
    elif not position.quantity:
        holding.isolated_wallet = 0
    elif before * signed > 0:
        added = position.cost - cost_before
        holding.isolated_wallet += initial_margin(position.instrument, added, leverage)
    else:
        left = abs(position.quantity)
        holding.isolated_wallet = div_toward_zero(holding.isolated_wallet * left, abs(before))
    return realized


def tell_account(
    state: VenueState,
    account: Account,
    cause: str,
    *,
    holdings: tuple[Holding, ...] = (),
    changes: tuple[tuple[str, int], ...] = (),
    asset: str = "",
) -> None:
    """Tell the wallet of an asset (or of the holdings) and these holdings as they are now."""
    if account.is_venue:
        return
    assets = {item.position.instrument.quote: None for item in holdings}
    if asset:
        assets[asset] = None
    state.events.append(
        AccountEvent(
            ts=state.now,
            sequence=state.count(),
            account=account.name,
            cause=cause,
            balances=tuple([wallet_told(state, account, item) for item in assets]),
            positions=tuple([holding_told(state, account, item) for item in holdings]),
            changes=changes,
        )
    )
