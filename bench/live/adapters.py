"""CPU to submit one order: through an adapter against a bare signed POST of the same session.

    .venv/bin/python -m bench.live.adapters [ORDERS]

The server is a separate process that answers at once with a fixed body, so that the CPU of this
process is the client's alone. Rounds of the bare POST and of the adapter alternate in one run; the
figure is the median round. For Hyperliquid the work before the socket is timed by itself: action,
hash, signature, body.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

import uvloop
from aiohttp import web

from interlock.adapters.binance import BinanceVenue, Endpoints, Feeds, Keys
from interlock.adapters.hyperliquid import Endpoints as HyperliquidEndpoints
from interlock.adapters.hyperliquid import HyperliquidVenue, Wallet
from interlock.adapters.signing import EthereumSigner, HmacSigner
from interlock.adapters.system import SystemClock
from interlock.model.order import OrderSpec, OrderType
from interlock.model.venue import Answer, PlaceRequest, Verdict
from interlock.venue import listings
from interlock.wire.hyperliquid.actions import Identity
from interlock.wire.hyperliquid.instruments import Universe
from interlock.wire.hyperliquid.streams import Reader

BINANCE, HYPERLIQUID = "BTCUSDT-PERP.BINANCE", "BTC-PERP.HYPERLIQUID"
SECRET = "bench-secret"
ROUNDS = 7
SECOND = 10**9
_ORDER = (
    '{"orderId":%d,"symbol":"BTCUSDT","status":"NEW","clientOrderId":"%s","price":"50000.0",'
    '"avgPrice":"0.00","origQty":"0.010","executedQty":"0.000","cumQty":"0.000","cumQuote":"0.0",'
    '"timeInForce":"GTC","type":"LIMIT","reduceOnly":false,"closePosition":false,"side":"BUY",'
    '"positionSide":"BOTH","stopPrice":"0","workingType":"CONTRACT_PRICE","priceProtect":false,'
    '"origType":"LIMIT","priceMatch":"NONE","selfTradePreventionMode":"NONE","goodTillDate":0,'
    '"updateTime":1767225600000}'
)


def serve(pipe: Connection) -> None:
    """Answer every order as accepted, at once."""

    async def order(request: web.Request) -> web.Response:
        fields = dict(part.split("=", 1) for part in (await request.text()).split("&"))
        body = _ORDER % (1, fields.get("newClientOrderId", ""))
        return web.Response(body=body.encode(), content_type="application/json")

    async def main() -> None:
        app = web.Application()
        app.router.add_post("/fapi/v1/order", order)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        await asyncio.Event().wait()

    uvloop.run(main())


async def timed(work: Callable[[int], Awaitable[None]], orders: int) -> float:
    """Microseconds of this process's CPU for one piece of work."""
    began = time.process_time_ns()
    for number in range(orders):
        await work(number)
    return (time.process_time_ns() - began) / orders / 1_000


async def binance(port: int, orders: int) -> tuple[float, float]:
    """Median CPU of a bare signed POST and of an order through the adapter."""
    clock = SystemClock()
    url = f"http://127.0.0.1:{port}"
    venue = BinanceVenue(
        Endpoints(url, url), Keys("key", HmacSigner(SECRET)), Feeds(instruments=()), clock=clock
    )
    # Without connect: the server knows nothing but orders.
    venue._listing.add(listings.binance()[0].instrument)
    done = asyncio.Event()
    answers: list[Answer] = []

    def heard(event: object) -> None:
        assert isinstance(event, Answer)
        answers.append(event)
        done.set()

    venue._heard = heard
    await venue._transport.open()
    session = venue._transport.session
    key = SECRET.encode()

    async def bare(number: int) -> None:
        text = (
            "symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=0.01&timeInForce=GTC&price=50000"
            f"&newClientOrderId=bare-{number}&newOrderRespType=RESULT"
            f"&recvWindow=5000&timestamp={clock.now_ns() // 10**6}"
        ).encode()
        signature = hmac.new(key, text, hashlib.sha256).hexdigest().encode()
        headers = {
            "x-mbx-apikey": "key",
            "content-type": "application/x-www-form-urlencoded",
        }
        body = text + b"&signature=" + signature
        async with session.post(f"{url}/fapi/v1/order", data=body, headers=headers) as answer:
            await answer.read()

    async def adapter(number: int) -> None:
        done.clear()
        spec = OrderSpec(BINANCE, 1, 10, OrderType.LIMIT, 500_000)
        venue.request(
            PlaceRequest(
                request_id=number,
                client_order_id=f"IL1-{number:012d}",
                spec=spec,
                ts_deadline=clock.now_ns() + 5 * SECOND,
            )
        )
        await done.wait()

    try:
        for work in (bare, adapter):
            await timed(work, orders // 5)
        rounds = [(await timed(bare, orders), await timed(adapter, orders)) for _ in range(ROUNDS)]
    finally:
        await venue.close()
    assert all(answer.verdict is Verdict.ACCEPTED for answer in answers), answers[0]
    return (
        statistics.median(floor for floor, _ in rounds),
        statistics.median(ours for _, ours in rounds),
    )


def hyperliquid(orders: int) -> tuple[float, float]:
    """Median microseconds of the bare signature, and of action, hash, signature and body."""
    clock = SystemClock()
    signer = EthereumSigner("0x" + "17" * 32)
    wallet = Wallet(identity=Identity(address=signer.address), signer=signer)
    venue = HyperliquidVenue(
        HyperliquidEndpoints(), wallet, Feeds(instruments=(HYPERLIQUID,)), clock=clock
    )
    universe = Universe([item.instrument for item in listings.hyperliquid()])
    venue.client.reader = Reader(universe=universe, cloids=venue.client.known.cloids)
    spec = OrderSpec(HYPERLIQUID, 1, 1_000, OrderType.LIMIT, 500_000)
    digest = bytes(range(32))

    def ours(number: int) -> None:
        request = PlaceRequest(
            request_id=number,
            client_order_id=f"IL1-{number:012d}",
            spec=spec,
            ts_deadline=clock.now_ns() + 5 * SECOND,
        )
        venue.client.action(request, ts=clock.now_ns())

    def bare(number: int) -> None:
        signer.sign(digest)

    def one(work: Callable[[int], None]) -> float:
        began = time.process_time_ns()
        for number in range(orders):
            work(number)
        return (time.process_time_ns() - began) / orders / 1_000

    rounds = [(one(bare), one(ours)) for _ in range(ROUNDS)]
    return (
        statistics.median(floor for floor, _ in rounds),
        statistics.median(mine for _, mine in rounds),
    )


def main() -> None:
    """Print the figures."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        floor, ours = uvloop.run(binance(here.recv(), orders))
    finally:
        server.terminate()
        server.join()
    print(
        f"binance      bare signed POST {floor:7.1f} us, order through the adapter {ours:7.1f} us"
    )
    print(f"             ratio {ours / floor:.2f}, {ours - floor:+.1f} us (limit +100 us)")
    floor, ours = hyperliquid(orders)
    print(
        f"hyperliquid  bare signature   {floor:7.1f} us, action to signed body      {ours:7.1f} us"
    )
    print(f"             ratio {ours / floor:.2f}, limit 500 us")


if __name__ == "__main__":
    main()
