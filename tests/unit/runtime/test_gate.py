"""The last gate: an exit that the venue does not hold back takes no more than its position."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from interlock.kernel.state import Order
from interlock.model.order import OrderSpec, OrderType
from interlock.model.venue import CancelRequest, FillSeen
from interlock.runtime.gate import goes_beyond
from tests.toy_players import BTC, LOT
from tests.unit.runtime.core import Core, fill_of, leave

ENTRY = "il-1-toy-1-0000"
EXIT = OrderSpec(BTC.id, -1, 3 * LOT, reduce_only=True)
PRICED: dict[str, Any] = {"type": OrderType.LIMIT, "price": 101_00}


@pytest.mark.parametrize(
    ("held", "is_marked", "filled", "form", "is_beyond"),
    [
        (3, False, 0, {}, False),
        (2, False, 0, {}, True),
        (0, False, 0, {}, True),
        (2, True, 0, {}, False),
        (2, False, 0, PRICED, True),
        (2, False, 1, PRICED, False),
        (2, False, 0, {"type": OrderType.STOP_MARKET, "trigger": 90_00}, False),
    ],
    ids=["whole", "shrunk", "gone", "marked", "limit", "limit in part", "stop"],
)
def test_an_exit_without_the_mark_stays_within_its_position(
    held: int, is_marked: bool, filled: int, form: dict[str, Any], is_beyond: bool
) -> None:
    core = Core()
    leave(core, ENTRY, OrderSpec(BTC.id, 1, 9 * LOT))
    if held:
        bought = fill_of(1, client_order_id=ENTRY, quantity=held * LOT, ts_venue=core.ts)
        core.hear(FillSeen(ts_event=core.ts, fill=bought))
    asked = msgspec.structs.replace(EXIT, **form)
    order = Order("il-1-toy-2-0000", core.engine.desk.state.strategies["toy"], 2, asked)
    order.filled = filled * LOT
    sent = msgspec.structs.replace(asked, reduce_only=is_marked)
    assert goes_beyond(order, sent) is is_beyond
    refusal = core.engine.gate.order(order, sent)
    assert (refusal is not None and refusal.code == "REDUCE_ONLY") is is_beyond


@pytest.mark.parametrize(("by_hand", "is_exit_there"), [(-3, False), (-1, False), (1, True)])
@pytest.mark.parametrize("is_marked", [False, True])
def test_an_exit_to_the_books_alone_does_not_leave_in_an_emergency(
    by_hand: int, is_exit_there: bool, is_marked: bool
) -> None:
    """A strategy that leaves what a trade by hand holds against it would open a position there."""
    core = Core()
    leave(core, ENTRY, OrderSpec(BTC.id, 1, 9 * LOT))
    bought = fill_of(1, client_order_id=ENTRY, quantity=3 * LOT, ts_venue=core.ts)
    core.hear(FillSeen(ts_event=core.ts, fill=bought))
    gate, state = core.engine.gate, core.engine.desk.state
    state.instruments[BTC.id].net.quantity += by_hand * LOT
    asked = msgspec.structs.replace(EXIT, reduce_only=is_marked, **PRICED)
    order = Order("il-1-toy-2-0000", state.strategies["toy"], 2, asked)
    assert gate.order(order, asked) is None
    core.engine.desk.books.switches[""] = ("emergency", "test")
    refusal = gate.order(order, asked)
    assert (refusal is None) is (is_exit_there or is_marked)
    assert refusal is None or refusal.code == "EMERGENCY"


@pytest.mark.parametrize(("form", "is_beside"), [({}, True), (PRICED, False)])
def test_two_exits_to_the_market_do_not_open_a_position_in_an_emergency(
    form: dict[str, Any], is_beside: bool
) -> None:
    """What is on its way there takes from the position first; what rests may never."""
    core = Core()
    leave(core, ENTRY, OrderSpec(BTC.id, 1, 9 * LOT))
    bought = fill_of(1, client_order_id=ENTRY, quantity=3 * LOT, ts_venue=core.ts)
    core.hear(FillSeen(ts_event=core.ts, fill=bought))
    leave(core, "il-1-toy-3-0000", OrderSpec(BTC.id, -1, LOT, reduce_only=True, **form))
    core.engine.desk.books.switches[""] = ("emergency", "test")
    for size, fits in ((3, not is_beside), (2, True)):
        asked = OrderSpec(BTC.id, -1, size * LOT)
        order = Order("il-1-toy-2-0000", core.engine.desk.state.strategies["toy"], 2, asked)
        refusal = core.engine.gate.order(order, asked)
        assert (refusal is None) is fits
        assert refusal is None or refusal.code == "EMERGENCY"


def test_a_cancel_does_not_overtake_its_order() -> None:
    """Before the order has an answer the venue may say that it knows none, and take it on then."""
    core = Core()
    core.asked.clear()
    leave(core, ENTRY, OrderSpec(BTC.id, 1, LOT, OrderType.LIMIT, 90_00))
    assert not core.engine.dispatch.cancel(ENTRY)
    core.later(1)
    assert not [request for request in core.asked if isinstance(request, CancelRequest)]


@pytest.mark.parametrize(
    ("wanted", "is_more"),
    [
        ({"price": 90_01}, True),
        ({"price": 89_99}, False),
        ({"quantity": 3 * LOT}, True),
        ({"quantity": LOT, "price": 89_99}, False),
        ({"quantity": LOT, "price": 90_01}, True),
    ],
)
def test_an_amendment_that_costs_more_is_new_risk(wanted: dict[str, Any], is_more: bool) -> None:
    """A higher price is a higher notional: where new risk is shut out, so is that."""
    core = Core()
    spec = OrderSpec(BTC.id, 1, 2 * LOT, OrderType.LIMIT, 90_00)
    leave(core, ENTRY, spec)
    core.engine.desk.books.switches[""] = ("paused", "test")
    order = core.engine.desk.state.open[ENTRY]
    refusal = core.engine.gate.growth(order, msgspec.structs.replace(spec, **wanted))
    assert (refusal.code if refusal is not None else "") == "PAUSED" * is_more
