"""A sweep on one page: what was tried, how often it struck and mattered, and what was checked."""

from __future__ import annotations

from importlib import resources
from typing import Any

import msgspec

from interlock.research.report.page import environment
from interlock.simulation.sweep import Summary
from interlock.world.invariants import MEANINGS, OPEN_INVARIANTS
from interlock.world.kinds import ABSENT, ARISING, ELSEWHERE, KINDS, OPEN_ROWS, WORDS, Kind
from interlock.world.marks import MARKS

_PACKAGE = "interlock.simulation"


class Area(msgspec.Struct, frozen=True):
    """The kinds of one area with their counts."""

    name: str
    rows: list[dict[str, Any]]


def render(summary: Summary, *, command: str, commit: str, date: str) -> str:
    """The page as HTML that opens without a network."""
    return (
        environment(_PACKAGE)
        .get_template("sweep.html")
        .render(
            summary=summary,
            areas=_areas(summary),
            invariants=_invariants(summary),
            marks=_marks(summary),
            arising=ARISING,
            elsewhere=ELSEWHERE,
            open_rows=OPEN_ROWS,
            open_invariants=OPEN_INVARIANTS,
            failed=sorted(summary.failed, key=lambda verdict: verdict.plan.seed),
            command=command,
            commit=commit,
            date=date,
            style=resources.files(_PACKAGE).joinpath("templates/sweep.css").read_text(),
        )
    )


def _areas(summary: Summary) -> list[Area]:
    areas: dict[str, Area] = {}
    absent, words = ABSENT[summary.venue], WORDS[summary.venue]
    for kind in KINDS:
        area = areas.setdefault(kind.area, Area(kind.area, []))
        struck = summary.struck[kind.name]
        area.rows.append(
            {
                "name": kind.name.replace("_", " "),
                "rows": " ".join(kind.rows),
                "range": _range(kind.unit, kind.low, kind.high),
                "struck": struck,
                "mattered": summary.mattered[kind.name],
                "text": _told(kind, absent, words),
                "is_missing": kind.name not in absent and not summary.mattered[kind.name],
            }
        )
    return list(areas.values())


def _told(kind: Kind, absent: dict[str, str], words: dict[str, str]) -> str:
    """What a kind does at a venue, or why it is not there."""
    reason = absent.get(kind.name)
    return f"not at this venue: {reason}" if reason else words.get(kind.name, kind.text)


def _marks(summary: Summary) -> list[tuple[str, int]]:
    """The marks that a sweep should reach, then whatever else was counted."""
    others = sorted(set(summary.marks) - set(MARKS))
    return [(name, summary.marks[name]) for name in (*MARKS, *others)]


def _range(unit: str, low: int, high: int) -> str:
    if unit == "rate":
        return f"{low / 10_000:g} to {high / 10_000:g} %"
    return f"{low} to {high} in 30 min"


def _invariants(summary: Summary) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "text": text,
            "checked": summary.checked[name],
            "violated": summary.violated[name],
        }
        for name, text in MEANINGS.items()
        if name not in OPEN_INVARIANTS
    ]
