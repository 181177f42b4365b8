"""Faults on streams, over real sockets: lost, doubled, late, swapped, frozen and cut."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.end_to_end.venue_desk import PATIENCE_S, Desk, at_desk, bid, close_code, until

UPDATE = "ORDER_TRADE_UPDATE"


def _is_update(frame: dict[str, Any]) -> bool:
    return frame.get("e") == UPDATE


def _name(frame: dict[str, Any]) -> str:
    return str(frame["o"]["c"])


async def _names(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[str]:
    return [_name(await until(socket, _is_update)) for _ in range(count)]


async def _rest(desk: Desk, *names: str) -> None:
    for name in names:
        answer = await desk.order(price="50000", newClientOrderId=name)
        assert answer.status == 200, answer.body


def test_a_lost_message_is_missing_and_the_order_is_there() -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.must(fault="lose_message", stream="user", event=UPDATE, count=1)
        await _rest(desk, "a", "b")
        assert await _names(user, 1) == ["b"]
        assert len(await desk.open_orders()) == 2

    at_desk(course)


def test_a_doubled_message_comes_twice() -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.must(fault="duplicate_message", stream="user", event=UPDATE, count=1)
        await _rest(desk, "a", "b")
        assert await _names(user, 3) == ["a", "a", "b"]

    at_desk(course)


def test_a_delayed_message_comes_late() -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        rule = {"fault": "delay_message", "stream": "user", "event": UPDATE, "count": 1}
        await desk.must(delay="300ms", **rule)
        begin = time.monotonic()
        await _rest(desk, "a", "b")
        assert await _names(user, 2) == ["b", "a"]
        assert time.monotonic() - begin >= 0.3

    at_desk(course)


@pytest.mark.parametrize("names", [("a", "b"), ("a",)])
def test_a_swapped_message_comes_after_the_next_or_by_itself(names: tuple[str, ...]) -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.must(fault="reorder_messages", stream="user", event=UPDATE, count=1)
        await _rest(desk, *names)
        assert await _names(user, len(names)) == sorted(names, reverse=True)

    at_desk(course)


def test_a_frozen_stream_stays_open_and_says_nothing_and_a_new_one_speaks() -> None:
    async def course(desk: Desk) -> None:
        frozen = await desk.user_socket()
        await desk.must(fault="freeze_stream", stream="user")
        await _rest(desk, "a")
        with pytest.raises(asyncio.TimeoutError):
            await frozen.receive(timeout=0.3)
        # A half-open connection answers no ping either.
        waiter = asyncio.ensure_future(frozen.receive())
        await frozen.ping()
        done, _ = await asyncio.wait([waiter], timeout=0.2)
        assert not done and not frozen.closed
        waiter.cancel()
        fresh = await desk.user_socket()
        await _rest(desk, "b")
        assert await _names(fresh, 1) == ["b"]

    at_desk(course)


def test_a_freeze_with_an_end_holds_for_new_sockets_too_and_ends() -> None:
    async def course(desk: Desk) -> None:
        await desk.must(fault="freeze_stream", stream="user", **{"for": "600ms"})
        user = await desk.user_socket()
        await _rest(desk, "a")
        end = time.monotonic() + 0.7
        while time.monotonic() < end:
            await desk.counts()
        await _rest(desk, "z")
        assert await _names(user, 1) == ["z"]

    at_desk(course)


def test_a_market_stream_freezes_without_the_user_stream() -> None:
    async def course(desk: Desk) -> None:
        market = await desk.socket("/ws/btcusdt@bookTicker")
        user = await desk.user_socket()
        await until(market, lambda frame: True)
        await desk.must(fault="freeze_stream", stream="market")
        with pytest.raises(asyncio.TimeoutError):
            # What was on its way may still come.
            for _ in range(100):
                await market.receive(timeout=0.5)
        await _rest(desk, "a")
        assert await _names(user, 1) == ["a"]

    at_desk(course)


@pytest.mark.parametrize("count", [0, 1])
def test_a_stream_is_closed_at_once_or_with_its_next_message(count: int) -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        market = await desk.socket("/ws/btcusdt@bookTicker")
        await desk.must(fault="close_stream", stream="user", count=count)
        await _rest(desk, "a")
        assert await close_code(user) == 1001
        await until(market, lambda frame: True)
        again = await desk.user_socket()
        await _rest(desk, "b")
        assert await _names(again, 1) == ["b"]

    at_desk(course)


def test_an_expired_listen_key_ends_with_its_event_and_minus_1125() -> None:
    async def course(desk: Desk) -> None:
        user = await desk.user_socket()
        await desk.must(fault="expire_listen_key")
        gone = await until(user, lambda frame: frame["e"] == "listenKeyExpired")
        assert gone["listenKey"]
        assert (await desk.call("PUT", "/fapi/v1/listenKey")).code == -1125
        assert (await desk.call("POST", "/fapi/v1/listenKey")).status == 200

    at_desk(course)


def test_a_client_that_does_not_read_loses_its_socket_alone() -> None:
    async def course(desk: Desk) -> None:
        host = desk.exchange.hosts["binance"]
        slow = await desk.socket("/ws/btcusdt@bookTicker")
        await until(slow, lambda frame: True)
        (socket,) = host.sockets
        # As if the client's window had been full for long.
        for _ in range(200):
            socket.put(b"x" * 65_536)
        host.flush()
        assert not host.sockets
        fresh = await desk.socket("/ws/btcusdt@bookTicker")
        await until(fresh, lambda frame: frame["e"] == "bookTicker")
        await slow.close()

    at_desk(course)


def test_compression_is_declined_and_plain_frames_come() -> None:
    async def course(desk: Desk) -> None:
        url = desk.url + "/ws/btcusdt@bookTicker"
        socket = await desk.session.ws_connect(url, compress=15)
        assert socket.compress == 0
        await until(socket, lambda frame: frame["e"] == "bookTicker")

    at_desk(course)


def test_an_order_over_hyperliquids_socket_meets_the_same_faults() -> None:
    async def course(desk: Desk) -> None:
        socket = await desk.socket("/ws")

        async def post(number: int, price: str) -> None:
            payload = desk.signed_action(bid(price), nonce=time.time_ns() // 10**6 + number)
            request = {"type": "action", "payload": payload}
            await socket.send_json({"method": "post", "id": number, "request": request})

        await desk.must(fault="drop_reply", call="place", count=1)
        await post(1, "50000")
        await post(2, "49999")
        answered = await until(socket, lambda frame: frame["channel"] == "post")
        assert answered["data"]["id"] == 2
        found = await desk.info(type="openOrders", user=desk.keys.wallet)
        assert len(found.json) == 2
        await desk.must(fault="answer", status=200, message="Down.", executed=False, count=1)
        await post(3, "49998")
        said = await until(socket, lambda frame: frame["channel"] == "post")
        assert said["data"]["response"]["payload"] == {"status": "err", "response": "Down."}

    at_desk(course, protocols=("hyperliquid",))


def test_hyperliquids_user_messages_are_lost_by_account() -> None:
    async def course(desk: Desk) -> None:
        async def watch(number: int) -> aiohttp.ClientWebSocketResponse:
            socket = await desk.socket("/ws")
            user = desk.exchange.keys[number].wallet
            subscription = {"type": "orderUpdates", "user": user}
            await socket.send_json({"method": "subscribe", "subscription": subscription})
            await until(socket, lambda frame: frame["channel"] == "subscriptionResponse")
            return socket

        rule = {"fault": "lose_message", "stream": "user", "event": "orderUpdates"}
        await desk.must(account="alice", count=1, **rule)
        alice, bob = await watch(0), await watch(1)
        for price in ("50000", "49999"):
            for number in (0, 1):
                await desk.act(bid(price), number=number)

        def prices(frame: dict[str, Any]) -> list[str]:
            return [row["order"]["limitPx"] for row in frame["data"]]

        seen = [await until(socket, lambda frame: True) for socket in (alice, bob)]
        assert [prices(frame)[0].split(".")[0] for frame in seen] == ["49999", "50000"]

    at_desk(course, protocols=("hyperliquid",), accounts=("alice", "bob"))


def test_an_order_book_with_a_lost_difference_shows_the_gap() -> None:
    async def course(desk: Desk) -> None:
        socket = await desk.socket("/ws/btcusdt@depth@100ms")
        first = await until(socket, lambda frame: True)
        await desk.must(fault="lose_message", event="depthUpdate", count=1)
        second = await until(socket, lambda frame: frame["pu"] != first["u"] or frame is None)
        assert second["pu"] > first["u"]
        assert msgspec.json.encode(second) and PATIENCE_S

    at_desk(course)
