"""What a match does: the tape, the fills of both sides, their money, and how orders end."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.model.order import OrderStatus
from interlock.model.units import RATE_SCALE, div_ceil
from interlock.sim.matching import Match
from interlock.sim.venue.accounts import PARTICIPANTS, Account, is_closing
from interlock.sim.venue.ledger import change_holding, pay, tell_account
from interlock.sim.venue.market import Market
from interlock.sim.venue.state import VenueState
from interlock.sim.venue.values import EndReason, Fill, Order, TradePrint


def settle(state: VenueState, market: Market, match: Match, *, cause: str = "trade") -> None:
    """Print a match and settle its accounts; participants among themselves leave only the print."""
    taker, maker = market.orders.get(match.taker), market.orders.get(match.maker)  # type: ignore[arg-type]
    print_trade(state, market, match, is_liquidation=cause == "liquidation")
    market.touch(-match.side, match.price)
    if taker is None and maker is None:
        return
    for order, side, is_maker in ((taker, match.side, False), (maker, -match.side, True)):
        if order is None:
            counter = state.accounts[PARTICIPANTS]
            _settle_venue(state, market, counter, signed=side * match.quantity, price=match.price)
        else:
            told = "trade" if is_maker else cause
            _fill(state, market, order, (match.price, match.quantity, is_maker, told))


def swap(
    state: VenueState,
    market: Market,
    order: Order,
    *,
    counter: Order | Account,
    price: int,
    cause: str,
) -> None:
    """Fill the whole of an order off the book, against another order or an account of the venue."""
    quantity = order.left
    market.trade_id += 1
    _fill(state, market, order, (price, quantity, False, cause))
    if isinstance(counter, Account):
        _settle_venue(state, market, counter, signed=-order.side * quantity, price=price)
    else:
        _fill(state, market, counter, (price, quantity, False, "adl"))


def fill_ended(
    state: VenueState, market: Market, order: Order, *, quantity: int, price: int
) -> None:
    """Execute a part of an order that has ended already; its end stays what it was."""
    market.trade_id += 1
    _fill(state, market, order, (price, quantity, True, "trade"))
    counter = state.accounts[PARTICIPANTS]
    _settle_venue(state, market, counter, signed=-order.side * quantity, price=price)


def print_trade(
    state: VenueState, market: Market, match: Match, *, is_liquidation: bool = False
) -> None:
    """Put a trade on the tape, into its bar, and before the conditionals."""
    market.trade_id += 1
    price, quantity, side = match.price, match.quantity, match.side
    market.last = price
    market.flow_signed += side * quantity
    if market.conditionals:
        market.path.append((False, price))
    market.add_to_bar(state.now, price, quantity, side)
    buyer, seller = (match.taker, match.maker) if side > 0 else (match.maker, match.taker)
    state.sequence += 1
    told = TradePrint(
        ts=state.now,
        sequence=state.sequence,
        symbol=market.symbol,
        price=price,
        quantity=quantity,
        side=side,
        trade_id=market.trade_id,
        buyer_order=buyer,  # type: ignore[arg-type]
        seller_order=seller,  # type: ignore[arg-type]
        is_liquidation=is_liquidation,
    )
    market.prints.append(told)
    state.events.append(told)


def _settle_venue(
    state: VenueState, market: Market, account: Account, *, signed: int, price: int
) -> None:
    holding = account.holding(market.instrument, "both")
    realized = change_holding(state, account, holding, signed=signed, price=price)
    pay(state, account, realized, kind="realized", instrument=market.instrument)


def _fill(
    state: VenueState, market: Market, order: Order, what: tuple[int, int, bool, str]
) -> None:
    """One execution of an account's order: holding, money, record, and what is told.

    ``what`` is (price, quantity, is it the maker, cause); forced causes cost no commission.
    """
    price, quantity, is_maker, cause = what
    instrument = market.instrument
    account = state.accounts[order.account]
    if state.rules.slippage and cause == "trade" and not (is_maker or account.is_venue):
        price = _slipped(state, instrument, order, price)
    holding = account.holding(instrument, order.position_side)
    before = holding.quantity
    realized = change_holding(state, account, holding, signed=order.side * quantity, price=price)
    notional = instrument.notional(price, quantity)
    is_free = account.is_venue or cause != "trade"
    fee = 0 if is_free else _fee(state, instrument, (notional, quantity), is_maker)
    holding.position.fees += fee
    trade_id = market.trade_id
    pay(state, account, realized, kind="realized", instrument=instrument, trade_id=trade_id)
    pay(state, account, -fee, kind="commission", instrument=instrument, trade_id=trade_id)
    order.filled += quantity
    order.notional += notional
    order.ts_updated = state.now
    was_open = order.is_open
    if was_open:
        order.status = OrderStatus.PARTIALLY_FILLED if order.left else OrderStatus.FILLED
    fill = Fill(
        fill_id=trade_id,
        order_id=order.order_id,
        client_id=order.client_id,
        account=account.name,
        symbol=market.symbol,
        side=order.side,
        position_side=order.position_side,
        price=price,
        quantity=quantity,
        notional=notional,
        fee=fee,
        fee_asset=instrument.quote,
        is_maker=is_maker,
        realized=realized,
        position_before=before,
        ts=state.now,
    )
    account.fills.append(fill)
    is_over_now = was_open and not order.left
    if is_over_now:
        forget(market, account, order)
    state.tell_order(order, cause, fill)
    tell_account(
        state, account, "order" if cause in ("trade", "settlement") else cause, holdings=(holding,)
    )
    state.changed[(account.name, market.symbol)] = None
    if is_over_now:
        state.ended.append(order)


def _slipped(state: VenueState, instrument: Instrument, order: Order, price: int) -> int:
    """The price made worse by the rule's share, rounded against the taker, within its limit."""
    side = order.side
    worse = price + side * div_ceil(price * state.rules.slippage, RATE_SCALE)
    worse = max(1, instrument.round_price(worse, up=side > 0))
    if not order.price:
        return worse
    return min(worse, order.price) if side > 0 else max(worse, order.price)


