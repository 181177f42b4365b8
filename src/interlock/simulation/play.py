"""One plan, played with every judge."""

from __future__ import annotations

from collections.abc import Callable

from interlock.world.exchange import LISTED
from interlock.world.judges import JUDGES
from interlock.world.plan import Plan
from interlock.world.story import Story
from interlock.world.world import Verdict, World


def play(plan: Plan, *, write: Callable[[str], None] | None = None) -> Verdict:
    """The verdict of a plan; ``write`` gets its story line by line."""
    tells = None
    if write is not None:
        instruments = {instrument.id: instrument for instrument, _ in LISTED}
        tells = Story(instruments, write).hear
    return World(plan, JUDGES, tells=tells).run()
