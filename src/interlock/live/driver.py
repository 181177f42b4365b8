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
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from interlock.live.alarm import Alarm
from interlock.live.commits import Commits, Doors, Held
from interlock.live.disk import DiskThread
from interlock.model.rows import decode_row
from interlock.ports import Lease, LedgerFault, StaleLease, TapeFault
from interlock.runtime.engine import Engine
from interlock.runtime.values import Command, LeaseChanged, Notice, Outputs, Tick

SECOND_NS = 1_000_000_000
CHECKPOINT_NS = 60 * SECOND_NS
LEASE_TTL_NS = 15 * SECOND_NS
# One input that takes longer holds everything up: market, answers, stops and the lease.
SLOW_NS = 250_000_000
# Renewed often enough to survive a slow disk twice.
LEASE_EVERY_S = 4.0
OVER = ("stopped",)
# Rows that whoever watches hears too, besides facts and notices.
TOLD = frozenset({"fill", "reconcile"})


class Lags(msgspec.Struct, kw_only=True):
    """Durations of the newest inputs and commits, ns."""

    decided: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))
    committed: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))
    sent: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))


class Driver:
    """Runs one engine until it is stopped or must stop. ``told`` hears every fact and notice."""

    def __init__(
        self,
        engine: Engine,
        doors: Doors,
        lease: Lease,
        *,
        told: Callable[[Any], None],
        checkpoint_ns: int = CHECKPOINT_NS,
    ) -> None:
        self.engine = engine
        self.doors = doors
        self.lease = lease
        self.lags = Lags()
        self.fault: Exception | None = None
        self.inputs = 0
        self._told = told
        self._checkpoint_ns = checkpoint_ns
        self._inbox: deque[Any] = deque()
        self._is_taking = False
        self._loop = asyncio.get_running_loop()
        self._disk = DiskThread("ledger")
        self._commits = Commits(doors, self._disk, self._durable, self._warn)
        self._alarm = Alarm(doors.clock, lambda ts: self.hear(Tick(ts)))
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
        for seconds, work in (
            (LEASE_EVERY_S, self.renew),
            (self._checkpoint_ns / SECOND_NS, self.checkpoint),
        ):
            task = self._loop.create_task(_every(seconds, work))
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
        took = self.doors.clock.now_ns() - now
        self.lags.decided.append(took)
        if took > SLOW_NS:
            text = (
                f"{type(event).__name__} took {took // 10**6} ms; nothing else happened meanwhile"
            )
            self._warn("DECISION_SLOW", text)
        self._carry_out(outputs, now)

    # From the core to the world.
    def _carry_out(self, outputs: Outputs, ts: int) -> None:
        try:
            self._commits.take(outputs, ts)
        except LedgerFault as error:
            self._fail(error)
            return
        for row in outputs.rows:
            if row.kind in TOLD:
                self._told(decode_row(row))
        for fact in outputs.facts:
            self._told(fact)
        self._go_on()
        if not self._over.is_set():
            self._alarm.set(outputs.wake_ts)

    def _go_on(self) -> None:
        """Commit or send what is due; the end comes when everything before it is durable."""
        if self._over.is_set():
            return
        is_over = self.engine.verbs.state() in OVER
        self._commits.push(at_once=is_over)
        if is_over and not self._commits.is_busy and not self._commits.has_rows:
            self._over.set()

    def _durable(self, requests: Held, error: Exception | None) -> None:
        """Hand durable requests to the venue, each past the last check."""
        if error is not None:
            self._fail(error)
            return
        if self._commits.took_ns:
            self.lags.committed.append(self._commits.took_ns)
            self._commits.took_ns = 0
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
        self._go_on()

    # What time brings.
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

    async def checkpoint(self) -> None:
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
        self._commits.keep(seq, data)
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
        self._alarm.set(0)
        self._commits.stop()
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
        try:
            if outputs is not None:
                self.doors.ledger.append(outputs.rows)
            await self._commits.finish()
            await self._disk.call(lambda: self.doors.leases.release(self.lease))
        except LedgerFault as error:
            self._fail(error)


def _nothing() -> None:
    """A turn of the disk's thread."""


async def _every(seconds: float, work: Callable[[], Awaitable[None]]) -> None:
    while True:
        await asyncio.sleep(seconds)
        await work()
