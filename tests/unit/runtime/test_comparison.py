"""Comparisons of orders, positions and cash, by answers that come late, twice or from elsewhere."""

from __future__ import annotations

import pytest

from interlock.model.order import Change, OrderSpec, OrderStatus, OrderType
from interlock.model.rows import (
    AdjustmentRow,
    FillRow,
    LeaseEvent,
    LeaseRow,
    PaymentRow,
    ReconcileRow,
    TransitionRow,
)
from interlock.model.venue import (
    FillSeen,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    OrderSeen,
    Payment,
    PlaceRequest,
    VenueBalance,
    VenuePosition,
)
from interlock.runtime.books import FOREIGN
from interlock.runtime.ids import OrderId
from interlock.runtime.settings import MINUTE, MS, SECOND
from interlock.runtime.values import LeaseChanged
from tests.toy_players import BTC, T0
from tests.unit.runtime.core import CASH, LEASE, Core, fill_of, leave, order_of

RESTING = OrderSpec(BTC.id, 1, 4_000, OrderType.LIMIT, 90_00)


def _state(core: Core, scope: str = BTC.id) -> str:
    return core.engine.desk.books.switches.get(scope, ("", ""))[0]


def _ours(core: Core, *, is_seen: bool = True) -> str:
    """An order of ours that left, and that the venue has told to work."""
    name = OrderId("il", LEASE.epoch, 1, 1).text
    leave(core, name, RESTING)
    if is_seen:
        core.hear(OrderSeen(ts_event=core.ts, order=order_of(name)))
        assert core.engine.desk.state.open[name].status is OrderStatus.ACCEPTED
    return name


def _paid(core: Core) -> list[Payment]:
    """What was booked since the account was opened."""
    return [row.payment for row in core.rows if isinstance(row, PaymentRow)][1:]


# Orders.
def test_what_is_no_order_in_a_list_of_orders_is_passed_over() -> None:
    core = Core()
    name = _ours(core)
    core.later(10 * SECOND)
    core.compare(orders=(object(), order_of(name)))
    assert _state(core) == ""
    assert name in core.engine.desk.state.open
    assert not core.engine.resolver.doubts


@pytest.mark.parametrize("epoch", [LEASE.epoch - 1, LEASE.epoch + 1])
def test_an_order_with_our_tag_that_no_row_tells_of_pauses_its_instrument_once(epoch: int) -> None:
    """Of an earlier engine the ledger was lost; a later one has taken the account over."""
    core = Core()
    order = order_of(OrderId("il", epoch, 1, 9).text)
    core.compare(orders=(order,))
    assert _state(core) == "paused"
    assert core.engine.fence.is_lost == (epoch > LEASE.epoch)
    (row,) = [row for row in core.rows if isinstance(row, ReconcileRow) and row.differences]
    assert [found.cause for found in row.differences] == ["intent_missing"]
    core.hear(OrderSeen(ts_event=core.ts, order=order))
    assert core.names().count(FOREIGN) == 1


def test_a_foreign_order_on_an_instrument_that_is_not_ours_is_nobodys_business() -> None:
    core = Core()
    core.compare(orders=(order_of("web_1", instrument="ETHUSDT-PERP.TOY"),))
    assert FOREIGN not in core.names()
    assert not core.engine.desk.books.switches.get("ETHUSDT-PERP.TOY")


def test_the_venue_may_change_an_order_and_it_is_told_with_its_new_values() -> None:
    core = Core()
    name = _ours(core)
    core.later(SECOND)
    seen = order_of(name, quantity=3_000, price=91_00, ts_venue=core.ts)
    core.hear(OrderSeen(ts_event=core.ts, order=seen))
    spec = core.engine.desk.state.open[name].spec
    assert (spec.quantity, spec.price) == (3_000, 91_00)
    (row,) = [
        row for row in core.rows if isinstance(row, TransitionRow) and row.change is Change.UPDATE
    ]
    assert row.evidence == "stream"
    assert "ORDER_CHANGED_BY_OTHERS" in core.names()


def test_a_claim_that_lacks_executions_outlives_its_order() -> None:
    core = Core()
    evidence = core.engine.evidence
    name = _ours(core)
    core.hear(OrderSeen(ts_event=core.ts, order=order_of(name, filled=1_000)))
    evidence.claim("gone")
    del core.engine.desk.books.tracks[name]
    evidence.forget()
    assert list(evidence.claims) == [name]


