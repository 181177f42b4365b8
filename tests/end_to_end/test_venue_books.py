"""The exchange's books agree to the unit after a minute of busy trading, ten times as fast."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal
from typing import Any

from tests.end_to_end.venue_desk import COIN, Desk, at_desk, bid

MINUTE_NS = 60 * 10**9


async def _pages(desk: Desk, path: str, key: str, **more: Any) -> list[dict[str, Any]]:
    """Everything a path lists, page by page."""
    found: dict[Any, dict[str, Any]] = {}
    begin = 1
    while True:
        rows = (await desk.call("GET", path, startTime=begin, limit=1000, **more)).json
        fresh = [row for row in rows if row[key] not in found]
        found |= {row[key]: row for row in fresh}
        if not fresh:
            return list(found.values())
        begin = rows[-1]["time"]


def test_income_fills_fees_and_wallet_agree_to_the_unit() -> None:
    async def course(desk: Desk) -> None:
        clock = desk.exchange.clock
        end = clock.now_ns() + MINUTE_NS
        number = 0
        await desk.order(quantity="0.500")
        following = 0
        while clock.now_ns() < end:
            if clock.now_ns() < following:
                # One round in a second of venue time keeps within the venue's limits.
                await desk.ask("GET", "/status")
                continue
            following = clock.now_ns() + 10**9
            number += 1
            side = "BUY" if number % 2 else "SELL"
            await desk.order(side, quantity=f"0.0{10 + number % 7}")
            touch = (await desk.open("GET", "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT")).json
            await desk.order("BUY", price=touch["bidPrice"], quantity="0.100")
            await desk.order("SELL", price=touch["askPrice"], quantity="0.100")
            if number % 5 == 0:
                # Whether something still rests is up to the market.
                await desk.rule(fault="fill_part", ratio=0.4)
            if number % 10 == 0:
                await desk.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
                await desk.must(fault="gap", ratio=0.01 if number % 20 else -0.01)
        await desk.call("DELETE", "/fapi/v1/allOpenOrders", symbol="BTCUSDT")
        symbol = {"symbol": "BTCUSDT"}
        fills = await _pages(desk, "/fapi/v1/userTrades", "id", **symbol)
        income = await _pages(desk, "/fapi/v1/income", "tranId")
        account = (await desk.call("GET", "/fapi/v3/account")).json
        assert len(fills) > 20

        def total(rows: list[dict[str, Any]], field: str) -> Decimal:
            return sum((Decimal(row[field]) for row in rows), Decimal())

        fees, realized = total(fills, "commission"), total(fills, "realizedPnl")
        by_kind = {
            kind: total([row for row in income if row["incomeType"] == kind], "income")
            for kind in ("COMMISSION", "REALIZED_PNL")
        }
        assert by_kind == {"COMMISSION": -fees, "REALIZED_PNL": realized}
        assert "FUNDING_FEE" in {row["incomeType"] for row in income}
        wallet = Decimal(account["totalWalletBalance"])
        assert wallet == 100_000 + total(income, "income")
        signed = [Decimal(row["qty"]) * (1 if row["side"] == "BUY" else -1) for row in fills]
        assert Decimal(await desk.position()) == sum(signed, Decimal())
        books = await desk.books()
        assert len(books["fills"]) == len(fills)
        assert sum(item["amount"] for item in books["payments"]) == int((wallet - 100_000) * 10**8)

    # The minute crosses a funding: the venue's day is as far on as it needs to be.
    interval = 8 * 60 * MINUTE_NS
    at_desk(
        course, speed=10.0, ts_start=(time.time_ns() // interval + 1) * interval - MINUTE_NS // 2
    )


def test_hyperliquids_fills_and_account_value_agree() -> None:
    async def course(desk: Desk) -> None:
        for number in range(12):
            await desk.act(bid("50000"))
            side = "buy" if number % 3 else "sell"
            await desk.must(fault="manual_trade", instrument=COIN, side=side, quantity=0.01)
            await asyncio.sleep(0)
        user = desk.keys.wallet
        fills = (await desk.info(type="userFills", user=user)).json
        fees = sum(Decimal(row["fee"]) for row in fills)
        closed = sum(Decimal(row["closedPnl"]) for row in fills)
        state = (await desk.info(type="clearinghouseState", user=user)).json
        unrealized = sum(
            Decimal(row["position"]["unrealizedPnl"]) for row in state["assetPositions"]
        )
        value = Decimal(state["marginSummary"]["accountValue"])
        assert len(fills) >= 12
        # The venue rounds what it shows of an account to six places.
        assert abs(value - (100_000 + closed - fees + unrealized)) <= Decimal("0.00001")
        held = sum(Decimal(row["sz"]) * (1 if row["side"] == "B" else -1) for row in fills)
        assert Decimal(state["assetPositions"][0]["position"]["szi"]) == held

    at_desk(course, protocols=("hyperliquid",))
