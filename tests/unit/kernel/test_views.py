"""What a strategy may read, what its exposure asks for, and the totals that risk is held to."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from interlock.kernel.engine import step
from interlock.kernel.state import CLOSED_KEPT
from interlock.model.events import (
    CashMoved,
    ExitDue,
    OrderAccepted,
    OrderCanceled,
    OrderFilled,
    OrderRejected,
    UpdateRejected,
)
from interlock.model.facts import DenialCode, OrderDenied, UnexpectedReport
from interlock.model.limits import Limits
from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.strategy.api import StrategyError
from interlock.strategy.intents import Amend, Cancel, Place, Target
from tests.desk import BTC, Desk, buy
from tests.scenario import EQUITY, PERPETUAL, SPOT

S = OrderStatus


def _long(desk: Desk, quantity: int = 1_000) -> Any:
    """The view of a desk that bought at 10,000 price units."""
    desk.wants(buy(quantity))
    desk.fill(quantity, 1)
    return desk.told.view


def _codes(desk: Desk) -> list[DenialCode]:
    return [fact.code for fact in desk.facts() if isinstance(fact, OrderDenied)]


# The view.
def test_an_instrument_is_the_first_or_a_named_one() -> None:
    view = Desk().told.view
    assert view.instrument() is EQUITY
    assert view.instrument(BTC) is PERPETUAL
    assert view.instruments() == (EQUITY, PERPETUAL, SPOT)
    with pytest.raises(StrategyError, match=f"GONE is not traded in this run.*{BTC}"):
        view.instrument("GONE")


def test_a_mark_and_a_position_before_and_after_the_first_price() -> None:
    desk = Desk()
    view = desk.told.view
    assert math.isnan(view.mark(BTC))
    assert view.position_units(BTC) == 0
    held = view.position(BTC)
    assert (held.quantity, held.unrealized) == (0.0, 0.0)
    _long(desk, 2_000)
    desk.wants(price=10_500)
    assert view.mark(BTC) == 105.0
    held = view.position(BTC)
    assert (held.quantity, held.average_price, held.unrealized) == (2.0, 100.0, 10.0)
    assert view.cash == pytest.approx(10_000.0)
    assert view.ts_event == desk.ts


def test_exposure_is_the_share_of_the_equity() -> None:
    desk = Desk(cash=400 * 10**8)
    view = desk.told.view
    assert view.exposure(BTC) == 0.0
    assert view.equity_beside(BTC) == 400 * 10**8
    _long(desk, 1_000)
    assert view.exposure(BTC) == pytest.approx(0.25)
    assert view.equity_beside(BTC) == 300 * 10**8
    assert view.exposure(EQUITY.id) == 0.0


def test_equity_is_unknown_while_a_held_position_has_no_mark() -> None:
    desk = Desk()
    view = _long(desk)
    desk.state.instruments[BTC].last = None
    assert math.isnan(view.equity)
    assert desk.state.equity() is None
    assert view.equity_beside(BTC) is None
    assert view.exposure(BTC) == 0.0


def test_open_orders_are_those_of_an_instrument_or_all() -> None:
    desk = Desk()
    spot = msgspec.structs.replace(buy(price=9_000).spec, instrument=SPOT.id)
    desk.wants(Place(2, spot), instrument=SPOT)
    desk.wants(buy(price=9_000, ref=5))
    view = desk.told.view
    assert (view.open_orders(), view.open_orders(BTC)) == ((2, 5), (5,))
    assert view.is_open(5) and not view.is_open(6)
    assert view.order(5).spec.price == 9_000


# Exposure.
def test_an_exposure_is_held_to_the_leverage_of_the_venue() -> None:
    for ratio, leverage in ((None, 20), (3_000_000, 3)):
        desk = Desk(cash=10 * 10**8, limits=Limits(leverage_max_ratio=ratio))
        (effect,) = desk.wants(Target(1, BTC, exposure=50_000_000))
        assert effect.spec.quantity == leverage * 100


def test_an_exposure_within_its_band_and_a_flat_one_ask_for_nothing() -> None:
    desk = Desk(cash=1_000 * 10**8)
    assert desk.wants(Target(1, BTC, exposure=0)) == []
    _long(desk)
    assert desk.wants(Target(2, BTC, exposure=110_000, band=20_000)) == []
    (effect,) = desk.wants(Target(3, BTC, exposure=0))
    assert (effect.spec.side, effect.spec.quantity, effect.spec.reduce_only) == (-1, 1_000, True)


def test_a_strategy_that_has_lost_everything_goes_flat_and_stays_so() -> None:
    desk = Desk(cash=200 * 10**8)
    desk.wants(Target(1, BTC, exposure=100_000))
    desk.fill(200, 1)
    desk.owner.wallet = -1
    (effect,) = desk.wants(Target(2, BTC, exposure=100_000))
    assert (effect.spec.side, effect.spec.quantity) == (-1, 200)
    desk.hears(OrderFilled, 2, 10_000, 200, 0, "USDT", False, 10_000, name="A-2")
    assert desk.position == 0
    assert desk.wants(Target(3, BTC, exposure=100_000)) == []


def test_a_cash_account_aims_no_lower_than_flat() -> None:
    desk = Desk()
    assert desk.wants(Target(1, SPOT.id, quantity=-500), instrument=SPOT) == []
    (effect,) = desk.wants(Target(2, SPOT.id, quantity=500), instrument=SPOT)
    desk.hears(OrderFilled, 1, 10_000, 500, 0, "USDT", False, 10_000, name=effect.client_order_id)
    (effect,) = desk.wants(Target(3, SPOT.id, quantity=-500), instrument=SPOT)
    assert (effect.spec.side, effect.spec.quantity) == (-1, 500)


# Orders that hang together, and reports that do not fit.
def test_a_waiting_child_is_canceled_from_its_own_parent_only() -> None:
    desk = Desk()
    for parent in (1, 3):
        stop = OrderSpec(
            BTC, -1, 500, OrderType.STOP_MARKET, trigger=8_000, reduce_only=True, parent=parent
        )
        desk.wants(buy(500, 9_000, ref=parent), Place(parent + 1, stop))
    assert desk.wants(Cancel(4)) == []
    waiting = {ref: [child.ref for child in kept] for ref, kept in desk.owner.children.items()}
    assert waiting == {1: [2], 3: []}
    # The parent goes without having traded, and what waited for it with it.
    desk.hears(OrderCanceled, "", name="A-1")
    assert list(desk.owner.orders) == [3]


def test_a_waiting_child_is_amended_where_it_waits() -> None:
    desk = Desk()
    stop = OrderSpec(BTC, -1, 500, OrderType.STOP_MARKET, trigger=8_000, reduce_only=True, parent=1)
    desk.wants(buy(500, 9_000), Place(2, stop))
    assert desk.wants(Amend(2, trigger=8_500), Amend(77, trigger=1)) == []
    (effect,) = desk.fill(500, 1)
    assert (effect.spec.trigger, effect.spec.quantity) == (8_500, 500)


def test_a_stop_that_was_refused_grows_no_more_with_its_entry() -> None:
    desk = Desk()
    stop = OrderSpec(
        BTC, -1, 1_000, OrderType.STOP_MARKET, trigger=8_000, reduce_only=True, parent=1
    )
    desk.wants(buy(1_000, 9_000), Place(2, stop))
    desk.hears(OrderAccepted)
    desk.fill(400, 1)
    (leaving,) = desk.hears(OrderRejected, "beyond the price", name="A-2")
    assert (leaving.spec.side, leaving.spec.quantity, leaving.spec.trigger) == (-1, 400, 0)
    assert desk.fill(600, 2) == []
    assert desk.order("A-2").status is S.REJECTED


def test_a_report_without_a_transition_is_a_fact_and_changes_nothing() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000))
    desk.hears(UpdateRejected, "nothing was asked")
    (fact,) = desk.facts()
    assert isinstance(fact, UnexpectedReport)
    assert (fact.status, fact.change) == ("submitted", "update_reject")
    assert desk.order().status is S.SUBMITTED


def test_an_exit_of_what_is_not_held_asks_for_nothing() -> None:
    desk = Desk()
    assert list(step(desk.state, ExitDue(1, "A", BTC, 500))) == []
    _long(desk)
    (effect,) = step(desk.state, ExitDue(1, "A", BTC, 5_000, tag="leave"))
    assert (effect.spec.side, effect.spec.quantity) == (-1, 1_000)


def test_a_negative_price_has_the_shape_of_none_and_is_refused_all_the_same() -> None:
    desk = Desk()
    assert len(desk.wants(buy())) == 1
    desk.wants(Place(2, OrderSpec(BTC, 1, 1_000, OrderType.MARKET, price=-5)))
    assert _codes(desk) == [DenialCode.PRICE_RULE]


def test_what_is_over_is_remembered_up_to_a_bound() -> None:
    desk = Desk()
    for ref in range(1, CLOSED_KEPT + 3):
        desk.wants(buy(price=9_000, ref=ref))
        desk.hears(OrderCanceled, "", name=f"A-{ref:x}")
    assert len(desk.state.closed) == CLOSED_KEPT
    assert "A-2" not in desk.state.closed and "A-3" in desk.state.closed


# Totals.
@pytest.mark.parametrize("is_kept", [False, True])
def test_totals_kept_and_counted_are_the_same(is_kept: bool) -> None:
    desk = Desk(cash=1_000 * 10**8)
    if is_kept:
        desk.state.keep_totals()
    slots = desk.state.instruments
    spot = msgspec.structs.replace(buy(2_000).spec, instrument=SPOT.id)
    (effect,) = desk.wants(Place(1, spot), instrument=SPOT)
    desk.hears(OrderFilled, 1, 10_000, 2_000, 0, "USDT", False, 0, name=effect.client_order_id)
    assert desk.state.free_cash() == 800 * 10**8
    assert desk.state.equity_and_gross(slots[BTC]) == (1_000 * 10**8, 200 * 10**8)
    assert desk.state.equity_and_gross(slots[SPOT.id]) == (1_000 * 10**8, 0)
    slots[SPOT.id].last = None
    slots[SPOT.id].changed()
    assert desk.state.equity_and_gross(slots[BTC]) == (None, 0)
    # Money that only came and went leaves them alone.
    step(desk.state, CashMoved(1, "USDT", 10**8, "transfer"))
    assert desk.state.free_cash() == 801 * 10**8
    desk.wants(buy(10, ref=9))
    assert _codes(desk) == [DenialCode.EQUITY_UNKNOWN]
