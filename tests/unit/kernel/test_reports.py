"""Reports: what a venue may say late, twice or in excess, and what that does to orders."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from interlock.kernel.engine import step
from interlock.model.effects import AmendOrder, CancelOrder, SubmitOrder
from interlock.model.events import (
    CancelRejected,
    CorporateAction,
    OrderAccepted,
    OrderCanceled,
    OrderDoubted,
    OrderFilled,
    OrderRejected,
    OrderUpdated,
    UpdateRejected,
)
from interlock.model.facts import (
    DenialCode,
    ExcessFill,
    LateFill,
    OrderDenied,
    RepeatedFill,
    UnexpectedReport,
)
from interlock.model.instrument import FixedTick
from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.strategy.intents import Amend, Cancel, Place, Target
from tests.desk import BTC, Desk, Told, buy
from tests.scenario import EQUITY, PERPETUAL, SPOT

S = OrderStatus


def test_the_plain_life_of_an_order() -> None:
    desk = Desk()
    (effect,) = desk.wants(buy(1_000, 9_000))
    assert isinstance(effect, SubmitOrder)
    assert desk.order().status is S.SUBMITTED
    desk.hears(OrderAccepted)
    assert desk.order().status is S.ACCEPTED
    desk.fill(400, 1)
    assert (desk.order().status, desk.order().leaves) == (S.PARTIALLY_FILLED, 600)
    desk.fill(600, 2)
    assert desk.order().status is S.FILLED
    assert not desk.state.open
    assert (desk.position, len(desk.told.heard), desk.facts()) == (1_000, 2, [])
    assert desk.state.instruments[BTC].open_buy == 0


def test_a_late_fill_counts_and_the_status_stays() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.hears(OrderAccepted)
    desk.hears(OrderCanceled, "")
    desk.fill(300, 1)
    assert (desk.order().status, desk.order().filled, desk.position) == (S.CANCELED, 300, 300)
    assert desk.facts() == [LateFill(desk.ts, "A-1", 300)]
    assert desk.state.instruments[BTC].open_buy == 0


def test_a_fill_told_twice_counts_once() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.fill(400, 7)
    desk.fill(400, 7)
    assert (desk.position, desk.order().filled) == (400, 400)
    assert desk.facts() == [RepeatedFill(desk.ts, "A-1", 7, 400)]
    desk.fill(600, 8)
    desk.fill(600, 8)
    assert (desk.position, desk.order().status) == (1_000, S.FILLED)
    assert desk.facts() == [RepeatedFill(desk.ts, "A-1", 8, 600)]


def test_a_fill_in_excess_counts_and_rings() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.fill(1_200, 1)
    assert (desk.position, desk.order().status, desk.order().filled) == (1_200, S.FILLED, 1_200)
    assert desk.facts() == [ExcessFill(desk.ts, "A-1", 200)]
    assert desk.state.instruments[BTC].open_buy == 0


def test_doubt_blocks_new_risk_until_there_is_evidence() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.hears(OrderDoubted, "no answer")
    assert desk.order().status is S.UNKNOWN
    assert desk.wants(buy(1_000, 9_000, ref=2)) == []
    (denied,) = desk.facts()
    assert (denied.code, denied.value) == (DenialCode.ORDER_UNKNOWN, 1)
    # Asking is no evidence: a cancel of what may not exist is not sent.
    assert desk.wants(Cancel(1)) == []
    assert desk.order().status is S.UNKNOWN
    desk.hears(OrderRejected, "never arrived")
    assert desk.order().status is S.REJECTED
    assert len(desk.wants(buy(1_000, 9_000, ref=3))) == 1


@pytest.mark.parametrize(
    ("kind", "values", "status"),
    [
        (OrderAccepted, (), S.ACCEPTED),
        (OrderCanceled, ("",), S.CANCELED),
        (OrderFilled, (1, 9_000, 1_000, 0, "USDT", True, 9_000), S.FILLED),
    ],
)
def test_doubt_ends_by_what_the_venue_says(kind: Any, values: tuple[Any, ...], status: S) -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.hears(OrderDoubted, "no answer")
    desk.hears(kind, *values)
    assert desk.order().status is status
    assert desk.state.instruments[BTC].unknown == 0


def test_an_exit_passes_while_another_order_is_in_doubt() -> None:
    desk = Desk()
    desk.wants(buy(1_000))
    desk.fill(1_000, 1)
    desk.wants(buy(1_000, 9_000, ref=2))
    desk.hears(OrderDoubted, "no answer", name="A-2")
    assert len(desk.wants(Place(3, OrderSpec(BTC, -1, 1_000, reduce_only=True)))) == 1


def test_a_cancel_under_way_survives_an_update() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.hears(OrderAccepted)
    desk.fill(100, 1)
    desk.wants(Amend(1, quantity=900))
    (effect,) = desk.wants(Cancel(1))
    assert isinstance(effect, CancelOrder)
    desk.hears(OrderUpdated, 900, 9_000, 0)
    assert desk.order().status is S.PENDING_CANCEL
    assert desk.wants(Cancel(1)) == []
    desk.hears(OrderCanceled, "")
    assert desk.state.instruments[BTC].open_buy == 0


def test_an_amendment_moves_the_open_sums() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.hears(OrderAccepted)
    desk.fill(100, 1)
    (effect,) = desk.wants(Amend(1, quantity=1_500, price=9_100))
    assert isinstance(effect, AmendOrder)
    desk.hears(OrderUpdated, 1_500, 9_100, 0)
    assert (desk.order().leaves, desk.state.instruments[BTC].open_buy) == (1_400, 1_400)
    desk.wants(Amend(1, quantity=400))
    desk.hears(UpdateRejected, "no")
    assert desk.order().leaves == 1_400
    desk.hears(CancelRejected, "no")
    assert desk.order().spec.price == 9_100


def test_an_update_below_what_has_traded_ends_the_order_and_rings() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.hears(OrderAccepted)
    desk.fill(200, 1)
    desk.hears(OrderUpdated, 150, 9_000, 0)
    assert (desk.order().status, desk.order().leaves) == (S.FILLED, -50)
    assert desk.facts() == [ExcessFill(desk.ts, "A-1", 50)]
    # What is over reserves nothing: never less than nothing.
    assert (desk.state.instruments[BTC].open_buy, desk.position) == (0, 200)
    assert not desk.state.open


def test_an_update_to_what_has_traded_ends_the_order_quietly() -> None:
    desk = Desk()
    exits = {"reduce_only": True, "oco": 7}
    desk.wants(buy(1_000))
    desk.fill(1_000, 1)
    desk.wants(
        Place(2, OrderSpec(BTC, -1, 1_000, OrderType.LIMIT, 11_000, **exits)),
        Place(3, OrderSpec(BTC, -1, 1_000, OrderType.STOP_MARKET, 0, 9_000, **exits)),
    )
    desk.hears(OrderFilled, 1, 11_000, 400, 0, "USDT", True, 11_000, name="A-2")
    (effect,) = desk.hears(OrderUpdated, 400, 11_000, 0, name="A-2")
    # The other leg of the pair goes with it, as after a fill.
    assert (desk.order("A-2").status, type(effect)) == (S.FILLED, CancelOrder)
    assert effect.client_order_id == "A-3"
    assert desk.facts() == []


def test_reports_without_a_meaning_change_nothing() -> None:
    desk = Desk()
    desk.hears(OrderAccepted, name="A-77")
    desk.hears(OrderFilled, 1, 1, 1, 0, "USDT", False, 1, name="A-77")
    assert [type(fact) for fact in desk.facts()] == [UnexpectedReport] * 2
    desk.wants(buy(1_000, 9_000))
    desk.hears(OrderCanceled, "")
    desk.hears(OrderAccepted)
    (fact,) = desk.facts()
    assert (fact.status, fact.change) == ("canceled", "accept")
    # A refused cancel of an order that is over is the normal end of a race.
    desk.hears(CancelRejected, "unknown order")
    assert desk.facts() == []
    assert desk.position == 0


def denial(desk: Desk, *intents: Any, instrument: Any = PERPETUAL) -> OrderDenied:
    assert desk.wants(*intents, instrument=instrument) == []
    (fact,) = desk.facts()
    assert isinstance(fact, OrderDenied)
    return fact


def test_unknown_instruments_are_denied_with_what_there_is() -> None:
    fact = denial(Desk(), Place(1, OrderSpec("ETH.X", 1, 1)))
    assert fact.code is DenialCode.UNKNOWN_INSTRUMENT
    assert BTC in fact.text
    assert denial(Desk(), Target(1, "ETH.X", quantity=1)).code is DenialCode.UNKNOWN_INSTRUMENT


def test_no_price_yet() -> None:
    fact = denial(Desk(), Place(1, OrderSpec(BTC, 1, 1_000)), instrument=SPOT)
    assert fact.code is DenialCode.NO_PRICE


def test_a_price_off_the_tick() -> None:
    desk = Desk()
    slot = desk.state.instruments[BTC]
    slot.instrument = msgspec.structs.replace(PERPETUAL, price_rule=FixedTick(50))
    fact = denial(desk, buy(1_000, 9_010))
    assert (fact.code, fact.value) == (DenialCode.PRICE_RULE, 9_010)
    assert "90.1 is not a multiple of 0.5" in fact.text
    assert denial(desk, Place(2, OrderSpec(BTC, 1, 10**9, reduce_only=True))).code is (
        DenialCode.REDUCE_ONLY
    )


def test_unknown_equity_blocks_new_risk_but_no_exit() -> None:
    desk = Desk()
    desk.wants(buy(1_000))
    desk.fill(1_000, 1)
    desk.state.instruments[BTC].last = None
    spot = Place(2, OrderSpec(SPOT.id, 1, 1_000))
    assert denial(desk, spot, instrument=SPOT).code is DenialCode.EQUITY_UNKNOWN
    leave = Place(3, OrderSpec(BTC, -1, 1_000, reduce_only=True))
    assert len(desk.wants(leave, instrument=SPOT)) == 1


def test_a_child_needs_an_open_parent() -> None:
    desk = Desk()
    child = Place(2, OrderSpec(BTC, -1, 1_000, reduce_only=True, parent=1))
    assert denial(desk, child).code is DenialCode.INVALID_SPEC
    # A parent that is refused takes its children with it.
    desk = Desk(cash=1)
    assert denial(desk, buy(1_000)).code is DenialCode.LEVERAGE


def test_strategies_with_like_names_have_their_own_order_ids() -> None:
    desk = Desk()
    names = [desk.state.add(f"momentum-long-{k}", Told(), 0).prefix for k in "abc"]
    assert len(set(names)) == 3
    assert all(len(name) <= 13 for name in names)
    with pytest.raises(ValueError, match="is taken"):
        desk.state.add("A", Told(), 0)


def test_a_price_before_a_split_is_no_mark_after_it() -> None:
    desk = Desk()
    other = desk.state.add("B", Told(), 0)
    slot = desk.state.instruments[EQUITY.id]
    desk.wants(instrument=EQUITY)
    for owner in (desk.owner, other):
        owner.position(slot).fill(1, 10_000)
        slot.net.fill(1, 10_000)
    step(desk.state, CorporateAction(desk.ts, EQUITY.id, 3, 2, 50_000_000))
    # Two old shares are three new ones: one strategy holds two and pays for its half to the other.
    assert [owner.position(slot).quantity for owner in (desk.owner, other)] == [2, 1]
    assert slot.net.quantity == 3
    flow = desk.state.wallet - slot.net.cost
    owned = [x.wallet - x.capital - x.position(slot).cost for x in (desk.owner, other)]
    assert flow == 10**12 + sum(owned)
    assert desk.state.wallet == 10**12 + 100_000_000
    assert desk.state.equity() is None
    desk.wants(instrument=EQUITY, price=6_667)
    assert desk.state.equity() is not None
