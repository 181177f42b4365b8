"""The one start path: lease, ledger, venue, recovery, engine; the same after a crash.

Order matters here. The lease comes first, so that a second engine stops before it reads anything
it could act on. The ledger is checked before it is believed. The venue is connected before the
state is rebuilt, because its instruments give the numbers their units.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec

from interlock.adapters.storage import (
    FolderSnapshots,
    SqlLeases,
    SqlLedger,
    open_ledger,
    prepare,
)
from interlock.adapters.storage.ledger import read_stored
from interlock.adapters.tape import FolderTape, TapeReader
from interlock.kernel.snapshot import SnapshotError
from interlock.kernel.state import Limits, State
from interlock.live.driver import LEASE_TTL_NS, Doors, Driver
from interlock.live.inlet import BarMaker, Inlet
from interlock.model.instrument import Instrument
from interlock.ports import Clock, Lease, LedgerFault, Venue
from interlock.runtime.engine import Engine
from interlock.runtime.recovery import Member, Recovered, Setup, recover
from interlock.runtime.settings import Settings
from interlock.runtime.values import Command, LeaseChanged, Tick
from interlock.strategy.api import Strategy

EXTRA_INPUTS = (Tick, Command, LeaseChanged)


class StartError(RuntimeError):
    """A start that must not go on; the text names what stands in the way and the remedy."""


class Entry(msgspec.Struct, frozen=True):
    """A strategy under its name with its share of the cash, in money units."""

    name: str
    make: Callable[[], Strategy]
    capital: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to trade and where to remember it.

    ``ledger`` is a path or a database URL. ``bar_steps`` are bars made here from trades, in ns.
    """

    folder: Path
    entries: Sequence[Entry]
    currency: str
    ledger: str = ""
    limits: Limits = Limits()
    settings: Settings = Settings()
    bar_steps: tuple[int, ...] = ()

    @property
    def where(self) -> str:
        """Path or URL of the ledger."""
        return self.ledger or str(self.folder / "ledger.sqlite")


@runtime_checkable
class Resumes(Protocol):
    """A venue that lives in this process and takes over what an earlier one left: paper."""

    def resume(self, state: State) -> None: ...


class Started(msgspec.Struct, frozen=True):
    """A driver that is ready to run, and what the start found."""

    driver: Driver
    recovered: Recovered
    makers: tuple[BarMaker, ...]
    used_snapshot: bool


async def start(plan: Plan, venue: Venue, clock: Clock, *, told: Callable[[Any], None]) -> Started:
    """Make a driver. Raises StartError, LedgerFault, or what the venue's connection raises."""
    plan.folder.mkdir(parents=True, exist_ok=True)
    leases = SqlLeases(prepare(plan.where))
    lease = _acquire(leases, plan, clock)
    ledger = open_ledger(plan.where, leases=[lease])
    try:
        inlet = Inlet()
        await venue.connect(inlet)
        setup = _setup(plan, tuple(venue.instruments()))
        snapshots = FolderSnapshots(plan.folder / "snapshots", anchor=ledger.digest_at)
        recovered, used = _recover(plan, setup, ledger, snapshots)
        if isinstance(venue, Resumes) and recovered.books.ts_opened:
            venue.resume(recovered.state)
        tape = FolderTape(plan.folder / "tape", clock=clock, extra=EXTRA_INPUTS)
        engine = Engine(setup, recovered, lease)
    except BaseException:
        ledger.close()
        leases.release(lease)
        await venue.close()
        raise
    doors = Doors(
        venue=venue, ledger=ledger, leases=leases, snapshots=snapshots, tape=tape, clock=clock
    )
    driver = Driver(engine, doors, lease, told=told)
    makers: list[BarMaker] = []
    sink: Callable[[Any], None] = driver.hear
    for step in plan.bar_steps:
        maker = BarMaker(setup.instruments, step, sink)
        makers.append(maker)
        sink = maker
    driver.begin()
    inlet.open(sink)
    return Started(driver, recovered, tuple(makers), used)


def _acquire(leases: SqlLeases, plan: Plan, clock: Clock) -> Lease:
    account = plan.settings.account
    holder = f"{os.uname().nodename}:{plan.folder.resolve()}"
    ts = clock.now_ns()
    lease = leases.acquire(account, holder, ts=ts, ttl_ns=LEASE_TTL_NS)
    if lease is None:
        held = leases.current(account)
        left = 0 if held is None else max(0, (held.ts_expires - ts) // 10**9)
        owner = "another engine" if held is None else held.holder
        raise StartError(
            f"account {account!r} is traded by {owner}; its lease ends in {left} s unless it is "
            "renewed: stop that engine, or wait until its lease has run out"
        )
    return lease


def _setup(plan: Plan, instruments: tuple[Instrument, ...]) -> Setup:
    members = [Member(entry.name, entry.make(), entry.capital) for entry in plan.entries]
    return Setup(
        instruments=instruments,
        members=members,
        currency=plan.currency,
        limits=plan.limits,
        settings=plan.settings,
    )


def _recover(
    plan: Plan, setup: Setup, ledger: SqlLedger, snapshots: FolderSnapshots
) -> tuple[Recovered, bool]:
    """From the newest snapshot that can be read; without one from the whole ledger."""
    kept = snapshots.latest()
    reader = TapeReader(plan.folder / "tape", extra=EXTRA_INPUTS)
    if kept is not None:
        seq, state = kept
        try:
            rows = read_stored(ledger.database, seq)
            return recover(setup, kept=state, rows=rows, tape=reader.read(seq)), True
        except SnapshotError:
            # Written by another version: the ledger has everything that matters.
            setup = _setup(plan, tuple(setup.instruments))
    rows = read_stored(ledger.database, 0)
    return recover(setup, rows=rows, tape=reader.read(0)), False


__all__ = ["Entry", "LedgerFault", "Plan", "StartError", "Started", "start"]
