"""python-binance, unmodified, trades on the USD-M server over sockets of this machine."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from tests.contract.binance_loopback import Loopback

SCRIPT = Path(__file__).with_name("binance_python_client.py")


def test_python_binance_trades_and_streams() -> None:
    async def main() -> dict[str, object]:
        async with Loopback.running() as server:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(SCRIPT),
                server.http,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, problems = await asyncio.wait_for(process.communicate(), 20)
            assert process.returncode == 0, problems.decode()[-2_000:]
            seen: dict[str, object] = json.loads(out)
            return seen

    seen = asyncio.run(main())
    assert seen == {
        "symbols": ["BTCUSDT", "ETHUSDT"],
        "wallet": "100000.00000000",
        "balance": "100000.00000000",
        "leverage": 7,
        "margin": -4046,
        "dual": False,
        "moved": ["0.200", "49100.0"],
        "asked": "NEW",
        "open": 1,
        "canceled": "CANCELED",
        "again": -2011,
        "bought": ["FILLED", "0.300"],
        "held": "0.300",
        "stop": "NEW",
        "post_only": -5022,
        "trades": 4,
        "brackets": 2,
        "bid": "49998.0",
        "user": ["ORDER_TRADE_UPDATE", "TRADE_LITE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"],
        "market": ["btcusdt@aggTrade", "btcusdt@bookTicker"],
    }
