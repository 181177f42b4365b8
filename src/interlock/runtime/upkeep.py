"""What a loop does by time and at its end: the lease, snapshots, the ledger's upkeep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.ports import Lease, LedgerFault, StaleLease
from interlock.runtime.alarm import Rounds
from interlock.runtime.commits import Commits, Doors, Places
from interlock.runtime.engine import Engine
from interlock.runtime.values import LeaseChanged, Outputs

SECOND_NS = 1_000_000_000
CHECKPOINT_NS = 60 * SECOND_NS
LEASE_TTL_NS = 15 * SECOND_NS
# Renewed often enough to survive a slow disk twice.
LEASE_EVERY_NS = 4 * SECOND_NS
# Copying the log disturbs commits for some ms each time, and the log grows in between.
TIDY_EVERY_NS = 10 * SECOND_NS


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What upkeep tells its loop: an input, outputs, what ends it, what it only warns of."""

    hear: Callable[[Any], None]
    carry_out: Callable[[Outputs, int], None]
    fail: Callable[[Exception], None]
    warn: Callable[[str, str], None]


class Upkeep:
    """Renews the lease, keeps snapshots, tidies the ledger; and leaves all of it in order."""

    def __init__(
        self,
        engine: Engine,
        doors: Doors,
        places: Places,
        commits: Commits,
        *,
        turn: Turn,
        checkpoint_ns: int,
    ) -> None:
        self._engine = engine
        self._doors = doors
        self._places = places
        self._commits = commits
        self._turn = turn
        self._is_over = False
        self._rounds = [
            Rounds(places.timers, every_ns, work)
            for every_ns, work in (
                (LEASE_EVERY_NS, self._renew),
                (checkpoint_ns, self._checkpoint),
                (TIDY_EVERY_NS, self._tidy),
            )
        ]

    def begin(self) -> None:
        """From now on."""
        for rounds in self._rounds:
            rounds.begin()

    def stop(self) -> None:
        """No more by time."""
        self._is_over = True
        for rounds in self._rounds:
            rounds.stop()

    def renew(self) -> None:
        """Hold the lease for longer; without it nothing leaves any more."""
        self._renew(_nothing)

    def checkpoint(self) -> None:
        """Save the state; a start from it reads only what came after."""
        self._checkpoint(_nothing)

    def save(self, seq: int, state: bytes) -> None:
        """Keep a snapshot whose row is durable."""
        self._places.aside.start(lambda: self._doors.snapshots.save(seq, state), self._saved)

    def _renew(self, then: Callable[[], None]) -> None:
        held, ts = self._engine.fence.lease, self._doors.clock.now_ns()

        def ended(renewed: Lease | None, error: Exception | None) -> None:
            if not self._is_over:
                self._renewed(renewed, error)
            then()

        # The ledger's transaction is open from before its commit on, and keeps leases out.
        self._commits.between(
            lambda: self._doors.leases.renew(held, ts=ts, ttl_ns=LEASE_TTL_NS), ended
        )

    def _renewed(self, renewed: Lease | None, error: Exception | None) -> None:
        if isinstance(error, LedgerFault):
            # The lease runs out by itself then, and the fence closes with it.
            self._turn.warn("LEASE_NOT_RENEWED", str(error))
            return
        if error is not None:
            self._turn.fail(error)
            return
        self._turn.hear(LeaseChanged(self._doors.clock.now_ns(), renewed))
        if renewed is None:
            self._turn.fail(StaleLease("another engine holds the lease of this account now"))

    def _checkpoint(self, then: Callable[[], None]) -> None:
        if self._is_over:
            return
        outputs = self._snapshot()
        if outputs is not None:
            self._turn.carry_out(outputs, 0)
        then()

    def _snapshot(self) -> Outputs | None:
        try:
            seq, data, outputs = self._engine.snapshot(self._doors.clock.now_ns())
        except Exception as error:  # noqa: BLE001 - a strategy may keep what no snapshot can hold
            text = f"{type(error).__name__}: {error}; a start reads the ledger instead"
            self._turn.warn("CHECKPOINT_FAILED", text)
            return None
        self._commits.keep(seq, data)
        return outputs

    def _saved(self, found: None, error: Exception | None) -> None:
        if isinstance(error, OSError):
            text = f"{error}; the next start reads more of the ledger instead"
            self._turn.warn("CHECKPOINT_FAILED", text)
        elif error is not None:
            self._turn.fail(error)

    def _tidy(self, then: Callable[[], None]) -> None:
        def ended(found: None, error: Exception | None) -> None:
            if error is not None and not self._is_over:
                self._turn.warn("LEDGER_NOT_TIDIED", f"{error}; commits may become slower")
            then()

        self._places.aside.start(self._doors.ledger.tidy, ended)

    def finish(self, left: Callable[[], None], *, is_sound: Callable[[], bool]) -> None:
        """The last rows, a snapshot, the lease released, if all ``is_sound`` by then."""
        # What was on its way is there, or has failed, before the state is kept.
        commits, aside = self._places.commits, self._places.aside

        def both(found: None, error: Exception | None) -> None:
            self._save_last(left, is_sound())

        commits.start(_nothing, lambda found, error: aside.start(_nothing, both))

    def _save_last(self, left: Callable[[], None], is_sound: bool) -> None:
        if not is_sound:
            left()
            return
        outputs = self._snapshot()
        try:
            if outputs is not None:
                self._doors.ledger.append(outputs.rows)
        except LedgerFault as error:
            self._turn.fail(error)
            left()
            return

        def ended(unsaved: OSError | None, error: Exception | None) -> None:
            if unsaved is not None:
                self._saved(None, unsaved)
            if error is not None:
                self._turn.fail(error)
            left()

        self._places.commits.start(self._write_last, ended)

    def _write_last(self) -> OSError | None:
        """On the disk's side: returns why the snapshot was not kept, if it was not."""
        unsaved = None
        kept = self._commits.finish()
        if kept is not None:
            try:
                self._doors.snapshots.save(*kept)
            except OSError as error:
                unsaved = error
        self._doors.leases.release(self._engine.fence.lease)
        return unsaved


def _nothing() -> None:
    """A turn of a disk, or the end of a round that is not repeated."""
