"""State is a fold of ledger and tape: what is recovered is what was, to the byte."""

from __future__ import annotations

import msgspec
import pytest

from interlock.kernel import snapshot
from interlock.runtime.recovery import recover
from interlock.runtime.settings import Settings
from tests.toy_players import MS, SECOND, T0, Bracketed, Restless
from tests.toy_world import Faults, World


@pytest.mark.parametrize("whole_ns", [0, 2 * SECOND, 20 * SECOND, Settings().whole_ns])
@pytest.mark.parametrize("strategy", [Restless, Bracketed])
def test_a_fold_gives_the_state_back(strategy: type, whole_ns: int) -> None:
    """Also where orders are packed as soon as they are over, and come back for a late word."""
    checked = [0]
    for seed in range(1, 13):
        world = World(seed, faults=Faults(crash=0.0), strategy=strategy, snapshots=0.0)
        world.settings = msgspec.structs.replace(world.settings, whole_ns=whole_ns)
        for second in (21, 27, 33, 39):
            world.at(T0 + second * SECOND + 250 * MS + 7, _compare, world, checked)
        world.run()
    assert checked[0] > 30


def _compare(world: World, checked: list[int]) -> None:
    engine = world.engine
    assert engine is not None
    if not engine.startup.is_trading:
        return
    found = recover(world.setup(), rows=world.rows, tape=world.tape)
    assert snapshot.dump(found.state) == snapshot.dump(engine.desk.state)
    assert found.books == engine.desk.books
    checked[0] += 1


@pytest.mark.parametrize("whole_ns", [0, 2 * SECOND, 20 * SECOND, Settings().whole_ns])
def test_a_snapshot_and_the_rest_give_the_state_back(whole_ns: int) -> None:
    for seed in range(1, 7):
        world = World(seed, faults=Faults(crash=0.0), snapshots=0.1)
        world.settings = msgspec.structs.replace(world.settings, whole_ns=whole_ns)
        world.run()
        assert world.kept is not None and world.engine is not None
        rest = [row for row in world.rows if row.seq > world.kept[0]]
        found = recover(world.setup(), kept=world.kept[1], rows=rest, tape=world.tape)
        assert found.rows == len(rest)
        assert found.state.wallet == world.engine.desk.state.wallet
        assert found.books == world.engine.desk.books
        own = snapshot.dump(world.engine.desk.state)
        assert snapshot.dump(found.state) == own


def test_the_market_after_rows_that_were_lost_reaches_nobody() -> None:
    for seed in range(1, 5):
        world = World(seed, faults=Faults(crash=0.0), snapshots=0.0).run()
        for length in range(1, len(world.rows), 7):
            rows = world.rows[:length]
            until = [entry for entry in world.tape if entry[0] <= length]
            found = recover(world.setup(), rows=rows, tape=world.tape)
            wanted = recover(world.setup(), rows=rows, tape=until)
            assert found.market == wanted.market == len(until)
            assert snapshot.dump(found.state) == snapshot.dump(wanted.state)


def test_a_damaged_snapshot_is_refused() -> None:
    world = World(1, faults=Faults(crash=0.0), snapshots=0.1).run()
    assert world.kept is not None
    data = bytearray(world.kept[1])
    data[len(data) // 2] ^= 1
    with pytest.raises(snapshot.SnapshotError):
        recover(world.setup(), kept=bytes(data[:-3]))


def test_a_snapshot_of_another_version_is_refused() -> None:
    world = World(1, faults=Faults(crash=0.0), snapshots=0.1).run()
    assert world.kept is not None
    parts = msgspec.msgpack.decode(world.kept[1])
    older = msgspec.msgpack.encode([parts[0] - 1, *parts[1:]])
    with pytest.raises(snapshot.SnapshotError, match="version"):
        recover(world.setup(), kept=older)
