"""`interlock venue`: the exchange on localhost, for any client that can be pointed elsewhere."""

from __future__ import annotations

import asyncio
import datetime
import errno
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import uvloop
from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from interlock.adapters.system import SystemClock
from interlock.config import load
from interlock.model.units import MONEY_EXPONENT, format_units
from interlock.sim.faults import Script
from interlock.venue.certificates import Authority, ensure
from interlock.venue.clock import AS_FAST_AS_POSSIBLE
from interlock.venue.local import PROTOCOLS, LocalExchange, Plan
from interlock.venue.recorded import Recorded, read_recorded
from interlock.venue.scripts import read_script

# Where the protocols listen unless somebody says otherwise; TLS is one above.
PORT, ADMIN_PORT = 8801, 8800
_PORTS_APART = 10
_STATUS_S = 1.0
_SPEEDS = {"1": 1.0, "10": 10.0, "max": AS_FAST_AS_POSSIBLE}
_WIDTH_MOST = 110
_NAMES = {"binance": "Binance USD-M", "hyperliquid": "Hyperliquid"}


class VenueError(ValueError):
    """A venue that cannot be opened as asked; names the value and the remedy."""


@click.command()
@click.option(
    "--protocol",
    "protocols",
    type=click.Choice(PROTOCOLS),
    multiple=True,
    help="What it speaks; may be given twice.  [default: binance]",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_000),
    default=PORT,
    show_default=True,
    help="Of the first protocol; the second is 10 above, TLS 1 above. 0: free ones.",
)
@click.option(
    "--admin-port",
    type=click.IntRange(0, 65_535),
    default=ADMIN_PORT,
    show_default=True,
    help="For faults and books while it runs. 0: a free one.",
)
@click.option("--tls", is_flag=True, help="Also serve TLS, with an authority of this machine.")
@click.option(
    "--account",
    "accounts",
    multiple=True,
    metavar="NAME",
    help="An account with keys; may be repeated.  [default: trader]",
)
@click.option(
    "--balance",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="What each account starts with, in USDT or USDC.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=1,
    show_default=True,
    help="Of the market and the keys.",
)
@click.option(
    "--speed",
    type=click.Choice(list(_SPEEDS)),
    default="1",
    show_default=True,
    help="Venue time against real time; max is for replays.",
)
@click.option(
    "--start",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S"]),
    metavar="TIME",
    help="UTC at which its clock begins, such as 2030-01-01T07:59:30 before a funding.",
)
@click.option("--quiet", is_flag=True, help="A market with fewer changes: easier to follow.")
@click.option(
    "--market",
    type=click.Choice(["synthetic"]),
    default="synthetic",
    help="The invented market (the default without --replay).",
)
@click.option(
    "--replay",
    "selections",
    multiple=True,
    metavar="SELECTION",
    help="Replay data instead: ID, ID:1m, ID:quotes, or a file.",
)
@click.option(
    "--script",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE.yaml",
    help="Faults to inject; see docs/venue.md.",
)
@click.option(
    "--protocol-version",
    type=click.Choice(["algo", "before-algo"]),
    default="algo",
    show_default=True,
    help="Binance's stops on a path of their own, or not.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON when it is ready.")
def venue(**given: Any) -> None:
    """Run an exchange on this machine that any client can trade on.

    It listens on loopback only and speaks the venue's own protocol: point your bot at the address
    it prints. Stop it with Ctrl-C.

    \b
    interlock venue
    interlock venue --protocol binance --protocol hyperliquid --tls
    interlock venue --script examples/faults/duplicate-after-timeout.yaml
    interlock venue --replay BTCUSDT-PERP.BINANCE:1m --speed 10
    """  # fmt: skip
    protocols = tuple(dict.fromkeys(given["protocols"])) or ("binance",)
    recorded = _recorded(given["selections"], protocols)
    if given["speed"] == "max" and not recorded:
        raise VenueError("--speed max needs --replay: an invented market has no end to run to")
    script = read_script(given["script"]) if given["script"] else Script()
    plan = Plan(
        protocols=protocols,
        accounts=_accounts(given["accounts"]),
        balance=given["balance"],
        seed=given["seed"],
        speed=_SPEEDS[given["speed"]],
        ts_start=_ts_of(given["start"]),
        script=script,
        is_quiet=given["quiet"],
        conditional_service=given["protocol_version"] == "algo",
        recorded=recorded,
    )
    _check_rules(script, plan)
    clock = SystemClock()
    authority = None
    if given["tls"]:
        now = datetime.datetime.fromtimestamp(clock.now_ns() / 1e9, datetime.UTC)
        authority = ensure(load().home / "tls", now=now)
    places = _ports(protocols, given["port"], given["admin_port"])
    uvloop.run(_serve(plan, places, authority, as_json=given["as_json"]))


