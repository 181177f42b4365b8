"""Orders that wait for a price: taking them on, watching the tape and the mark, firing them."""

from __future__ import annotations

from interlock.model.order import OrderStatus, OrderType
from interlock.model.units import RATE_SCALE, div_ceil, div_floor
from interlock.sim.venue.accounts import Account, is_closing
from interlock.sim.venue.checks import reducible
from interlock.sim.venue.market import Market
from interlock.sim.venue.orders import book_fault, execute, make_order
from interlock.sim.venue.settlement import end_any, end_order
from interlock.sim.venue.state import VenueState
from interlock.sim.venue.values import EndReason, Order, OrderTicket, Refusal, Refused

_BECOMES = {
    OrderType.STOP_MARKET: OrderType.MARKET,
    OrderType.TAKE_PROFIT: OrderType.MARKET,
    OrderType.TRAILING_STOP: OrderType.MARKET,
    OrderType.STOP_LIMIT: OrderType.LIMIT,
    OrderType.TAKE_PROFIT_LIMIT: OrderType.LIMIT,
}
_STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)


def take_on(
    state: VenueState, account: Account, market: Market, ticket: OrderTicket
) -> Order | Refused:
    """Keep a trigger order until its price comes."""
    parent = None
    if ticket.waits_for:
        parent = account.orders.find(market.symbol, ticket.waits_for, "")
        if parent is None or not (parent.is_open or parent.filled):
            text = "the order to wait for is not open"
            return Refused(Refusal.UNKNOWN_ORDER, text, f"{ticket.waits_for}")
    elif ticket.type is not OrderType.TRAILING_STOP and _is_reached(
        ticket, _seen_price(market, ticket)
    ):
        text = market.instrument.price_text(ticket.trigger)
        return Refused(Refusal.WOULD_TRIGGER_NOW, "the order would trigger at once", text)
    order = make_order(state, account, ticket)
    order.is_active = parent is None or not parent.is_open
    account.shelf(ticket.is_conditional).add(order)
    market.conditionals[order.order_id] = order
    _tell(state, order, "new")
    if order.is_active and order.type is OrderType.TRAILING_STOP and not order.activation:
        order.trail_best = _seen_price(market, order)
    return order


def _seen_price(market: Market, ticket: OrderTicket) -> int:
    if ticket.working_type == "mark":
        return market.reference()
    return market.last or market.reference()


def _tell(state: VenueState, order: Order, what: str) -> None:
    if order.is_conditional:
        state.tell_conditional(order, what)
    else:
        state.tell_order(order, what)


def _is_reached(order: OrderTicket, price: int) -> bool:
    """Whether a price is at or beyond the trigger."""
    if not price:
        return False
    rises = order.side > 0 if order.type in _STOPS else order.side < 0
    return price >= order.trigger if rises else price <= order.trigger


def sees(order: Order, price: int) -> bool:
    """Show a price to a waiting order; True when it fires."""
    if not order.is_active:
        return False
    if order.type is not OrderType.TRAILING_STOP:
        return _is_reached(order, price)
    side = order.side
    if not order.trail_best:
        if order.activation and (price - order.activation) * side > 0:
            return False
        order.trail_best = price
        return False
    if (price - order.trail_best) * side < 0:
        order.trail_best = price
        return False
    if side > 0:
        return price >= div_ceil(order.trail_best * (RATE_SCALE + order.callback_rate), RATE_SCALE)
    return price <= div_floor(order.trail_best * (RATE_SCALE - order.callback_rate), RATE_SCALE)


def watch(state: VenueState, market: Market) -> bool:
    """Show the prices since the last time to every waiting order; True when one fired."""
    path, market.path = market.path, []
    fired = False
    for is_mark, price in path:
        for order in list(market.conditionals.values()):
            # One that fired before may have ended this one.
            is_watching = order.order_id in market.conditionals
            if is_watching and (order.working_type == "mark") is is_mark and sees(order, price):
                fire(state, market, order)
                fired = True
    return fired


def fire(state: VenueState, market: Market, order: Order) -> None:
    """Turn a waiting order into a working one, or end it with the reason that stands against it."""
    del market.conditionals[order.order_id]
    account = state.accounts[order.account]
    order.ts_triggered = order.ts_updated = state.now
    order.status = OrderStatus.TRIGGERED
    if order.close_position:
        order.quantity = reducible(account, order)
    if order.is_conditional:
        _spawn(state, market, account, order)
    else:
        _go_to_book(state, market, order)
    _end_siblings(state, account, order)


