"""The door, the limits and the orders of the USD-M server."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.model.order import OrderSpec, OrderStatus, OrderType, TimeInForce
from interlock.model.venue import (
    AmendRequest,
    BalancesQuery,
    CancelRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PlaceRequest,
    PositionsQuery,
    TimeQuery,
    Verdict,
)
from interlock.runtime.budget import Budget, Lane, Rate
from interlock.sim.binance_server.access import check_window
from interlock.sim.binance_server.limits import LimitRules
from interlock.sim.binance_server.refusals import _WORDS, fault
from interlock.sim.venue.values import Refusal, Refused
from interlock.wire.binance.parameters import ApiFault, Parameters
from interlock.wire.binance.requests import Draft
from interlock.wire.http import HttpRequest
from tests.unit.sim.binance_server.binance_desk import SECOND, Desk
from tests.unit.sim.venue.cases import BTC

BUY = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "quantity": "0.1", "price": "49000"}
LIMIT = {**BUY, "timeInForce": "GTC"}


def spec(**changes: Any) -> OrderSpec:
    fields: dict[str, Any] = {"instrument": BTC, "side": 1, "quantity": 100}
    return OrderSpec(**{**fields, **changes})


def test_the_client_and_the_server_agree_on_the_life_of_an_order() -> None:
    desk = Desk()
    limit = spec(type=OrderType.LIMIT, price=490_000)
    placed = desk.ask(PlaceRequest(request_id=1, client_order_id="a1", spec=limit))
    assert placed.verdict is Verdict.ACCEPTED
    amended = desk.ask(
        AmendRequest(
            request_id=2,
            client_order_id="a1",
            spec=spec(type=OrderType.LIMIT, price=490_010, quantity=200),
        )
    )
    assert amended.content.quantity == 200
    (opened,) = desk.ask(OpenOrdersQuery(request_id=3)).content
    assert (opened.client_order_id, opened.price) == ("a1", 490_010)
    canceled = desk.ask(CancelRequest(request_id=4, client_order_id="a1", instrument=BTC))
    assert canceled.content.status is OrderStatus.CANCELED
    again = desk.ask(CancelRequest(request_id=5, client_order_id="a1", instrument=BTC))
    assert (again.verdict, again.code) == (Verdict.UNKNOWN, "-2011")
    none = desk.ask(OrderQuery(request_id=6, client_order_id="never", instrument=BTC))
    assert (none.verdict, none.content) == (Verdict.ACCEPTED, None)


def test_the_client_reads_the_account_after_a_trade() -> None:
    desk = Desk()
    done = desk.ask(PlaceRequest(request_id=1, client_order_id="a1", spec=spec(quantity=150)))
    assert (done.content.status, done.content.filled) == (OrderStatus.FILLED, 150)
    fills = desk.ask(FillsQuery(request_id=2, instrument=BTC, ts_from=0)).content
    assert [fill.quantity for fill in fills] == [100, 50]
    assert {fill.venue_order_id for fill in fills} == {done.content.venue_order_id}
    (position,) = desk.ask(PositionsQuery(request_id=3)).content
    assert position.quantity == 150
    (balance,) = desk.ask(BalancesQuery(request_id=4)).content
    payments = desk.ask(PaymentsQuery(request_id=5, ts_from=0)).content
    assert balance.wallet == 100_000 * 10**8 + sum(item.amount for item in payments)
    assert desk.ask(TimeQuery(request_id=6)).content == desk.ts


def test_a_conditional_order_is_followed_through_its_trigger() -> None:
    desk = Desk()
    desk.ask(PlaceRequest(request_id=1, client_order_id="a1", spec=spec()))
    stop = spec(side=-1, type=OrderType.STOP_MARKET, trigger=499_980, reduce_only=True)
    taken = desk.ask(PlaceRequest(request_id=2, client_order_id="s1", spec=stop))
    assert taken.content.type is OrderType.STOP_MARKET
    desk.other("taker", -1, 150)
    query = OrderQuery(request_id=3, client_order_id="s1", instrument=BTC, is_conditional=True)
    found = desk.ask(query).content
    assert (found.client_order_id, found.status) == ("s1", OrderStatus.FILLED)
    assert desk.ask(PositionsQuery(request_id=4)).content == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"symbol": "NOUSDT"}, -1121),
        ({"side": "HOLD"}, -1117),
        ({"type": "DREAM"}, -1116),
        ({"type": "STOP_MARKET", "stopPrice": "48000"}, -4120),
        ({"timeInForce": "EVER"}, -1115),
        ({"timeInForce": "GTD", "goodTillDate": "1"}, -5040),
        ({"timeInForce": "FOK", "quantity": "5", "price": "50030"}, -5021),
        ({"timeInForce": "GTX", "price": "50020"}, -5022),
        ({"quantity": ""}, -1102),
        ({"quantity": "0"}, -4003),
        ({"quantity": "1e3"}, -1100),
        ({"quantity": "0.0001"}, -1111),
        ({"quantity": "100000"}, -4005),
        ({"price": "49000.05"}, -1111),
        ({"price": "0"}, -4001),
        ({"price": "90000"}, -4016),
        ({"price": "10", "quantity": "0.001"}, -4164),
        ({"quantity": "900"}, -2019),
        ({"side": "SELL", "price": "51000", "reduceOnly": "true"}, -2022),
        ({"newClientOrderId": "a b"}, -1100),
        ({"newClientOrderId": "x" * 37}, -4015),
        ({"newOrderRespType": "ALL"}, -1136),
        ({"positionSide": "LONG"}, -4061),
    ],
)
def test_a_wrong_order_gets_the_venues_code(changes: dict[str, str], code: int) -> None:
    status, body = Desk().call("POST", "/fapi/v1/order", **{**LIMIT, **changes})
    assert (status, body["code"]) == (400, code)


def test_ids_are_unique_among_open_orders_only() -> None:
    desk = Desk()
    named = {**LIMIT, "newClientOrderId": "a1"}
    assert desk.call("POST", "/fapi/v1/order", **named)[0] == 200
    assert desk.call("POST", "/fapi/v1/order", **named)[1]["code"] == -4116
    desk.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a1")
    assert desk.call("POST", "/fapi/v1/order", **named)[0] == 200


def test_the_older_protocol_takes_stops_as_orders() -> None:
    desk = Desk(conditional_service=False)
    stop = {**BUY, "type": "STOP_MARKET", "stopPrice": "51000"}
    status, body = desk.call("POST", "/fapi/v1/order", **stop)
    assert (status, body["type"], body["status"]) == (200, "STOP_MARKET", "NEW")
    assert desk.call("POST", "/fapi/v1/algoOrder", **stop)[0] == 404


def test_the_door() -> None:
    desk = Desk()
    draft = Draft(method="GET", path="/fapi/v3/balance")
    assert desk.send(draft, key="").status == 401
    assert b"-2015" in desk.send(draft, key="other").body
    assert b"-1022" in desk.send(draft, secret="wrong").body
    bare = HttpRequest(method="GET", path="/fapi/v3/balance", headers={"x-mbx-apikey": "k"})
    assert b"-1102" in desk.server.handle(desk.ts, bare).body
    assert desk.call("GET", "/fapi/v9/nothing")[0] == 404
    desk.server.state.clock_offset_ns = 10 * SECOND
    assert b"-1021" in desk.send(draft).body
    desk.server.state.clock_offset_ns = -10 * SECOND
    assert b"-1021" in desk.send(draft).body


def test_a_window_has_a_most() -> None:
    wide = Parameters({"timestamp": "1000", "recvWindow": "60001"})
    with pytest.raises(ApiFault, match="-1131"):
        check_window(wide, 1_000)


def test_raw_json_in_a_form_is_signed_as_it_is() -> None:
    desk = Desk()
    orders = '[{"symbol":"BTCUSDT","side":"BUY","type":"MARKET","quantity":"0.01"},{"symbol":"X"}]'
    status, body = desk.call("POST", "/fapi/v1/batchOrders", batchOrders=orders)
    assert status == 200
    assert body[0]["clientOrderId"] and body[1]["code"] == -1121


def test_limits_warn_then_ban() -> None:
    desk = Desk(limits=LimitRules(weight_per_minute=10, warnings_before_ban=1))
    draft = Draft(method="GET", path="/fapi/v3/balance")
    answers = [desk.send(draft) for _ in range(5)]
    assert [item.status for item in answers] == [200, 200, 429, 418, 418]
    assert answers[1].headers["x-mbx-used-weight-1m"] == "10"
    assert int(answers[2].headers["retry-after"]) <= 60
    assert answers[3].headers["retry-after"] == "120"
    desk.ts += 121 * SECOND
    assert desk.send(draft).status == 200


def test_orders_are_counted_per_account() -> None:
    desk = Desk(limits=LimitRules(orders_per_ten_seconds=2))
    statuses = [desk.call("POST", "/fapi/v1/order", **LIMIT) for _ in range(3)]
    assert statuses[2][1]["code"] == -1015 and statuses[2][0] == 429


def test_a_read_may_lag() -> None:
    desk = Desk()
    desk.call("POST", "/fapi/v1/order", **LIMIT, newClientOrderId="a1")
    desk.server.state.sees = lambda ts, read, order: ts - order.ts_created > SECOND
    named = {"symbol": "BTCUSDT", "origClientOrderId": "a1"}
    assert desk.call("GET", "/fapi/v1/order", **named)[1]["code"] == -2013
    desk.ts += 2 * SECOND
    assert desk.call("GET", "/fapi/v1/order", **named)[1]["status"] == "NEW"


def test_every_refusal_has_a_code() -> None:
    special = {Refusal.PRICE_BAND, Refusal.MIN_NOTIONAL}
    assert set(_WORDS) | special == set(Refusal)
    for refusal in Refusal:
        assert fault(Refused(refusal, "", "1", "500000000")).code < 0


def test_lifetimes_of_the_model_reach_the_book() -> None:
    desk = Desk()
    ioc = spec(type=OrderType.LIMIT, price=500_010, quantity=300, time_in_force=TimeInForce.IOC)
    done = desk.ask(PlaceRequest(request_id=1, client_order_id="a1", spec=ioc)).content
    assert (done.status, done.filled) == (OrderStatus.EXPIRED, 100)


def test_a_budget_follows_the_weight_that_the_server_counts() -> None:
    """Another program on the same address uses the minute up; what is left is for cancels."""
    desk = Desk(limits=LimitRules(weight_per_minute=2400))
    budget = Budget(Rate(weight=2400))
    query = BalancesQuery(request_id=1)
    first = desk.ask(query)
    assert first.used_weight == 5
    budget.measured(desk.ts, first.used_weight)
    assert budget.take(desk.ts, Lane.QUERY)
    book = Draft(
        method="GET", path="/fapi/v1/depth", parameters=(("symbol", "BTCUSDT"), ("limit", "1000"))
    )
    while desk.send(book).status == 200 and budget.used < 2000:
        answer = desk.ask(query)
        budget.measured(desk.ts, answer.used_weight)
    assert budget.used >= 2000
    assert not budget.take(desk.ts, Lane.QUERY) and not budget.take(desk.ts, Lane.ENTRY)
    assert budget.take(desk.ts, Lane.EXIT) and budget.take(desk.ts, Lane.CANCEL)
