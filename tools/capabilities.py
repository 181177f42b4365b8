"""Prints how many promises of docs/capabilities.tsv a test proves, section by section."""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "docs" / "capabilities.tsv"
TESTS = ROOT / "tests"


@dataclass(frozen=True)
class Capability:
    """One promise: its number, the section it stands in and its text."""

    id: str
    section: str
    name: str


@dataclass(frozen=True)
class Mark:
    """One capability id named by a mark, and the place of the mark."""

    id: str
    place: str


def read_capabilities(path: Path = LIST) -> dict[str, Capability]:
    """Return the promises by id, in the order of the list."""
    lines = path.read_text(encoding="utf-8").splitlines()[1:]
    promises = (Capability(*line.split("\t")) for line in lines)
    return {promise.id: promise for promise in promises}


def marks_in(source: str, *, place: str) -> list[Mark]:
    """Return the ids named by `pytest.mark.capability(...)` in a source, without importing it.

    An argument that is not a text literal is returned as the empty id, which no list knows.
    """
    marks = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not _is_capability_mark(node.func):
            continue
        for argument in node.args or [node]:
            literal = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
            name = argument.value if isinstance(argument, ast.Constant) and literal else ""
            marks.append(Mark(str(name), f"{place}:{node.lineno}"))
    return marks


def collect_marks(folder: Path = TESTS) -> list[Mark]:
    """Return the marks of every test file below a folder."""
    marks: list[Mark] = []
    for path in sorted(folder.rglob("test_*.py")):
        place = str(path.relative_to(folder.parent))
        marks += marks_in(path.read_text(encoding="utf-8"), place=place)
    return marks


def unknown_marks(marks: list[Mark], known: dict[str, Capability]) -> list[str]:
    """Return one message per mark that names no promise of the list."""
    return [
        f"{mark.place}: capability {mark.id!r} is not a text literal of docs/capabilities.tsv; "
        "name a listed id"
        for mark in marks
        if mark.id not in known
    ]


def table(known: dict[str, Capability], proved: set[str]) -> str:
    """Return the counts as aligned text: a line per group of ids, a line per section."""
    counts: dict[str, dict[str, list[int]]] = {}
    for promise in known.values():
        group = counts.setdefault(promise.id.split("-")[0], {})
        count = group.setdefault(promise.section, [0, 0])
        count[0] += promise.id in proved
        count[1] += 1
    width = max(len(promise.section) for promise in known.values()) + 4
    lines = []
    for group_name, sections in counts.items():
        lines.append(_line(group_name, list(sections.values()), width=width))
        lines += [_line(f"  {name}", [count], width=width) for name, count in sections.items()]
        lines.append("")
    everything = [count for sections in counts.values() for count in sections.values()]
    lines.append(_line("all", everything, width=width))
    return "\n".join(lines)


def main() -> int:
    """Print the table; return 1 when a mark names an unknown id."""
    known = read_capabilities()
    marks = collect_marks()
    errors = unknown_marks(marks, known)
    for error in errors:
        print(error, file=sys.stderr)
    print(table(known, {mark.id for mark in marks}))
    return 1 if errors else 0


def _is_capability_mark(func: ast.expr) -> bool:
    return ast.unparse(func).endswith("mark.capability")


def _line(label: str, counts: list[list[int]], *, width: int) -> str:
    proved = sum(count[0] for count in counts)
    total = sum(count[1] for count in counts)
    return f"{label:<{width}} {proved:>4} / {total:<4} {100 * proved / total:>4.0f} %"


if __name__ == "__main__":
    sys.exit(main())
