"""Everything that is in the world of one plan, and what its operators do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.model.limits import Limits
from interlock.runtime.recovery import Member, Setup
from interlock.runtime.settings import SECOND, Settings
from interlock.world.chance import Chance
from interlock.world.dice import Dice
from interlock.world.exchange import CASH, MARKS_NS, Exchange
from interlock.world.kinds import COUNT, KINDS
from interlock.world.lines import LINES
from interlock.world.network import Network
from interlock.world.plan import AFTERMATH, QUIET, Plan
from interlock.world.process import Process, Surroundings, Watch
from interlock.world.storage import Files
from interlock.world.timeline import Timeline
from interlock.world.truth import Truth
from interlock.world.workload import Bracketed, Part, Restless

_EPOCH = 1_700_000_000 * SECOND
_FUNDING = 8 * 3_600 * SECOND
# Trading goes on without faults for this long, so that "trades again" can be seen.
TRADES_AGAIN = 60 * SECOND
# Comparisons often enough to end within the quiet time; marks are farther apart than at the venue.
SETTINGS = Settings(
    full_every_ns=75 * SECOND, orders_every_ns=30 * SECOND, market_silence_ns=20 * SECOND
)
# How often somebody looks at paused instruments.
PATROL = 45 * SECOND

# Hears a line of the story: time since the start in ns, who and what, and the value it is about.
Tells = Callable[[int, str, Any], None]


class Scene:
    """Everything under one plan. ``tells`` hears the story, line by line, when it is wanted."""

    def __init__(self, plan: Plan, watch: Watch, *, tells: Tells | None = None) -> None:
        self.plan = plan
        self.tells = tells
        self.dice = Dice(plan, told=self._struck if tells is not None else None)
        chance = Chance(plan.seed, "world")
        # So that a funding falls into the busy time, and marks onto the seconds of their stream.
        before = chance.between(1, max(1, plan.busy_ns // MARKS_NS)) * MARKS_NS
        start = _EPOCH - _EPOCH % _FUNDING + _FUNDING - before
        self.timeline = Timeline(start)
        self.times = {
            kind.name: self.dice.times(kind.name, start) for kind in KINDS if kind.unit == COUNT
        }
        self.ts_start = start
        self.ts_calm = start + plan.busy_ns
        self.ts_trades = self.ts_calm + AFTERMATH + TRADES_AGAIN
        self.ts_end = self.ts_trades + AFTERMATH + QUIET
        self.files = Files()
        self.truth = Truth(self.files, lambda: self.timeline.ts)
        line = LINES[plan.venue]
        listed = line.listed[: 1 + (chance.below(3) == 0)]
        self.exchange = Exchange(plan.seed, line, listed, start)
        self.exchange.observers.append(self.truth.saw)
        self.network = Network(self.timeline, self.exchange, self.dice)
        around = Surroundings(
            timeline=self.timeline,
            network=self.network,
            exchange=self.exchange,
            files=self.files,
            dice=self.dice,
        )
        self._watch = watch
        self.settings = msgspec.structs.replace(
            SETTINGS,
            dead_man_ns=plan.dead_man_ns,
            dead_man_scope="account" if line.is_switch_of_account else "instrument",
            dead_man_keeps_stops=plan.switch_keeps_stops,
        )
        self.protected = chance.below(3) == 0
        self._pace = chance.between(400_000, 1_000_000)
        # What the kernel may hold of one instrument, and put into one order: every second plan
        # meets its limit after a few orders. Whoever starts next starts with these, and divides
        # this cash among the strategies.
        most = CASH // (20 if Chance(plan.seed, "limit").below(2) else 250)
        self.limits = Limits(position_notional_max=most)
        self.cash = CASH
        self.first = Process("first", around, self.setup, watch)
        self.second = Process("second", around, self.setup, watch)
        self.second.is_wanted = False

    @property
    def processes(self) -> tuple[Process, Process]:
        """Both engines that there may be."""
        return self.first, self.second

    @property
    def running(self) -> Process | None:
        """The process with the highest epoch that runs, None when none does."""
        alive = [process for process in self.processes if process.loop is not None]
        return max(
            alive, key=lambda p: p.loop.engine.fence.lease.epoch if p.loop else 0, default=None
        )

    # Operators and peers.
    def order(self, verb: str, *, twice: bool = False, scope: str = "") -> None:
        """An operator gives a verb to the first engine, for all of it or for a scope."""
        for _ in range(1 + twice):
            if self.first.loop is not None:
                self.story("operator", verb, scope)
                self.first.command(verb, scope)
                self._watch.commanded(self.first, verb)

    def lift(self, *, all_of_it: bool = True) -> None:
        """An operator lifts what holds the engine; without ``all_of_it`` pauses of instruments."""
        process = self.running
        if process is None or process.loop is None:
            return
        switches = process.loop.engine.desk.books.switches
        for scope, (state, _) in list(switches.items()):
            is_held = state in ("paused", "halted", "flat") and (all_of_it or scope)
            if is_held and process.loop is not None:
                self.story("operator", "resume", scope)
                process.command("resume", scope)

    def patrol(self) -> None:
        """An operator has looked at what paused an instrument, and lifts it."""
        self.lift(all_of_it=False)
        if not self.dice.is_calm:
            self.timeline.after(PATROL, self.patrol)

    def turn_switch(self) -> None:
        """Whoever starts next uses the venue's switch, or does not, where the plan has it on."""
        delay = 0 if self.settings.dead_man_ns else self.plan.dead_man_ns
        self.settings = msgspec.structs.replace(self.settings, dead_man_ns=delay)

    def invite_second(self, length_ns: int) -> None:
        """A second engine wants the account for a while."""
        self.second.is_wanted = True
        self.timeline.after(0, self.second.start)
        self.timeline.after(length_ns, self.dismiss_second)

    def dismiss_second(self) -> None:
        """The second engine is taken away."""
        self.second.is_wanted = False
        self.second.kill("taken away")

    # Parts.
    def setup(self) -> Setup:
        """What an engine of this scene is made of, new each time."""
        kind = Bracketed if self.protected else Restless
        instruments = [self.exchange.core.instrument(i.id) for i in self.exchange.instruments]
        fails = tuple(
            ts
            for number, ts in enumerate(self.times["strategy_fault"], 1)
            if self.plan.allows(f"strategy_fault {number}")
        )
        members = []
        for instrument in instruments:
            part = Part(
                seed=self.plan.seed,
                instrument=instrument,
                until=self.ts_trades,
                pace=self._pace,
                fails=fails,
                has_stop_limits=self.plan.has_stop_limits,
            )
            name = f"{kind.__name__.lower()}-{instrument.base.lower()}"
            members.append(Member(name, kind(part), self.cash // len(instruments)))
        return Setup(
            instruments=instruments,
            members=members,
            currency=self.exchange.line.currency,
            limits=self.limits,
            settings=self.settings,
            rate=self.exchange.line.rate,
        )

    def _struck(self, strike: str) -> None:
        self.story("fault", strike)

    def story(self, who: str, what: str, value: Any = "") -> None:
        """Tell a line of what happened, when somebody wants to hear it."""
        if self.tells is not None:
            self.tells(self.timeline.ts - self.ts_start, f"{who} {what}", value)
