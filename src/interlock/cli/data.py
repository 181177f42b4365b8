"""`interlock data`: import, list, describe, check and remove market data."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table as Grid

from interlock.adapters.system import SystemClock
from interlock.cli.rules import rules_in_words
from interlock.config import ConfigError, load
from interlock.research.catalog import (
    Catalog,
    CatalogError,
    EntryCorrupt,
    Finding,
    FindingRow,
    ImportReport,
    ImportRequest,
    InstrumentOptions,
    check_table,
    import_files,
    iso,
)
from interlock.research.catalog.convert import Reading
from interlock.research.catalog.findings import finding
from interlock.research.catalog.importer import as_json, expand
from interlock.research.catalog.layouts import REQUIRED, Hints

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")
_PASSED_ON = (
    "tick", "lot", "maker_bps", "taker_bps", "like", "file", "base", "quote", "calendar",
)  # fmt: skip
_COLORS = {"error": "red", "warning": "yellow", "info": "dim"}


def _refusals(command: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
    """Turn a refusal into one message on standard error and exit code 1."""

    @wraps(command)
    def run(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Result:
        try:
            return command(*args, **kwargs)
        except (CatalogError, ConfigError) as error:
            raise click.ClickException(str(error)) from error

    return run


def _catalog(folder: Path | None) -> Catalog:
    return Catalog(folder or load().catalog)


_catalog_option = click.option(
    "--catalog",
    type=click.Path(path_type=Path, file_okay=False),
    help="Catalog folder; default: $INTERLOCK_HOME/catalog (~/.interlock/catalog).",
)
_json_option = click.option("--json", "as_text", is_flag=True, help="Print JSON for programs.")


@click.group()
def data() -> None:
    """Import, download, list, check and remove market data."""


def _pairs(_context: click.Context, _parameter: click.Parameter, text: str) -> dict[str, str]:
    pairs = {}
    for part in filter(None, text.split(",")):
        ours, equals, theirs = part.partition("=")
        if not equals or not theirs:
            raise click.BadParameter(f"{part!r} is not FIELD=COLUMN, such as time=Date,open=Open")
        pairs[ours.strip().lower()] = theirs.strip()
    return pairs


@data.command("import", short_help="Store files in the catalog.")
@click.argument("files", nargs=-1, required=True)
@click.option("--instrument", required=True, help="SYMBOL.VENUE, such as BTCUSDT-PERP.BINANCE.")
@click.option("--tick", default="", help="Smallest price step, or auto to take it from the data.")
@click.option("--lot", default="", help="Smallest quantity step, or auto.")
@click.option("--maker-bps", default="", help="Maker fee in basis points; negative is a rebate.")
@click.option("--taker-bps", default="", help="Taker fee in basis points.")
@click.option("--like", default="", help="Venue template, such as binance-usdm or us-equity.")
@click.option(
    "--instrument-file",
    "file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="JSON or TOML with all fields of the instrument.",
)
@click.option("--instrument-kind", default="", help="perpetual, spot or equity.")
@click.option("--base", default="", help="Base asset, when the symbol does not tell.")
@click.option("--quote", default="", help="Quote currency, when the symbol does not tell.")
@click.option("--calendar", default="", help="24/7 or an exchange code such as XNYS.")
@click.option("--price-exponent", default="auto", help="Decimals of the price unit, or auto.")
@click.option("--quantity-exponent", default="auto", help="Decimals of the quantity unit, or auto.")
@click.option("--kind", default="", help=f"What the files hold: {', '.join(REQUIRED)}.")
@click.option(
    "--columns", default="", callback=_pairs, help="Column names: time=Date,open=Open,..."
)
@click.option("--step", default="", help="Step of the bars (1m, 1h, 1d); default: from the data.")
@click.option("--timezone", default=None, help="Zone of times that carry none, such as UTC.")
@click.option("--time-unit", default=None, help="Unit of epoch times: s, ms, us or ns.")
@click.option("--label", type=click.Choice(["open", "close"]), default="open",
              help="Which end of its bar a time names.")  # fmt: skip
@click.option("--symbol", default="", help="The symbol to take from a file that holds several.")
@click.option("--merge", is_flag=True, help="Collapse rows that are stored or repeated already.")
@click.option("--replace", is_flag=True, help="Discard what is stored of this kind and step.")
@click.option("--sort", is_flag=True, help="Put rows in time order.")
@click.option("--round", "round_values", is_flag=True, help="Round values finer than the units.")
@click.option("--synthetic", is_flag=True, help="Mark the data as generated, not observed.")
@_catalog_option
@_json_option
@_refusals
def import_command(files: tuple[str, ...], **options: Any) -> None:
    """Store FILES (CSV, Parquet, feather, NumPy; globs allowed) in the catalog.

    Rows that contradict themselves are stored as they are, and the command exits with 1.

    \b
    interlock data import BTCUSDT-1m-2024-01.csv \\
        --instrument BTCUSDT-PERP.BINANCE --tick 0.1 --lot 0.001
    """
    request = _request(files, options)
    catalog = _catalog(options["catalog"])
    console = Console(stderr=True)
    now = SystemClock().now_ns()
    with _progress(console, quiet=options["as_text"]) as bar:
        task = bar.add_task("reading", total=len(request.paths))
        order = {path: at for at, path in enumerate(request.paths)}

        def advance(path: Path, done: float) -> None:
            bar.update(task, completed=order[path] + done, description=f"reading {path.name}")

        def stored(what: str) -> None:
            bar.update(task, description=what)

        report = import_files(catalog, request, now_ns=now, progress=advance, started=stored)
    if options["as_text"]:
        click.echo(json.dumps(as_json(report), indent=2))
    else:
        _show_import(report)
    _fail_on_errors(report)


def _fail_on_errors(report: ImportReport) -> None:
    """Raise ClickException when the check of the imported rows found errors."""
    errors = [item for item in report.findings if item.severity == "error"]
    if not errors:
        return
    entry = report.entry
    counts = ", ".join(f"{item.code} {item.count:,}" for item in errors)
    raise click.ClickException(
        f"{entry.instrument} {entry.name} is stored as it was given, with errors in its rows "
        f"({counts}): a backtest on them means nothing there; correct the source and import it "
        f"again with --replace, or remove it: `interlock data remove {entry.instrument} "
        f"{entry.name}`"
    )


def _progress(console: Console, *, quiet: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    return Progress(
        *columns, console=console, transient=True, disable=quiet or not console.is_terminal
    )


def _request(files: tuple[str, ...], options: dict[str, Any]) -> ImportRequest:
    if options["merge"] and options["replace"]:
        raise click.UsageError("--merge and --replace exclude each other; choose one")
    instrument = InstrumentOptions(
        price_exponent=_exponent("--price-exponent", options["price_exponent"]),
        quantity_exponent=_exponent("--quantity-exponent", options["quantity_exponent"]),
        kind=options["instrument_kind"],
        **{name: options[name] for name in _PASSED_ON},
    )
    reading = Reading(
        hints=Hints(options["kind"], options["columns"]),
        timezone=options["timezone"],
        time_unit=options["time_unit"],
        symbol=options["symbol"],
    )
    return ImportRequest(
        paths=expand(files),
        instrument_id=options["instrument"],
        options=instrument,
        reading=reading,
        step=options["step"],
        mode="merge" if options["merge"] else "replace" if options["replace"] else "append",
        sort=options["sort"],
        round_values=options["round_values"],
        labeled_by_close=options["label"] == "close",
        synthetic=options["synthetic"],
    )


def _exponent(flag: str, text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdigit() or int(text) > 12:
        raise click.UsageError(f"{flag} {text!r} is not auto or a number from 0 to 12")
    return int(text)


@data.command("list")
@_catalog_option
@_json_option
@_refusals
def list_command(catalog: Path | None, as_text: bool) -> None:
    """List what the catalog holds."""
    store = _catalog(catalog)
    found, broken = [], []
    for instrument in store.instruments():
        for name in store.names(instrument.id):
            try:
                found.append(store.describe(instrument.id, name))
            except EntryCorrupt as error:
                broken.append(str(error))
    if as_text:
        content = {"entries": msgspec.to_builtins(found), "unfinished": broken}
        click.echo(json.dumps(content, indent=2))
        return
    if not found and not broken:
        click.echo(f"{store.root} is empty; add data with `interlock data import FILE ...`")
        return
    grid = Grid("instrument", "data", "rows", "first", "last", "digest", "note")
    for entry in found:
        grid.add_row(
            entry.instrument,
            entry.name,
            f"{entry.rows:,}",
            iso(entry.first)[:19],
            iso(entry.last)[:19],
            entry.digest[:8],
            "synthetic" if entry.synthetic else "",
        )
    _console().print(grid)
    for message in broken:
        click.echo(f"not trusted: {message}", err=True)


@data.command("describe")
@click.argument("instrument")
@_catalog_option
@_json_option
@_refusals
def describe_command(instrument: str, catalog: Path | None, as_text: bool) -> None:
    """Show an instrument with its rules and everything stored of it."""
    store = _catalog(catalog)
    found = store.instrument(instrument)
    entries = store.entries(instrument)
    if as_text:
        content = {
            "instrument": msgspec.to_builtins(found),
            "entries": msgspec.to_builtins(entries),
        }
        click.echo(json.dumps(content, indent=2))
        return
    console = _console()
    rules = Grid("field", "value", title=instrument, title_justify="left")
    for name, value in rules_in_words(found).items():
        rules.add_row(name, value)
    console.print(rules)
    for entry in entries:
        grid = Grid("field", "value", title=entry.name, title_justify="left")
        for name, value in msgspec.to_builtins(entry).items():
            shown = iso(value) if name in ("first", "last") else str(value)
            grid.add_row(name, shown)
        console.print(grid)


@data.command("check")
@click.argument("instrument", required=False)
@click.argument("name", required=False)
@click.option("--strict", is_flag=True, help="Let warnings fail the check, too.")
@_catalog_option
@_json_option
@_refusals
def check_command(
    instrument: str | None, name: str | None, strict: bool, catalog: Path | None, as_text: bool
) -> None:
    """Check stored data; exits 1 when it finds errors. It never changes anything."""
    store = _catalog(catalog)
    now = SystemClock().now_ns()
    wanted = [store.instrument(instrument)] if instrument else list(store.instruments())
    targets = [
        (item.id, entry) for item in wanted for entry in ([name] if name else store.names(item.id))
    ]
    if not targets:
        raise CatalogError(f"{store.root} has nothing to check; add data: interlock data import")
    results: list[tuple[str, list[Finding]]] = []
    with _progress(Console(stderr=True), quiet=as_text) as bar:
        for identity, entry in bar.track(targets, description="checking"):
            results.append((f"{identity}:{entry}", _checked(store, identity, entry, now)))
    if as_text:
        content = {label: msgspec.to_builtins(found) for label, found in results}
        click.echo(json.dumps(content, indent=2))
    else:
        for label, found in results:
            _show_findings(label, found)
    failing = ("error", "warning") if strict else ("error",)
    if any(item.severity in failing for _, found in results for item in found):
        raise click.exceptions.Exit(1)


def _checked(store: Catalog, instrument: str, name: str, now: int) -> list[Finding]:
    try:
        store.verify(instrument, name)
    except EntryCorrupt as error:
        return [finding("corrupt", 1, rows=(FindingRow(0, 0, str(error)),))]
    return check_table(store.table(instrument, name), now_ns=now)


@data.command("remove", short_help="Remove an entry, or an instrument.")
@click.argument("instrument")
@click.argument("name", required=False)
@click.option("--yes", is_flag=True, help="Do not ask.")
@_catalog_option
@_refusals
def remove_command(instrument: str, name: str | None, yes: bool, catalog: Path | None) -> None:
    """Remove one entry (such as bars-1m), or an instrument with all its data."""
    store = _catalog(catalog)
    if name is None and not yes:
        held = ", ".join(store.names(instrument)) or "no data"
        click.confirm(f"Remove {instrument} with {held}?", abort=True)
    removed = store.remove(instrument, name)
    click.echo(f"removed {instrument}: {', '.join(removed)}")


def _show_import(report: ImportReport) -> None:
    entry = report.entry
    click.echo(
        f"{entry.instrument} {entry.name}: {report.rows:,} rows from {report.files} file(s); "
        f"stored {entry.rows:,} rows, {iso(entry.first)} to {iso(entry.last)}"
    )
    if entry.collapsed:
        click.echo(f"  identical rows collapsed: {entry.collapsed:,}")
    for note in report.notes:
        click.echo(f"  {note}")
    click.echo(f"  digest {entry.digest[:16]}")
    _show_findings("check of the imported rows", list(report.findings))


def _show_findings(label: str, findings: list[Finding]) -> None:
    console = _console()
    if not findings:
        console.print(f"{label}: [green]no findings[/green]")
        return
    grid = Grid("finding", "severity", "rows", "first rows", "meaning and remedy", title=label,
                title_justify="left", show_lines=True)  # fmt: skip
    for item in findings:
        color = _COLORS[item.severity]
        first = "\n".join(
            f"row {row.row} {row.time} {row.detail}" if row.ts else row.detail
            for row in item.rows[:3]
        )
        grid.add_row(
            item.code,
            f"[{color}]{item.severity}[/{color}]",
            f"{item.count:,}",
            first,
            f"{item.meaning}\n-> {item.remedy}",
        )
    console.print(grid)


def _console() -> Console:
    # A pipe has no width of its own: do not fold the table to 80 columns there.
    console = Console()
    return console if console.is_terminal else Console(width=160)
