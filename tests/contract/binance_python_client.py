"""A script, not a test: python-binance, unmodified, trades at the address in its argument.

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
from binance.enums import FuturesType  # noqa: E402
from binance.exceptions import BinanceAPIException  # noqa: E402

SYMBOL = "BTCUSDT"


async def refused(call: Any) -> int:
    """The code of a call that must fail."""
    try:
        await call
    except BinanceAPIException as error:
        return int(error.code)
    return 0


async def trade(client: AsyncClient) -> dict[str, Any]:
    """Markets, account, orders of every type; what was seen of them."""
    seen: dict[str, Any] = {}
    info = await client.futures_exchange_info()
    seen["symbols"] = [item["symbol"] for item in info["symbols"]]
    seen["wallet"] = (await client.futures_account())["totalWalletBalance"]
    seen["balance"] = (await client.futures_account_balance())[0]["balance"]
    seen["leverage"] = (await client.futures_change_leverage(symbol=SYMBOL, leverage=7))["leverage"]
    seen["margin"] = await refused(
        client.futures_change_margin_type(symbol=SYMBOL, marginType="CROSSED")
    )
    seen["dual"] = (await client.futures_get_position_mode())["dualSidePosition"]
    order = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    resting = await client.futures_create_order(**order, quantity="0.1", price="49000")
    named = {"symbol": SYMBOL, "orderId": resting["orderId"]}
    moved = await client.futures_modify_order(**named, side="BUY", quantity="0.2", price="49100")
    seen["moved"] = moved["origQty"], moved["price"]
    seen["asked"] = (await client.futures_get_order(**named))["status"]
    seen["open"] = len(await client.futures_get_open_orders(symbol=SYMBOL))
    seen["canceled"] = (await client.futures_cancel_order(**named))["status"]
    seen["again"] = await refused(client.futures_cancel_order(**named))
    bought = await client.futures_create_order(
        symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.3", newOrderRespType="RESULT"
    )
    seen["bought"] = bought["status"], bought["executedQty"]
    held = await client.futures_position_information(symbol=SYMBOL)
    seen["held"] = held[0]["positionAmt"]
    stop = {"symbol": SYMBOL, "side": "SELL", "quantity": "0.1", "reduceOnly": "true"}
    stopped = await client.futures_create_order(**stop, type="STOP_MARKET", stopPrice="49000")
    seen["stop"] = stopped["algoStatus"]
    await client.futures_cancel_order(symbol=SYMBOL, algoId=stopped["algoId"])
    seen["post_only"] = await refused(
        client.futures_create_order(
            symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTX", quantity="1", price="50010"
        )
    )
    await client.futures_create_order(
        symbol=SYMBOL, side="SELL", type="LIMIT", timeInForce="IOC", quantity="0.3", price="49000"
    )
    await client.futures_cancel_all_open_orders(symbol=SYMBOL)
    seen["trades"] = len(await client.futures_account_trades(symbol=SYMBOL))
    seen["brackets"] = len((await client.futures_leverage_bracket(symbol=SYMBOL))[0]["brackets"])
    seen["bid"] = (await client.futures_order_book(symbol=SYMBOL, limit=5))["bids"][0][0]
    return seen


async def stream(client: AsyncClient, root: str) -> dict[str, Any]:
    """The user's socket and the market's, while an order is filled."""
    manager = BinanceSocketManager(client)
    manager.FSTREAM_URL = root.replace("http", "ws") + "/"
    seen: dict[str, Any] = {}
    market = manager.futures_multiplex_socket(
        ["btcusdt@bookTicker", "btcusdt@aggTrade"], futures_type=FuturesType.USD_M
    )
    private = manager.futures_user_socket()
    # A socket that is left waits this long for one more frame.
    market.TIMEOUT = private.TIMEOUT = 1
    async with private as user, market as public:
        await client.futures_create_order(
            symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.1", newClientOrderId="streamed"
        )
        kinds = []
        while "ACCOUNT_UPDATE" not in kinds:
            kinds.append((await asyncio.wait_for(user.recv(), 5))["e"])
        seen["user"] = kinds
        names = set()
        while len(names) < 2:
            names.add((await asyncio.wait_for(public.recv(), 5))["stream"])
        seen["market"] = sorted(names)
    return seen


async def main(root: str) -> None:
    """Everything, told as one line of JSON."""
    AsyncClient.API_URL = root + "/api"
    client = AsyncClient("desk-key", "desk-secret")
    client.API_URL, client.MARGIN_API_URL = root + "/api", root + "/sapi"
    client.FUTURES_URL, client.FUTURES_DATA_URL = root + "/fapi", root + "/futures/data"
    try:
        seen = await trade(client)
        seen |= await stream(client, root)
    finally:
        await client.close_connection()
    print(json.dumps(seen))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