# Rounds.
def test_an_answer_that_comes_after_its_round_says_nothing_any_more() -> None:
    core = Core()
    core.later(40 * SECOND)
    (early,) = [request for request in core.asked if isinstance(request, OpenOrdersQuery)]
    core.asked.clear()
    # Nobody answers in time, and the second question is answered.
    core.later(3 * SECOND)
    core.later(SECOND)
    core.answer(OpenOrdersQuery, ())
    assert core.engine.reconciler.round is None
    core.tell(early, (order_of("web_1"),))
    assert _state(core) == "" and FOREIGN not in core.names()


def test_what_is_no_payment_in_a_list_of_payments_is_passed_over() -> None:
    core = Core()
    paid = Payment(
        kind="TRANSFER",
        instrument="",
        asset="USDT",
        amount=500,
        payment_id="7",
        ts_venue=core.ts + SECOND,
    )
    more = (VenueBalance(asset="USDT", wallet=CASH + 500),)
    core.compare(payments=(object(), paid, paid), balances=more)
    core.compare(payments=(paid,), balances=more)
    assert _paid(core) == [paid]
    assert core.engine.desk.state.wallet == CASH + 500
    assert not core.engine.reconciler.cash.suspects


# Positions and cash.
def test_a_position_is_not_declared_while_an_execution_waits_for_its_name() -> None:
    core = Core()
    name = _ours(core, is_seen=False)
    fill = fill_of(1, client_order_id="", ts_venue=core.ts)
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    assert [fill.trade_id for fill in core.engine.fills.waiting.fills()] == [1]
    held = (VenuePosition(instrument=BTC.id, quantity=3_000),)
    for _ in range(5):
        core.compare(positions=held)
    assert core.engine.reconciler.suspects[BTC.id].count > core.engine.desk.settings.confirmations
    assert "POSITION_UNEXPLAINED" not in core.names()
    # The order's state names the execution.
    seen = order_of(name, venue_order_id="77", filled=3_000)
    core.hear(OrderSeen(ts_event=core.ts, order=seen))
    core.later(SECOND)
    core.answer_all()
    core.compare(positions=held, orders=(seen,))
    assert core.engine.positions == {BTC.id: 3_000}
    assert not core.engine.reconciler.suspects and not core.engine.external.get(BTC.id)


def test_a_position_is_not_declared_while_whose_an_execution_is_may_still_be_told() -> None:
    """No order of ours is in doubt, and the executions were asked for since."""
    core = Core()
    held = (VenuePosition(instrument=BTC.id, quantity=3_000),)
    fill = fill_of(1, client_order_id="", ts_venue=core.ts)
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    for second in range(24):
        if not second % 6:
            core.engine.reconciler.want("test")
        core.later(SECOND)
        core.asked = [ask for ask in core.asked if not isinstance(ask, OrderQuery)]
        core.answer_all(positions=held)
    suspect = core.engine.reconciler.suspects[BTC.id]
    assert suspect.count > core.engine.desk.settings.confirmations
    assert core.engine.fills.ts_fetched[BTC.id] > suspect.ts_far
    assert "POSITION_UNEXPLAINED" not in core.names()


def test_a_snapshot_that_may_be_as_old_as_the_doubt_does_not_confirm_it() -> None:
    core = Core()
    held = (VenuePosition(instrument=BTC.id, quantity=3_000),)
    core.compare(positions=held)
    for seconds, count in ((1, 1), (5, 2)):
        core.engine.reconciler.want("test")
        core.later(seconds * SECOND)
        core.answer_all(positions=held)
        assert core.engine.reconciler.suspects[BTC.id].count == count


def test_a_position_that_nothing_explains_goes_to_the_bucket() -> None:
    core = Core()
    held = (VenuePosition(instrument=BTC.id, quantity=3_000),)
    for _ in range(4):
        core.compare(positions=held)
        # What was asked about its executions meanwhile.
        core.answer_all()
    assert core.engine.external == {BTC.id: 3_000}
    (row,) = [row for row in core.rows if isinstance(row, AdjustmentRow)]
    assert (row.quantity, row.cause) == (3_000, "unexplained")
    assert _state(core) == "paused"


def test_a_position_is_not_unexplained_while_nobody_could_look_at_executions() -> None:
    core = Core()
    held = (VenuePosition(instrument=BTC.id, quantity=3_000),)
    for _ in range(4):
        core.compare(positions=held)
    assert not core.engine.external
    assert BTC.id in core.engine.gate.suspects


def test_money_is_unexplained_only_when_payments_were_asked_for_and_told_since() -> None:
    """A funding is in the wallet before the list of payments has been read."""
    core = Core()
    less = (VenueBalance(asset="USDT", wallet=CASH - 5),)
    core.engine.reconciler.want("test")
    for _ in range(120):
        core.answer_all(balances=less, payments=None)
        core.later(SECOND)
    assert core.engine.reconciler.cash.suspects["USDT"].count > 2
    assert not _paid(core)
    for _ in range(60):
        core.answer_all(balances=less)
        core.later(SECOND)
    assert [(paid.kind, paid.amount) for paid in _paid(core)] == [("cash_rounding", -5)]


