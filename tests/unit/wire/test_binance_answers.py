"""What the venue's replies prove about one attempt, and what they do not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.order import OrderStatus, OrderType
from interlock.model.venue import (
    AmendRequest,
    Answer,
    BalancesQuery,
    BookQuery,
    CancelRequest,
    DeadManRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PositionsQuery,
    Request,
    TimeQuery,
    VenueOrder,
    Verdict,
)
from interlock.wire.binance.answers import Judge, Reply
from interlock.wire.binance.conversation import Conversation
from interlock.wire.binance.requests import Draft
from interlock.wire.binance.verdicts import ROWS
from tests.unit.wire.binance_cases import BTC, DIALECT, answer, order_body, place, spec

CANCEL = CancelRequest(request_id=1, client_order_id="a1", instrument=BTC)
ASK = OrderQuery(request_id=1, client_order_id="a1", instrument=BTC)


def test_a_whole_order_with_our_id_is_accepted() -> None:
    got = answer(place(), (200, order_body()))
    assert got.verdict is Verdict.ACCEPTED
    assert isinstance(got.content, VenueOrder)
    assert (got.content.venue_order_id, got.content.quantity, got.content.price) == (
        "22",
        100,
        490_000,
    )
    assert got.ts_venue == 1_790_000_000_000 * 10**6


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"<html>502</html>",
        b'{"orderId":22,"symbol":"BTCU',
        b"null",
        b"[]",
        {"code": -2019, "msg": "Margin is insufficient."},
        order_body(orderId=None),
        order_body(orderId=0),
        order_body(clientOrderId="other"),
        order_body(symbol="ETHUSDT"),
        order_body(side="SELL"),
        order_body(status="NEVER_HEARD_OF"),
        order_body(origQty="NaN"),
        order_body(origQty="-0.1"),
        order_body(executedQty="0.200"),
        order_body(price="1e400"),
        order_body(status="FILLED"),
    ],
)
def test_a_success_that_is_not_our_order_is_unknown(body: Any) -> None:
    assert answer(place(), (200, body)).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("status", "code", "text", "verdict"),
    [
        (400, -2019, "Margin is insufficient.", Verdict.REJECTED),
        (400, -5022, "Post Only", Verdict.REJECTED),
        (400, -1021, "Timestamp", Verdict.REJECTED),
        (401, -2015, "Invalid API-key", Verdict.REJECTED),
        (429, -1003, "Too many requests", Verdict.REJECTED),
        (418, -1003, "banned", Verdict.REJECTED),
        (429, -1015, "Too many new orders", Verdict.REJECTED),
        (503, -1008, "Request throttled by system-level protection", Verdict.REJECTED),
        (400, -1008, "Request throttled by system-level protection", Verdict.UNKNOWN),
        (503, -1000, "Unknown error, please check your request", Verdict.UNKNOWN),
        (408, -1007, "Timeout waiting for response", Verdict.UNKNOWN),
        (400, -1006, "An unexpected response was received", Verdict.UNKNOWN),
        (400, -4116, "ClientOrderId is duplicated.", Verdict.UNKNOWN),
        (400, -2011, "Unknown order sent.", Verdict.UNKNOWN),
        (400, -2013, "Order does not exist.", Verdict.UNKNOWN),
        (400, -9999, "a code of tomorrow", Verdict.UNKNOWN),
        (500, -2019, "Margin is insufficient.", Verdict.UNKNOWN),
    ],
)
def test_the_table_of_codes(status: int, code: int, text: str, verdict: Verdict) -> None:
    got = answer(place(), (status, {"code": code, "msg": text}))
    assert (got.verdict, got.code, got.reason) == (verdict, str(code), text)


@pytest.mark.parametrize("status", [403, 429, 500, 502, 503, 504])
def test_a_page_instead_of_an_answer_is_unknown(status: int) -> None:
    assert answer(place(), (status, b"<html></html>")).verdict is Verdict.UNKNOWN


def test_service_unavailable_was_not_executed() -> None:
    assert answer(place(), (503, b"Service Unavailable.")).verdict is Verdict.REJECTED
    assert answer(place(), (503, {"code": 0, "msg": "Service Unavailable."})).verdict is (
        Verdict.REJECTED
    )
    assert answer(place(), (502, b"Service Unavailable.")).verdict is Verdict.UNKNOWN


def test_a_wish_to_be_left_alone_is_told() -> None:
    got = answer(place(), (418, {"code": -1003, "msg": "banned"}), retry_after="120")
    assert got.retry_after_ms == 120_000
    assert answer(place(), (503, {"code": -1008, "msg": ""})).retry_after_ms == 1_000
    strange = answer(place(), (429, {"code": -1003, "msg": ""}), retry_after="soon")
    assert strange.retry_after_ms == 1_000


def test_an_unknown_order_proves_nothing_on_cancel_and_answers_a_query() -> None:
    gone = (400, {"code": -2011, "msg": "Unknown order sent."})
    assert answer(CANCEL, gone).verdict is Verdict.UNKNOWN
    asked = answer(ASK, (400, {"code": -2013, "msg": "Order does not exist."}))
    assert (asked.verdict, asked.content, asked.code) == (Verdict.ACCEPTED, None, "-2013")


def test_a_cancel_is_accepted_by_a_canceled_order_only() -> None:
    done = answer(CANCEL, (200, order_body(status="CANCELED")))
    assert done.verdict is Verdict.ACCEPTED
    assert answer(CANCEL, (200, order_body())).verdict is Verdict.UNKNOWN


def test_a_refused_post_only_amendment_may_have_canceled_the_order() -> None:
    amend = AmendRequest(request_id=1, client_order_id="a1", spec=spec())
    post_only = (400, {"code": -5022, "msg": "Post Only"})
    assert answer(amend, post_only).verdict is Verdict.UNKNOWN
    assert answer(amend, (400, {"code": -5027, "msg": ""})).verdict is Verdict.REJECTED


ALGO = {
    "algoId": 5,
    "clientAlgoId": "a1",
    "symbol": "BTCUSDT",
    "side": "SELL",
    "orderType": "STOP_MARKET",
    "algoStatus": "NEW",
    "quantity": "0.1",
    "triggerPrice": "48000",
    "updateTime": 1,
}


@pytest.mark.parametrize("name", ["a1", "autoclose-22", "web_1", ""])
def test_an_order_is_found_by_its_number_alone(name: str) -> None:
    ask = OrderQuery(request_id=1, client_order_id="", instrument=BTC, venue_order_id="22")
    got = answer(ask, (200, order_body(clientOrderId=name)))
    assert isinstance(got.content, VenueOrder) and got.content.client_order_id == name
    other = answer(ask, (200, order_body(clientOrderId=name, orderId=23)))
    assert other.verdict is Verdict.UNKNOWN
    none = answer(ask, (400, {"code": -2013, "msg": "Order does not exist."}))
    assert (none.verdict, none.content) == (Verdict.ACCEPTED, None)


def test_a_triggered_conditional_order_is_followed_to_its_child() -> None:
    judge = Judge(DIALECT)
    ask = OrderQuery(request_id=1, client_order_id="a1", instrument=BTC, is_conditional=True)
    body = {**ALGO, "algoStatus": "TRIGGERED", "actualOrderId": "99"}
    first = Reply(status=200, body=json.dumps(body).encode())
    more = judge.judge(ask, [first], ts=1)
    assert isinstance(more, Draft)
    assert dict(more.parameters) == {"symbol": "BTCUSDT", "orderId": "99"}
    child = order_body(
        orderId=99, clientOrderId="algo_99", side="SELL", status="FILLED", executedQty="0.1"
    )
    second = Reply(status=200, body=json.dumps(child).encode())
    got = judge.judge(ask, [first, second], ts=1)
    assert isinstance(got, Answer) and isinstance(got.content, VenueOrder)
    assert got.content.client_order_id == "a1"
    assert (got.content.type, got.content.status) == (OrderType.STOP_MARKET, OrderStatus.FILLED)
    # What it made rests: a stop with a limit that nobody has filled is no stop any more.
    resting = order_body(orderId=99, clientOrderId="algo_99", side="SELL", status="NEW")
    rests = judge.judge(ask, [first, Reply(status=200, body=json.dumps(resting).encode())], ts=1)
    assert isinstance(rests, Answer) and isinstance(rests.content, VenueOrder)
    assert rests.content.status is OrderStatus.TRIGGERED
    # That the child is not found says nothing about the order that we asked for.
    lost = Reply(status=400, body=b'{"code":-2013,"msg":"Order does not exist."}')
    late = judge.judge(ask, [first, lost], ts=1)
    assert isinstance(late, Answer) and late.verdict is Verdict.UNKNOWN


def test_a_full_page_of_fills_asks_for_the_next() -> None:
    row = {
        "id": 1, "orderId": 3, "symbol": "BTCUSDT", "side": "BUY", "price": "50000", "qty": "0.1",
        "commission": "2.5", "commissionAsset": "USDT", "time": 4, "maker": False,
    }  # fmt: skip
    page = [{**row, "id": number} for number in range(1, 1_001)]
    judge = Judge(DIALECT)
    query = FillsQuery(request_id=1, instrument=BTC, ts_from=0)
    first = Reply(status=200, body=json.dumps(page).encode())
    more = judge.judge(query, [first], ts=1)
    assert isinstance(more, Draft) and ("fromId", "1001") in more.parameters
    last = Reply(status=200, body=json.dumps([{**row, "id": 1_001}]).encode())
    got = judge.judge(query, [first, last], ts=1)
    assert isinstance(got, Answer) and isinstance(got.content, tuple)
    assert len(got.content) == 1_001


def test_a_position_in_a_symbol_that_is_not_listed_is_no_answer() -> None:
    rows = [{"symbol": "NEWUSDT", "positionAmt": "1"}]
    assert answer(PositionsQuery(request_id=1), (200, rows)).verdict is Verdict.UNKNOWN
    flat = [{"symbol": "NEWUSDT", "positionAmt": "-0.000"}]
    assert answer(PositionsQuery(request_id=1), (200, flat)).content == ()


def test_every_row_of_the_table_has_a_name_and_a_reason() -> None:
    assert all(code < 0 and row.name and row.reason for code, row in ROWS.items())


REQUESTS: list[Request] = [
    place(),
    place(type=OrderType.STOP_MARKET, price=0, trigger=480_000),
    CANCEL,
    ASK,
    AmendRequest(request_id=1, client_order_id="a1", spec=spec()),
    OpenOrdersQuery(request_id=1),
    FillsQuery(request_id=1, instrument=BTC, ts_from=0),
    PositionsQuery(request_id=1),
    BalancesQuery(request_id=1),
    PaymentsQuery(request_id=1, ts_from=0),
    BookQuery(request_id=1, instrument=BTC),
    DeadManRequest(request_id=1, delay_ms=5, instrument=BTC),
    TimeQuery(request_id=1),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(sorted(order_body()))
BODIES = (
    st.binary(max_size=200)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.tuples(FIELDS, JSON).map(lambda pair: json.dumps(order_body(**dict([pair]))).encode())
    | st.integers(0, 300).map(lambda cut: json.dumps(order_body()).encode()[:cut])
)


@given(request=st.sampled_from(REQUESTS), status=st.sampled_from([200, 400, 503]), body=BODIES)
def test_no_body_breaks_the_classifier(request: Request, status: int, body: bytes) -> None:
    reply = Reply(status=status, body=body)
    judged = Judge(DIALECT).judge(request, [reply, reply], ts=1)
    if isinstance(judged, Answer) and judged.verdict is Verdict.ACCEPTED and judged.code == "":
        assert status == 200
        json.loads(body)


@given(body=BODIES)
def test_only_a_whole_order_is_accepted(body: bytes) -> None:
    judged = Judge(DIALECT).judge(place(), [Reply(status=200, body=body)], ts=1)
    assert isinstance(judged, Answer)
    if judged.verdict is Verdict.ACCEPTED:
        said = json.loads(body)
        assert said["orderId"] >= 1 and said["clientOrderId"] == "a1"
        assert (said["symbol"], said["side"]) == ("BTCUSDT", "BUY")


def test_a_cancel_of_a_stop_that_has_triggered_goes_to_the_order_it_became() -> None:
    judge = Judge(DIALECT)
    cancel = CancelRequest(request_id=1, client_order_id="a1", instrument=BTC, is_conditional=True)
    before = Conversation(cancel, DIALECT, judge, ts=1).draft
    stop = VenueOrder(
        instrument=BTC,
        client_order_id="a1",
        venue_order_id="22",
        side=1,
        type=OrderType.STOP_LIMIT,
        status=OrderStatus.TRIGGERED,
        quantity=100,
    )
    judge.links.learn("22", stop)
    talk = Conversation(cancel, DIALECT, judge, ts=1)
    assert before is not None and before.path == "/fapi/v1/algoOrder"
    assert talk.draft is not None and talk.draft.path == "/fapi/v1/order"
    assert ("orderId", "22") in talk.draft.parameters
    body = order_body(clientOrderId="made by the venue", status="CANCELED")
    talk.replied(Reply(status=200, body=json.dumps(body).encode()), ts=2)
    assert talk.answer is not None and talk.answer.verdict is Verdict.ACCEPTED
    assert isinstance(talk.answer.content, VenueOrder)
    assert talk.answer.content.client_order_id == "a1"
