"""Freshness of streams, order flow per instrument, the pulse, the dead man, and the modes."""

from __future__ import annotations

import heapq

import msgspec
import pytest

from interlock.model.events import MarkChanged
from interlock.model.market import Quote
from interlock.model.order import OrderSpec, OrderType
from interlock.model.rows import RequestRow, decode_row
from interlock.model.venue import DeadManRequest, Stream, StreamChanged
from interlock.runtime.heartbeat import Heartbeat
from interlock.runtime.modes import MODES, ModeError, mode_of
from interlock.runtime.settings import Settings
from tests.toy_players import BTC, LOT, MS, SECOND, T0, Restless
from tests.toy_world import NONE, World
from tests.unit.runtime.core import Core

QUICK = Settings(full_every_ns=15 * SECOND, orders_every_ns=10 * SECOND)


class Patient(Restless):
    """Rests one order far away at six seconds; enters at the market at the times given."""

    times: tuple[int, ...] = ()
    count = 1

    def on_quote(self, quote: Quote) -> None:
        second = (quote.ts_event - T0) // SECOND
        if quote.ts_event % SECOND or second not in self.times:
            return
        for _ in range(self.count):
            self.place(OrderSpec(BTC.id, 1, LOT, OrderType.LIMIT, 95_10))


def _refused(world: World) -> list[str]:
    return [
        str(n.fields["code"]) for n in world.notices if getattr(n, "name", "") == "ORDER_REFUSED"
    ]


def test_a_silent_market_keeps_entries_out_until_another_source_agrees() -> None:
    world = World(1, faults=NONE, strategy=Patient, settings=QUICK)
    engine_times = {"silent": "", "wrong": "", "fresh": ""}

    def look(name: str) -> None:
        assert world.engine is not None
        engine_times[name] = world.engine.gate.freshness.stale(BTC.id)

    end = T0 + world.busy_ns + world.quiet_ns
    # The world's market is silent at its end: queries of the book agree, so it is quiet, not dead.
    world.at(end - 5 * SECOND, look, "fresh")
    world.run()
    assert engine_times["fresh"] == ""
    world.venue.price[BTC.id] += 500
    assert world.engine is not None
    world.ts = end
    for _ in range(40):
        world.ts += SECOND
        world._heap.clear()
        world._tick(world._life, 0)
        while world._heap:
            _, _, what, arguments = heapq.heappop(world._heap)
            if what != world._tick:
                what(*arguments)
    look("wrong")
    assert "silent" in engine_times["wrong"]


def test_a_stream_that_is_down_keeps_entries_out() -> None:
    world = World(1, faults=NONE, strategy=Patient, settings=QUICK)

    class Late(Patient):
        times = (12, 20)

    world.strategy = Late

    def down(is_up: bool) -> None:
        event = StreamChanged(
            ts_event=world.ts, stream=Stream.MARKET, is_up=is_up, instrument=BTC.id
        )
        world._hear(event, world._life)

    world.at(T0 + 10 * SECOND, down, False)
    world.at(T0 + 15 * SECOND, down, True)
    world.run()
    assert _refused(world) == ["STALE_STREAM"]
    assert len(world.truth.sent) == 1


def test_a_price_far_from_the_mark_keeps_entries_out_until_the_mark_follows() -> None:
    world = World(1, faults=NONE, settings=QUICK)

    class Late(Patient):
        times = (12, 20)

    world.strategy = Late

    def marked(price: int) -> None:
        world._hear(MarkChanged(world.ts, BTC.id, price), world._life)

    world.at(T0 + 11 * SECOND, marked, 90_00)
    world.at(T0 + 15 * SECOND, marked, 100_00)
    world.run()
    assert _refused(world) == ["PRICE_OUTLIER"]
    assert len(world.truth.sent) == 1


def test_a_stop_is_not_measured_by_a_mark_of_before_a_restart() -> None:
    core = Core(after=Core(), ts=T0 + 60 * SECOND)
    core.hear(StreamChanged(ts_event=core.ts, stream=Stream.MARKET, is_up=True))
    slot, price = core.engine.desk.state.instruments[BTC.id], core.engine.gate.freshness.price
    # As the tape gives it back.
    slot.mark_units = 100_00
    assert price(BTC.id) == 100_00
    for middle, wanted in ((99_00, 99_00), (90_00, 100_00)):
        core.hear(Quote.of(BTC, core.ts, middle, LOT, middle, LOT))
        assert price(BTC.id) == wanted
    core.hear(MarkChanged(core.ts, BTC.id, 99_50))
    assert price(BTC.id) == 99_50
    core.hear(StreamChanged(ts_event=core.ts, stream=Stream.MARKET, is_up=True))
    core.hear(Quote.of(BTC, core.ts, 99_10, LOT, 99_10, LOT))
    assert price(BTC.id) == 99_10


@pytest.mark.capability("S2-034")
def test_a_later_decision_waits_for_the_answers_of_an_earlier_one() -> None:
    class Twice(Patient):
        times = (10,)
        count = 3

        def on_order(self, ref: int, report: object) -> None:
            # A report of the first order comes before the answers of the others.
            if ref == 1 and self._next_ref == 4:
                self.place(OrderSpec(BTC.id, 1, LOT, OrderType.LIMIT, 95_10))

    for locks, refused in ((True, ["DECISION_IN_FLIGHT"]), (False, [])):
        settings = msgspec.structs.replace(QUICK, symbol_locks=locks)
        world = World(3, faults=NONE, strategy=Twice, settings=settings).run()
        assert _refused(world) == refused
        assert len(world.truth.sent) == 4 - len(refused)


