"""`interlock demo`: a strategy trades on an exchange on this machine while faults are injected."""

from __future__ import annotations

import sys
from pathlib import Path

import click

# Without a terminal nobody presses Ctrl-C.
UNATTENDED_S = 75.0


@click.command()
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="End by itself.  [default: with a terminal never, else 75]",
)
@click.option("--no-faults", is_flag=True, help="Let the exchange behave.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("live/demo"),
    show_default=True,
    metavar="FOLDER",
    help="Ledgers, logs and reports of these runs; the newest 10 stay.",
)
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True,
              help="Seed of the market.")  # fmt: skip
@click.option("--backtest", is_flag=True, help="Instead: two backtests on two invented years.")
@click.option("--results", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Folder of backtests.  [default: ./results]")  # fmt: skip
def demo(
    *,
    seconds: float | None,
    no_faults: bool,
    state: Path,
    seed: int,
    backtest: bool,
    results: Path | None,
) -> None:
    """Watch a strategy trade over real sockets, and survive what goes wrong.

    An exchange is started on this machine, the example `pulse` trades on it, and every few seconds
    a fault is announced and injected: a lost reply, a frozen stream, a cut connection. Ctrl-C ends
    it cleanly, compares our books with the exchange's own and writes a report. No keys, no network.
    """
    if backtest:
        from interlock.cli.demo_backtest import backtests

        backtests(results, seed)
        return
    import uvloop

    from interlock.cli.demo_exchange import DemoPlan
    from interlock.cli.demo_run import run_demo

    if seconds is None:
        seconds = 0.0 if sys.stdout.isatty() else UNATTENDED_S
    plan = DemoPlan(folder=state, seconds=seconds, has_faults=not no_faults, seed=seed)
    code = uvloop.run(run_demo(plan))
    if code:
        sys.exit(code)
