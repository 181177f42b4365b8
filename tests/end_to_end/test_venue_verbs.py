"""What an operator can do to the local exchange while clients trade on it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.end_to_end.venue_desk import BTC, COIN, Desk, at_desk, bid, close_code, until


def test_a_skewed_clock_refuses_honest_stamps_and_is_set_right_again() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="skew_clock", offset="-30s")
        assert (await desk.order()).code == -1021
        there = (await desk.open("GET", "/fapi/v1/time")).json["serverTime"]
        here = desk.exchange.clock.now_ns() // 10**6
        assert 29_000 < here - there < 31_000
        assert (await desk.ask("DELETE", "/faults")).status == 200
        assert (await desk.order()).status == 200

    at_desk(course)


def test_changed_filters_hold_at_once_and_end_with_their_time() -> None:
    async def course(desk: Desk) -> None:
        assert (await desk.order(price="50000.1")).status == 200
        change = {"fault": "change_filters", "instrument": BTC, "tick": 10, "lot": 0.005}
        await desk.must(**change, **{"for": "500ms"})
        rules = (await desk.open("GET", "/fapi/v1/exchangeInfo")).json["symbols"][0]["filters"]
        steps = {rule["filterType"]: rule for rule in rules}
        assert Decimal(steps["PRICE_FILTER"]["tickSize"]) == 10
        assert Decimal(steps["LOT_SIZE"]["stepSize"]) == Decimal("0.005")
        assert (await desk.order(price="50000.1")).code == -4014
        while desk.exchange.hosts["binance"].face.core.instrument(BTC).lot == 5:
            await desk.counts()
        assert (await desk.order(price="50000.1")).status == 200

    at_desk(course)


def test_changed_leverage_is_the_accounts_leverage() -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.must(fault="change_leverage", leverage=7)
        told = await until(user, lambda frame: frame["e"] == "ACCOUNT_CONFIG_UPDATE")
        assert told["ac"] == {"s": "BTCUSDT", "l": 7}

    at_desk(course)


def test_a_gap_fills_a_stop_beyond_its_trigger() -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.order()
        touch = (await desk.open("GET", "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT")).json
        trigger = int(float(touch["bidPrice"]) * 0.97)
        stop = {"algoType": "CONDITIONAL", "type": "STOP_MARKET", "triggerPrice": trigger}
        placed = await desk.call(
            "POST", "/fapi/v1/algoOrder", symbol="BTCUSDT", side="SELL", quantity="0.010", **stop
        )
        assert placed.status == 200, placed.body
        await desk.must(fault="gap", ratio=-0.1)
        filled = await until(
            user,
            lambda frame: frame.get("o", {}).get("X") == "FILLED" and frame["o"]["S"] == "SELL",
        )
        assert float(filled["o"]["ap"]) < trigger * 0.95
        assert await desk.position() == "0.000"

    at_desk(course)


@pytest.mark.parametrize(
    ("fault", "prefix"), [("liquidate", "autoclose-"), ("deleverage", "adl_autoclose")]
)
def test_a_position_is_closed_by_force(fault: str, prefix: str) -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.order()
        await desk.must(fault=fault, account="trader")
        closed = await until(user, lambda frame: frame.get("o", {}).get("c", "").startswith(prefix))
        assert closed["o"]["S"] == "SELL"
        assert await desk.position() == "0.000"

    at_desk(course)


def test_a_hand_trades_and_cancels_on_the_same_account() -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.must(fault="manual_trade", side="sell", quantity=0.02)
        seen = await until(user, lambda frame: frame["e"] == "ORDER_TRADE_UPDATE")
        assert seen["o"]["c"].startswith("web_")
        assert await desk.position() == "-0.020"
        await desk.order(price="50000")
        await desk.must(fault="manual_cancel")
        assert await desk.open_orders() == []

    at_desk(course)


def test_a_share_of_a_resting_order_is_filled() -> None:
    async def course(desk: Desk) -> None:
        touch = (await desk.open("GET", "/fapi/v1/ticker/bookTicker?symbol=BTCUSDT")).json
        price = f"{float(touch['bidPrice']) - 2:.1f}"
        placed = await desk.order(price=price, quantity="0.100")
        assert placed.json["status"] == "NEW"
        await desk.must(fault="fill_part", ratio=0.3)
        (row,) = await desk.open_orders()
        assert (row["status"], row["executedQty"]) == ("PARTIALLY_FILLED", "0.030")
        await desk.ask("DELETE", "/faults")
        assert (await desk.rule(fault="fill_part", ratio=0.5, account="nobody")).status == 400

    at_desk(course)


def test_a_delisted_symbol_is_settled_and_refused() -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.order()
        await desk.must(fault="delist", instrument=BTC)
        closed = await until(
            user,
            lambda frame: (
                frame["e"] == "ORDER_TRADE_UPDATE"
                and frame["o"]["X"] == "FILLED"
                and frame["o"]["S"] == "SELL"
            ),
        )
        assert closed["o"]["c"].startswith("settlement_autoclose-")
        assert (await desk.order()).status == 400

    at_desk(course)


def test_a_halt_refuses_orders_until_it_is_over() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="halt", instrument=BTC)
        assert (await desk.order(price="50000")).status == 400
        await desk.must(fault="resume", instrument=BTC)
        assert (await desk.order(price="50000")).status == 200

    at_desk(course)


def test_maintenance_cuts_streams_refuses_all_and_keeps_the_orders() -> None:
    async def course(desk: Desk) -> None:
        market = await desk.socket("/ws/btcusdt@bookTicker")
        await desk.order(price="50000")
        await desk.must(fault="maintenance", status=502, **{"for": "600ms"})
        assert await close_code(market) == 1001
        refused = await desk.order(price="50000")
        assert (refused.status, refused.body[:6]) == (502, b"<html>")
        assert (await desk.open("GET", "/ws/btcusdt@bookTicker")).status == 502
        while desk.exchange.injector.live(desk.exchange.clock.now_ns(), "maintenance", "binance"):
            await desk.counts()
        assert len(await desk.open_orders()) == 1
        assert (await desk.order()).status == 200

    at_desk(course)


def test_the_protocol_switches_while_it_runs() -> None:
    async def course(desk: Desk) -> None:
        stop: dict[str, Any] = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.010"}
        stop |= {"type": "STOP_MARKET", "stopPrice": "50000"}
        assert (await desk.call("POST", "/fapi/v1/order", **stop)).code == -4120
        await desk.must(fault="switch_protocol", version="before-algo")
        assert (await desk.call("POST", "/fapi/v1/order", **stop)).status == 200
        assert (await desk.call("POST", "/fapi/v1/algoOrder", **stop)).code == -5000

    at_desk(course)


def test_a_script_rule_that_cannot_be_carried_out_is_told_and_nothing_stops() -> None:
    async def course(desk: Desk) -> None:
        while not await desk.truth():
            continue
        (problem,) = await desk.truth()
        assert problem["fault"] == "liquidate"
        assert "there is no position to liquidate" in problem["problem"]
        assert (await desk.order()).status == 200
        assert await desk.counts() == {}
        assert len(desk.exchange.pace.problems) == 1

    at_desk(course, rules=[{"fault": "liquidate", "account": "trader", "instrument": BTC}])


def test_a_verb_waits_for_the_calls_it_names() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="manual_cancel", call="place", after_calls=2)
        await desk.order(price="50000")
        assert len(await desk.open_orders()) == 1
        await desk.order(price="50001")
        while (await desk.books())["open"]:
            continue

    at_desk(course)


def test_a_rule_goes_to_the_protocol_that_has_its_instrument() -> None:
    async def course(desk: Desk) -> None:
        url = desk.exchange.doors["hyperliquid"].url
        await desk.must(fault="manual_trade", instrument=COIN, side="buy", quantity=0.01)
        held = (await desk.books("hyperliquid"))["account"]["positions"]
        assert [row["quantity"] for row in held] == [1_000]
        assert (await desk.books("binance"))["account"]["positions"] == []
        await desk.must(fault="expire_listen_key")
        refused = await desk.rule(fault="expire_listen_key", protocol="hyperliquid")
        assert (refused.status, "no listen keys" in refused.json["error"]) == (400, True)
        desk.url = url
        await desk.must(fault="skew_clock", protocol="hyperliquid", offset="72h")
        said = (await desk.act(bid("50000"))).json["response"]
        assert said.startswith("Invalid nonce")

    at_desk(course, protocols=("binance", "hyperliquid"))


def test_the_admin_port_says_what_is_wrong() -> None:
    async def course(desk: Desk) -> None:
        for rule, words in (
            ({"fault": "explode"}, "fault 'explode' is unknown"),
            ({"fault": "gap", "ratio": -0.1, "instrument": "X.BINANCE"}, "is not listed"),
            ({"fault": "gap", "ratio": -0.1, "protocol": "kraken"}, "is not served here"),
            ({"fault": "manual_trade", "side": "buy", "quantity": "much"}, "much"),
        ):
            answer = await desk.rule(**rule)
            assert answer.status == 400
            assert words in answer.json["error"]
        assert (await desk.ask("GET", "/faults")).json == {"rules": []}
        assert (await desk.ask("GET", "/books/binance/nobody")).status == 400
        assert (await desk.ask("GET", "/books/kraken/trader")).status == 400
        assert (await desk.ask("POST", "/faults", data=b"{")).status == 415
        json = {"content-type": "application/json"}
        assert (await desk.ask("POST", "/faults", data=b"{", headers=json)).status == 400

    at_desk(course)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://example.com"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "example.com"},
    ],
)
def test_the_admin_port_answers_no_web_page(headers: dict[str, str]) -> None:
    async def course(desk: Desk) -> None:
        for method, path in (("GET", "/truth"), ("POST", "/stop"), ("DELETE", "/faults")):
            assert (await desk.ask(method, path, headers=headers)).status == 403
        form = {"content-type": "text/plain"}
        assert (await desk.ask("POST", "/faults", data=b"{}", headers=form)).status == 415

    at_desk(course)


def test_a_script_by_the_admin_port_starts_its_times_then() -> None:
    async def course(desk: Desk) -> None:
        rules = [{"fault": "manual_trade", "at": "200ms", "side": "buy", "quantity": 0.01}]
        answer = await desk.ask("POST", "/script", json={"rules": rules})
        assert answer.json == {"accepted": ["manual_trade"]}
        assert len((await desk.ask("GET", "/faults")).json["rules"]) == 1
        while not (await desk.books())["account"]["positions"]:
            continue
        assert await desk.position() == "0.010"

    at_desk(course)
