"""Liquidation, insurance, deleveraging, funding, and the verbs of an operator."""

from __future__ import annotations

import pytest

from interlock.model.instrument import FixedTick
from interlock.model.order import OrderStatus
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.state import VenueError
from interlock.sim.venue.values import AccountEvent, MarketStatus, OrderEvent, Refusal, Refused
from tests.unit.sim.venue.cases import (
    BTC,
    HOUR,
    MONEY,
    SECOND,
    give,
    held,
    limit,
    market,
    perpetual,
    stop,
    taken,
    venue,
)


def total(core: VenueCore) -> int:
    """The sum of all holdings of BTC, the venue's own included."""
    return sum(account.held(BTC, "both") for account in core.state.accounts.values())


def wallet(core: VenueCore, name: str) -> int:
    return core.state.accounts[name].wallets["USDT"]


def test_liquidation_price_of_an_isolated_position() -> None:
    core = venue(leverage=10, wallet=10_000)
    core.set_margin_type(1, "ann", BTC, isolated=True)
    tiers = (perpetual().margin_tiers[1].__class__(0, 5_000, 0),)
    core.change_filters(1, BTC, perpetual(margin_tiers=tiers))
    give(core, "ann", 1_000)
    assert core.account("ann").positions[0].liquidation == 452_261


def test_the_book_takes_a_liquidated_position() -> None:
    core = venue(wallet=500)
    give(core, "ann", 100)
    taken(core.place(2, "ann", limit(-1, 10, 520_000)))
    core.add_account("bidder", {"USDT": 10**15})
    taken(core.place(2, "bidder", limit(1, 500, 460_000)))
    core.set_mark(SECOND, BTC, 451_000)
    assert held(core, "ann") == 0
    assert total(core) == 0
    kinds = {item.kind for item in core.payments_since("ann", 0)}
    assert "liquidation_fee" in kinds
    assert wallet(core, "ann") >= 0
    forced = [e for e in core.events if isinstance(e, OrderEvent) and e.execution == "liquidation"]
    assert forced[0].order.client_id.startswith("autoclose-")
    causes = [e.cause for e in core.events if isinstance(e, AccountEvent) and e.account == "ann"]
    assert causes[-1] == "liquidation"
    assert core.open_orders("ann") == []


def test_the_insurance_fund_takes_the_rest_at_the_bankruptcy_price() -> None:
    core = venue(wallet=500, insurance=10**6 * MONEY)
    give(core, "ann", 100)
    core.set_mark(SECOND, BTC, 440_000)
    assert held(core, "ann") == 0
    assert core.state.accounts["insurance"].held(BTC, "both") == 100
    assert total(core) == 0
    assert 0 <= wallet(core, "ann") < MONEY
    core.add_account("bidder", {"USDT": 10**15})
    core.set_mark(2 * SECOND, BTC, 440_000)
    taken(core.place(2 * SECOND, "bidder", limit(1, 500, 439_000)))
    core.advance(5 * SECOND)
    assert core.state.accounts["insurance"].held(BTC, "both") == 0


def test_the_first_in_the_ranking_gives_up_when_the_fund_is_empty() -> None:
    core = venue("ann", "low", "high", wallet=500, insurance=0)
    for name, leverage, price in (("low", 10, 500_000), ("high", 50, 500_000)):
        core.set_leverage(1, name, BTC, leverage)
        taken(core.place(1, "ann", limit(1, 40, price)))
        taken(core.place(1, name, market(-1, 40)))
    core.set_mark(SECOND, BTC, 430_000)
    assert held(core, "ann") == 0
    assert total(core) == 0
    events = [e for e in core.events if isinstance(e, OrderEvent) and e.execution == "adl"]
    assert [event.order.account for event in events] == ["high", "low"]
    assert all(event.order.client_id.startswith("adl_autoclose-") for event in events)


def test_an_isolated_loss_stays_isolated() -> None:
    core = venue(wallet=5_000)
    core.set_margin_type(1, "ann", BTC, isolated=True)
    give(core, "ann", 100)
    core.set_mark(SECOND, BTC, 400_000)
    assert held(core, "ann") == 0
    fee = 5_000 * MONEY * 500 // 10**6
    assert wallet(core, "ann") >= (5_000 - 250) * MONEY - fee
    assert total(core) == 0


def test_funding_moves_money_between_holders() -> None:
    core = venue()
    give(core, "ann", 100)
    core.advance(8 * HOUR - 1)
    before = wallet(core, "ann")
    core.advance(8 * HOUR)
    [row] = core.fundings(BTC, 0)
    assert (row.ts, row.rate, row.mark) == (8 * HOUR, 1_000_000, 500_000)
    assert wallet(core, "ann") - before == -5_000 * MONEY // 10_000
    paid = [item for item in core.payments_since("deep", 0) if item.kind == "funding"]
    assert paid[0].amount == 5_000 * MONEY // 10_000
    assert core.mark(BTC).next_funding_ts == 16 * HOUR


def test_gap_without_participants_moves_the_mark() -> None:
    core = venue()
    give(core, "ann", 100)
    core.gap(SECOND, BTC, 0.9)
    assert core.mark(BTC).mark == 450_000
    with pytest.raises(VenueError, match="ratio"):
        core.gap(SECOND, BTC, -1.0)


