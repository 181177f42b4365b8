"""ccxt, unmodified, on the local Hyperliquid: REST and its WebSocket part."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import ccxt.pro
import pytest
from ccxt.base.errors import InsufficientFunds, InvalidOrder, OrderNotFound

from tests.contract.hyperliquid_loopback import ADDRESS, KEY, Loopback, loopback
from tests.unit.wire.hyperliquid.cases import BTC

SYMBOL = "BTC/USDC:USDC"
CLOID = "0x" + "0" * 30 + "ab"
WAIT = 15.0

Test = Callable[[Any, Loopback], Awaitable[None]]


@pytest.fixture
def venue() -> Iterator[Loopback]:
    with loopback() as running:
        yield running


@asynccontextmanager
async def client(venue: Loopback, **options: object) -> AsyncIterator[Any]:
    exchange = ccxt.pro.hyperliquid(
        {
            "walletAddress": ADDRESS,
            "privateKey": KEY,
            "enableRateLimit": False,
            "options": options,
            "urls": {
                "api": {
                    "public": venue.url,
                    "private": venue.url,
                    "ws": {"public": venue.url.replace("http", "ws") + "/ws"},
                }
            },
        }
    )
    try:
        yield exchange
    finally:
        await exchange.close()


def run(test: Test, venue: Loopback, **options: object) -> None:
    async def inside() -> None:
        async with client(venue, **options) as exchange:
            await asyncio.wait_for(test(exchange, venue), WAIT)

    asyncio.run(inside())


async def do(action: Callable[[], None]) -> None:
    """Do something at the venue without holding up the client."""
    await asyncio.get_running_loop().run_in_executor(None, action)


async def _markets_and_money(exchange: Any, venue: Loopback) -> None:
    await exchange.load_markets()
    market = exchange.market(SYMBOL)
    assert (market["precision"]["amount"], market["limits"]["cost"]["min"]) == (1e-05, 10)
    assert (await exchange.fetch_balance())["USDC"]["total"] == 1_000_000
    assert await exchange.fetch_positions() == []
    book = await exchange.fetch_order_book(SYMBOL)
    assert (book["bids"][0], book["asks"][0]) == ([59_990, 5], [60_010, 5])
    assert (await exchange.fetch_ticker(SYMBOL))["close"] == 60_000
    assert (await exchange.fetch_funding_rates([SYMBOL]))[SYMBOL]["markPrice"] == 60_000
    assert (await exchange.fetch_trading_fee(SYMBOL))["taker"] == 0.00045
    assert await exchange.fetch_time() > 10**12
    assert (await exchange.fetch_status())["status"] == "ok"
    assert await exchange.fetch_funding_history(SYMBOL) == []


def test_markets_and_money(venue: Loopback) -> None:
    run(_markets_and_money, venue)


async def _orders(exchange: Any, venue: Loopback) -> None:
    params = {"clientOrderId": CLOID}
    placed = await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 59_000, params)
    found = await exchange.fetch_order(placed["id"], SYMBOL)
    assert (found["status"], found["clientOrderId"], found["remaining"]) == ("open", CLOID, 0.01)
    assert (await exchange.fetch_order(CLOID, SYMBOL))["id"] == placed["id"]
    edited = await exchange.edit_order(placed["id"], SYMBOL, "limit", "buy", 0.02, 58_000, params)
    assert edited["id"] != placed["id"]
    (opened,) = await exchange.fetch_open_orders(SYMBOL)
    assert (opened["id"], opened["amount"], opened["price"]) == (edited["id"], 0.02, 58_000)
    await exchange.cancel_order(edited["id"], SYMBOL)
    with pytest.raises(OrderNotFound):
        await exchange.cancel_order(edited["id"], SYMBOL)
    with pytest.raises(OrderNotFound):
        await exchange.fetch_order("5", SYMBOL)
    await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 59_000, params)
    await exchange.cancel_order("", SYMBOL, params)
    with pytest.raises(InvalidOrder):
        await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 60_010, {"postOnly": True})
    with pytest.raises(InvalidOrder):
        await exchange.create_order(SYMBOL, "limit", "buy", 0.0001, 59_000)
    with pytest.raises(InsufficientFunds):
        await exchange.create_order(SYMBOL, "limit", "buy", 900_000, 59_000)
    assert (await exchange.cancel_all_orders_after(60_000))["status"] == "ok"


def test_orders(venue: Loopback) -> None:
    run(_orders, venue)


async def _position(exchange: Any, venue: Loopback) -> None:
    assert (await exchange.set_leverage(10, SYMBOL))["status"] == "ok"
    opened = await exchange.create_order(SYMBOL, "market", "buy", 0.5, 60_000)
    assert (opened["filled"], opened["average"]) == (0.5, 60_010)
    (position,) = await exchange.fetch_positions([SYMBOL])
    assert (position["side"], position["contracts"], position["leverage"]) == ("long", 0.5, 10)
    stop = await exchange.create_order(
        SYMBOL, "market", "sell", 0.5, 60_000, {"stopLossPrice": 59_500, "reduceOnly": True}
    )
    found = await exchange.fetch_order(stop["id"], SYMBOL)
    assert (found["stopLossPrice"], found["reduceOnly"]) == (59_500, True)
    await do(lambda: venue.mark(BTC, 59_400))
    assert (await exchange.fetch_order(stop["id"], SYMBOL))["status"] == "closed"
    assert await exchange.fetch_positions([SYMBOL]) == []
    opening, closing = await exchange.fetch_my_trades(SYMBOL)
    assert [trade["takerOrMaker"] for trade in (opening, closing)] == ["taker", "taker"]
    assert opening["fee"] == {"cost": 13.50225, "currency": "USDC"}


def test_a_position_with_a_stop(venue: Loopback) -> None:
    run(_position, venue)


async def _bracket(exchange: Any, venue: Loopback) -> None:
    params = {
        "takeProfit": {"triggerPrice": 66_000, "type": "market"},
        "stopLoss": {"triggerPrice": 55_000, "type": "market"},
    }
    await exchange.create_order(SYMBOL, "limit", "buy", 0.1, 60_020, params)
    waiting = await exchange.fetch_open_orders(SYMBOL)
    assert sorted(order["triggerPrice"] for order in waiting) == [55_000, 66_000]
    await do(lambda: venue.mark(BTC, 54_900))
    assert await exchange.fetch_open_orders(SYMBOL) == []


def test_a_bracket_leaves_nothing_behind(venue: Loopback) -> None:
    run(_bracket, venue)


async def _streams(exchange: Any, venue: Loopback) -> None:
    await exchange.load_markets()
    book = await exchange.watch_order_book(SYMBOL)
    assert book["bids"][0][0] == 59_990
    assert (await exchange.watch_ticker(SYMBOL))["close"] == 60_000
    tasks = [
        asyncio.ensure_future(call)
        for call in (
            exchange.watch_orders(SYMBOL),
            exchange.watch_my_trades(SYMBOL),
            exchange.watch_trades(SYMBOL),
            exchange.watch_ohlcv(SYMBOL, "1m"),
            exchange.watch_positions([SYMBOL]),
        )
    ]
    # The subscriptions stand when an answer that was asked for later has come back.
    await exchange.watch_tickers([SYMBOL])
    placed = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.1, 60_010)
    assert placed["filled"] == 0.1
    orders, mine, trades, bars, positions = await asyncio.gather(*tasks)
    assert (orders[0]["id"], orders[0]["filled"]) == (placed["id"], 0.1)
    assert mine[0]["order"] == placed["id"]
    assert (trades[0]["side"], trades[0]["amount"]) == ("buy", 0.1)
    assert bars[-1][4] == 60_010
    assert positions is not None
    resting = await exchange.create_order_ws(SYMBOL, "limit", "buy", 0.1, 59_000)
    canceled = await exchange.cancel_order_ws(resting["id"], SYMBOL)
    assert canceled["status"] == "success"


def test_streams_and_orders_over_the_socket(venue: Loopback) -> None:
    run(_streams, venue)


async def _reconnect(exchange: Any, venue: Loopback) -> None:
    await exchange.load_markets()
    await exchange.watch_order_book(SYMBOL)
    waiting = asyncio.ensure_future(exchange.watch_my_trades(SYMBOL))
    await exchange.watch_tickers([SYMBOL])
    await do(venue.drop_sockets)
    with pytest.raises(ccxt.NetworkError):
        await waiting
    await exchange.create_order(SYMBOL, "market", "buy", 0.1, 60_000)
    # The new socket begins with a snapshot, which has the fill of the gap.
    (missed,) = await exchange.watch_my_trades(SYMBOL)
    assert missed["amount"] == 0.1
    assert (await exchange.watch_order_book(SYMBOL))["asks"][0][0] == 60_010


def test_a_new_socket_tells_what_was_missed(venue: Loopback) -> None:
    run(_reconnect, venue)


async def _fees(exchange: Any, venue: Loopback) -> None:
    await exchange.create_order(SYMBOL, "limit", "buy", 0.01, 59_000)


@pytest.mark.parametrize(("on", "rate"), [(True, "0.01%"), (False, "0%")])
def test_the_builder_fee_is_approved_before_the_first_order(
    venue: Loopback, on: bool, rate: str
) -> None:
    run(_fees, venue, builderFee=on)
    assert list(venue.server.state.builders.values()) == [rate]
    assert venue.server.state.referrers == {ADDRESS: "CCXT1"}
