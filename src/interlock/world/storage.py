"""The disk of the world: ledger, tape, snapshots and leases as a crash leaves them.

A commit happens as a whole or not at all (what the file does between is tried at every single
write elsewhere); which of the two a crash meets is chance. Rows are chained as the real ledger
chains them, and the chain is verified at every start.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from interlock.model.chain import GENESIS, link
from interlock.model.rows import AnyRow, LedgerRow, StoredRow, decode_row, encode_row
from interlock.ports import Lease, LedgerFault, LedgerFull, StaleLease
from interlock.world.dice import Dice
from interlock.world.timeline import Timeline


class Files:
    """What survives every process. ``epochs`` are those that the rows were written under."""

    def __init__(self) -> None:
        self.rows: list[StoredRow] = []
        self.epochs: list[int] = []
        self.tape: list[tuple[int, Any]] = []
        self.snapshots: list[tuple[int, bytes, bytes]] = []
        self.lease: Lease | None = None
        self.full_until = 0
        self.unreachable_until = 0
        self.faults_due = 0
        # What was found whole. A row is never changed, only replaced: then all are looked at again.
        self._whole: list[tuple[StoredRow, int]] = []

    def digest_at(self, seq: int) -> bytes:
        """The chain's digest after a row."""
        return self.rows[seq - 1].digest if seq else GENESIS

    def verified(self) -> list[StoredRow]:
        """Every row; raises LedgerFault when the chain is broken."""
        rows = list(zip(self.rows, self.epochs, strict=True))
        known = len(self._whole)
        if rows[:known] != self._whole:
            known = 0
        before = self.digest_at(known)
        for stored, epoch in rows[known:]:
            wanted = link(before, stored.seq, stored.row, epoch=epoch)
            if wanted != stored.digest:
                raise LedgerFault(f"row {stored.seq} does not follow from the row before it")
            before = stored.digest
        self._whole = rows
        return self.rows

    def newest_snapshot(self, dice: Dice) -> tuple[int, bytes] | None:
        """The newest state that is whole; a damaged one is passed over."""
        kept = list(self.snapshots)
        if kept and dice.hits("snapshot_damaged"):
            seq, state, digest = kept[-1]
            kept[-1] = (seq, state[:-1] + bytes([state[-1] ^ 1]), digest)
        for seq, state, digest in reversed(kept):
            if sha256(state).digest() == digest and seq <= len(self.rows):
                return seq, state
            dice.tally.marks["snapshot passed over"] += 1
        return None


class WorldLedger:
    """The ledger port of one process."""

    def __init__(self, files: Files, lease: Lease, dice: Dice, timeline: Timeline) -> None:
        self._files = files
        self._lease = lease
        self._dice = dice
        self._timeline = timeline
        self._waiting: list[LedgerRow] = []
        self.committed: list[StoredRow] = []

    def append(self, rows: Sequence[AnyRow | LedgerRow]) -> int:
        """Take rows in."""
        for row in rows:
            self._waiting.append(row if isinstance(row, LedgerRow) else encode_row(row))
        return len(self._files.rows) + len(self._waiting)

    def stage(self) -> None:
        """Nothing can be done before the commit here."""

    def commit(self) -> int:
        """Make them durable, as a whole."""
        files = self._files
        held = files.lease
        if held is not None and held.epoch > self._lease.epoch:
            raise StaleLease(f"epoch {held.epoch} has the account, this is {self._lease.epoch}")
        if self._timeline.ts < files.full_until:
            self._dice.matters("disk_full")
            raise LedgerFull("there is no space left on the disk")
        if files.faults_due and self._waiting:
            files.faults_due -= 1
            self._dice.matters("disk_fault")
            raise LedgerFault("the disk answered a commit with an I/O error")
        before = files.digest_at(len(files.rows))
        for row in self._waiting:
            seq = len(files.rows) + 1
            before = link(before, seq, row, epoch=self._lease.epoch)
            stored = StoredRow(seq=seq, digest=before, row=row)
            files.rows.append(stored)
            files.epochs.append(self._lease.epoch)
            self.committed.append(stored)
        self._waiting.clear()
        return len(files.rows)

    def read(self, after: int = 0) -> Iterator[tuple[int, AnyRow]]:
        """Durable rows."""
        for stored in self._files.verified()[after:]:
            yield stored.seq, decode_row(stored.row)

    def last(self) -> int:
        """The last durable sequence."""
        return len(self._files.rows)

    def tidy(self) -> None:
        """Nothing is to be tidied here."""

    def close(self) -> None:
        """What was not committed is gone."""
        self._waiting.clear()


class WorldLeases:
    """The lease store: one row, and a partition now and then."""

    def __init__(self, files: Files, dice: Dice, timeline: Timeline) -> None:
        self._files = files
        self._dice = dice
        self._timeline = timeline

    def acquire(self, account: str, holder: str, *, ts: int, ttl_ns: int) -> Lease | None:
        """A new epoch, or None while another holder's lease is alive."""
        self._reach()
        held = self._files.lease
        if held is not None and held.holder != holder and held.ts_expires > ts:
            return None
        epoch = 1 if held is None else held.epoch + 1
        self._files.lease = lease = Lease(
            account=account, holder=holder, epoch=epoch, ts_expires=ts + ttl_ns
        )
        return lease

    def renew(self, lease: Lease, *, ts: int, ttl_ns: int) -> Lease | None:
        """The same epoch for longer, or None when a later one exists."""
        self._reach()
        return self._keep(lease, ts + ttl_ns)

    def release(self, lease: Lease) -> None:
        """Let others have the account."""
        self._reach()
        self._keep(lease, 0)

    def _keep(self, lease: Lease, expires: int) -> Lease | None:
        held = self._files.lease
        if held is None or held.epoch != lease.epoch or held.holder != lease.holder:
            return None
        self._files.lease = kept = Lease(
            account=lease.account, holder=lease.holder, epoch=lease.epoch, ts_expires=expires
        )
        return kept

    def _reach(self) -> None:
        if self._timeline.ts < self._files.unreachable_until:
            self._dice.matters("lease_unreachable")
            raise LedgerFault("the store of leases cannot be reached")


class WorldSnapshots:
    """The last few states."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def save(self, seq: int, state: bytes) -> None:
        """Keep a state."""
        self._files.snapshots = [*self._files.snapshots[-3:], (seq, state, sha256(state).digest())]

    def latest(self) -> tuple[int, bytes] | None:
        """The newest one, as it was saved."""
        kept = self._files.snapshots
        return (kept[-1][0], kept[-1][1]) if kept else None


class WorldTape:
    """The tape of one process; what was not flushed dies with it, and a crash may take more."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._waiting: list[tuple[int, Any]] = []

    def write(self, seq: int, event: Any) -> None:
        """Take an event in; those of the world are of one row and never move."""
        self._waiting.append((seq, event))

    def flush(self) -> None:
        """Out of this process."""
        self._files.tape += self._waiting
        self._waiting.clear()

    def read(self, after: int) -> Iterator[tuple[int, Any]]:
        """Events that came after the row ``after``."""
        return iter([entry for entry in self._files.tape if entry[0] >= after])

    def close(self) -> None:
        """Write the rest."""
        self.flush()

    def crash(self, lost_ns: int) -> None:
        """The process is gone, and with it up to ``lost_ns`` of the newest events."""
        tape = self._files.tape
        if tape and lost_ns:
            since = tape[-1][1].ts_event - lost_ns
            while tape and tape[-1][1].ts_event >= since:
                tape.pop()
        self._waiting.clear()
