"""Rows to the disk in groups, and the requests that wait until theirs are durable."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from interlock.model.venue import Request
from interlock.ports import (
    Clock,
    Disk,
    Ended,
    Leases,
    Ledger,
    LedgerFault,
    Snapshots,
    Tape,
    TapeFault,
    Timer,
    Timers,
    Venue,
)
from interlock.runtime.alarm import Once
from interlock.runtime.values import Outputs

# Rows that no request waits for go to the disk together: a commit under way makes an order wait.
LAZY_NS = 50_000_000

# Requests with the time of the input that asked for each.
Held = list[tuple[int, Request]]
# A sequence and the state that includes the ledger up to it.
Kept = tuple[int, bytes]
# What became durable and the snapshot that may be kept now, or why nothing did.
Durable = Callable[[Held, Kept | None, Exception | None], None]
# Name and text of a fault that trading survives.
Warn = Callable[[str, str], None]


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """The ports that a loop works with."""

    venue: Venue
    ledger: Ledger
    leases: Leases
    snapshots: Snapshots
    tape: Tape
    clock: Clock


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where a loop's work waits: ``commits`` for what orders need, ``aside`` for all else.

    They may be one disk. Two let a snapshot be written while orders go on.
    """

    commits: Disk
    aside: Disk
    timers: Timers


class Commits:
    """One commit at a time, each with everything that was appended until it began.

    ``durable`` is called with the requests whose rows are on the disk, in their order.
    """

    def __init__(self, doors: Doors, places: Places, durable: Durable, warn: Warn) -> None:
        self.doors = doors
        # Of the newest commit; it took 0 where what was released needed none.
        self.ts_began = self.took_ns = 0
        self.is_busy = False
        self.has_rows = False
        self._places = places
        self._durable = durable
        self._warn = warn
        self._taken = 0
        self._held: Held = []
        self._kept: Kept | None = None
        self._late: Timer | None = None
        self._errands: deque[tuple[Callable[[], Any], Ended]] = deque()

    def take(self, outputs: Outputs, ts: int) -> None:
        """Append rows and hold back requests; raises LedgerFault."""
        if outputs.tape:
            try:
                for seq, event in outputs.tape:
                    self.doors.tape.write(seq, event)
            except TapeFault as error:
                self._warn("TAPE_FAULT", str(error))
        if outputs.rows:
            self._taken = self.doors.ledger.append(outputs.rows)
            self.has_rows = True
        for request in outputs.requests:
            self._held.append((ts, request))

    def between(self, work: Callable[[], Any], ended: Ended) -> None:
        """Do a work of the same disk between two commits, then call ``ended``."""
        self._errands.append((work, ended))
        self.push(at_once=False)

    def keep(self, seq: int, state: bytes) -> None:
        """Let a snapshot be kept after the next commit, which has its row."""
        self._kept = (seq, state)

    def hurry(self) -> None:
        """Begin the commit that a request waits for, if the disk is free."""
        if self._held and self.has_rows and not (self.is_busy or self._errands):
            self._begin()

    def push(self, *, at_once: bool) -> None:
        """Begin a commit if something waits for it; let go what waits for none."""
        if self.is_busy:
            return
        if self._errands:
            self._run(*self._errands.popleft())
        elif not self.has_rows:
            # Taken away first: what is released may bring new requests.
            released, self._held = self._held, []
            if released:
                self.took_ns = 0
                self._durable(released, None, None)
        elif self._held or self._kept is not None or at_once:
            self._begin()
        elif self._late is None:
            self._late = self._places.timers.later(LAZY_NS, self._begin_late)

    def stop(self) -> None:
        """Begin no commit by time any more."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def finish(self) -> Kept | None:
        """Commit what was appended; returns the snapshot to keep. Waits: for the disk's side."""
        self._commit(0)
        return self._kept

    def _begin_late(self) -> None:
        self._late = None
        if self.has_rows and not self.is_busy:
            self._begin()

    def _begin(self) -> None:
        self.stop()
        released, self._held = self._held, []
        kept, self._kept = self._kept, None
        self.has_rows, self.is_busy = False, True
        self.ts_began, upto = self.doors.clock.now_ns(), self._taken
        flushing = Once(self._flush)

        def ended(found: None, error: Exception | None) -> None:
            self.is_busy = False
            self.took_ns = self.doors.clock.now_ns() - self.ts_began
            flushing.call()
            self._durable(released, kept, error)

        self.doors.ledger.stage()
        self._places.commits.start(lambda: self._commit(upto), ended)
        # While the disk works, and at the latest before anything leaves.
        self._places.timers.later(0, flushing.call)

    def _run(self, work: Callable[[], Any], ended: Ended) -> None:
        self.is_busy, self.took_ns = True, 0

        def over(found: Any, error: Exception | None) -> None:
            self.is_busy = False
            ended(found, error)
            self._durable([], None, None)

        self._places.commits.start(work, over)

    def _flush(self) -> None:
        try:
            self.doors.tape.flush()
        except TapeFault as error:
            self._warn("TAPE_FAULT", str(error))

    def _commit(self, upto: int) -> None:
        """On the disk's side."""
        last = self.doors.ledger.commit()
        if last < upto:
            raise LedgerFault(
                f"row {upto} was taken and the ledger ends at {last} after its commit: it lost "
                "rows; nothing is sent on it. Start again: the start path asks the venue"
            )
