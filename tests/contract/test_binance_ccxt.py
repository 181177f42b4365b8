"""ccxt, unmodified, trades on the USD-M server over sockets of this machine."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import ccxt.pro
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from tests.contract.binance_loopback import HOST, KEY, PRICE, SECRET, Loopback, authority

SYMBOL = "BTC/USDT:USDT"
LIMIT_S = 20


def point_at(client: Any, http: str, websocket: str) -> None:
    """Give the client the server's addresses, as its settings allow."""
    api = client.urls["api"]
    for name, path in {
        "fapiPublic": "/fapi/v1",
        "fapiPublicV2": "/fapi/v2",
        "fapiPublicV3": "/fapi/v3",
        "fapiPrivate": "/fapi/v1",
        "fapiPrivateV2": "/fapi/v2",
        "fapiPrivateV3": "/fapi/v3",
        "sapi": "/sapi/v1",
        "public": "/api/v3",
        "dapiPublic": "/dapi/v1",
    }.items():
        api[name] = http + path
    root = websocket + "/ws"
    api["ws"]["future"] = api["ws"]["linear"] = root


@contextlib.asynccontextmanager
async def plain_client(server: Loopback) -> AsyncIterator[Any]:
    client = ccxt.pro.binanceusdm(
        {
            "apiKey": KEY,
            "secret": SECRET,
            "enableRateLimit": False,
            "timeout": 5_000,
            "options": {"warnOnFetchOpenOrdersWithoutSymbol": False},
        }
    )
    point_at(client, server.http, server.http.replace("http", "ws"))
    try:
        yield client
    finally:
        await client.close()


def run(story: Callable[[Loopback, Any], Awaitable[None]]) -> None:
    """Tell a story between a server and a client, in bounded time."""

    async def main() -> None:
        async with Loopback.running() as server, plain_client(server) as client:
            await asyncio.wait_for(story(server, client), LIMIT_S)

    asyncio.run(main())


