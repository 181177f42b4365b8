"""The driver: durable before it leaves, together to the disk, and silent once it cannot be sure."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from interlock.model.venue import OpenOrdersQuery, PlaceRequest
from interlock.ports import LedgerFault, LedgerFull, StaleLease, TapeFault
from interlock.runtime.loop import SLOW_NS
from interlock.runtime.values import Outputs
from tests.toy_players import SECOND
from tests.unit.live.doors import Bench

Scene = Callable[[Bench], Awaitable[None]]


def play(scene: Scene) -> tuple[Bench, BaseException | None]:
    """Run a scene on a trading driver; returns the bench and what ended the driver."""
    found: list[tuple[Bench, BaseException | None]] = []

    async def whole() -> None:
        bench = Bench()
        await bench.begin()
        await scene(bench)
        error = await bench.end()
        found.append((bench, error))
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    asyncio.run(whole())
    return found[0]


def test_an_order_leaves_after_its_intent_is_durable_and_not_before() -> None:
    async def scene(bench: Bench) -> None:
        bench.ledger.gate.clear()
        bench.quote(wishes=1)
        await bench.turn()
        assert bench.venue.places() == []
        bench.ledger.gate.set()
        await bench.until(lambda: len(bench.venue.places()) == 1)
        request, durable = next(
            pair for pair in bench.venue.requests if isinstance(pair[0], PlaceRequest)
        )
        assert request.client_order_id in durable

    bench, error = play(scene)
    assert error is None
    assert bench.venue.toy.positions["BTCUSDT-PERP.TOY"].quantity > 0


def test_what_comes_while_the_disk_works_goes_there_together() -> None:
    async def scene(bench: Bench) -> None:
        await bench.until(
            lambda: not bench.driver._commits.is_busy and not bench.driver._commits.has_rows
        )
        bench.ledger.gate.clear()
        before = bench.ledger.commits
        for _ in range(4):
            bench.quote(wishes=1)
        await bench.turn()
        bench.ledger.gate.set()
        await bench.until(lambda: len(bench.venue.places()) == 4)
        # One with the first order, one with the three that came meanwhile.
        assert bench.ledger.commits == before + 2
        ids = [request.client_order_id for request in bench.venue.places()]
        assert len(set(ids)) == 4

    assert play(scene)[1] is None


def test_rows_that_nothing_waits_for_are_durable_soon_all_the_same() -> None:
    async def scene(bench: Bench) -> None:
        bench.quote(wishes=1)
        await bench.until(lambda: len(bench.venue.places()) == 1)
        await bench.until(lambda: bench.ledger.durable == bench.ledger.taken)

    assert play(scene)[1] is None


@pytest.mark.parametrize("fault", [LedgerFull("no space"), StaleLease("epoch 2"), LedgerFault("?")])
def test_a_commit_that_fails_ends_the_driver_and_nothing_leaves(fault: LedgerFault) -> None:
    async def scene(bench: Bench) -> None:
        bench.ledger.commit_fault = fault
        bench.quote(wishes=1)
        bench.quote(wishes=1)
        await bench.until(lambda: bench.driver.fault is not None)
        bench.quote(wishes=1)
        await bench.turn()

    bench, error = play(scene)
    assert error is fault
    assert bench.venue.places() == []
    assert [notice.level for notice in bench.named("ENGINE_STOPPED")] == ["CRITICAL"]
    assert bench.ledger.is_closed and bench.tape.is_closed and bench.venue.is_closed
    # Whoever cannot write must not tidy up either: the lease runs out by itself.
    assert bench.leases.released == []


def test_a_ledger_that_takes_no_row_ends_the_driver_too() -> None:
    fault = LedgerFault("closed")

    async def scene(bench: Bench) -> None:
        bench.ledger.append_fault = fault
        bench.quote(wishes=1)

    bench, error = play(scene)
    assert error is fault
    assert bench.venue.places() == []


def test_a_ledger_that_loses_a_row_ends_the_driver_before_anything_leaves() -> None:
    async def scene(bench: Bench) -> None:
        bench.ledger.forgets = 1
        bench.quote(wishes=1)
        await bench.until(lambda: bench.driver.fault is not None)

    bench, error = play(scene)
    assert isinstance(error, LedgerFault)
    assert "lost" in str(error)
    assert bench.venue.places() == []


def test_a_tape_that_cannot_be_written_warns_and_trading_goes_on() -> None:
    async def scene(bench: Bench) -> None:
        bench.tape.fault = TapeFault("no space")
        bench.quote(wishes=1)
        await bench.until(lambda: len(bench.venue.places()) == 1)

    bench, error = play(scene)
    assert error is None
    assert {notice.level for notice in bench.named("TAPE_FAULT")} == {"WARNING"}


def test_an_input_that_holds_everything_up_rings_an_alarm() -> None:
    async def scene(bench: Bench) -> None:
        take = bench.driver.engine.take

        def slowly(event: object, ts: int) -> Outputs:
            bench.clock.ts += SLOW_NS + 1_000_000
            return take(event, ts)

        bench.quote(wishes=0)
        assert not bench.named("DECISION_SLOW")
        bench.driver.engine.take = slowly  # type: ignore[method-assign]
        bench.quote(wishes=0)
        bench.driver.engine.take = take  # type: ignore[method-assign]

    bench, error = play(scene)
    assert error is None
    assert [notice.text for notice in bench.named("DECISION_SLOW")] == [
        "Quote took 251 ms; nothing else happened meanwhile"
    ]


def test_a_lease_that_cannot_be_renewed_warns_and_runs_out_by_itself() -> None:
    async def scene(bench: Bench) -> None:
        bench.leases.fault = LedgerFault("locked")
        bench.driver.renew()
        await bench.until(lambda: bool(bench.named("LEASE_NOT_RENEWED")))
        bench.clock.ts = bench.driver.engine.fence.lease.ts_expires
        bench.quote(wishes=1)
        await bench.turn()

    bench, error = play(scene)
    assert error is None
    assert bench.named("LEASE_NOT_RENEWED")
    assert bench.venue.places() == []


def test_a_lease_that_somebody_took_ends_the_driver() -> None:
    async def scene(bench: Bench) -> None:
        bench.leases.is_taken_over = True
        bench.driver.renew()
        await bench.until(lambda: bench.driver.fault is not None)
        bench.quote(wishes=1)
        await bench.turn()

    bench, error = play(scene)
    assert isinstance(error, StaleLease)
    assert bench.venue.places() == []
    assert bench.leases.released == []


def test_a_snapshot_is_saved_after_the_row_that_names_it() -> None:
    async def scene(bench: Bench) -> None:
        bench.ledger.gate.clear()
        bench.driver.checkpoint()
        await bench.turn()
        assert bench.snapshots.saved == []
        bench.ledger.gate.set()
        await bench.until(lambda: bool(bench.snapshots.saved))

    bench, error = play(scene)
    assert error is None
    assert len(bench.snapshots.saved) == 2  # asked for, and at the end
    assert all(seq <= durable for seq, durable in bench.snapshots.saved)


def test_a_snapshot_that_cannot_be_kept_warns_and_trading_goes_on() -> None:
    async def scene(bench: Bench) -> None:
        bench.snapshots.fault = OSError(28, "No space left on device", "snapshot-1")
        bench.driver.checkpoint()
        await bench.until(lambda: bool(bench.named("CHECKPOINT_FAILED")))
        bench.quote(wishes=1)
        await bench.until(lambda: len(bench.venue.places()) == 1)

    bench, error = play(scene)
    assert error is None
    assert bench.leases.released


def test_a_strategy_that_no_snapshot_can_hold_does_not_stop_trading() -> None:
    async def scene(bench: Bench) -> None:
        bench.buyer.resting = threading.Lock()
        bench.driver.checkpoint()
        bench.quote(wishes=1)
        await bench.until(lambda: len(bench.venue.places()) == 1)

    bench, error = play(scene)
    assert error is None
    assert bench.named("CHECKPOINT_FAILED")
    assert bench.leases.released


def test_what_the_last_check_refuses_comes_back_as_an_answer() -> None:
    async def scene(bench: Bench) -> None:
        bench.ledger.gate.clear()
        bench.quote(wishes=1)
        await bench.turn()
        # The disk took longer than the attempt may: the deadline is over when it is done.
        bench.clock.ts += 10 * SECOND
        bench.ledger.gate.set()
        await bench.until(lambda: not bench.driver.engine.desk.state.open)

    bench, error = play(scene)
    assert error is None
    assert bench.venue.places() == []
    orders = list(bench.driver.engine.desk.state.closed.values())
    assert [order.status for order in orders] == ["rejected"]


def test_questions_leave_once_when_a_refusal_comes_between_them() -> None:
    async def scene(bench: Bench) -> None:
        bench.driver.command("halt", actor="ada", reason="test")
        await bench.until(lambda: bench.ledger.durable == bench.ledger.taken)

    bench, error = play(scene)
    assert error is None
    numbers = [request.request_id for request, _ in bench.venue.requests]
    assert len(numbers) == len(set(numbers))
    assert any(isinstance(request, OpenOrdersQuery) for request, _ in bench.venue.requests)


def test_shutdown_ends_by_itself_with_everything_durable() -> None:
    async def scene(bench: Bench) -> None:
        bench.driver.command("shutdown", actor="ada", reason="test")
        running = bench.running
        assert running is not None
        await bench.until(running.done)

    bench, error = play(scene)
    assert error is None
    assert bench.ledger.durable == bench.ledger.taken
    assert bench.driver.engine.verbs.state() == "stopped"
    assert len(bench.leases.released) == 1


def test_inputs_after_the_end_are_dropped() -> None:
    async def scene(bench: Bench) -> None:
        bench.driver.abandon()
        taken, inputs = len(bench.ledger.taken), bench.driver.inputs
        bench.quote(wishes=1)
        assert (len(bench.ledger.taken), bench.driver.inputs) == (taken, inputs)

    bench, error = play(scene)
    assert error is None
    assert bench.venue.places() == []


def test_leaving_at_once_sends_nothing_that_was_on_its_way_to_the_disk() -> None:
    async def scene(bench: Bench) -> None:
        bench.ledger.gate.clear()
        bench.quote(wishes=1)
        await bench.turn()
        bench.driver.abandon()
        bench.ledger.gate.set()

    bench, error = play(scene)
    assert error is None
    assert bench.venue.places() == []
    # Durable and never sent: the next start finds the intent and proves that it is absent.
    assert "intent" in bench.ledger.kinds()
