"""The protective stop at the venue: repaired in time, climbed when it does not fill, never many."""

from __future__ import annotations

import pytest

from interlock.model.events import MarkChanged
from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.model.rows import IntentRow, decode_row
from interlock.runtime.settings import Settings
from tests.toy_players import BTC, LOT, SECOND, T0, Bracketed
from tests.toy_world import NONE, World

STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)


class Once(Bracketed):
    """One bracket far from the price; later decisions are the guard's."""

    stop_at = 90

    def on_quote(self, quote: Quote) -> None:
        if self.view.ts_event < T0 + 6 * SECOND or self._next_ref > 1:
            return
        self.bracket(1, 4, stop=self.stop_at)


class WithLimit(Once):
    """Trades its stop for one with a limit far below the market: it triggers and cannot fill."""

    def on_quote(self, quote: Quote) -> None:
        super().on_quote(quote)
        if self.view.ts_event == T0 + 9 * SECOND:
            self.place(
                OrderSpec(
                    BTC.id, -1, 4 * LOT, OrderType.STOP_LIMIT, 300_00, 200_00, reduce_only=True
                )
            )


def _stops(world: World) -> list[int]:
    return [
        h.order.quantity
        for h in world.venue.open()
        if h.order.type in STOPS and h.order.status is OrderStatus.ACCEPTED
    ]


def _names(world: World) -> list[str]:
    return [getattr(notice, "name", "") for notice in world.notices]


def test_a_stop_that_vanished_is_placed_again_in_time() -> None:
    world = World(1, faults=NONE, strategy=Once)
    found: list[list[int]] = []

    def remove() -> None:
        (stop,) = [h for h in world.venue.open() if h.order.type in STOPS]
        world.venue.cancel(world.ts, stop.order.client_order_id)
        world.at(world.ts + Settings().repair_ns, lambda: found.append(_stops(world)))

    world.at(T0 + 12 * SECOND, remove)
    world.run()
    assert found == [[4 * LOT]]
    assert "STOP_REPAIR" in _names(world)
    assert "POSITION_UNPROTECTED" not in _names(world)


class Near(Once):
    """Its stop is near enough for a price beyond it to be believed."""

    stop_at = 99


def test_after_a_restart_a_repair_goes_by_a_price_heard_since() -> None:
    """The mark of before stands for a stop that the price has passed meanwhile: it is refused."""
    world = World(1, faults=NONE, strategy=Near)

    def fall() -> None:
        (stop,) = [h for h in world.venue.open() if h.order.type in STOPS]
        world.venue.cancel(world.ts, stop.order.client_order_id)
        world.venue.price[BTC.id] = 98_50
        world.crash()

    mark = MarkChanged(T0 + 9 * SECOND, BTC.id, 100_00)
    world.at(mark.ts_event, lambda: world._hear(mark, world._life))
    world.at(T0 + 12 * SECOND, fall)
    world.run()
    rows = [decode_row(stored.row) for stored in world.rows]
    tags = [r.spec.tag for r in rows if isinstance(r, IntentRow) and r.ts_event > T0 + 12 * SECOND]
    assert tags == ["leave"]
    assert world.venue.positions[BTC.id].quantity == 0


class Moves(Once):
    """Takes its stop away, then places one for a part of its position, farther off."""

    def on_quote(self, quote: Quote) -> None:
        super().on_quote(quote)
        if self.view.ts_event == T0 + 9 * SECOND:
            for order in self.view.open_orders():
                self.cancel(order)
        if self.view.ts_event == T0 + 10 * SECOND:
            stop = OrderSpec(BTC.id, -1, 3 * LOT, OrderType.STOP_MARKET, 0, 85_00, reduce_only=True)
            self.place(stop)


def test_what_a_stop_does_not_cover_gets_one_where_that_stop_stands() -> None:
    world = World(1, faults=NONE, strategy=Moves)
    found: list[int] = []

    def look() -> None:
        stops = [h.order for h in world.venue.open() if h.order.type in STOPS]
        found.extend(stop.trigger for stop in stops)
        assert sum(stop.quantity for stop in stops) >= 4 * LOT

    world.at(T0 + 14 * SECOND, look)
    world.run()
    assert found == [85_00, 85_00]


def test_a_position_that_cannot_be_protected_is_left_with_an_alarm() -> None:
    world = World(1, faults=NONE, strategy=Once)
    place = world.venue.place

    def refuse(ts: int, name: str, spec: OrderSpec) -> object:
        return "WOULD_TRIGGER_NOW" if spec.type in STOPS else place(ts, name, spec)

    world.venue.place = refuse  # type: ignore[method-assign, assignment]
    world.run()
    assert world.venue.positions[BTC.id].quantity == 0
    assert not world.venue.open()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_stop_that_triggers_and_does_not_fill_is_climbed(seed: int) -> None:
    world = World(seed, faults=NONE, strategy=WithLimit)
    world.run()
    assert world.venue.positions[BTC.id].quantity == 0
    assert "STOP_NOT_FILLED" in _names(world)


def test_two_stops_at_most() -> None:
    world = World(1, faults=NONE, strategy=Once)

    def more() -> None:
        engine = world.engine
        assert engine is not None
        owner = engine.desk.state.strategies["toy"].strategy
        for _ in range(4):
            spec = OrderSpec(BTC.id, -1, 4 * LOT, OrderType.STOP_MARKET, 0, 89_00, reduce_only=True)
            owner.place(spec)

    world.at(T0 + 12 * SECOND, more)
    world.run()
    assert len(_stops(world)) == 2


def test_the_stop_of_a_bracket_goes_with_its_position() -> None:
    world = World(1, faults=NONE, strategy=Once)
    found: list[list[int]] = []

    def leave() -> None:
        engine = world.engine
        assert engine is not None
        owner = engine.desk.state.strategies["toy"].strategy
        found.append(_stops(world))
        # By an order of its own: no leg of the bracket hears of it.
        owner.place(OrderSpec(BTC.id, -1, 4 * LOT, reduce_only=True))

    world.at(T0 + 12 * SECOND, leave)
    world.run()
    assert found == [[4 * LOT]]
    assert world.venue.positions[BTC.id].quantity == 0
    assert not world.venue.open()
