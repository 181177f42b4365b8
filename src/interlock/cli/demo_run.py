"""The demonstration from its first process to its exit code."""

from __future__ import annotations

import asyncio
import signal
from contextlib import ExitStack
from datetime import UTC, datetime

import click

from interlock.adapters.system import SystemClock
from interlock.cli.demo_exchange import (
    DemoPlan,
    Exchange,
    close_exchange,
    end,
    find,
    held,
    launch,
    prune,
    ready,
)
from interlock.cli.errors import INTERRUPTED


async def run_demo(plan: DemoPlan) -> int:
    """Start the exchange, trade, end, compare. 0 when the books are equal."""
    task = asyncio.current_task()
    assert task is not None
    # Until the engine listens for signals itself.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with held(plan.folder), ExitStack() as stack:
        exchange = None
        try:
            exchange = await _exchange(plan)
            from interlock.cli.demo_live import Show

            return await Show(plan, exchange).run(stack)
        except asyncio.CancelledError:
            click.echo("\nInterrupted before anything was traded.", err=True)
            return INTERRUPTED
        finally:
            if exchange is not None:
                await close_exchange(plan.folder, exchange)


async def _exchange(plan: DemoPlan) -> Exchange:
    found = await find(plan.folder)
    if found is not None:
        click.echo(f"[1/3] The exchange of a run that was killed still trades at {found.url}.")
        return found
    click.echo("[1/3] Starting an exchange on this machine, with a market and an account.")
    now = datetime.fromtimestamp(SystemClock().now_ns() / 1e9, UTC)
    prune(plan.folder)
    child = await launch(plan.folder, seed=plan.seed)
    try:
        # The engine is loaded while the exchange starts.
        import interlock.cli.demo_live  # noqa: F401

        made = await ready(plan.folder, child, f"{now:%Y%m%d-%H%M%S}")
    except asyncio.CancelledError:
        end(child)
        raise
    click.echo(f"      {made.url}, books and faults at {made.admin}")
    return made
