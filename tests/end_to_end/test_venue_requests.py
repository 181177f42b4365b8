"""Faults on requests, each once over real sockets: what the client sees, what the venue did."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from tests.end_to_end.venue_desk import Desk, at_desk, bid


def test_a_dropped_reply_leaves_the_order_executed_once() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="drop_reply", call="place", count=1)
        lost = await desk.order(newClientOrderId="one")
        assert lost.error == "ServerDisconnectedError"
        found = await desk.call("GET", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="one")
        assert found.json["status"] == "FILLED"
        assert await desk.position() == "0.010"
        assert (await desk.order("SELL")).status == 200
        assert await desk.counts() == {"drop_reply": 1}

    at_desk(course)


def test_a_lost_request_leaves_nothing() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="lose_request", call="place", count=1)
        assert (await desk.order()).error == "ServerDisconnectedError"
        assert await desk.position() == "0.000"

    at_desk(course)


@pytest.mark.parametrize("resting", [False, True])
def test_accepted_twice_makes_two_orders(resting: bool) -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="accept_twice", call="place", count=1)
        more = {"price": "50000"} if resting else {}
        answer = await desk.order(newClientOrderId="one", **more)
        assert answer.json["clientOrderId"] == "one"
        if resting:
            assert [row["origQty"] for row in await desk.open_orders()] == ["0.010", "0.010"]
        else:
            assert await desk.position() == "0.020"

    at_desk(course)


@pytest.mark.parametrize(
    ("fault", "status", "start"),
    [
        ({"fault": "empty_reply"}, 200, b""),
        ({"fault": "html_reply"}, 502, b"<html>"),
        ({"fault": "html_reply", "status": 200}, 200, b"<html>"),
        ({"fault": "answer", "status": 200, "message": "{}"}, 200, b"{}"),
        (
            {"fault": "answer", "status": 503, "code": -1000, "message": "Unknown error"},
            503,
            b'{"code":-1000,"msg":"Unknown error"}',
        ),
    ],
)
def test_the_reply_is_replaced_and_the_order_executed(
    fault: dict[str, Any], status: int, start: bytes
) -> None:
    async def course(desk: Desk) -> None:
        await desk.must(call="place", count=1, **fault)
        answer = await desk.order()
        assert answer.status == status
        assert answer.body.startswith(start)
        assert await desk.position() == "0.010"

    at_desk(course)


def test_a_truncated_reply_breaks_off_in_the_middle() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="truncate_reply", call="place", count=1)
        assert (await desk.order()).error == "ClientPayloadError"
        assert await desk.position() == "0.010"

    at_desk(course)


def test_an_answer_that_says_not_executed_is_true() -> None:
    async def course(desk: Desk) -> None:
        rule = {"fault": "answer", "status": 503, "message": "Service Unavailable."}
        await desk.must(call="place", executed=False, count=1, **rule)
        answer = await desk.order()
        assert (answer.status, answer.body) == (503, b"Service Unavailable.")
        assert await desk.position() == "0.000"

    at_desk(course)


@pytest.mark.parametrize(
    ("status", "words"), [(429, "Too many requests."), (418, "Way too many requests; IP banned")]
)
def test_a_throttled_request_says_when_to_come_again(status: int, words: str) -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="throttle", status=status, retry_after="7s", count=1)
        answer = await desk.order()
        assert (answer.status, answer.code) == (status, -1003)
        assert answer.headers["retry-after"] == "7"
        assert answer.json["msg"].startswith(words)
        assert await desk.position() == "0.000"

    at_desk(course)


def test_a_hidden_order_is_denied_for_a_while_and_only_that_one() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="hide_order", call="place", delay="400ms", count=1)
        for name in ("hidden", "seen"):
            assert (await desk.order(price="50000", newClientOrderId=name)).status == 200
        asked = {"symbol": "BTCUSDT", "origClientOrderId": "hidden"}
        assert (await desk.call("GET", "/fapi/v1/order", **asked)).code == -2013
        assert [row["clientOrderId"] for row in await desk.open_orders()] == ["seen"]
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            await desk.counts()
        found = await desk.call("GET", "/fapi/v1/order", **asked)
        assert found.json["status"] == "NEW"

    at_desk(course)


def test_a_stale_snapshot_is_what_was_true_before() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="stale_snapshot", call="account", age="30s", after_calls=1, count=1)
        assert await desk.position() == "0.000"
        await desk.order()
        assert await desk.position() == "0.000"
        assert await desk.position() == "0.010"

    at_desk(course)


def test_a_late_reply_comes_late_and_the_order_is_done_before() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="late_reply", call="place", delay="300ms", count=1)
        begin = time.monotonic()
        answer = await desk.order(price="50000")
        assert time.monotonic() - begin >= 0.3
        assert answer.json["updateTime"] / 1000 < time.time() - 0.29

    at_desk(course)


def test_a_request_that_is_delayed_past_its_window_is_refused() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="delay_request", call="place", delay="400ms", count=2)
        assert (await desk.order(recvWindow=200)).code == -1021
        assert (await desk.order(recvWindow=5000)).status == 200
        assert await desk.position() == "0.010"

    at_desk(course)


def test_a_rule_for_one_account_leaves_the_other_alone() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="lose_request", account="bob")
        assert (await desk.order()).status == 200
        desk.keys = desk.exchange.keys[1]
        assert (await desk.order()).error == "ServerDisconnectedError"

    at_desk(course, accounts=("alice", "bob"))


def test_a_rule_for_one_account_knows_the_signer_on_hyperliquid() -> None:
    async def course(desk: Desk) -> None:
        rule = {"fault": "lose_request", "call": "place", "account": "bob"}
        await desk.must(instrument="BTC-PERP.HYPERLIQUID", **rule)
        first = await desk.act(bid("50000"), number=0)
        assert "resting" in first.json["response"]["data"]["statuses"][0]
        assert (await desk.act(bid("50000"), number=1)).error == "ServerDisconnectedError"
        assert (await desk.truth())[-1]["on"] == "place order"

    at_desk(course, accounts=("alice", "bob"), protocols=("hyperliquid",))


def test_hyperliquid_accepts_twice_denies_and_throttles_too() -> None:
    async def course(desk: Desk) -> None:
        user = desk.keys.wallet
        await desk.must(fault="accept_twice", call="place", count=1)
        assert (await desk.act(bid("50000"))).json["status"] == "ok"
        assert len((await desk.info(type="openOrders", user=user)).json) == 2
        await desk.must(fault="hide_order", call="place", count=1, delay="60s")
        placed = await desk.act(bid("49000"))
        number = placed.json["response"]["data"]["statuses"][0]["resting"]["oid"]
        asked = await desk.info(type="orderStatus", user=user, oid=number)
        assert asked.json == {"status": "unknownOid"}
        await desk.must(fault="throttle", count=1)
        assert ((await desk.info(type="meta")).status, (await desk.info(type="meta")).status) == (
            429,
            200,
        )

    at_desk(course, protocols=("hyperliquid",))


def test_chances_are_the_same_for_a_seed() -> None:
    rules = [{"fault": "lose_request", "call": "place", "probability": 0.4}]

    async def course(desk: Desk) -> str:
        answers = [await desk.order(price="50000") for _ in range(12)]
        return "".join("x" if answer.error else "." for answer in answers)

    one, again, other = (at_desk(course, rules=rules, seed=seed) for seed in (3, 3, 4))
    assert one == again != other
    assert "x" in one and "." in one


def test_two_requests_at_once_do_not_disturb_each_other() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="late_reply", call="place", delay="300ms", count=1)
        begin = time.monotonic()
        slow = asyncio.create_task(desk.order(price="50000"))
        while not await desk.counts():
            continue
        assert (await desk.order(price="50001")).status == 200
        assert time.monotonic() - begin < 0.3
        assert (await slow).status == 200

    at_desk(course)
