"""The live core with its order of things: inputs in, durable in between, requests out; no waiting.

Rules of this file. What an input asks for leaves when its rows are durable and not before;
meanwhile other inputs are taken, and their rows go to the disk together. Whatever makes the ledger
untrustworthy ends the loop at once: the stops at the venue stay, nothing is sent any more, and the
start path is the way on. What only helps later (tape, snapshots) warns and goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from interlock.model.rows import decode_row
from interlock.ports import LedgerFault
from interlock.runtime.alarm import Alarm
from interlock.runtime.commits import Commits, Doors, Held, Kept, Places
from interlock.runtime.engine import Engine
from interlock.runtime.upkeep import CHECKPOINT_NS, Turn, Upkeep
from interlock.runtime.values import Command, Notice, Outputs, Tick

# One input that takes longer holds everything up: market, answers, stops and the lease.
SLOW_NS = 250_000_000
OVER = ("stopped",)
# Rows that whoever watches hears too, besides facts and notices.
TOLD = frozenset({"fill", "reconcile"})


class Lags(msgspec.Struct, kw_only=True):
    """Durations of the newest inputs and commits, ns."""

    decided: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))
    # From the input to the begin of the commit: another one may be under way.
    waited: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))
    committed: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))
    sent: deque[int] = msgspec.field(default_factory=lambda: deque(maxlen=4096))


class Loop:
    """Runs one engine on ports until it is stopped or must stop. ``told`` hears every fact.

    In real time ``live/driver`` gives it a thread for the disk and asyncio's timers. In virtual
    time: keep one heap of (time, number, call); ``Timers.later`` puts a call at now + delay,
    ``Disk.start`` puts one at now + the latency of the disk, which does the work and hands its
    result to ``ended``. Put the venue's answers and the market there too, as calls of ``hear``.
    Call ``begin`` once the venue is connected, then take calls off the heap, moving the clock to
    each, until ``is_over``; ``finish`` then writes the rest. A crash is to call nothing more and to
    forget the heap: a work of the disk has happened as a whole or has not.
    """

    def __init__(
        self,
        engine: Engine,
        doors: Doors,
        places: Places,
        *,
        told: Callable[[Any], None],
        over: Callable[[], None],
        checkpoint_ns: int = CHECKPOINT_NS,
    ) -> None:
        self.engine = engine
        self.doors = doors
        self.lags = Lags()
        self.fault: Exception | None = None
        self.is_over = False
        self.inputs = 0
        self._told = told
        self._over = over
        self._inbox: deque[Any] = deque()
        self._is_taking = False
        self._commits = Commits(doors, places, self._durable, self._warn)
        self._alarm = Alarm(doors.clock, places.timers, lambda ts: self.hear(Tick(ts)))
        turn = Turn(hear=self.hear, carry_out=self._carry_out, fail=self._fail, warn=self._warn)
        self._upkeep = Upkeep(
            engine, doors, places, self._commits, turn=turn, checkpoint_ns=checkpoint_ns
        )

    # From the world to the core.
    def begin(self) -> None:
        """Ask the venue what recovery wants to know; the venue is connected already."""
        self._upkeep.begin()
        self._carry_out(self.engine.begin(self.doors.clock.now_ns()), 0)

    def hear(self, event: Any) -> None:
        """Take an input in; safe to call from within an answer to one. Dropped after the end."""
        if self.is_over:
            return
        self._inbox.append(event)
        if self._is_taking:
            return
        self._is_taking = True
        try:
            while self._inbox and not self.is_over:
                self._take(self._inbox.popleft())
        finally:
            self._is_taking = False

    def command(self, name: str, *, actor: str, reason: str, scope: str = "") -> None:
        """An operator asks for a verb."""
        ts = self.doors.clock.now_ns()
        self.hear(Command(ts_event=ts, name=name, actor=actor, reason=reason, scope=scope))

    def abandon(self) -> None:
        """Leave at once, as a crash would: everything needed to go on is durable already."""
        self._end()

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
        # Who watches may take its time while the disk works; what leaves, leaves after that.
        self._commits.hurry()
        for row in outputs.rows:
            if row.kind in TOLD:
                self._told(decode_row(row))
        for fact in outputs.facts:
            self._told(fact)
        self._go_on()
        if not self.is_over:
            self._alarm.set(outputs.wake_ts)

    def _go_on(self) -> None:
        """Commit or send what is due; the end comes when everything before it is durable."""
        if self.is_over:
            return
        is_stopped = self.engine.verbs.state() in OVER
        self._commits.push(at_once=is_stopped)
        if is_stopped and not self._commits.is_busy and not self._commits.has_rows:
            self._end()

    def _durable(self, requests: Held, kept: Kept | None, error: Exception | None) -> None:
        """Hand durable requests to the venue, each past the last check."""
        if error is not None:
            self._fail(error)
            return
        began, took = self._commits.ts_began, self._commits.took_ns
        if took:
            self.lags.committed.append(took)
        for decided, request in requests:
            if self.is_over:
                return
            refusal = self.engine.admits(request, self.doors.clock.now_ns())
            if refusal is not None:
                self.hear(refusal)
                continue
            self.doors.venue.request(request)
            if request.ts_deadline and decided:
                self.lags.sent.append(self.doors.clock.now_ns() - decided)
                if took:
                    self.lags.waited.append(began - decided)
        if kept is not None and not self.is_over:
            self._upkeep.save(*kept)
        self._go_on()

    # What time brings.
    def renew(self) -> None:
        """Hold the lease for longer; without it nothing leaves any more."""
        self._upkeep.renew()

    def checkpoint(self) -> None:
        """Save the state; a start from it reads only what came after."""
        self._upkeep.checkpoint()

    # The end.
    def finish(self, left: Callable[[], None]) -> None:
        """After the end: the last rows, a snapshot, the account free for the next engine.

        ``left`` is called when nothing is on its way to a disk any more.
        """
        self._upkeep.finish(left, is_sound=lambda: self.fault is None)

    def _end(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        self._alarm.set(0)
        self._commits.stop()
        self._upkeep.stop()
        self._over()

    def _fail(self, error: Exception) -> None:
        if self.fault is None:
            self.fault = error
            self._notice("ENGINE_STOPPED", f"{type(error).__name__}: {error}", level="CRITICAL")
        self._end()

    def _warn(self, name: str, text: str) -> None:
        self._notice(name, text, level="WARNING")

    def _notice(self, name: str, text: str, *, level: str) -> None:
        ts = self.doors.clock.now_ns()
        self._told(Notice(ts_event=ts, name=name, level=level, text=text))
