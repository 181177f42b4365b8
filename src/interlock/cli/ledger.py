"""Commands about the ledger: verify it, ask it, export it, copy it, migrate it."""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.table import Table

from interlock.adapters.storage import Database, prepare, rebuild
from interlock.adapters.storage.migrations import MIGRATIONS, NEWEST, migrate, version
from interlock.adapters.storage.queries import Reader, backup
from interlock.adapters.storage.verification import check_anchor
from interlock.config import load
from interlock.ports import LedgerFault

_PLAIN_WIDTH = 200


@click.group()
def ledger() -> None:
    """Verify, ask, export, copy and migrate the ledger of the live engine.

    The ledger is the chain of everything that must never be lost: intents, orders, fills, operator
    commands, breaker events, reconciliation reports. Commands that read may run beside an engine.
    """


def _where_option(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--ledger",
        "where",
        metavar="FILE|URL",
        help="A file, or postgresql://USER@HOST/DATABASE.  [default: ledger.db in the home folder]",
    )(command)


def _where(where: str | None) -> str:
    return str(load().home / "ledger.db") if where is None else where


def _reader(where: str | None) -> closing[Reader]:
    return closing(Reader(_where(where)))


@ledger.command("verify")
@_where_option
@click.option("--tail", type=click.IntRange(min=1), help="Check the last rows only.")
@click.option(
    "--anchor",
    metavar="SEQ:DIGEST",
    help="A row's digest that was noted elsewhere: tells a ledger that was rewritten as a whole.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify_command(where: str | None, tail: int | None, anchor: str | None, as_json: bool) -> None:
    """Check every row against the chain of digests; say the first bad one.

    Exit code 0: everything is as it was written. 1: it is not; do not trade on it.
    """
    with _reader(where) as reader:
        found = reader.verify(tail=tail or 0)
        problem = found.problem
        if problem is None and anchor is not None:
            problem = check_anchor(reader.database, *_anchor(anchor))
    if as_json:
        said = {"digest": found.digest, "problem": None if problem is None else str(problem)}
        place = {"first": found.first, "last": found.last, "rows": found.rows}
        click.echo(json.dumps(place | said))
    elif problem is None:
        click.echo(f"{found.rows} rows verified, {found.first} to {found.last}")
        click.echo(f"digest of row {found.last}: {found.digest}")
    if problem is not None:
        if as_json:
            raise click.exceptions.Exit(1)
        raise problem


def _anchor(text: str) -> tuple[int, bytes]:
    seq, _, digest = text.partition(":")
    if not re.fullmatch(r"\d+:[0-9a-f]{64}", text):
        raise click.BadParameter(f"{text!r} must read SEQ:DIGEST as `verify` prints it, 64 digits")
    return int(seq), bytes.fromhex(digest)


@ledger.command("query")
@click.argument("sql")
@_where_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
def query_command(sql: str, where: str | None, as_json: bool) -> None:
    """Answer one SELECT over the views, on a connection that cannot change anything.

    \b
    interlock ledger query "SELECT * FROM orders WHERE date = '2024-01-15'"
    interlock ledger query "SELECT * FROM circuit_breaker_events WHERE event_type = 'TRIP'"
    interlock ledger query "SELECT * FROM reconciliation_reports WHERE severity = 'CRITICAL'"
    """
    with _reader(where) as reader:
        found = reader.ask(sql)
        if as_json:
            for record in found.records:
                click.echo(_json(dict(zip(found.columns, record, strict=True))))
            return
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in found.columns:
            table.add_column(name, overflow="fold")
        for record in found.records:
            table.add_row(*(_shown(value) for value in record))
    _console().print(table)
    click.echo(f"{table.row_count} records")


@ledger.command("views")
@_where_option
def views_command(where: str | None) -> None:
    """List the views, how many records each has, and their columns."""
    with _reader(where) as reader:
        found = reader.views()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("View", no_wrap=True)
    table.add_column("Records", justify="right", no_wrap=True)
    table.add_column("Columns")
    for name, columns, count in found:
        table.add_row(name, str(count), ", ".join(columns))
    _console().print(table)


@ledger.command("export")
@_where_option
@click.option(
    "--what",
    default="rows",
    show_default=True,
    metavar="rows|registry|VIEW",
    help="The ledger's rows, the registry of client order ids, or a view.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "csv", "json"]),
    help="One JSON object per line, CSV, or one JSON object with an entry per line (registry).",
)
@click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="A new file.")
@click.option("--after", default=0, help="Rows above this sequence only.")
def export_command(
    where: str | None, what: str, form: str | None, output: Path | None, after: int
) -> None:
    """Write rows, the registry of client order ids, or a view, to a file or to the terminal.

    \b
    interlock ledger export > ledger.jsonl
    interlock ledger export --what registry --output state/coid_registry.json
    interlock ledger export --what fills --format csv --output fills.csv
    """
    form = form or ("json" if what == "registry" else "jsonl")
    if form == "json" and what != "registry":
        raise click.UsageError("--format json is for --what registry; use jsonl or csv")
    with _reader(where) as reader, _output(output) as file:
        records = _exported(reader, what, after)
        if form == "json":
            _write_registry(reader, file)
        elif form == "csv":
            _write_csv(records, file)
        else:
            for record in records:
                file.write(_json(record) + "\n")


