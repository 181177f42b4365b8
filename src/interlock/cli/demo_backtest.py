"""`interlock demo --backtest`: two strategies on the synthetic market, and a report of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# Averages of about a day and four days, in bars.
_STRATEGIES = ("ma_cross", "vol_trend")
_PARAMETERS = {"fast": 80, "slow": 400}  # bars: about a day and four days
_SLIPPAGE_BPS = 1.0
_SYMBOL = "BTCUSDT-PERP"
_STEP = "15m"
_DAYS = 720
_DAY_NS = 86_400 * 10**9


def backtests(results: Path | None, seed: int) -> None:
    """Run two strategies on two years of an invented market and compare them."""
    from interlock.cli import summary
    from interlock.research.catalog import iso
    from interlock.research.options import RunOptions
    from interlock.research.run_file import RunSpec
    from interlock.research.runs import execute, prepare
    from interlock.research.synthetic import START

    watch = summary.Stopwatch()
    click.echo(f"[1/3] Making the market: {_SYMBOL}, {_DAYS} days of {_STEP} bars, seed {seed}")
    end = iso(START + _DAYS * _DAY_NS)
    options = RunOptions(slippage="fixed", slippage_bps=_SLIPPAGE_BPS)
    prepared = [
        prepare(
            RunSpec(
                strategy=name,
                parameters=_PARAMETERS,
                data=(f"synthetic:{_SYMBOL}:{_STEP}",),
                seed=seed,
                end=end,
                options=options,
            )
        )
        for name in _STRATEGIES
    ]
    click.echo(f"      {summary.data_line(prepared[0].dataset)}")
    summary.print_notice(True)
    found: dict[str, Any] = {}
    for number, item in enumerate(prepared, 1):
        title = item.loaded.kind.__name__
        run_watch = summary.Stopwatch()
        with summary.progress(f"      {title}", unit="bars", live=True) as advance:
            found[title] = execute(
                item, command="interlock demo --backtest", progress=advance, lap=run_watch.lap
            )
        click.echo(
            f"[2/3] {number} of {len(prepared)}: {title} {summary.assignments(item.spec)}\n"
            f"      {summary.speed_line(item.rows, run_watch.parts)}"
        )
    click.echo("[3/3] Writing the results and reports\n")
    folders = {title: result.save(results) for title, result in found.items()}
    summary.print_table(found)
    click.echo()
    for title, folder in folders.items():
        click.echo(f"Report of {title:9} {summary.near(folder / 'report.html')}")
    click.echo(f"\nDone in {watch.seconds:.0f} s. Open a report in a browser, then write your own:")
    click.echo("  interlock new my_trend")
    click.echo("  interlock backtest my_trend.py --data synthetic:1h")