def test_liquidate_and_deleverage_on_demand() -> None:
    for verb in ("liquidate", "deleverage"):
        core = venue()
        give(core, "ann", 100)
        assert getattr(core, verb)(2, "ann", BTC) is None
        assert held(core, "ann") == 0
        assert total(core) == 0
        answer = getattr(core, verb)(2, "ann", BTC)
        assert isinstance(answer, Refused) and answer.refusal is Refusal.REDUCE_ONLY
    adl = [item.cause for item in core.events if isinstance(item, AccountEvent)]
    assert adl[-1] == "adl"


def test_manual_trade_is_an_order_of_the_account() -> None:
    core = venue()
    taken(core.place(1, "bob", limit(-1, 10, 500_000)))
    order = taken(core.manual_trade(1, "ann", market(1, 10)))
    assert order.client_id.startswith("web_") and held(core, "ann") == 10


def test_changed_filters_bind_new_orders_only() -> None:
    core = venue()
    old = taken(core.place(1, "ann", limit(1, 10, 490_003)))
    core.change_filters(2, BTC, perpetual(price_rule=FixedTick(10)))
    answer = core.place(3, "ann", limit(1, 10, 490_003))
    assert isinstance(answer, Refused) and answer.refusal is Refusal.PRICE_RULE
    assert core.open_orders("ann")[0].order_id == old.order_id
    with pytest.raises(VenueError, match="exponents"):
        core.change_filters(3, BTC, perpetual(price_exponent=2))
    assert [e.status for e in core.events if isinstance(e, MarketStatus)] == ["filters"]


def test_halt_keeps_orders_and_resume_trades_again() -> None:
    core = venue()
    order = taken(core.place(1, "ann", limit(1, 10, 490_000)))
    kept = taken(core.place(1, "ann", limit(1, 10, 490_000)))
    core.halt(2)
    assert isinstance(core.place(2, "bob", limit(-1, 10, 490_000)), Refused)
    assert taken(core.cancel(2, "ann", BTC, order_id=order.order_id)).reason == "user"
    core.resume(3)
    assert taken(core.place(3, "bob", limit(-1, 10, 490_000))).filled == 10
    assert held(core, "ann") == 10 == kept.quantity


def test_delisting_cancels_and_settles_at_the_mark() -> None:
    core = venue()
    give(core, "ann", 100)
    resting = taken(core.place(2, "ann", limit(1, 10, 490_000)))
    waiting = taken(core.place(2, "ann", stop(-1, 100, 450_000, reduce_only=True)))
    core.set_mark(SECOND, BTC, 510_000)
    before = wallet(core, "ann")
    core.delist(SECOND, BTC)
    assert (held(core, "ann"), held(core, "deep"), total(core)) == (0, 0, 0)
    assert wallet(core, "ann") - before == 100 * MONEY
    for order, conditional in ((resting, False), (waiting, True)):
        ended = core.order("ann", BTC, order_id=order.order_id, conditional=conditional)
        assert ended is not None
        assert (ended.status, ended.reason) == (OrderStatus.CANCELED, "delisted")
    assert core.status(BTC) == "delisted"
    assert isinstance(core.place(2 * SECOND, "ann", limit(1, 10, 490_000)), Refused)
    core.resume(2 * SECOND)
    assert core.status(BTC) == "delisted"


def test_the_fund_pays_the_debt_of_an_account_with_nothing_left() -> None:
    core = venue(wallet=300, market_bound=200_000)
    give(core, "ann", 100)
    taken(core.place(2, "deep", limit(1, 100, 460_000)))
    taken(core.place(2, "ann", market(-1, 100, reduce_only=True)))
    assert wallet(core, "ann") < 0
    core.advance(2 * SECOND)
    assert wallet(core, "ann") == 0
    assert core.payments_since("ann", 0)[-1].kind == "insurance"
    assert not core.account("ann").balances[0].available


def test_an_order_may_execute_after_its_cancel() -> None:
    core = venue()
    order = taken(core.place(1, "ann", limit(1, 10, 490_000)))
    assert isinstance(core.fill_late(2, "ann", BTC, 4), Refused)
    taken(core.cancel(2, "ann", BTC, order_id=order.order_id))
    late = taken(core.fill_late(3, "ann", BTC, 4))
    assert (late.status, late.filled, late.left) == (OrderStatus.CANCELED, 4, 6)
    assert (held(core, "ann"), total(core)) == (4, 0)
    told = [e for e in core.events if isinstance(e, OrderEvent)][-1]
    assert told.fill is not None
    assert (told.order.status, told.fill.quantity) == (OrderStatus.CANCELED, 4)
    paid = sum(item.amount for item in core.payments_since("ann", 0))
    assert paid == -told.fill.fee
    # What is left of it may do so too, and no more than that.
    assert taken(core.fill_late(4, "ann", BTC, 100)).left == 0
    assert isinstance(core.fill_late(5, "ann", BTC, 1), Refused)
    assert not core.open_orders("ann", BTC)
