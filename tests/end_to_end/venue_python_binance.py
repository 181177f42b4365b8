"""A script, not a test: python-binance, unmodified, at an address and with keys it is given.

It stands in its own process because the package warns when it is imported.
"""

from __future__ import annotations

import asyncio
import json
import sys
import warnings
from typing import Any

warnings.simplefilter("ignore")

from binance import AsyncClient, BinanceSocketManager  # noqa: E402

SYMBOL = "BTCUSDT"


async def main(root: str, key: str, secret: str) -> None:
    """A resting order and a market order, seen by REST and by the user's stream."""
    AsyncClient.API_URL = root + "/api"
    client = AsyncClient(key, secret)
    client.API_URL, client.MARGIN_API_URL = root + "/api", root + "/sapi"
    client.FUTURES_URL, client.FUTURES_DATA_URL = root + "/fapi", root + "/futures/data"
    manager = BinanceSocketManager(client)
    manager.FSTREAM_URL = root.replace("http", "ws") + "/"
    user = manager.futures_user_socket()
    user.TIMEOUT = 1
    seen: dict[str, Any] = {"status": []}
    try:
        async with user as stream:
            order = {"symbol": SYMBOL, "side": "BUY", "newOrderRespType": "RESULT"}
            limit = {"type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01", "price": "50000"}
            resting = await client.futures_create_order(**order, **limit)
            ended = await client.futures_cancel_order(symbol=SYMBOL, orderId=resting["orderId"])
            bought = await client.futures_create_order(**order, type="MARKET", quantity="0.01")
            seen["status"] = [item["status"] for item in (resting, ended, bought)]
            kinds: list[str] = []
            while "ACCOUNT_UPDATE" not in kinds:
                kinds.append((await asyncio.wait_for(stream.recv(), 5))["e"])
            seen["user"] = kinds
            held = await client.futures_position_information(symbol=SYMBOL)
            seen["position"] = held[0]["positionAmt"]
            await client.futures_create_order(
                symbol=SYMBOL, side="SELL", type="MARKET", quantity="0.01"
            )
    finally:
        await client.close_connection()
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4]))
