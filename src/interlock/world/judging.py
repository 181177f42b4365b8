"""What a judge of the world may see; the judges themselves are in ``judges``."""

from __future__ import annotations

from typing import Any

from interlock.model.rows import AnyRow, StoredRow
from interlock.model.venue import Request
from interlock.runtime.values import Outputs
from interlock.world.process import Process
from interlock.world.scene import Scene
from interlock.world.truth import Violation


class Judge:
    """Looks at the world after every step; raises Violation. Does nothing itself.

    ``invariants`` are those it can raise; ``checked`` counts how often each was really put to the
    test.
    """

    invariants: tuple[str, ...] = ()
    # The inputs that ``took`` is called for when they bring neither requests nor rows; None: all.
    hears: tuple[type, ...] | None = None

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.record = scene.truth.record
        self.checked: dict[str, int] = dict.fromkeys(self.invariants, 0)

    def demand(self, invariant: str, is_held: bool, text: str) -> None:
        """Count one test of an invariant; raises Violation when it does not hold."""
        self.checked[invariant] += 1
        if not is_held:
            raise Violation(invariant, text)

    def may_act(self) -> bool:
        """Whether an engine trades and reaches a venue that lets it."""
        process, network, ts = self.scene.running, self.scene.network, self.scene.timeline.ts
        if process is None or process.loop is None or process.is_paused:
            return False
        if ts < max(network.cut_until, network.nameless_until, network.closed_until):
            return False
        engine = process.loop.engine
        return engine.startup.is_trading and process.now_ns() >= engine.asks.budget.ts_silent

    def saw(self, event: Any) -> None:
        """The venue did something with an account or a symbol's rules; the record has it."""

    def leaves(self, process: Process, request: Request) -> None:
        """A request was handed to the port: the last check is behind it."""

    def durable(self, process: Process, rows: list[StoredRow]) -> None:
        """Rows became durable."""

    def wrote(self, process: Process, row: AnyRow) -> None:
        """One durable row, in the order of the ledger; the record has it and none after it."""

    def took(self, process: Process, event: Any, outputs: Outputs) -> None:
        """A core took an input."""

    def told(self, process: Process, fact: Any) -> None:
        """A core told something."""

    def started(self, process: Process) -> None:
        """An engine recovered."""

    def ended(self, process: Process, why: str) -> None:
        """A process is gone."""

    def commanded(self, process: Process, name: str) -> None:
        """An operator gave a verb to a process that runs."""

    def quiet(self) -> None:
        """Everything has been quiet for the time of the plan."""
