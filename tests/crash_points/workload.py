"""What is interrupted: an engine of the toy world trades, and everything it keeps goes to a disk.

The rows, market events and snapshots are those of a real core under one seed. They are written as
the live edge writes them: tape flushed, rows committed, snapshot saved after its rows, lease taken
and renewed, and the engine closed and started again on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.storage import FolderSnapshots, SqlLeases, open_ledger, prepare
from interlock.adapters.storage.ledger import read_stored
from interlock.adapters.tape import FolderTape
from interlock.kernel.state import State
from interlock.live.start import EXTRA_INPUTS, Entry, Plan
from interlock.model.chain import GENESIS
from interlock.model.rows import IntentRow, decode_row
from interlock.ports import LedgerFault, TapeFault
from interlock.runtime.recovery import recover
from interlock.runtime.values import LeaseChanged, Outputs
from tests.crash_points.operations import Kind, Recorder
from tests.toy_players import SECOND, T0
from tests.toy_world import NONE, World

ACCOUNT = "main"
HOLDER = "engine"
LEDGER = "ledger.sqlite"
RESERVE = LEDGER + ".reserve"
# Commits between two visits of the quiet moment in which the log is copied into the database.
TIDY_EVERY = 10
RENEW_EVERY = 15
# Seconds of the toy world between two snapshots.
CHECKPOINT_S = 1
LEASE_NS = 15 * SECOND

# Open orders with their filled units, orders that are over, the wallet.
Books = tuple[list[tuple[str, int]], list[str], int]


class Step(msgspec.Struct, frozen=True):
    """One thing to keep: a "start", a "tape" event, "rows" of one commit, or a state to "keep"."""

    what: str
    seq: int = 0
    value: Any = None
    ts: int = 0


class _Written(World):
    """The toy world, writing down what its engine keeps."""

    def __init__(self, seed: int, **options: Any) -> None:
        self.steps: list[Step] = []
        super().__init__(seed, **options)

    def _start(self) -> None:
        self.steps.append(Step("start", len(self.rows), ts=self.ts))
        super()._start()

    def _out(self, out: Outputs) -> None:
        for seq, event in out.tape:
            self.steps.append(Step("tape", seq, event.copy(), self.ts))
        super()._out(out)

    def _commit(self, rows: list[Any]) -> None:
        self.steps.append(Step("rows", len(self.rows) + len(rows), rows, self.ts))
        super()._commit(rows)

    def checkpoint(self) -> None:
        """Time for a snapshot, if an engine is there to take one."""
        if self.engine is not None:
            self.keep()

    def keep(self) -> None:
        before = self.kept
        super().keep()
        if self.kept is not None and self.kept is not before:
            self.steps.append(Step("keep", *self.kept, self.ts))


class Workload:
    """``transactions`` commits of one seed, over two lives of the engine."""

    def __init__(self, transactions: int, seed: int = 4) -> None:
        self.transactions = transactions
        busy_s = max(60, transactions)
        self.world = _Written(
            seed, faults=NONE, busy_ns=busy_s * SECOND, quiet_ns=10 * SECOND,
            crash_at=transactions, snapshots=0.0,
        )  # fmt: skip
        for second in range(1, busy_s, CHECKPOINT_S):
            self.world.at(T0 + second * SECOND + SECOND // 8, self.world.checkpoint)
        self.world.run()
        ends = [at for at, step in enumerate(self.world.steps, 1) if step.what == "rows"]
        if len(ends) < transactions:
            raise ValueError(f"seed {seed} makes {len(ends)} commits, not {transactions}")
        self.steps = self.world.steps[: ends[transactions - 1]]
        self._rows = [decode_row(stored.row) for stored in self.world.rows]
        self._books: dict[int, Books] = {}

    def plan(self, folder: Path) -> Plan:
        """How the program is started on what the workload left."""
        setup = self.world.setup()
        (member,) = setup.members
        return Plan(
            folder=folder,
            entries=[Entry(member.name, lambda: self.world.setup().members[0].strategy,
                           member.capital)],
            currency=setup.currency,
            limits=setup.limits,
            settings=setup.settings,
            rate=setup.rate,
        )  # fmt: skip

    def books_after(self, seq: int) -> Books:
        """What the first ``seq`` rows say, from memory and without a market."""
        if seq not in self._books:
            found = recover(self.world.setup(), rows=self.world.rows[:seq])
            self._books[seq] = self.books_of(found.state, seq)
        return self._books[seq]

    def books_of(self, state: State, seq: int) -> Books:
        """Orders and money of a recovered state as far as they follow from the first rows.

        What the strategy wants anew, for events after its last durable intent, is no part of it:
        an order of its own, or that one is to be changed or canceled.
        """
        intended = {row.key for row in self._rows[:seq] if isinstance(row, IntentRow)}
        found = sorted(
            (name, order.filled) for name, order in state.open.items() if name in intended
        )
        return found, sorted(intended & set(state.closed)), state.wallet


class Player:
    """Writes the steps of a workload below a recorder's folder, as the live edge does."""

    def __init__(
        self, workload: Workload, recorder: Recorder, *, renew_every: int = RENEW_EVERY
    ) -> None:
        self.workload = workload
        self.recorder = recorder
        self.path = recorder.root / LEDGER
        self.low = False
        self.warnings = 0
        self.ts = T0
        self._events = 0
        self._renew_every = renew_every

    def now_ns(self) -> int:
        return self.ts

    def play(self, steps: list[Step]) -> None:
        """Raises LedgerFault where an engine would end; what only helps later is a warning."""
        with ExitStack() as life:
            for step in steps:
                self.ts = max(self.ts, step.ts)
                if step.what == "start":
                    life.close()
                    self._open(life)
                else:
                    self._keep(step)

    def _open(self, life: ExitStack) -> None:
        self._leases = SqlLeases(prepare(self.path))
        self.recorder.acknowledge("version", 1)
        lease = self._leases.acquire(ACCOUNT, HOLDER, ts=self.ts, ttl_ns=LEASE_NS)
        assert lease is not None
        self._lease = lease
        self.recorder.acknowledge("epoch", lease.epoch)
        self._ledger = life.enter_context(open_ledger(self.path, leases=[lease]))
        self._snapshots = FolderSnapshots(
            self.recorder.root / "snapshots", anchor=self._ledger.digest_at
        )
        self._tape = FolderTape(self.recorder.root / "tape", clock=self, extra=EXTRA_INPUTS)
        life.callback(self._close_tape)
        self._event(self._ledger.last(), LeaseChanged(self.ts, lease))
        self._commits = 0

    def _event(self, seq: int, event: Any) -> None:
        self._tape.write(seq, event)
        self._events += 1

    def _close_tape(self) -> None:
        with self._warned(), self._tape_synced():
            self._tape.close()

    @contextmanager
    def _tape_synced(self) -> Iterator[None]:
        """Events are promised by a sync of their segment; those of a flush that failed are not."""
        before = len(self.recorder.operations)
        yield
        happened = self.recorder.operations[before:]
        if any(one.kind is Kind.SYNC and one.path.startswith("tape/") for one in happened):
            self.recorder.acknowledge("tape", self._events)

    def _keep(self, step: Step) -> None:
        if step.what == "tape":
            self._event(step.seq, step.value)
        elif step.what == "keep":
            with self._warned():
                self._snapshots.save(step.seq, step.value)
                self.recorder.acknowledge("snapshot", step.seq)
        else:
            self._commit(step)

    def _commit(self, step: Step) -> None:
        with self._warned(), self._tape_synced():
            self._tape.flush()
            # Its thread that syncs is waited for, so that a record is the same each time.
            self._tape._syncs.submit(int).result()
        self._ledger.append(step.value)
        if self._commits % 2:
            # As the live edge does it when the thread that commits is free.
            self._ledger.stage()
        self.recorder.acknowledge("rows", self._ledger.commit())
        self.low = self.low or self._ledger.space_is_low
        self._commits += 1
        with self._warned(LedgerFault):
            if self._commits % TIDY_EVERY == 0:
                self._ledger.tidy()
            if self._commits % self._renew_every == 0:
                self._leases.renew(self._lease, ts=self.ts, ttl_ns=LEASE_NS)

    @contextmanager
    def _warned(self, *more: type[Exception]) -> Iterator[None]:
        """What the live edge only warns of: it goes on."""
        try:
            yield
        except (TapeFault, OSError, *more):
            self.warnings += 1


def digests(path: Path) -> list[bytes]:
    """The chain's digest after each row of a ledger, at 0 the one before the first."""
    return [GENESIS, *(stored.digest for stored in read_stored(prepare(path)))]
