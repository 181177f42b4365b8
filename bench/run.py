"""Measure Interlock, its peers and the floors in turns, each run in a fresh process.

python -m bench                          everything, about ten minutes
python -m bench --only sweep_w3 --repeat 5
python -m bench --list
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import process, table
from bench.comparisons import COMPARISONS, Comparison, Job

REPOSITORY = process.REPOSITORY
RESULTS = REPOSITORY / "bench" / "results" / "latest.json"
# A choice of works must not replace the record that the documentation's table was made from.
CHOICE = RESULTS.with_name("choice.json")
PAGES = (REPOSITORY / "README.md", REPOSITORY / "docs" / "performance.md")
MINUTES = 9.5
ROUNDS = 3

Measured = list[tuple[Comparison, dict[str, list[process.Line]]]]


def machine_facts() -> dict[str, Any]:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    return {
        "cores": os.cpu_count(),
        "processor": model,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_before": round(os.getloadavg()[0], 2),
    }


def measure_round(comparison: Comparison, lines: dict[str, list[process.Line]]) -> None:
    """Run every job of one comparison once, ours first, and say each result."""
    for job in (comparison.ours, *comparison.others):
        why = process.missing(job)
        if why:
            line: process.Line = {"error": why, "is_missing": True}
        else:
            line = process.run(job)
        lines[job.label].append(line)
        print(f"  {comparison.name:14} {job.label:32} {describe(line)}", flush=True)


def describe(line: process.Line) -> str:
    if "error" in line:
        return str(line["error"]).splitlines()[-1][:100]
    wrong = "" if line.get("is_right", True) else "  WRONG RESULT"
    rate = line["events"] / line["seconds"]
    return f"{line['seconds']:10.4f} s {rate:16,.0f}/s {line['peak_rss_mb']:7,.0f} MB{wrong}"


def measure(comparisons: Sequence[Comparison], rounds: int, minutes: float) -> Measured:
    """A round of each comparison after the other, until the rounds or the minutes are used."""
    measured: Measured = [
        (each, {job.label: [] for job in (each.ours, *each.others)}) for each in comparisons
    ]
    started, cost = time.perf_counter(), dict.fromkeys((each.name for each in comparisons), 0.0)
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", flush=True)
        for comparison, lines in measured:
            left = minutes * 60.0 - (time.perf_counter() - started)
            if number > 0 and cost[comparison.name] > left:
                print(f"  {comparison.name:14} not repeated: {left:.0f} s are left", flush=True)
                continue
            began = time.perf_counter()
            measure_round(comparison, lines)
            cost[comparison.name] = time.perf_counter() - began
    return measured


def sentence(facts: dict[str, Any]) -> str:
    return (
        f"Measured on {facts['cores']} cores of {facts['processor']} ({facts['system']}), "
        f"Python {facts['python']}, load {facts['load_before']} at the start. Every run is a "
        "fresh process; engines take turns; a ratio is taken within one turn."
    )


def save(path: Path, measured: Measured, facts: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "machine": facts,
        "comparisons": [
            {
                "name": comparison.name,
                "runs": lines,
                "ratios": {
                    job.label: table.ratios(lines[comparison.ours.label], lines[job.label])
                    for job in comparison.others
                },
                "reach": dict(comparison.reach),
            }
            for comparison, lines in measured
        ],
    }
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def write_pages(pages: Sequence[Path], block: str) -> None:
    """Put the table into every page that shows it, and say where it went."""
    for page in pages:
        done = table.write_into(page, block)
        print(f"written: {page}" if done else f"{page} has no {table.BEGIN} ... {table.END}")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__.splitlines()[0])
    names = [each.name for each in COMPARISONS]
    parser.add_argument("--only", nargs="+", choices=names, metavar="WORK", help=", ".join(names))
    parser.add_argument("--repeat", type=int, default=ROUNDS, help="rounds (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, default=MINUTES, help="no new round after this (%(default)s)"
    )
    parser.add_argument("--list", action="store_true", help="say what would run")
    return parser.parse_args(arguments)


def show(comparisons: Sequence[Comparison]) -> None:
    for comparison in comparisons:
        print(f"{comparison.name}: {comparison.title}")
        for job in (comparison.ours, *comparison.others):
            print(f"  {job.label:32} {process.missing(job) or command_of(job)}")


def command_of(job: Job) -> str:
    return " ".join([job.owner, job.module, *job.arguments])


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    chosen = [each for each in COMPARISONS if not options.only or each.name in options.only]
    if options.list:
        show(chosen)
        return 0
    print("workloads: written once under bench/.data", flush=True)
    # In a process of its own: a child's memory peak must not start from ours.
    prepare = [sys.executable, "-m", "bench.workloads", "quiet"]
    subprocess.run(prepare, cwd=REPOSITORY, check=True)
    facts = machine_facts()
    measured = measure(chosen, max(1, options.repeat), options.minutes)
    path = CHOICE if options.only else RESULTS
    save(path, measured, facts)
    block = table.render(measured, sentence(facts))
    print("\n" + block)
    print(f"written: {path.relative_to(REPOSITORY)}")
    if not options.only:
        write_pages(PAGES, block)
    bad = [
        f"{comparison.name} {label}"
        for comparison, lines in measured
        for label, each in lines.items()
        if any(is_bad(line) for line in each)
    ]
    if bad:
        print(f"failed or wrong: {', '.join(bad)}", file=sys.stderr)
    return 1 if bad else 0


def is_bad(line: process.Line) -> bool:
    """A runner that is absent is not bad; one that failed or gave another result is."""
    if line.get("is_missing"):
        return False
    return "error" in line or not line.get("is_right", True)
