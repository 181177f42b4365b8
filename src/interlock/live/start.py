"""The one start path: lease, ledger, venue, recovery, engine; the same after a crash.

Order matters here. The lease comes first, so that a second engine stops before it reads anything
it could act on. The ledger is checked before it is believed. The venue is connected before the
state is rebuilt, because its instruments give the numbers their units.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
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
from interlock.kernel.state import State
from interlock.live.driver import Driver
from interlock.live.inlet import BarMaker, Inlet
from interlock.live.past import LookBack, Past
from interlock.live.terms import changed, newest_terms
from interlock.model.clock import SteadyClock
from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.ports import Clock, Lease, LedgerFault, Venue
from interlock.runtime.budget import Rate
from interlock.runtime.commits import Doors
from interlock.runtime.engine import Engine
from interlock.runtime.recovery import Member, Recovered, Setup, recover
from interlock.runtime.settings import Settings
from interlock.runtime.upkeep import CHECKPOINT_NS, LEASE_TTL_NS
from interlock.runtime.values import Command, LeaseChanged, Notice, Tick
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

    ``ledger`` is a path or a database URL. ``bar_steps`` are bars made here from trades, in ns;
    ``look_back`` are the bars of the past that come before the first one. ``checkpoint_ns`` is the
    time between two snapshots.
    """

    folder: Path
    entries: Sequence[Entry]
    currency: str
    ledger: str = ""
    limits: Limits = Limits()
    settings: Settings = Settings()
    rate: Rate = Rate()
    bar_steps: tuple[int, ...] = ()
    look_back: LookBack | None = None
    checkpoint_ns: int = CHECKPOINT_NS

    @property
    def where(self) -> str:
        """Path or URL of the ledger."""
        return self.ledger or str(self.folder / "ledger.sqlite")


@runtime_checkable
class Resumes(Protocol):
    """A venue that lives in this process and takes over what an earlier one left: paper."""

    def resume(self, state: State) -> None: ...


def _as_they_are(doors: Doors) -> Doors:
    return doors


class Started(msgspec.Struct, frozen=True):
    """A driver that is ready to run, and what the start found."""

    driver: Driver
    recovered: Recovered
    makers: tuple[BarMaker, ...]
    used_snapshot: bool
    past: Past | None = None

    async def close(self) -> None:
        """Ask the venue for nothing more."""
        if self.past is not None:
            await self.past.close()


async def start(
    plan: Plan,
    venue: Venue,
    clock: Clock,
    *,
    told: Callable[[Any], None],
    around: Callable[[Doors], Doors] = _as_they_are,
) -> Started:
    """Make a driver. Raises StartError, LedgerFault, or what the venue's connection raises.

    ``around`` may put something of its own around the doors before the driver gets them.
    """
    _make_folder(plan.folder)
    leases = SqlLeases(prepare(plan.where))
    async with AsyncExitStack() as undo:
        lease = _acquire(leases, plan, clock)
        undo.callback(_release, leases, lease)
        ledger = undo.enter_context(closing(open_ledger(plan.where, leases=[lease])))
        lease = _in_time(ledger, leases, lease, clock=clock, told=told)
        inlet = Inlet()
        undo.push_async_callback(venue.close)
        await venue.connect(inlet)
        setup = _setup(plan, tuple(venue.instruments()))
        _check_terms(plan, setup)
        snapshots = FolderSnapshots(plan.folder / "snapshots", anchor=ledger.digest_at)
        found = _recover(plan, setup, ledger, snapshots)
        _check_mode(plan, found.recovered)
        if isinstance(venue, Resumes) and found.recovered.books.ts_opened:
            venue.resume(found.recovered.state)
        tape = FolderTape(plan.folder / "tape", clock=clock, extra=EXTRA_INPUTS)
        # The first event of this run's segment says which row it began after.
        tape.write(found.recovered.seq, LeaseChanged(clock.now_ns(), lease))
        engine = Engine(found.setup, found.recovered, lease)
        undo.pop_all()
    doors = Doors(
        venue=venue, ledger=ledger, leases=leases, snapshots=snapshots, tape=tape, clock=clock
    )
    driver = Driver(engine, around(doors), told=told, checkpoint_ns=plan.checkpoint_ns)
    for text in found.findings:
        told(Notice(ts_event=clock.now_ns(), name="LEFT_OUT", level="WARNING", text=text))
    makers: list[BarMaker] = []
    sink: Callable[[Any], None] = driver.hear
    past = None
    if plan.look_back is not None:
        sink = past = Past(
            plan.look_back,
            venue,
            sink=driver.hear,
            is_trading=lambda: engine.startup.is_trading,
            told=told,
            clock=clock,
        )
    for step in plan.bar_steps:
        maker = BarMaker(setup.instruments, step, sink)
        makers.append(maker)
        sink = maker
    driver.begin()
    inlet.open(sink)
    return Started(driver, found.recovered, tuple(makers), found.used_snapshot, past)


