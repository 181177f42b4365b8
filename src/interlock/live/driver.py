"""The edge of the live core: sockets in, disk in between, sockets out.

Rules of this file. One event loop owns the core; one thread waits for the disk. What an input asks
for leaves when its rows are durable and not before; meanwhile other inputs are taken, and their
rows go to the disk together. Whatever makes the ledger untrustworthy ends the driver at once: the
stops at the venue stay, nothing is sent any more, and the start path is the way on. What only
helps later (tape, snapshots) warns and goes on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from interlock.live.disk import DiskThread
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
# Rows that no request waits for go to the disk together: a commit under way makes an order wait.
LAZY_S = 0.01
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
        self._kept: tuple[int, bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._disk = DiskThread("ledger")
        self._late: asyncio.TimerHandle | None = None
        self._wake: asyncio.TimerHandle | None = None
        self._wake_ts = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._over = asyncio.Event()

    # From the world to the core.
    def hear(self, event: Any) -> None:
        """Take an input in; safe to call from within an answer to one. Dropped after the end."""
        if self._over.is_set():
            return
        self._inbox.append(event)
        if self._is_taking:
            return
        self._is_taking = True
        try:
            while self._inbox and not self._over.is_set():
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
        for work in (self._keep_lease(), self._keep_checkpoints()):
            task = self._loop.create_task(work)
            task.add_done_callback(self._task_ended)
            self._tasks.append(task)
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
        if outputs.tape:
            self._write_tape(outputs.tape)
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
        self._commit_when_due()
        self._set_wake(outputs.wake_ts)

    def _commit_when_due(self) -> None:
        if self._committing or self._over.is_set():
            return
        is_over = self.engine.verbs.state() in OVER
        if not self._has_rows:
            # Taken away first: a refusal may bring new requests while these leave.
            released, self._held = self._held, []
            self._release(released)
            if is_over:
                self._over.set()
        elif self._held or self._kept is not None or is_over:
            self._commit()
        elif self._late is None:
            self._late = self._loop.call_later(LAZY_S, self._commit_late)

    def _commit_late(self) -> None:
        self._late = None
        if self._has_rows and not self._committing and not self._over.is_set():
            self._commit()

    def _commit(self) -> None:
        """Hand the disk everything that was appended; what it holds back leaves after it."""
        if self._late is not None:
            self._late.cancel()
            self._late = None
        released, self._held = self._held, []
        kept, self._kept = self._kept, None
        self._has_rows, self._committing = False, True
        self._flush_tape()
        started = self.doors.clock.now_ns()
        self._disk.start(
            lambda: self._make_durable(kept),
            lambda error: self._committed(error, released, started),
        )

    def _make_durable(self, kept: tuple[int, bytes] | None) -> None:
        """On the disk's thread: the rows, then the snapshot that includes them."""
        self.doors.ledger.commit()
        if kept is None:
            return
        try:
            self.doors.snapshots.save(*kept)
        except OSError as error:
            text = f"{error}; the next start reads more of the ledger instead"
            self._loop.call_soon_threadsafe(self._warn, "CHECKPOINT_FAILED", text)

    def _committed(
        self, error: Exception | None, released: list[tuple[int, Request]], started: int
    ) -> None:
        self._committing = False
        if error is not None:
            self._fail(error)
            return
        self.lags.committed.append(self.doors.clock.now_ns() - started)
        self._release(released)
        self._commit_when_due()

    def _release(self, requests: list[tuple[int, Request]]) -> None:
        """Hand durable requests to the venue, each past the last check."""
        for decided, request in requests:
            if self._over.is_set():
                return
            refusal = self.engine.admits(request, self.doors.clock.now_ns())
            if refusal is not None:
                self.hear(refusal)
                continue
            self.doors.venue.request(request)
            if request.ts_deadline and decided:
                self.lags.sent.append(self.doors.clock.now_ns() - decided)

    def _write_tape(self, events: list[tuple[int, Any]]) -> None:
        try:
            for seq, event in events:
                self.doors.tape.write(seq, event)
        except TapeFault as error:
            self._warn("TAPE_FAULT", str(error))

    def _flush_tape(self) -> None:
        try:
            self.doors.tape.flush()
        except TapeFault as error:
            self._warn("TAPE_FAULT", str(error))

    def _set_wake(self, ts: int) -> None:
        """Have a tick come at ``ts``; one that comes earlier anyway stays and looks again then."""
        before, self._wake_ts = self._wake_ts, ts
        if self._wake is not None:
            if ts and ts >= before:
                return
            self._wake.cancel()
            self._wake = None
        if ts and not self._over.is_set():
            delay = max(0.0, (ts - self.doors.clock.now_ns()) / SECOND_NS)
            self._wake = self._loop.call_later(delay, self._tick)

    def _tick(self) -> None:
        self._wake = None
        now = self.doors.clock.now_ns()
        if now < self._wake_ts:
            self._set_wake(self._wake_ts)
        else:
            self.hear(Tick(now))

    # What time brings.
    async def _keep_lease(self) -> None:
        while True:
            await asyncio.sleep(LEASE_EVERY_S)
            await self.renew()

    async def renew(self) -> None:
        """Hold the lease for longer; without it nothing leaves any more."""
        held, ts = self.lease, self.doors.clock.now_ns()
        try:
            renewed = await self._disk.call(
                lambda: self.doors.leases.renew(held, ts=ts, ttl_ns=LEASE_TTL_NS)
            )
        except LedgerFault as error:
            # The lease runs out by itself then, and the fence closes with it.
            self._warn("LEASE_NOT_RENEWED", str(error))
            return
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
        if self._over.is_set():
            return
        outputs = self._snapshot()
        if outputs is not None:
            self._carry_out(outputs, 0)

    def _snapshot(self) -> Outputs | None:
        try:
            seq, data, outputs = self.engine.snapshot(self.doors.clock.now_ns())
        except Exception as error:  # noqa: BLE001 - a strategy may keep what no snapshot can hold
            text = f"{type(error).__name__}: {error}; a start reads the ledger instead"
            self._warn("CHECKPOINT_FAILED", text)
            return None
        self._kept = (seq, data)
        return outputs

    # The end.
    def _task_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception):
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self.fault is None:
            self.fault = error
            self._notice("ENGINE_STOPPED", f"{type(error).__name__}: {error}", level="CRITICAL")
        self._over.set()

    def _warn(self, name: str, text: str) -> None:
        self._notice(name, text, level="WARNING")

    def _notice(self, name: str, text: str, *, level: str) -> None:
        ts = self.doors.clock.now_ns()
        self._told(Notice(ts_event=ts, name=name, level=level, text=text))

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for timer in (self._wake, self._late):
            if timer is not None:
                timer.cancel()
        try:
            await self.doors.venue.close()
            await self._save_last()
        finally:
            await self._disk.close()
            try:
                self.doors.tape.close()
            except (TapeFault, OSError) as error:
                self._warn("TAPE_FAULT", str(error))
            self.doors.ledger.close()

    async def _save_last(self) -> None:
        """The last rows, a snapshot, and the account free for the next engine."""
        # What was on its way to the disk is there, or has failed, before the state is kept.
        await self._disk.call(_nothing)
        if self.fault is not None:
            return
        outputs = self._snapshot()
        kept, self._kept = self._kept, None
        try:
            if outputs is not None:
                self.doors.ledger.append(outputs.rows)
            await self._disk.call(lambda: self._make_durable(kept))
            await self._disk.call(lambda: self.doors.leases.release(self.lease))
        except LedgerFault as error:
            self._fail(error)


def _nothing() -> None:
    """A turn of the disk's thread."""
