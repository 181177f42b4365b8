"""One engine process of the world: started, killed, paused, restarted, as its machine would.

It runs the real loop, core and recovery. Only its ports are the world's: clock, timers, disk,
venue, leases. Whatever reaches a process that stands still waits until it goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from interlock.model.rows import StoredRow
from interlock.model.venue import PlaceRequest, Request
from interlock.ports import Ended, Lease, LedgerFault, Timer
from interlock.runtime.commits import Doors, Places
from interlock.runtime.engine import Engine
from interlock.runtime.loop import Loop
from interlock.runtime.recovery import Recovered, Setup, recover
from interlock.runtime.settings import MS, SECOND
from interlock.runtime.upkeep import LEASE_TTL_NS
from interlock.runtime.values import Outputs
from interlock.world.clients import CLIENTS
from interlock.world.clients.binance import BinanceClient
from interlock.world.clients.feed import Place
from interlock.world.clients.hyperliquid import HyperliquidClient
from interlock.world.dice import Dice
from interlock.world.exchange import Exchange
from interlock.world.machine import Machine
from interlock.world.network import Network
from interlock.world.storage import Files, WorldLeases, WorldLedger, WorldSnapshots, WorldTape
from interlock.world.timeline import Planned, Timeline

ACCOUNT = "main"
_CHECKPOINT_NS = 60 * SECOND
# What a start without a snapshot is, by whether there are rows.
_WITHOUT = {False: "started on an empty ledger", True: "started from rows alone"}


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What processes share: time, line, venue, disk and chance."""

    timeline: Timeline
    network: Network
    exchange: Exchange
    files: Files
    dice: Dice


class Watch:
    """Whoever looks on; every method is called when it has happened. Does nothing itself."""

    def started(self, process: Process) -> None:
        """An engine has recovered and asks the venue."""

    def ended(self, process: Process, why: str) -> None:
        """A process is gone: killed, stopped, or ended by its own fault."""

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """The core took an input."""

    def durable(self, process: Process, rows: list[StoredRow]) -> None:
        """Rows became durable."""

    def leaves(self, process: Process, request: Request) -> None:
        """A request was handed to the venue's port."""

    def told(self, process: Process, fact: Any) -> None:
        """The loop told a fact or notice."""

    def commanded(self, process: Process, verb: str) -> None:
        """An operator gave a verb to a process that runs."""


