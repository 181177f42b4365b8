"""The official Hyperliquid client, unmodified, on the local exchange."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator
from typing import Any

import eth_account
import pytest
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError
from hyperliquid.utils.types import Cloid

from interlock.sim.hyperliquid_server.limits import LimitRules
from interlock.sim.hyperliquid_server.state import ServerOptions
from tests.contract.hyperliquid_loopback import ADDRESS, KEY, Loopback, loopback
from tests.unit.wire.hyperliquid.cases import BTC

GTC = {"limit": {"tif": "Gtc"}}
WAIT = 10.0


@pytest.fixture
def venue() -> Iterator[Loopback]:
    with loopback() as running:
        yield running


@pytest.fixture
def trader(venue: Loopback) -> Iterator[Exchange]:
    client = Exchange(eth_account.Account.from_key(KEY), venue.url, timeout=WAIT)
    yield client
    client.session.close()
    client.info.session.close()


def slot(answer: Any) -> Any:
    assert answer["status"] == "ok", answer
    (found,) = answer["response"]["data"]["statuses"]
    return found


def test_orders_live_and_end(trader: Exchange) -> None:
    cloid = Cloid.from_int(7)
    placed = slot(trader.order("BTC", True, 0.01, 59_000, GTC, cloid=cloid))
    oid = placed["resting"]["oid"]
    assert trader.info.open_orders(ADDRESS)[0]["oid"] == oid
    assert trader.info.frontend_open_orders(ADDRESS)[0]["cloid"] == cloid.to_raw()
    found = trader.info.query_order_by_cloid(ADDRESS, cloid)
    assert (found["status"], found["order"]["order"]["oid"]) == ("order", oid)
    replaced = slot(trader.modify_order(oid, "BTC", True, 0.02, 58_000, GTC, cloid=cloid))
    newer = replaced["resting"]["oid"]
    assert newer != oid
    assert trader.info.query_order_by_oid(ADDRESS, oid)["order"]["status"] == "canceled"
    assert slot(trader.cancel_by_cloid("BTC", cloid)) == "success"
    assert "never placed" in slot(trader.cancel("BTC", newer))["error"]
    assert trader.info.query_order_by_oid(ADDRESS, 5) == {"status": "unknownOid"}
    post_only = slot(trader.order("BTC", True, 0.01, 60_010, {"limit": {"tif": "Alo"}}))
    assert "immediately matched" in post_only["error"]


def test_a_position_is_opened_at_market_and_closed(venue: Loopback, trader: Exchange) -> None:
    opened = slot(trader.market_open("BTC", True, 0.5))
    assert opened["filled"] == {"totalSz": "0.5", "avgPx": "60010", "oid": opened["filled"]["oid"]}
    state = trader.info.user_state(ADDRESS)
    (entry,) = state["assetPositions"]
    assert (entry["position"]["szi"], entry["position"]["entryPx"]) == ("0.5", "60010.0")
    assert slot(trader.market_close("BTC"))["filled"]["totalSz"] == "0.5"
    assert trader.info.user_state(ADDRESS)["assetPositions"] == []
    closing, opening = trader.info.user_fills(ADDRESS)
    assert (opening["dir"], closing["dir"]) == ("Open Long", "Close Long")
    assert (opening["closedPnl"], closing["closedPnl"]) == ("0.0", "-10.0")
    since = trader.info.user_fills_by_time(ADDRESS, opening["time"])
    assert [fill["tid"] for fill in since] == [opening["tid"], closing["tid"]]


def test_a_resting_order_is_filled_in_parts(venue: Loopback, trader: Exchange) -> None:
    oid = slot(trader.order("BTC", True, 0.03, 60_005, GTC))["resting"]["oid"]
    venue.rest(BTC, -1, 60_005, quantity=0.01)
    found = trader.info.query_order_by_oid(ADDRESS, oid)["order"]
    assert (found["status"], found["order"]["sz"], found["order"]["origSz"]) == (
        "open",
        "0.02",
        "0.03",
    )
    venue.rest(BTC, -1, 60_005, quantity=0.02)
    assert trader.info.query_order_by_oid(ADDRESS, oid)["order"]["status"] == "filled"
    fills = trader.info.user_fills(ADDRESS)
    assert [fill["crossed"] for fill in fills] == [False, False]


def test_stops_wait_for_the_mark(venue: Loopback, trader: Exchange) -> None:
    trader.market_open("BTC", True, 0.1)
    kind = {"trigger": {"triggerPx": 59_500, "isMarket": True, "tpsl": "sl"}}
    oid = slot(trader.order("BTC", False, 0.1, 55_000, kind, reduce_only=True))["resting"]["oid"]
    (row,) = trader.info.frontend_open_orders(ADDRESS)
    assert (row["orderType"], row["triggerCondition"]) == ("Stop Market", "Price below 59500")
    venue.mark(BTC, 59_400)
    assert trader.info.query_order_by_oid(ADDRESS, oid)["order"]["status"] == "filled"
    assert trader.info.user_state(ADDRESS)["assetPositions"] == []
    reached = slot(trader.order("BTC", False, 0.1, 55_000, kind, reduce_only=True))
    assert "Invalid TP/SL price." in reached["error"]


def test_a_batch_is_taken_in_part_and_a_bracket_waits(venue: Loopback, trader: Exchange) -> None:
    good: Any = {
        "coin": "BTC",
        "is_buy": True,
        "sz": 0.01,
        "limit_px": 59_000,
        "order_type": GTC,
        "reduce_only": False,
    }
    answer = trader.bulk_orders([good, {**good, "sz": 0.0001}, {**good, "limit_px": 58_000}])
    first, second, third = answer["response"]["data"]["statuses"]
    assert "resting" in first and "resting" in third
    assert "minimum value of $10" in second["error"]
    numbers = [first["resting"]["oid"], third["resting"]["oid"], 5]
    canceled = trader.bulk_cancel([{"coin": "BTC", "oid": number} for number in numbers])
    *done, gone = canceled["response"]["data"]["statuses"]
    assert done == ["success", "success"] and "never placed" in gone["error"]
    stop: Any = {"trigger": {"triggerPx": 59_000, "isMarket": True, "tpsl": "sl"}}
    exit_row = {**good, "is_buy": False, "order_type": stop, "reduce_only": True}
    entry = {**good, "limit_px": 60_005}
    answer = trader.bulk_orders([entry, {**exit_row, "limit_px": 55_000}], grouping="normalTpsl")
    parent, child = answer["response"]["data"]["statuses"]
    assert "resting" in parent and child == "waitingForFill"
    venue.rest(BTC, -1, 60_005, quantity=0.01)
    venue.mark(BTC, 58_900)
    assert trader.info.user_state(ADDRESS)["assetPositions"] == []


def test_funding_is_paid_by_the_hour(venue: Loopback, trader: Exchange) -> None:
    trader.market_open("BTC", True, 1)
    before = float(trader.info.user_state(ADDRESS)["marginSummary"]["accountValue"])
    info = Info(venue.url, timeout=WAIT)
    box: queue.Queue[Any] = queue.Queue()
    info.subscribe({"type": "userFundings", "user": ADDRESS}, box.put)
    assert box.get(timeout=WAIT)["data"]["isSnapshot"] is True
    venue.jump(3)
    paid = trader.info.user_funding_history(ADDRESS, 0)
    assert len(paid) == 3
    assert len(trader.info.funding_history("BTC", 0)) == 3
    told = [box.get(timeout=WAIT)["data"]["fundings"][0]["usdc"] for _ in paid]
    assert told == [row["delta"]["usdc"] for row in paid]
    after = float(trader.info.user_state(ADDRESS)["marginSummary"]["accountValue"])
    assert abs(after - before - sum(float(usdc) for usdc in told)) < 1e-6
    info.disconnect_websocket()
    info.session.close()


def test_leverage_the_dead_man_and_approvals(trader: Exchange) -> None:
    done = {"status": "ok", "response": {"type": "default"}}
    assert trader.update_leverage(5, "BTC") == done
    assert trader.update_leverage(3, "ETH", is_cross=False) == done
    trader.market_open("ETH", True, 1)
    assert trader.update_isolated_margin(100, "ETH") == done
    (entry,) = trader.info.user_state(ADDRESS)["assetPositions"]
    assert entry["position"]["leverage"]["type"] == "isolated"
    assert entry["position"]["leverage"]["value"] == 3
    assert trader.schedule_cancel(int(time.time() * 1000) + 60_000) == done
    assert trader.schedule_cancel(None) == done
    assert trader.schedule_cancel(5)["status"] == "err"
    assert trader.set_referrer("CODE") == done
    assert trader.approve_builder_fee("0x" + "33" * 20, "0.01%") == done
    trader.set_expires_after(int(time.time() * 1000) - 1_000)
    expired = trader.order("BTC", True, 0.01, 59_000, GTC)
    assert expired["status"] == "err" and "expire" in expired["response"]


def test_an_agent_trades_for_its_user(venue: Loopback, trader: Exchange) -> None:
    answer, key = trader.approve_agent("robot")
    assert answer["status"] == "ok"
    agent = eth_account.Account.from_key(key)
    robot = Exchange(agent, venue.url, account_address=ADDRESS, timeout=WAIT)
    assert "resting" in slot(robot.order("BTC", True, 0.01, 59_000, GTC))
    assert len(trader.info.open_orders(ADDRESS)) == 1
    assert trader.info.extra_agents(ADDRESS)[0]["name"] == "robot"
    robot.session.close()
    robot.info.session.close()
    stranger = Exchange(eth_account.Account.from_key("0x" + "44" * 32), venue.url, timeout=WAIT)
    refused = stranger.order("BTC", True, 0.01, 59_000, GTC)
    # Signed for the test network, whose address is the second that the server tries.
    text = refused["response"]
    assert text.startswith("User or API Wallet 0x") and text.endswith(" does not exist.")
    stranger.session.close()
    stranger.info.session.close()


def test_market_data(trader: Exchange) -> None:
    info = trader.info
    trader.market_open("BTC", True, 0.1)
    now = int(time.time() * 1000)
    assert info.all_mids() == {"BTC": "60000.0", "ETH": "2000.0"}
    assert info.l2_snapshot("BTC")["levels"][0][0]["px"] == "59990.0"
    (candle,) = info.candles_snapshot("BTC", "1m", now - 60_000, now)[-1:]
    assert candle["h"] == "60010.0"
    assert info.meta_and_asset_ctxs()[1][1]["markPx"] == "60000.0"
    assert info.funding_history("BTC", now - 1_000) == []
    assert info.user_funding_history(ADDRESS, now - 1_000) == []
    assert info.user_fees(ADDRESS)["userCrossRate"] == "0.00045"
    assert info.user_rate_limit(ADDRESS)["nRequestsUsed"] == 1
    assert info.user_role(ADDRESS) == {"role": "user"}
    assert len(info.historical_orders(ADDRESS)) == 1


def test_streams(venue: Loopback, trader: Exchange) -> None:
    info = Info(venue.url, timeout=WAIT)
    heard: dict[str, queue.Queue[Any]] = {}
    wanted: list[dict[str, Any]] = [
        {"type": "allMids"},
        {"type": "l2Book", "coin": "BTC"},
        {"type": "bbo", "coin": "BTC"},
        {"type": "trades", "coin": "BTC"},
        {"type": "candle", "coin": "BTC", "interval": "1m"},
        {"type": "activeAssetCtx", "coin": "BTC"},
        {"type": "userFills", "user": ADDRESS},
        {"type": "orderUpdates", "user": ADDRESS},
        {"type": "userEvents", "user": ADDRESS},
        {"type": "userFundings", "user": ADDRESS},
        {"type": "webData2", "user": ADDRESS},
    ]
    for subscription in wanted:
        box = heard[subscription["type"]] = queue.Queue()
        info.subscribe(subscription, box.put)
    snapshot = heard["userFills"].get(timeout=WAIT)["data"]
    assert snapshot["isSnapshot"] is True and snapshot["fills"] == []
    heard["webData2"].get(timeout=WAIT)
    trader.market_open("BTC", True, 0.1)
    (fill,) = heard["userFills"].get(timeout=WAIT)["data"]["fills"]
    assert (fill["px"], fill["sz"]) == ("60010.0", "0.1")
    (update,) = heard["orderUpdates"].get(timeout=WAIT)["data"]
    assert update["status"] == "filled"
    assert heard["userEvents"].get(timeout=WAIT)["data"]["fills"] == [fill]
    (trade,) = heard["trades"].get(timeout=WAIT)["data"]
    assert (trade["side"], trade["tid"]) == ("B", fill["tid"])
    for name in ("allMids", "l2Book", "bbo", "candle", "activeAssetCtx", "userFundings"):
        assert heard[name].get(timeout=WAIT)["channel"] == name
    info.disconnect_websocket()
    info.session.close()


def test_too_many_questions_are_refused_at_the_door() -> None:
    options = ServerOptions(limits=LimitRules(weight_per_minute=60))
    with loopback(options) as venue:
        info = Info(venue.url, skip_ws=True, timeout=WAIT)
        with pytest.raises(ClientError) as caught:
            for _ in range(40):
                info.all_mids()
        assert caught.value.status_code == 429
        info.session.close()
