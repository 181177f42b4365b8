"""Forced ends: positions whose margin is used up, the insurance fund, and deleveraging.

A position in danger loses its orders first. What the book takes at the bankruptcy price or better
is sold there; the insurance fund takes the rest at that price while it has money; after that the
holders of the other side give up theirs, those with most profit and leverage first.
"""

from __future__ import annotations

from interlock.kernel.positions import maintenance_margin
from interlock.model.order import OrderStatus, OrderType, TimeInForce
from interlock.model.units import div_ceil, div_floor
from interlock.sim.venue.accounts import INSURANCE, PARTICIPANTS, Account, Holding
from interlock.sim.venue.conditionals import react
from interlock.sim.venue.ledger import pay, tell_account, transfer
from interlock.sim.venue.margin import adl_rank, balance
from interlock.sim.venue.market import Market, Trading
from interlock.sim.venue.orders import execute, make_order
from interlock.sim.venue.settlement import end_any, swap
from interlock.sim.venue.state import VenueState
from interlock.sim.venue.values import EndReason, Order, OrderTicket


def check(state: VenueState) -> None:
    """Look at every account and take over what its margin no longer carries."""
    for account in list(state.accounts.values()):
        if account.is_venue:
            continue
        for holding in list(account.holdings.values()):
            if holding.quantity and _isolated_in_danger(state, account, holding):
                liquidate(state, account, holding)
        for asset in list(account.wallets):
            if _cross_in_danger(state, account, asset):
                _liquidate_cross(state, account, asset)
            _cover(state, account, asset)
    _unwind(state)


def _cover(state: VenueState, account: Account, asset: str) -> None:
    """The fund pays the debt of an account that has nothing left to sell."""
    debt = -account.wallets[asset]
    if debt <= 0 or any(
        item.quantity and item.position.instrument.quote == asset
        for item in account.holdings.values()
    ):
        return
    for owner, amount in ((account, debt), (state.accounts[INSURANCE], -debt)):
        transfer(state, owner, amount, kind="insurance", asset=asset)
    tell_account(state, account, "liquidation", changes=((asset, debt),), asset=asset)


def _isolated_in_danger(state: VenueState, account: Account, holding: Holding) -> bool:
    instrument = holding.position.instrument
    market = state.markets[instrument.id]
    if not account.is_isolated(instrument.id) or market.status is not Trading.TRADING:
        return False
    mark = market.reference()
    value = holding.position.value(mark)
    margin = holding.isolated_wallet + value - holding.position.cost
    return margin <= maintenance_margin(instrument, value)


def _cross_in_danger(state: VenueState, account: Account, asset: str) -> bool:
    view = balance(state, account, asset)
    if not view.cross_maintenance:
        return False
    return view.cross_wallet + view.cross_unrealized <= view.cross_maintenance


def _liquidate_cross(state: VenueState, account: Account, asset: str) -> None:
    account.is_liquidating = True
    _cancel_orders(state, account, None)
    while _cross_in_danger(state, account, asset):
        held = [
            item
            for (symbol, _), item in account.holdings.items()
            if item.quantity
            and not account.is_isolated(symbol)
            and item.position.instrument.quote == asset
            and state.markets[symbol].status is Trading.TRADING
        ]
        if not held:
            break
        largest = max(held, key=lambda item: _maintenance(state, item))
        liquidate(state, account, largest)
    account.is_liquidating = False


def _maintenance(state: VenueState, holding: Holding) -> int:
    instrument = holding.position.instrument
    mark = state.markets[instrument.id].reference()
    return maintenance_margin(instrument, holding.position.value(mark))


def _cancel_orders(state: VenueState, account: Account, symbol: str | None) -> None:
    symbols: dict[str, None] = {}
    for order in list(account.orders.open.values()):
        if symbol in (None, order.symbol):
            end_any(state, order, status=OrderStatus.CANCELED, reason=EndReason.LIQUIDATION)
            symbols[order.symbol] = None
    for name in symbols:
        react(state, state.markets[name])


def bankruptcy_price(state: VenueState, account: Account, holding: Holding) -> int:
    """The price at which the margin behind a holding is exactly used up, on the safe tick."""
    position = holding.position
    instrument = position.instrument
    margin = _margin_behind(state, account, holding)
    numerator, denominator = instrument.money_factor
    scale = abs(position.quantity) * numerator
    if position.quantity > 0:
        price = div_ceil((position.cost - margin) * denominator, scale)
        return instrument.round_price(max(1, price), up=True)
    price = div_floor((margin - position.cost) * denominator, scale)
    return max(1, instrument.round_price(max(1, price), up=False))


def _margin_behind(state: VenueState, account: Account, holding: Holding) -> int:
    instrument = holding.position.instrument
    if account.is_isolated(instrument.id):
        return holding.isolated_wallet
    view = balance(state, account, instrument.quote)
    own = holding.position.unrealized(state.markets[instrument.id].reference())
    return view.cross_wallet + view.cross_unrealized - own


