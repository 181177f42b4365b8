"""Conditional orders: triggers, trailing, groups, children, and what they become."""

from __future__ import annotations

from interlock.model.order import OrderStatus, OrderType
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import ConditionalEvent, OrderTicket, Refused
from tests.unit.sim.venue.cases import (
    BTC,
    SECOND,
    give,
    held,
    limit,
    market,
    stop,
    taken,
    venue,
)


def quiet(**rules: object) -> VenueCore:
    """Ann is long 100 lots at 50,000; bids stand at 48,000."""
    core = venue(**{"band_up": 300_000, "band_down": 300_000, **rules})
    give(core, "ann", 100)
    core.add_account("bidder", {"USDT": 10**15})
    taken(core.place(1, "bidder", limit(1, 1_000, 480_000)))
    return core


def cross(core: VenueCore, price: int) -> None:
    """A print at a price between two accounts."""
    taken(core.place(core.now, "bidder", limit(1, 1, price)))
    taken(core.place(core.now, "deep", market(-1, 1)))


def test_a_stop_becomes_an_order_of_its_own_number() -> None:
    core = quiet()
    order = taken(core.place(2, "ann", stop(-1, 100, 490_000, reduce_only=True, client_id="s")))
    cross(core, 490_100)
    assert held(core, "ann") == 100
    cross(core, 489_900)
    assert held(core, "ann") == 0
    conditional = core.order("ann", BTC, client_id="s", conditional=True)
    assert conditional is not None and conditional.spawned_id not in (0, order.order_id)
    spawned = core.order("ann", BTC, order_id=conditional.spawned_id)
    assert spawned is not None
    assert (spawned.conditional_id, spawned.client_id) == (order.order_id, "")
    assert (spawned.type, spawned.filled) == (OrderType.MARKET, 100)
    told = [event.status for event in core.events if isinstance(event, ConditionalEvent)]
    assert told == ["new", "triggered", "finished"]
    assert core.open_orders("ann", conditional=True) == []


def test_a_stop_of_the_normal_numbering_keeps_its_number() -> None:
    core = quiet()
    order = taken(core.place(2, "ann", stop(-1, 40, 490_000, is_conditional=False)))
    assert core.open_orders("ann")[0].order_id == order.order_id
    cross(core, 489_000)
    after = core.order("ann", BTC, order_id=order.order_id)
    assert after is not None and (after.status, after.filled) == (OrderStatus.FILLED, 40)


def test_close_position_closes_what_is_held_then() -> None:
    core = quiet()
    taken(core.place(2, "ann", stop(-1, 0, 490_000, close_position=True)))
    taken(core.place(2, "deep", limit(-1, 50, 500_000)))
    taken(core.place(2, "ann", market(1, 50)))
    cross(core, 489_000)
    assert held(core, "ann") == 0


def test_a_trigger_without_position_is_rejected_and_told() -> None:
    core = quiet()
    taken(core.place(2, "bob", stop(-1, 10, 490_000, reduce_only=True, client_id="s")))
    cross(core, 489_000)
    ended = core.order("bob", BTC, client_id="s", conditional=True)
    assert ended is not None and (ended.status, ended.reason) == ("rejected", "reduce_only")
    assert held(core, "bob") == 0


def test_mark_triggers_look_at_the_mark_only() -> None:
    core = quiet()
    taken(core.place(2, "ann", stop(-1, 100, 490_000, reduce_only=True, working_type="mark")))
    cross(core, 489_000)
    assert held(core, "ann") == 100
    core.set_mark(SECOND, BTC, 489_000)
    assert held(core, "ann") == 0


def test_stop_limit_rests_at_its_price() -> None:
    core = quiet()
    ticket = stop(-1, 100, 490_000, reduce_only=True, type=OrderType.STOP_LIMIT, price=489_500)
    taken(core.place(2, "ann", ticket))
    cross(core, 490_000)
    [resting] = core.open_orders("ann")
    assert (resting.price, resting.type) == (489_500, OrderType.LIMIT)
    assert core.book(BTC).asks[0][0] == 489_500


def trailing(activation: int = 0) -> OrderTicket:
    return OrderTicket(
        symbol=BTC,
        side=-1,
        quantity=100,
        type=OrderType.TRAILING_STOP,
        callback_rate=10_000,
        activation=activation,
        reduce_only=True,
        is_conditional=True,
    )


def test_trailing_stop_follows_the_best_price() -> None:
    core = quiet()
    taken(core.place(2, "ann", trailing()))
    for price in (505_000, 510_000, 505_000):
        cross(core, price)
        assert held(core, "ann") == 100
    cross(core, 504_900)
    assert held(core, "ann") == 0


def test_trailing_stop_waits_for_its_activation() -> None:
    core = quiet()
    taken(core.place(2, "ann", trailing(activation=510_000)))
    for price in (505_000, 490_000, 510_000, 505_000):
        cross(core, price)
        assert held(core, "ann") == 100
    cross(core, 504_900)
    assert held(core, "ann") == 0


def test_one_of_a_group_ends_the_other() -> None:
    core = quiet()
    taken(core.place(2, "ann", stop(-1, 100, 490_000, reduce_only=True, group=7)))
    ticket = stop(-1, 100, 510_000, reduce_only=True, group=7, type=OrderType.TAKE_PROFIT)
    profit = taken(core.place(2, "ann", ticket))
    cross(core, 489_000)
    other = core.order("ann", BTC, order_id=profit.order_id, conditional=True)
    assert other is not None and (other.status, other.reason) == ("canceled", "sibling")


def test_a_child_sleeps_until_its_parent_fills() -> None:
    core = quiet()
    parent = taken(core.place(2, "bob", limit(1, 10, 495_000)))
    ticket = stop(-1, 10, 490_000, reduce_only=True, waits_for=parent.order_id)
    child = taken(core.place(2, "bob", ticket))
    cross(core, 489_000 + 7_000)
    assert not core.open_orders("bob", conditional=True)[0].is_active
    taken(core.place(3, "deep", limit(-1, 10, 495_000)))
    assert core.open_orders("bob", conditional=True)[0].is_active
    cross(core, 489_000)
    assert held(core, "bob") == 0
    parent = taken(core.place(4, "bob", limit(1, 10, 470_000)))
    ticket = stop(-1, 10, 460_000, reduce_only=True, waits_for=parent.order_id)
    child = taken(core.place(4, "bob", ticket))
    taken(core.cancel(4, "bob", BTC, order_id=parent.order_id))
    ended = core.order("bob", BTC, order_id=child.order_id, conditional=True)
    assert ended is not None and (ended.status, ended.reason) == ("canceled", "parent")


def test_conditionals_end_when_flat_where_the_venue_says_so() -> None:
    core = quiet(keeps_conditionals_when_flat=False)
    taken(core.place(2, "ann", stop(-1, 100, 450_000, reduce_only=True)))
    taken(core.place(2, "ann", market(-1, 100, reduce_only=True)))
    assert core.open_orders("ann", conditional=True) == []


def test_a_refused_conditional_leaves_nothing() -> None:
    core = quiet()
    answer = core.place(2, "ann", stop(1, 10, 400_000))
    assert isinstance(answer, Refused)
    assert core.open_orders("ann", conditional=True) == []
