"""Sockets of the USD-M server: subscriptions, market streams, user streams, listen keys."""

from __future__ import annotations

import json

import pytest

from interlock.sim.binance_server.market_streams import parse_stream
from interlock.sim.binance_server.sessions import NotHere, Session
from interlock.wire.binance.books import BookSync, DepthDiff, snapshot
from interlock.wire.binance.streams import StreamReader
from interlock.wire.http import HttpRequest
from tests.unit.sim.binance_server.binance_desk import SECOND, Desk
from tests.unit.sim.venue.cases import BTC, perpetual

MARKET = {"symbol": "BTCUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}


def subscribe(desk: Desk, session: Session, *names: str, method: str = "SUBSCRIBE") -> None:
    frame = json.dumps({"method": method, "params": names, "id": 1}).encode()
    desk.server.receive(desk.ts, session.number, frame)


def test_an_order_is_told_before_the_account() -> None:
    desk = Desk(trade_lite=False)
    _, session = desk.user_socket()
    desk.call("POST", "/fapi/v1/order", **MARKET)
    frames = desk.frames(session)
    assert [item["e"] for item in frames] == [
        "ORDER_TRADE_UPDATE",
        "ORDER_TRADE_UPDATE",
        "ACCOUNT_UPDATE",
    ]
    assert [item["o"]["x"] for item in frames[:2]] == ["NEW", "TRADE"]
    assert frames[2]["a"]["P"][0]["pa"] == "0.100"


def test_a_trigger_names_its_child_before_the_child_trades() -> None:
    desk = Desk(trade_lite=False)
    desk.call("POST", "/fapi/v1/order", **MARKET)
    _, session = desk.user_socket()
    stop = {**MARKET, "side": "SELL", "type": "STOP_MARKET", "algoType": "CONDITIONAL"}
    desk.call("POST", "/fapi/v1/algoOrder", **stop, triggerPrice="49998", clientAlgoId="s1")
    desk.other("taker", -1, 150)
    frames = desk.frames(session)
    kinds = [(item["e"], item["o"]["X"]) for item in frames if "o" in item]
    assert kinds[:3] == [
        ("ALGO_UPDATE", "NEW"),
        ("ALGO_UPDATE", "TRIGGERED"),
        ("ORDER_TRADE_UPDATE", "NEW"),
    ]
    assert frames[1]["o"]["ai"] == str(frames[2]["o"]["i"])
    assert frames[2]["o"]["c"] != "s1"


def test_a_listen_key_ends_after_an_hour_and_says_so() -> None:
    desk = Desk()
    key, session = desk.user_socket()
    assert desk.call("POST", "/fapi/v1/listenKey")[1]["listenKey"] == key
    assert desk.call("PUT", "/fapi/v1/listenKey")[0] == 200
    (last,) = desk.frames(session, desk.ts + 3_600 * SECOND)
    assert (last["e"], last["listenKey"]) == ("listenKeyExpired", key)
    assert desk.call("PUT", "/fapi/v1/listenKey")[1]["code"] == -1125
    desk.call("POST", "/fapi/v1/order", **MARKET)
    assert desk.frames(session) == []


def test_differences_keep_a_clients_book_equal_to_the_venues() -> None:
    desk = Desk()
    session = desk.server.open(desk.ts, "/public/ws/1")
    subscribe(desk, session, "btcusdt@depth@100ms")
    sync, reader = BookSync(perpetual()), StreamReader(desk.dialect.listing)
    for step in range(40):
        desk.other("taker", 1 if step % 2 else -1, 20 + step)
        desk.other("maker", 1, 30 + step, 499_900 - step % 7 * 10)
        desk.other("maker", -1, 30, 500_100 + step % 5 * 10)
        desk.ts += 70 * SECOND // 1_000
        for frame in desk.server.poll(desk.ts, session.number):
            for said in reader.read(frame, ts=desk.ts).said:
                assert isinstance(said, DepthDiff)
                assert sync.on_diff(said, ts=desk.ts) == ""
        if sync.needs_snapshot:
            request = HttpRequest(
                method="GET", path="/fapi/v1/depth", query=b"symbol=BTCUSDT&limit=1000"
            )
            body = desk.server.handle(desk.ts, request).body
            assert sync.on_snapshot(snapshot(body, perpetual()), ts=desk.ts) == ""
    desk.ts += SECOND
    for frame in desk.server.poll(desk.ts, session.number):
        for said in reader.read(frame, ts=desk.ts).said:
            assert isinstance(said, DepthDiff) and sync.on_diff(said, ts=desk.ts) == ""
    view = desk.core.book(BTC)
    assert sync.is_live
    assert sync.book.bids == {price: quantity for price, quantity, _ in view.bids}
    assert sync.book.asks == {price: quantity for price, quantity, _ in view.asks}


def test_subscriptions_live() -> None:
    desk = Desk()
    session = desk.server.open(desk.ts, "/stream", b"streams=btcusdt@trade/btcusdt@bookTicker")
    subscribe(desk, session, "btcusdt@bookTicker", method="UNSUBSCRIBE")
    subscribe(desk, session, method="LIST_SUBSCRIPTIONS")
    subscribe(desk, session, method="DANCE")
    desk.server.receive(desk.ts, session.number, b"{")
    desk.other("taker", 1, 10)
    frames = desk.frames(session)
    assert frames[0] == {"result": None, "id": 1}
    assert frames[1] == {"result": ["btcusdt@trade"], "id": 1}
    assert "error" in frames[2] and "error" in frames[3]
    assert [item["stream"] for item in frames[4:]] == ["btcusdt@trade"]


def test_a_bar_closes_once() -> None:
    desk = Desk()
    session = desk.server.open(desk.ts, "/market/ws/btcusdt@kline_1m")
    desk.other("taker", 1, 10)
    frames = desk.frames(session, desk.ts + 130 * SECOND)
    closed = [item["k"]["t"] for item in frames if item["k"]["x"]]
    assert len(closed) == len(set(closed)) == 2


def test_strict_planes_give_a_stream_at_home_only() -> None:
    for strict, expected in ((False, 1), (True, 0)):
        desk = Desk(strict_planes=strict)
        session = desk.server.open(desk.ts, "/market/ws/btcusdt@trade")
        desk.other("taker", 1, 10)
        assert len(desk.frames(session)) == expected


def test_a_hasty_client_and_an_old_socket_are_closed() -> None:
    desk = Desk()
    session = desk.server.open(desk.ts, "/ws")
    for _ in range(11):
        subscribe(desk, session, method="LIST_SUBSCRIPTIONS")
    assert session.closing is not None and session.closing[0] == 1008
    old = desk.server.open(desk.ts, "/ws")
    desk.frames(old, desk.ts + 86_400 * SECOND)
    assert old.closing is not None and old.closing[0] == 1001
    with pytest.raises(NotHere):
        desk.server.open(desk.ts, "/nowhere")


@pytest.mark.parametrize(
    "name", ["btcusdt@depth20@250ms", "btcusdt@kline_1h", "!markPrice@arr@1s", "btcusdt@aggTrade"]
)
def test_names_of_streams(name: str) -> None:
    stream = parse_stream(name)
    assert stream is not None and stream.name == name
    assert parse_stream("BTCUSDT@trade") is None and parse_stream("btcusdt@dream") is None