def test_a_second_amendment_that_is_refused_leaves_the_first_one_under_way() -> None:
    class Growing(Patient):
        times = (10,)

        def on_quote(self, quote: Quote) -> None:
            super().on_quote(quote)
            if quote.ts_event == T0 + 20 * SECOND:
                self.amend(1, quantity=2)
                self.amend(1, quantity=3)
                # What the first one adds is not reserved: nothing may lean on the room beside it.
                self.place(OrderSpec(BTC.id, 1, LOT, OrderType.LIMIT, 95_10))

    world = World(1, faults=NONE, strategy=Growing, settings=QUICK).run()
    told = [(getattr(n, "name", ""), getattr(n, "fields", {}).get("code")) for n in world.notices]
    assert told.count(("AMENDMENT_REFUSED", "IN_FLIGHT")) == 1
    assert _refused(world) == ["DECISION_IN_FLIGHT"]
    # The first one's answer counts: the growth is our own, and known.
    assert ("ORDER_CHANGED_BY_OTHERS", None) not in told
    assert world.engine is not None
    (order,) = world.engine.desk.state.open.values()
    assert order.spec.quantity == 2 * LOT


@pytest.mark.capability("S2-033")
def test_an_entry_lives_from_its_first_fill() -> None:
    class Entering(Restless):
        def on_quote(self, quote: Quote) -> None:
            if quote.ts_event == T0 + 10 * SECOND:
                # The price takes a part at once and leaves.
                self.place(OrderSpec(BTC.id, 1, 8 * LOT, OrderType.LIMIT, quote.ask_units + 40))

    ended = {}
    for first in (True, False):
        settings = msgspec.structs.replace(
            QUICK, entry_ttl_ns=4 * SECOND, ttl_from_first_fill=first
        )
        world = World(3, faults=NONE, strategy=Entering, settings=settings)
        world.run()
        ended[first] = [h.order.status for h in world.venue.orders.values()]
    assert all(len(states) == 1 for states in ended.values())


class Enters(Patient):
    """Rests an order at ten seconds, and enters at the market at twenty."""

    times = (10,)

    def on_quote(self, quote: Quote) -> None:
        super().on_quote(quote)
        if quote.ts_event == T0 + 20 * SECOND:
            self.place(OrderSpec(BTC.id, 1, LOT))


def _dead_man(world: World) -> list[tuple[int, DeadManRequest]]:
    """What was asked of the switch, with the time since the start."""
    rows = [decode_row(stored.row) for stored in world.rows]
    return [
        (row.ts_event - T0, row.request)
        for row in rows
        if isinstance(row, RequestRow) and isinstance(row.request, DeadManRequest)
    ]


def test_the_dead_man_is_armed_while_flat_and_off_with_a_position() -> None:
    settings = msgspec.structs.replace(QUICK, dead_man_ns=9 * SECOND)
    world = World(1, faults=NONE, strategy=Enters, settings=settings).run()
    asked = [(ts, request.delay_ms) for ts, request in _dead_man(world)]
    assert [delay for _, delay in asked][-1] == 0
    armed = [ts for ts, delay in asked if delay]
    assert len(armed) >= 3
    assert max(b - a for a, b in zip(armed, armed[1:], strict=False)) <= 4 * SECOND
    # Off in the same step in which the entry leaves, not when it has filled.
    assert asked[-1][0] == 20 * SECOND
    assert {request.instrument for _, request in _dead_man(world)} == {BTC.id}


@pytest.mark.parametrize(("again", "asked"), [(0, [0]), (9 * SECOND, [9_000])])
def test_a_switch_that_a_former_process_armed_is_taken_off_or_renewed(
    again: int, asked: list[int]
) -> None:
    settings = msgspec.structs.replace(QUICK, dead_man_ns=9 * SECOND)

    class Rests(Patient):
        times = (10,)

    world = World(1, faults=NONE, strategy=Rests, settings=settings)

    def restart() -> None:
        world.crash()
        world.settings = msgspec.structs.replace(settings, dead_man_ns=again)

    world.at(T0 + 12 * SECOND, restart)
    world.run()
    told = [request.delay_ms for ts, request in _dead_man(world) if ts > 12 * SECOND]
    assert told[:1] == asked
    assert bool(again) == (len(told) > 1)


def test_one_switch_for_the_account_names_no_instrument_and_a_start_takes_it_off() -> None:
    settings = msgspec.structs.replace(QUICK, dead_man_ns=9 * SECOND, dead_man_scope="account")
    world = World(1, faults=NONE, strategy=Enters, settings=settings)
    world.at(T0 + 30 * SECOND, world.crash)
    world.run()
    assert world.crashes == 1
    asked = _dead_man(world)
    assert {request.instrument for _, request in asked} == {""}
    assert any(request.delay_ms for _, request in asked)
    # It may be armed by the process that died, over the position that it left.
    after = [request.delay_ms for ts, request in asked if ts > 30 * SECOND]
    assert after == [0]


def test_the_pulse_is_the_age_of_a_decision() -> None:
    pulse = Heartbeat()
    for count in range(100):
        pulse.decided(count * SECOND, count * SECOND - count * MS)
    assert pulse.age_ns(100 * SECOND) == SECOND
    assert pulse.lag_ns() == 99 * MS
    assert pulse.decisions == 100


def test_only_live_sends() -> None:
    assert [name for name, mode in MODES.items() if mode.sends] == ["live"]
    assert list(MODES) == ["backtest", "paper", "shadow", "live"]
    with pytest.raises(ModeError, match="there are: backtest, paper, shadow, live"):
        mode_of("dry")
