"""Orders, positions, funding and streams of the server, read back by our own client side."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from interlock.model.order import OrderSpec, OrderStatus, OrderType
from interlock.model.venue import (
    BalancesQuery,
    CancelRequest,
    DeadManRequest,
    FillSeen,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    OrderSeen,
    PaymentSeen,
    PaymentsQuery,
    PlaceRequest,
    PositionsQuery,
    Request,
    TimeQuery,
    Verdict,
)
from interlock.sim.hyperliquid_server.sessions import Session
from interlock.sim.venue.values import Refused
from interlock.wire.hyperliquid import streams
from interlock.wire.hyperliquid.actions import Identity, Unsupported, action_of, draft, post
from interlock.wire.hyperliquid.answers import classify
from interlock.wire.hyperliquid.cloids import Cloids, cloid_of
from interlock.wire.hyperliquid.instruments import read_universe
from interlock.wire.hyperliquid.queries import ask, load_universe, query_of
from interlock.wire.hyperliquid.streams import Reader
from tests.unit.sim.hyperliquid_server.desk import (
    ANN,
    MS,
    SECOND,
    Desk,
    error,
    instruments,
    row,
    trigger,
)
from tests.unit.wire.hyperliquid.cases import BTC, limit_buy

HOUR_MS = 3_600_000


class Trader:
    """Our client side against the server: requests in, answers out."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        body = desk.server.handle(desk.ts, load_universe()).body
        self.reader = Reader(read_universe(body), Cloids())
        self.identity = Identity(address=ANN.address)
        self._count = 0

    def ask(self, request: Request) -> Any:
        """The answer to any request."""
        universe = self.reader.universe
        try:
            question = query_of(request, universe, self.identity)
            sent = ask(question)
        except Unsupported:
            action = action_of(request, universe, mark=600_000, now_ms=self.desk.ts // MS)
            nonce = self.desk.nonces.take(self.desk.ts // MS)
            ready = draft(action, self.identity, nonce=nonce, ts_deadline=self.desk.ts + 5 * SECOND)
            sent = post(ready, ANN.sign(ready.digest))
        response = self.desk.server.handle(self.desk.ts, sent)
        return classify(request, response, reader=self.reader, ts=self.desk.ts)

    def place(self, client_order_id: str, spec: OrderSpec) -> Any:
        """Send an order under an id of ours."""
        self.reader.cloids.remember(client_order_id)
        self._count += 1
        request = PlaceRequest(request_id=self._count, client_order_id=client_order_id, spec=spec)
        return self.ask(request)


def stage(bid: int = 59_990, ask_: int = 60_010) -> tuple[Desk, Trader]:
    desk = Desk()
    desk.quote(BTC, bid=bid, ask=ask_, quantity=100_000)
    return desk, Trader(desk)


def listen(desk: Desk, *kinds: str) -> Session:
    session = desk.server.connect(desk.ts)
    assert session is not None
    for kind in kinds:
        subscription = {"type": kind, "user": ANN.address}
        desk.server.receive(desk.ts, session, streams.subscribe(subscription))
    session.take()
    return session


def heard(trader: Trader, session: Session) -> list[Any]:
    return [item for frame in session.take() for item in trader.reader.read(frame, 5)]


def test_instruments_come_through_the_wire_as_they_are() -> None:
    _, trader = stage()
    assert list(trader.reader.universe.instruments) == instruments()


def test_an_order_is_placed_found_and_canceled_under_our_id() -> None:
    desk, trader = stage()
    placed = trader.place("a-1", limit_buy(price=590_000))
    assert (placed.verdict, placed.content.status) == (Verdict.ACCEPTED, OrderStatus.ACCEPTED)
    query = OrderQuery(request_id=9, client_order_id="a-1", instrument=BTC)
    found = trader.ask(query).content
    assert (found.client_order_id, found.venue_order_id) == ("a-1", placed.content.venue_order_id)
    assert trader.ask(OpenOrdersQuery(request_id=9)).content == (found,)
    cancel = CancelRequest(request_id=9, client_order_id="a-1", instrument=BTC)
    assert trader.ask(cancel).verdict is Verdict.ACCEPTED
    assert trader.ask(cancel).verdict is Verdict.UNKNOWN
    assert trader.ask(query).content.status is OrderStatus.CANCELED
    nothing = OrderQuery(request_id=9, client_order_id="never", instrument=BTC)
    answer = trader.ask(nothing)
    assert (answer.verdict, answer.content) == (Verdict.ACCEPTED, None)
    assert trader.ask(TimeQuery(request_id=9)).content == desk.ts


def test_the_books_of_both_sides_agree_to_the_unit() -> None:
    desk, trader = stage()
    session = listen(desk, "userFills", "orderUpdates", "userFundings")
    spec = limit_buy(type=OrderType.MARKET, price=0, quantity=20_000)
    filled = trader.place("a-1", spec).content
    assert (filled.status, filled.filled) == (OrderStatus.FILLED, 20_000)
    desk.wait(HOUR_MS)
    (position,) = trader.ask(PositionsQuery(request_id=9)).content
    (balance,) = trader.ask(BalancesQuery(request_id=9)).content
    fills = trader.ask(FillsQuery(request_id=9, instrument=BTC, ts_from=0)).content
    payments = trader.ask(PaymentsQuery(request_id=9, ts_from=0)).content
    truth = desk.core.account("ann")
    assert position.quantity == 20_000 == truth.positions[0].quantity
    assert balance.wallet == truth.balances[0].wallet
    start = 100_000 * 10**8
    assert balance.wallet == start - sum(fill.fee for fill in fills) + sum(
        payment.amount for payment in payments
    )
    told = heard(trader, session)
    assert {item.fill for item in told if isinstance(item, FillSeen)} == set(fills)
    assert [item.payment for item in told if isinstance(item, PaymentSeen)] == list(payments)
    assert payments
    orders = [item.order for item in told if isinstance(item, OrderSeen)]
    assert [(order.client_order_id, order.status) for order in orders] == [
        ("a-1", OrderStatus.FILLED)
    ]


def test_a_stop_fires_on_the_mark_under_its_own_number() -> None:
    desk, trader = stage()
    trader.place("entry", limit_buy(type=OrderType.MARKET, price=0))
    session = listen(desk, "orderUpdates")
    stop = limit_buy(
        type=OrderType.STOP_MARKET, price=0, trigger=595_000, side=-1, reduce_only=True
    )
    placed = trader.place("stop", stop)
    desk.core.set_mark(desk.ts, BTC, 594_000)
    desk.server.run(desk.ts)
    seen = [item.order for item in heard(trader, session)]
    assert {order.venue_order_id for order in seen} == {placed.content.venue_order_id}
    assert [order.status for order in seen] == [
        OrderStatus.ACCEPTED,
        OrderStatus.TRIGGERED,
        OrderStatus.FILLED,
    ]
    assert trader.ask(PositionsQuery(request_id=9)).content == ()


def test_the_dead_man_cancels_and_says_why() -> None:
    desk, trader = stage()
    trader.place("a-1", limit_buy(price=590_000))
    session = listen(desk, "orderUpdates", "userEvents")
    assert trader.ask(DeadManRequest(request_id=9, delay_ms=6_000)).verdict is Verdict.ACCEPTED
    desk.wait(5_000)
    assert trader.ask(DeadManRequest(request_id=9, delay_ms=6_000)).verdict is Verdict.ACCEPTED
    desk.wait(5_000)
    assert heard(trader, session) == []
    desk.wait(2_000)
    order, canceled = heard(trader, session)
    assert order.order.reason == "scheduledCancel"
    assert isinstance(canceled, streams.VenueCanceled)


def test_a_replacement_has_a_new_number_and_can_be_half_done() -> None:
    desk, _ = stage()
    cloid = cloid_of("x")
    (first,) = desk.order(row(p="59000", c=cloid))
    old = first["resting"]["oid"]
    change = {"oid": cloid, "order": row(p="58000", c=cloid)}
    answer = desk.act({"type": "modify", **change})
    assert answer == {"status": "ok", "response": {"type": "default"}}
    (opened,) = desk.user("openOrders")
    assert opened["oid"] != old and opened["cloid"] == cloid
    # The new price is bad by its form: the order stands.
    bad = {"oid": cloid, "order": row(p="58000.123", c=cloid)}
    answer = desk.act({"type": "batchModify", "modifies": [bad]})
    assert "tick size" in error(answer["response"]["data"]["statuses"][0])
    assert len(desk.user("openOrders")) == 1
    # The new order is refused by the book: the old one is gone.
    taking = {"oid": cloid, "order": row(p="60010", c=cloid, t={"limit": {"tif": "Alo"}})}
    answer = desk.act({"type": "batchModify", "modifies": [taking]})
    assert "immediately matched" in error(answer["response"]["data"]["statuses"][0])
    assert desk.user("openOrders") == []
    answer = desk.act({"type": "modify", **change})
    assert answer["response"] == "Cannot modify canceled or filled order"


def test_children_wait_for_their_parent_and_end_each_other() -> None:
    desk, _ = stage()
    rows = (
        row(p="60005"),
        row(b=False, r=True, p="57000", t=trigger("59000", "sl")),
        row(b=False, r=True, p="65000", t=trigger("61000", "tp")),
    )
    parent, *children = desk.order(*rows, grouping="normalTpsl")
    assert parent.keys() == {"resting"} and children == ["waitingForFill"] * 2
    desk.core.set_mark(desk.ts, BTC, 589_000)
    assert len(desk.user("openOrders")) == 3
    desk.core.set_mark(desk.ts, BTC, 600_000)
    desk.quote(BTC, bid=59_000, ask=60_005, quantity=1_000)
    assert desk.user("clearinghouseState")["assetPositions"][0]["position"]["szi"] == "0.01"
    desk.core.set_mark(desk.ts, BTC, 589_000)
    desk.server.run(desk.ts)
    history = {item["order"]["oid"]: item["status"] for item in desk.user("historicalOrders")}
    assert sorted(history.values()) == ["filled", "filled", "siblingFilledCanceled"]


def test_stops_of_a_position_go_with_it() -> None:
    desk, _ = stage()
    desk.order(row(p="60010"))
    stop = row(b=False, s="0", r=True, p="57000", t=trigger("59000", "sl"))
    assert desk.order(stop, grouping="positionTpsl") == ["waitingForTrigger"]
    desk.order(row(b=False, r=True, p="59990"))
    assert desk.user("openOrders") == []


def test_rules_of_orders_have_the_venues_texts() -> None:
    desk, _ = stage()
    cases = {
        "minimum value of $10": row(s="0.0001"),
        "zero size": row(s="0"),
        "invalid size": row(s="0.000001"),
        "tick size": row(p="60000.55"),
        "80% away": row(p="120000"),
        "Insufficient margin": row(s="900"),
        "Reduce only": row(b=False, r=True, p="59990"),
        "could not immediately match": row(t={"limit": {"tif": "Ioc"}}),
        "immediately matched, bbo was 59990@60010": row(p="60010", t={"limit": {"tif": "Alo"}}),
        "Invalid TP/SL price": row(b=False, r=True, t=trigger("60500", "sl")),
        "already open": row(c="0x" + "0" * 32),
    }
    desk.order(row(p="50000", c="0x" + "0" * 32))
    for text, order in cases.items():
        assert text in error(desk.order(order)[0])


def test_fills_of_others_come_to_whoever_rests() -> None:
    desk, trader = stage()
    session = listen(desk, "userFills", "orderUpdates")
    trader.place("a-1", limit_buy(price=600_050, quantity=3_000))
    desk.quote(BTC, bid=59_000, ask=60_005, quantity=1_000)
    first = heard(trader, session)
    statuses = [item.order.status for item in first if isinstance(item, OrderSeen)]
    assert statuses == [OrderStatus.ACCEPTED, OrderStatus.PARTIALLY_FILLED]
    (fill,) = [item.fill for item in first if isinstance(item, FillSeen)]
    assert fill.is_maker and fill.client_order_id == "a-1"
    # A new socket begins with a snapshot: the same fill by the same number.
    again = desk.server.connect(desk.ts)
    assert again is not None
    subscription = {"type": "userFills", "user": ANN.address}
    desk.server.receive(desk.ts, again, streams.subscribe(subscription))
    assert [item.fill for item in heard(trader, again) if isinstance(item, FillSeen)] == [fill]


def test_a_liquidation_is_told_as_one() -> None:
    desk = Desk(cash=1_000)
    desk.quote(BTC, bid=59_990, ask=60_010, quantity=100_000)
    trader = Trader(desk)
    desk.order(row(p="60010", s="0.3"))
    session = listen(desk, "userFills", "userEvents")
    assert not isinstance(desk.core.liquidate(desk.ts, "ann", BTC), Refused)
    desk.server.run(desk.ts)
    frames = [json.loads(frame) for frame in session.take()]
    fills = [
        fill for frame in frames if frame["channel"] == "userFills"
        for fill in frame["data"]["fills"]
    ]  # fmt: skip
    assert fills and all(fill["liquidation"]["liquidatedUser"] == ANN.address for fill in fills)
    assert trader.ask(PositionsQuery(request_id=9)).content == ()


def test_sessions_are_held_to_their_limits() -> None:
    desk = Desk()
    session = desk.server.connect(desk.ts)
    assert session is not None

    def say(message: bytes) -> list[Any]:
        desk.server.receive(desk.ts, session, message)
        return [json.loads(frame) for frame in session.take()]

    assert say(streams.PING) == [{"channel": "pong"}]
    mids = {"type": "allMids"}
    acknowledged, first = say(streams.subscribe(mids))
    assert acknowledged["channel"] == "subscriptionResponse" and first["channel"] == "allMids"
    assert say(streams.subscribe(mids))[0]["data"].startswith("Already subscribed")
    assert say(streams.unsubscribe(mids))[0]["data"]["method"] == "unsubscribe"
    assert say(streams.unsubscribe(mids))[0]["channel"] == "error"
    assert say(b"nonsense")[0]["channel"] == "error"
    assert say(streams.subscribe({"type": "l2Book", "coin": "XX"}))[0]["channel"] == "error"
    for number in range(11):
        last = say(streams.subscribe({"type": "orderUpdates", "user": f"0x{number:040x}"}))
    assert last[0]["data"] == "Cannot track more than 10 total users."
    (answer,) = say(streams.posted(3, "info", {"type": "exchangeStatus"}))
    assert answer["data"]["response"]["payload"]["data"]["time"] == desk.ts // MS
    (answer,) = say(streams.posted(4, "action", desk.signed({"type": "noop"})))
    assert answer["data"]["response"]["payload"]["status"] == "ok"
    desk.wait(59_000)
    assert session.closed == ""
    desk.wait(1_000)
    assert session.closed == "Inactive"


def test_equal_calls_give_equal_answers() -> None:
    def course() -> list[bytes]:
        desk, trader = stage()
        session = listen(desk, "userFills", "orderUpdates", "webData2")
        trader.place("a-1", limit_buy(price=600_050))
        desk.quote(BTC, bid=59_000, ask=60_005, quantity=1_000)
        desk.wait(HOUR_MS)
        return session.take()

    assert course() == course()


NUMBERS = st.sampled_from(
    ["0", "-1", "0.01", "1", "59000", "60010", "61000", "60000.5", "1e5", "NaN", "", "9" * 39]
)
TYPES = st.sampled_from(["Alo", "Ioc", "Gtc"]).map(lambda tif: {"limit": {"tif": tif}}) | st.builds(
    lambda price, tpsl, is_market: trigger(price, tpsl, is_market=is_market),
    NUMBERS,
    st.sampled_from(["tp", "sl"]),
    st.booleans(),
)
ROWS = st.builds(
    lambda side, price, size, reduce, kind: row(b=side, p=price, s=size, r=reduce, t=kind),
    st.booleans(),
    NUMBERS,
    NUMBERS,
    st.booleans(),
    TYPES,
)
ACTIONS = (
    st.builds(
        lambda rows, grouping: {"type": "order", "orders": rows, "grouping": grouping},
        st.lists(ROWS, max_size=3),
        st.sampled_from(["na", "normalTpsl", "positionTpsl"]),
    )
    | st.builds(
        lambda oid, order: {"type": "batchModify", "modifies": [{"oid": oid, "order": order}]},
        st.integers(1_000, 1_030),
        ROWS,
    )
    | st.builds(
        lambda oid: {"type": "cancel", "cancels": [{"a": 1, "o": oid}]}, st.integers(1_000, 1_030)
    )
    | st.builds(
        lambda leverage, cross: {
            "type": "updateLeverage",
            "asset": 1,
            "isCross": cross,
            "leverage": leverage,
        },
        st.integers(-1, 60),
        st.booleans(),
    )
    | st.builds(
        lambda amount: {
            "type": "updateIsolatedMargin",
            "asset": 1,
            "isBuy": True,
            "ntli": amount,
        },
        st.integers(-(2**60), 2**60),
    )
)


@given(st.lists(ACTIONS, max_size=12))
def test_no_course_of_actions_breaks_the_server_or_the_books(
    actions: list[dict[str, object]],
) -> None:
    desk, trader = stage()
    session = listen(desk, "userFills", "orderUpdates")
    for number, action in enumerate(actions):
        desk.act(action)
        desk.core.set_mark(desk.ts, BTC, 600_000 + (-1) ** number * 400 * number)
        desk.wait(100)
    truth = desk.core.account("ann")
    held = sum(position.quantity for position in truth.positions)
    told = [item.fill for item in heard(trader, session) if isinstance(item, FillSeen)]
    assert sum(fill.side * fill.quantity for fill in told) == held
    (balance,) = trader.ask(BalancesQuery(request_id=9)).content
    assert balance.wallet == truth.balances[0].wallet
    opened = trader.ask(OpenOrdersQuery(request_id=9)).content
    assert {int(order.venue_order_id) for order in opened} == {
        order.order_id for order in desk.core.open_orders("ann")
    }
