"""The exchange of the kill tests, as a process: one account for each run, on a quiet market.

python -m tests.end_to_end.kill_exchange ACCOUNTS [FOLDER]

In FOLDER an engine says under its key by which of its requests it wants to be killed. The exchange
then kills it when the request has arrived whole and nothing was done yet, so between "the bytes
left" and "the venue executed", or when it was executed and nothing was answered yet.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import msgspec
import uvloop
from msgspec.structs import replace

from interlock.adapters.system import SystemClock
from interlock.sim.binance_server.limits import LimitRules, Limits
from interlock.sim.binance_server.server import BinanceServer
from interlock.venue.binance_face import BinanceFace
from interlock.venue.local import LocalExchange, Plan
from interlock.wire.http import HttpRequest, HttpResponse
from tests.end_to_end.kill_engine import Target

TRADING = frozenset({"POST", "PUT", "DELETE"})
WEIGHT = "x-mbx-used-weight-1m"
ORDERS = ("/fapi/v1/order", "/fapi/v1/algoOrder")


class DeadlyFace(BinanceFace):
    """Kills a client at a request of its choice.

    The venue counts weight by address, and here all runs have one; so it does not say how much.
    """

    def __init__(self, server: BinanceServer, targets: Path | None) -> None:
        super().__init__(server)
        self._targets = targets
        self._seen: Counter[tuple[int, str]] = Counter()

    def handle(self, now: int, request: HttpRequest, client: str) -> HttpResponse:
        answer = self._handle(now, request, client)
        shown = {name: text for name, text in answer.headers.items() if name.lower() != WEIGHT}
        return replace(answer, headers=shown)

    def _handle(self, now: int, request: HttpRequest, client: str) -> HttpResponse:
        is_trading = request.method in TRADING and request.path in ORDERS
        if self._targets is None or not is_trading:
            return super().handle(now, request, client)
        named = self._targets / request.headers.get("x-mbx-apikey", "")
        target = msgspec.json.decode(named.read_bytes(), type=Target)
        self._kill(target, "arrival")
        answer = super().handle(now, request, client)
        self._kill(target, "execution")
        return answer

    def _kill(self, target: Target, where: str) -> None:
        self._seen[(target.pid, where)] += 1
        if (target.where, target.at) == (where, self._seen[(target.pid, where)]):
            os.kill(target.pid, signal.SIGKILL)


async def main(count: int, targets: Path | None) -> None:
    """Open on free ports, say where, serve until the admin port is asked to stop."""
    # Clients of this exchange die in the middle of a request; that is no news.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    names = tuple(f"run{number:03d}" for number in range(count))
    exchange = LocalExchange(Plan(is_quiet=True, accounts=names), SystemClock())
    face = exchange.hosts["binance"].face
    assert isinstance(face, BinanceFace)
    exchange.hosts["binance"].face = DeadlyFace(face.server, targets)
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
    uvloop.run(main(int(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None))