def _spawn(state: VenueState, market: Market, account: Account, order: Order) -> None:
    """A conditional becomes an order of the normal numbering."""
    account.conditionals.close(order)
    working = make_order(state, account, order)
    working.type = _BECOMES[order.type]
    working.is_conditional = False
    working.client_id = ""
    working.trigger = 0
    working.group = 0
    working.waits_for = 0
    working.conditional_id = order.order_id
    fault = _last_fault(state, market, working)
    if fault is not None:
        order.status = OrderStatus.REJECTED
        order.reason = fault.refusal.value
        state.tell_conditional(order, "rejected")
        return
    order.spawned_id = working.order_id
    state.tell_conditional(order, "triggered")
    account.orders.add(working)
    state.tell_order(working, "new")
    execute(state, market, working)


def _last_fault(state: VenueState, market: Market, order: Order) -> Refused | None:
    if is_closing(order) and not reducible(state.accounts[order.account], order):
        return Refused(Refusal.REDUCE_ONLY, "there is no position to reduce")
    return book_fault(state, market, order)


def _go_to_book(state: VenueState, market: Market, order: Order) -> None:
    """A trigger order of the normal numbering goes to the book under its own number."""
    fault = _last_fault(state, market, order)
    if fault is not None:
        end_order(
            state,
            market,
            order,
            status=OrderStatus.EXPIRED,
            reason=EndReason.TRIGGER_REFUSED,
        )
        return
    state.tell_order(order, "triggered")
    execute(state, market, order)


def _end_siblings(state: VenueState, account: Account, order: Order) -> None:
    if not order.group:
        return
    for shelf in (account.conditionals, account.orders):
        for other in list(shelf.open.values()):
            is_same = other.group == order.group and other.symbol == order.symbol
            if is_same and other.order_id != order.order_id and not other.ts_triggered:
                end_any(state, other, status=OrderStatus.CANCELED, reason=EndReason.SIBLING)


def look_after_ended(state: VenueState) -> bool:
    """What the end of an order means for others; True when any order had ended."""
    had_any = bool(state.ended)
    while state.ended:
        order = state.ended.popleft()
        account = state.accounts[order.account]
        if order.status is OrderStatus.FILLED:
            _end_siblings(state, account, order)
        if order.conditional_id:
            _finish(state, account, order)
        for child in [*account.conditionals.open.values(), *account.orders.open.values()]:
            if child.waits_for == order.order_id and not child.is_active:
                _wake(state, child, order)
    return had_any


def _finish(state: VenueState, account: Account, order: Order) -> None:
    conditional = account.conditionals.closed.get(order.conditional_id)
    if conditional is not None:
        conditional.status = order.status
        conditional.filled, conditional.notional = order.filled, order.notional
        conditional.ts_updated = state.now
        state.tell_conditional(conditional, "finished")


def _wake(state: VenueState, child: Order, parent: Order) -> None:
    if not parent.filled:
        end_any(state, child, status=OrderStatus.CANCELED, reason=EndReason.PARENT)
        return
    child.is_active = True
    child.ts_updated = state.now
    _tell(state, child, "activated")


def look_after_flat(state: VenueState) -> None:
    """End resting closing orders that have nothing left to close."""
    changed, state.changed = state.changed, {}
    for name, symbol in changed:
        account = state.accounts[name]
        market = state.markets[symbol]
        for order in list(account.orders.open.values()):
            if order.symbol != symbol or not is_closing(order) or reducible(account, order):
                continue
            if order.order_id in market.orders:
                end_order(
                    state,
                    market,
                    order,
                    status=OrderStatus.EXPIRED,
                    reason=EndReason.REDUCE_ONLY,
                )
        if not state.rules.keeps_conditionals_when_flat:
            _drop_waiting(state, account, market)


def _drop_waiting(state: VenueState, account: Account, market: Market) -> None:
    for order in list(market.conditionals.values()):
        if order.account != account.name or not order.is_active or not is_closing(order):
            continue
        if not reducible(account, order):
            end_any(state, order, status=OrderStatus.CANCELED, reason=EndReason.REDUCE_ONLY)


def react(state: VenueState, market: Market) -> None:
    """After anything on a market: dependents, triggers, and at last what everybody is told."""
    while True:
        look_after_flat(state)
        had_ended = look_after_ended(state)
        fired = watch(state, market) if market.path else False
        if not (had_ended or fired or market.path or state.changed):
            break
    state.flush(market)
