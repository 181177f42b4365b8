"""Margin of an account: what positions and orders bind, what may be opened, where it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from interlock.kernel.positions import (
    initial_margin,
    liquidation_price,
    maintenance_margin,
)
from interlock.sim.venue.accounts import Account, Holding, is_closing
from interlock.sim.venue.market import Market
from interlock.sim.venue.state import VenueState
from interlock.sim.venue.values import (
    AccountView,
    BalanceView,
    HoldingTold,
    Order,
    PositionView,
    WalletTold,
)

# An order that takes is assumed to pay up to a 2,000th (5 basis points) more than the mark.
_MARKET_SLACK = 2_000


class SymbolMargin(NamedTuple):
    """What one symbol binds, in money units."""

    position: int
    orders: int
    maintenance: int
    unrealized: int


def leverage_of(state: VenueState, account: Account, symbol: str) -> int:
    """The leverage an account uses on a symbol."""
    most = state.markets[symbol].instrument.leverage_max
    return min(most, account.leverages.get(symbol, state.rules.leverage))


def _order_notionals(market: Market, orders: list[Order], position_side: str) -> tuple[int, int]:
    """Money that open buys and sells would add, at their prices."""
    buys = sells = 0
    mark = market.reference()
    most = mark + mark // _MARKET_SLACK
    for order in orders:
        if order.position_side != position_side or is_closing(order):
            continue
        # What crosses trades at the touch and not at its limit; a sale is worth the mark at least.
        price = order.price
        if order.side < 0:
            price = max(price, mark)
        elif not price or price > mark:
            price = min(price or most, most)
        notional = market.instrument.notional(price, order.left)
        if order.side > 0:
            buys += notional
        else:
            sells += notional
    return buys, sells


def symbol_margin(
    state: VenueState, account: Account, market: Market, orders: list[Order]
) -> SymbolMargin:
    """The margin of one symbol with these open orders of it."""
    leverage = leverage_of(state, account, market.symbol)
    instrument, mark = market.instrument, market.reference()
    position = order_margin = maintenance = unrealized = 0
    for side in ("long", "short") if account.is_hedged else ("both",):
        holding = account.holdings.get((market.symbol, side))
        value = 0
        if holding is not None and holding.position.quantity:
            value = holding.position.value(mark)
            position += initial_margin(instrument, value, leverage)
            maintenance += maintenance_margin(instrument, value)
            unrealized += value - holding.position.cost
        if orders:
            buys, sells = _order_notionals(market, orders, side)
            most = max(abs(value + buys), abs(value - sells), abs(value))
            order_margin += initial_margin(instrument, most - abs(value), leverage)
    return SymbolMargin(position, order_margin, maintenance, unrealized)


def _by_symbol(
    state: VenueState, account: Account, asset: str, extra: Order | None
) -> Iterator[tuple[Market, list[Order]]]:
    """The symbols of an asset that the account is engaged in, with its orders there."""
    found: dict[str, list[Order]] = {}
    for (symbol, _), holding in account.holdings.items():
        if holding.position.quantity:
            found[symbol] = []
    for order in account.orders.open.values():
        if order.order_id in state.markets[order.symbol].orders:
            found.setdefault(order.symbol, []).append(order)
    if extra is not None:
        found.setdefault(extra.symbol, []).append(extra)
    for symbol, orders in found.items():
        market = state.markets[symbol]
        if market.instrument.quote == asset:
            yield market, orders


def balance(
    state: VenueState, account: Account, asset: str, extra: Order | None = None
) -> BalanceView:
    """The figures of one asset; ``available`` may be negative here."""
    cross_wallet = account.cross_wallet(asset)
    position = orders = maintenance = cross_maintenance = unrealized = cross_unrealized = 0
    available = cross_wallet
    for market, open_orders in _by_symbol(state, account, asset, extra):
        part = symbol_margin(state, account, market, open_orders)
        position += part.position
        orders += part.orders
        maintenance += part.maintenance
        unrealized += part.unrealized
        available -= part.orders
        if not account.is_isolated(market.symbol):
            cross_maintenance += part.maintenance
            cross_unrealized += part.unrealized
            available += part.unrealized - part.position
    return BalanceView(
        asset=asset,
        wallet=account.wallets.get(asset, 0),
        cross_wallet=cross_wallet,
        unrealized=unrealized,
        cross_unrealized=cross_unrealized,
        position_margin=position,
        order_margin=orders,
        maintenance=maintenance,
        cross_maintenance=cross_maintenance,
        available=available,
    )


def shown(view: BalanceView) -> BalanceView:
    """The figures as they are shown: nothing available is 0, not a debt."""
    if view.available >= 0:
        return view
    fields = {name: getattr(view, name) for name in view.__struct_fields__}
    return BalanceView(**{**fields, "available": 0})


def lacking(state: VenueState, account: Account, order: Order) -> int:
    """The money an order lacks to be carried; 0 when it can, or when it binds nothing new."""
    asset = state.markets[order.symbol].instrument.quote
    after = balance(state, account, asset, order).available
    if after >= 0:
        return 0
    before = balance(state, account, asset).available
    return -after if after < before else 0


def liquidation_level(state: VenueState, account: Account, holding: Holding) -> int:
    """The mark at which a holding is taken over, in price units; 0 = out of reach."""
    if not holding.quantity:
        return 0
    instrument = holding.position.instrument
    if account.is_isolated(instrument.id):
        return liquidation_price(holding.position, holding.isolated_wallet) or 0
    view = balance(state, account, instrument.quote)
    mark = state.markets[instrument.id].reference()
    value = holding.position.value(mark)
    others = view.cross_unrealized - holding.position.unrealized(mark)
    other_maintenance = view.cross_maintenance - maintenance_margin(instrument, value)
    margin = view.cross_wallet + others - other_maintenance
    return liquidation_price(holding.position, margin) or 0


def adl_rank(state: VenueState, account: Account, holding: Holding) -> tuple[int, int]:
    """Who is deleveraged first, larger is earlier: profit over cost times leverage, as 1e-6."""
    mark = state.markets[holding.position.instrument.id].reference()
    profit = holding.position.unrealized(mark)
    ratio = profit * 1_000_000 // max(1, abs(holding.position.cost))
    leverage = leverage_of(state, account, holding.position.instrument.id)
    return (ratio * leverage if ratio > 0 else ratio // leverage, abs(holding.quantity))


def _adl_fifth(state: VenueState, account: Account, holding: Holding) -> int:
    own = adl_rank(state, account, holding)
    ranks = []
    for other in state.accounts.values():
        for item in other.holdings_of(holding.position.instrument.id):
            if not other.is_venue and item.quantity * holding.quantity > 0:
                ranks.append(adl_rank(state, other, item))
    return 5 * sum(rank < own for rank in ranks) // len(ranks)


def position_view(state: VenueState, account: Account, holding: Holding) -> PositionView:
    """One holding with its figures."""
    position = holding.position
    symbol = position.instrument.id
    market = state.markets[symbol]
    mark = market.reference()
    value = position.value(mark)
    leverage = leverage_of(state, account, symbol)
    orders = [item for item in market.orders.values() if item.account == account.name]
    has_position = bool(position.quantity)
    return PositionView(
        symbol=symbol,
        position_side=holding.position_side,
        quantity=position.quantity,
        cost=position.cost,
        mark=mark,
        unrealized=value - position.cost,
        realized=position.realized,
        fees=position.fees,
        funding=position.funding,
        liquidation=liquidation_level(state, account, holding),
        leverage=leverage,
        is_isolated=account.is_isolated(symbol),
        isolated_wallet=holding.isolated_wallet,
        initial_margin=initial_margin(position.instrument, value, leverage),
        order_margin=symbol_margin(state, account, market, orders).orders,
        maintenance=maintenance_margin(position.instrument, value) if has_position else 0,
        adl=_adl_fifth(state, account, holding) if has_position and not account.is_venue else 0,
        ts_updated=holding.ts_updated,
    )


def wallet_told(state: VenueState, account: Account, asset: str) -> WalletTold:
    """One asset as the account's stream tells it."""
    unrealized = sum(
        holding.position.unrealized(state.markets[symbol].reference())
        for (symbol, _), holding in account.holdings.items()
        if holding.quantity and holding.position.instrument.quote == asset
    )
    return WalletTold(
        asset=asset,
        wallet=account.wallets.get(asset, 0),
        cross_wallet=account.cross_wallet(asset),
        unrealized=unrealized,
    )


def holding_told(state: VenueState, account: Account, holding: Holding) -> HoldingTold:
    """One holding as the account's stream tells it."""
    position, symbol = holding.position, holding.position.instrument.id
    return HoldingTold(
        symbol=symbol,
        position_side=holding.position_side,
        quantity=position.quantity,
        cost=position.cost,
        unrealized=position.unrealized(state.markets[symbol].reference()),
        realized=position.realized,
        is_isolated=account.is_isolated(symbol),
        isolated_wallet=holding.isolated_wallet,
    )


def account_view(state: VenueState, account: Account) -> AccountView:
    """The account with every wallet and every holding that is not zero."""
    return AccountView(
        name=account.name,
        is_hedged=account.is_hedged,
        is_liquidating=account.is_liquidating,
        balances=tuple(shown(balance(state, account, asset)) for asset in account.wallets),
        positions=tuple(
            position_view(state, account, holding)
            for holding in account.holdings.values()
            if holding.quantity
        ),
    )
