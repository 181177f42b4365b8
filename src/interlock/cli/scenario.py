"""`interlock scenario`: complaints about trading bots, run against a real exchange and engine."""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from interlock.scenarios.run import Row


@click.group()
def scenario() -> None:
    """Run the complaints of bot users against a real exchange and a real engine."""


@scenario.command("list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def show(as_json: bool) -> None:
    """List the scenarios with the complaint each answers to."""
    import msgspec
    from rich.console import Console
    from rich.table import Table

    from interlock.scenarios.run import chosen

    found = chosen(())
    if as_json:
        rows = [
            {"name": item.name, "complaint": item.complaint, "fault": item.fault} for item in found
        ]
        click.echo(msgspec.json.encode(rows).decode())
        return
    table = Table("scenario", "complaint", "fault", box=None, pad_edge=False)
    for item in found:
        table.add_row(item.name, str(item.complaint), item.fault)
    Console(width=None if sys.stdout.isatty() else 110).print(table)


@scenario.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("--all", "everything", is_flag=True, help="Every scenario.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="Of the market and of what is left to chance.")  # fmt: skip
@click.option("--jobs", type=click.IntRange(1, 16), default=2, show_default=True,
              help="How many run side by side.")  # fmt: skip
@click.option("--keep", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Keep ledgers and logs here.  [default: removed after a pass]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One line of JSON per scenario.")
def run(names: tuple[str, ...], everything: bool, **options: Any) -> None:
    """Run scenarios; the exit code is 1 when one fails.

    \b
    interlock scenario run duplicate-after-timeout
    interlock scenario run --all --jobs 4
    """
    if not names and not everything:
        raise click.UsageError("name scenarios, or ask for --all; `interlock scenario list`")
    try:
        rows = asyncio.run(_run(names, **options))
    except asyncio.CancelledError:
        raise click.Abort from None
    failed = [row for row in rows if not row.passed]
    if not options["as_json"]:
        told = f"{len(rows) - len(failed)} of {len(rows)} passed"
        click.echo(told if not failed else f"{told}; failed: {', '.join(r.name for r in failed)}")
    if failed:
        sys.exit(1)


async def _run(
    names: tuple[str, ...], *, seed: int, jobs: int, keep: Path | None, as_json: bool
) -> list[Row]:
    import msgspec

    from interlock.scenarios.run import chosen, run_all

    items = chosen(names)
    # Whatever ends this run ends what it started.
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    # A failed run is kept where its row says.
    folder = keep if keep is not None else Path(tempfile.mkdtemp(prefix="interlock-"))
    rows: list[Row] = []
    with ExitStack() as stack:
        shown = None if as_json else stack.enter_context(_Screen([item.name for item in items]))
        found = run_all(items, folder, seed=seed, side_by_side=jobs, keeps=keep is not None)
        async for row in found:
            rows.append(row)
            if shown is None:
                click.echo(msgspec.json.encode(row).decode())
            else:
                shown.add(row, folder)
    if keep is None and all(row.passed for row in rows):
        folder.rmdir()
    return rows


class _Screen:
    """A table that grows on a terminal; elsewhere one line per scenario as it ends."""

    def __init__(self, names: list[str]) -> None:
        from rich.console import Console

        self._console = Console(width=None if sys.stdout.isatty() else 150, highlight=False)
        self._waiting = dict.fromkeys(names)
        self._rows: list[Row] = []
        self._live: Any = None

    def __enter__(self) -> _Screen:
        from rich.live import Live

        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=4)
            self._live.__enter__()
            self._live.update(self._table())
        return self

    def __exit__(self, *given: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*given)

    def add(self, row: Row, folder: Path) -> None:
        """One more has ended."""
        self._waiting.pop(row.name, None)
        self._rows.append(row)
        if self._live is not None:
            self._live.update(self._table())
        else:
            self._console.print(_line(row), soft_wrap=True, markup=False)
        if not row.passed:
            self._console.print(f"  {row.problem}", markup=False)
            self._console.print(f"  logs: {folder / row.name}", markup=False)

    def _table(self) -> Any:
        from rich.table import Table

        titles = ("complaint", "scenario", "fault", "result", "s", "seed", "measured")
        table = Table(*titles, box=None, pad_edge=False)
        for row in self._rows:
            word = "[green]PASS[/green]" if row.passed else "[red]FAIL[/red]"
            table.add_row(
                str(row.complaint), row.name, row.fault, word, f"{row.seconds:.1f}", str(row.seed),
                _measured(row),
            )  # fmt: skip
        if self._waiting:
            table.add_row("", f"[dim]{len(self._waiting)} to go[/dim]", "", "", "", "", "")
        return table


def _line(row: Row) -> str:
    word = "PASS" if row.passed else "FAIL"
    return (
        f"{word}  {row.complaint:>2}  {row.name:<28} {row.seconds:6.1f} s  seed {row.seed}  "
        f"{row.fault}; {_measured(row)}"
    )


def _measured(row: Row) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.measured.items())
