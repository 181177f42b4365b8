"""The whole sweep: every crash point, crashes in recovery, full and broken disks, planted defects.

    python -m tests.crash_points.sweep                      all of it, minutes
    python -m tests.crash_points.sweep --transactions 20    a small one
    python -m tests.crash_points.sweep --markdown           the table as docs/crash-points.md has it

Ends with 1 when something acknowledged was lost, a start was refused, or a planted defect was not
found.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from interlock.adapters.system import end_with
from tests.crash_points.crashes import Record, Tally, sweep_doubles, sweep_points
from tests.crash_points.faults import FAULTS, RENEW_OFTEN, sweep_faults, sweep_lost_syncs
from tests.crash_points.operations import Kind
from tests.crash_points.workload import RENEW_EVERY, Workload

# Second crashes for every first one.
EACH = 10
CHUNK = 40
# One start of the whole program among so many images that are recovered from.
START_EVERY = 16
COLUMNS = ("points", "runs", "images", "starts", "lost", "no_prefix", "corrupt", "refused", "other")


class Part(msgspec.Struct, frozen=True):
    """A piece of work for one process: numbers of points, seeds or operations of one line."""

    line: str
    transactions: int
    mode: str
    first: int
    last: int


@cache
def record(transactions: int, mode: str, *, is_faulty: bool = False) -> Record:
    """Each process plays a workload once; the same seed gives the same operations."""
    renew_every = RENEW_OFTEN if is_faulty else RENEW_EVERY
    return Record(Workload(transactions), mode=mode, renew_every=renew_every)


def is_faulty(line: str) -> bool:
    """Whether it is a line of a disk that refuses."""
    return not line.startswith(("power lost", "twice"))


def run(part: Part) -> tuple[Part, Tally]:
    """Carry a part out."""
    started = time.process_time()
    found = record(part.transactions, part.mode, is_faulty=is_faulty(part.line))
    numbers = range(part.first, part.last)
    if part.line.startswith("power lost"):
        tally = sweep_points(found, numbers, start_every=START_EVERY)
    elif part.line.startswith("twice"):
        tally = sweep_doubles(found, numbers, each=EACH)
    elif part.line in FAULTS:
        tally = sweep_faults(found, part.line, numbers)
    else:
        syncs = [at for at, one in enumerate(found.operations) if one.kind is Kind.SYNC]
        tally = sweep_lost_syncs(found, [at for at in syncs if at in numbers])
    tally.seconds = time.process_time() - started
    return part, tally


def parts(transactions: int, doubles: int) -> Iterator[Part]:
    """Everything to do, the longest first."""
    small = min(transactions, 40)
    yield from _chunks("power lost, synchronous FULL", transactions, "FULL")
    for first in range(0, doubles // EACH, 10):
        last = min(first + 10, doubles // EACH)
        yield Part("twice: in the recovery too", transactions, "FULL", first, last)
    for line in (*FAULTS, "sync failed, then power lost"):
        yield from _chunks(line, small, "FULL")
    for mode in ("NORMAL", "OFF"):
        yield from _chunks(f"power lost, synchronous {mode} (planted)", min(small, 10), mode)


def _chunks(line: str, transactions: int, mode: str) -> Iterator[Part]:
    found = record(transactions, mode, is_faulty=is_faulty(line))
    # A crash also lies after the last operation; a fault is at one of them.
    count = found.points if line.startswith("power lost") else len(found.operations)
    for first in range(0, count, CHUNK):
        yield Part(line, transactions, mode, first, min(first + CHUNK, count))


def verdict(tallies: dict[str, Tally]) -> list[str]:
    """What is wrong with the outcome of a sweep; nothing is the good answer."""
    wrong = []
    for line, tally in tallies.items():
        if "NORMAL" in line:
            if not tally.lost:
                wrong.append(f"{line}: lost acknowledged rows were not found")
        elif "OFF" in line:
            if not tally.corrupt + tally.refused:
                wrong.append(f"{line}: corruption was not found")
        elif tally.bad:
            wrong += [f"{line}: {text}" for text in tally.examples]
    return wrong


def _print(tallies: dict[str, Tally], *, is_markdown: bool, console: Console) -> None:
    names = ("", *(name.replace("_", " ") for name in COLUMNS), "CPU s")
    lines = [
        (line, *(f"{getattr(tally, name):,}" for name in COLUMNS), f"{tally.seconds:,.0f}")
        for line, tally in tallies.items()
    ]
    if is_markdown:
        print("|", " | ".join(names), "|\n|---|" + "---:|" * (len(names) - 1))
        for texts in lines:
            print("|", " | ".join(texts), "|")
        return
    table = Table(*names)
    for column in table.columns[1:]:
        column.justify = "right"
    for texts in lines:
        table.add_row(*texts)
    console.print(table)


@click.command()
@click.option("--transactions", default=200, help="Commits of the workload.", show_default=True)
@click.option("--doubles", default=5_000, help="Crashes in recovery.", show_default=True)
@click.option("--workers", default=2, help="Processes.", show_default=True)
@click.option("--only", default="", help="Lines of the table whose name has this text.")
@click.option(
    "--markdown",
    "is_markdown",
    is_flag=True,
    help="Print the table as Markdown, as to a file or a pipe.",
)
def main(transactions: int, doubles: int, workers: int, only: str, is_markdown: bool) -> None:
    """Crash the storage at every point, and tell what became of it."""
    console = Console(stderr=True)
    work = [part for part in parts(transactions, doubles) if only in part.line]
    tallies = {part.line: Tally() for part in work}
    started = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    context = multiprocessing.get_context("spawn")
    with (
        Progress(*columns, TimeRemainingColumn(), console=console) as progress,
        ProcessPoolExecutor(
            workers, mp_context=context, initializer=end_with, initargs=(os.getpid(),)
        ) as pool,
    ):
        task = progress.add_task("parts", total=len(work))
        for done in as_completed([pool.submit(run, part) for part in work]):
            part, tally = done.result()
            tallies[part.line].add(tally)
            bad = sum(tally.bad for line, tally in tallies.items() if "planted" not in line)
            progress.update(task, advance=1, description=f"parts, {bad} bad runs")
    screen = Console()
    _print(tallies, is_markdown=is_markdown or not screen.is_terminal, console=screen)
    print(f"{time.monotonic() - started:,.0f} s with {workers} processes")
    wrong = verdict(tallies)
    for text in wrong:
        print(text)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
