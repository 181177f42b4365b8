"""The classifier: what counts as accepted, as rejected, and that all else is unknown."""

from __future__ import annotations

import msgspec
import pytest

from interlock.model.order import OrderStatus, TimeInForce
from interlock.model.venue import (
    AmendRequest,
    BalancesQuery,
    CancelRequest,
    DeadManRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PlaceRequest,
    PositionsQuery,
    TimeQuery,
    VenueOrder,
    Verdict,
)
from interlock.wire.http import HttpResponse
from interlock.wire.hyperliquid import errors
from interlock.wire.hyperliquid.answers import classify, classify_batch
from interlock.wire.hyperliquid.cloids import cloid_of
from tests.unit.wire.hyperliquid.cases import (
    BTC,
    ORDER_ID,
    answered,
    limit_buy,
    place,
    reader,
    statuses,
)

CANCEL = CancelRequest(request_id=7, client_order_id=ORDER_ID, instrument=BTC)
ROW = {
    "coin": "BTC",
    "side": "B",
    "limitPx": "63000.0",
    "sz": "0.004",
    "oid": 91,
    "timestamp": 1_760_000_000_000,
    "origSz": "0.01",
    "cloid": cloid_of(ORDER_ID),
    "orderType": "Limit",
    "tif": "Gtc",
}


def verdict(request: object, response: HttpResponse) -> tuple[Verdict, str]:
    answer = classify(request, response, reader=reader(ORDER_ID), ts=5)  # type: ignore[arg-type]
    assert (answer.request_id, answer.ts_event) == (7, 5)
    return answer.verdict, answer.code


def test_a_resting_order_is_accepted_with_its_number() -> None:
    answer = classify(place(), statuses({"resting": {"oid": 91}}), reader=reader(), ts=5)
    order = answer.content
    assert answer.verdict is Verdict.ACCEPTED
    assert isinstance(order, VenueOrder)
    assert (order.venue_order_id, order.client_order_id) == ("91", ORDER_ID)
    assert (order.status, order.filled) == (OrderStatus.ACCEPTED, 0)


@pytest.mark.parametrize(
    ("size", "tif", "status"),
    [
        ("0.01", TimeInForce.GTC, OrderStatus.FILLED),
        ("0.004", TimeInForce.GTC, OrderStatus.PARTIALLY_FILLED),
        ("0.004", TimeInForce.IOC, OrderStatus.CANCELED),
    ],
)
def test_a_fill_in_the_answer_counts(size: str, tif: TimeInForce, status: OrderStatus) -> None:
    slot = {"filled": {"totalSz": size, "avgPx": "62999.5", "oid": 91}}
    answer = classify(place(time_in_force=tif), statuses(slot), reader=reader(), ts=5)
    assert isinstance(answer.content, VenueOrder)
    assert (answer.content.status, answer.content.filled) == (status, int(float(size) * 100_000))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (errors.MARGIN, "margin"),
        ("Insufficient margin to place order. asset=1", "margin"),
        (f"{errors.POST_ONLY} 62999@63000. asset=1", "post_only"),
        (errors.NO_MATCH, "no_match"),
        (errors.MIN_VALUE, "min_notional"),
        (errors.TRIGGER, "trigger"),
        (errors.BAND, "price_band"),
        (errors.TICK, "price_rule"),
    ],
)
def test_a_listed_error_is_a_rejection(text: str, code: str) -> None:
    assert verdict(place(), statuses({"error": text})) == (Verdict.REJECTED, code)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("User or API Wallet 0x12 does not exist.", (Verdict.REJECTED, "signature")),
        ("Too many cumulative requests sent (9 > 8) for ...", (Verdict.REJECTED, "address_budget")),
        ("Invalid nonce: duplicate nonce 5", (Verdict.UNKNOWN, "nonce_duplicate")),
        (f"{errors.EXPIRED} 5", (Verdict.UNKNOWN, "expired")),
        ("Something new", (Verdict.UNKNOWN, "")),
    ],
)
def test_an_error_of_the_whole_action(text: str, wanted: tuple[Verdict, str]) -> None:
    assert verdict(place(), answered({"status": "err", "response": text})) == wanted


def test_a_cancel_that_came_too_late_is_ambiguous() -> None:
    gone = statuses({"error": errors.GONE}, kind="cancel")
    assert verdict(CANCEL, gone) == (Verdict.UNKNOWN, "order_gone")
    assert verdict(CANCEL, statuses("success", kind="cancel")) == (Verdict.ACCEPTED, "")
    assert verdict(CANCEL, statuses("succes", kind="cancel"))[0] is Verdict.UNKNOWN
    amend = AmendRequest(request_id=7, client_order_id=ORDER_ID, spec=limit_buy())
    assert verdict(amend, statuses({"error": errors.MODIFY_GONE}))[0] is Verdict.UNKNOWN


