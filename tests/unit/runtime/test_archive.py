"""Orders that are over are packed, and a late word about one finds it as it was."""

from __future__ import annotations

import msgspec
import pytest

from interlock.kernel import snapshot
from interlock.model.facts import LateFill
from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.model.rows import FillRow, decode_row
from interlock.model.venue import FillSeen, VenueFill, VenueOrder
from interlock.runtime.archive import BLOCK, Archive, Closed
from interlock.runtime.counted import RECENT, Counted
from interlock.runtime.reconcile import HISTORY_NS
from interlock.runtime.recovery import recover
from interlock.runtime.settings import HOUR, MINUTE, SECOND, Settings
from interlock.runtime.tracks import Attempt, Track
from tests.toy_players import BTC, LOT, T0
from tests.toy_world import NONE, World

QUICK = Settings(full_every_ns=15 * SECOND, orders_every_ns=10 * SECOND, whole_ns=SECOND)


def _closed(number: int) -> Closed:
    name = f"il-1-2-{number:x}-abcd"
    track = Track(
        client_order_id=name,
        strategy="toy",
        spec=OrderSpec(BTC.id, 1 - 2 * (number % 2), LOT, OrderType.LIMIT, 100_00 + number),
        ts=T0 + number * SECOND,
        ts_deadline=T0 + number * SECOND + 3,
        request_id=(1 << 32) + number,
        epoch=1,
        payload=number.to_bytes(8, "big"),
        submit="accepted",
        venue_order_id=str(8_000_000_000 + number),
        is_seen=True,
        cancel=Attempt(number, T0, T0 + 1, "accepted"),
        filled=number % 3 * LOT,
        ts_closed=T0 + number * SECOND + 7,
    )
    order = snapshot.OrderDump(
        client_order_id=name,
        strategy="toy",
        ref=number,
        spec=track.spec,
        status=OrderStatus.CANCELED,
        filled=track.filled,
        notional=number * 10**8,
        trades=(number,),
        is_counted=True,
        ts_submitted=track.ts,
        ts_closed=track.ts_closed,
    )
    return Closed(track, order if number % 5 else None)


def test_an_order_comes_out_as_it_went_in() -> None:
    archive = Archive()
    count = 5 * BLOCK + 7
    for number in range(count):
        archive.put(_closed(number), T0 + number)
    assert len(archive) == count and len(archive.tail) == 7
    for number in range(count):
        wanted = _closed(number)
        name, venue = wanted.track.client_order_id, wanted.track.venue_order_id
        assert archive.find(name) == wanted
        assert archive.named(BTC.id, venue) == name
    assert archive.find("il-1-2-1-ffff") is None
    assert archive.named("ETHUSDT-PERP.TOY", "8000000001") == ""
    packed = msgspec.msgpack.encode(archive)
    assert msgspec.msgpack.decode(packed, type=Archive) == archive
    assert len(packed) < 150 * count


def test_the_newer_record_of_an_order_counts() -> None:
    archive = Archive()
    for number in range(BLOCK + 3):
        archive.put(_closed(number), T0)
    for number in (1, BLOCK + 1):
        found = archive.find(_closed(number).track.client_order_id)
        assert found is not None
        found.track.filled = 99
        archive.put(found, T0 + 1)
        again = archive.find(found.track.client_order_id)
        assert again is not None and again.track.filled == 99


def test_sealed_blocks_stay_the_same_and_go_when_they_are_old() -> None:
    archive = Archive()
    for number in range(3 * BLOCK):
        archive.put(_closed(number), T0 + number)
    before = [id(block) for block in archive.blocks]
    for number in range(3 * BLOCK, 4 * BLOCK + 1):
        archive.put(_closed(number), T0 + number)
    assert [id(block) for block in archive.blocks][:3] == before
    archive.clean(T0 + 2 * BLOCK)
    assert archive.find(_closed(BLOCK).track.client_order_id) is None
    assert archive.find(_closed(2 * BLOCK).track.client_order_id) is not None
    archive.clean(T0 + 9 * BLOCK)
    assert len(archive) == 0


def test_trade_ids_are_known_until_they_are_old() -> None:
    counted = Counted()
    ids = [(number * 7919) % 1_000_003 for number in range(3 * RECENT + 5)]
    for ts, number in enumerate(ids):
        counted.add(number, ts)
    assert len(counted) == len(ids) and len(counted.blocks) == 3
    assert all(number in counted for number in ids)
    assert not any(number in counted for number in range(1_000_003, 1_000_100))
    packed = msgspec.msgpack.encode(counted)
    assert msgspec.msgpack.decode(packed, type=Counted) == counted
    counted.clean(RECENT)
    assert ids[0] not in counted and ids[RECENT] in counted
    counted.clean(10 * RECENT)
    assert len(counted) == 0


class Leaver(World):
    """A world of one canceled order, packed long before the venue tells of its execution."""

    def ended(self) -> VenueOrder:
        """The first order that was canceled."""
        held = next(h for h in self.venue.orders.values() if h.order.status == "canceled")
        return held.order

    def late(self, trade_id: int, *, is_named: bool) -> None:
        """The venue tells of an execution of the first order that is over."""
        order = self.ended()
        fill = VenueFill(
            instrument=BTC.id,
            trade_id=trade_id,
            client_order_id=order.client_order_id if is_named else "",
            venue_order_id=order.venue_order_id,
            side=order.side,
            price=100_00,
            quantity=LOT // 10,
            fee=0,
            fee_asset="USDT",
            is_maker=True,
            ts_venue=self.ts,
        )
        self._hear(FillSeen(ts_event=self.ts, fill=fill), self._life)


@pytest.mark.parametrize("is_named", [True, False])
def test_a_late_execution_of_a_packed_order_counts_once(is_named: bool) -> None:
    world = Leaver(3, faults=NONE, settings=QUICK, snapshots=0.0, quiet_ns=0)
    end = T0 + world.busy_ns
    heard: list[int] = []

    def tell() -> None:
        assert world.engine is not None
        desk, name = world.engine.desk, world.ended().client_order_id
        assert name not in desk.books.tracks and name not in desk.state.closed
        before = world.engine.positions[BTC.id]
        for _ in range(3):
            world.late(900_001, is_named=is_named)
        heard.append(abs(world.engine.positions[BTC.id] - before))
        found = recover(world.setup(), rows=world.rows, tape=world.tape)
        assert found.books == world.engine.desk.books
        assert snapshot.dump(found.state) == snapshot.dump(world.engine.desk.state)

    # The world holds the core to the venue's truth at its end, which knows nothing of this.
    world.at(end - 1, tell)
    world.at(end + 1, _nothing)
    with pytest.raises(AssertionError, match="I2 position"):
        world.run()
    assert heard == [LOT // 10]
    late = [fact for fact in world.notices if isinstance(fact, LateFill)]
    assert [fact.quantity for fact in late] == [LOT // 10]
    rows = [row for row in map(decode_row, (r.row for r in world.rows)) if _is_late(row)]
    assert len(rows) == 1


def _nothing() -> None:
    """The world goes on to this moment."""


def _is_late(row: object) -> bool:
    return isinstance(row, FillRow) and row.is_late and row.fill.trade_id == 900_001


def test_an_order_is_whole_past_every_proof_and_known_for_a_day() -> None:
    settings = Settings()
    assert settings.whole_ns > 2 * (settings.answer_ns + settings.attempt_ns + settings.proof_ns)
    assert 2 * (settings.query_answer_ns + settings.query_lag_ns) < HISTORY_NS
    assert settings.whole_ns == MINUTE and settings.late_fill_ns == 24 * HOUR
