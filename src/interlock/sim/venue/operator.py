"""What happens to a venue from outside when somebody chooses: the verbs of fault scripts."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.model.order import OrderStatus
from interlock.model.units import RATE_SCALE, div_half_even
from interlock.sim.venue import crowd, liquidation, marks
from interlock.sim.venue.accounts import PARTICIPANTS, Account
from interlock.sim.venue.conditionals import react
from interlock.sim.venue.market import Market, Trading
from interlock.sim.venue.requests import place
from interlock.sim.venue.settlement import end_any, fill_ended, swap
from interlock.sim.venue.state import VenueError, VenueState
from interlock.sim.venue.values import (
    EndReason,
    MarketStatus,
    Order,
    OrderTicket,
    Refusal,
    Refused,
)


def gap(state: VenueState, market: Market, ratio: float) -> None:
    """Move the price everybody believes in by a ratio; resting orders in the way are run over."""
    if not 0 < ratio < 1_000:
        raise VenueError(f"gap ratio {ratio} must be positive; 0.95 is a fall of 5 percent")
    parts = round(ratio * RATE_SCALE)
    # The mark goes along, so that the bound of market orders does not stop what the gap triggers.
    market.mark = div_half_even(market.mark * parts, RATE_SCALE)
    market.index = max(1, div_half_even(market.index * parts, RATE_SCALE))
    market.basis = div_half_even(market.basis * parts, RATE_SCALE)
    if market.pinned:
        market.pinned = max(1, div_half_even(market.pinned * parts, RATE_SCALE))
    flow = state.flows.get(market.symbol)
    pull_participants(market)
    if flow is not None:
        flow.gap(state, market, ratio)
    elif not market.pinned:
        market.pinned = market.mark or max(1, market.middle() * parts // RATE_SCALE)
    react(state, market)
    marks.refresh(state, market)
    react(state, market)
    liquidation.check(state)


def pull_participants(market: Market) -> None:
    """Take every order of the other participants off the book."""
    for resting in list(market.book):
        if resting.order_id not in market.orders:
            market.touch(resting.side, resting.price)
            market.book.cancel(resting.order_id)


def set_mark(state: VenueState, market: Market, price: int) -> None:
    """Hold the mark at a price until it is set to 0."""
    market.pinned = price
    marks.refresh(state, market)
    react(state, market)
    liquidation.check(state)


def liquidate(state: VenueState, account: Account, market: Market) -> Refused | None:
    """Liquidate what an account holds of a symbol, whatever its margin."""
    held = [item for item in account.holdings_of(market.symbol) if item.quantity]
    if not held:
        return Refused(Refusal.REDUCE_ONLY, "there is no position to liquidate")
    for holding in held:
        liquidation.liquidate(state, account, holding)
    return None


def deleverage(state: VenueState, account: Account, market: Market) -> Refused | None:
    """Close what an account holds of a symbol at the mark, as deleveraging does."""
    return close_by_force(state, account, market, prefix="adl_autoclose-", cause="adl")


def close_by_force(
    state: VenueState, account: Account, market: Market, *, prefix: str, cause: str
) -> Refused | None:
    """Close an account's holdings of a symbol at the mark against the participants."""
    held = [item for item in account.holdings_of(market.symbol) if item.quantity]
    if not held:
        return Refused(Refusal.REDUCE_ONLY, "there is no position to close")
    price = market.reference()
    for holding in held:
        order = liquidation.forced_order(state, account, holding, price=price, prefix=prefix)
        counter = state.accounts[PARTICIPANTS]
        swap(state, market, order, counter=counter, price=price, cause=cause)
    react(state, market)
    return None


def manual_trade(state: VenueState, account: Account, ticket: OrderTicket) -> Order | Refused:
    """An order placed by hand on the same account: like any other, with a hand's client id."""
    if not ticket.client_id:
        ticket.client_id = f"web_{state.order_id + 1}"
    return place(state, account, ticket)


def fill_part(state: VenueState, account: Account, market: Market, parts: int) -> Order | Refused:
    """Somebody takes a share (``parts`` of 1e-6) of the account's oldest resting order.

    Everything that stands before it in the queue is taken too, as a real trade would.
    """
    own = [order for order in account.shelf(False).open.values() if order.order_id in market.book]
    order = next((item for item in own if item.symbol == market.symbol), None)
    if order is None:
        return Refused(Refusal.UNKNOWN_ORDER, "no order rests in the book")
    ahead = 0
    for resting in market.book.side(order.side):
        if resting.order_id == order.order_id:
            break
        ahead += resting.quantity
    lot = market.instrument.lot
    share = max(lot, order.left * parts // RATE_SCALE // lot * lot)
    crowd.take(state, market, -order.side, price=order.price, quantity=ahead + share)
    react(state, market)
    return order


def fill_late(
    state: VenueState, account: Account, market: Market, quantity: int
) -> Order | Refused:
    """The newest canceled order of an account executes after all, up to ``quantity`` of it.

    So a matching engine does whose word about the end overtook that about an execution.
    """
    for order in reversed(account.orders.closed.values()):
        is_one = order.symbol == market.symbol and order.status is OrderStatus.CANCELED
        if is_one and order.left and order.price and not order.reduce_only:
            part = min(order.left, quantity)
            fill_ended(state, market, order, quantity=part, price=order.price)
            react(state, market)
            return order
    return Refused(Refusal.UNKNOWN_ORDER, "no order was canceled with something left")


def change_filters(state: VenueState, market: Market, instrument: Instrument) -> None:
    """Give a symbol other rules; its units stay, and so do the orders that rest."""
    old = market.instrument
    same = (instrument.id, instrument.price_exponent, instrument.quantity_exponent, old.quote)
    if same != (old.id, old.price_exponent, old.quantity_exponent, instrument.quote):
        raise VenueError(f"{old.id}: a change of filters keeps id, exponents and quote asset")
    market.instrument = instrument
    for account in state.accounts.values():
        for holding in account.holdings_of(market.symbol):
            holding.position.instrument = instrument
    _tell_status(state, market, "filters")


def delist(state: VenueState, market: Market) -> None:
    """End a symbol: its orders are canceled, its positions settled at the mark, its book empty."""
    market.status = Trading.SETTLING
    _tell_status(state, market, market.status)
    for account in list(state.accounts.values()):
        for kind in (False, True):
            for order in list(account.shelf(kind).open.values()):
                if order.symbol == market.symbol and order.is_open:
                    end_any(state, order, status=OrderStatus.CANCELED, reason=EndReason.DELISTED)
        if account.name != PARTICIPANTS:
            close_by_force(
                state, account, market, prefix="settlement_autoclose-", cause="settlement"
            )
    pull_participants(market)
    react(state, market)
    market.status = Trading.DELISTED
    state.flows.pop(market.symbol, None)
    _tell_status(state, market, market.status)


def set_trading(state: VenueState, symbol: str | None, status: Trading) -> None:
    """Halt or resume a symbol, or all of them; resting orders stay, and may be canceled."""
    for market in state.markets.values():
        if symbol not in (None, market.symbol) or market.status is Trading.DELISTED:
            continue
        if market.status is not status:
            market.status = status
            _tell_status(state, market, status)


def _tell_status(state: VenueState, market: Market, status: str) -> None:
    state.events.append(
        MarketStatus(ts=state.now, sequence=state.count(), symbol=market.symbol, status=str(status))
    )