def liquidate(state: VenueState, account: Account, holding: Holding) -> None:
    """Take a holding over: sell what the book takes, hand the rest on, charge the fee."""
    instrument = holding.position.instrument
    market = state.markets[instrument.id]
    _cancel_orders(state, account, instrument.id)
    if not holding.quantity:
        return
    price = bankruptcy_price(state, account, holding)
    value = abs(holding.position.value(market.reference()))
    reserved = account.cross_wallet(instrument.quote)
    order = forced_order(state, account, holding, price=price, prefix="autoclose-")
    execute(state, market, order, cause="liquidation")
    if holding.quantity:
        _hand_on(state, market, account, price)
    left = account.cross_wallet(instrument.quote)
    if account.is_isolated(instrument.id):
        left -= reserved
    _charge(
        state, market, account, left=left, fee=instrument.fee(value, state.rules.liquidation_fee)
    )
    tell_account(state, account, "liquidation", holdings=(holding,))
    react(state, market)


def forced_order(
    state: VenueState, account: Account, holding: Holding, *, price: int, prefix: str
) -> Order:
    """An order of the venue in an account's name that closes a holding."""
    quantity = holding.quantity
    order = make_order(
        state,
        account,
        OrderTicket(
            symbol=holding.position.instrument.id,
            side=-1 if quantity > 0 else 1,
            quantity=abs(quantity),
            type=OrderType.LIMIT,
            price=price,
            time_in_force=TimeInForce.IOC,
            reduce_only=holding.position_side == "both",
            position_side=holding.position_side,
        ),
    )
    order.client_id = f"{prefix}{order.order_id}"
    account.orders.add(order)
    state.tell_order(order, "new")
    return order


def _hand_on(state: VenueState, market: Market, account: Account, price: int) -> None:
    """Give what the book did not take to the insurance fund, or to the other side's holders."""
    for holding in account.holdings_of(market.symbol):
        while holding.quantity:
            order = forced_order(state, account, holding, price=price, prefix="autoclose-")
            insurance = state.accounts[INSURANCE]
            if insurance.wallets.get(market.instrument.quote, 0) > 0:
                swap(state, market, order, counter=insurance, price=price, cause="liquidation")
            else:
                deleverage_others(state, market, order, price)


def deleverage_others(state: VenueState, market: Market, order: Order, price: int) -> None:
    """Fill an order at a price against the first in the ranking of the other side."""
    ranked = []
    for account in state.accounts.values():
        for holding in account.holdings_of(market.symbol):
            is_other_side = holding.quantity * order.side > 0
            if is_other_side and not account.is_venue and account.name != order.account:
                ranked.append((adl_rank(state, account, holding), account, holding))
    if not ranked:
        counter = state.accounts[PARTICIPANTS]
        swap(state, market, order, counter=counter, price=price, cause="liquidation")
        return
    _, account, holding = max(ranked, key=lambda item: item[0])
    other = forced_order(state, account, holding, price=price, prefix="adl_autoclose-")
    size = min(order.left, other.left)
    order.quantity = order.filled + size
    other.quantity = size
    swap(state, market, order, counter=other, price=price, cause="liquidation")


def _charge(state: VenueState, market: Market, account: Account, *, left: int, fee: int) -> None:
    """The fee out of what is left of the margin, or the fund's money for what is missing."""
    insurance, instrument = state.accounts[INSURANCE], market.instrument
    taken = min(fee, left)
    if left < 0:
        if not account.is_isolated(market.symbol) and _has_others(account, market):
            return
        pay(state, account, -left, kind="insurance", instrument=instrument)
        pay(state, insurance, left, kind="insurance", instrument=instrument)
    elif taken > 0:
        pay(state, account, -taken, kind="liquidation_fee", instrument=instrument)
        pay(state, insurance, taken, kind="liquidation_fee", instrument=instrument)


def _has_others(account: Account, market: Market) -> bool:
    """Whether the wallet still stands behind other cross holdings of the asset."""
    return any(
        item.quantity
        and not account.is_isolated(symbol)
        and item.position.instrument.quote == market.instrument.quote
        for (symbol, _), item in account.holdings.items()
    )


def _unwind(state: VenueState) -> None:
    """The insurance fund sells what it took over, as far as the book takes it."""
    insurance = state.accounts[INSURANCE]
    for (symbol, _), holding in insurance.holdings.items():
        market = state.markets[symbol]
        if not holding.quantity or market.status is not Trading.TRADING:
            continue
        side = -1 if holding.quantity > 0 else 1
        if not market.book.best(-side):
            continue
        order = make_order(
            state,
            insurance,
            OrderTicket(symbol=symbol, side=side, quantity=abs(holding.quantity), reduce_only=True),
        )
        insurance.orders.add(order)
        execute(state, market, order)
        react(state, market)
