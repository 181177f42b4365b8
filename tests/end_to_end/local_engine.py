"""A live engine and the exchange that it trades on, in one process of their own.

``python -m tests.end_to_end.local_engine FOLDER`` trades the market maker in FOLDER until it is
shut down, and says ``ready`` and ``ended`` on its output.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from interlock.adapters.binance import BinanceVenue, Endpoints, Feeds, Keys
from interlock.adapters.signing import HmacSigner
from interlock.adapters.system import SystemClock
from interlock.live.session import Session
from interlock.live.start import Entry, Plan
from interlock.model.units import MONEY_SCALE
from interlock.ports import Clock
from interlock.research.loading import load_strategy
from interlock.venue.local import LocalExchange
from interlock.venue.local import Plan as VenuePlan

INSTRUMENT = "BTCUSDT-PERP.BINANCE"


def session_on(
    exchange: LocalExchange, folder: Path, clock: Clock, *, has_signals: bool = True
) -> Session:
    """A session of the market maker on an exchange that is open."""
    door, keys = exchange.doors["binance"], exchange.keys[0]
    venue = BinanceVenue(
        Endpoints(door.url, door.url.replace("http", "ws")),
        Keys(keys.key, HmacSigner(keys.secret)),
        Feeds(instruments=(INSTRUMENT,)),
        clock=clock,
    )
    maker = load_strategy("market_maker").kind
    entry = Entry("maker", lambda: maker(), 100_000 * MONEY_SCALE)
    plan = Plan(folder=folder, entries=[entry], currency="USDT")
    return Session(plan, venue, clock, has_signals=has_signals)


async def trade(folder: Path) -> None:
    """Open the exchange, trade until the end, close it."""
    clock = SystemClock()
    exchange = LocalExchange(VenuePlan(), clock)
    await exchange.open({})
    session = session_on(exchange, folder, clock)
    told = asyncio.create_task(_tell(session))
    try:
        await session.run()
    finally:
        told.cancel()
        await exchange.close()
    print("ended", flush=True)


async def _tell(session: Session) -> None:
    await session.ready.wait()
    print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(trade(Path(sys.argv[1])))