def _check_mode(plan: Plan, recovered: Recovered) -> None:
    before, mode = recovered.books.mode, plan.settings.mode
    if before and before != mode:
        raise StartError(
            f"the ledger {plan.where} was kept in mode {before!r}, not {mode!r}: paper money and a "
            "venue's do not mix; name another folder with --state, or go on in the old mode"
        )


def _check_terms(plan: Plan, setup: Setup) -> None:
    """What a book was decided by is not changed by a start; its state would go on as before."""
    before = newest_terms(plan.folder)
    differing = [] if before is None else changed(before, setup)
    if differing:
        raise StartError(
            f"the book in {plan.folder} was kept with other parameters: {'; '.join(differing)}. "
            "Give them as they were, or begin a new book in another folder (--state)"
        )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartError(
            f"{folder} cannot be made: {error.strerror}; name a folder that this user may write, "
            "on a disk with space"
        ) from error


def _release(leases: SqlLeases, lease: Lease) -> None:
    # A ledger that cannot be written keeps the lease until it runs out; the first fault counts.
    with suppress(LedgerFault):
        leases.release(lease)


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


def _in_time(
    ledger: SqlLedger, leases: SqlLeases, lease: Lease, *, clock: Clock, told: Callable[[Any], None]
) -> Lease:
    """Go on from the ledger's last row where the machine's clock was set back meanwhile."""
    last = max((row.ts_event for _, row in ledger.read(max(0, ledger.last() - 1))), default=0)
    ahead = clock.reach(last) if isinstance(clock, SteadyClock) else 0
    if not ahead:
        return lease
    ts = clock.now_ns()
    text = f"{ahead / 10**9:g} s behind the ledger; time goes on from its last row"
    told(Notice(ts_event=ts, name="CLOCK_SET_BACK", level="WARNING", text=text))
    held = leases.renew(lease, ts=ts, ttl_ns=LEASE_TTL_NS)
    if held is None:
        raise StartError(f"account {lease.account!r} was taken by another engine meanwhile")
    return held


def _setup(plan: Plan, instruments: tuple[Instrument, ...]) -> Setup:
    members = [Member(entry.name, entry.make(), entry.capital) for entry in plan.entries]
    return Setup(
        instruments=instruments,
        members=members,
        currency=plan.currency,
        limits=plan.limits,
        settings=plan.settings,
        rate=plan.rate,
    )


class _Found(msgspec.Struct, frozen=True):
    """What is on disk: the state, how it was made, and what had to be left out."""

    setup: Setup
    recovered: Recovered
    used_snapshot: bool
    findings: tuple[str, ...]


def _recover(plan: Plan, setup: Setup, ledger: SqlLedger, snapshots: FolderSnapshots) -> _Found:
    """From the newest snapshot that can be read; without one from the whole ledger."""
    kept = snapshots.latest()
    findings = list(snapshots.findings)
    reader = TapeReader(plan.folder / "tape", extra=EXTRA_INPUTS)
    if kept is not None:
        seq, state = kept
        try:
            rows = read_stored(ledger.database, seq)
            recovered = recover(setup, kept=state, rows=rows, tape=reader.read(seq))
            return _Found(setup, recovered, True, (*findings, *reader.findings))
        except SnapshotError as error:
            # Written by another version: the ledger has everything that matters.
            findings.append(f"the snapshot of row {seq} is not used: {error}")
            setup = _setup(plan, tuple(setup.instruments))
    rows = read_stored(ledger.database, 0)
    recovered = recover(setup, rows=rows, tape=reader.read(0))
    return _Found(setup, recovered, False, (*findings, *reader.findings))


__all__ = ["Entry", "LedgerFault", "Plan", "StartError", "Started", "start"]
