"""The operator's verbs in words: what each does to orders and positions, and how it is lifted."""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """A verb, its key on the screen, and what it means. ``is_whole``: for the engine only."""

    name: str
    key: str
    summary: str
    risk: str
    entries: str
    stops: str
    positions: str
    lifted: str
    is_whole: bool = False

    @property
    def effects(self) -> tuple[tuple[str, str], ...]:
        """What happens to what, in the order in which it matters."""
        return (
            ("new risk", self.risk),
            ("entries", self.entries),
            ("stops and exits", self.stops),
            ("positions", self.positions),
            ("lifted by", self.lifted),
        )


VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            name="pause",
            key="p",
            summary="No new risk; orders and positions stay.",
            risk="none from now on",
            entries="stay at the venue and may still fill",
            stops="stay",
            positions="stay",
            lifted="resume",
        ),
        Verb(
            name="halt",
            key="h",
            summary="No new risk, entries are canceled; stops and positions stay.",
            risk="none from now on",
            entries="canceled",
            stops="stay",
            positions="stay",
            lifted="resume",
        ),
        Verb(
            name="resume",
            key="r",
            summary="Lift a pause or a halt; an emergency stop in two steps.",
            risk="allowed again, after an emergency stop only by a second resume",
            entries="left as they are",
            stops="left as they are",
            positions="left as they are",
            lifted="pause, halt",
        ),
        Verb(
            name="shutdown",
            key="s",
            summary="Cancel entries and end; stops and positions stay at the venue.",
            risk="none from now on",
            entries="canceled",
            stops="stay",
            positions="stay, watched by nobody until the next start",
            lifted="starting the engine again",
            is_whole=True,
        ),
        Verb(
            name="emergency-stop",
            key="e",
            summary="Cancel entries, close every position at the market, verify flat.",
            risk="none from now on",
            entries="canceled",
            stops="stay until flat, then canceled",
            positions="closed at the market until the venue says twice that there is none",
            lifted="resume, twice",
            is_whole=True,
        ),
        Verb(
            name="reconcile",
            key="",
            summary="Compare everything with the venue now; never trades.",
            risk="unchanged; an unexplained difference pauses its instrument",
            entries="left as they are",
            stops="left as they are",
            positions="left as they are; fills that were missed are counted",
            lifted="nothing to lift",
        ),
    )
}