BAD = [
    HttpResponse(status=200, body=b""),
    HttpResponse(status=200, body=b"{}"),
    HttpResponse(status=200, body=b"null"),
    HttpResponse(status=200, body=b"<html>maintenance</html>", content_type="text/html"),
    HttpResponse(status=200, body=statuses({"resting": {"oid": 91}}).body[:-9]),
    HttpResponse(status=200, body=b"[" * 5_000),
    HttpResponse(status=200, body=b"\xff\xfe"),
    HttpResponse(status=500, body=b"null"),
    HttpResponse(status=502, body=statuses({"resting": {"oid": 91}}).body),
    HttpResponse(status=408, body=b""),
    HttpResponse(status=422, body=b"something else"),
    statuses(),
    statuses({}, kind="order"),
    statuses({"resting": {}}),
    statuses({"resting": {"oid": None}}),
    statuses({"resting": {"oid": 0}}),
    statuses({"resting": {"oid": "91"}}),
    statuses({"resting": {"oid": 91}, "error": "both"}),
    statuses({"resting": {"oid": 91}}, {"resting": {"oid": 92}}),
    statuses({"resting": {"oid": 91}}, kind="cancel"),
    statuses({"filled": {"totalSz": "0.02", "avgPx": "1", "oid": 91}}),
    statuses({"filled": {"totalSz": "NaN", "avgPx": "1", "oid": 91}}),
    statuses("success"),
    answered({"status": "ok"}),
    answered({"status": "ok", "response": {"type": "default"}}),
    answered({"status": "err", "response": None}),
]


@pytest.mark.parametrize("response", BAD)
def test_what_is_not_plain_is_unknown(response: HttpResponse) -> None:
    assert verdict(place(), response)[0] is Verdict.UNKNOWN
    assert verdict(CANCEL, response)[0] is (
        Verdict.ACCEPTED if response == statuses("success", kind="cancel") else Verdict.UNKNOWN
    )
    amend = AmendRequest(request_id=7, client_order_id=ORDER_ID, spec=limit_buy())
    assert verdict(amend, response)[0] is Verdict.UNKNOWN


def test_a_request_that_the_door_refused_was_not_executed() -> None:
    answer = classify(
        place(),
        HttpResponse(status=429, body=b"null", headers={"retry-after": "3"}),
        reader=reader(),
        ts=5,
    )
    assert (answer.verdict, answer.code, answer.retry_after_ms) == (Verdict.REJECTED, "429", 3_000)
    unreadable = HttpResponse(status=422, body=errors.UNREADABLE.encode())
    assert verdict(place(), unreadable)[0] is Verdict.REJECTED
    query = TimeQuery(request_id=7)
    assert verdict(query, HttpResponse(status=429, body=b"null"))[0] is Verdict.UNKNOWN


def test_a_batch_is_judged_order_by_order() -> None:
    requests = [
        PlaceRequest(request_id=number, client_order_id=f"o{number}", spec=limit_buy())
        for number in range(4)
    ]
    response = statuses(
        {"resting": {"oid": 91}}, {"error": errors.MARGIN}, {"error": "new"}, "waitingForFill"
    )
    answers = classify_batch(requests, response, reader=reader(), ts=5)
    assert [(answer.request_id, answer.verdict) for answer in answers] == [
        (0, Verdict.ACCEPTED),
        (1, Verdict.REJECTED),
        (2, Verdict.UNKNOWN),
        (3, Verdict.ACCEPTED),
    ]
    short = classify_batch(requests, statuses({"resting": {"oid": 91}}), reader=reader(), ts=5)
    assert {answer.verdict for answer in short} == {Verdict.UNKNOWN}


def test_the_dead_man_answers_default() -> None:
    request = DeadManRequest(request_id=7, delay_ms=9_000)
    done = answered({"status": "ok", "response": {"type": "default"}})
    assert verdict(request, done) == (Verdict.ACCEPTED, "")
    assert verdict(request, statuses())[0] is Verdict.UNKNOWN


