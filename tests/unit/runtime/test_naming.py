"""Executions of which only a list without names tells: the venue is asked whose they are."""

from __future__ import annotations

import pytest

from interlock.model.order import OrderSpec, OrderType
from interlock.model.rows import FillRow
from interlock.model.venue import (
    Answer,
    FillSeen,
    FillsQuery,
    OrderQuery,
    OrderSeen,
    VenueFill,
    VenueOrder,
    Verdict,
)
from interlock.runtime.naming import TOLD_KEPT
from interlock.runtime.settings import MINUTE, MS, SECOND
from tests.toy_players import BTC, LOT
from tests.unit.runtime.core import Core, fill_of, leave, order_of

NAME = "il-7-f53-9-0000"


def _listed(core: Core, *fills: VenueFill) -> None:
    """A list of executions comes in."""
    core.engine.fills.fetch(BTC.id, core.ts)
    core.later(SECOND)
    core.answer(FillsQuery, fills)
    core.later(MS)


def _trade(core: Core, trade: int = 1, **values: object) -> VenueFill:
    given = {"client_order_id": "", "side": -1, "quantity": LOT, "ts_venue": core.ts}
    return fill_of(trade, **{**given, **values})


def _core() -> Core:
    core = Core()
    core.later(100 * SECOND)
    core.asked.clear()
    return core


def _questions(core: Core) -> list[OrderQuery]:
    return [request for request in core.asked if isinstance(request, OrderQuery)]


def _booked(core: Core) -> list[FillRow]:
    return [row for row in core.rows if isinstance(row, FillRow)]


def _causes(core: Core) -> list[str]:
    return [n.fields["cause"] for n in core.notices if getattr(n, "name", "") == "EXTERNAL_FILL"]


def _named(name: str, **values: object) -> VenueOrder:
    return order_of(name, **{"venue_order_id": "77", "side": -1, "status": "filled", **values})


def _wait(core: Core, ns: int, verdict: Verdict | None) -> None:
    """Time passes in small steps; every question about an order has this answer, or none."""
    for _ in range(ns // (100 * MS)):
        core.later(100 * MS)
        for request in _questions(core) if verdict is not None else ():
            core.asked.remove(request)
            core.hear(Answer(request_id=request.request_id, ts_event=core.ts, verdict=verdict))


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("autoclose-77", "liquidation"),
        ("adl_autoclose", "adl"),
        ("web_1", "manual"),
        ("", "manual"),
    ],
)
def test_an_execution_without_a_name_is_booked_by_the_name_that_the_venue_gives(
    name: str, cause: str
) -> None:
    core = _core()
    _listed(core, _trade(core))
    (asked,) = _questions(core)
    assert (asked.client_order_id, asked.venue_order_id, asked.instrument) == ("", "77", BTC.id)
    assert not _booked(core) and not _causes(core)
    core.answer(OrderQuery, _named(name))
    assert _causes(core) == [cause]
    assert [row.fill.client_order_id for row in _booked(core)] == [name]
    assert not core.engine.fills.waiting and not core.engine.fills.naming.wanted


def test_one_question_names_all_executions_of_an_order_now_and_later() -> None:
    core = _core()
    _listed(core, _trade(core, 1), _trade(core, 2))
    assert len(_questions(core)) == 1
    core.answer(OrderQuery, _named("autoclose-77"))
    _listed(core, _trade(core, 3))
    assert not _questions(core)
    assert _causes(core) == ["liquidation"] * 3


def test_an_order_of_ours_is_found_by_its_number() -> None:
    core = _core()
    leave(core, NAME, OrderSpec(BTC.id, -1, LOT, OrderType.LIMIT, 100_00))
    _listed(core, _trade(core))
    # Its own answer may name it first: that is waited for.
    assert not _questions(core)
    core.later(core.engine.desk.settings.fill_grace_ns)
    (asked,) = [request for request in _questions(core) if not request.client_order_id]
    core.tell(asked, _named(NAME, quantity=LOT, filled=LOT))
    assert [row.client_order_id for row in _booked(core)] == [NAME]
    assert not _causes(core)


@pytest.mark.parametrize("is_by_order", [False, True])
def test_what_the_stream_has_named_is_not_asked_about(is_by_order: bool) -> None:
    core = _core()
    if is_by_order:
        told = order_of("web_1", venue_order_id="77", side=-1)
        core.hear(OrderSeen(ts_event=core.ts, order=told))
    else:
        core.hear(FillSeen(ts_event=core.ts, fill=_trade(core, client_order_id="web_1")))
    _listed(core, _trade(core, 2))
    assert not _questions(core)
    assert _causes(core)[-1] == "manual"


def test_an_execution_without_a_number_cannot_be_asked_about() -> None:
    core = _core()
    _listed(core, _trade(core, venue_order_id=""))
    assert not _questions(core) and _causes(core) == ["manual"]


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.REJECTED])
def test_what_the_venue_does_not_know_is_by_hand_once_its_orders_cannot_lag(
    verdict: Verdict,
) -> None:
    core = _core()
    lag = core.engine.desk.settings.query_lag_ns
    _listed(core, _trade(core))
    _wait(core, lag - SECOND, verdict)
    assert not _causes(core)
    _wait(core, 7 * SECOND, verdict)
    assert _causes(core) == ["manual"]
    core.asked.clear()
    _listed(core, _trade(core, 2))
    assert not _questions(core) and _causes(core) == ["manual"] * 2


@pytest.mark.parametrize("verdict", [Verdict.UNKNOWN, Verdict.NOT_SENT, None])
def test_a_question_without_an_answer_is_given_up_after_a_minute(verdict: Verdict | None) -> None:
    core = _core()
    _listed(core, _trade(core))
    _wait(core, MINUTE - SECOND, verdict)
    assert not _causes(core)
    _wait(core, 10 * SECOND, verdict)
    assert _causes(core) == ["manual"]


def test_the_wait_begins_with_the_first_question_that_left() -> None:
    core = _core()
    core.engine.asks.budget.silence(core.ts, 2 * MINUTE // MS)
    core.engine.fills.take(_trade(core), "query")
    _wait(core, 2 * MINUTE - SECOND, None)
    assert not _questions(core) and not _causes(core)
    while not _questions(core):
        core.later(SECOND)
    core.answer(OrderQuery, _named("autoclose-77"))
    assert _causes(core) == ["liquidation"]


def test_a_start_asks_again_and_does_not_trade_before_it_knows() -> None:
    core = _core()
    _listed(core, _trade(core))
    after = Core(ts=core.ts + SECOND, after=core)
    after.later(SECOND)
    waiting = [request for request in after.asked if isinstance(request, FillsQuery)]
    assert waiting and min(request.ts_from for request in waiting) < core.ts
    after.answer(FillsQuery, (_trade(core),))
    for _ in range(3):
        # Everything else is answered.
        for request in [item for item in after.asked if not isinstance(item, OrderQuery)]:
            after.asked.remove(request)
            after.tell(request, ())
        after.later(500 * MS)
    assert _questions(after) and not after.engine.startup.is_trading
    after.answer(OrderQuery, _named("autoclose-77"))
    assert _causes(after) == ["liquidation"]


def test_what_was_told_is_bounded() -> None:
    core = _core()
    naming = core.engine.fills.naming
    for number in range(TOLD_KEPT + 3):
        core.engine.fills.take(_trade(core, number, venue_order_id=str(number)), "query")
        core.later(100 * MS)
        core.answer(OrderQuery, _named("", venue_order_id=str(number)))
    assert len(naming.told) == TOLD_KEPT and not naming.wanted
    assert len(_causes(core)) == TOLD_KEPT + 3
