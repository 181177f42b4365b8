"""Requests of an account: place, cancel, amend, cancel all, dead man."""

from __future__ import annotations

from typing import NamedTuple

from interlock.model.order import LIMIT_TYPES, TRIGGERED_TYPES, OrderStatus, TimeInForce
from interlock.sim.matching import Incoming, Outcome
from interlock.sim.venue.accounts import Account, is_closing
from interlock.sim.venue.checks import band_fault, reducible, status_fault, ticket_fault
from interlock.sim.venue.conditionals import react, take_on
from interlock.sim.venue.margin import balance
from interlock.sim.venue.market import Market, Trading
from interlock.sim.venue.orders import (
    book_fault,
    cut,
    execute,
    follow,
    look_ahead,
    make_order,
    rule_of,
)
from interlock.sim.venue.settlement import end_any, end_order
from interlock.sim.venue.state import VenueState
from interlock.sim.venue.values import (
    Amendment,
    EndReason,
    Order,
    OrderTicket,
    Refusal,
    Refused,
)


def place(state: VenueState, account: Account, ticket: OrderTicket) -> Order | Refused:
    """Take on an order; what it does at once is in the order that is returned."""
    market = state.markets.get(ticket.symbol)
    if market is None:
        return Refused(Refusal.UNKNOWN_SYMBOL, "there is no such symbol", ticket.symbol)
    fault = ticket_fault(state, account, market, ticket)
    if fault is not None:
        return fault
    if ticket.type in TRIGGERED_TYPES:
        taken = take_on(state, account, market, ticket)
        if isinstance(taken, Order):
            _plan_expiry(state, taken)
        return taken
    order = make_order(state, account, ticket)
    fault = book_fault(state, market, order)
    if fault is not None:
        return fault
    account.orders.add(order)
    state.tell_order(order, "new")
    execute(state, market, order)
    _plan_expiry(state, order)
    react(state, market)
    return order


def _plan_expiry(state: VenueState, order: Order) -> None:
    if order.time_in_force is not TimeInForce.GTD or not order.is_open:
        return

    def expire(state: VenueState, ts: int) -> None:
        for target in (order, state.accounts[order.account].orders.open.get(order.spawned_id)):
            is_waiting = target is not None and target.is_open and not target.spawned_id
            if target is not None and is_waiting:
                end_any(state, target, status=OrderStatus.EXPIRED, reason=EndReason.EXPIRED)
        react(state, state.markets[order.symbol])

    state.plan(max(order.expire_ts, state.now), expire)


class Key(NamedTuple):
    """How a request names an order: by number, or else by client id, in one numbering."""

    order_id: int = 0
    client_id: str = ""
    conditional: bool = False

    @property
    def text(self) -> str:
        """The name as it was given."""
        return str(self.order_id) if self.order_id else self.client_id


def cancel(state: VenueState, account: Account, symbol: str, key: Key) -> Order | Refused:
    """End an open order."""
    market = state.markets.get(symbol)
    if market is None:
        return Refused(Refusal.UNKNOWN_SYMBOL, "there is no such symbol", symbol)
    order = account.shelf(key.conditional).find_open(symbol, key.order_id, key.client_id)
    if order is None:
        return Refused(Refusal.UNKNOWN_ORDER, "no open order has this number or id", key.text)
    end_any(state, order, status=OrderStatus.CANCELED, reason=EndReason.USER)
    react(state, market)
    return order


def cancel_all(
    state: VenueState,
    account: Account,
    symbol: str | None,
    *,
    conditional: bool | None,
    reason: EndReason = EndReason.USER,
) -> list[Order]:
    """End the open orders of a symbol (None: all) and numbering (None: both)."""
    shelves = (False, True) if conditional is None else (conditional,)
    ended = []
    for kind in shelves:
        for order in list(account.shelf(kind).open.values()):
            if order.is_open and symbol in (None, order.symbol):
                end_any(state, order, status=OrderStatus.CANCELED, reason=reason)
                ended.append(order)
    for name in {order.symbol: None for order in ended}:
        react(state, state.markets[name])
    return ended


def dead_man(state: VenueState, account: Account, symbol: str | None, due_ts: int) -> None:
    """Cancel the normal orders at ``due_ts`` unless told another time before; 0 = never."""
    key = (account.name, symbol or "")
    state.dead_men.pop(key, None)
    if not due_ts:
        return
    state.dead_men[key] = due_ts

    def strike(state: VenueState, ts: int) -> None:
        if state.dead_men.get(key) == due_ts:
            del state.dead_men[key]
            cancel_all(state, account, symbol, conditional=False, reason=EndReason.DEAD_MAN)

    state.plan(max(due_ts, state.now), strike)


def amend(state: VenueState, account: Account, symbol: str, change: Amendment) -> Order | Refused:
    """Give an open order another price, trigger or total quantity."""
    market = state.markets.get(symbol)
    if market is None:
        return Refused(Refusal.UNKNOWN_SYMBOL, "there is no such symbol", symbol)
    key = Key(change.order_id, change.client_id, change.is_conditional)
    order = account.shelf(key.conditional).find_open(symbol, key.order_id, key.client_id)
    if order is None:
        return Refused(Refusal.UNKNOWN_ORDER, "no open order has this number or id", key.text)
    wanted = _wanted(account, order, change, order.order_id in market.conditionals)
    fault = _amend_fault(state, market, order, wanted)
    if fault is not None:
        return fault
    if wanted.quantity <= order.filled and order.filled:
        end_order(state, market, order, status=OrderStatus.CANCELED, reason=EndReason.AMENDED)
    elif order.order_id in market.conditionals:
        _amend_waiting(state, order, wanted)
    else:
        fault = _amend_resting(state, market, order, wanted)
    react(state, market)
    return order if fault is None else fault


