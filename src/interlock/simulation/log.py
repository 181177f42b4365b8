"""The log of sweeps: a line of JSON for each, with the commit it was of, and how far they count."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec

from interlock.simulation.sweep import Summary
from interlock.world.kinds import BINANCE, KINDS
from interlock.world.marks import MARKS

# What the last change of the order path is asked to have behind it before a release.
RELEASE_GOAL = 1_000_000
# Where an order passes, from the top of the checkout: a change here begins the count anew.
_ORDER_PATH = (
    ":/src/interlock/kernel",
    ":/src/interlock/model",
    ":/src/interlock/runtime",
    ":/src/interlock/wire/",
)


def order_path(venue: str) -> tuple[str, ...]:
    """Where an order to a venue passes."""
    return (*_ORDER_PATH[:-1], _ORDER_PATH[-1] + venue)


class LogError(ValueError):
    """A line that tells of no sweep; the text names file, line and remedy."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One sweep as the log keeps it; ``commit`` ends in + where files were changed since.

    ``venue`` is whose protocol was spoken; lines of before there was a choice are of Binance.
    ``mattered`` and ``marks`` count kinds of faults and branches of recovery; lines of the first
    sweeps have neither.
    """

    date: str
    commit: str
    first: int
    seeds: int
    minutes: int
    clean: int
    hours: float
    faults: int
    orders: int
    cpu_s: float
    venue: str = BINANCE
    violated: dict[str, int] = {}
    failed_seeds: list[int] = []
    mattered: dict[str, int] = {}
    marks: dict[str, int] = {}


def line_of(summary: Summary, *, commit: str, date: str) -> Line:
    """A sweep as a line."""
    return Line(
        date=date,
        commit=commit,
        first=summary.first,
        seeds=summary.seeds,
        minutes=summary.minutes,
        clean=summary.clean,
        hours=round(summary.hours, 1),
        faults=sum(summary.struck.values()),
        orders=summary.orders,
        cpu_s=round(summary.cpu_s, 1),
        venue=summary.venue,
        violated=dict(summary.violated),
        failed_seeds=sorted(verdict.plan.seed for verdict in summary.failed),
        mattered=dict(summary.mattered),
        marks=dict(summary.marks),
    )


def append(path: Path, line: Line) -> None:
    """Add a line at the end."""
    with path.open("ab") as file:
        file.write(msgspec.json.encode(line) + b"\n")


def read(path: Path) -> list[Line]:
    """Every line, oldest first; raises LogError."""
    decode = msgspec.json.Decoder(Line).decode
    found = []
    for number, text in enumerate(path.read_bytes().splitlines(), start=1):
        if not text.strip():
            continue
        try:
            found.append(decode(text))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            what = f"{path}, line {number}: no sweep is told there: {error}"
            raise LogError(f"{what}; mend the line, or take it out") from error
    return found


def table(lines: Iterable[Line]) -> str:
    """The log as a table of Markdown, in the order of the log.

    A row for each commit, length and venue; another venue than Binance is named.
    """
    rows = [
        "| until | commit | seeds | minutes | clean | hours | faults | hours / core hour | found |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    played: dict[tuple[str, int, str], list[Line]] = {}
    for line in lines:
        played.setdefault((line.commit, line.minutes, line.venue), []).append(line)
    for (commit, minutes, venue), some in played.items():
        hours, cpu_s = sum(line.hours for line in some), sum(line.cpu_s for line in some)
        speed = hours * 3_600 / cpu_s if cpu_s else 0
        violated = sum((Counter(line.violated) for line in some), Counter())
        found = ", ".join(f"{name} {count}" for name, count in sorted(violated.items()))
        where = "" if venue == BINANCE else f" on {venue}"
        clean, seeds = sum(line.clean for line in some), sum(line.seeds for line in some)
        rows.append(
            f"| {some[-1].date} | {commit} | {_ranges(some)}{where} | {minutes} "
            f"| {clean:,} of {seeds:,} | {hours:,.0f} "
            f"| {sum(line.faults for line in some):,} | {speed:,.0f} | {found} |"
        )
    return "\n".join(rows)


def _ranges(lines: Iterable[Line]) -> str:
    """The seeds of some sweeps, those that follow one another put together."""
    found: list[tuple[int, int]] = []
    for first, last in sorted((line.first, line.first + line.seeds - 1) for line in lines):
        if found and found[-1][1] == first - 1:
            first = found.pop()[0]
        found.append((first, last))
    return ", ".join(f"{first} to {last}" for first, last in found)


def rarest(lines: Iterable[Line], shown: int = 5) -> tuple[int, list[tuple[str, int]]]:
    """How many seeds were counted by kind, and what happened least often in them, with how often.

    A kind counts where it mattered, a branch of recovery where it was gone through.
    """
    counted = [line for line in lines if line.mattered]
    kinds = Counter(dict.fromkeys((kind.name for kind in KINDS), 0))
    branches = Counter(dict.fromkeys(MARKS, 0))
    for line in counted:
        kinds.update({name: n for name, n in line.mattered.items() if name in kinds})
        branches.update({name: n for name, n in line.marks.items() if name in branches})
    least = sorted((*kinds.items(), *branches.items()), key=lambda item: item[1])[:shown]
    return sum(line.seeds for line in counted), least


def commit_of(folder: Path, venue: str = BINANCE) -> str:
    """The commit of a checkout, + after it when the order path has changes; empty without one."""
    head = _git(folder, "rev-parse", "--short=10", "HEAD")
    if not head:
        return ""
    return head + ("+" if _git(folder, "status", "--porcelain", "--", *order_path(venue)) else "")


def since_change(folder: Path, lines: Iterable[Line], venue: str = BINANCE) -> int:
    """Clean half hours of a venue's sweeps that ran on its order path as it is now."""
    counted = 0
    for line in lines:
        if line.venue != venue or line.commit.endswith("+") or not line.commit:
            continue
        changed = _git(folder, "diff", "--name-only", line.commit, "--", *order_path(venue))
        if changed == "":
            counted += line.clean * line.minutes // 30
    return counted


def _git(folder: Path, *words: str) -> str:
    try:
        found = subprocess.run(
            ["git", *words], cwd=folder, capture_output=True, text=True, check=False, timeout=30
        )
    except OSError:
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
