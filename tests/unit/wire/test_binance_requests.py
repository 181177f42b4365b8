"""Requests as bytes: paths, parameters, windows, signatures."""

from __future__ import annotations

import pytest

from interlock.model.order import OrderType, TimeInForce
from interlock.model.venue import CancelRequest, DeadManRequest, OpenOrdersQuery
from interlock.wire.binance import form, signing
from interlock.wire.binance.requests import (
    DeadlinePassed,
    Dialect,
    UnsupportedRequest,
    bytes_to_sign,
    drafts,
    finish,
)
from tests.unit.wire.binance_cases import BTC, DIALECT, LISTING, place

MS = 10**6


def test_a_limit_order() -> None:
    (draft,) = drafts(place(post_only=True, reduce_only=True), DIALECT)
    assert (draft.method, draft.path, draft.is_order) == ("POST", "/fapi/v1/order", True)
    assert dict(draft.parameters) == {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "quantity": "0.1",
        "timeInForce": "GTX",
        "price": "49000",
        "reduceOnly": "true",
        "newClientOrderId": "a1",
        "newOrderRespType": "RESULT",
    }


def test_a_conditional_order_and_its_older_form() -> None:
    stop = place(type=OrderType.STOP_MARKET, price=0, trigger=480_000)
    (draft,) = drafts(stop, DIALECT)
    assert draft.path == "/fapi/v1/algoOrder"
    named = dict(draft.parameters)
    assert (named["clientAlgoId"], named["triggerPrice"]) == ("a1", "48000")
    (old,) = drafts(stop, Dialect(listing=LISTING, conditional_path=False))
    assert (old.path, dict(old.parameters)["stopPrice"]) == ("/fapi/v1/order", "48000")


def test_a_trailing_stop_is_never_tighter_than_asked_for() -> None:
    trailing = place(type=OrderType.TRAILING_STOP, price=0, trail=5_001)
    (draft,) = drafts(trailing, DIALECT)
    assert dict(draft.parameters)["callbackRate"] == "1.1"
    with pytest.raises(UnsupportedRequest, match="no price yet"):
        drafts(trailing, Dialect(listing=LISTING))
    with pytest.raises(UnsupportedRequest, match="10%"):
        drafts(place(type=OrderType.TRAILING_STOP, price=0, trail=60_000), DIALECT)


def test_a_good_till_date_is_whole_seconds() -> None:
    good_till = place(time_in_force=TimeInForce.GTD, expire_ts=1_790_000_000_999 * MS)
    (draft,) = drafts(good_till, DIALECT)
    assert dict(draft.parameters)["goodTillDate"] == "1790000000000"


def test_the_window_ends_at_the_deadline() -> None:
    (draft,) = drafts(place(), DIALECT)
    text = bytes_to_sign(draft, ts=1_000 * MS, ts_deadline=1_750 * MS)
    assert text.endswith(b"&recvWindow=750&timestamp=1000")
    far = bytes_to_sign(draft, ts=1_000 * MS, ts_deadline=10**9 * MS)
    assert b"&recvWindow=60000&" in far
    with pytest.raises(DeadlinePassed):
        bytes_to_sign(draft, ts=1_000 * MS, ts_deadline=1_000 * MS)


def test_the_signature_is_the_last_parameter_of_the_bytes_it_signs() -> None:
    (draft,) = drafts(place(), DIALECT)
    text = bytes_to_sign(draft, ts=1_000 * MS)
    signature = signing.hmac_signature(b"secret", text)
    request = finish(draft, text, signature=signature, key="k")
    assert request.headers["x-mbx-apikey"] == "k"
    assert (request.query, request.body) == (b"", text + b"&signature=" + signature.encode())
    assert signing.signed_part(request.query, request.body) == (text, signature)


def test_the_published_example_of_a_signature() -> None:
    secret = b"2b5eb11e18796d12d88f13dc27dbbd02c2cc51ff7059765ed9821957d82bb4d9"
    text = (
        b"symbol=BTCUSDT&side=BUY&type=LIMIT&quantity=1&price=9000&timeInForce=GTC"
        b"&recvWindow=5000&timestamp=1591702613943"
    )
    expected = "3c661234138461fcc7a7d8746c6558c9842d4e10870d2ecbedf7777cad694af9"
    assert signing.hmac_signature(secret, text) == expected


def test_requests_of_several_calls() -> None:
    paths = [draft.path for draft in drafts(OpenOrdersQuery(request_id=1), DIALECT)]
    assert paths == ["/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders"]
    (draft,) = drafts(DeadManRequest(request_id=1, delay_ms=500), DIALECT)
    assert dict(draft.parameters) == {"symbol": "BTCUSDT", "countdownTime": "500"}
    cancel = CancelRequest(request_id=1, client_order_id="a1", instrument=BTC, is_conditional=True)
    (gone,) = drafts(cancel, DIALECT)
    assert (gone.method, gone.path) == ("DELETE", "/fapi/v1/algoOrder")


def test_forms_survive_the_way_there_and_back() -> None:
    pairs = [("a", "x y&=%+"), ("batchOrders", '[{"symbol":"BTCUSDT"}]'), ("u", "é")]
    assert form.read(form.write(pairs)) == pairs
    assert form.read(b"a=%zz&b=%4&c") == [("a", "%zz"), ("b", "%4"), ("c", "")]
