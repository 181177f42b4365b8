"""`interlock sweep`: many parameters of one strategy, and the best of them in the kernel."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from interlock.cli.errors import INTERRUPTED, StrategyFailures

_SAMPLERS = ("grid", "tpe", "random", "cmaes", "qmc")
_OPTIONS = ("cash", "fill", "leverage", "maker_fee_bps", "taker_fee_bps", "volume_cap_pct")


@click.command()
@click.argument("strategy")
@click.option("--grid", "grids", multiple=True, metavar="NAME=VALUES",
              help="fast=5:50:5 (end included) or slow=60,80,100; repeat for more. With a sampler: "
              "what it may choose from.")  # fmt: skip
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE",
              help="A parameter that stays; repeat for more.")  # fmt: skip
@click.option("--sampler", type=click.Choice(_SAMPLERS), default="grid", show_default=True,
              help="How parameters are chosen.")  # fmt: skip
@click.option("--trials", type=click.IntRange(1), default=100, show_default=True,
              help="How many trials a sampler makes.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="Seed of the sampler.")  # fmt: skip
@click.option("--metric", default="sharpe", show_default=True, help="What the best is best at.")
@click.option("--jobs", type=click.IntRange(0), default=0, help="Workers.  [default: every core]")
@click.option("--cluster", default="", metavar="ADDRESS",
              help="dask://HOST:PORT or ray://HOST:PORT instead of this machine.")  # fmt: skip
@click.option("--top", type=click.IntRange(1), default=1, show_default=True,
              help="How many of the best run again in the kernel.")  # fmt: skip
@click.option("--data", multiple=True, metavar="SELECTION",
              help="As for interlock backtest.  [default: synthetic]")  # fmt: skip
@click.option("--from", "start", metavar="DATE", help="First time, UTC: 2024-01-31.")
@click.option("--to", "end", metavar="DATE", help="End, not included, UTC.")
@click.option("--data-seed", type=int, help="Seed of the synthetic market.  [default: 0]")
@click.option("--instrument", metavar="ID", help="What a file holds: BTCUSDT-PERP.BINANCE.")
@click.option("--catalog", type=click.Path(file_okay=False), help="Catalog folder.")
@click.option("--cash", type=float, metavar="AMOUNT", help="Cash at the start.")
@click.option("--fill", type=click.Choice(["next_open", "same_close"]),
              help="When a decision on a bar trades.")  # fmt: skip
@click.option("--slippage-bps", type=float, metavar="BPS", help="Fixed slippage.")
@click.option("--leverage", type=float, metavar="RATIO", help="Largest notional / equity.")
@click.option("--maker-fee-bps", type=float, metavar="BPS", help="Fee of resting orders.")
@click.option("--taker-fee-bps", type=float, metavar="BPS", help="Fee of orders that take.")
@click.option("--volume-cap-pct", metavar="PCT", help="Largest share of a bar's volume, or off.")
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Folder of results.  [default: ./results]")  # fmt: skip
@click.option("--resume", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="The folder of an interrupted sweep; the same command finds it.")  # fmt: skip
@click.option("--quiet", is_flag=True, help="Print the path of the result only.")
@click.option("--json", "as_text", is_flag=True, help="Print JSON for programs.")
def sweep(strategy: str, **given: Any) -> None:
    """Run STRATEGY over many parameters and keep every trial.

    The same command takes up an interrupted sweep where it stopped.

    \b
    interlock sweep ma_cross --data BTCUSDT-PERP.BINANCE:1m --grid fast=5:50:5 --grid slow=60,80,100
    interlock sweep my_trend.py --sampler tpe --trials 200 --seed 1 --metric sortino
    """
    from interlock.research.sweep import SweepError

    failures = StrategyFailures()
    try:
        with failures:
            _run(strategy, given, failures)
    except SweepError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("\ninterrupted; finished trials are kept: the same command goes on", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _run(strategy: str, given: dict[str, Any], failures: StrategyFailures) -> None:
    from interlock.cli import summary
    from interlock.config import load
    from interlock.research import sweep as sweeps
    from interlock.research.loading import load_strategy
    from interlock.research.runs import prepare

    loaded = load_strategy(strategy)
    failures.path = loaded.path
    prepared = prepare(_spec(loaded, given), loaded=loaded)
    is_silent = given["quiet"] or given["as_text"]
    settings = sweeps.SweepOptions(
        **{name: given[name] for name in sweeps.SweepOptions.__struct_fields__}
    )
    grid = sweeps.parse_grid(loaded.kind, given["grids"])
    options = prepared.spec.options
    plan = sweeps.plan_sweep(
        prepared.strategy, prepared.dataset, grid, options=options, settings=settings
    )
    root = (given["results"] or load().results) / "sweeps"
    folder = given["resume"] or root / plan.name
    if not is_silent:
        click.echo(f"{loaded.kind.__name__}: {plan.total} trials; {summary.near(folder)}")
        click.echo(summary.data_line(prepared.dataset))
        known = sweeps.SweepFolder(folder).count()
        if known:
            click.echo(f"{min(known, plan.total)} of {plan.total} trials are there already")
    shown = nullcontext(None) if is_silent else summary.progress("trials", unit="trials", live=True)
    with shown as advance:
        result = sweeps.sweep(
            prepared.strategy,
            prepared.dataset,
            grid,
            options=options,
            folder=folder,
            progress=advance,
            **{name: given[name] for name in sweeps.SweepOptions.__struct_fields__},
        )
    _print(result, given)
    if result.top and not all(item.agrees for item in result.top):
        raise click.ClickException(
            "a compiled trial and the kernel gave different digests; do not trust this sweep, "
            f"and report it with {folder}"
        )


def _spec(loaded: Any, given: dict[str, Any]) -> Any:
    from interlock.research.loading import parse_parameters
    from interlock.research.run_file import RunSpec, read_options

    options = {name: given[name] for name in _OPTIONS if given[name] is not None}
    if given["slippage_bps"] is not None:
        options["slippage_bps"] = given["slippage_bps"]
    start = RunSpec(strategy=loaded.reference)
    return RunSpec(
        strategy=loaded.reference,
        parameters=parse_parameters(loaded.kind, given["parameters"]),
        data=tuple(given["data"]),
        seed=given["data_seed"] or 0,
        start=given["start"] or "",
        end=given["end"] or "",
        instrument=given["instrument"] or "",
        catalog=given["catalog"] or "",
        options=read_options(options, start=start.options),
    )


def _print(result: Any, given: dict[str, Any]) -> None:
    from interlock.cli.summary import near

    if given["as_text"]:
        click.echo(json.dumps(_as_dict(result)))
        return
    if given["quiet"]:
        click.echo(str(result.folder))
        return
    states = dict(result.trials["state"].value_counts().sort("state").iter_rows())
    click.echo(
        f"{result.trials.height} trials: " + ", ".join(f"{n} {s}" for s, n in states.items())
    )
    if result.config.get("kernel_reason"):
        click.echo(f"Trials ran in the kernel: {result.config['kernel_reason']}")
    for reason in result.trials.filter(state="failed")["reason"].unique(maintain_order=True)[:3]:
        click.echo(f"failed: {reason}", err=True)
    if not result.top:
        click.echo(f"No trial has a {result.metric}; the reasons are in the table.")
    for rank, item in enumerate(result.top, 1):
        _print_top(item, result, title="Best" if rank == 1 else f"Number {rank}")
    click.echo(f"Report: {near(result.folder / 'report.html')}")


def _print_top(item: Any, result: Any, *, title: str) -> None:
    values = " ".join(f"{key}={value}" for key, value in item.parameters.items())
    numbers = ", ".join(
        f"{name} {item.metrics[name]:.4g}"
        for name in dict.fromkeys((result.metric, "total_return", "max_drawdown", "fills"))
        if item.metrics.get(name) is not None
    )
    of = "the trial in the kernel" if result.config.get("kernel_reason") else "the compiled run"
    digest = f"equal to {of}" if item.agrees else f"DIFFERENT from {of}"
    click.echo(f"{title}, trial {item.number}: {values}\n  kernel: {numbers}; digest {digest}")
    deflated = item.metrics.get("deflated_sharpe")
    if deflated is not None:
        click.echo(
            f"  deflated Sharpe ratio {deflated:.3f}: the probability that it beats the best of "
            f"{int(result.search['trials'])} worthless trials"
        )


def _as_dict(result: Any) -> dict[str, Any]:
    return {
        "folder": str(result.folder),
        "metric": result.metric,
        "search": result.search,
        "top": [
            {
                "number": item.number,
                "parameters": item.parameters,
                "metrics": {k: v for k, v in item.metrics.items() if k != "reasons"},
                "result_digest": item.result_digest,
                "agrees": item.agrees,
            }
            for item in result.top
        ],
        "states": dict(result.trials["state"].value_counts().sort("state").iter_rows()),
    }