def _ts_of(start: datetime.datetime | None) -> int:
    """Nanoseconds of a UTC time, 0 for the present."""
    return 0 if start is None else int(start.replace(tzinfo=datetime.UTC).timestamp()) * 10**9


async def _serve(
    plan: Plan, places: Mapping[str, int], authority: Authority | None, *, as_json: bool
) -> None:
    """From opening to the summary; a signal and the admin port both end it."""
    exchange = LocalExchange(plan, SystemClock())
    _check_instruments(exchange)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, exchange.admin.stopped.set)
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_MOST, highlight=False)
    shown = None
    try:
        await _open(exchange, places, authority)
        facts = _facts(exchange, authority)
        if as_json:
            click.echo(json.dumps(facts))
        else:
            console.print(_panel(facts))
            # Outside of the frame, so that it can be copied.
            console.print(_hints(facts["admin"]), soft_wrap=True)
            shown = asyncio.create_task(_show_status(exchange, console))
        await exchange.wait()
    finally:
        if shown is not None:
            shown.cancel()
            await asyncio.wait([shown])
        await exchange.close()
    summary = _summary(exchange)
    click.echo(json.dumps({"summary": summary}) if as_json else _summary_text(summary))


async def _open(
    exchange: LocalExchange, places: Mapping[str, int], authority: Authority | None
) -> None:
    context = None if authority is None else authority.server_context()
    try:
        await exchange.open(places, admin_port=places["admin"], tls=context)
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        taken = ", ".join(str(port) for port in places.values() if port)
        raise VenueError(
            f"a port is taken or not allowed (of {taken}): {error.strerror}; is another exchange "
            "running? Choose others with --port and --admin-port, 0 takes free ones"
        ) from error


def _ports(protocols: Sequence[str], port: int, admin_port: int) -> dict[str, int]:
    found = {
        name: port + number * _PORTS_APART if port else 0 for number, name in enumerate(protocols)
    }
    return {**found, "admin": admin_port}


def _accounts(names: Sequence[str]) -> tuple[str, ...]:
    chosen = tuple(names) or ("trader",)
    for name in chosen:
        if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 32:
            raise VenueError(
                f"account {name!r} must be letters, digits, - or _, at most 32; choose another name"
            )
        if chosen.count(name) > 1:
            raise VenueError(f"account {name!r} is named twice; name each account once")
    return chosen


def _check_rules(script: Script, plan: Plan) -> None:
    """What a script names must be there when the exchange opens."""
    for number, rule in enumerate(script.rules, 1):
        where = f"rule {number} ({rule.title})"
        if rule.account and rule.account not in plan.accounts:
            raise VenueError(
                f"{where}: account {rule.account!r} is unknown; there are: "
                f"{', '.join(plan.accounts)} (open another with --account)"
            )
        if rule.protocol and rule.protocol not in plan.protocols:
            raise VenueError(
                f"{where}: protocol {rule.protocol!r} is not served; add --protocol {rule.protocol}"
            )


def _check_instruments(exchange: LocalExchange) -> None:
    """A rule for an instrument that is not there would wait for ever."""
    listed = [name for host in exchange.hosts.values() for name in host.face.core.symbols]
    for number, rule in enumerate(exchange.plan.script.rules, 1):
        if rule.instrument and rule.instrument not in listed:
            raise VenueError(
                f"rule {number} ({rule.title}): instrument {rule.instrument!r} is not listed; "
                f"there are: {', '.join(listed)}"
            )


def _recorded(selections: Sequence[str], protocols: Sequence[str]) -> tuple[Recorded, ...]:
    if not selections:
        return ()
    from interlock.research.catalog import Catalog
    from interlock.research.selection_text import DataRequest, gather

    if len(protocols) > 1:
        raise VenueError("--replay serves one protocol at a time; leave one --protocol out")
    found = gather(DataRequest(selections=tuple(selections)), Catalog(load().catalog))
    return read_recorded(found.dataset, protocols[0])


def _facts(exchange: LocalExchange, authority: Authority | None) -> dict[str, Any]:
    """Everything a client, a test or another program needs to use this exchange."""
    plan = exchange.plan
    venues = {}
    for name, door in exchange.doors.items():
        core = exchange.hosts[name].face.core
        venues[name] = {
            "url": door.url,
            "websocket": door.url.replace("http", "ws", 1),
            "tls_url": door.tls_url,
            "instruments": list(core.symbols),
        }
    accounts = [
        {
            "account": held.account,
            "key": held.key,
            "secret": held.secret,
            "wallet": held.wallet,
            "wallet_key": held.wallet_key,
        }
        for held in exchange.keys
    ]
    return {
        "venues": venues,
        "admin": f"http://127.0.0.1:{exchange.admin.port}",
        "authority": str(authority.authority) if authority is not None else "",
        "accounts": accounts,
        "balance": plan.balance,
        "seed": plan.seed,
        "rules": len(plan.script.rules),
        "market": "replay" if plan.recorded else "synthetic",
        "speed": "max" if plan.speed == AS_FAST_AS_POSSIBLE else f"{plan.speed:g}",
    }


