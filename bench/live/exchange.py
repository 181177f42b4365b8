"""The exchange of the load runs: the real protocol and matching, quotes at a stated rate.

    python -m bench.live.exchange INSTRUMENTS MESSAGES_PER_SECOND

Books stand still and deep, so that every order has its answer and its fill; the touch that is
streamed changes in size with every message. Limits of weight are off: the load is the subject.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time

import msgspec
import uvloop

from interlock.adapters.system import SystemClock
from interlock.model.instrument import Instrument
from interlock.sim.binance_server.limits import LimitRules, Limits
from interlock.sim.venue import crowd
from interlock.sim.venue.market import Market
from interlock.sim.venue.state import VenueState
from interlock.venue import listings
from interlock.venue.binance_face import BinanceFace
from interlock.venue.listings import Listing
from interlock.venue.local import LocalExchange, Plan

TICK_S = 0.01
_HOUR_NS = 3_600 * 10**9
_DEEP = 10**9


class Still:
    """A deep touch that nobody moves."""

    def __init__(self, price: int) -> None:
        self._price = price
        self._stands = False

    def act(self, state: VenueState, market: Market, ts: int) -> int:
        """Stand on both sides, once."""
        if not self._stands:
            self._stands = True
            for side, price in ((1, self._price), (-1, self._price + 1)):
                crowd.rest(state, market, side, price=price, quantity=_DEEP)
        return ts + _HOUR_NS

    def gap(self, state: VenueState, market: Market, ratio: float) -> None:
        """Nothing jumps here."""


def listed(count: int) -> tuple[Listing, ...]:
    """So many perpetuals like the largest one."""
    (bitcoin, *_) = listings.binance()
    return tuple(
        Listing(
            msgspec.structs.replace(
                bitcoin.instrument, id=f"C{number:02d}USDT-PERP.BINANCE", base=f"C{number:02d}"
            ),
            bitcoin.price,
        )
        for number in range(count)
    )


class StillExchange(LocalExchange):
    """The local exchange with still books."""

    def _synthetic(self, item: Listing, number: int) -> Still:  # type: ignore[override]
        return Still(item.price)


def frame(instrument: Instrument, price: int, number: int) -> bytes:
    """One message of the touch; its size says which one it is."""
    symbol = instrument.base + instrument.quote
    now = time.time_ns() // 10**6
    bid, ask = price / 10**instrument.price_exponent, (price + 1) / 10**instrument.price_exponent
    return (
        f'{{"stream":"{symbol.lower()}@bookTicker","data":{{"e":"bookTicker","u":{number},'
        f'"s":"{symbol}","b":"{bid:.1f}","B":"{1 + number % 900}.000","a":"{ask:.1f}",'
        f'"A":"{1 + number % 700}.000","T":{now},"E":{now}}}}}'
    ).encode()


async def stream(exchange: StillExchange, items: tuple[Listing, ...], rate: float) -> None:
    """Quotes at the rate, in turn over the instruments, to whoever follows the public plane."""
    host, number, started = exchange.hosts["binance"], 10**9, time.monotonic()
    sent = 0
    while True:
        await asyncio.sleep(TICK_S)
        due = int((time.monotonic() - started) * rate) - sent
        sockets = [s for s in host.sockets if "/public/" in s._request.path]
        for _ in range(min(due, int(rate))):
            item = items[number % len(items)]
            number += 1
            data = frame(item.instrument, item.price, number)
            for socket in sockets:
                socket.put(data)
        sent += due


async def main(count: int, rate: float) -> None:
    """Serve until the admin port is asked to stop."""
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    items = listed(count)
    plan = Plan(listed=items, balance=1_000_000_000)
    exchange = StillExchange(plan, SystemClock())
    face = exchange.hosts["binance"].face
    assert isinstance(face, BinanceFace)
    most = 10**9
    face.server.state.limits = Limits(
        LimitRules(weight_per_minute=most, orders_per_minute=most, orders_per_ten_seconds=most)
    )
    await exchange.open({})
    (keys,) = exchange.keys
    ready = {
        "url": exchange.doors["binance"].url,
        "admin": exchange.admin.port,
        "key": keys.key,
        "secret": keys.secret,
        "instruments": [item.instrument.id for item in items],
    }
    print(json.dumps(ready), flush=True)
    streaming = asyncio.create_task(stream(exchange, items, rate))
    await exchange.wait()
    streaming.cancel()
    await exchange.close()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), float(sys.argv[2])))
