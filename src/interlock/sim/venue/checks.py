"""The rules an order must keep before the book sees it; each answers with a refusal or None."""

from __future__ import annotations

from interlock.model.order import LIMIT_TYPES, TRIGGERED_TYPES, OrderType, TimeInForce
from interlock.model.units import RATE_SCALE, div_ceil, div_floor
from interlock.sim.venue.accounts import Account, is_closing
from interlock.sim.venue.market import Market, Trading
from interlock.sim.venue.state import VenueError, VenueState
from interlock.sim.venue.values import Order, OrderTicket, Refusal, Refused, VenueRules


def ticket_fault(
    state: VenueState, account: Account, market: Market, ticket: OrderTicket
) -> Refused | None:
    """Everything that can be said without the book, the position and the money."""
    _refuse_nonsense(ticket)
    return (
        status_fault(market)
        or _side_fault(account, ticket)
        or _number_fault(market, ticket)
        or _notional_fault(market, ticket)
        or band_fault(state.rules, market, ticket)
        or _identity_fault(account, ticket)
        or _count_fault(state, account, ticket)
        or _liquidation_fault(account, ticket)
    )


def _refuse_nonsense(ticket: OrderTicket) -> None:
    if ticket.side not in (1, -1):
        raise VenueError(f"side {ticket.side} must be +1 (buy) or -1 (sell)")
    if ticket.type in LIMIT_TYPES and not ticket.price:
        raise VenueError(f"a {ticket.type} order needs a price")
    is_trigger = ticket.type in TRIGGERED_TYPES
    if is_trigger and not (ticket.trigger or ticket.type is OrderType.TRAILING_STOP):
        raise VenueError(f"a {ticket.type} order needs a trigger price")
    if (ticket.is_conditional or ticket.waits_for or ticket.close_position) and not is_trigger:
        raise VenueError(f"a {ticket.type} order cannot be conditional; use a trigger type")
    if ticket.type is OrderType.TRAILING_STOP and not 0 < ticket.callback_rate < RATE_SCALE:
        raise VenueError(f"callback_rate {ticket.callback_rate} must be a rate of 1e-6 below 1")
    if (ticket.time_in_force is TimeInForce.GTD) != (ticket.expire_ts > 0):
        raise VenueError("gtd and expire_ts go together")


def status_fault(market: Market) -> Refused | None:
    """Whether the symbol takes requests."""
    if market.status is Trading.TRADING:
        return None
    return Refused(Refusal.SYMBOL_CLOSED, f"{market.symbol} is {market.status}", market.status)


def _side_fault(account: Account, ticket: OrderTicket) -> Refused | None:
    wanted = ("long", "short") if account.is_hedged else ("both",)
    if ticket.position_side not in wanted:
        text = f"position side must be one of {', '.join(wanted)} in this position mode"
        return Refused(Refusal.SIDE_RULE, text, ticket.position_side)
    if account.is_hedged and ticket.reduce_only:
        return Refused(Refusal.SIDE_RULE, "reduce-only is not taken in hedge mode", "reduce_only")
    return None


def _number_fault(market: Market, ticket: OrderTicket) -> Refused | None:
    instrument = market.instrument
    checked = [ticket.trigger, ticket.activation]
    checked.append(ticket.price if ticket.type in LIMIT_TYPES else 0)
    for price in checked:
        fault = instrument.price_fault(price) if price else None
        if fault:
            return Refused(Refusal.PRICE_RULE, fault, instrument.price_text(price))
    if ticket.close_position:
        return None
    fault = instrument.quantity_fault(ticket.quantity)
    if fault:
        return Refused(Refusal.QUANTITY_RULE, fault, instrument.quantity_text(ticket.quantity))
    return None


def _notional_fault(market: Market, ticket: OrderTicket) -> Refused | None:
    if is_closing_ticket(ticket) or not market.instrument.min_notional:
        return None
    price = ticket.price or ticket.trigger or market.reference()
    notional = market.instrument.notional(price, ticket.quantity)
    least = market.instrument.min_notional
    if not price or notional >= least:
        return None
    return Refused(
        Refusal.MIN_NOTIONAL, "the order's value is too small", f"{notional}", f"{least}"
    )


def is_closing_ticket(ticket: OrderTicket) -> bool:
    """Whether the ticket may only make a holding smaller."""
    if ticket.position_side == "both":
        return ticket.reduce_only or ticket.close_position
    return ticket.side == (-1 if ticket.position_side == "long" else 1)


def band_fault(rules: VenueRules, market: Market, ticket: OrderTicket) -> Refused | None:
    """Whether a limit price is too far from the mark."""
    mark = market.reference()
    if ticket.type is not OrderType.LIMIT or not mark:
        return None
    highest = div_floor(mark * (RATE_SCALE + rules.band_up), RATE_SCALE)
    lowest = div_ceil(mark * (RATE_SCALE - rules.band_down), RATE_SCALE)
    text = market.instrument.price_text
    buys, sells = ticket.side > 0, ticket.side < 0
    if ticket.price > highest and (buys or rules.band_is_two_sided):
        return Refused(
            Refusal.PRICE_BAND, "the price is above the band", text(ticket.price), text(highest)
        )
    if ticket.price < lowest and (sells or rules.band_is_two_sided):
        return Refused(
            Refusal.PRICE_BAND, "the price is below the band", text(ticket.price), text(lowest)
        )
    return None


def _identity_fault(account: Account, ticket: OrderTicket) -> Refused | None:
    taken = account.shelf(ticket.is_conditional).open_ids
    if ticket.client_id and (ticket.symbol, ticket.client_id) in taken:
        return Refused(Refusal.DUPLICATE_ID, "an open order has this client id", ticket.client_id)
    return None


def _count_fault(state: VenueState, account: Account, ticket: OrderTicket) -> Refused | None:
    rules = state.rules
    most = rules.max_conditionals if ticket.is_conditional else rules.max_orders
    orders = account.shelf(ticket.is_conditional).open.values()
    if len(orders) < most:
        return None
    count = sum(order.symbol == ticket.symbol for order in orders)
    if count < most:
        return None
    return Refused(Refusal.TOO_MANY_ORDERS, "too many open orders", f"{count + 1}", f"{most}")


def _liquidation_fault(account: Account, ticket: OrderTicket) -> Refused | None:
    if account.is_liquidating and not is_closing_ticket(ticket):
        return Refused(Refusal.IN_LIQUIDATION, "the account is being liquidated")
    return None


def reducible(account: Account, order: OrderTicket) -> int:
    """How much of its holding an order's side can close."""
    return max(0, -order.side * account.held(order.symbol, order.position_side))


def limit_of(rules: VenueRules, market: Market, order: Order) -> int:
    """The worst price an order may trade at: its own, or the venue's bound on market orders."""
    if order.price:
        return order.price
    mark = market.reference()
    if order.side > 0:
        bound = mark + div_floor(mark * rules.market_bound, RATE_SCALE)
        return market.instrument.round_price(max(bound, 1), up=True)
    bound = mark - div_floor(mark * rules.market_bound, RATE_SCALE)
    return max(1, market.instrument.round_price(bound, up=False))


def is_market(order: OrderTicket) -> bool:
    """Whether an order takes what there is and never rests."""
    return order.type not in LIMIT_TYPES


def closing_fault(account: Account, order: Order) -> Refused | None:
    """Whether a closing order has something to close."""
    if not is_closing(order) or reducible(account, order):
        return None
    held = account.held(order.symbol, order.position_side)
    return Refused(Refusal.REDUCE_ONLY, "the order would not reduce a position", f"{held}")