def test_markets_account_and_settings() -> None:
    async def story(server: Loopback, client: Any) -> None:
        markets = await client.load_markets()
        assert markets[SYMBOL]["precision"]["amount"] == 0.001
        assert markets[SYMBOL]["precision"]["price"] == 0.1
        assert markets[SYMBOL]["limits"]["cost"]["min"] == 5
        assert abs(await client.fetch_time() - server.now() // 10**6) < 2_000
        assert (await client.fetch_balance())["USDT"]["total"] == 100_000
        assert await client.fetch_positions() == []
        assert (await client.set_leverage(10, SYMBOL))["leverage"] == 10
        await client.set_margin_mode("isolated", SYMBOL)
        assert (await client.fetch_position_mode(SYMBOL))["hedged"] is False
        tiers = await client.fetch_leverage_tiers([SYMBOL])
        assert [tier["maxLeverage"] for tier in tiers[SYMBOL]] == [125, 62]
        assert (await client.fetch_trading_fee(SYMBOL))["taker"] == 0.0005
        assert (await client.fetch_funding_rate(SYMBOL))["markPrice"] == PRICE / 10
        assert await client.fetch_funding_history(SYMBOL) == []

    run(story)


def test_market_reads() -> None:
    async def story(server: Loopback, client: Any) -> None:
        server.trade(1, 50)
        book = await client.fetch_order_book(SYMBOL, 5)
        assert book["bids"][0] == [49_999.0, 0.2]
        assert (await client.fetch_ticker(SYMBOL))["last"] == 50_001
        assert [item["amount"] for item in await client.fetch_trades(SYMBOL)] == [0.05]
        bars = await client.fetch_ohlcv(SYMBOL, "1m")
        assert bars[-1][4] == 50_001
        tickers = await client.fetch_bids_asks()
        assert tickers[SYMBOL]["bid"] == 49_999

    run(story)


def test_the_life_of_orders() -> None:
    async def story(server: Loopback, client: Any) -> None:
        bought = await client.create_order(SYMBOL, "market", "buy", 0.3)
        assert (bought["status"], bought["filled"]) == ("closed", 0.3)
        position = (await client.fetch_positions([SYMBOL]))[0]
        assert (position["contracts"], position["side"]) == (0.3, "long")

        resting = await client.create_order(SYMBOL, "limit", "buy", 0.1, 49_000)
        assert resting["status"] == "open"
        assert [item["id"] for item in await client.fetch_open_orders(SYMBOL)] == [resting["id"]]
        moved = await client.edit_order(resting["id"], SYMBOL, "limit", "buy", 0.2, 49_100)
        assert (moved["amount"], moved["price"]) == (0.2, 49_100)
        assert (await client.fetch_order(resting["id"], SYMBOL))["amount"] == 0.2
        assert (await client.cancel_order(resting["id"], SYMBOL))["status"] == "canceled"

        maker = await client.create_order(
            SYMBOL, "limit", "sell", 0.1, 50_500, {"postOnly": True, "reduceOnly": True}
        )
        assert maker["postOnly"]
        await client.cancel_all_orders(SYMBOL)
        assert await client.fetch_open_orders() == []

        ioc = {"timeInForce": "IOC"}
        cut = await client.create_order(SYMBOL, "limit", "sell", 0.5, 49_999, ioc)
        assert (cut["status"], cut["filled"]) == ("expired", 0.2)
        with pytest.raises(ccxt.BaseError, match="FOK"):
            await client.create_order(SYMBOL, "limit", "buy", 50, 50_002, {"timeInForce": "FOK"})
        with pytest.raises(ccxt.BaseError, match="Post Only"):
            await client.create_order(SYMBOL, "limit", "buy", 0.1, 50_010, {"postOnly": True})

        trades = await client.fetch_my_trades(SYMBOL)
        assert sum(item["amount"] for item in trades) == pytest.approx(0.5)
        assert {item["id"] for item in await client.fetch_orders(SYMBOL)} > {bought["id"]}

    run(story)


def test_conditional_orders() -> None:
    async def story(server: Loopback, client: Any) -> None:
        await client.create_order(SYMBOL, "market", "buy", 0.3)
        stop = await client.create_order(
            SYMBOL, "market", "sell", 0.1, None, {"stopLossPrice": 49_000, "reduceOnly": True}
        )
        profit = await client.create_order(
            SYMBOL, "market", "sell", 0.1, None, {"takeProfitPrice": 51_000, "reduceOnly": True}
        )
        trailing = await client.create_order(
            SYMBOL, "market", "sell", 0.1, None, {"trailingPercent": 5, "reduceOnly": True}
        )
        opened = await client.fetch_open_orders(SYMBOL, params={"trigger": True})
        assert {item["id"] for item in opened} == {stop["id"], profit["id"], trailing["id"]}
        await client.cancel_order(trailing["id"], SYMBOL, {"trigger": True})

        server.quote(489_500)
        server.trade(-1, 10)
        server.quote(489_500)
        found = await client.fetch_order(stop["id"], SYMBOL, {"trigger": True})
        assert found["info"]["actualOrderId"]
        assert (await client.fetch_positions([SYMBOL]))[0]["contracts"] == 0.2
        await client.cancel_all_orders(SYMBOL, {"trigger": True})
        assert await client.fetch_open_orders(SYMBOL, params={"trigger": True}) == []

    run(story)


def test_batches_and_the_dead_mans_switch() -> None:
    async def story(server: Loopback, client: Any) -> None:
        order = {"symbol": SYMBOL, "type": "limit", "side": "buy", "amount": 0.1}
        made = await client.create_orders([{**order, "price": 49_000}, {**order, "price": 48_900}])
        assert [item["status"] for item in made] == ["open", "open"]
        await client.fapiPrivatePostCountdownCancelAll({"symbol": "BTCUSDT", "countdownTime": 1})
        await _until(lambda: not server.core.open_orders("desk"))

    run(story)


def test_streams_of_the_market() -> None:
    async def story(server: Loopback, client: Any) -> None:
        book = asyncio.create_task(client.watch_order_book(SYMBOL))
        trades = asyncio.create_task(client.watch_trades(SYMBOL))
        ticker = asyncio.create_task(client.watch_ticker(SYMBOL))
        touch = asyncio.create_task(client.watch_bids_asks([SYMBOL]))
        mark = asyncio.create_task(client.watch_mark_price(SYMBOL))
        bars = asyncio.create_task(client.watch_ohlcv(SYMBOL, "1m"))
        waiting = (book, trades, ticker, touch, mark, bars)
        while not all(task.done() for task in waiting):
            server.trade(1, 1)
            await asyncio.wait(waiting, timeout=0.2)
            server.quote()
        assert book.result()["bids"][0][0] == 49_999
        assert trades.result()[0]["price"] == 50_001
        assert touch.result()[SYMBOL]["symbol"] == SYMBOL
        assert mark.result()["markPrice"] == 50_000
        assert bars.result()[-1][4] == 50_001
        again = await client.watch_order_book(SYMBOL)
        assert again["bids"][0][0] < again["asks"][0][0]

    run(story)


def test_streams_of_the_account_survive_a_cut() -> None:
    async def story(server: Loopback, client: Any) -> None:
        await client.load_markets()
        orders = asyncio.create_task(client.watch_orders(SYMBOL))
        balance = asyncio.create_task(client.watch_balance())
        positions = asyncio.create_task(client.watch_positions())
        mine = asyncio.create_task(client.watch_my_trades(SYMBOL))
        await _until(lambda: any(item.keys for item in server.server.sessions.all()))
        await client.create_order(SYMBOL, "market", "buy", 0.1)
        waiting = {orders, balance, positions, mine}
        done, late = await asyncio.wait(waiting, timeout=8)
        assert not late
        assert orders.result()[0]["symbol"] == SYMBOL
        assert mine.result()[0]["amount"] == 0.1

        await server.drop_sockets()
        with contextlib.suppress(ccxt.NetworkError):
            await asyncio.wait_for(client.watch_my_trades(SYMBOL), 5)
        again = asyncio.create_task(client.watch_my_trades(SYMBOL))
        await _until(lambda: any(item.keys for item in server.server.sessions.all()))
        await client.create_order(SYMBOL, "market", "sell", 0.1)
        assert (await again)[-1]["side"] == "sell"

    run(story)


class _Local(AbstractResolver):
    """Every name is this machine."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        return


@pytest.mark.parametrize(
    ("refused", "error"),
    [
        ({"type": "market", "side": "buy", "amount": 900}, "InsufficientFunds"),
        (
            {"type": "market", "side": "sell", "amount": 0.1, "params": {"reduceOnly": True}},
            "InvalidOrder",
        ),
        ({"type": "limit", "side": "buy", "amount": 0.001, "price": 1_000}, "InvalidOrder"),
        (
            {
                "type": "limit",
                "side": "buy",
                "amount": 0.1,
                "price": 50_010,
                "params": {"postOnly": True},
            },
            "OrderNotFillable",
        ),
    ],
)
def test_errors_over_tls_under_a_venue_like_name(
    tmp_path: Path, refused: dict[str, Any], error: str
) -> None:
    async def main() -> None:
        server_side, trusted = authority(tmp_path)
        trust = ssl.create_default_context(cafile=trusted)
        async with Loopback.running(tls=server_side) as server:
            connector = aiohttp.TCPConnector(ssl=trust, resolver=_Local())
            async with aiohttp.ClientSession(connector=connector) as session:
                client = ccxt.pro.binanceusdm(
                    {"apiKey": KEY, "secret": SECRET, "session": session, "timeout": 5_000}
                )
                root = f"{HOST}:{server.https_port}"
                point_at(client, f"https://{root}", f"wss://{root}")
                with pytest.raises(getattr(ccxt, error)):
                    await client.create_order(SYMBOL, **refused)
                await client.close()

    asyncio.run(asyncio.wait_for(main(), LIMIT_S))


async def _until(condition: Callable[[], bool]) -> None:
    """Let the loop go on until something is so."""
    never = asyncio.Event()
    while not condition():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(never.wait(), 0.02)