def test_money_is_only_laid_to_the_order_of_executions_while_a_position_is_open() -> None:
    core = Core()
    core.engine.desk.books.disordered[BTC.id] = core.ts
    more = (VenueBalance(asset="USDT", wallet=CASH + 7 * 10**8),)
    for _ in range(4):
        core.compare(balances=more)
    (paid,) = _paid(core)
    assert (paid.kind, paid.amount, paid.instrument) == ("cash_unexplained", 7 * 10**8, "")
    assert core.engine.desk.state.wallet == CASH + 7 * 10**8


def test_an_execution_that_comes_when_its_order_is_ripe_to_be_packed_counts() -> None:
    core = Core()
    name = _ours(core)
    over = order_of(name, status=OrderStatus.CANCELED)
    core.hear(OrderSeen(ts_event=core.ts, order=over))
    desk = core.engine.desk
    assert name in desk.state.closed and name in desk.books.closing
    # Nothing is written meanwhile, so the row of the execution is the next one.
    core.ts += desk.settings.whole_ns + SECOND
    fill = fill_of(
        1,
        client_order_id=name,
        venue_order_id="5",
        side=RESTING.side,
        price=RESTING.price,
        quantity=BTC.lot,
        is_maker=True,
        ts_venue=core.ts,
    )
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    assert core.engine.positions[BTC.id] == RESTING.side * BTC.lot


def test_an_order_is_absent_only_if_it_is_asked_about_after_the_wait_for_a_name() -> None:
    """Its own query did not know it yet, then nobody answered until the wait was over."""
    core = Core()
    name = _ours(core, is_seen=False)
    core.engine.resolver.watch(name, "restart")
    fill = fill_of(1, client_order_id="", ts_venue=core.ts, quantity=RESTING.quantity)
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    for _ in range(3):
        core.later(5 * SECOND)
        core.answer_all()
    core.asked.clear()
    core.later(MINUTE)
    core.engine.fills.backfill()
    core.later(SECOND)
    core.asked = [request for request in core.asked if type(request) is not OrderQuery]
    core.answer_all()
    assert core.engine.desk.state.open[name].is_open
    assert not core.engine.external
    core.later(5 * SECOND)
    filled = order_of(name, venue_order_id="77", status="filled", filled=RESTING.quantity)
    core.answer(OrderQuery, filled)
    core.later(SECOND)
    core.answer(FillsQuery, (fill,))
    (row,) = [row for row in core.rows if isinstance(row, FillRow)]
    assert (row.client_order_id, row.strategy) == (name, "toy")


def test_a_trade_by_hand_delays_the_proof_of_an_absence_and_does_not_stop_it() -> None:
    core = Core()
    name = _ours(core, is_seen=False)
    core.engine.resolver.watch(name, "restart")
    fill = fill_of(1, client_order_id="", ts_venue=core.ts)
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    began = core.ts
    while name in core.engine.desk.state.open:
        core.later(SECOND)
        core.answer_all()
        assert core.ts < began + 90 * SECOND
    assert core.ts > began + MINUTE
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    assert core.engine.external == {BTC.id: fill.quantity}


# The gate.
def test_a_lease_is_lost_once() -> None:
    core = Core()
    for _ in range(2):
        core.hear(LeaseChanged(ts_event=core.ts, lease=None))
    lost = [row for row in core.rows if isinstance(row, LeaseRow) and row.event is LeaseEvent.LOST]
    assert (len(lost), core.names().count("LEASE_LOST")) == (1, 1)
    refusal = core.engine.fence.refusal(core.ts)
    assert refusal is not None and refusal.code == "FENCED"


def test_a_request_about_an_order_that_nobody_knows_is_not_held_back_for_risk() -> None:
    core = Core()
    core.engine.fills.pause(BTC.id, "for the test")
    request = PlaceRequest(request_id=1, client_order_id="web_1", spec=RESTING)
    assert core.engine.gate.too_late(request) == ""
    name = _ours(core)
    request = PlaceRequest(request_id=1, client_order_id=name, spec=RESTING)
    assert "is paused: for the test" in core.engine.gate.too_late(request)


