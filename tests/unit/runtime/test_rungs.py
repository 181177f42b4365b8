"""The ladder beside a repair: two exits of one position never ask for more than is held."""

from __future__ import annotations

import pytest

from interlock.kernel.restore import exit_row
from interlock.model.effects import CancelOrder
from interlock.model.events import ExitDue
from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderType
from interlock.model.rows import IntentRow, TransitionRow, decode_row
from interlock.model.venue import FillSeen, OrderSeen
from tests.toy_players import BTC, LOT, SECOND, T0, Bracketed
from tests.toy_world import NONE, World
from tests.unit.runtime.core import Core, fill_of, leave, order_of

HELD = 4


class HalfCovered(Bracketed):
    """Takes its stop away, then has one for half of its position that triggers and cannot fill."""

    def on_quote(self, quote: Quote) -> None:
        ts = self.view.ts_event
        if ts >= T0 + 6 * SECOND and self._next_ref == 1:
            self.bracket(1, HELD, stop=90)
        if ts == T0 + 9 * SECOND:
            for order in self.view.open_orders():
                self.cancel(order)
        if ts == T0 + 10 * SECOND:
            self.place(
                OrderSpec(
                    BTC.id, -1, 2 * LOT, OrderType.STOP_LIMIT, 300_00, 200_00, reduce_only=True
                )
            )


def test_what_no_stop_covers_is_not_left_beside_the_rung_that_takes_all() -> None:
    """Both are due at once; the venue would take both where the net position is another one's."""
    world = World(6, faults=NONE, strategy=HalfCovered)
    place = world.venue.place

    def refuse(ts: int, name: str, spec: OrderSpec) -> object:
        is_repair = spec.type is OrderType.STOP_MARKET and ts > T0 + 8 * SECOND
        return "WOULD_TRIGGER_NOW" if is_repair else place(ts, name, spec)

    world.venue.place = refuse  # type: ignore[method-assign, assignment]
    world.run()
    rows = [decode_row(stored.row) for stored in world.rows]
    cross, left = [r for r in rows if isinstance(r, IntentRow) and r.spec.tag in ("cross", "leave")]
    assert [row.spec.tag for row in (cross, left)] == ["cross", "leave"]
    *_, over = [
        row
        for row in rows
        if isinstance(row, TransitionRow) and row.client_order_id == cross.client_order_id
    ]
    assert rows.index(over) < rows.index(left)
    assert (cross.spec.quantity, over.filled, left.spec.quantity) == (4 * LOT, 2 * LOT, 2 * LOT)
    assert world.venue.positions[BTC.id].quantity == 0


@pytest.mark.parametrize("filled", [0, 1], ids=["triggered", "filled in part"])
def test_a_stop_that_has_triggered_makes_way_for_the_rung(filled: int) -> None:
    """It rests with its limit and takes what the rung is to close, a part of it filled or not."""
    core, name = Core(), "il-1-toy-2-0000"
    leave(core, "il-1-toy-1-0000", OrderSpec(BTC.id, 1, HELD * LOT))
    bought = fill_of(1, client_order_id="il-1-toy-1-0000", quantity=HELD * LOT, ts_venue=core.ts)
    core.hear(FillSeen(ts_event=core.ts, fill=bought))
    spec = OrderSpec(BTC.id, -1, HELD * LOT, OrderType.STOP_LIMIT, 99_00, 99_50, reduce_only=True)
    leave(core, name, spec)
    sold = {"quantity": HELD * LOT, "side": -1, "type": "stop_limit", "ts_venue": core.ts}
    for status in ("accepted", "triggered"):
        core.hear(OrderSeen(ts_event=core.ts, order=order_of(name, status=status, **sold)))
    if filled:
        part = fill_of(2, client_order_id=name, side=-1, quantity=LOT, ts_venue=core.ts)
        core.hear(FillSeen(ts_event=core.ts, fill=part))
    event = ExitDue(core.ts, "toy", BTC.id, HELD * LOT, 98_00, tag="cross")
    core.engine.desk.apply(exit_row(event))
    asked = [effect for effect in core.engine.desk.effects if isinstance(effect, CancelOrder)]
    assert [effect.client_order_id for effect in asked] == [name]
