"""`interlock backtest`: one run from a strategy or a run file, with its report."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import click

from interlock.cli.errors import StrategyFailures

_SLIPPAGE = re.compile(
    r"(none)|(fixed|volume_share|square_root):([0-9]*\.?[0-9]+)\s*(?:bps)?", re.IGNORECASE
)
# Flag -> option of RunOptions.
_FLAGS = {
    "cash": "cash",
    "fill": "fill",
    "leverage": "leverage",
    "maker_fee_bps": "maker_fee_bps",
    "taker_fee_bps": "taker_fee_bps",
    "latency_ms": "order_latency_ms",
    "volume_cap_pct": "volume_cap_pct",
}


def _slippage(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> dict[str, Any]:
    if value is None:
        return {}
    found = _SLIPPAGE.fullmatch(value.strip())
    if found is None:
        raise click.BadParameter(
            f"{value!r} is not none, fixed:2bps, volume_share:10bps or square_root:10bps"
        )
    if found.group(1):
        return {"slippage": "none", "slippage_bps": 0.0}
    return {"slippage": found.group(2).lower(), "slippage_bps": float(found.group(3))}


def _assignments(
    _context: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
) -> dict[str, str]:
    found = {}
    for part in texts:
        name, equals, value = part.partition("=")
        if not equals:
            raise click.BadParameter(f"{part!r} is not NAME=VALUE, such as queue=proportional")
        found[name.strip()] = value.strip()
    return found


@click.command()
@click.argument("strategy")
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
              help="A parameter of the strategy; repeat for more.")  # fmt: skip
@click.option("--data", multiple=True, metavar="SELECTION",
              help="BTCUSDT-PERP.BINANCE:1m from the catalog, a file (CSV, Parquet), or "
              "synthetic, synthetic:ETHUSDT-PERP:1h, synthetic:crypto-ticks. Repeat for more.  "
              "[default: synthetic]")  # fmt: skip
@click.option("--from", "start", metavar="DATE", help="First time, UTC: 2024-01-31.")
@click.option("--to", "end", metavar="DATE", help="End, not included, UTC.")
@click.option("--seed", type=int, help="Seed of the synthetic market.  [default: 0]")
@click.option("--instrument", metavar="ID", help="What a file holds: BTCUSDT-PERP.BINANCE.")
@click.option("--catalog", type=click.Path(file_okay=False),
              help="Catalog folder.  [default: $INTERLOCK_HOME/catalog]")  # fmt: skip
@click.option("--cash", type=float, metavar="AMOUNT",
              help="Cash at the start, in the quote currency.  [default: 1000000]")  # fmt: skip
@click.option("--fill", type=click.Choice(["next_open", "same_close"]),
              help="When a decision on a bar trades.  [default: next_open]")  # fmt: skip
@click.option("--slippage", callback=_slippage, metavar="MODEL",
              help="none, fixed:2bps, volume_share:10bps, square_root:10bps.  "
              "[default: none]")  # fmt: skip
@click.option("--slippage-bps", type=float, metavar="BPS", help="Short for --slippage fixed:BPS.")
@click.option("--leverage", type=float, metavar="RATIO",
              help="Largest notional / equity.  [default: 1]")  # fmt: skip
@click.option("--maker-fee-bps", type=float, metavar="BPS",
              help="Fee of resting orders; negative is a rebate.  "
              "[default: the instrument's]")  # fmt: skip
@click.option("--taker-fee-bps", type=float, metavar="BPS",
              help="Fee of orders that trade at once.  [default: the instrument's]")  # fmt: skip
@click.option("--latency-ms", type=float, metavar="MS",
              help="From our order to the venue.  [default: 0]")  # fmt: skip
@click.option("--volume-cap-pct", metavar="PCT",
              help="Largest share of a bar's volume that we take, or off.  "
              "[default: 2.5]")  # fmt: skip
@click.option("--set", "others", multiple=True, callback=_assignments, metavar="NAME=VALUE",
              help="Any other option of the run, such as queue=proportional, "
              "margin_mode=isolated.")  # fmt: skip
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Folder of results.  [default: ./results]")  # fmt: skip
@click.option("--no-save", is_flag=True, help="Keep no result.")
@click.option("--no-report", is_flag=True, help="Keep the result without the HTML report.")
@click.option("--open", "show", is_flag=True, help="Open the report in a browser.")
@click.option("--journal", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Write everything that happened, as msgpack rows.")  # fmt: skip
@click.option("--allow-changed-data", is_flag=True,
              help="Run a run file even when its data have changed.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Print the path of the result only.")
@click.option("--json", "as_text", is_flag=True, help="Print JSON for programs.")
@click.option("--pdb", is_flag=True, help="Open the debugger where the strategy raises.")
@click.option("--traceback", "everything", is_flag=True, help="Show every frame of an error.")
def backtest(strategy: str, **given: Any) -> None:
    """Run STRATEGY over data and write a report.

    STRATEGY is a file (my_trend.py, my_trend.py:ClassName), package.module:ClassName, an example
    (ma_cross), or a run file (run.toml), which repeats a run exactly.

    \b
    interlock backtest my_trend.py --data BTCUSDT-PERP.BINANCE:1m --from 2024-01-01 --to 2024-07-01
    interlock backtest ma_cross -p fast=20 -p slow=100 --data synthetic:1h --slippage-bps 1
    interlock backtest results/MaCross-20260131-120000-1a2b3c4d/run.toml
    """
    failures = StrategyFailures(pdb=given["pdb"], everything=given["everything"])
    with failures:
        _run(strategy, given, failures)


def _run(strategy: str, given: dict[str, Any], failures: StrategyFailures) -> None:
    from interlock.cli import summary
    from interlock.research.runs import execute, prepare

    spec, loaded = _spec(strategy, given)
    failures.path, failures.parameters = loaded.path, dict(spec.parameters)
    is_silent = given["quiet"] or given["as_text"]
    is_live = _may_be_live(loaded, given)
    with summary.waiting("reading data", live=is_live):
        prepared = prepare(spec, loaded=loaded, allow_changed_data=given["allow_changed_data"])
    failures.parameters = dict(prepared.spec.parameters)
    if not is_silent:
        _announce(prepared, defaulted=not spec.data)
    for line in prepared.warnings:
        click.echo(f"warning: {line}", err=True)
    watch = summary.Stopwatch()
    with (
        _journal(given["journal"]) as write,
        summary.progress("running", unit="rows", live=is_live) as advance,
    ):
        result = execute(
            prepared, command=_command(), progress=advance, write_journal=write, lap=watch.lap
        )
    notes = list(result.config.get("notes", ()))
    warnings = list(prepared.warnings) + _against_record(spec, result.result_digest)
    folder = None
    if not given["no_save"]:
        folder = result.save(given["results"], page=not given["no_report"])
        watch.lap("report" if not given["no_report"] else "saving")
    if given["as_text"]:
        click.echo(
            summary.as_json(result, folder, warnings=[*warnings, *notes], notes=prepared.notes)
        )
    elif given["quiet"]:
        click.echo(str(folder) if folder is not None else result.result_digest)
    else:
        click.echo(f"{summary.speed_line(prepared.rows, watch.parts)}\n")
        for note in notes:
            click.echo(f"warning: {note}", err=True)
        _report(result, folder, warnings[len(prepared.warnings) :], spec)
    if given["show"] and folder is not None and not given["no_report"]:
        from interlock.cli.results import _show

        _show((folder / "report.html").absolute())


def _report(result: Any, folder: Path | None, warnings: list[str], spec: Any) -> None:
    from interlock.cli import summary

    summary.print_table({result.config["strategy"]: result})
    click.echo()
    summary.print_notice(result.synthetic)
    for line in warnings:
        click.echo(f"warning: {line}", err=True)
    if spec.result_digest and not warnings:
        click.echo("The result is equal to the recorded one, to the last unit.")
    summary.print_places(result, folder)


def _spec(strategy: str, given: dict[str, Any]) -> tuple[Any, Any]:
    """The run as asked for: a run file or the defaults, with what the command line says on top."""
    from interlock.research.loading import load_strategy, parse_parameters
    from interlock.research.run_file import RunSpec, read_options, read_run_file

    is_run_file = strategy.endswith(".toml")
    start = read_run_file(Path(strategy)) if is_run_file else RunSpec(strategy=strategy)
    loaded = load_strategy(start.strategy)
    values = parse_parameters(loaded.kind, given["parameters"])
    changes: dict[str, Any] = {
        name: given[name]
        for name in ("data", "start", "end", "seed", "instrument", "catalog")
        if given[name] not in (None, ())
    }
    options = {option: given[flag] for flag, option in _FLAGS.items() if given[flag] is not None}
    options |= _slippage_given(given)
    options |= given["others"]
    spec = replace(
        start,
        parameters={**start.parameters, **values},
        options=read_options(options, start=start.options),
        **changes,
    )
    # A record binds only the run that was recorded.
    if changes:
        spec = replace(spec, data_digest="")
    if changes or values or options:
        spec = replace(spec, result_digest="")
    return spec, loaded


def _slippage_given(given: dict[str, Any]) -> dict[str, Any]:
    """The slippage of one flag or the other; both may stand only where they say the same."""
    model, bps = given["slippage"], given["slippage_bps"]
    if bps is None:
        return dict(model)
    short = {"slippage": "fixed" if bps else "none", "slippage_bps": bps}
    if model and model != short:
        raise click.UsageError(
            f"--slippage-bps {bps:g} is short for --slippage fixed:{bps:g}bps and contradicts the "
            "--slippage given; leave one away"
        )
    return short


def _announce(prepared: Any, *, defaulted: bool) -> None:
    from interlock.cli import summary

    spec = prepared.spec
    click.echo(f"{prepared.loaded.kind.__name__} {summary.assignments(spec)}".rstrip())
    click.echo(summary.data_line(prepared.dataset))
    if defaulted:
        summary.console().print(
            "[bold yellow]No --data given: this is the SYNTHETIC market, an invention.[/] "
            "Yours: --data BTCUSDT-PERP.BINANCE:1m (interlock data --help)"
        )
    for line in prepared.notes:
        click.echo(f"note: {line}")


def _against_record(spec: Any, digest: str) -> list[str]:
    if not spec.result_digest or spec.result_digest == digest:
        return []
    return [
        f"the result has digest {digest[:16]}, the run file records {spec.result_digest[:16]}: the "
        "strategy or Interlock changed since; `interlock results compare` shows where they part"
    ]


def _may_be_live(loaded: Any, given: dict[str, Any]) -> bool:
    """Whether a bar may be drawn: a debugger needs the terminal to itself."""
    stops = "breakpoint(" in loaded.source or "set_trace(" in loaded.source
    return not (given["quiet"] or given["as_text"] or given["pdb"] or stops)


def _command() -> str:
    return shlex.join(["interlock", *sys.argv[1:]])


@contextmanager
def _journal(path: Path | None) -> Iterator[Callable[[bytes], object] | None]:
    """A file that has its name only when it is whole."""
    if path is None:
        yield None
        return
    partial = path.with_name(f".{path.name}.partial")
    file: IO[bytes]
    try:
        with partial.open("wb") as file:
            yield file.write
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