def _panel(facts: Mapping[str, Any]) -> Panel:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, door in facts["venues"].items():
        table.add_row(_NAMES[name], f"[bold]{door['url']}[/bold]   {door['websocket']}")
        if door["tls_url"]:
            table.add_row("", door["tls_url"])
        listed = ", ".join(item.partition("-PERP")[0] for item in door["instruments"])
        table.add_row("", f"[dim]{listed}[/dim]")
    if facts["authority"]:
        table.add_row("trust", f"SSL_CERT_FILE={facts['authority']}")
    for held in facts["accounts"]:
        table.add_row("", "")
        table.add_row("account", f"[bold]{held['account']}[/bold]  {facts['balance']:,}")
        if "binance" in facts["venues"]:
            table.add_row("key", held["key"])
            table.add_row("secret", held["secret"])
        if "hyperliquid" in facts["venues"]:
            table.add_row("wallet", held["wallet"])
            table.add_row("wallet key", held["wallet_key"])
    table.add_row("", "")
    table.add_row("admin", facts["admin"])
    market = f"{facts['market']}, seed {facts['seed']}, speed {facts['speed']}"
    if facts["rules"]:
        market += f", {facts['rules']} fault rules"
    table.add_row("market", market)
    return Panel(table, title="An exchange on this machine", border_style="cyan", expand=False)


def _hints(admin: str) -> str:
    return (
        "Drop the reply to the next order:\n"
        f"  curl -s {admin}/faults -H 'content-type: application/json' "
        """-d '{"fault": "drop_reply", "call": "place", "count": 1}'\n"""
        f"What really happened:  curl -s {admin}/truth\n"
        "[dim]The keys are for this play market only. Ctrl-C stops it.[/dim]"
    )


async def _show_status(exchange: LocalExchange, console: Console) -> None:
    """One line that renews itself on a terminal; elsewhere only what went wrong."""
    told = 0
    line = console.status("", spinner="dots", refresh_per_second=2)
    if console.is_terminal:
        line.start()
    try:
        while True:
            for problem in exchange.pace.problems[told:]:
                console.print(f"[yellow]a rule could not be carried out:[/yellow] {problem}")
                told += 1
            if console.is_terminal:
                line.update(_status_text(exchange))
            await asyncio.sleep(_STATUS_S)
    finally:
        line.stop()


def _status_text(exchange: LocalExchange) -> str:
    found = _summary(exchange)
    sockets = sum(len(host.sockets) for host in exchange.hosts.values())
    faults = f"{found['faults']} faults"
    last = exchange.injector.truth[-1].title if exchange.injector.truth else ""
    if last:
        faults += f" (last: {last})"
    ts = datetime.datetime.fromtimestamp(exchange.clock.now_ns() / 1e9, datetime.UTC)
    return (
        f"{ts:%H:%M:%S}  {found['requests']} requests  {sockets} streams  {found['fills']} fills  "
        f"{faults}"
    )


def _summary(exchange: LocalExchange) -> dict[str, Any]:
    fills = 0
    wallets = {}
    for name, host in exchange.hosts.items():
        core = host.face.core
        for account in core.accounts:
            fills += len(core.fills_since(account, None, 0))
            for held in core.account(account).balances:
                wallets[f"{name} {account} {held.asset}"] = format_units(
                    held.wallet, MONEY_EXPONENT
                )
    return {
        "requests": sum(host.requests for host in exchange.hosts.values()),
        "frames": sum(host.frames for host in exchange.hosts.values()),
        "fills": fills,
        "faults": sum(exchange.injector.counts.values()),
        "by_fault": dict(exchange.injector.counts),
        "problems": list(exchange.pace.problems),
        "wallets": wallets,
    }


def _summary_text(found: Mapping[str, Any]) -> str:
    faults = ", ".join(f"{name} {count}" for name, count in found["by_fault"].items()) or "none"
    lines = [
        f"Closed after {found['requests']} requests, {found['frames']} stream messages and "
        f"{found['fills']} fills.",
        f"Faults: {faults}",
    ]
    lines += [f"Wallet of {name}: {money}" for name, money in found["wallets"].items()]
    lines += [f"Not carried out: {problem}" for problem in found["problems"]]
    return "\n".join(lines)
