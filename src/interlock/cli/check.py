"""`interlock check`: does a strategy use what it could not have known?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from interlock.cli.errors import StrategyFailures

if TYPE_CHECKING:
    from interlock.research.loading import Loaded
    from interlock.research.lookahead import Verdict
    from interlock.research.lookahead.checker import Progress
    from interlock.strategy.columns import Dataset

BAR_ROWS = 5_000
TICK_ROWS = 20_000
_COLORS = {"passed": "green", "failed": "bold red", "warning": "yellow", "skipped": "dim"}


@click.command()
@click.argument("strategy")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
              help="A parameter of the strategy; repeat for more.")  # fmt: skip
@click.option("--data", multiple=True, metavar="SELECTION",
              help="BTCUSDT-PERP.BINANCE:1m from the catalog, a file (CSV, Parquet), or "
              "synthetic:ETHUSDT-PERP:1h. Repeat for more.  [default: a synthetic market that "
              "suits the strategy]")  # fmt: skip
@click.option("--from", "start", metavar="DATE", help="First time, UTC: 2024-01-31.")
@click.option("--to", "end", metavar="DATE", help="End, not included, UTC.")
@click.option("--instrument", default="", metavar="ID",
              help="What a file holds: BTCUSDT-PERP.BINANCE.")  # fmt: skip
@click.option("--catalog", type=click.Path(path_type=Path, file_okay=False),
              help="Catalog folder.  [default: $INTERLOCK_HOME/catalog]")  # fmt: skip
@click.option("--rows", type=click.IntRange(min=100), metavar="COUNT",
              help=f"First moments of the data to use.  [default: {BAR_ROWS} bars, {TICK_ROWS} "
              "ticks]")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True,
              help="Seed of the cuts, of the poison and of the synthetic market.")  # fmt: skip
@click.option("--strict", is_flag=True, help="Let warnings fail as well.")
@click.option("--json", "as_text", is_flag=True, help="Print JSON for programs.")
@click.option("--traceback", "everything", is_flag=True, help="Show every frame of an error.")
def check(strategy: str, **given: Any) -> None:
    """Try to catch STRATEGY using the future; exit code 1 when it does.

    The strategy is run again on data that end earlier, on data whose later rows are replaced by
    others, and under a guard that stops any reach past the present row. What it computed and
    ordered up to then must not change. Columns that start later must come to agree with longer ones
    within the declared warm-up. The shift test is for information.

    STRATEGY is a file (my_trend.py, my_trend.py:ClassName), package.module:ClassName, or an
    example (ma_cross).

    \b
    interlock check my_trend.py
    interlock check my_trend.py --data BTCUSDT-PERP.BINANCE:1m --rows 20000
    """
    failures = StrategyFailures(everything=given["everything"])
    with failures:
        verdict = _verdict(strategy, given, failures)
    if given["as_text"]:
        click.echo(json.dumps(verdict.as_json(), indent=2, allow_nan=False))
    else:
        _show(verdict)
    if verdict.caught or (given["strict"] and verdict.warned):
        raise click.exceptions.Exit(1)


def _verdict(strategy: str, given: dict[str, Any], failures: StrategyFailures) -> Verdict:
    from interlock.research.loading import load_strategy, make, parse_parameters
    from interlock.research.lookahead import CheckOptions, check_strategy

    loaded = load_strategy(strategy)
    values = parse_parameters(loaded.kind, given["parameters"])
    failures.path, failures.parameters = loaded.path, values
    make(loaded.kind, values)  # a wrong value is said before any data are read
    dataset = _dataset(loaded, given)
    rows = given["rows"] or (BAR_ROWS if dataset.bars else TICK_ROWS)
    with _progress(quiet=given["as_text"]) as tell:
        return check_strategy(
            lambda: make(loaded.kind, values),
            dataset,
            options=CheckOptions(rows=rows, seed=given["seed"]),
            progress=tell,
        )


def _dataset(loaded: Loaded, given: dict[str, Any]) -> Dataset:
    from interlock.config import load
    from interlock.research.catalog import Catalog, instant
    from interlock.research.selection_text import DataRequest, gather
    from interlock.research.synthetic import START

    end = instant(given["end"]) if given["end"] else None
    selections = given["data"]
    if not selections:
        selections, days = _suitable(loaded, given["rows"] or BAR_ROWS)
        end = end or START + days * 86_400 * 10**9
    request = DataRequest(
        selections=selections,
        start=instant(given["start"]) if given["start"] else None,
        end=end,
        seed=given["seed"],
        instrument=given["instrument"],
    )
    return gather(request, Catalog(given["catalog"] or load().catalog)).dataset


def _suitable(loaded: Loaded, rows: int) -> tuple[tuple[str, ...], int]:
    """A synthetic market on which the strategy has something to do, and the days it needs."""
    from interlock.strategy.api import Strategy, timeframe_ns

    kind = loaded.kind
    if issubclass(kind, Strategy):
        if kind.on_book is not Strategy.on_book:
            return ("synthetic:crypto-depth",), 1
        if kind.on_quote is not Strategy.on_quote or kind.on_trade is not Strategy.on_trade:
            return ("synthetic:crypto-ticks",), 1
    words = ["synthetic"]
    if "view.instruments(" in loaded.source:
        words.append("BTCUSDT-PERP+ETHUSDT-PERP+SOLUSDT-PERP")
    # Minute bars unless the strategy looks at days, of which a few thousand minutes hold few.
    longest = max((timeframe_ns(name) for name in getattr(kind, "timeframes", ())), default=0)
    step, per_day = ("1h", 24) if longest >= timeframe_ns("4h") else ("1m", 1_440)
    return (":".join([*words, step]),), -(-rows // per_day)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """A line on standard error that says what is being tried; none without a terminal."""
    from rich.console import Console

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda text: None
        return
    with console.status("checking") as status:
        yield lambda text: status.update(f"checking: {text}")


def _show(verdict: Verdict) -> None:
    from rich.table import Table
    from rich.text import Text

    from interlock.cli.summary import console

    market = " (SYNTHETIC)" if verdict.synthetic else ""
    click.echo(f"{verdict.strategy} on {verdict.rows:,} rows of {verdict.data}{market}")
    grid = Table(box=None, pad_edge=False)
    for title in ("Test", "Verdict", "Tried"):
        grid.add_column(title)
    for item in verdict.outcomes:
        grid.add_row(item.test, Text(item.status, _COLORS[item.status]), Text(item.tried))
    console().print(grid)
    for item in verdict.outcomes:
        for finding in item.findings:
            click.echo(f"\n{item.test}, {item.status}:\n  {finding.sentence()}")
    for note in verdict.notes:
        click.echo(f"\nnote: {note}")
    click.echo()
    click.echo(_conclusion(verdict))


def _conclusion(verdict: Verdict) -> str:
    if verdict.caught:
        return "CAUGHT: the strategy uses what it could not have known, or cannot repeat it live."
    if verdict.warned:
        return "No use of the future was found; look at the warnings."
    return "No use of the future was found."