def test_the_next_life_asks_again_for_an_execution_that_waited_for_its_name() -> None:
    """It is in no row: the process ends, and only the venue's list still tells of it."""
    core = Core()
    core.later(SECOND)
    traded = core.ts
    core.later(60 * SECOND)
    core.answer_all()
    _ours(core, is_seen=False)
    fill = fill_of(9, client_order_id="", ts_venue=traded)
    held = (VenuePosition(instrument=BTC.id, quantity=fill.quantity),)
    for _ in range(2):
        core.engine.reconciler.want("full")
        core.later(10 * SECOND)
        core.engine.fills.take(fill, "query")
        core.answer_all(positions=held)
    assert core.engine.fills.waiting
    after = Core(ts=core.ts + SECOND, after=core)
    after.later(SECOND)
    asked = [request for request in after.asked if isinstance(request, FillsQuery)]
    assert asked
    assert asked[0].ts_from <= traded


def test_a_position_is_unexplained_only_when_executions_of_long_ago_were_asked_for_too() -> None:
    """A clock of ours that was ahead has asked for those since a time that was still to come."""
    core = Core()
    held = (VenuePosition(instrument=BTC.id, quantity=3_000),)
    asked: list[int] = []
    while BTC.id not in core.engine.external:
        core.compare(positions=held)
        asked += [ask.ts_from for ask in core.asked if isinstance(ask, FillsQuery)]
        core.answer_all()
        assert core.ts < T0 + 600 * SECOND
    assert min(asked) < T0 - 3_000 * SECOND


def test_a_user_stream_that_lost_an_execution_is_believed_again_after_a_comparison() -> None:
    """Where nothing new may leave it has nothing to tell, and would be stale for hours."""
    core = Core()
    leave(core, "il-1-toy-1-0000", OrderSpec(BTC.id, 1, 3_000))
    fill = fill_of(9, client_order_id="il-1-toy-1-0000", ts_venue=core.ts)
    core.later(20 * SECOND)
    core.asked.clear()
    core.engine.fills.fetch(BTC.id, core.ts - 60 * SECOND, since=core.ts)
    core.later(SECOND)
    core.answer(FillsQuery, (fill,))
    user = core.engine.gate.freshness.user
    assert (core.names().count("STREAM_STALE"), user.is_stale) == (1, True)
    held = (VenuePosition(instrument=BTC.id, quantity=fill.quantity),)
    wallet = (VenueBalance(asset="USDT", wallet=core.engine.desk.state.wallet),)
    ts = core.ts
    while user.is_stale and core.ts < ts + 60 * SECOND:
        core.later(500 * MS)
        core.answer_all(positions=held, balances=wallet)
    assert core.ts - ts <= 3 * SECOND


def test_an_exit_that_the_venue_cuts_when_it_takes_it_on_is_as_large_here() -> None:
    core = Core()
    spec = OrderSpec(BTC.id, -1, 3_000, OrderType.LIMIT, 101_00, reduce_only=True)
    leave(core, "il-1-toy-1-0000", spec)
    kept = {"side": -1, "price": 101_00, "reduce_only": True, "ts_venue": core.ts}
    shown = order_of("il-1-toy-1-0000", quantity=1_000, **kept)
    core.hear(OrderSeen(ts_event=core.ts, order=shown))
    order = core.engine.desk.state.open["il-1-toy-1-0000"]
    assert (order.status, order.spec.quantity) == (OrderStatus.ACCEPTED, 1_000)
    assert core.names().count("ORDER_CHANGED_BY_OTHERS") == 1


@pytest.mark.parametrize("is_over", [False, True], ids=["resting", "over"])
def test_an_exit_that_the_venue_cuts_has_the_position_compared_at_once(is_over: bool) -> None:
    """Less is left there than our books say: somebody has closed a part of it, unheard."""
    core = Core()
    core.later(10 * SECOND)
    core.answer_all()
    core.asked.clear()
    name = "il-1-toy-1-0000"
    leave(core, name, OrderSpec(BTC.id, -1, 3_000, OrderType.LIMIT, 101_00, reduce_only=True))
    state = OrderStatus.FILLED if is_over else OrderStatus.ACCEPTED
    filled = 1_000 if is_over else 0
    if is_over:
        fill = fill_of(9, client_order_id=name, side=-1, quantity=1_000, ts_venue=core.ts)
        core.hear(FillSeen(ts_event=core.ts, fill=fill))
    kept = {"side": -1, "price": 101_00, "reduce_only": True, "ts_venue": core.ts}
    shown = order_of(name, quantity=1_000, status=state, filled=filled, **kept)
    core.hear(OrderSeen(ts_event=core.ts, order=shown))
    core.later(100 * MS)
    assert core.engine.reconciler.round is not None
    assert core.engine.reconciler.round.scope == "cut"
