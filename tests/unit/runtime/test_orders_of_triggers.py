"""What a stop of ours became goes by an id of the venue's making: it is no order of somebody else.

Which stop made it is told by the stop's own state, which may be late, lost, or from before a start.
"""

from __future__ import annotations

import msgspec
import pytest

from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.model.rows import FillRow
from interlock.model.venue import FillSeen, OrderQuery, OrderSeen, VenueOrder
from interlock.runtime.adoption import ADOPTED
from interlock.runtime.books import FOREIGN
from interlock.runtime.ids import OrderId
from interlock.runtime.settings import MINUTE, SECOND, ForeignPolicy, Settings
from interlock.runtime.values import Command
from tests.toy_players import BTC
from tests.unit.runtime.core import LEASE, Core, fill_of, leave, order_of, setup_of

STOP = OrderSpec(BTC.id, -1, 4_000, OrderType.STOP_LIMIT, 89_00, 90_00, reduce_only=True)
NAME = OrderId("il", LEASE.epoch, 1, 1).text
# The venue makes an order that closes as small as what is left to be closed.
CHILD = order_of("algo_6", venue_order_id="6", side=-1, quantity=1_000, price=89_00)
# The same order once the stop was asked about, which knows the venue's number of it.
TRIGGERED = msgspec.structs.replace(
    CHILD,
    client_order_id=NAME,
    type=OrderType.STOP_LIMIT,
    trigger=90_00,
    status=OrderStatus.TRIGGERED,
)


def _core(policy: ForeignPolicy = "alarm", *, after: Core | None = None) -> Core:
    """A core that trades and has a stop waiting at the venue."""
    settings = msgspec.structs.replace(Settings(), foreign_orders=policy)
    setup = msgspec.structs.replace(setup_of(), settings=settings)
    if after is not None:
        return Core(setup, ts=after.ts + SECOND, after=after)
    core = Core(setup)
    leave(core, NAME, STOP)
    core.stored += core.engine.desk.out.rows
    core.hear(OrderSeen(ts_event=core.ts, order=_stop()))
    core.later(30 * SECOND)
    core.answer_all(orders=(_stop(),))
    core.later(SECOND)
    return core


def _stop(**values: object) -> VenueOrder:
    given = {"side": -1, "type": "stop_limit", "price": 89_00, "trigger": 90_00, **values}
    return order_of(NAME, **given)


def _paused(core: Core) -> bool:
    return core.engine.desk.books.switches.get(BTC.id, ("", ""))[0] == "paused"


def _is_taken_for_foreign(core: Core) -> bool:
    return FOREIGN in core.names() or ADOPTED in core.names() or _paused(core)


@pytest.mark.parametrize("policy", ["alarm", "adopt", "ignore"])
def test_an_order_that_a_stop_may_have_become_has_the_stop_asked_about(
    policy: ForeignPolicy,
) -> None:
    core = _core(policy)
    core.hear(OrderSeen(ts_event=core.ts, order=CHILD))
    assert not _is_taken_for_foreign(core)
    core.later(SECOND)
    core.answer(OrderQuery, TRIGGERED)
    assert core.engine.desk.state.open[NAME].status is OrderStatus.TRIGGERED
    assert not core.engine.resolver.doubts
    core.compare(orders=(TRIGGERED,))
    assert not _is_taken_for_foreign(core)
    assert not core.engine.orders.unnamed


def test_after_a_start_nobody_knows_what_became_of_a_stop_and_it_is_asked_about() -> None:
    core = _core(after=_core())
    core.answer_all(orders=(CHILD,))
    core.later(SECOND)
    assert not _is_taken_for_foreign(core)
    assert {ask.client_order_id for ask in core.asked if type(ask) is OrderQuery} == {NAME}
    core.answer(OrderQuery, TRIGGERED)
    while not core.engine.startup.is_trading:
        core.answer_all(orders=(TRIGGERED,))
        core.later(SECOND)
    assert not _is_taken_for_foreign(core)
    assert core.engine.desk.state.open[NAME].status is OrderStatus.TRIGGERED


@pytest.mark.parametrize("is_asked_about", [False, True])
def test_a_stop_is_not_proved_absent_beside_what_it_may_have_become(is_asked_about: bool) -> None:
    """Its own query does not know it for a while; an order that it may be rests in the list."""
    core = _core()
    if is_asked_about:
        core.engine.resolver.watch(NAME, "restart")
    core.hear(OrderSeen(ts_event=core.ts, order=CHILD))
    for _ in range(45):
        core.later(SECOND)
        core.answer_all(orders=(CHILD,))
    assert core.engine.desk.state.open[NAME].is_open
    for _ in range(60):
        core.later(SECOND)
        core.answer_all(orders=(CHILD,))
    assert NAME not in core.engine.desk.state.open
    assert core.names().count(FOREIGN) == 1


