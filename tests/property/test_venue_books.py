"""Whatever accounts and operators do, money and positions add up and the book stays sound."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.model.order import OrderStatus, OrderType, TimeInForce
from interlock.sim.matching import SelfTrade
from interlock.sim.venue.accounts import is_closing
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.participants import Participants, shape_of
from interlock.sim.venue.values import Amendment, Order, OrderTicket, VenueRules
from tests.unit.sim.venue.cases import BTC, ETH, HOUR, MONEY, SECOND, perpetual

NAMES = ("ann", "bob", "cid")
START = 3_000 * MONEY
TRIGGERS = (
    OrderType.STOP_MARKET,
    OrderType.STOP_LIMIT,
    OrderType.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT,
    OrderType.TRAILING_STOP,
)

number = st.integers(0, 2**31)
steps = st.lists(st.tuples(number, number, number, number), min_size=1, max_size=80)
modes = st.tuples(
    st.sampled_from(list(SelfTrade)), st.booleans(), st.booleans(), st.sampled_from([0, 10**12])
)


def build(mode: tuple[SelfTrade, bool, bool, int]) -> VenueCore:
    self_trade, hedged, isolated, insurance = mode
    rules = VenueRules(
        self_trade=self_trade,
        insurance=insurance,
        max_orders=8,
        leverage=50,
        band_up=300_000,
        band_down=300_000,
    )
    core = VenueCore([perpetual(), perpetual(ETH)], options=rules, seed=1)
    for name in NAMES:
        core.add_account(name, {"USDT": START})
    core.set_position_mode(1, "ann", hedged=hedged)
    core.set_margin_type(1, "bob", BTC, isolated=isolated)
    return core


def ticket(core: VenueCore, name: str, draws: tuple[int, ...]) -> OrderTicket:
    """A ticket out of four numbers, mostly sensible."""
    a, b, c, d = draws
    side = 1 if a & 1 else -1
    kind = (OrderType.LIMIT, OrderType.MARKET, *TRIGGERS)[(0, 0, 0, 1, 2, 3, 4, 5, 6)[b % 9]]
    near = 500_000 + (c % 21 - 10) * 100
    is_trigger = kind in TRIGGERS
    is_limit = kind in (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT)
    is_hedged = core.state.accounts[name].is_hedged
    close = is_trigger and d % 5 == 0
    in_force = (TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)[d % 4]
    return OrderTicket(
        symbol=BTC if d % 7 else ETH,
        side=side,
        quantity=0 if close else 1 + (a >> 3) % 400,
        type=kind,
        price=near if is_limit else 0,
        trigger=500_000 + ((c >> 6) % 21 - 10) * 100 if is_trigger else 0,
        callback_rate=5_000 if kind is OrderType.TRAILING_STOP else 0,
        time_in_force=in_force if kind is OrderType.LIMIT else TimeInForce.GTC,
        post_only=kind is OrderType.LIMIT and in_force is TimeInForce.GTC and b % 6 == 0,
        reduce_only=not is_hedged and not close and (a >> 2) % 4 == 0,
        close_position=close,
        client_id=f"c{(b >> 4) % 6}" if b & 8 else "",
        working_type="mark" if c & 1 else "contract",
        position_side=("long", "short")[(a >> 1) & 1] if is_hedged else "both",
        is_conditional=is_trigger and bool(c & 2),
        group=(d >> 5) % 3,
    )


def do(core: VenueCore, draws: tuple[int, ...]) -> object:
    """One call out of four numbers."""
    a, b, c, d = draws
    name = NAMES[a % 3]
    symbol = BTC if b % 5 else ETH
    ts = core.now + c % (4 * SECOND)
    orders = core.open_orders(name, symbol)
    others: tuple[Callable[[], Any], ...] = (
        lambda: core.cancel_all(ts, name, symbol),
        lambda: core.set_leverage(ts, name, symbol, 1 + d % 125),
        lambda: core.advance(core.now + HOUR),
        lambda: core.set_mark(ts, symbol, 480_000 + d % 40_000),
        lambda: core.gap(ts, symbol, 0.95 + (d % 11) / 100),
        lambda: core.liquidate(ts, name, symbol),
        lambda: core.deleverage(ts, name, symbol),
        lambda: core.transfer(ts, name, "USDT", (d % 2_000 - 1_000) * MONEY),
        lambda: core.dead_man(ts, name, symbol, ts + d % (100 * SECOND)),
        lambda: core.set_mark(ts, symbol, 0),
        lambda: core.add_margin(ts, name, symbol, amount=(d % 400 - 200) * MONEY),
    )
    pick = a % 97
    if pick < len(others):
        return others[pick]()
    if orders and pick < 30:
        order = orders[d % len(orders)]
        if pick < 18:
            return core.cancel(ts, name, symbol, order_id=order.order_id)
        change = Amendment(
            order_id=order.order_id,
            quantity=1 + b % 400,
            price=500_000 + (c % 21 - 10) * 100 if order.price else 0,
        )
        return core.amend(ts, name, symbol, change)
    return core.place(ts, name, ticket(core, name, (b, c, d, a)))


def check(core: VenueCore) -> None:
    check_money(core)
    for market in core.state.markets.values():
        total = 0
        for account in core.state.accounts.values():
            total += sum(item.quantity for item in account.holdings_of(market.symbol))
        assert total == 0
        best_bid, best_ask = market.book.best(1), market.book.best(-1)
        assert not best_bid or not best_ask or best_bid < best_ask
        for order in market.orders.values():
            assert market.book.order(order.order_id).quantity == order.left > 0
        reducing = sum(is_closing(order) for order in market.orders.values())
        assert market.reducing == reducing
    for name in NAMES:
        check_orders(core, name)
        check_fills(core, name)


def check_money(core: VenueCore) -> None:
    total = 0
    for account in core.state.accounts.values():
        start = START if account.name in NAMES else 0
        if account.name == "insurance":
            start = core.rules.insurance
        paid = sum(item.amount for item in account.payments)
        assert account.wallets.get("USDT", 0) == start + paid
        cost = sum(item.position.cost for item in account.holdings.values())
        # Trades, fees of liquidation and the fund's help only move money from one to another.
        outside = ("commission", "transfer", "funding")
        moved = sum(item.amount for item in account.payments if item.kind in outside)
        total += account.wallets.get("USDT", 0) - cost - start - moved
        assert all(item.isolated_wallet == 0 or item.quantity for item in account.holdings.values())
    assert total == 0


def check_orders(core: VenueCore, name: str) -> None:
    account = core.state.accounts[name]
    for shelf in (account.orders, account.conditionals):
        ids = [(item.symbol, item.client_id) for item in shelf.open.values() if item.client_id]
        assert len(ids) == len(set(ids))
        assert sorted(shelf.open_ids.items()) == sorted(
            ((item.symbol, item.client_id), item.order_id)
            for item in shelf.open.values()
            if item.client_id
        )
        assert all(item.is_open for item in shelf.open.values())
    for order in account.orders.open.values():
        market = core.state.markets[order.symbol]
        assert (order.order_id in market.orders) != (order.order_id in market.conditionals)
    for order in account.conditionals.open.values():
        assert order.order_id in core.state.markets[order.symbol].conditionals
        assert order.status is OrderStatus.ACCEPTED
    for order in account.conditionals.closed.values():
        assert order.spawned_id or not order.is_open
        spawned = account.orders.find(order.symbol, order.spawned_id, "")
        assert not order.spawned_id or (spawned and spawned.conditional_id == order.order_id)


def check_fills(core: VenueCore, name: str) -> None:
    account = core.state.accounts[name]
    sums: dict[tuple[str, str], int] = {}
    filled: dict[int, int] = {}
    for fill in account.fills:
        key = (fill.symbol, fill.position_side)
        assert fill.position_before == sums.get(key, 0)
        sums[key] = fill.position_before + fill.side * fill.quantity
        filled[fill.order_id] = filled.get(fill.order_id, 0) + fill.quantity
        order = account.orders.find(fill.symbol, fill.order_id, "")
        assert order is not None
        if is_closing(order):
            assert abs(sums[key]) < abs(fill.position_before)
            assert sums[key] * fill.position_before >= 0
    for key, quantity in sums.items():
        assert account.held(*key) == quantity
    for order in [*account.orders.open.values(), *account.orders.closed.values()]:
        assert order.filled == filled.get(order.order_id, 0) <= order.quantity


@settings(max_examples=120, deadline=None)
@given(modes, steps)
def test_accounts_among_themselves_add_up(
    mode: tuple[SelfTrade, bool, bool, int], calls: list[tuple[int, int, int, int]]
) -> None:
    core = build(mode)
    conditionals: set[tuple[str, int]] = set()
    for draws in calls:
        answer = do(core, draws)
        if isinstance(answer, Order) and answer.is_conditional:
            conditionals.add((answer.account, answer.order_id))
        check(core)
    for name, order_id in sorted(conditionals):
        shelf = core.state.accounts[name].conditionals
        assert (order_id in shelf.open) != (order_id in shelf.closed)
    sequences = [event.sequence for event in core.events]
    assert sequences == sorted(set(sequences))
    times = [event.ts for event in core.events]
    assert times == sorted(times)


@settings(max_examples=15, deadline=None)
@given(modes, steps)
def test_accounts_among_participants_add_up(
    mode: tuple[SelfTrade, bool, bool, int], calls: list[tuple[int, int, int, int]]
) -> None:
    core = build(mode)
    shape = shape_of(perpetual(), 500_000, step_ns=SECOND, changes_per_second=20.0)
    core.add_flow(BTC, Participants(perpetual(), shape, 5), ts=1)
    core.advance(2)
    for draws in calls:
        hours = draws[0] % 97 == 2
        do(core, (draws[0] + 3, *draws[1:]) if hours else draws)
        check(core)


@settings(max_examples=30, deadline=None)
@given(modes, steps)
def test_told_book_equals_the_book(
    mode: tuple[SelfTrade, bool, bool, int], calls: list[tuple[int, int, int, int]]
) -> None:
    core = build(mode)
    for draws in calls:
        do(core, draws)
    told: dict[tuple[str, int, int], int] = {}
    last: dict[str, int] = {}
    for event in core.events:
        if type(event).__name__ != "BookChange":
            continue
        assert event.previous_id == last.get(event.symbol, 0) == event.first_id - 1
        last[event.symbol] = event.last_id
        for side, price, quantity in event.levels:
            told[event.symbol, side, price] = quantity
    real = {
        (symbol, side, price): quantity
        for symbol, market in core.state.markets.items()
        for side in (1, -1)
        for price, quantity in market.book.levels(side)
    }
    assert {key: quantity for key, quantity in told.items() if quantity} == real
