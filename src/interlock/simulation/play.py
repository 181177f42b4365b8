"""One plan, played with every judge."""

from __future__ import annotations

from collections.abc import Callable

from interlock.world.judges import JUDGES
from interlock.world.lines import LINES
from interlock.world.plan import Plan
from interlock.world.story import Story
from interlock.world.world import Verdict, World


def play(plan: Plan, *, write: Callable[[str], None] | None = None) -> Verdict:
    """The verdict of a plan; ``write`` gets its story line by line."""
    if write is None:
        return World(plan, JUDGES).run()
    listed = LINES[plan.venue].listed
    story = Story({item.instrument.id: item.instrument for item in listed}, write)
    verdict = World(plan, JUDGES, tells=story.hear).run()
    story.end()
    return verdict
