"""What other participants do to a book: rest, take, withdraw. Their orders have no owner."""

from __future__ import annotations

import msgspec

from interlock.model.order import TimeInForce
from interlock.sim.matching import Incoming, SelfTrade
from interlock.sim.venue.market import Market
from interlock.sim.venue.orders import cut, look_ahead
from interlock.sim.venue.settlement import settle
from interlock.sim.venue.state import VenueState


def send(state: VenueState, market: Market, incoming: Incoming) -> int:
    """Match an order without owner and rest what may rest; returns the quantity that rests.

    Its price is brought to a valid one that asks for no more: nobody trades between the ticks.
    """
    rounded = market.instrument.round_price
    valid = rounded(incoming.price, up=incoming.side < 0) or rounded(incoming.price, up=True)
    if valid != incoming.price:
        incoming = msgspec.structs.replace(incoming, price=valid)
    if market.reducing:
        for maker, allowed in look_ahead(state, market, incoming, SelfTrade.ALLOW).cuts:
            cut(state, market, maker, allowed)
    outcome = market.book.place(incoming)
    for match in outcome.trades:
        settle(state, market, match)
    if outcome.resting:
        market.touch(incoming.side, incoming.price)
    return outcome.resting


def rest(state: VenueState, market: Market, side: int, *, price: int, quantity: int) -> int:
    """Offer at a price, trading first with what stands in the way; its number, 0 if none rests."""
    number = state.next_order_id()
    incoming = Incoming(order_id=number, side=side, quantity=quantity, price=price)
    return number if send(state, market, incoming) else 0


def take(state: VenueState, market: Market, side: int, *, price: int, quantity: int) -> None:
    """Take up to a quantity at a price or better."""
    number = state.next_order_id()
    ioc = TimeInForce.IOC
    send(
        state,
        market,
        Incoming(order_id=number, side=side, quantity=quantity, price=price, time_in_force=ioc),
    )


def withdraw(market: Market, number: int) -> None:
    """Take an offer off the book when it still stands."""
    if number in market.book:
        gone = market.book.cancel(number)
        market.touch(gone.side, gone.price)


def shrink(market: Market, number: int, surplus: int) -> None:
    """Make an offer smaller in its place."""
    resting = market.book.order(number)
    market.touch(resting.side, resting.price)
    market.book.reduce(number, surplus)
