"""What `interlock live` does between its options and its exit code."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click
import msgspec

from interlock import config
from interlock.adapters.connecting import Refusal
from interlock.adapters.system import SystemClock
from interlock.cli import summary
from interlock.live.control import NAME
from interlock.live.report import Ended, begin, ended_of, summary_lines, write, write_left
from interlock.live.session import Session
from interlock.ports import LedgerFault
from interlock.runtime.settings import SECOND, Settings
from interlock.runtime.values import Notice
from interlock.wiring import (
    StrategyChoice,
    VenueChoice,
    feeds_of,
    ids_in,
    in_mode,
    plan_of,
    rate_of,
    venue_of,
)

_DEFAULT = {"binance": "BTCUSDT-PERP.BINANCE", "hyperliquid": "BTC-PERP.HYPERLIQUID"}
# What a venue says of keys and names, and what helps.
_REMEDIES = (
    ("-2015", "check INTERLOCK_KEY, its permissions and the addresses it may be used from"),
    ("-2014", "check INTERLOCK_KEY: it is no key of this venue"),
    ("-1022", "check INTERLOCK_SECRET: it does not belong to INTERLOCK_KEY"),
    ("cannot be traded here", "check --instrument: it is named like BTCUSDT-PERP.BINANCE"),
    ("-1121", "check --instrument: it is named like BTCUSDT-PERP.BINANCE"),
)
_CURRENCY = {"binance": "USDT", "hyperliquid": "USDC"}


async def run_live(strategy: str, **options: Any) -> int:
    """Put the run together, trade, and say how it ended."""
    clock = SystemClock()
    kind = str(options["venue"]).removesuffix("-testnet")
    names = options["instruments"] or (_DEFAULT.get(kind, ""),)
    folder: Path = options["state"] or Path("live") / _folder_name(**options)
    choice = StrategyChoice(
        reference=strategy,
        assignments=options["assignments"],
        cash=options["cash"],
        timeframe=options["timeframe"],
        currency=_CURRENCY.get(kind, "USDT"),
    )
    settings = Settings(
        account=options["account"],
        mode=options["mode"],
        dead_man_ns=(options["dead_man"] or 0) * SECOND,
        foreign_orders=options["foreign"],
        dead_man_scope="account" if kind == "hyperliquid" else "instrument",
    )
    plan = plan_of(
        choice,
        folder=folder,
        ledger=options["ledger"],
        settings=settings,
        rate=rate_of(options["venue"]),
    )
    venue = venue_of(
        VenueChoice(
            name=options["venue"],
            url=options["url"],
            authority=options["authority"],
            conditional_path=options["protocol_version"] == "algo",
            client_order_ids=ids_in(plan.where) if kind == "hyperliquid" else (),
        ),
        config.secrets(),
        feeds_of(names, options["timeframe"]),
        clock=clock,
        mode=options["mode"],
    )
    venue = in_mode(options["mode"], venue, cash=options["cash"], clock=clock)
    with ExitStack() as stack:
        screen = None if options["as_json"] else summary.live_screen(stack)
        session = Session(plan, venue, clock, screen=screen)
        told = asyncio.create_task(_tell_ready(session, folder, as_json=options["as_json"]))
        timer = asyncio.create_task(_stop_after(session, options["seconds"]))
        try:
            await session.run()
        except Refusal as error:
            raise Refusal(with_remedy(str(error), options["url"])) from error
        except Exception:
            stack.close()
            tell_report(session, folder, as_json=options["as_json"])
            raise
        finally:
            for task in (told, timer):
                task.cancel()
    tell_report(session, folder, as_json=options["as_json"])
    return 0


def _folder_name(*, account: str, mode: str, **_: Any) -> str:
    """Each mode has its own books: paper money and a venue's do not mix."""
    return account if mode == "live" else f"{account}-{mode}"


def with_remedy(said: str, url: str) -> str:
    """What a venue or the network said when we connected, with what to do about it."""
    for sign, remedy in _REMEDIES:
        if sign in said:
            return f"{said}; {remedy}"
    if url and ("Cannot connect" in said or "InvalidUrl" in said):
        return f"{said}; is an exchange running at {url}? `interlock venue` starts one and says"
    return said


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
    await report_left(session)


async def report_left(session: Session) -> None:
    """Write the report of the session before, if it was killed; a failure is told and no more."""
    name, level = "REPORT_OF_KILLED", "INFO"
    try:
        left = begin(session)
        if left is None:
            return
        # In a thread: a long session has many rows, and this one trades meanwhile.
        page = await asyncio.get_running_loop().run_in_executor(None, write_left, left)
        text = str(summary.near(page))
    except (LedgerFault, OSError, msgspec.MsgspecError) as error:
        name, level, text = "REPORT_NOT_WRITTEN", "WARNING", str(error)
    ts = session.clock.now_ns()
    session.note(Notice(ts_event=ts, name=name, level=level, text=text))


async def _stop_after(session: Session, seconds: float) -> None:
    if seconds:
        await session.ready.wait()
        await asyncio.sleep(seconds)
        session.stop("interlock live", f"ran for {seconds:g} s as asked")


def tell_report(session: Session, folder: Path, *, as_json: bool) -> None:
    """Write the session's report and say how it ended; a failure here is told and no more."""
    try:
        ended = ended_of(session)
        page = None if ended is None else write(session, ended)
    except (LedgerFault, OSError) as error:
        click.echo(f"No report of this session: {error}", err=True)
        return
    if ended is None:
        return
    if as_json:
        last = msgspec.to_builtins(ended.status)
        click.echo(msgspec.json.encode({**last, "report": str(page or "")}).decode())
        return
    click.echo("Stopped." if not ended.fault else f"Ended by a fault: {ended.fault}")
    tell_summary(ended, page)
    click.echo("The same command goes on from here. What happened is in the ledger:")
    click.echo(f"  interlock ledger verify --ledger {summary.near(folder / 'ledger.sqlite')}")


def tell_summary(ended: Ended, page: Path | None) -> None:
    """A session in a few lines, and where its report is."""
    for name, text in summary_lines(ended):
        click.echo(f"{name:<12} {text}")
    if page is not None:
        click.echo(f"{'Report':<12} {summary.near(page)}")
