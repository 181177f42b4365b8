"""`interlock live`: trade a strategy on a venue, from the start path to the clean end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("strategy")
@click.option(
    "--venue",
    default="binance",
    show_default=True,
    help="binance, binance-testnet, hyperliquid, hyperliquid-testnet, or ccxt:ID.",
)
@click.option(
    "--url",
    default="",
    metavar="URL",
    help="Another address of the venue, as `interlock venue` prints it.",
)
@click.option(
    "--authority",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Certificate authority of a local exchange over TLS.",
)
@click.option(
    "--instrument",
    "instruments",
    multiple=True,
    metavar="ID",
    help="What to trade, such as BTCUSDT-PERP.BINANCE; may be repeated.",
)
@click.option(
    "--timeframe",
    default="",
    metavar="STEP",
    help="Bars for on_bar, such as 5s, 1m, 1h; short ones are made from trades.",
)
@click.option(
    "--cash",
    type=click.IntRange(1),
    default=10_000,
    show_default=True,
    help="The strategy's share of the account, in its currency.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="A parameter of the strategy; may be repeated.",
)
@click.option(
    "--mode",
    type=click.Choice(["live", "paper", "shadow"]),
    default="live",
    show_default=True,
    help="paper and shadow send nothing: fills are made here.",
)
@click.option("--account", default="main", show_default=True, help="Name of the account here.")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Ledger, tape, snapshots and logs.  [default: ./live/ACCOUNT, in other modes with -MODE]",
)
@click.option(
    "--ledger",
    default="",
    metavar="URL",
    help="postgresql://... when several machines share a desk.  [default: SQLite]",
)
@click.option(
    "--protocol-version",
    type=click.Choice(["algo", "before-algo"]),
    default="algo",
    show_default=True,
    help="Where Binance takes stop orders.",
)
@click.option(
    "--dead-man",
    "dead_man",
    type=click.IntRange(10, 86_400),
    metavar="SECONDS",
    help="The venue cancels open orders so long after the engine's death.  [default: never]",
)
@click.option(
    "--foreign",
    type=click.Choice(["alarm", "ignore", "adopt"]),
    default="alarm",
    show_default=True,
    help="Orders and trades of others on the account: pause, leave be, or the strategy's.",
)
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Shut down by itself after this time.  [default: never]",
)
@click.option("--json", "as_json", is_flag=True,
              help="One line of JSON when ready and one at the end; no screen.")  # fmt: skip
def live(strategy: str, **options: Any) -> None:
    """Trade STRATEGY on a venue.

    Keys come from the environment: INTERLOCK_KEY and INTERLOCK_SECRET (Binance), or
    INTERLOCK_WALLET_KEY (Hyperliquid). Ctrl-C and SIGTERM shut down: entries are canceled, stops
    and positions stay. Start again with the same folder to go on.
    """
    import uvloop

    from interlock.cli.live_run import run_live

    code = uvloop.run(run_live(strategy, **options))
    if code:
        sys.exit(code)
