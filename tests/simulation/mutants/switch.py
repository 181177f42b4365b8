"""Planted in the venue's switch for a silent engine: R13."""

from __future__ import annotations

from typing import Any

from interlock.runtime.dead_man import DeadMan
from interlock.runtime.engine import Engine
from tests.simulation.mutants.planting import Patch, mutant


@mutant("R13", "the venue's switch is armed once and never renewed")
def switch_is_not_renewed(patch: Patch) -> None:
    def send(self: DeadMan, switch: str, delay_ms: int) -> None:
        if delay_ms and self.armed.get(switch):
            self.armed[switch] = self.desk.ts
            return
        before(self, switch, delay_ms)

    before = patch.set(DeadMan, "_send", send)


@mutant("R13", "the venue's switch is never armed")
def switch_is_not_armed(patch: Patch) -> None:
    patch.set(DeadMan, "_over_orders", lambda self: {})


@mutant("R13", "the venue's switch is renewed by an engine that does not trade")
def switch_without_trading(patch: Patch) -> None:
    def due(self: Engine) -> None:
        if not self.fence.is_lost:
            self.dead_man.due()

    patch.set(Engine, "_dead_man", due)


@mutant("R13", "the venue's switch is not taken off a position whose stops it takes")
def switch_over_a_position(patch: Patch) -> None:
    patch.set(DeadMan, "_exposed", lambda self: {})


@mutant("R13", "the venue's switch is never taken off")
def switch_is_not_taken_off(patch: Patch) -> None:
    def send(self: DeadMan, switch: str, delay_ms: int) -> None:
        if delay_ms:
            before(self, switch, delay_ms)
        else:
            self.armed.pop(switch, None)

    before = patch.set(DeadMan, "_send", send)


@mutant("R13", "a start forgets the switches that a former process armed")
def switch_of_before_is_forgotten(patch: Patch) -> None:
    def begin(self: DeadMan, *given: Any) -> None:
        before(self, *given)
        self.armed.clear()

    before = patch.set(DeadMan, "__init__", begin)
