"""Turn measured lines into the Markdown table of ratios."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.comparisons import Comparison, Job

Lines = Sequence[dict[str, Any]]

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
HEAD = (
    "| work | engine | runs | seconds: min / median / max | per second (median) | peak MB "
    "| Interlock is faster: min / median / max | reach | result |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def good(lines: Lines) -> Lines:
    return [line for line in lines if "error" not in line]


def spread(values: Sequence[float], form: str) -> str:
    ordered = (min(values), statistics.median(values), max(values))
    return " / ".join(format(value, form) for value in ordered)


def ratios(ours: Lines, other: Lines) -> list[float]:
    """Our speed over the other's, round by round: both ran under the same load."""
    return [
        theirs["seconds"] / mine["seconds"]
        for mine, theirs in zip(ours, other, strict=False)
        if "error" not in mine and "error" not in theirs
    ]


def _rate(lines: Lines) -> str:
    events = statistics.median(line["events"] / line["seconds"] for line in lines)
    orders = [line.get("orders", 0) + line.get("cancels", 0) for line in lines]
    text = f"{events:,.0f}"
    if min(orders) > 0:
        pace = statistics.median(
            count / line["seconds"] for count, line in zip(orders, lines, strict=True)
        )
        text += f" ({pace:,.0f} order operations)"
    return text


def _result(lines: Lines) -> str:
    checks = [line["is_right"] for line in lines if "is_right" in line]
    if not checks:
        return ""
    if all(checks):
        return "right"
    wrong = next(line for line in lines if not line.get("is_right", True))
    return f"WRONG: {wrong['fills']:,} fills, {wrong['profit']:,.3f}"


def _peak(lines: Lines) -> float:
    return max(float(line["peak_rss_mb"]) for line in lines)


def _reach(comparison: Comparison, job: Job) -> str:
    if job is comparison.ours:
        most = comparison.column_reach
        return f"at most {most:g}x the columns" if most else ""
    parts = [f"{least:g}x" for label, least in comparison.reach if label == job.label]
    if comparison.memory_reach and parts:
        parts.append(f"at most {comparison.memory_reach:g} of its memory")
    return "; ".join(parts)


def column_multiple(lines: Lines) -> float:
    """Worst (peak - after import) / columns of the memory runs."""
    return max(
        float((line["peak_rss_mb"] - line["rss_import_mb"]) / line["columns_mb"]) for line in lines
    )


def _faster(comparison: Comparison, job: Job, lines: Lines, ours: Lines) -> str:
    if job is comparison.ours:
        if comparison.column_reach and good(lines):
            return f"{column_multiple(good(lines)):.2f}x the columns"
        return ""
    pairs = ratios(ours, lines)
    if not pairs:
        return ""
    text = spread(pairs, ".3g") + "x"
    if comparison.memory_reach and any(label == job.label for label, _ in comparison.reach):
        text += f"; {_peak(good(ours)) / _peak(good(lines)):.2f} of its memory"
    return text


def row(comparison: Comparison, job: Job, lines: Lines, ours: Lines) -> str:
    title = comparison.title if job is comparison.ours else ""
    usable = good(lines)
    if not usable:
        why = str(lines[0]["error"]).splitlines()[-1][:90] if lines else "not measured"
        return f"| {title} | {job.label} | | {why} | | | | {_reach(comparison, job)} | |"
    name = f"{job.label} {usable[0].get('version', '')}".strip()
    cells = [
        title,
        name if job.owner != "floor" else job.label,
        str(len(usable)),
        spread([line["seconds"] for line in usable], ".4g"),
        _rate(usable),
        f"{_peak(usable):,.0f}",
        _faster(comparison, job, lines, ours),
        _reach(comparison, job),
        _result(usable),
    ]
    return "| " + " | ".join(cells) + " |"


def render(measured: Sequence[tuple[Comparison, Mapping[str, Lines]]], facts: str) -> str:
    """The whole block: facts of the machine, then the table."""
    rows = [HEAD]
    for comparison, lines in measured:
        ours = lines[comparison.ours.label]
        for job in (comparison.ours, *comparison.others):
            rows.append(row(comparison, job, lines[job.label], ours))
    return facts + "\n\n" + "\n".join(rows) + "\n"


def write_into(page: Path, block: str) -> bool:
    """Replace the text between the page's markers; False when the page has none."""
    if not page.is_file():
        return False
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return False
    page.write_text(f"{before}{BEGIN}\n{block}{END}{after}", encoding="utf-8")
    return True