def test_an_order_is_found_or_not_known() -> None:
    request = OrderQuery(request_id=7, client_order_id=ORDER_ID, instrument=BTC)
    found = {"order": ROW, "status": "open", "statusTimestamp": 1_760_000_000_500}
    response = answered({"status": "order", "order": found})
    order = classify(request, response, reader=reader(ORDER_ID), ts=5).content
    assert isinstance(order, VenueOrder)
    assert (order.client_order_id, order.filled, order.status, order.ts_venue) == (
        ORDER_ID,
        600,
        OrderStatus.PARTIALLY_FILLED,
        1_760_000_000_500_000_000,
    )
    answer = classify(request, answered({"status": "unknownOid"}), reader=reader(), ts=5)
    assert (answer.verdict, answer.content) == (Verdict.ACCEPTED, None)
    for wrong in ({"status": "other"}, {"status": "order"}, {"status": "err", "response": "x"}):
        assert verdict(request, answered(wrong))[0] is Verdict.UNKNOWN


def test_an_order_is_found_by_its_number_alone() -> None:
    found = {"order": ROW, "status": "filled", "statusTimestamp": 5}
    response = answered({"status": "order", "order": found})
    request = OrderQuery(
        request_id=7, client_order_id="", instrument=BTC, venue_order_id=str(ROW["oid"])
    )
    order = classify(request, response, reader=reader(ORDER_ID), ts=5).content
    assert isinstance(order, VenueOrder) and order.client_order_id == ORDER_ID
    other = msgspec.structs.replace(request, venue_order_id="1")
    assert verdict(other, response)[0] is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("marginCanceled", OrderStatus.CANCELED),
        ("scheduledCancel", OrderStatus.CANCELED),
        ("badAloPxRejected", OrderStatus.REJECTED),
        ("triggered", OrderStatus.PARTIALLY_FILLED),
        # Traded in part and over: what was left of it is gone.
        ("filled", OrderStatus.CANCELED),
    ],
)
def test_every_end_has_a_status(word: str, status: OrderStatus) -> None:
    request = OrderQuery(request_id=7, client_order_id=ORDER_ID, instrument=BTC)
    found = {"order": ROW, "status": word, "statusTimestamp": 5}
    response = answered({"status": "order", "order": found})
    order = classify(request, response, reader=reader(), ts=5).content
    assert isinstance(order, VenueOrder)
    assert (order.status, order.reason) == (status, word)


def test_a_status_that_is_not_known_is_no_answer() -> None:
    request = OrderQuery(request_id=7, client_order_id=ORDER_ID, instrument=BTC)
    found = {"order": ROW, "status": "vanished", "statusTimestamp": 5}
    assert verdict(request, answered({"status": "order", "order": found}))[0] is Verdict.UNKNOWN


def test_account_questions_read_positions_money_fills_and_funding() -> None:
    state = {
        "assetPositions": [
            {
                "type": "oneWay",
                "position": {
                    "coin": "BTC",
                    "szi": "-0.5",
                    "entryPx": "63001.25",
                    "liquidationPx": None,
                    "unrealizedPnl": "-2.5",
                },
            }
        ],
        "marginSummary": {"accountValue": "997.5"},
        "withdrawable": "900.1",
        "time": 9,
    }
    (position,) = classify(
        PositionsQuery(request_id=7), answered(state), reader=reader(), ts=5
    ).content  # type: ignore[misc, union-attr]
    (balance,) = classify(
        BalancesQuery(request_id=7), answered(state), reader=reader(), ts=5
    ).content  # type: ignore[misc, union-attr]
    assert (position.instrument, position.quantity, position.entry) == (BTC, -50_000, "63001.25")
    assert (balance.wallet, balance.available) == (100_000_000_000, 90_010_000_000)
    fill = {
        "coin": "BTC", "px": "63000.0", "sz": "0.004", "side": "A", "time": 8, "oid": 91,
        "crossed": True, "fee": "0.1134", "tid": 77, "feeToken": "USDC",
    }  # fmt: skip
    response = answered([fill, {**fill, "coin": "@107"}, {**fill, "tid": 76}])
    fills = classify(
        FillsQuery(request_id=7, instrument=BTC, ts_from=0), response, reader=reader(), ts=5
    ).content
    assert [item.trade_id for item in fills] == [76, 77]  # type: ignore[union-attr]
    paid = {"time": 8, "delta": {"type": "funding", "coin": "BTC", "usdc": "-0.123456"}}
    (payment,) = classify(
        PaymentsQuery(request_id=7, ts_from=0), answered([paid]), reader=reader(), ts=5
    ).content  # type: ignore[misc, union-attr]
    assert (payment.amount, payment.payment_id) == (-12_345_600, "funding:BTC:8")
    opened = classify(OpenOrdersQuery(request_id=7), answered([ROW]), reader=reader(), ts=5).content
    assert [item.venue_order_id for item in opened] == ["91"]  # type: ignore[union-attr]
    time = classify(TimeQuery(request_id=7), answered({"time": 9}), reader=reader(), ts=5)
    assert (time.content, time.ts_venue) == (9_000_000, 9_000_000)