class Process:
    """One engine's life after life, on one machine."""

    def __init__(
        self, name: str, around: Surroundings, make: Callable[[], Setup], watch: Watch
    ) -> None:
        self.name = name
        self.around = around
        self.loop: Loop | None = None
        self.lives = 0
        self.is_wanted = True
        self.why_down = "not started"
        self.ts_down = 0
        self._make = make
        self._watch = watch
        self._life: _Life | None = None
        self.machine = Machine(around.timeline)
        self._clock = self.machine.clock()
        # What it showed, and when it was read by the world's time; -1: not yet.
        self._now, self._ts_read = 0, -1
        self._paused_until = 0
        self._waiting: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        # It dies so long after a snapshot that is taken when the next order is on its way; 0: not.
        self._dies_after = 0

    # Clock.
    def now_ns(self) -> int:
        """What its engine takes for the time; no step of the world takes any."""
        ts = self.around.timeline.ts
        if ts != self._ts_read:
            self._ts_read, self._now = ts, self._clock.now_ns()
        return self._now

    # Life and death.
    def start(self) -> None:
        """The start path: lease, ledger, venue, recovery, loop."""
        if self.loop is not None or not self.is_wanted:
            return
        leases = WorldLeases(self.around.files, self.around.dice, self.around.timeline)
        self._clock, self._ts_read = self.machine.clock(), -1
        try:
            lease = leases.acquire(ACCOUNT, self.name, ts=self.now_ns(), ttl_ns=LEASE_TTL_NS)
            if lease is None:
                self._refused("lease held", "another engine holds the lease")
                return
        except LedgerFault as error:
            self._refused("leases unreachable", str(error))
            return
        try:
            rows = self.around.files.verified()
        except LedgerFault as error:
            self._refused("ledger broken", str(error))
            return
        if rows and self._clock.reach(rows[-1].row.ts_event):
            self._ts_read = -1
            self.around.dice.tally.marks["started behind its ledger"] += 1
            lease = leases.renew(lease, ts=self.now_ns(), ttl_ns=LEASE_TTL_NS) or lease
        setup = self._make()
        engine = _Watched(setup, self._recover(setup, rows), lease)
        engine.seen = partial(self._watch.took, self)
        self._begin(engine, leases, lease)

    def _recover(self, setup: Setup, rows: list[StoredRow]) -> Recovered:
        files, dice = self.around.files, self.around.dice
        # What came after rows that a crash took never was.
        files.tape = [entry for entry in files.tape if entry[0] <= len(rows)]
        kept = files.newest_snapshot(dice)
        after = 0 if kept is None else kept[0]
        found = recover(
            setup,
            kept=None if kept is None else kept[1],
            rows=rows[after:],
            tape=[entry for entry in files.tape if entry[0] >= after],
        )
        marks = dice.tally.marks
        marks["started from a snapshot" if kept else _WITHOUT[bool(rows)]] += 1
        marks["intents adopted"] += found.adopted
        return found

    def _begin(self, engine: Engine, leases: WorldLeases, lease: Lease) -> None:
        around, instruments = self.around, tuple(engine.setup.instruments)
        self.lives += 1
        life = self._life = _Life(self)
        place = Place(
            network=around.network,
            clock=self,
            files=around.files,
            instruments=instruments,
            leaves=self._leaves,
        )
        venue = CLIENTS[around.exchange.line.name](place)
        ledger = WorldLedger(around.files, lease, around.dice, around.timeline)
        doors = Doors(
            venue=venue,
            ledger=ledger,
            leases=leases,
            snapshots=WorldSnapshots(around.files),
            tape=WorldTape(around.files),
            clock=self,
        )
        disk = _WorldDisk(life, ledger)
        places = Places(commits=disk, aside=_WorldDisk(life, None), timers=life)
        self.loop = loop = Loop(
            engine,
            doors,
            places,
            told=partial(self._watch.told, self),
            over=life.over,
            checkpoint_ns=_CHECKPOINT_NS,
        )
        self._watch.started(self)
        life.venue = venue
        venue.open(lambda event: self.turn(loop.hear, event))
        loop.begin()
        if around.dice.hits("kill_in_recovery"):
            delay = around.dice.between("kill_in_recovery", 1, 1_500) * MS
            around.timeline.after(delay, life.kill, "killed in recovery")

    def kill(self, why: str = "killed") -> None:
        """SIGKILL: nothing more happens in it; what was on its way to the disk may land."""
        if self._life is not None:
            self._life.kill(why)

    def kill_after_snapshot(self, delay_ns: int, *, at_order: bool = False) -> None:
        """Save a snapshot, now or when the next order has left, and die so long after it."""
        if at_order:
            self._dies_after = delay_ns
            return
        if self.loop is not None:
            self.turn(self.loop.checkpoint)
            self.around.timeline.after(delay_ns, self.kill, "killed after a snapshot")

    def pause(self, length_ns: int) -> None:
        """It stands still, as a suspended machine does; what comes waits."""
        if self.loop is None:
            return
        line = self.around.timeline
        self._paused_until = max(self._paused_until, line.ts + length_ns)
        line.at(self._paused_until, self._resume)

    @property
    def is_paused(self) -> bool:
        """Whether it stands still."""
        return self._paused_until > self.around.timeline.ts

    def wake(self) -> None:
        """Whatever let it stand still is over."""
        self._paused_until = min(self._paused_until, self.around.timeline.ts)
        self._resume()

    def command(self, name: str, scope: str = "") -> None:
        """An operator asks for a verb."""
        loop = self.loop
        if loop is not None:
            self.turn(lambda: loop.command(name, actor="operator", reason="the plan", scope=scope))

    def turn(self, act: Callable[..., None], *arguments: Any) -> None:
        """Do something in the process, now or when it goes on."""
        if self._paused_until > self.around.timeline.ts or self._waiting:
            self._waiting.append((act, arguments))
        else:
            act(*arguments)

    def _resume(self) -> None:
        if self._paused_until > self.around.timeline.ts:
            return
        while self._waiting and self.loop is not None:
            act, arguments = self._waiting.popleft()
            act(*arguments)
        self._waiting.clear()

    def _refused(self, mark: str, why: str) -> None:
        self.why_down = why
        self.around.dice.tally.marks[f"start refused: {mark}"] += 1
        self.around.timeline.after(1 * SECOND, self.start)

    def gone(self, why: str, restart_ns: int) -> None:
        """A life has ended."""
        self.loop, self._life = None, None
        self.why_down, self.ts_down = why, self.around.timeline.ts
        self._waiting.clear()
        self._paused_until = 0
        self._watch.ended(self, why)
        if restart_ns >= 0 and self.is_wanted:
            self.around.timeline.after(restart_ns, self.start)

    # What is seen of it.
    def _leaves(self, request: Request) -> None:
        self._watch.leaves(self, request)
        if self._dies_after and isinstance(request, PlaceRequest):
            delay, self._dies_after = self._dies_after, 0
            self.around.timeline.after(0, self.kill_after_snapshot, delay)

    def committed(self, rows: list[StoredRow]) -> None:
        """Rows became durable."""
        self._watch.durable(self, rows)


