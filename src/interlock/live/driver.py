"""The edge of the live core: sockets in, disk in between, sockets out.

Rules of this file. One event loop owns the core; one thread waits for the disk. What an input asks
for leaves when its rows are durable and not before; meanwhile other inputs are taken, and their
rows go to the disk together. Whatever makes the ledger untrustworthy ends the driver at once: the
stops at the venue stay, and the start path is the way on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from interlock.model.rows import decode_row
from interlock.model.venue import Request
from interlock.ports import (
    Clock,
    Lease,
    Leases,
    Ledger,
    LedgerFault,
    Snapshots,
    StaleLease,
    Tape,
    TapeFault,
    Venue,
)
from interlock.runtime.engine import Engine
from interlock.runtime.values import Command, LeaseChanged, Notice, Outputs, Tick

SECOND_NS = 1_000_000_000
CHECKPOINT_NS = 60 * SECOND_NS
LEASE_TTL_NS = 15 * SECOND_NS
# Renewed often enough to survive a slow disk twice.
LEASE_EVERY_S = 4.0
OVER = ("stopped",)
# Rows that whoever watches hears too, besides facts and notices.
TOLD = frozenset({"fill", "reconcile"})


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """The ports that a driver works with."""

    venue: Venue
    ledger: Ledger
    leases: Leases
    snapshots: Snapshots
    tape: Tape
    clock: Clock


class Lags(msgspec.Struct, kw_only=True):
    """Durations of the newest inputs and commits, ns."""

    decided: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))
    committed: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))
    sent: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))


class Driver:
    """Runs one engine until it is stopped or must stop. ``told`` hears every fact and notice."""

    def __init__(
        self, engine: Engine, doors: Doors, lease: Lease, *, told: Callable[[Any], None]
    ) -> None:
        self.engine = engine
        self.doors = doors
        self.lease = lease
        self.lags = Lags()
        self.fault: Exception | None = None
        self.inputs = 0
        self._told = told
        self._inbox: deque[Any] = deque()
        self._is_taking = False
        self._held: list[tuple[int, Request]] = []
        self._has_rows = False
        self._committing = False
        self._after: list[Callable[[], None]] = []
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="ledger")
        self._wake: asyncio.TimerHandle | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    # From the world to the core.
    def hear(self, event: Any) -> None:
        """Take an input in; safe to call from within an answer to one."""
        if self._over.is_set():
            return
        self._inbox.append(event)
        if self._is_taking:
            return
        self._is_taking = True
        try:
            while self._inbox and self.fault is None:
                self._take(self._inbox.popleft())
        finally:
            self._is_taking = False

    def command(self, name: str, *, actor: str, reason: str, scope: str = "") -> None:
        """An operator asks for a verb."""
        ts = self.doors.clock.now_ns()
        self.hear(Command(ts_event=ts, name=name, actor=actor, reason=reason, scope=scope))

    def begin(self) -> None:
        """Ask the venue what recovery wants to know; the venue is connected already."""
        self._carry_out(self.engine.begin(self.doors.clock.now_ns()), 0)

    async def run(self) -> None:
        """Trade, and return when the engine has stopped. Raises what ended it."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._keep_lease()),
            loop.create_task(self._keep_checkpoints()),
        ]
        try:
            await self._over.wait()
        finally:
            await self._leave()
        if self.fault is not None:
            raise self.fault

    def abandon(self) -> None:
        """Leave at once, as a crash would: everything needed to go on is durable already."""
        self._over.set()

    def _take(self, event: Any) -> None:
        now = self.doors.clock.now_ns()
        self.inputs += 1
        try:
            outputs = self.engine.take(event, now)
        except Exception as error:  # noqa: BLE001 - an assertion of the core ends trading at once
            self._fail(error)
            return
        self.lags.decided.append(self.doors.clock.now_ns() - now)
        self._carry_out(outputs, now)

    # From the core to the world.
    def _carry_out(self, outputs: Outputs, ts: int) -> None:
        for seq, event in outputs.tape:
            self.doors.tape.write(seq, event)
        if outputs.rows:
            try:
                self.doors.ledger.append(outputs.rows)
            except LedgerFault as error:
                self._fail(error)
                return
            self._has_rows = True
            for row in outputs.rows:
                if row.kind in TOLD:
                    self._told(decode_row(row))
        for request in outputs.requests:
            self._held.append((ts, request))
        for fact in outputs.facts:
            self._told(fact)
        self._commit_soon()
        self._set_wake(outputs.wake_ts)
        if self.engine.verbs.state() in OVER and not self._committing:
            self._over.set()

    def _commit_soon(self) -> None:
        if self._committing or self.fault is not None:
            return
        if not self._has_rows:
            self._release(self._held)
            self._held = []
            return
        released, self._held = self._held, []
        after, self._after = self._after, []
        self._has_rows, self._committing = False, True
        self._flush_tape()
        started = self.doors.clock.now_ns()
        future = asyncio.get_running_loop().run_in_executor(self._disk, self._commit, after)
        future.add_done_callback(lambda done: self._committed(done, released, started))

    def _commit(self, after: list[Callable[[], None]]) -> None:
        self.doors.ledger.commit()
        for action in after:
            action()

    def _committed(
        self, done: asyncio.Future[None], released: list[tuple[int, Request]], started: int
    ) -> None:
        self._committing = False
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._fail(error if isinstance(error, Exception) else RuntimeError(str(error)))
            return
        self.lags.committed.append(self.doors.clock.now_ns() - started)
        self._release(released)
        self._commit_soon()
        if self.engine.verbs.state() in OVER and not self._committing:
            self._over.set()

    def _release(self, requests: list[tuple[int, Request]]) -> None:
        """Hand durable requests to the venue, each past the last check."""
        for decided, request in requests:
            now = self.doors.clock.now_ns()
            refusal = self.engine.admits(request, now)
            if refusal is not None:
                self.hear(refusal)
                continue
            self.doors.venue.request(request)
            if request.ts_deadline and decided:
                self.lags.sent.append(self.doors.clock.now_ns() - decided)

    def _flush_tape(self) -> None:
        try:
            self.doors.tape.flush()
        except TapeFault as error:
            self._notice("TAPE_FAULT", str(error), level="WARNING")

    def _set_wake(self, ts: int) -> None:
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if ts and self.fault is None:
            delay = max(0.0, (ts - self.doors.clock.now_ns()) / SECOND_NS)
            self._wake = asyncio.get_running_loop().call_later(delay, self._tick)

    def _tick(self) -> None:
        self._wake = None
        self.hear(Tick(self.doors.clock.now_ns()))

    # What time brings.
    async def _keep_lease(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(LEASE_EVERY_S)
            held, ts = self.lease, self.doors.clock.now_ns()
            try:
                renewed = await loop.run_in_executor(
                    self._disk,
                    lambda held=held, ts=ts: self.doors.leases.renew(  # type: ignore[misc]
                        held, ts=ts, ttl_ns=LEASE_TTL_NS
                    ),
                )
            except LedgerFault as error:
                # The lease runs out by itself then, and the fence closes with it.
                self._notice("LEASE_NOT_RENEWED", str(error), level="WARNING")
                continue
            if renewed is not None:
                self.lease = renewed
            self.hear(LeaseChanged(self.doors.clock.now_ns(), renewed))
            if renewed is None:
                self._fail(StaleLease("another engine holds the lease of this account now"))

    async def _keep_checkpoints(self) -> None:
        while True:
            await asyncio.sleep(CHECKPOINT_NS / SECOND_NS)
            self.checkpoint()

    def checkpoint(self) -> None:
        """Save the state; a start from it reads only what came after."""
        if self.fault is not None:
            return
        seq, data, outputs = self.engine.snapshot(self.doors.clock.now_ns())
        self._after.append(lambda: self.doors.snapshots.save(seq, data))
        self._carry_out(outputs, 0)

    # The end.
    def _fail(self, error: Exception) -> None:
        if self.fault is None:
            self.fault = error
            self._notice("ENGINE_STOPPED", f"{type(error).__name__}: {error}", level="CRITICAL")
        self._over.set()

    def _notice(self, name: str, text: str, *, level: str) -> None:
        ts = self.doors.clock.now_ns()
        self._told(Notice(ts_event=ts, name=name, level=level, text=text))

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._wake is not None:
            self._wake.cancel()
        await self.doors.venue.close()
        loop = asyncio.get_running_loop()
        if self.fault is None:
            self.checkpoint()
            await loop.run_in_executor(self._disk, self._last_commit)
            await loop.run_in_executor(self._disk, self.doors.leases.release, self.lease)
        await loop.run_in_executor(None, self._disk.shutdown)
        self.doors.tape.close()
        self.doors.ledger.close()

    def _last_commit(self) -> None:
        self._commit(self._after)
        self._after = []