class _Wanted(NamedTuple):
    quantity: int
    price: int
    trigger: int


def _wanted(account: Account, order: Order, change: Amendment, is_waiting: bool) -> _Wanted:
    quantity = change.quantity or order.quantity
    # A waiting order is cut to what it may close when it triggers.
    if is_closing(order) and not is_waiting:
        quantity = min(quantity, order.filled + reducible(account, order))
    return _Wanted(quantity, change.price or order.price, change.trigger or order.trigger)


def _amend_fault(
    state: VenueState, market: Market, order: Order, wanted: _Wanted
) -> Refused | None:
    fault = status_fault(market)
    if fault is not None:
        return fault
    if wanted == (order.quantity, order.price, order.trigger):
        return Refused(Refusal.NOTHING_TO_CHANGE, "the order is as wanted already")
    if (wanted.price != order.price and order.type not in LIMIT_TYPES) or (
        wanted.trigger != order.trigger and order.order_id not in market.conditionals
    ):
        return Refused(Refusal.NOT_AMENDABLE, f"a {order.type} order has no such price to change")
    instrument = market.instrument
    for price in (wanted.price, wanted.trigger):
        text = instrument.price_fault(price) if price else None
        if text:
            return Refused(Refusal.PRICE_RULE, text, instrument.price_text(price))
    # An order that closes the whole position gets its quantity when it triggers.
    text = instrument.quantity_fault(wanted.quantity) if order.quantity else None
    if text:
        return Refused(Refusal.QUANTITY_RULE, text, instrument.quantity_text(wanted.quantity))
    probe = OrderTicket(
        symbol=order.symbol,
        side=order.side,
        quantity=wanted.quantity,
        type=order.type,
        price=wanted.price,
    )
    return band_fault(state.rules, market, probe)


def _amend_waiting(state: VenueState, order: Order, wanted: _Wanted) -> None:
    order.quantity, order.price, order.trigger = wanted
    order.ts_updated = state.now
    if order.is_conditional:
        state.tell_conditional(order, "amended")
    else:
        state.tell_order(order, "amended")


def _amend_resting(
    state: VenueState, market: Market, order: Order, wanted: _Wanted
) -> Refused | None:
    account, asset = state.accounts[order.account], market.instrument.quote
    before = balance(state, account, asset).available
    old = (order.quantity, order.price)
    order.quantity, order.price = wanted.quantity, wanted.price
    after = balance(state, account, asset).available
    if after < 0 and after < before and not is_closing(order):
        order.quantity, order.price = old
        return Refused(Refusal.INSUFFICIENT_MARGIN, "margin is insufficient", f"{-after}")
    book = market.book
    if order.post_only and wanted.price != old[1] and book.crosses(order.side, wanted.price):
        order.quantity, order.price = old
        end_order(state, market, order, status=OrderStatus.CANCELED, reason=EndReason.POST_ONLY)
        return None
    market.touch(order.side, old[1])
    order.ts_updated = state.now
    state.tell_order(order, "amended")
    book.self_trade = rule_of(state, order)
    if market.reducing and wanted.price != old[1]:
        _make_way(state, market, order)
    outcome: Outcome = book.amend(order.order_id, price=order.price, quantity=order.left)
    follow(state, market, order, outcome=outcome)
    return None


def _make_way(state: VenueState, market: Market, order: Order) -> None:
    """Cut the closing orders that an amended order would overrun."""
    incoming = Incoming(
        order_id=order.order_id,
        side=order.side,
        quantity=order.left,
        price=order.price,
        owner=order.account,
    )
    for maker, allowed in look_ahead(state, market, incoming, rule_of(state, order)).cuts:
        cut(state, market, maker, allowed)


def set_leverage(state: VenueState, account: Account, symbol: str, leverage: int) -> Refused | None:
    """Use another leverage on a symbol; refused where the open positions could not bear it."""
    market = state.markets.get(symbol)
    if market is None:
        return Refused(Refusal.UNKNOWN_SYMBOL, "there is no such symbol", symbol)
    most = market.instrument.leverage_max
    if not 1 <= leverage <= most:
        return Refused(Refusal.LEVERAGE_RULE, "leverage is out of range", f"{leverage}", f"{most}")
    old = account.leverages.get(symbol)
    asset = market.instrument.quote
    held = any(item.quantity for item in account.holdings_of(symbol))
    if held and account.is_isolated(symbol) and leverage < (old or state.rules.leverage):
        text = "leverage of an isolated position cannot be lowered"
        return Refused(Refusal.LEVERAGE_RULE, text, f"{leverage}")
    before = balance(state, account, asset).available
    account.leverages[symbol] = leverage
    after = balance(state, account, asset).available
    if after < 0 and after < before:
        if old is None:
            del account.leverages[symbol]
        else:
            account.leverages[symbol] = old
        text = "margin is insufficient for this leverage"
        return Refused(Refusal.INSUFFICIENT_MARGIN, text, f"{-after}")
    return None


def engaged(account: Account, symbol: str | None) -> Refused | None:
    """Whether open orders or positions stand in the way of another mode."""
    for kind in (False, True):
        for order in account.shelf(kind).open.values():
            if symbol in (None, order.symbol):
                return Refused(Refusal.HAS_OPEN_ORDERS, "there are open orders", order.symbol)
    for (name, _), holding in account.holdings.items():
        if holding.quantity and symbol in (None, name):
            return Refused(Refusal.HAS_POSITION, "there is a position", name)
    return None


def is_trading(market: Market) -> bool:
    """Whether the symbol trades now."""
    return market.status is Trading.TRADING
