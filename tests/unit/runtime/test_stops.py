"""The stop verbs, over crashes too, and the fence before the wire."""

from __future__ import annotations

import pytest

from interlock.kernel import snapshot
from interlock.model.facts import DenialCode, OrderDenied
from interlock.model.order import OrderSpec
from interlock.model.rows import EventRow, FactRow, TransitionRow, decode_row
from interlock.model.venue import DeadManRequest, FillSeen, PlaceRequest, PositionsQuery, Verdict
from interlock.runtime.recovery import recover
from interlock.runtime.values import Command, LeaseChanged
from tests.toy_players import BTC, LOT, SECOND, T0, Bracketed, Restless
from tests.toy_world import NONE, Faults, World
from tests.unit.runtime.core import Core, fill_of, leave


def _named(world: World, name: str) -> list[object]:
    return [notice for notice in world.notices if getattr(notice, "name", "") == name]


def _commanded(name: str, seed: int, **options: object) -> World:
    world = World(seed, **{"faults": NONE, **options})  # type: ignore[arg-type]
    world.at(T0 + 20 * SECOND, lambda: world.command(name))
    return world.run()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_pause_leaves_orders_and_positions(seed: int) -> None:
    world = _commanded("pause", seed)
    assert world.engine is not None
    assert world.engine.verbs.state() == "paused"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_halt_cancels_entries_and_leaves_the_rest(seed: int) -> None:
    world = _commanded("halt", seed)
    assert [h for h in world.venue.open() if not h.order.reduce_only] == []


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("strategy", [Restless, Bracketed])
def test_an_emergency_stop_ends_flat_or_is_not_over(seed: int, strategy: type) -> None:
    world = _commanded("emergency-stop", seed, strategy=strategy)
    assert world.engine is not None
    assert world.engine.verbs.state() == "flat"
    assert world.venue.positions[BTC.id].quantity == 0
    assert world.venue.open() == []
    assert world.engine.verbs.confirmations >= 2


def test_an_emergency_stop_holds_over_crashes() -> None:
    for seed in range(1, 9):
        world = World(seed, faults=Faults(crash=0.03))
        world.at(T0 + 20 * SECOND, _insist, world)
        world.run()
        if world.truth.ts_halted:
            assert world.engine is not None
            assert world.engine.verbs.state() == "flat"
            assert world.venue.positions[BTC.id].quantity == 0


def _insist(world: World) -> None:
    if world.engine is not None:
        world.command("emergency-stop")
    if world.engine is None:
        world.truth.ts_halted = 0
        world.at(world.ts + 6 * SECOND, _insist, world)


@pytest.mark.parametrize("by_hand", [1, 2, 3])
def test_an_emergency_stop_orders_no_more_than_the_account_holds(by_hand: int) -> None:
    """What a strategy and a trade by hand hold against each other is nothing at the venue."""
    core, left = Core(), 3 - by_hand
    core.later(100 * SECOND)
    leave(core, "il-1-toy-1-0000", OrderSpec(BTC.id, 1, 3 * LOT))
    ours = fill_of(1, client_order_id="il-1-toy-1-0000", quantity=3 * LOT, ts_venue=core.ts)
    theirs = fill_of(2, venue_order_id="78", side=-1, quantity=by_hand * LOT, ts_venue=core.ts)
    core.hear(FillSeen(ts_event=core.ts, fill=ours))
    core.hear(FillSeen(ts_event=core.ts, fill=theirs))
    core.asked.clear()
    stop = Command(ts_event=core.ts, name="emergency-stop", actor="test", reason="offset")
    core.hear(stop)
    core.later(2 * SECOND)
    sent = [request.spec for request in core.asked if isinstance(request, PlaceRequest)]
    assert [(spec.side, spec.quantity, spec.reduce_only) for spec in sent] == (
        [(-1, left * LOT, True)] if left else []
    )
    for _ in range(4 * (not left)):
        core.later(20 * SECOND)
        core.answer_all()
    assert core.engine.verbs.state() == ("emergency" if left else "flat")


def test_an_emergency_that_cannot_end_shouts() -> None:
    world = World(1, faults=NONE)
    world.truth.books = lambda engine, rows: None  # type: ignore[method-assign]

    def act() -> None:
        world.command("emergency-stop")
        # From now on the venue never says where it stands.
        query = world._query
        world._query = (  # type: ignore[method-assign]
            lambda request, as_of: (
                None if isinstance(request, PositionsQuery) else query(request, as_of)
            )
        )

    world.at(T0 + 20 * SECOND, act)
    world.run()
    assert world.engine is not None
    assert world.engine.verbs.state() == "emergency"
    assert len(_named(world, "EMERGENCY_NOT_FLAT")) >= 2


