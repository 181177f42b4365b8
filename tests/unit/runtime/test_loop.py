"""The loop in virtual time: the same order of things as live, with nothing that waits."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from interlock.model.market import Quote
from interlock.model.venue import Stream, StreamChanged
from interlock.ports import Ended, StaleLease
from interlock.runtime.commits import Places
from interlock.runtime.loop import Loop
from interlock.runtime.upkeep import CHECKPOINT_NS, LEASE_EVERY_NS, SECOND_NS, TIDY_EVERY_NS
from interlock.runtime.values import Notice, Outputs
from tests.toy_players import BTC, LOT, T0
from tests.unit.live.doors import PRICE, Hand, Room

MS = 1_000_000


class Due:
    """A call at a time; canceled it does nothing."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.is_canceled = False

    def cancel(self) -> None:
        self.is_canceled = True


class VirtualTime:
    """One heap of calls that moves the clock."""

    def __init__(self, clock: Hand) -> None:
        self.clock = clock
        self.heap: list[tuple[int, int, Due]] = []
        self.number = 0

    def later(self, delay_ns: int, call: Callable[[], None]) -> Due:
        self.number += 1
        due = Due(call)
        heapq.heappush(self.heap, (self.clock.ts + delay_ns, self.number, due))
        return due

    def run(self, until: int) -> None:
        while self.heap and self.heap[0][0] <= until:
            ts, _, due = heapq.heappop(self.heap)
            self.clock.ts = max(self.clock.ts, ts)
            if not due.is_canceled:
                due.call()
        self.clock.ts = max(self.clock.ts, until)


class SlowDisk:
    """Every work takes the same time and happens at its end; a full queue waits in line."""

    def __init__(self, time: VirtualTime, takes_ns: int) -> None:
        self.time = time
        self.takes_ns = takes_ns
        self.ts_free = 0

    def start(self, work: Callable[[], Any], ended: Ended) -> None:
        now = self.time.clock.ts
        self.ts_free = max(self.ts_free, now) + self.takes_ns

        def done() -> None:
            try:
                found, error = work(), None
            except Exception as raised:  # noqa: BLE001 - handed to who gave the work
                found, error = None, raised
            ended(found, error)

        self.time.later(self.ts_free - now, done)


class Stage(Room):
    """A loop on virtual time, trading."""

    def __init__(self, disk_ns: int = 2 * MS) -> None:
        super().__init__()
        self.time = VirtualTime(self.clock)
        self.venue.soon = lambda call: self.time.later(MS, call)
        self.ends = 0
        places = Places(
            commits=SlowDisk(self.time, disk_ns),
            aside=SlowDisk(self.time, 3 * disk_ns),
            timers=self.time,
        )
        self.loop = Loop(self.engine, self.doors, places, told=self.told.append, over=self.ended)
        self.venue.heard = self.loop.hear
        self.loop.begin()
        for stream in (Stream.USER, Stream.MARKET):
            self.loop.hear(StreamChanged(ts_event=T0, stream=stream, is_up=True))
        self.pass_by(SECOND_NS)
        assert self.engine.startup.is_trading

    def ended(self) -> None:
        self.ends += 1

    def pass_by(self, ns: int) -> None:
        self.time.run(self.clock.ts + ns)

    def buy(self) -> None:
        self.buyer.wishes += 1
        self.loop.hear(Quote.of(BTC, self.clock.ts, PRICE, 5 * LOT, PRICE + 1, 5 * LOT))


def test_an_order_leaves_when_the_disk_is_done_and_not_before() -> None:
    stage = Stage(disk_ns=2 * MS)
    stage.buy()
    stage.pass_by(2 * MS - 1)
    assert stage.venue.places() == []
    stage.pass_by(1)
    (place,) = stage.venue.places()
    assert place.client_order_id in {row.key for row in stage.ledger.durable}
    assert list(stage.loop.lags.sent) == [2 * MS]


def test_a_slow_disk_takes_what_came_meanwhile_in_one_commit() -> None:
    stage = Stage(disk_ns=20 * MS)
    before = stage.ledger.commits
    stage.buy()
    for _ in range(4):
        stage.pass_by(MS)
        stage.buy()
    stage.pass_by(40 * MS)
    assert len(stage.venue.places()) == 5
    # One with the first order, one with the four that came meanwhile.
    assert stage.ledger.commits - before == 2


