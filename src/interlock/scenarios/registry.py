"""The scenarios by name: what each answers to, and how long it may take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec

from interlock.scenarios.stage import Stage

Run = Callable[[Stage], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario. ``complaint`` is its number in docs/scenarios.md, ``deadline`` seconds."""

    name: str
    complaint: int
    fault: str
    run: Run
    deadline: float


class ScenarioError(ValueError):
    """A name that is no scenario; the text has those that are."""


def scenario(
    name: str, *, complaint: int, fault: str, deadline: float = 90.0
) -> Callable[[Run], Run]:
    """Register a scenario."""

    def register(run: Run) -> Run:
        SCENARIOS[name] = Scenario(
            name=name, complaint=complaint, fault=fault, run=run, deadline=deadline
        )
        return run

    return register