def test_shutdown_stops_strategies_and_a_start_trades_again() -> None:
    world = _commanded("shutdown", 4)
    assert world.engine is not None
    assert world.engine.verbs.state() == "stopped"
    assert len(_named(world, "STOPPED")) == 1
    world._start()
    assert world.engine.verbs.state() == "started"


def test_a_weaker_verb_does_not_undo_a_stronger_one() -> None:
    world = _commanded("halt", 5)
    engine = world.engine
    assert engine is not None

    def say(name: str, **more: str) -> str:
        command = Command(
            ts_event=world.ts, name=name, actor="ada", **{"reason": "because", **more}
        )
        engine.take(command, world.ts)
        return engine.verbs.state()

    assert say("pause") == "halted"
    assert say("nonsense") == "halted"
    assert say("resume", reason="") == "halted"
    assert say("emergency-stop") == "emergency"
    assert say("halt") == "emergency"
    assert say("resume") == "halted"
    assert say("resume") == "trading"
    assert say("pause", scope=BTC.id) == "trading"
    assert engine.verbs.state(BTC.id) == "paused"
    assert say("halt", scope="nobody") == "trading"


def test_nothing_leaves_under_a_lost_or_finished_lease() -> None:
    world = _commanded("pause", 6)
    engine = world.engine
    assert engine is not None
    lease = engine.fence.lease
    request = PlaceRequest(
        request_id=1,
        ts_deadline=lease.ts_expires,
        client_order_id="x",
        spec=OrderSpec(BTC.id, 1, LOT, reduce_only=True),
    )
    assert engine.admits(request, world.ts) is None
    late = engine.admits(request, lease.ts_expires - SECOND // 2)
    assert late is not None and late.verdict is Verdict.NOT_SENT
    switch = DeadManRequest(request_id=1, delay_ms=0, instrument=BTC.id)
    assert engine.admits(switch, world.ts) is None
    assert engine.admits(switch, lease.ts_expires) is not None
    engine.take(LeaseChanged(world.ts, None), world.ts)
    lost = engine.admits(request, world.ts)
    assert lost is not None and "lost" in lost.reason
    entry = PlaceRequest(
        request_id=1,
        ts_deadline=lease.ts_expires,
        client_order_id="x",
        spec=OrderSpec(BTC.id, 1, LOT),
    )
    refused = engine.admits(entry, world.ts)
    assert refused is not None


def test_what_a_pause_refuses_is_written_once_and_then_counted() -> None:
    """Two pauses: each tells its first refusal, a count every minute, and one when it ends."""
    world = World(2, faults=NONE, busy_ns=120 * SECOND, quiet_ns=30 * SECOND)
    for second, verb in ((20, "pause"), (90, "resume"), (100, "pause")):
        world.at(T0 + second * SECOND, world.command, verb)
    world.at(T0 + 90 * SECOND - 1, lambda: setattr(world.truth, "ts_halted", 0))
    counted: list[dict[str, int]] = []

    def look() -> None:
        assert world.engine is not None
        counted.append(dict(world.engine.desk.state.refused))

    world.at(T0 + 90 * SECOND - 1, look)
    world.run()
    rows = [decode_row(stored.row) for stored in world.rows]
    denied = [
        row
        for row in rows
        if isinstance(row, FactRow)
        and isinstance(row.fact, OrderDenied)
        and row.fact.code is DenialCode.SHUT
    ]
    counts = [
        (row.ts_event - T0, int(row.fields["count"]))
        for row in rows
        if isinstance(row, EventRow) and row.name == "ORDERS_HELD_BACK"
    ]
    assert len(denied) == 2
    assert sum(count for _, count in counts) > 40
    assert len(counts) <= 5
    (key,) = counted[0]
    assert (90 * SECOND, counted[0][key]) in counts
    assert key == f"toy {BTC.id}"
    gate = [row for row in rows if isinstance(row, TransitionRow) and row.evidence == "gate"]
    assert not [row for row in gate if "paused" in row.reason]
    found = recover(world.setup(), rows=world.rows, tape=world.tape)
    assert world.engine is not None
    assert snapshot.dump(found.state) == snapshot.dump(world.engine.desk.state)
