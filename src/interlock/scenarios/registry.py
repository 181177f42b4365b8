"""The scenarios by name: what each answers to, and how long it may take."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from interlock.scenarios.protocols import BINANCE, Protocol
from interlock.scenarios.stage import Stage

Run = Callable[[Stage], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario. ``complaint`` is its number in docs/scenarios.md, ``deadline`` seconds.

    The name of one that is played on another protocol than Binance's begins with that one's.
    """

    name: str
    complaint: int
    fault: str
    run: Run
    deadline: float
    protocol: Protocol = BINANCE


class ScenarioError(ValueError):
    """A name that is no scenario; the text has those that are."""


def scenario(
    name: str,
    *,
    complaint: int,
    fault: str,
    deadline: float = 90.0,
    protocols: Sequence[Protocol] = (BINANCE,),
) -> Callable[[Run], Run]:
    """Register a scenario, once for each protocol that it is played on."""

    def register(run: Run) -> Run:
        for protocol in protocols:
            whole = name if protocol is BINANCE else f"{protocol.name}-{name}"
            SCENARIOS[whole] = Scenario(
                name=whole,
                complaint=complaint,
                fault=fault,
                run=run,
                deadline=deadline,
                protocol=protocol,
            )
        return run

    return register