@pytest.mark.parametrize("quantity", [4_000, 3_000], ids=["whole", "trimmed"])
def test_after_a_start_what_a_stop_has_become_is_no_waiting_stop(quantity: int) -> None:
    before = _core()
    before.hear(OrderSeen(ts_event=before.ts, order=TRIGGERED))
    core = _core(after=before)
    resting = msgspec.structs.replace(CHILD, quantity=quantity, ts_venue=core.ts)
    for _ in range(4):
        core.answer_all(orders=(resting,))
        core.later(SECOND)
    assert core.engine.startup.is_trading
    assert core.engine.desk.state.open[NAME].status is OrderStatus.TRIGGERED


def test_an_order_of_others_that_looks_like_it_is_foreign_when_the_stop_is_seen_waiting() -> None:
    core = _core()
    core.compare(orders=(_stop(), CHILD))
    assert not _is_taken_for_foreign(core)
    core.compare(orders=(CHILD, _stop()))
    assert core.names().count(FOREIGN) == 1
    assert _paused(core)
    assert not core.engine.orders.unnamed


@pytest.mark.parametrize(
    "values", [{"side": 1}, {"quantity": 4_001}, {"price": 89_01}, {"reason": "adl"}]
)
def test_what_no_stop_can_have_become_is_foreign_at_once(values: dict[str, object]) -> None:
    core = _core()
    order = msgspec.structs.replace(CHILD, **values)
    core.hear(OrderSeen(ts_event=core.ts, order=order))
    assert core.names().count(FOREIGN) == 1
    assert _paused(core)


def test_a_picture_from_before_a_stop_was_over_still_shows_what_it_became() -> None:
    core = _core()
    canceled = _stop(status="canceled", ts_venue=core.ts)
    core.hear(OrderSeen(ts_event=core.ts, order=canceled))
    assert NAME not in core.engine.desk.state.open
    core.hear(OrderSeen(ts_event=core.ts, order=CHILD))
    assert not _is_taken_for_foreign(core)
    assert not core.engine.resolver.doubts
    core.later(6 * SECOND)
    core.hear(OrderSeen(ts_event=core.ts, order=CHILD))
    assert core.names().count(FOREIGN) == 1


@pytest.mark.parametrize("is_packed", [False, True])
@pytest.mark.parametrize("is_next_life", [False, True])
def test_a_late_execution_of_what_a_stop_became_is_the_stops(
    is_packed: bool, is_next_life: bool
) -> None:
    core = _core()
    core.hear(OrderSeen(ts_event=core.ts, order=TRIGGERED))
    gone = msgspec.structs.replace(TRIGGERED, status=OrderStatus.CANCELED, ts_venue=core.ts)
    core.hear(OrderSeen(ts_event=core.ts, order=gone))
    if is_packed:
        core.later(2 * MINUTE)
        core.hear(Command(ts_event=core.ts, name="pause", actor="ada", reason="quiet"))
        assert NAME not in core.engine.desk.books.tracks
        assert not core.engine.desk.books.names[BTC.id]
    if is_next_life:
        core = _core(after=core)
    fill = fill_of(
        7,
        client_order_id="",
        venue_order_id=TRIGGERED.venue_order_id,
        side=-1,
        price=89_00,
        quantity=1_000,
        is_maker=True,
        ts_venue=core.ts,
    )
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    (row,) = [row for row in core.rows if isinstance(row, FillRow)]
    assert row.client_order_id == NAME
    assert "EXTERNAL_FILL" not in core.names()
    assert not _paused(core)


def test_an_adopted_stop_goes_on_as_what_it_became() -> None:
    """A name may be given twice by others, so it is asked about before it is believed."""
    core = _core("adopt")
    stop = msgspec.structs.replace(_stop(side=1, price=111_00, trigger=110_00), venue_order_id="8")
    core.compare(orders=(_stop(), msgspec.structs.replace(stop, client_order_id="web_8")))
    assert core.names().count(ADOPTED) == 1
    core.later(SECOND)
    became = msgspec.structs.replace(
        stop, client_order_id="web_8", venue_order_id="9", status=OrderStatus.TRIGGERED
    )
    core.hear(OrderSeen(ts_event=core.ts, order=became))
    core.later(SECOND)
    core.answer(OrderQuery, became)
    assert core.engine.desk.state.open["web_8"].status is OrderStatus.TRIGGERED
    core.hear(OrderSeen(ts_event=core.ts, order=became))
    fill = fill_of(
        1,
        client_order_id="web_8",
        venue_order_id="9",
        side=1,
        price=111_00,
        quantity=4_000,
        ts_venue=core.ts,
    )
    core.hear(FillSeen(ts_event=core.ts, fill=fill))
    assert core.engine.desk.state.strategies["toy"].positions[BTC.id].quantity == 4_000
    assert "web_8" not in core.engine.desk.state.open
    assert core.names().count(FOREIGN) == 1
    assert not _paused(core)
