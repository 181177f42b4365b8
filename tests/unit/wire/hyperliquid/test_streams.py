"""Frames of the socket, the list of perpetuals, and bytes that no venue would write."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.instrument import SignificantFigures
from interlock.model.market import Book, Quote, Trade
from interlock.model.order import OrderStatus
from interlock.model.venue import (
    CancelRequest,
    FillSeen,
    OrderSeen,
    PaymentSeen,
    Verdict,
)
from interlock.wire.http import HttpResponse
from interlock.wire.hyperliquid import streams
from interlock.wire.hyperliquid.answers import classify
from interlock.wire.hyperliquid.cloids import cloid_of
from interlock.wire.hyperliquid.instruments import read_universe
from interlock.wire.hyperliquid.text import WireFault, units_of
from tests.unit.wire.hyperliquid.cases import BTC, META, ORDER_ID, place, reader, universe


def heard(channel: str, data: object) -> list[streams.Item]:
    frame = json.dumps({"channel": channel, "data": data}).encode()
    return reader(ORDER_ID).read(frame, 5)


LEVELS = [[{"px": "62999.5", "sz": "0.5", "n": 2}], [{"px": "63000", "sz": "1.0", "n": 1}]]


def test_instruments_follow_the_five_figures() -> None:
    known = universe()
    btc = known.of_id(BTC)
    assert btc.price_rule == SignificantFigures(5, 1)
    assert (btc.price_exponent, btc.quantity_exponent, btc.leverage_max) == (1, 5, 40)
    assert [tier.maintenance_rate for tier in btc.margin_tiers] == [12_500, 25_000]
    # The second tier begins where the first ends, without a step.
    assert btc.margin_tiers[1].amount == 150_000_000 * 10**8 * 12_500 // 10**6
    assert btc.price_fault(630_001) and not btc.price_fault(1_234_570)
    assert known.closed == {"OLD-PERP.HYPERLIQUID"}
    assert known.index("kPEPE-PERP.HYPERLIQUID") == 2
    both = json.dumps([META, [{"funding": "0.1"}] * 4]).encode()
    assert read_universe(both).instruments == known.instruments


def test_books_quotes_trades_and_candles() -> None:
    (book,) = heard("l2Book", {"coin": "BTC", "time": 9, "levels": LEVELS})
    assert isinstance(book, Book)
    assert (book.bid_units, book.ask_units, book.ts_event) == (629_995, 630_000, 9_000_000)
    (quote,) = heard("bbo", {"coin": "BTC", "time": 9, "bbo": [LEVELS[0][0], LEVELS[1][0]]})
    assert isinstance(quote, Quote)
    assert quote.values() == (9_000_000, 629_995, 50_000, 630_000, 100_000)
    lost = heard("bbo", {"coin": "BTC", "time": 9, "bbo": [None, LEVELS[1][0]]})
    assert lost == [streams.QuoteLost(instrument=BTC, ts_venue=9_000_000)]
    trade = {"coin": "BTC", "side": "A", "px": "63000", "sz": "0.1", "time": 9, "tid": 1}
    (seen,) = heard("trades", [trade])
    assert isinstance(seen, Trade)
    assert seen.values() == (9_000_000, 630_000, 10_000, -1)
    bar = {"t": 0, "T": 59_999, "s": "BTC", "i": "1m", "o": "2", "c": "3", "h": "4", "l": "1"}
    (candle,) = heard("candle", {**bar, "v": "0.5", "n": 3})
    assert isinstance(candle, streams.CandleSeen)
    assert (candle.low, candle.high, candle.volume) == (10, 40, 50_000)


def test_the_users_streams() -> None:
    order = {
        "coin": "BTC", "side": "B", "limitPx": "63000.0", "sz": "0.0", "oid": 91,
        "timestamp": 7, "origSz": "0.01", "cloid": cloid_of(ORDER_ID),
    }  # fmt: skip
    (seen,) = heard("orderUpdates", [{"order": order, "status": "filled", "statusTimestamp": 8}])
    assert isinstance(seen, OrderSeen)
    assert (seen.ts_event, seen.order.ts_venue, seen.order.client_order_id) == (
        5,
        8_000_000,
        ORDER_ID,
    )
    assert (seen.order.status, seen.order.filled) == (OrderStatus.FILLED, 1_000)
    fill = {
        "coin": "BTC", "px": "63000", "sz": "0.01", "side": "B", "time": 8, "oid": 91, "tid": 3,
        "crossed": False, "fee": "-0.01", "feeToken": "USDC", "startPosition": "0.0",
    }  # fmt: skip
    again = heard("userFills", {"isSnapshot": True, "user": "0x1", "fills": [fill]})
    assert again == heard("user", {"fills": [fill]})
    assert isinstance(again[0], FillSeen)
    assert (again[0].fill.trade_id, again[0].fill.fee) == (3, -1_000_000)
    funding = {"time": 8, "coin": "BTC", "usdc": "0.5", "szi": "1", "fundingRate": "0.1"}
    (paid,) = heard("userFundings", {"user": "0x1", "fundings": [funding]})
    assert isinstance(paid, PaymentSeen)
    assert heard("user", {"funding": funding}) == [paid]
    told = heard("user", {"nonUserCancel": [{"coin": "BTC", "oid": 91}]})
    assert told == [streams.VenueCanceled(ts_event=5, instrument=BTC, venue_order_id="91")]
    (gone,) = heard("user", {"liquidation": {"lid": 1, "liquidator": "0x2"}})
    assert isinstance(gone, streams.Liquidated)


def test_posts_acknowledgements_and_what_is_not_known() -> None:
    payload = {"status": "ok", "response": {"type": "default"}}
    (answer,) = heard("post", {"id": 3, "response": {"type": "action", "payload": payload}})
    assert isinstance(answer, streams.Posted)
    assert (answer.id, json.loads(answer.body)) == (3, payload)
    assert reader().read(b'{"channel":"pong"}', 5) == [streams.Pong()]
    (opened,) = heard("subscriptionResponse", {"method": "subscribe", "subscription": {"a": 1}})
    assert isinstance(opened, streams.Acknowledged)
    assert heard("error", "Already subscribed") == [streams.SocketError("Already subscribed")]
    assert heard("brandNew", {"x": 1}) == [streams.Unheard("brandNew")]
    assert heard("l2Book", {"coin": "@107", "time": 9, "levels": [[], []]}) == []


@pytest.mark.parametrize(
    ("channel", "data"),
    [
        ("l2Book", {"coin": "BTC", "time": 9, "levels": [[{"px": "NaN", "sz": "1"}], []]}),
        ("l2Book", {"coin": "BTC", "time": 9, "levels": [[{"px": "1", "sz": "0"}], []]}),
        ("l2Book", {"coin": "BTC", "time": 9, "levels": [[{"px": "1", "sz": "-1"}], []]}),
        ("l2Book", {"coin": "BTC", "time": -9, "levels": [[], []]}),
        ("l2Book", {"coin": "BTC", "time": 9, "levels": [[]]}),
        ("l2Book", {"coin": "DOGE", "time": 9, "levels": [[], []]}),
        ("trades", [{"coin": "BTC", "side": "X", "px": "1", "sz": "1", "time": 9}]),
        ("trades", {"coin": "BTC"}),
        ("candle", {"t": 0, "T": 1, "s": "BTC", "i": "1m", "o": "2", "c": "3", "h": "1",
                    "l": "1", "v": "0"}),
        ("userFills", {"fills": [{}]}),
        ("orderUpdates", [{"order": {}, "status": "open", "statusTimestamp": 8}]),
    ],
)  # fmt: skip
def test_a_frame_that_makes_no_sense_is_a_fault(channel: str, data: object) -> None:
    with pytest.raises(WireFault):
        heard(channel, data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["BTC", "1.5", "open", "B", "ok", "success", "NaN", "-0", "1e9"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["coin", "time", "levels", "px", "sz", "status", "response", "type", "data", "fills",
             "statuses", "resting", "filled", "error", "oid", "order", "side", "totalSz"]
        )
        | st.text(max_size=4),
        inner,
        max_size=5,
    ),
    max_leaves=12,
)  # fmt: skip
CHANNELS = st.sampled_from(sorted(streams._CHANNELS))


@given(CHANNELS, JSON)
def test_no_frame_raises_anything_but_a_fault(channel: str, data: object) -> None:
    try:
        found = heard(channel, data)
    except WireFault:
        return
    assert isinstance(found, list)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_but_a_fault(data: bytes) -> None:
    for read in (lambda: reader().read(data, 5), lambda: read_universe(data)):
        try:
            read()
        except WireFault:
            continue


@given(st.binary(max_size=80) | JSON.map(lambda item: json.dumps(item).encode()))
def test_no_malformed_body_is_ever_an_acceptance(body: bytes) -> None:
    for request in (
        place(),
        CancelRequest(request_id=7, client_order_id=ORDER_ID, instrument=BTC),
    ):
        answer = classify(request, HttpResponse(status=200, body=body), reader=reader(), ts=5)
        if answer.verdict is Verdict.ACCEPTED:
            said = json.loads(body)
            assert said["status"] == "ok" and len(said["response"]["data"]["statuses"]) == 1


@given(st.text(alphabet="0123456789.-+eE_ \u0663NaInf", max_size=12), st.integers(0, 8))
def test_a_number_reads_exactly_or_not_at_all(text: str, exponent: int) -> None:
    try:
        units = units_of(text, exponent)
    except WireFault:
        return
    assert abs(units / 10**exponent - float(text)) < 1e-9 * max(1.0, abs(float(text)))
