"""A plan played: phases, judges, verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from interlock.model.rows import StoredRow, decode_row
from interlock.model.venue import Request
from interlock.runtime.settings import SECOND
from interlock.runtime.values import Outputs
from interlock.sim.venue.values import (
    AccountEvent,
    ConditionalEvent,
    ConfigEvent,
    MarketStatus,
    OrderEvent,
)
from interlock.world.judging import Judge
from interlock.world.market import Walk
from interlock.world.marks import Marks
from interlock.world.plan import AFTERMATH, Plan
from interlock.world.process import Process, Watch
from interlock.world.scene import TRADES_AGAIN, Scene, Tells
from interlock.world.trouble import Trouble
from interlock.world.truth import Violation


class Verdict(msgspec.Struct, kw_only=True):
    """What came of a plan. ``invariant`` is empty when nothing was violated."""

    plan: Plan
    digest: str
    invariant: str = ""
    text: str = ""
    ts: int = 0
    simulated_ns: int = 0
    steps: int = 0
    inputs: int = 0
    orders: int = 0
    fills: int = 0
    rows: int = 0
    lives: int = 0
    struck: dict[str, int] = {}
    mattered: dict[str, int] = {}
    marks: dict[str, int] = {}
    checked: dict[str, int] = {}
    strikes: list[str] = []

    @property
    def is_clean(self) -> bool:
        """Whether every invariant held."""
        return not self.invariant


class _Court(Watch):
    """Passes on what happens to the truth, the story and the judges."""

    def __init__(self) -> None:
        self.inputs = 0
        self.judges: list[Judge] = []
        self.scene: Scene
        self._hooks: dict[str, list[Callable[..., None]]] = {}
        # By the kind of an input; None where it brings requests or rows.
        self._took: dict[type | None, list[Callable[..., None]]] = {}

    def seat(self, judges: list[Judge]) -> None:
        """Let judges look on; each is called for what it looks at only."""
        self.judges = judges
        for name in ("started", "ended", "wrote", "durable", "leaves", "told"):
            self._hooks[name] = _those(judges, name)
        for name in ("commanded", "saw"):
            self._hooks[name] = _those(judges, name)

    def started(self, process: Process) -> None:
        self.scene.story("process", f"{process.name} starts", process.lives)
        for look in self._hooks["started"]:
            look(process)

    def ended(self, process: Process, why: str) -> None:
        self.scene.story("process", f"{process.name} ends", why)
        for look in self._hooks["ended"]:
            look(process, why)

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        self.inputs += 1
        kind = type(event) if not (outputs.requests or outputs.rows) else None
        looks = self._took.get(kind)
        if looks is None:
            looks = self._took[kind] = _those(self._hearing(kind), "took")
        for look in looks:
            look(process, event, outputs)

    def _hearing(self, kind: type | None) -> list[Judge]:
        """Who looks at inputs of a kind; None: at one that brings requests or rows."""
        return [j for j in self.judges if kind is None or j.hears is None or kind in j.hears]

    def durable(self, process: Process, rows: list[StoredRow]) -> None:
        self.scene.truth.durable(rows)
        if self.scene.tells is not None:
            for stored in rows:
                self.scene.story(process.name, "row", stored.row)
        for look in self._hooks["durable"]:
            look(process, rows)
        record, looks = self.scene.truth.record, self._hooks["wrote"]
        for stored in rows:
            row = decode_row(stored.row)
            record.fold(row)
            for look in looks:
                look(process, row)

    def leaves(self, process: Process, request: Request) -> None:
        scene = self.scene
        scene.truth.note("leaves", process.name, type(request).__name__, request.request_id)
        scene.story(process.name, "asks", request)
        for look in self._hooks["leaves"]:
            look(process, request)

    def told(self, process: Process, fact: Any) -> None:
        self.scene.story(process.name, "tells", fact)
        for look in self._hooks["told"]:
            look(process, fact)

    def commanded(self, process: Process, verb: str) -> None:
        for look in self._hooks["commanded"]:
            look(process, verb)

    def saw(self, event: Any) -> None:
        """The venue did something."""
        if self.scene.tells is not None:
            self.scene.story("venue", type(event).__name__, event)
        if type(event) in _ABOUT_US:
            for look in self._hooks["saw"]:
                look(event)


class World:
    """One plan with its judges. ``run`` may be called once."""

    def __init__(
        self,
        plan: Plan,
        judges: Sequence[Callable[[Scene], Judge]] = (),
        *,
        tells: Tells | None = None,
    ) -> None:
        self._court = court = _Court()
        self.scene = scene = court.scene = Scene(plan, court, tells=tells)
        court.seat([*(judge(scene) for judge in judges), Marks(scene)])
        scene.exchange.observers.append(court.saw)

    def run(self) -> Verdict:
        """Play the plan to its end or to the first violation."""
        scene = self.scene
        line = scene.timeline
        line.at(line.ts, scene.first.start)
        Trouble(scene).plan()
        scene.patrol()
        line.at(scene.ts_calm, self._calm)
        line.at(scene.ts_trades, self._rest)
        invariant = text = ""
        try:
            line.run(scene.ts_end)
            for judge in self._court.judges:
                judge.quiet()
        except Violation as violation:
            invariant, text = violation.invariant, violation.text
            scene.story("violation", invariant, text)
        return self._verdict(invariant, text)

    # Phases.
    def _calm(self) -> None:
        """No faults from here on: what was broken is put right by whoever runs the place."""
        scene = self.scene
        scene.story("world", "faults stop", "")
        scene.dice.is_calm = True
        network, files, ts = scene.network, scene.files, scene.timeline.ts
        network.cut_until = network.nameless_until = network.closed_until = ts
        network.socketless_until = network.tradeless_until = ts
        files.full_until = files.unreachable_until = ts
        files.faults_due = 0
        for process in scene.processes:
            process.machine.put_right()
        if scene.first.now_ns() < ts - 1 * SECOND:
            # It would draw near for hours, and trade on when the market rests by its own clock.
            scene.first.kill("restarted with its machine's clock put right")
        scene.truth.restore_all()
        for instrument in scene.exchange.instruments:
            scene.exchange.core.resume(ts, instrument.id)
        scene.dismiss_second()
        scene.first.is_wanted = True
        scene.first.wake()
        if scene.first.loop is None:
            scene.timeline.after(1 * SECOND, scene.first.start)
        network.turn()
        for seconds in range(5, (AFTERMATH + TRADES_AGAIN) // SECOND, 10):
            scene.timeline.after(seconds * SECOND, scene.lift)

    def _rest(self) -> None:
        """The market stands still and nobody trades any more."""
        scene = self.scene
        scene.story("world", "the market rests", "")
        for flow in scene.exchange.core.state.flows.values():
            if isinstance(flow, Walk):
                flow.is_resting = True

    def _verdict(self, invariant: str, text: str) -> Verdict:
        scene = self.scene
        tally = scene.dice.tally
        checked: dict[str, int] = {}
        for judge in self._court.judges:
            for name, number in judge.checked.items():
                checked[name] = checked.get(name, 0) + number
        scene.truth.note("end", scene.exchange.wallet)
        return Verdict(
            plan=scene.plan,
            digest=scene.truth.digest,
            invariant=invariant,
            text=text,
            ts=scene.timeline.ts,
            simulated_ns=scene.timeline.ts - scene.ts_start,
            steps=scene.timeline.steps,
            inputs=self._court.inputs,
            orders=len(scene.truth.orders),
            fills=len(scene.truth.fills),
            rows=len(scene.truth.rows),
            lives=sum(process.lives for process in scene.processes),
            struck=dict(tally.struck),
            mattered=dict(tally.mattered),
            marks=dict(tally.marks),
            checked=checked,
            strikes=list(scene.dice.strikes),
        )


# What other participants do to the book is no judge's business.
_ABOUT_US = frozenset({OrderEvent, ConditionalEvent, AccountEvent, ConfigEvent, MarketStatus})


def _those(judges: Sequence[Judge], name: str) -> list[Callable[..., None]]:
    """A method of those judges that have one of their own."""
    own = [judge for judge in judges if getattr(type(judge), name) is not getattr(Judge, name)]
    return [getattr(judge, name) for judge in own]
