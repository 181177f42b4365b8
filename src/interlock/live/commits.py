"""Rows to the disk in groups, and the requests that wait until theirs are durable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec

from interlock.live.disk import DiskThread
from interlock.model.venue import Request
from interlock.ports import (
    Clock,
    Leases,
    Ledger,
    LedgerFault,
    Snapshots,
    Tape,
    TapeFault,
    Venue,
)
from interlock.runtime.values import Outputs

# Rows that no request waits for go to the disk together: a commit under way makes an order wait.
LAZY_S = 0.01

# Requests with the time of the input that asked for each.
Held = list[tuple[int, Request]]
# What became durable, or why nothing did.
Durable = Callable[[Held, Exception | None], None]
# Name and text of a fault that trading survives.
Warn = Callable[[str, str], None]


class Doors(msgspec.Struct, frozen=True, kw_only=True):
    """The ports that a driver works with."""

    venue: Venue
    ledger: Ledger
    leases: Leases
    snapshots: Snapshots
    tape: Tape
    clock: Clock


class Commits:
    """One commit at a time, each with everything that was appended until it began.

    ``durable`` is called on the loop with the requests whose rows are on the disk, in their order.
    """

    def __init__(self, doors: Doors, disk: DiskThread, durable: Durable, warn: Warn) -> None:
        self.doors = doors
        self.took_ns = 0
        self.is_busy = False
        self.has_rows = False
        self._disk = disk
        self._durable = durable
        self._warn = warn
        self._taken = 0
        self._held: Held = []
        self._kept: tuple[int, bytes] | None = None
        self._loop = asyncio.get_running_loop()
        self._late: asyncio.TimerHandle | None = None

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

    def keep(self, seq: int, state: bytes) -> None:
        """Save a snapshot with the next commit, after its rows."""
        self._kept = (seq, state)

    def push(self, *, at_once: bool) -> None:
        """Begin a commit if something waits for it; let go what waits for none."""
        if self.is_busy:
            return
        if not self.has_rows:
            # Taken away first: what is released may bring new requests.
            released, self._held = self._held, []
            if released:
                self._durable(released, None)
        elif self._held or self._kept is not None or at_once:
            self._begin()
        elif self._late is None:
            self._late = self._loop.call_later(LAZY_S, self._begin_late)

    def stop(self) -> None:
        """Begin no commit by time any more."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    async def finish(self) -> None:
        """Commit what was appended, keep the last snapshot; requests stay where they are."""
        kept, self._kept = self._kept, None
        await self._disk.call(lambda: self._commit(kept, 0))

    def _begin_late(self) -> None:
        self._late = None
        if self.has_rows and not self.is_busy:
            self._begin()

    def _begin(self) -> None:
        self.stop()
        released, self._held = self._held, []
        kept, self._kept = self._kept, None
        self.has_rows, self.is_busy = False, True
        try:
            self.doors.tape.flush()
        except TapeFault as error:
            self._warn("TAPE_FAULT", str(error))
        started, upto = self.doors.clock.now_ns(), self._taken
        self._disk.start(
            lambda: self._commit(kept, upto), lambda error: self._ended(error, released, started)
        )

    def _commit(self, kept: tuple[int, bytes] | None, upto: int) -> None:
        """On the disk's thread: the rows, then the snapshot that includes them."""
        last = self.doors.ledger.commit()
        if last < upto:
            raise LedgerFault(
                f"row {upto} was taken and the ledger ends at {last} after its commit: it lost "
                "rows; nothing is sent on it. Start again: the start path asks the venue"
            )
        if kept is None:
            return
        try:
            self.doors.snapshots.save(*kept)
        except OSError as error:
            text = f"{error}; the next start reads more of the ledger instead"
            self._loop.call_soon_threadsafe(self._warn, "CHECKPOINT_FAILED", text)

    def _ended(self, error: Exception | None, released: Held, started: int) -> None:
        self.is_busy = False
        self.took_ns = self.doors.clock.now_ns() - started
        self._durable(released, error)
