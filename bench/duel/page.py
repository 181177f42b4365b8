"""The results of the duel: kept as JSON, shown as one table."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

from bench.duel.scripts import SCRIPTS, TRIPS, Script

HERE = Path(__file__).resolve().parent
KEPT = HERE / "results" / "latest.json"
PAGE = HERE.parents[1] / "docs" / "duel.md"
MARKS = {
    "scripts": ("<!-- scripts -->", "<!-- end of scripts -->"),
    "results": ("<!-- results -->", "<!-- end of results -->"),
}
_COLUMNS = (
    "script",
    "bot",
    "faults",
    "orders at the venue / decided",
    "unrecorded",
    "position at the venue / believed",
    "most BTC held",
    "seconds to truth",
    "next order, s",
)

Line = dict[str, Any]


def kept() -> dict[str, Line]:
    """Every cell that was measured, by "script bot"."""
    found: dict[str, Line] = json.loads(KEPT.read_text())["cells"] if KEPT.exists() else {}
    return found


def merge(line: Line) -> None:
    """Put one cell in the place of its older self."""
    cells = kept() | {f"{line['script']} {line['bot']}": line}
    KEPT.parent.mkdir(exist_ok=True)
    facts = {"python": platform.python_version(), "system": platform.system()}
    KEPT.write_text(json.dumps({**facts, "cells": dict(sorted(cells.items()))}, indent=1) + "\n")


def head() -> str:
    """The table's first two lines."""
    return "| " + " | ".join(_COLUMNS) + " |\n" + "|---" * len(_COLUMNS) + "|"


def row(line: Line) -> str:
    """One cell as a row."""
    if "not_measured" in line:
        told: tuple[Any, ...] = (f"not measured: {line['not_measured']}", *[""] * 6)
    else:
        told = (
            line["faults"],
            f"{line['orders_at_venue']} / {line['decisions']}",
            line["unrecorded"],
            f"{line['position']} / {line['believed']}",
            line["most_held"],
            _truth(line),
            _next(line),
        )
    return "| " + " | ".join(str(item) for item in (line["script"], line["bot"], *told)) + " |"


def table() -> str:
    """Everything that is kept, in one table."""
    cells = kept()
    lines = [
        line for script in SCRIPTS for line in cells.values() if line["script"] == script.letter
    ]
    return "\n".join([head(), *(row(line) for line in lines)])


def provenance() -> str:
    """What was measured, and when."""
    cells = kept().values()
    if not cells:
        return "Nothing is kept; run `python -m bench.duel`."
    dates = sorted(line["date"] for line in cells)
    versions = ", ".join(sorted({line["version"] for line in cells}))
    return f"{len(cells)} cells from {dates[0]} to {dates[-1]} UTC: {versions}."


def scripts() -> str:
    """What each script does."""
    lines = ["| script | what happens | watched, s |", "|---|---|---|"]
    for script in SCRIPTS:
        text = f"**{script.title}**: {script.text}"
        lines.append(f"| {script.letter} | {text} | {script.watch_s - script.later_s:g} |")
    return "\n".join(lines)


def write() -> None:
    """Both tables into the page, each between its two marks."""
    if not PAGE.exists():
        return
    text = PAGE.read_text()
    for name, content in (
        ("scripts", scripts()),
        ("results", f"{provenance()}\n\n{table()}"),
    ):
        begin, end = MARKS[name]
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        text = f"{before}{begin}\n{content}\n{end}{after}"
    PAGE.write_text(text)


def _truth(line: Line) -> str:
    if line["is_over"]:
        return f"{line['seconds_to_truth']:.1f}"
    return f"never within {line['watched_s']:.0f}"


def _next(line: Line) -> str:
    if _script(line).strategy != TRIPS or not _script(line).rules:
        return ""
    after = line["orders_after"]
    return "none" if after is None else f"{after:.1f}"


def _script(line: Line) -> Script:
    return next(script for script in SCRIPTS if script.letter == line["script"])
