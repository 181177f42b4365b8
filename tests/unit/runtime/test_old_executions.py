"""What was counted long ago is told again: by a stream, by a list that reaches far back."""

from __future__ import annotations

import msgspec
import pytest

from interlock.model.order import OrderSpec, OrderType
from interlock.model.rows import FillRow, PaymentRow
from interlock.model.venue import (
    FillSeen,
    FillsQuery,
    Payment,
    PaymentSeen,
    PaymentsQuery,
    VenueFill,
    VenuePosition,
)
from interlock.runtime.settings import CLOCK_MOST_NS, HOUR, MINUTE, SECOND
from interlock.runtime.values import LeaseChanged
from tests.toy_players import BTC
from tests.unit.runtime.core import Core, fill_of, leave, order_of

OURS = "il-7-1-1-abcd"
DAY = 24 * HOUR


def _pass(core: Core, hours: int, **contents: object) -> None:
    """Hours go by, each with a comparison that finds nothing."""
    for _ in range(hours):
        core.later(HOUR)
        until = core.ts + 1_000 * SECOND
        lease = msgspec.structs.replace(core.engine.fence.lease, ts_expires=until)
        core.hear(LeaseChanged(core.ts, lease))
        _answer(core, **contents)


def _answer(core: Core, **contents: object) -> None:
    """What is asked, and what is asked after that, has its answer."""
    for _ in range(5):
        core.answer_all(**contents)
        core.later(SECOND)


def _tell(core: Core, fill: VenueFill) -> None:
    core.hear(FillSeen(ts_event=core.ts, fill=fill))


def _counted(core: Core) -> list[int]:
    return [row.fill.trade_id for row in core.rows if isinstance(row, FillRow)]


def _held(quantity: int) -> tuple[VenuePosition, ...]:
    return (VenuePosition(instrument=BTC.id, quantity=quantity, entry="100.00"),)


@pytest.mark.parametrize("name", ["web_1", OURS])
def test_an_execution_of_days_ago_counts_once(name: str) -> None:
    core = Core()
    if name == OURS:
        leave(core, name, OrderSpec(BTC.id, 1, 3_000, OrderType.LIMIT, 100_00))
    core.later(MINUTE)
    first = fill_of(500, client_order_id=name, ts_venue=core.ts)
    _tell(core, first)
    _pass(core, 30, positions=_held(3_000))
    _tell(core, fill_of(501, client_order_id=name, ts_venue=core.ts - HOUR))
    assert 500 not in core.engine.desk.books.trades[BTC.id]
    for _ in range(3):
        _tell(core, first)
    assert _counted(core) == [500, 501]
    assert core.engine.positions[BTC.id] == 6_000


def test_an_order_that_rests_has_the_executions_that_it_lacked_for_days() -> None:
    core = Core()
    leave(core, OURS, OrderSpec(BTC.id, 1, 9_000, OrderType.LIMIT, 100_00))
    core.later(MINUTE)
    first = fill_of(500, client_order_id=OURS, ts_venue=core.ts)
    lost = fill_of(499, client_order_id=OURS, ts_venue=core.ts - SECOND)
    _tell(core, first)
    rest = order_of(OURS, quantity=9_000, price=100_00, filled=3_000, status="partially_filled")
    _pass(core, 30, positions=_held(3_000), orders=(rest,))
    assert 500 not in core.engine.desk.books.trades[BTC.id]
    for fill in (first, lost, first, lost):
        _tell(core, fill)
    assert _counted(core) == [500, 499]
    assert core.engine.desk.state.open[OURS].filled == 6_000


def test_a_list_does_not_reach_back_to_an_order_that_has_rested_for_days() -> None:
    core = Core()
    leave(core, OURS, OrderSpec(BTC.id, 1, 4_000, OrderType.LIMIT, 90_00))
    rest = order_of(OURS)
    _pass(core, 72, orders=(rest,))
    core.later(HOUR)
    core.later(SECOND)
    asked = [r.ts_from for r in core.asked if isinstance(r, FillsQuery)]
    assert asked and min(asked) > core.ts - CLOCK_MOST_NS - 2 * HOUR


def test_what_was_counted_before_days_of_rest_is_still_known() -> None:
    before = Core()
    before.later(MINUTE)
    known = fill_of(500, ts_venue=before.ts)
    paid = Payment(
        kind="funding",
        instrument=BTC.id,
        asset="USDT",
        amount=-7,
        payment_id="f1",
        ts_venue=before.ts,
    )
    _tell(before, known)
    before.hear(PaymentSeen(ts_event=before.ts, payment=paid))
    lost = fill_of(499, ts_venue=before.ts - SECOND)
    core = Core(ts=before.ts + 3 * DAY, after=before)
    for _ in range(4):
        for request in list(core.asked):
            told = {FillsQuery: (lost, known), PaymentsQuery: (paid,)}.get(type(request))
            if told is not None:
                core.asked.remove(request)
                core.tell(request, told)
        core.later(SECOND)
    assert _counted(core) == [499]
    assert [row for row in core.rows if isinstance(row, PaymentRow)] == []


def test_every_whole_comparison_moves_on_what_is_asked_for() -> None:
    core = Core()
    _answer(core)
    core.later(MINUTE)
    asked = core.ts
    core.engine.reconciler.want("external")
    core.later(SECOND)
    _answer(core)
    assert core.engine.desk.books.ts_verified >= asked
