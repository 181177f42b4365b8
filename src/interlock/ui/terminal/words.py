"""Ages, moments and counts in words that keep their width."""

from __future__ import annotations

from collections.abc import Iterable

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


def age(ms: int) -> str:
    """How long, to two figures or so: 0.2 s, 42 s, 12 m, 5 h, 3 d; "never" below zero."""
    if ms < 0:
        return "never"
    if ms < 10 * SECOND_MS:
        return f"{ms / SECOND_MS:.1f} s"
    for limit, unit, name in (
        (100 * SECOND_MS, SECOND_MS, "s"),
        (100 * MINUTE_MS, MINUTE_MS, "m"),
        (48 * HOUR_MS, HOUR_MS, "h"),
    ):
        if ms < limit:
            return f"{ms // unit} {name}"
    return f"{ms // DAY_MS} d"


def clock(ts: int) -> str:
    """The time of day in UTC of a moment in ns."""
    seconds = ts // 10**9 % 86_400
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def count(number: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def is_zero(text: str) -> bool:
    """Whether a number in text is nothing: empty, 0, 0.000."""
    return not text.strip("-+0. ")


def venue_ending(names: Iterable[str]) -> str:
    """What follows the last dot of every instrument, with the dot, where all have the same."""
    venues = {name.rpartition(".")[2] for name in names if "." in name}
    return "." + venues.pop() if len(venues) == 1 else ""
