"""Clients that nobody changed, on the process a person starts: a short day of each."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import ccxt
import ccxt.pro
import eth_account
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from hyperliquid.exchange import Exchange

from tests.contract.test_binance_ccxt import point_at
from tests.end_to_end.venue_process import PATIENCE_S, VenueProcess, venue_process

BINANCE, HYPERLIQUID = "BTC/USDT:USDT", "BTC/USDC:USDC"
_PYTHON_BINANCE = Path(__file__).with_name("venue_python_binance.py")


@pytest.fixture(scope="module")
def venue() -> Iterator[VenueProcess]:
    words = ("--protocol", "binance", "--protocol", "hyperliquid", "--tls", "--quiet")
    with venue_process(*words) as running:
        yield running
        running.process.terminate()
        code, summary, complaints = running.ended()
        assert (code, complaints, summary["problems"]) == (0, "", [])


class _Here(AbstractResolver):
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


async def _day(client: Any, symbol: str) -> None:
    """Markets, a resting order that moves and ends, a position with a stop, streams."""
    await client.load_markets()
    tiers = await client.fetch_positions([symbol])
    assert tiers == []
    book = await client.watch_order_book(symbol)
    price = client.price_to_precision(symbol, book["bids"][0][0] * 0.95)
    orders = asyncio.create_task(client.watch_orders(symbol))
    placed = []
    while not orders.done():
        # The stream opens in its own time: what came before is not on it.
        resting = await client.create_order(symbol, "limit", "buy", 0.01, price)
        assert (await client.fetch_order(resting["id"], symbol))["status"] == "open"
        await client.cancel_order(resting["id"], symbol)
        placed.append(resting["id"])
    assert orders.result()[0]["id"] in placed
    bought = await client.create_order(symbol, "market", "buy", 0.01, book["asks"][0][0])
    assert bought["id"]
    held = await client.fetch_positions([symbol])
    assert [item["contracts"] for item in held] == [0.01]
    await client.create_order(
        symbol, "market", "sell", 0.01, book["bids"][0][0], {"reduceOnly": True}
    )
    assert await client.fetch_positions([symbol]) == []
    assert len(await client.fetch_my_trades(symbol)) >= 2


@pytest.mark.parametrize("secure", [False, True])
def test_ccxt_on_binance(venue: VenueProcess, secure: bool) -> None:
    async def day() -> None:
        door = venue.facts["venues"]["binance"]
        options = {"warnOnFetchOpenOrdersWithoutSymbol": False}
        keys = {"apiKey": venue.account["key"], "secret": venue.account["secret"]}
        client = ccxt.pro.binanceusdm({**keys, "enableRateLimit": False, "options": options})
        root = door["tls_url"] if secure else door["url"]
        point_at(client, root, root.replace("http", "ws", 1))
        if secure:
            context = ssl.create_default_context(cafile=venue.facts["authority"])
            connector = aiohttp.TCPConnector(ssl=context, resolver=_Here())
            client.session = aiohttp.ClientSession(connector=connector, trust_env=True)
            client.tcp_connector = connector
        try:
            await asyncio.wait_for(_day(client, BINANCE), PATIENCE_S)
            tiers = await client.fetch_leverage_tiers([BINANCE])
            assert tiers[BINANCE][0]["maxLeverage"] > tiers[BINANCE][-1]["maxLeverage"]
            with pytest.raises(ccxt.ExchangeError) as refused:
                await client.create_order(BINANCE, "market", "buy", 900)
            # The class depends on the name, as ccxt has it.
            assert isinstance(refused.value, ccxt.InsufficientFunds) == secure
        finally:
            if secure:
                await client.session.close()
            await client.close()

    asyncio.run(day())


def test_ccxt_on_hyperliquid(venue: VenueProcess) -> None:
    async def day() -> None:
        url = venue.url("hyperliquid")
        api = {"public": url, "private": url, "ws": {"public": url.replace("http", "ws") + "/ws"}}
        client = ccxt.pro.hyperliquid(
            {
                "walletAddress": venue.account["wallet"],
                "privateKey": venue.account["wallet_key"],
                "enableRateLimit": False,
                "options": {"builderFee": False},
                "urls": {"api": api},
            }
        )
        try:
            await asyncio.wait_for(_day(client, HYPERLIQUID), PATIENCE_S)
        finally:
            await client.close()

    asyncio.run(day())


def test_the_hyperliquid_sdk(venue: VenueProcess) -> None:
    wallet = eth_account.Account.from_key(venue.account["wallet_key"])
    client = Exchange(wallet, venue.url("hyperliquid"), timeout=PATIENCE_S)
    try:
        placed = client.order("ETH", True, 0.1, 2_000, {"limit": {"tif": "Gtc"}})
        number = placed["response"]["data"]["statuses"][0]["resting"]["oid"]
        assert client.info.open_orders(wallet.address)[0]["oid"] == number
        canceled = client.cancel("ETH", number)
        assert canceled["response"]["data"]["statuses"] == ["success"]
        bought = client.market_open("ETH", True, 0.1)
        assert "filled" in bought["response"]["data"]["statuses"][0]
        assert "filled" in client.market_close("ETH")["response"]["data"]["statuses"][0]
    finally:
        client.session.close()
        client.info.session.close()


def test_python_binance(venue: VenueProcess) -> None:
    command = [sys.executable, str(_PYTHON_BINANCE), venue.url()]
    keys = [venue.account["key"], venue.account["secret"]]
    done = subprocess.run([*command, *keys], capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr[-2000:]
    seen = json.loads(done.stdout)
    assert seen["status"] == ["NEW", "CANCELED", "FILLED"]
    assert {"ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"} <= set(seen["user"])
    assert seen["position"] == "0.010"
