"""The exchange of the kill tests, as a process: one account for each run, on a quiet market.

python -m tests.end_to_end.kill_exchange ACCOUNTS
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys

import uvloop

from interlock.adapters.system import SystemClock
from interlock.sim.binance_server.limits import LimitRules, Limits
from interlock.venue.binance_face import BinanceFace
from interlock.venue.local import LocalExchange, Plan


async def main(count: int) -> None:
    """Open on free ports, say where, serve until the admin port is asked to stop."""
    # Clients of this exchange die in the middle of a request; that is no news.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    names = tuple(f"run{number:03d}" for number in range(count))
    exchange = LocalExchange(Plan(is_quiet=True, accounts=names), SystemClock())
    face = exchange.hosts["binance"].face
    assert isinstance(face, BinanceFace)
    # Restarts in a row would be banned, as on the real venue: here every run is its own machine.
    face.server.state.limits = Limits(
        LimitRules(weight_per_minute=10**9, orders_per_minute=10**9, orders_per_ten_seconds=10**9)
    )
    await exchange.open({})
    ready = {
        "url": exchange.doors["binance"].url,
        "admin": exchange.admin.port,
        "keys": [[held.account, held.key, held.secret] for held in exchange.keys],
    }
    print(json.dumps(ready), flush=True)
    await exchange.wait()
    # Let the answer to the request that stops it leave first.
    await asyncio.wait([asyncio.create_task(exchange.close())])


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