def _fee(state: VenueState, instrument: Instrument, size: tuple[int, int], is_maker: bool) -> int:
    """Commission on (notional, quantity): by the unit where the rules say so, else by the rate."""
    notional, quantity = size
    by_unit = state.rules.fee_per_unit
    if by_unit is not None:
        return div_ceil(quantity * by_unit, 10**instrument.quantity_exponent)
    return instrument.fee(notional, instrument.maker_rate if is_maker else instrument.taker_rate)


def forget(market: Market, account: Account, order: Order) -> None:
    """Move an order that has ended from the open ones to the history."""
    account.orders.close(order)
    if market.orders.pop(order.order_id, None) is not None and is_closing(order):
        market.reducing -= 1


def end_order(
    state: VenueState, market: Market, order: Order, *, status: OrderStatus, reason: EndReason
) -> None:
    """End an open order of the normal numbering, whether it rests or waits for its trigger."""
    if order.order_id in market.book:
        market.touch(order.side, order.price)
        market.book.cancel(order.order_id)
    market.conditionals.pop(order.order_id, None)
    order.status = status
    order.reason = reason
    order.ts_updated = state.now
    forget(market, state.accounts[order.account], order)
    state.tell_order(order, "canceled" if status is OrderStatus.CANCELED else "expired")
    state.ended.append(order)


def end_conditional(
    state: VenueState, market: Market, order: Order, *, status: OrderStatus, reason: EndReason
) -> None:
    """End an order of the conditional numbering that has not triggered."""
    market.conditionals.pop(order.order_id, None)
    order.status = status
    order.reason = reason
    order.ts_updated = state.now
    state.accounts[order.account].conditionals.close(order)
    state.tell_conditional(order, status.value)
    state.ended.append(order)


def end_any(state: VenueState, order: Order, *, status: OrderStatus, reason: EndReason) -> None:
    """End an open order of either numbering."""
    market = state.markets[order.symbol]
    end = end_conditional if order.is_conditional else end_order
    end(state, market, order, status=status, reason=reason)