def _exported(reader: Reader, what: str, after: int) -> Iterator[dict[str, Any]]:
    if what == "rows":
        yield from reader.rows(after)
    elif what == "registry":
        for name, entry in reader.registry():
            yield {"client_order_id": name, **entry}
    else:
        names = [name for name, _, _ in reader.views()]
        if what not in names:
            known = ", ".join(["rows", "registry", *names])
            raise LedgerFault(f"there is no {what!r} to export; name one of {known}")
        found = reader.ask(f"SELECT * FROM {what} ORDER BY seq")
        for record in found.records:
            yield dict(zip(found.columns, record, strict=True))


def _write_registry(reader: Reader, file: IO[str]) -> None:
    """One JSON object with one entry per line, so that lines count entries."""
    lead = "{"
    for name, entry in reader.registry():
        file.write(f"{lead}{json.dumps(name)}: {_json(entry)}")
        lead = ",\n"
    file.write("{}\n" if lead == "{" else "}\n")


def _write_csv(records: Iterator[dict[str, Any]], file: IO[str]) -> None:
    writer = csv.writer(file)
    names: list[str] = []
    for record in records:
        if not names:
            names = ["seq", "ts_event", "kind", "row", "digest"] if "kind" in record else []
            names = names if "digest" in record else list(record)
            writer.writerow(names)
        if "row" in names:
            rest = {key: value for key, value in record.items() if key not in names}
            record = {**record, "row": _json(rest)}
        writer.writerow([_shown(record[name]) for name in names])


@contextmanager
def _output(path: Path | None) -> Iterator[IO[str]]:
    if path is None:
        yield sys.stdout
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            yield file
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@ledger.command("backup")
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@_where_option
def backup_command(target: Path, where: str | None) -> None:
    """Copy the ledger to TARGET, also while an engine writes to it, and verify the copy."""
    found = backup(_where(where), target)
    click.echo(f"{target}: {found.rows} rows verified, digest of the last {found.digest}")


@ledger.command("migrate")
@_where_option
@click.option("--to", type=click.IntRange(0, NEWEST), help="A version.  [default: the newest]")
@click.option("--show", is_flag=True, help="Say the version and the steps, and change nothing.")
def migrate_command(where: str | None, to: int | None, show: bool) -> None:
    """Bring the schema up to this program's version, or down to an earlier one.

    Stop the engine and make a backup first. The rows are never changed.
    """
    database = Database(_where(where), readonly=show)
    at = version(database)
    if show:
        for step in MIGRATIONS:
            click.echo(f"{'*' if step.version <= at else ' '} {step.version}  {step.name}")
        return
    if not at:
        raise LedgerFault(f"{database.name} holds no ledger; check the name")
    done = migrate(database, NEWEST if to is None else to)
    click.echo("\n".join(done) if done else f"version {at}: nothing to do")


@ledger.command("rebuild")
@_where_option
def rebuild_command(where: str | None) -> None:
    """Make the tables behind the views again from the rows; the rows are not touched."""
    database = prepare(_where(where), create=False)
    click.echo(f"made again from {rebuild(database)} rows")


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    # Decimals of PostgreSQL: exact as text, and a number in JSON where a float says the same.
    number = float(value)
    return number if str(value) == repr(number) else str(value)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


def _console() -> Console:
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    return Console(width=width, highlight=False)