def test_time_renews_the_lease_tidies_the_ledger_and_keeps_states() -> None:
    stage = Stage()
    leases = [stage.engine.fence.lease]
    renew = stage.leases.renew

    def counted(lease: Any, *, ts: int, ttl_ns: int) -> Any:
        leases.append(lease)
        return renew(lease, ts=ts, ttl_ns=ttl_ns)

    stage.leases.renew = counted  # type: ignore[method-assign]
    stage.pass_by(2 * CHECKPOINT_NS + SECOND_NS)
    assert len(leases) - 1 in range(
        2 * CHECKPOINT_NS // LEASE_EVERY_NS - 1, 2 * CHECKPOINT_NS // LEASE_EVERY_NS + 1
    )
    assert stage.ledger.tidied >= 2 * CHECKPOINT_NS // TIDY_EVERY_NS - 1
    assert len(stage.snapshots.saved) == 2
    assert all(seq <= durable for seq, durable in stage.snapshots.saved)


def test_a_lease_lost_ends_it_and_nothing_is_called_later() -> None:
    stage = Stage()
    stage.leases.is_taken_over = True
    stage.pass_by(LEASE_EVERY_NS)
    stage.buy()
    stage.pass_by(SECOND_NS)
    assert isinstance(stage.loop.fault, StaleLease)
    assert stage.venue.places() == []
    assert [due for _, _, due in stage.time.heap if not due.is_canceled] == []
    assert stage.ends == 1


def test_a_stopped_engine_leaves_everything_behind_it() -> None:
    stage = Stage()
    stage.buy()
    stage.loop.command("shutdown", actor="ada", reason="test")
    stage.pass_by(SECOND_NS)
    assert stage.loop.is_over and stage.loop.fault is None
    left: list[bool] = []
    stage.loop.finish(lambda: left.append(True))
    stage.pass_by(SECOND_NS)
    assert left == [True]
    assert stage.ledger.durable == stage.ledger.taken
    assert len(stage.leases.released) == 1
    assert stage.snapshots.saved[-1] == (len(stage.ledger.taken),) * 2


def test_two_runs_in_virtual_time_are_one() -> None:
    def run() -> list[Any]:
        stage = Stage()
        for _ in range(50):
            stage.buy()
            stage.pass_by(7 * MS)
        return [
            stage.ledger.durable,
            [request for request, _ in stage.venue.requests],
            list(stage.loop.lags.sent),
        ]

    assert run() == run()


def test_the_lease_is_renewed_between_two_commits() -> None:
    stage = Stage(disk_ns=20 * MS)
    stage.buy()
    order = []
    renew, commit = stage.leases.renew, stage.ledger.commit

    def renewed(lease: Any, *, ts: int, ttl_ns: int) -> Any:
        order.append("renewed")
        return renew(lease, ts=ts, ttl_ns=ttl_ns)

    def committed() -> int:
        order.append("committed")
        return commit()

    def staged() -> None:
        order.append("staged")

    stage.leases.renew = renewed  # type: ignore[method-assign]
    stage.ledger.commit = committed  # type: ignore[method-assign]
    stage.ledger.stage = staged  # type: ignore[method-assign]
    stage.pass_by(MS)
    stage.loop.renew()
    stage.buy()
    stage.pass_by(80 * MS)
    # The first commit was staged already; what a lease needs is not locked when it is renewed.
    assert order[:4] == ["committed", "renewed", "staged", "committed"]
    assert len(stage.venue.places()) == 2


def test_the_tape_of_an_order_is_out_before_the_order() -> None:
    stage = Stage(disk_ns=2 * MS)
    flushed: list[tuple[int, int]] = []
    stage.tape.flush = lambda: flushed.append(  # type: ignore[method-assign]
        (len(stage.tape.events), len(stage.venue.places()))
    )
    stage.buy()
    events = len(stage.tape.events)
    stage.pass_by(10 * MS)
    assert (events, 0) in flushed
    assert len(stage.venue.places()) == 1


def test_the_disk_works_while_facts_are_told() -> None:
    stage = Stage()
    order: list[str] = []
    stage.ledger.stage = lambda: order.append("staged")  # type: ignore[method-assign]
    stage.loop._told = lambda fact: order.append("told")
    take = stage.engine.take

    def noted(event: Any, ts: int) -> Outputs:
        outputs = take(event, ts)
        outputs.facts.append(Notice(ts_event=ts, name="NOTED"))
        return outputs

    stage.engine.take = noted  # type: ignore[method-assign]
    stage.buy()
    assert order == ["staged", "told"]
