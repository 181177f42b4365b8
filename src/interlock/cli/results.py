"""Commands that list, compare and open the results of earlier runs."""

import json
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from interlock.config import load
from interlock.research import results as store
from interlock.research.metrics import DEFINITIONS
from interlock.research.report import text

_PLAIN_WIDTH = 200


@click.group()
def results() -> None:
    """List, compare and open results."""


def _folder_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--results",
        "root",
        type=click.Path(path_type=Path, file_okay=False),
        help="Folder of results.  [default: ./results]",
    )(command)


@results.command("list")
@_folder_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
def list_command(root: Path | None, as_json: bool) -> None:
    """Show all runs, newest first."""
    folder = _root(root)
    runs = store.list_runs(folder)
    if as_json:
        for run in runs:
            click.echo(json.dumps(asdict(run), default=str))
        return
    if not runs:
        click.echo(f"No results in {folder}. Make one with `interlock backtest`.")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Run", "When (UTC)", "Strategy", "Instruments", "Period"):
        table.add_column(title, overflow="fold")
    for title in ("Return", "Sharpe", "Max DD", "Trades"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("Data", no_wrap=True)
    for run in runs:
        table.add_row(*_row(run))
    _console().print(table)


def _row(run: store.RunSummary) -> list[Text]:
    if not run.complete:
        return [Text(run.id), Text("incomplete", style="yellow")]
    period = " to ".join(text.moment(ts, with_time=False) for ts in (run.first_ts, run.last_ts))
    numbers = asdict(run)
    cells = [run.id, run.ran_at, run.strategy, ", ".join(run.instruments), period]
    cells += [
        text.metric(name, numbers) for name in ("total_return", "sharpe", "max_drawdown", "trades")
    ]
    data = Text("SYNTHETIC", style="bold yellow") if run.synthetic else Text("market")
    return [*(Text(cell) for cell in cells), data]


@results.command("compare", short_help="Show two runs side by side.")
@click.argument("first")
@click.argument("second")
@_folder_option
def compare_command(first: str, second: str, root: Path | None) -> None:
    """Show two runs side by side: metrics, settings that differ, first differing fill.

    FIRST and SECOND are run ids, the beginning or the end of one, or folders.
    """
    try:
        paths = [store.find(_root(root), name) for name in (first, second)]
        found = store.compare(paths[0], paths[1])
    except store.ResultError as error:
        raise click.ClickException(str(error)) from error
    console = _console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Metric")
    for path in paths:
        table.add_column(path.name, justify="right", overflow="fold")
    table.add_column("Difference", justify="right")
    for name, one, two in found.metrics:
        if one is not None or two is not None:
            table.add_row(*_metric_row(name, one, two))
    console.print(table)
    console.print()
    _print_settings(console, found)
    _print_fill(console, found)


def _metric_row(name: str, one: float | None, two: float | None) -> list[str]:
    cells = [text.metric(name, {name: value}) for value in (one, two)]
    change = (
        "" if one is None or two is None or one == two else text.metric(name, {name: two - one})
    )
    return [DEFINITIONS[name].title, *cells, change]


def _print_settings(console: Console, found: store.Comparison) -> None:
    if not found.settings:
        console.print("Settings: equal")
    for name, one, two in found.settings:
        console.print(Text(f"Setting {name}: {one or 'not set'} | {two or 'not set'}"))
    console.print(f"Data: {'equal' if found.same_data else 'different'}")


def _print_fill(console: Console, found: store.Comparison) -> None:
    if found.same_result:
        console.print("Result digest: equal to the last unit")
    if found.fill is None:
        console.print("Fills: equal")
        return
    console.print(f"First differing fill: number {found.fill.index + 1}")
    for row in (found.fill.first, found.fill.second):
        console.print(Text("  none" if row is None else f"  {_fill(row)}"))


def _fill(row: dict[str, Any]) -> str:
    side = "buy" if row["side"] > 0 else "sell"
    return (
        f"{text.moment(row['ts'])} {row['instrument']} {side} {row['quantity']:.10g} "
        f"at {row['price']:.10g}, fee {row['fee']:.10g} {row['fee_asset']}"
    )


@results.command("open", short_help="Open the report of a run.")
@click.argument("name", required=False)
@_folder_option
@click.option("--path", "only_path", is_flag=True, help="Print the path and open nothing.")
def open_command(name: str | None, root: Path | None, only_path: bool) -> None:
    """Open the report of a run (the newest by default) in a browser, or print its path."""
    folder = _root(root)
    try:
        page = _page(store.find(folder, name) if name else _newest(folder))
    except store.ResultError as error:
        raise click.ClickException(str(error)) from error
    click.echo(str(page))
    if not only_path:
        _show(page)


def _newest(folder: Path) -> Path:
    for run in store.list_runs(folder):
        if run.complete:
            return run.path
    raise store.ResultError(f"no complete result in {folder}; make one with `interlock backtest`")


def _page(run: Path) -> Path:
    page = (run / store.REPORT).absolute()
    if not (run / store.DONE).exists():
        raise store.ResultError(f"{run} is incomplete: the run was interrupted; run it again")
    if not page.exists():
        raise store.ResultError(f"{run} has no {store.REPORT}; run the backtest with a report")
    return page


def _show(page: Path) -> None:
    """Open a page where there is a browser with a display; its path has been printed anyway."""
    try:
        browser = webbrowser.get()
        # Without a display only text browsers are found; the path serves better than those.
        if type(browser) is not webbrowser.GenericBrowser:
            browser.open(page.as_uri())
    except (webbrowser.Error, OSError):
        return


def _root(root: Path | None) -> Path:
    return load().results if root is None else root


def _console() -> Console:
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Console(width=width, highlight=False)
