"""A state folder as a live run leaves it, from a toy world: ledger, tape, snapshot and terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from interlock.adapters.storage import FolderSnapshots, SqlLeases, open_ledger, prepare
from interlock.adapters.tape import FolderTape
from interlock.live.start import EXTRA_INPUTS
from interlock.live.terms import terms_of, write_terms
from interlock.research.loading import load_strategy
from tests.toy_players import T0
from tests.toy_truth import Truth
from tests.toy_world import NONE, World

MEMBER = "toy"
# Enters with a stop, leaves by time, and answers a rejection: a little of everything.
SOURCE = '''"""Buys dips in brackets."""

from interlock.strategy.api import Strategy
from interlock.strategy.parameters import param

SECOND = 10**9


class Dips(Strategy):
    """One bracket at a time."""

    seed: int = param(1)
    until: int = param(2**62)
    dip: float = param(0.1, 0.0, 10.0, text="how far below the last high")
    size: float = param(2.0, 1.0, 100.0)
    hold: float = param(6.0, 0.5, 60.0, text="seconds")

    def on_start(self):
        self.high = 0.0
        self.entry = 0
        self.since = 0
        self.heard = []

    def on_quote(self, quote):
        if quote.ts_event >= self.until:
            return
        self.high = max(self.high, quote.bid)
        now = self.view.ts_event
        if self.view.position_units():
            if now - self.since > self.hold * SECOND:
                self.since = now
                self.close(tag="time")
        elif not self.view.open_orders() and quote.bid <= self.high - self.dip:
            self.high, self.since = quote.bid, now
            self.entry = self.bracket(
                1, self.size, stop=quote.bid - 0.3, target=quote.bid + 0.4
            )

    def on_fill(self, fill):
        self.heard.append((fill.ref, fill.quantity))
'''


class _Clock:
    def now_ns(self) -> int:
        return T0


class _Forgiving(Truth):
    """Allows what the toy world never means to happen: a strategy that raises."""

    def told(self, facts: list[Any]) -> None:
        super().told([fact for fact in facts if getattr(fact, "name", "") != "STRATEGY_FAILED"])


class _Keeping(World):
    """Keeps every snapshot, so that one is older than any window."""

    def __post_init__(self) -> None:
        self.every: list[tuple[int, bytes]] = []
        super().__post_init__()

    def keep(self) -> None:
        super().keep()
        if self.kept is not None:
            self.every.append(self.kept)


def play(folder: Path, seed: int = 3, *, source: str = SOURCE, snapshots: float = 0.03) -> World:
    """Trade the strategy of ``source`` in a world without faults and keep it in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "dips.py"
    file.write_text(source, encoding="utf-8")
    kind = load_strategy(str(file)).kind
    world = _Keeping(seed, faults=NONE, strategy=kind, snapshots=snapshots)
    world.truth = _Forgiving(world.venue)
    world.run()
    keep(world, folder)
    file.unlink()
    return world


def keep(world: World, folder: Path) -> None:
    """Write what a world did where a live run keeps it."""
    where = folder / "ledger.sqlite"
    lease = SqlLeases(prepare(where)).acquire("main", "1", ts=T0, ttl_ns=10**9)
    assert lease is not None
    assert world.epoch == lease.epoch == 1
    with open_ledger(where, leases=[lease]) as ledger:
        ledger.append([stored.row for stored in world.rows])
        ledger.commit()
        if world.kept is not None:
            every = world.every if isinstance(world, _Keeping) else [world.kept]
            kept = FolderSnapshots(
                folder / "snapshots", keep=len(every) + 2, anchor=ledger.digest_at
            )
            for seq, state in every:
                kept.save(seq, state)
    tape = FolderTape(folder / "tape", clock=_Clock(), extra=EXTRA_INPUTS)
    for seq, event in world.tape:
        tape.write(seq, event)
    tape.close()
    write_terms(folder, terms_of(world.setup(), 1, T0))