class _Watched(Engine):
    """The engine, seen from outside at every input."""

    seen: Callable[[Any, Outputs], None]

    def take(self, event: Any, ts: int) -> Outputs:
        outputs = super().take(event, ts)
        self.seen(event, outputs)
        return outputs


class _Life:
    """One life of a process: its timers, and its end."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.venue: BinanceClient | HyperliquidClient | None = None
        self.is_over = False
        self.disks: list[_WorldDisk] = []

    def later(self, delay_ns: int, call: Callable[[], None]) -> Timer:
        """The Timers port."""
        timer = _Timer()
        timer.planned = self.process.around.timeline.after(delay_ns, self._ring, timer, call)
        return timer

    def _ring(self, timer: _Timer, call: Callable[[], None]) -> None:
        # What has rung is let go of: each of the two knows the other.
        timer.planned = None
        if not self.is_over:
            self.process.turn(self._rung, timer, call)

    def _rung(self, timer: _Timer, call: Callable[[], None]) -> None:
        if not self.is_over and not timer.is_off:
            call()

    def kill(self, why: str) -> None:
        """End at once."""
        if self.is_over:
            return
        process = self.process
        for disk in self.disks:
            disk.crash()
        loop = process.loop
        if loop is not None and isinstance(loop.doors.tape, WorldTape):
            dice, lost = process.around.dice, 0
            if dice.hits("tape_torn"):
                lost = dice.between("tape_torn", 1, 1_000) * MS
            loop.doors.tape.crash(lost)
        self._end(why)

    def over(self) -> None:
        """The loop has ended by itself: the process finishes and leaves."""
        loop = self.process.loop
        if self.is_over or loop is None:
            return
        why = f"{type(loop.fault).__name__}: {loop.fault}" if loop.fault else "stopped"
        loop.finish(lambda: self._left(loop, why))

    def _left(self, loop: Loop, why: str) -> None:
        if self.is_over:
            return
        loop.doors.tape.close()
        self._end(why)

    def _end(self, why: str) -> None:
        self.is_over = True
        if self.venue is not None:
            self.venue.drop()
        dice = self.process.around.dice
        restart = dice.between("kill", 100, 20_000) * MS
        self.process.gone(why, restart)


class _Timer:
    """Due once."""

    __slots__ = ("is_off", "planned")

    def __init__(self) -> None:
        self.planned: Planned | None = None
        self.is_off = False

    def cancel(self) -> None:
        """It will not ring."""
        self.is_off = True
        if self.planned is not None:
            self.planned.cancel()


class _WorldDisk:
    """Work at the disk, one after the other, each as long as the disk takes."""

    def __init__(self, life: _Life, ledger: WorldLedger | None) -> None:
        self._life = life
        self._ledger = ledger
        self._queue: deque[tuple[Callable[[], Any], Ended]] = deque()
        self._is_busy = False
        life.disks.append(self)

    def start(self, work: Callable[[], Any], ended: Ended) -> None:
        """The Disk port."""
        self._queue.append((work, ended))
        if not self._is_busy:
            self._begin()

    def crash(self) -> None:
        """The process dies: the work under way has happened or has not."""
        if self._queue and self._is_busy and self._life.process.around.dice.coin("kill_at_write"):
            try:
                self._queue[0][0]()
            except LedgerFault:
                return
            self._tell()

    def _begin(self) -> None:
        self._is_busy = True
        dice = self._life.process.around.dice
        took = dice.between("slow_commit", 200, 4_000) * 1_000
        if self._ledger is not None:
            if dice.hits("kill_at_write"):
                at = dice.between("kill_at_write", 0, took)
                timeline = self._life.process.around.timeline
                timeline.after(at, self._life.kill, "killed at a write")
            if dice.hits("slow_commit"):
                took = dice.between("slow_commit", 50, 4_000) * MS
        self._life.process.around.timeline.after(took, self._did)

    def _did(self) -> None:
        if self._life.is_over:
            return
        work, ended = self._queue.popleft()
        found: Any = None
        error: Exception | None = None
        try:
            found = work()
        except (LedgerFault, OSError) as fault:
            error = fault
        self._tell()
        self._is_busy = False
        if self._queue:
            self._begin()
        self._life.process.turn(self._end, ended, found, error)

    def _tell(self) -> None:
        ledger = self._ledger
        if ledger is not None and ledger.committed:
            rows, ledger.committed = ledger.committed, []
            self._life.process.committed(rows)

    def _end(self, ended: Ended, found: Any, error: Exception | None) -> None:
        if not self._life.is_over:
            ended(found, error)
