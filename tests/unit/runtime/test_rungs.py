"""The ladder beside a repair: two exits of one position never ask for more than is held."""

from __future__ import annotations

from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderType
from interlock.model.rows import IntentRow, TransitionRow, decode_row
from tests.toy_players import BTC, LOT, SECOND, T0, Bracketed
from tests.toy_world import NONE, World

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
    (over,) = [
        row
        for row in rows
        if isinstance(row, TransitionRow) and row.client_order_id == cross.client_order_id
    ]
    assert rows.index(over) < rows.index(left)
    assert (cross.spec.quantity, over.filled, left.spec.quantity) == (4 * LOT, 2 * LOT, 2 * LOT)
    assert world.venue.positions[BTC.id].quantity == 0
