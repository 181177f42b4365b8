"""What `interlock live` does between its options and its exit code."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec

from interlock import config
from interlock.adapters.system import SystemClock
from interlock.cli import summary
from interlock.live.control import NAME
from interlock.live.session import Session
from interlock.runtime.settings import Settings
from interlock.ui.read_model import Status
from interlock.wiring import StrategyChoice, VenueChoice, feeds_of, in_mode, plan_of, venue_of

_DEFAULT = {"binance": "BTCUSDT-PERP.BINANCE", "hyperliquid": "BTC-PERP.HYPERLIQUID"}
_CURRENCY = {"binance": "USDT", "hyperliquid": "USDC"}


async def run_live(strategy: str, **options: Any) -> int:
    """Put the run together, trade, and say how it ended."""
    clock = SystemClock()
    kind = str(options["venue"]).removesuffix("-testnet")
    names = options["instruments"] or (_DEFAULT.get(kind, ""),)
    folder: Path = options["state"] or Path("live") / options["account"]
    choice = StrategyChoice(
        reference=strategy,
        assignments=options["assignments"],
        cash=options["cash"],
        timeframe=options["timeframe"],
        currency=_CURRENCY.get(kind, "USDT"),
    )
    settings = Settings(account=options["account"], mode=options["mode"])
    plan = plan_of(choice, folder=folder, ledger=options["ledger"], settings=settings)
    venue = venue_of(
        VenueChoice(
            name=options["venue"],
            url=options["url"],
            authority=options["authority"],
            conditional_path=options["protocol_version"] == "algo",
        ),
        config.secrets(),
        feeds_of(names, options["timeframe"]),
        clock=clock,
    )
    venue = in_mode(options["mode"], venue, cash=options["cash"], clock=clock)
    with ExitStack() as stack:
        screen = None if options["as_json"] else summary.live_screen(stack)
        session = Session(plan, venue, clock, screen=screen)
        told = asyncio.create_task(_tell_ready(session, folder, as_json=options["as_json"]))
        timer = asyncio.create_task(_stop_after(session, options["seconds"]))
        try:
            last = await session.run()
        finally:
            for task in (told, timer):
                task.cancel()
    _tell_end(last, folder, as_json=options["as_json"])
    return 0


async def _tell_ready(session: Session, folder: Path, *, as_json: bool) -> None:
    await session.ready.wait()
    if as_json:
        started = session.started
        ready = {
            "ready": True,
            "control": str(folder / NAME),
            "rows": started.recovered.rows if started else 0,
        }
        click.echo(msgspec.json.encode(ready).decode())


async def _stop_after(session: Session, seconds: float) -> None:
    if seconds:
        await session.ready.wait()
        await asyncio.sleep(seconds)
        session.stop("interlock live", f"ran for {seconds:g} s as asked")


def _tell_end(last: Status, folder: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(last).decode())
        return
    held = [f"{line.quantity} {line.instrument}" for line in last.positions if line.entry]
    click.echo(
        f"Stopped. Equity {last.equity} {last.currency}; position: {', '.join(held) or 'flat'}"
    )
    click.echo(f"Ledger, tape and logs: {summary.near(folder)}")
    click.echo("The same command goes on from here. What happened is in the ledger:")
    click.echo(f"  interlock ledger verify --ledger {summary.near(folder / 'ledger.sqlite')}")
