"""Orders on the exchange core: closing, amending, expiry, dead man, self-trade, money."""

from __future__ import annotations

import msgspec

from interlock.model.order import OrderStatus, OrderType, TimeInForce
from interlock.sim.matching import SelfTrade
from interlock.sim.venue.values import Amendment, OrderEvent
from tests.unit.sim.venue.cases import (
    BTC,
    MONEY,
    SECOND,
    give,
    held,
    limit,
    market,
    stop,
    taken,
    venue,
)


def test_fill_money_and_record() -> None:
    core = venue()
    taken(core.place(1, "ann", limit(-1, 100, 500_000, client_id="ask")))
    order = taken(core.place(2, "bob", market(1, 40, client_id="buy")))
    assert order.status is OrderStatus.FILLED
    assert order.notional == 2_000 * MONEY
    maker, taker = core.fills_since("ann", BTC, 0)[0], core.fills_since("bob", BTC, 0)[0]
    assert maker.fill_id == taker.fill_id
    assert (maker.fee, taker.fee) == (2_000 * MONEY * 200 // 10**6, MONEY)
    assert (maker.is_maker, taker.is_maker) == (True, False)
    assert core.account("bob").balances[0].wallet == 9_999 * MONEY
    [payment] = core.payments_since("bob", 0)
    assert (payment.kind, payment.amount, payment.trade_id) == ("commission", -MONEY, taker.fill_id)
    assert core.prints_since(BTC, 0)[0].side == 1
    assert core.bars(BTC, 60 * SECOND, 0, 60 * SECOND)[0].taker_buy_volume == 40
    executions = [event.execution for event in core.events if isinstance(event, OrderEvent)]
    assert executions == ["new", "new", "trade", "trade"]


def test_available_counts_positions_and_orders() -> None:
    core = venue()
    give(core, "ann", 100)
    figures = core.account("ann").balances[0]
    assert figures.position_margin == 250 * MONEY
    taken(core.place(3, "ann", limit(1, 100, 490_000)))
    assert core.account("ann").balances[0].order_margin == 245 * MONEY
    # A sale as large as the position binds nothing new.
    taken(core.place(3, "ann", limit(-1, 100, 510_000)))
    after = core.account("ann").balances[0]
    assert after.order_margin == 245 * MONEY
    assert after.available == after.wallet - (250 + 245) * MONEY


def test_reduce_only_is_cut_and_never_flips() -> None:
    core = venue()
    give(core, "ann", 100)
    first = taken(core.place(3, "ann", limit(-1, 300, 500_500, reduce_only=True)))
    second = taken(core.place(3, "ann", limit(-1, 80, 500_600, reduce_only=True)))
    assert (first.quantity, second.quantity) == (100, 80)
    taken(core.place(4, "bob", market(1, 150)))
    assert held(core, "ann") == 0
    ended = core.order("ann", BTC, order_id=second.order_id)
    assert ended is not None
    assert (ended.status, ended.reason) == (OrderStatus.EXPIRED, "reduce_only")
    assert core.open_orders("ann") == []


def test_two_closing_orders_in_one_sweep() -> None:
    core = venue()
    give(core, "ann", 100)
    taken(core.place(3, "ann", limit(-1, 70, 500_500, reduce_only=True)))
    second = taken(core.place(3, "ann", limit(-1, 70, 500_600, reduce_only=True)))
    taken(core.place(4, "bob", limit(1, 500, 500_600)))
    assert held(core, "ann") == 0
    now = core.order("ann", BTC, order_id=second.order_id)
    assert now is not None and (now.quantity, now.filled) == (30, 30)


def test_hedge_mode_holds_both_sides() -> None:
    core = venue()
    assert core.set_position_mode(1, "ann", hedged=True) is None
    core.add_account("deep", {"USDT": 10**7 * MONEY})
    taken(core.place(1, "deep", limit(-1, 100, 500_000)))
    taken(core.place(1, "ann", market(1, 100, position_side="long")))
    taken(core.place(1, "deep", limit(1, 100, 499_000)))
    taken(core.place(1, "ann", market(-1, 60, position_side="short")))
    sides = {view.position_side: view.quantity for view in core.account("ann").positions}
    assert sides == {"long": 100, "short": -60}
    closed = taken(core.place(1, "ann", market(-1, 400, position_side="long")))
    assert (closed.quantity, closed.filled) == (100, 40)


def test_amend_keeps_the_place_only_when_smaller() -> None:
    core = venue("ann", "bob", "cid")
    first = taken(core.place(1, "ann", limit(1, 50, 500_000)))
    taken(core.place(1, "bob", limit(1, 50, 500_000)))
    change = Amendment(order_id=first.order_id, quantity=30)
    assert taken(core.amend(2, "ann", BTC, change)).quantity == 30
    taken(core.place(2, "cid", market(-1, 10)))
    assert held(core, "ann") == 10
    taken(core.amend(2, "ann", BTC, Amendment(order_id=first.order_id, quantity=40)))
    taken(core.place(2, "cid", market(-1, 10)))
    assert (held(core, "ann"), held(core, "bob")) == (10, 10)
    gone = taken(core.amend(2, "ann", BTC, Amendment(order_id=first.order_id, quantity=10)))
    assert gone.status is OrderStatus.CANCELED


def test_amend_into_the_book_trades_and_post_only_ends() -> None:
    core = venue()
    taken(core.place(1, "bob", limit(-1, 50, 500_000)))
    order = taken(core.place(1, "ann", limit(1, 50, 499_000, client_id="up")))
    assert taken(core.amend(1, "ann", BTC, Amendment(client_id="up", price=500_000))).filled == 50
    taken(core.place(1, "bob", limit(-1, 50, 500_000)))
    order = taken(core.place(1, "ann", limit(1, 50, 499_000, post_only=True)))
    change = Amendment(order_id=order.order_id, price=500_000)
    ended = taken(core.amend(1, "ann", BTC, change))
    assert (ended.status, ended.reason, ended.filled) == (OrderStatus.CANCELED, "post_only", 0)


def test_immediate_orders_and_the_bound_of_market_orders() -> None:
    core = venue("ann", "bob", wallet=10**7)
    taken(core.place(1, "bob", limit(-1, 10, 500_000)))
    core.advance(2 * SECOND)
    core.set_mark(2 * SECOND, BTC, 500_000)
    taken(core.place(2 * SECOND, "bob", limit(-1, 10, 524_900)))
    core.change_filters(2 * SECOND, BTC, core.instrument(BTC))
    taken(core.place(2 * SECOND, "bob", limit(-1, 10, 525_100)))
    order = taken(core.place(2 * SECOND, "ann", market(1, 30)))
    assert (order.filled, order.status, order.reason) == (20, OrderStatus.EXPIRED, "immediate")
    ioc = limit(1, 10, 500_000, time_in_force=TimeInForce.IOC)
    assert taken(core.place(2 * SECOND, "ann", ioc)).status is OrderStatus.EXPIRED


def test_good_till_date_and_dead_man() -> None:
    core = venue()
    gtd = limit(1, 10, 490_000, time_in_force=TimeInForce.GTD, expire_ts=5 * SECOND)
    order = taken(core.place(SECOND, "ann", gtd))
    kept = taken(core.place(SECOND, "ann", limit(1, 10, 480_000)))
    core.dead_man(SECOND, "ann", BTC, 8 * SECOND)
    core.dead_man(2 * SECOND, "ann", BTC, 9 * SECOND)
    core.advance(8 * SECOND)
    ended = core.order("ann", BTC, order_id=order.order_id)
    assert ended is not None and (ended.status, ended.ts_updated) == ("expired", 5 * SECOND)
    assert [item.order_id for item in core.open_orders("ann")] == [kept.order_id]
    core.advance(10 * SECOND)
    struck = core.order("ann", BTC, order_id=kept.order_id)
    assert struck is not None and (struck.reason, struck.ts_updated) == ("dead_man", 9 * SECOND)


def test_self_trade_rules() -> None:
    ends = {}
    for rule in SelfTrade:
        core = venue()
        maker = taken(core.place(1, "ann", limit(-1, 10, 500_000)))
        taken(core.place(1, "bob", limit(-1, 10, 500_100)))
        taker = taken(core.place(1, "ann", limit(1, 20, 500_100, self_trade=rule)))
        after = core.order("ann", BTC, order_id=maker.order_id)
        assert after is not None
        ends[rule] = (after.status.value, taker.filled, taker.status.value)
    assert ends == {
        SelfTrade.ALLOW: ("filled", 20, "filled"),
        SelfTrade.CANCEL_INCOMING: ("accepted", 0, "expired"),
        SelfTrade.CANCEL_RESTING: ("expired", 10, "partially_filled"),
        SelfTrade.CANCEL_BOTH: ("expired", 0, "expired"),
    }


def test_client_ids_are_free_again_after_the_end() -> None:
    core = venue()
    first = taken(core.place(1, "ann", limit(1, 10, 490_000, client_id="x")))
    taken(core.cancel(1, "ann", BTC, client_id="x"))
    second = taken(core.place(1, "ann", limit(1, 10, 490_000, client_id="x")))
    assert second.order_id != first.order_id
    taken(core.cancel(1, "ann", BTC, client_id="x"))
    newest = core.order("ann", BTC, client_id="x")
    assert newest is not None and newest.order_id == second.order_id


def test_isolated_margin_is_put_aside_and_returned() -> None:
    core = venue()
    assert core.set_margin_type(1, "ann", BTC, isolated=True) is None
    give(core, "ann", 100)
    [view] = core.account("ann").positions
    assert view.isolated_wallet == 250 * MONEY
    assert core.add_margin(2, "ann", BTC, amount=50 * MONEY) is None
    figures = core.account("ann").balances[0]
    assert figures.wallet - figures.cross_wallet == 300 * MONEY
    assert core.add_margin(2, "ann", BTC, amount=-60 * MONEY) is not None
    taken(core.place(2, "deep", limit(1, 100, 500_000)))
    taken(core.place(2, "ann", market(-1, 50, reduce_only=True)))
    assert core.account("ann").positions[0].isolated_wallet == 150 * MONEY


def test_an_amended_closing_order_is_cut_again() -> None:
    core = venue()
    give(core, "ann", 100)
    taken(core.place(3, "bob", limit(1, 500, 499_000)))
    ticket = stop(-1, 0, 499_500, type=OrderType.STOP_LIMIT, price=499_800, close_position=True)
    taken(core.place(3, "ann", msgspec.structs.replace(ticket, is_conditional=False)))
    taken(core.place(3, "deep", limit(-1, 1, 499_000)))
    [resting] = core.open_orders("ann")
    assert resting.left == 100
    change = Amendment(order_id=resting.order_id, quantity=400, price=499_000)
    assert taken(core.amend(3, "ann", BTC, change)).filled == 100
    assert held(core, "ann") == 0
