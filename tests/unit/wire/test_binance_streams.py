"""Frames as events: what is said, what is ignored, what is refused."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.market import Bar, Quote, Trade
from interlock.model.order import OrderStatus, OrderType
from interlock.model.venue import FillSeen, OrderSeen, PositionSeen
from interlock.wire.binance.books import BookSync, DepthDiff, snapshot
from interlock.wire.binance.fault import WireFault
from interlock.wire.binance.streams import StreamReader, UserStreamEnded
from tests.unit.wire.binance_cases import BTC, INSTRUMENT, LISTING

TOUCH = {
    "e": "bookTicker", "u": 9, "E": 5, "T": 5, "s": "BTCUSDT",
    "b": "49999.0", "B": "0.1", "a": "50001.0", "A": "0.2",
}  # fmt: skip
ORDER = {
    "s": "BTCUSDT", "c": "a1", "S": "BUY", "o": "LIMIT", "f": "GTC", "q": "0.1", "p": "49000",
    "x": "TRADE", "X": "PARTIALLY_FILLED", "i": 22, "l": "0.04", "z": "0.04", "L": "49000",
    "N": "USDT", "n": "0.39", "T": 5, "t": 77, "m": True,
}  # fmt: skip
ALGO = {
    "caid": "stop-1", "aid": 5, "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL", "q": "0.1",
    "X": "TRIGGERED", "ai": "22", "tp": "48000",
}  # fmt: skip


def read(body: Any, reader: StreamReader | None = None) -> Any:
    frame = body if isinstance(body, bytes) else json.dumps(body).encode()
    return (reader or StreamReader(LISTING)).read(frame, ts=8).said


def update(order: dict[str, Any]) -> dict[str, Any]:
    return {"e": "ORDER_TRADE_UPDATE", "E": 6, "T": 5, "o": order}


def test_a_touch_alone_and_wrapped() -> None:
    for body in (TOUCH, {"stream": "btcusdt@bookTicker", "data": TOUCH}):
        (quote,) = read(body)
        assert isinstance(quote, Quote)
        assert quote.values() == (8, 499_990, 100, 500_010, 200)


def test_a_trade_by_a_seller() -> None:
    body = {"e": "trade", "E": 5, "T": 5, "s": "BTCUSDT", "t": 1, "p": "50000", "q": "1", "m": True}
    (trade,) = read(body)
    assert isinstance(trade, Trade) and trade.values() == (8, 500_000, 1_000, -1)


def test_only_a_closed_bar_is_a_bar() -> None:
    bar = {
        "t": 60_000, "T": 119_999, "s": "BTCUSDT", "i": "1m", "o": "1.0", "c": "2.0", "h": "2.5",
        "l": "0.5", "v": "3", "x": False,
    }  # fmt: skip
    body = {"e": "kline", "E": 5, "s": "BTCUSDT", "k": bar}
    assert read(body) == ()
    (closed,) = read({**body, "k": {**bar, "x": True}})
    assert isinstance(closed, Bar)
    assert (closed.ts_open, closed.ts_event, closed.step_ns) == (60 * 10**9, 8, 60 * 10**9)


def test_an_execution_comes_before_the_state_it_led_to() -> None:
    fill, state = read(update(ORDER))
    assert isinstance(fill, FillSeen) and isinstance(state, OrderSeen)
    assert (fill.fill.trade_id, fill.fill.quantity, fill.fill.fee) == (77, 40, 39_000_000)
    assert (state.order.status, state.order.filled) == (OrderStatus.PARTIALLY_FILLED, 40)


def test_a_liquidation_says_so() -> None:
    order = {**ORDER, "c": "autoclose-123", "x": "CALCULATED", "o": "LIQUIDATION"}
    _, state = read(update(order))
    assert state.order.reason == "liquidation"


@pytest.mark.parametrize("early", [True, False])
def test_fills_of_a_triggered_order_go_by_the_conditional_orders_id(early: bool) -> None:
    reader = StreamReader(LISTING)
    child = update({**ORDER, "c": "algo_22", "S": "SELL"})
    algo = {"e": "ALGO_UPDATE", "E": 6, "T": 5, "o": ALGO}
    said = read(child if early else algo, reader) + read(algo if early else child, reader)
    fill = next(item for item in reversed(said) if isinstance(item, FillSeen))
    assert (fill.fill.client_order_id, fill.fill.trade_id) == ("stop-1", 77)
    state = next(
        item.order
        for item in said
        if isinstance(item, OrderSeen) and item.order.client_order_id == "stop-1"
    )
    assert state.type is OrderType.STOP_MARKET


def test_an_account_update() -> None:
    body = {
        "e": "ACCOUNT_UPDATE", "E": 6, "T": 5,
        "a": {
            "m": "ORDER",
            "B": [{"a": "USDT", "wb": "10.5"}],
            "P": [{"s": "BTCUSDT", "pa": "-0.1", "ep": "50000"}],
        },
    }  # fmt: skip
    balance, position = read(body)
    assert balance.balance.wallet == 1_050_000_000
    assert isinstance(position, PositionSeen) and position.position.quantity == -100


def test_unknown_kinds_are_counted_and_silent_ones_are_not() -> None:
    reader = StreamReader(LISTING)
    assert read({"e": "NEWS_OF_TOMORROW", "E": 1}, reader) == ()
    assert read({"e": "TRADE_LITE", "E": 1}, reader) == ()
    assert read({"result": None, "id": 1}, reader) == ()
    assert dict(reader.unknown) == {"NEWS_OF_TOMORROW": 1}
    (ended,) = read({"e": "listenKeyExpired", "E": 1}, reader)
    assert isinstance(ended, UserStreamEnded)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        {**TOUCH, "s": "NOBODY"},
        {**TOUCH, "b": "NaN"},
        {**TOUCH, "b": "50002.0"},
        {**TOUCH, "B": "-1"},
        update({**ORDER, "X": "GLOWING"}),
        update({**ORDER, "l": "0"}),
        update({**ORDER, "z": "9"}),
        update({**ORDER, "L": "0"}),
    ],
)
def test_what_does_not_fit_is_one_typed_error(body: Any) -> None:
    with pytest.raises(WireFault):
        read(body)


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=6) | st.lists(st.integers())
KINDS = st.sampled_from([TOUCH, update(ORDER), {"e": "ALGO_UPDATE", "E": 1, "T": 1, "o": ALGO}])


@given(
    st.binary(max_size=100)
    | st.tuples(KINDS, st.sampled_from("eEosabuT"), VALUES).map(
        lambda parts: json.dumps({**parts[0], parts[1]: parts[2]}).encode()
    )
    | st.tuples(st.sampled_from(sorted(ORDER)), VALUES).map(
        lambda pair: json.dumps(update({**ORDER, pair[0]: pair[1]})).encode()
    )
)
def test_no_frame_breaks_the_reader(frame: bytes) -> None:
    with contextlib.suppress(WireFault):
        StreamReader(LISTING).read(frame, ts=1)


def diff(first: int, last: int, previous: int, *levels: tuple[int, int, int]) -> DepthDiff:
    sides, prices, quantities = zip(*levels, strict=True) if levels else ((), (), ())
    return DepthDiff(
        instrument=BTC,
        first_id=first,
        last_id=last,
        previous_id=previous,
        sides=sides,
        prices=prices,
        quantities=quantities,
        ts_venue=0,
    )


SNAPSHOT = snapshot(
    b'{"lastUpdateId":100,"bids":[["50000.0","1"]],"asks":[["50001.0","2"]]}', INSTRUMENT
)


def test_a_book_from_buffered_differences_and_a_snapshot() -> None:
    sync = BookSync(INSTRUMENT)
    assert not sync.needs_snapshot
    for item in (
        diff(90, 95, 89, (1, 1, 1)),
        diff(96, 104, 95, (1, 500_000, 7)),
        diff(105, 106, 104, (-1, 500_010, 0)),
    ):
        assert sync.on_diff(item, ts=1) == ""
    assert sync.needs_snapshot
    assert sync.on_snapshot(SNAPSHOT, ts=2) == ""
    assert sync.is_live
    assert (sync.book.bids, sync.book.asks) == ({500_000: 7}, {})


def test_a_snapshot_older_than_every_difference_is_refused() -> None:
    sync = BookSync(INSTRUMENT)
    sync.on_diff(diff(120, 125, 119, (1, 500_000, 7)), ts=1)
    assert "older" in sync.on_snapshot(SNAPSHOT, ts=2)
    assert not sync.is_live and sync.needs_snapshot


def test_a_snapshot_newer_than_every_difference_waits_for_the_next() -> None:
    sync = BookSync(INSTRUMENT)
    sync.on_diff(diff(90, 95, 89, (1, 500_000, 7)), ts=1)
    assert sync.on_snapshot(SNAPSHOT, ts=2) == ""
    assert sync.on_diff(diff(101, 103, 100, (1, 499_990, 4)), ts=3) == ""
    assert sync.book.bids == {500_000: 1_000, 499_990: 4}


@pytest.mark.parametrize(
    "bad",
    [
        diff(105, 106, 103, (1, 1, 1)),
        diff(104, 104, 100, (1, 1, 1)),
        diff(105, 106, 104, (1, 500_020, 1)),
    ],
)
def test_a_broken_link_or_a_crossed_book_starts_again(bad: DepthDiff) -> None:
    sync = BookSync(INSTRUMENT)
    sync.on_diff(diff(99, 104, 98, (1, 499_990, 7)), ts=1)
    assert sync.on_snapshot(SNAPSHOT, ts=2) == ""
    assert sync.on_diff(bad, ts=3) != ""
    assert (sync.is_live, sync.faults, sync.needs_snapshot) == (False, 1, True)
