"""Placing on the book: closing orders cut to what they may close, matching, and what is left."""

from __future__ import annotations

from interlock.model.order import OrderStatus, TimeInForce
from interlock.sim.matching import Incoming, Outcome, SelfTrade
from interlock.sim.venue.accounts import Account, is_closing
from interlock.sim.venue.checks import closing_fault, is_market, limit_of, reducible
from interlock.sim.venue.margin import lacking
from interlock.sim.venue.market import Market
from interlock.sim.venue.settlement import end_order, settle
from interlock.sim.venue.state import VenueState
from interlock.sim.venue.values import EndReason, Order, OrderTicket, Refusal, Refused


def make_order(state: VenueState, account: Account, ticket: OrderTicket) -> Order:
    """A numbered record of a ticket."""
    fields = {name: getattr(ticket, name) for name in OrderTicket.__struct_fields__}
    return Order(
        **fields,
        order_id=state.next_order_id(),
        account=account.name,
        ts_created=state.now,
        ts_updated=state.now,
    )


class Path:
    """Where an incoming order would go: what it can take, and the closing orders it must cut."""

    __slots__ = ("cuts", "reach")

    def __init__(self) -> None:
        self.cuts: list[tuple[Order, int]] = []
        self.reach = 0


def look_ahead(state: VenueState, market: Market, incoming: Incoming, rule: SelfTrade) -> Path:
    """Walk the book as the match will, without touching it."""
    path = Path()
    holdings: dict[tuple[str, str], int] = {}
    for resting in market.book.side(-incoming.side):
        if path.reach >= incoming.quantity:
            break
        if (resting.price - incoming.price) * incoming.side > 0:
            break
        size = min(resting.quantity, incoming.quantity - path.reach)
        maker = market.orders.get(resting.order_id)  # type: ignore[arg-type]
        if maker is None:
            path.reach += size
            continue
        is_own = maker.account == incoming.owner
        if is_own and rule is not SelfTrade.ALLOW:
            if rule is SelfTrade.CANCEL_RESTING:
                continue
            break
        key = (maker.account, maker.position_side)
        held = holdings.get(key)
        if held is None:
            held = state.accounts[maker.account].held(market.symbol, maker.position_side)
        if is_closing(maker):
            allowed = max(0, -maker.side * held)
            if allowed < size:
                path.cuts.append((maker, allowed))
                size = allowed
        holdings[key] = held if is_own else held + maker.side * size
        path.reach += size
    return path


def cut(state: VenueState, market: Market, order: Order, allowed: int) -> None:
    """Make a resting closing order no larger than what it may close."""
    market.touch(order.side, order.price)
    if not allowed:
        end_order(state, market, order, status=OrderStatus.EXPIRED, reason=EndReason.REDUCE_ONLY)
        return
    surplus = order.left - allowed
    market.book.reduce(order.order_id, surplus)
    order.quantity -= surplus
    order.ts_updated = state.now
    state.tell_order(order, "amended")


def incoming_of(state: VenueState, market: Market, order: Order) -> Incoming:
    """An order as the book takes it; a market order becomes an immediate one at its bound."""
    time_in_force = order.time_in_force
    if is_market(order) and time_in_force is not TimeInForce.FOK:
        time_in_force = TimeInForce.IOC
    return Incoming(
        order_id=order.order_id,
        side=order.side,
        quantity=order.left,
        price=limit_of(state.rules, market, order),
        owner=order.account,
        time_in_force=time_in_force,
        post_only=order.post_only,
    )


def book_fault(state: VenueState, market: Market, order: Order) -> Refused | None:
    """The rules that need the book, the position and the money."""
    account = state.accounts[order.account]
    fault = closing_fault(account, order)
    if fault:
        return fault
    if is_closing(order):
        order.quantity = min(order.quantity, order.filled + reducible(account, order))
    book, side = market.book, order.side
    if is_market(order) and not book.best(-side):
        return Refused(Refusal.NO_LIQUIDITY, "there is nothing to trade against")
    if order.post_only and book.crosses(side, order.price):
        text = market.instrument.price_text
        touch = f"{text(book.best(1))}@{text(book.best(-1))}"
        return Refused(
            Refusal.POST_ONLY_WOULD_TAKE,
            "a post-only order would take",
            text(order.price),
            touch,
        )
    if order.time_in_force is TimeInForce.FOK:
        path = look_ahead(state, market, incoming_of(state, market, order), rule_of(state, order))
        if path.reach < order.left:
            return Refused(Refusal.FOK_UNFILLABLE, "the whole cannot be filled at once")
    if is_closing(order):
        return None
    lack = lacking(state, account, order)
    if lack and not account.is_venue:
        return Refused(Refusal.INSUFFICIENT_MARGIN, "margin is insufficient", f"{lack}")
    return None


def rule_of(state: VenueState, order: Order) -> SelfTrade:
    """What happens when this order meets its own account."""
    return order.self_trade or state.rules.self_trade


def execute(state: VenueState, market: Market, order: Order, *, cause: str = "trade") -> None:
    """Send an open order to the book and settle what it does there."""
    incoming = incoming_of(state, market, order)
    rule = rule_of(state, order)
    if market.reducing:
        for maker, allowed in look_ahead(state, market, incoming, rule).cuts:
            cut(state, market, maker, allowed)
    market.orders[order.order_id] = order
    if is_closing(order):
        market.reducing += 1
    market.book.self_trade = rule
    follow(state, market, order, outcome=market.book.place(incoming), cause=cause)


def follow(
    state: VenueState, market: Market, order: Order, *, outcome: Outcome, cause: str = "trade"
) -> None:
    """Settle an order's matches, end who yielded, rest or end what is left of it."""
    for match in outcome.trades:
        settle(state, market, match, cause=cause)
    for order_id in outcome.yielded:
        own = market.orders[order_id]  # type: ignore[index]
        market.touch(own.side, own.price)
        end_order(state, market, own, status=OrderStatus.EXPIRED, reason=EndReason.SELF_TRADE)
    if outcome.resting:
        market.touch(order.side, order.price)
    elif outcome.ended and order.is_open:
        stopped = outcome.reason == "self-trade prevention"
        reason = EndReason.SELF_TRADE if stopped else EndReason.IMMEDIATE
        end_order(state, market, order, status=OrderStatus.EXPIRED, reason=reason)
