"""What the terminal shows of a run: progress while it goes, numbers and paths when it is over."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from interlock.adapters.system import SystemClock
from interlock.research.metrics import DEFINITIONS
from interlock.research.report import text
from interlock.research.result import BacktestResult

SYNTHETIC_NOTICE = "SYNTHETIC DATA: an invented market; the numbers say nothing about a real one"
_METRICS = (
    "total_return", "cagr", "sharpe", "max_drawdown", "annual_volatility", "trades", "hit_rate",
)  # fmt: skip
_COSTS = ("fees", "slippage", "funding")
_WIDTH = 100


class Speed(ProgressColumn):
    """Rows per second so far."""

    def render(self, task: Task) -> Text:
        """The speed as text, empty until it is known."""
        speed = task.finished_speed or task.speed
        return Text("" if not speed else f"{speed:,.0f} {task.fields['unit']}/s", style="dim")


def console(*, to_error: bool = False) -> Console:
    """A console; a pipe has no width of its own, so that it gets a fixed one."""
    stream = sys.stderr if to_error else sys.stdout
    return Console(stderr=to_error, width=None if stream.isatty() else _WIDTH, highlight=False)


@contextmanager
def progress(title: str, *, unit: str, live: bool) -> Iterator[Callable[[int, int], None]]:
    """A bar with speed and remaining time on a terminal; nothing otherwise.

    What a strategy prints appears above the bar.
    """
    shown = console(to_error=True)
    if not live or not shown.is_terminal:
        yield lambda done, total: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TaskProgressColumn(),
        Speed(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=shown, transient=True) as bars:
        task = bars.add_task(title, total=None, unit=unit)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def waiting(title: str, *, live: bool) -> Iterator[None]:
    """A sign of life on a terminal while something of unknown length happens."""
    shown = console(to_error=True)
    if not live or not shown.is_terminal:
        yield
        return
    with shown.status(title):
        yield


class Stopwatch:
    """Seconds since it was made, and those of each part that was told to be over."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._start = self._last = self._clock.now_ns()
        self.parts: dict[str, float] = {}

    def lap(self, name: str) -> None:
        """The part of this name is over."""
        now = self._clock.now_ns()
        self.parts[name] = (now - self._last) / 1e9
        self._last = now

    @property
    def seconds(self) -> float:
        """Seconds so far."""
        return (self._clock.now_ns() - self._start) / 1e9


def data_line(dataset: Any) -> str:
    """The data of a run in one line: what, how much, from when to when."""
    parts = [part for part in dataset.parts() if len(part)]
    groups: dict[str, list[Any]] = {}
    for part in parts:
        groups.setdefault(part.kind, []).append(part)
    counts = ", ".join(f"{sum(map(len, found)):,} {kind}" for kind, found in groups.items())
    first = min(int(part.ts[0]) for part in parts)
    last = max(int(part.ts[-1]) + getattr(part, "step_ns", 0) for part in parts)
    names = [item.id for item in dataset.instruments()]
    named = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{named}: {counts}, {text.moment(first)} to {text.moment(last)} UTC"


def assignments(spec: Any) -> str:
    """The parameters of a run in one line."""
    return " ".join(f"{key}={value}" for key, value in spec.parameters.items())


def speed_line(rows: int, parts: Mapping[str, float]) -> str:
    """How long the run took, with its speed where that means something, and what went around it."""
    seconds = parts["run"]
    speed = f" ({rows / seconds:,.0f} rows/s)" if seconds >= 0.02 and rows >= 50_000 else ""
    around = ", ".join(f"{name} {took:.1f} s" for name, took in parts.items() if name != "run")
    return f"{rows:,} rows in {seconds:.2f} s{speed}; {around}"


def print_table(results: Mapping[str, BacktestResult]) -> None:
    """Key numbers of one or more runs side by side."""
    table = Table(box=None, pad_edge=False, header_style="bold", show_header=len(results) > 1)
    table.add_column("")
    for title in results:
        table.add_column(title, justify="right")
    for label, values in _rows(list(results.values())):
        table.add_row(label, *values)
    console().print(table)


def _rows(results: Sequence[BacktestResult]) -> Iterator[tuple[str, list[Any]]]:
    for name in _METRICS:
        values = [text.metric(name, item.metrics, currency=item.currency) for item in results]
        if name == "total_return":
            yield DEFINITIONS[name].title, [_toned(value) for value in values]
        else:
            yield DEFINITIONS[name].title, values
    if any(item.metrics.get("benchmark_return") is not None for item in results):
        yield "Buy and hold", [text.metric("benchmark_return", item.metrics) for item in results]
    for name in _COSTS:
        yield name.capitalize(), [text.money(item.costs[name], item.currency) for item in results]
    yield "Fills", [f"{item.counters.get('fills', 0):,}" for item in results]
    counters = [item.counters for item in results]
    yield (
        "Orders denied / rejected",
        [f"{_count(c, 'denied')} / {_count(c, 'rejected')}" for c in counters],
    )
    yield "Ambiguous bars", [_count(c, "ambiguous_bars") for c in counters]
    if any(c.get("liquidations") for c in counters):
        yield "Liquidations", [_count(c, "liquidations") for c in counters]


def _count(counters: Mapping[str, int], name: str) -> str:
    return f"{counters.get(name, 0):,}"


def _toned(value: str) -> Text:
    return Text(value, style="green" if value.startswith("+") else "red")


def print_notice(synthetic: bool) -> None:
    """The warning that numbers from an invented market need."""
    if synthetic:
        console().print(Text(SYNTHETIC_NOTICE, style="bold yellow"))


def print_places(result: BacktestResult, folder: Path | None) -> None:
    """Where the result is and what names it."""
    click.echo(f"Digest   {result.result_digest[:16]}")
    if folder is None:
        return
    click.echo(f"Results  {near(folder)}")
    page = folder / "report.html"
    if page.exists():
        click.echo(f"Report   {near(page)}")
    click.echo(f"Repeat   interlock backtest {near(folder / 'run.toml')}")


def as_json(
    result: BacktestResult, folder: Path | None, *, warnings: Sequence[str], notes: Sequence[str]
) -> str:
    """The run as one JSON object for programs."""
    page = None if folder is None else folder / "report.html"
    return json.dumps(
        {
            "strategy": result.config["strategy"],
            "parameters": result.config["parameters"],
            "instruments": result.config["instruments"],
            "synthetic": result.synthetic,
            "currency": result.currency,
            "metrics": {key: value for key, value in result.metrics.items() if key != "reasons"},
            "costs": dict(result.costs),
            "counters": dict(result.counters),
            "data_digest": result.data_digest,
            "journal_digest": result.journal_digest,
            "result_digest": result.result_digest,
            "folder": None if folder is None else str(folder),
            "report": str(page) if page is not None and page.exists() else None,
            "notes": list(notes),
            "warnings": list(warnings),
        },
        indent=2,
        default=str,
    )


def near(path: Path) -> str:
    """A path as short as it can be from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)


def live_screen(stack: ExitStack) -> Callable[[Any], None] | None:
    """A screen that shows the state of a live engine until the stack unwinds."""
    from interlock.ui.terminal import screen

    return stack.enter_context(screen(console()))
