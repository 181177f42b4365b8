"""`interlock demo`: two shipped strategies on the synthetic market, from nothing to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

_STRATEGIES = ("ma_cross", "vol_trend")
_SYMBOL = "BTCUSDT-PERP"
_STEP = "15m"
_DAYS = 720
_DAY_NS = 86_400 * 10**9


@click.command()
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Folder of results.  [default: ./results]")  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the market.")
def demo(results: Path | None, seed: int) -> None:
    """Run two strategies on two years of an invented market and compare them."""
    from interlock.cli import summary
    from interlock.research.catalog import iso
    from interlock.research.run_file import RunSpec
    from interlock.research.runs import execute, prepare
    from interlock.research.synthetic import START

    watch = summary.Stopwatch()
    click.echo(f"[1/3] Making the market: {_SYMBOL}, {_DAYS} days of {_STEP} bars, seed {seed}")
    end = iso(START + _DAYS * _DAY_NS)
    prepared = []
    for name in _STRATEGIES:
        spec = RunSpec(strategy=name, data=(f"synthetic:{_SYMBOL}:{_STEP}",), seed=seed, end=end)
        prepared.append(prepare(spec))
    click.echo(f"      {summary.data_line(prepared[0].dataset)}")
    summary.print_notice(True)
    found: dict[str, Any] = {}
    for number, item in enumerate(prepared, 1):
        title = item.loaded.kind.__name__
        run_watch = summary.Stopwatch()
        with summary.progress(f"      {title}", unit="bars", live=True) as advance:
            found[title] = execute(
                item, command=f"interlock backtest {item.loaded.reference}", progress=advance
            )
        rate = item.rows / max(run_watch.seconds, 1e-9)
        shown = " ".join(f"{key}={value}" for key, value in item.spec.parameters.items())
        head = f"[2/3] {number} of {len(prepared)}:" if len(prepared) > 1 else "[2/3]"
        click.echo(f"{head} {title} {shown}: {item.rows:,} bars in {run_watch.seconds:.1f} s "
                   f"({rate:,.0f} bars/s)")  # fmt: skip
    click.echo("[3/3] Writing the results and reports\n")
    folders = {title: result.save(results) for title, result in found.items()}
    summary.print_table(found)
    click.echo()
    for title, folder in folders.items():
        click.echo(f"Report of {title:9} {summary.near(folder / 'report.html')}")
    click.echo(f"\nDone in {watch.seconds:.0f} s. Open a report in a browser, then write your own:")
    click.echo("  interlock new my_trend")
    click.echo("  interlock backtest my_trend.py --data synthetic:1h")
