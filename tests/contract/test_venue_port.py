"""What every venue adapter does with orders and questions, on the local exchange over sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from interlock.adapters.connecting import Refusal
from interlock.model.instrument import InstrumentKind
from interlock.model.order import OrderStatus, OrderType, TimeInForce
from interlock.model.venue import (
    BalancesQuery,
    BookQuery,
    DeadManRequest,
    FillSeen,
    FillsQuery,
    OrderSeen,
    PaymentsQuery,
    PlaceRequest,
    PositionSeen,
    PositionsQuery,
    TimeQuery,
    Verdict,
)
from interlock.venue.certificates import Authority
from tests.contract.port_desk import (
    ACCOUNT,
    CCXT,
    CENTER,
    HYPERLIQUID,
    MONEY,
    RUNG,
    SECOND,
    Desk,
    Kind,
    trade,
)

BID, ASK = CENTER - RUNG, CENTER + RUNG
Tell = Callable[..., None]


def fill_of(name: str) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, FillSeen) and event.fill.client_order_id == name


def state_of(name: str, *statuses: OrderStatus) -> Callable[[Any], bool]:
    return lambda event: (
        isinstance(event, OrderSeen)
        and event.order.client_order_id == name
        and event.order.status in statuses
    )


def test_connecting_loads_the_instruments_with_their_rules_and_fees(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        (found,) = desk.venue.instruments()
        listed = desk.core.instrument(kind.instrument)
        assert found.id == kind.instrument and found.kind is InstrumentKind.PERPETUAL
        assert (found.price_exponent, found.quantity_exponent) == (
            listed.price_exponent,
            listed.quantity_exponent,
        )
        assert found.price_rule == listed.price_rule and found.lot == listed.lot
        assert found.min_notional == listed.min_notional
        assert (found.maker_rate, found.taker_rate) == (listed.maker_rate, listed.taker_rate)
        answer = await desk.ask(TimeQuery)
        assert abs(answer.ts_venue - desk.now) < SECOND

    tell(story)


def test_a_market_order_fills_and_the_stream_tells_it_once(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        answer = await desk.place("m-1", 1, 2)
        assert answer.verdict is Verdict.ACCEPTED
        order = answer.content
        assert (order.client_order_id, order.status) == ("m-1", OrderStatus.FILLED)  # type: ignore[union-attr]
        assert order.filled == order.quantity == 2 * kind.unit  # type: ignore[union-attr]
        told = (await desk.until(fill_of("m-1"))).fill
        await desk.until(state_of("m-1", OrderStatus.FILLED))
        assert (told.side, told.quantity, told.price) == (1, 2 * kind.unit, ASK)
        assert told.venue_order_id == order.venue_order_id  # type: ignore[union-attr]
        assert told.fee > 0 and not told.is_maker
        seen = await desk.until(lambda event: isinstance(event, PositionSeen))
        assert seen.position.quantity == 2 * kind.unit
        fills = desk.all_of(FillSeen)
        assert len({event.fill.trade_id for event in fills}) == len(fills) == 1

    tell(story)


def test_a_limit_order_rests_is_found_and_is_canceled(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        placed = await desk.place("l-1", 1, 2, price=CENTER - 20 * RUNG)
        assert placed.verdict is Verdict.ACCEPTED
        assert placed.content.status is OrderStatus.ACCEPTED  # type: ignore[union-attr]
        await desk.until(state_of("l-1", OrderStatus.ACCEPTED))
        found = (await desk.query("l-1")).content
        assert (found.price, found.quantity, found.side) == (CENTER - 20 * RUNG, 2 * kind.unit, 1)  # type: ignore[union-attr]
        assert list(await desk.open_orders()) == ["l-1"]
        assert (await desk.cancel("l-1")).verdict is Verdict.ACCEPTED
        await desk.until(state_of("l-1", OrderStatus.CANCELED))
        assert (await desk.query("l-1")).content.status is OrderStatus.CANCELED  # type: ignore[union-attr]
        assert await desk.open_orders() == {}

    tell(story)


def test_post_only_rests_or_is_refused(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        refused = await desk.place("p-1", 1, 2, price=ASK, post_only=True)
        assert refused.verdict is Verdict.REJECTED and refused.code and refused.reason
        rests = await desk.place("p-2", 1, 2, price=BID, post_only=True)
        assert rests.verdict is Verdict.ACCEPTED
        assert list(await desk.open_orders()) == ["p-2"]

    tell(story)


def test_an_immediate_order_takes_what_there_is(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        ioc = {"price": ASK, "time_in_force": TimeInForce.IOC}
        answer = await desk.place("i-1", 1, 8, **ioc)
        assert answer.verdict is Verdict.ACCEPTED
        await desk.until(state_of("i-1", OrderStatus.CANCELED, OrderStatus.EXPIRED))
        found = (await desk.query("i-1")).content
        assert (found.filled, found.quantity) == (5 * kind.unit, 8 * kind.unit)  # type: ignore[union-attr]
        assert found.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)  # type: ignore[union-attr]
        assert await desk.open_orders() == {}

    tell(story)


def test_fill_or_kill(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        fok = {"price": ASK, "time_in_force": TimeInForce.FOK}
        killed = await desk.place("f-1", 1, 8, **fok)
        if kind.protocol == "hyperliquid":
            assert killed.verdict is Verdict.NOT_SENT and "fok" in killed.reason
            assert desk.orders_there() == []
            return
        assert killed.verdict is Verdict.REJECTED
        filled = await desk.place("f-2", 1, 5, **fok)
        assert filled.verdict is Verdict.ACCEPTED
        await desk.until(state_of("f-2", OrderStatus.FILLED))

    tell(story)


@pytest.mark.parametrize(
    ("type_", "trigger", "price"),
    [
        (OrderType.STOP_MARKET, 590_000, 0),
        (OrderType.STOP_LIMIT, 590_000, 580_000),
        (OrderType.TAKE_PROFIT, 610_000, 0),
        (OrderType.TAKE_PROFIT_LIMIT, 610_000, 605_000),
    ],
    ids=str,
)
def test_a_conditional_order_is_listed_triggers_and_fills_under_our_id(
    tell: Tell, kind: Kind, type_: OrderType, trigger: int, price: int
) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("m-1", 1, 2)
        terms = {"type": type_, "trigger": trigger, "price": price, "reduce_only": True}
        placed = await desk.place("s-1", -1, 2, **terms)
        assert placed.verdict is Verdict.ACCEPTED, placed
        await desk.until(state_of("s-1", OrderStatus.ACCEPTED))
        listed = (await desk.open_orders())["s-1"]
        assert (listed.type, listed.trigger, listed.reduce_only) == (type_, trigger, True)
        asked = (await desk.query("s-1", conditional=True)).content
        assert (asked.trigger, asked.quantity) == (trigger, 2 * kind.unit)  # type: ignore[union-attr]
        desk.gap(0.97 if trigger < CENTER else 1.03)
        told = (await desk.until(fill_of("s-1"))).fill
        assert (told.side, told.quantity) == (-1, 2 * kind.unit)
        done = (await desk.until(state_of("s-1", OrderStatus.FILLED))).order
        assert (done.type, done.filled) == (type_, 2 * kind.unit)
        assert (await desk.ask(PositionsQuery)).content == ()
        found = (await desk.query("s-1", conditional=True)).content
        assert (found.status, found.filled) == (OrderStatus.FILLED, 2 * kind.unit)  # type: ignore[union-attr]

    tell(story)


def test_a_conditional_order_is_canceled(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        terms = {"type": OrderType.STOP_MARKET, "trigger": 590_000}
        assert (await desk.place("s-1", -1, 2, **terms)).verdict is Verdict.ACCEPTED
        assert (await desk.cancel("s-1", conditional=True)).verdict is Verdict.ACCEPTED
        await desk.until(state_of("s-1", OrderStatus.CANCELED))
        assert await desk.open_orders() == {}

    tell(story)


def test_a_trailing_stop_is_placed_or_refused_before_it_leaves(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        terms = {"type": OrderType.TRAILING_STOP, "trail": 6_000}
        placed = await desk.place("t-1", -1, 2, **terms)
        if kind.protocol == "hyperliquid":
            assert placed.verdict is Verdict.NOT_SENT and "trailing" in placed.reason
            assert desk.orders_there() == []
            return
        assert placed.verdict is Verdict.ACCEPTED
        assert (await desk.open_orders())["t-1"].type is OrderType.TRAILING_STOP

    tell(story)


def test_an_amended_order_is_the_same_order(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("a-1", 1, 2, price=BID - 30 * RUNG)
        wanted = desk.spec(1, 4, price=BID - 20 * RUNG)
        amended = await desk.amend("a-1", wanted)
        assert amended.verdict is Verdict.ACCEPTED, amended
        assert (amended.content.quantity, amended.content.price) == (wanted.quantity, wanted.price)  # type: ignore[union-attr]
        changed = lambda event: (  # noqa: E731 - reads as the condition that it is
            isinstance(event, OrderSeen) and event.order.price == wanted.price
        )
        assert (await desk.until(changed)).order.client_order_id == "a-1"
        listed = await desk.open_orders()
        assert (listed["a-1"].quantity, listed["a-1"].price) == (wanted.quantity, wanted.price)
        ended = [seen for seen in desk.all_of(OrderSeen) if seen.order.status.value == "canceled"]
        assert ended == []
        assert (await desk.cancel("a-1")).verdict is Verdict.ACCEPTED
        await desk.until(state_of("a-1", OrderStatus.CANCELED))

    tell(story)


def test_an_amendment_of_a_part_filled_order_keeps_what_has_traded(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("a-1", 1, 4, price=CENTER)
        desk.ladder.takes = [(-1, kind.unit)]
        await desk.until(fill_of("a-1"))
        amended = await desk.amend("a-1", desk.spec(1, 3, price=CENTER - 10))
        assert amended.verdict is Verdict.ACCEPTED, amended
        found = (await desk.query("a-1")).content
        assert (found.quantity, found.filled) == (3 * kind.unit, kind.unit)  # type: ignore[union-attr]
        assert found.status is OrderStatus.PARTIALLY_FILLED  # type: ignore[union-attr]
        desk.ladder.takes = [(-1, 5 * kind.unit)]
        done = (await desk.until(state_of("a-1", OrderStatus.FILLED))).order
        assert (done.quantity, done.filled) == (3 * kind.unit, 3 * kind.unit)
        fills = [event.fill for event in desk.all_of(FillSeen)]
        assert sum(fill.quantity for fill in fills) == 3 * kind.unit
        assert all(fill.is_maker for fill in fills)

    tell(story)


def test_a_refused_amendment_is_no_new_order(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("a-1", 1, 2, price=BID - 20 * RUNG)
        gone = await desk.amend("never", desk.spec(1, 2, price=BID - 10 * RUNG))
        assert gone.verdict in (Verdict.UNKNOWN, Verdict.NOT_SENT)
        assert list(await desk.open_orders()) == ["a-1"]
        assert len(desk.orders_there()) == 1

    tell(story)


def test_a_cancel_of_a_filled_order_proves_nothing(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("m-1", 1, 2)
        answer = await desk.cancel("m-1")
        assert answer.verdict is Verdict.UNKNOWN and answer.code and answer.reason
        assert (await desk.query("m-1")).content.status is OrderStatus.FILLED  # type: ignore[union-attr]

    tell(story)


def test_an_id_that_is_open_already_makes_no_second_order(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("d-1", 1, 2, price=BID - 20 * RUNG)
        again = await desk.place("d-1", 1, 2, price=BID - 20 * RUNG)
        assert again.verdict is Verdict.UNKNOWN and again.code
        assert len(desk.orders_there()) == 1

    tell(story)


@pytest.mark.parametrize("case", ["margin", "value", "reduce", "price"])
def test_a_refusal_of_the_venue_is_rejected_with_its_words(
    tell: Tell, kind: Kind, case: str
) -> None:
    async def story(desk: Desk) -> None:
        least = desk.spec(1, 1, price=BID - 20 * RUNG)
        quantity = 1 if kind.protocol == "binance" else 10
        cases = {
            "margin": desk.spec(1, 50_000, price=BID - 20 * RUNG),
            "value": type(least)(kind.instrument, 1, quantity, OrderType.LIMIT, BID - 20 * RUNG),
            "reduce": desk.spec(-1, 1, price=ASK + RUNG, reduce_only=True),
            "price": desk.spec(1, 1, price=2_000_000),
        }
        answer = await desk.place_spec("r-1", cases[case])
        assert answer.verdict is Verdict.REJECTED, answer
        assert answer.code and answer.reason
        assert [order for order in desk.orders_there() if order.is_open] == []

    tell(story)


def test_an_unknown_id_is_answered_with_nothing(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        answer = await desk.query("never-sent")
        assert answer.verdict is Verdict.ACCEPTED and answer.content is None
        stop = await desk.query("never-sent", conditional=True)
        assert stop.verdict is Verdict.ACCEPTED and stop.content is None

    tell(story)


def test_an_order_is_found_by_the_number_of_its_execution(tell: Tell, kind: Kind) -> None:
    """A list of executions may name nobody: whose order it was is asked by the venue's number."""

    async def story(desk: Desk) -> None:
        began = desk.now
        await desk.place("n-1", 1, 2)
        await desk.until(fill_of("n-1"))
        desk.core.deleverage(desk.exchange.clock.now_ns(), ACCOUNT, kind.instrument)
        desk.host.flush()
        fills: Any = (
            await desk.ask(FillsQuery, instrument=kind.instrument, ts_from=began - SECOND)
        ).content
        names = []
        told = {fill.venue_order_id: fill.client_order_id for fill in fills}
        for number in told:
            answer = await desk.by_number(number)
            assert answer.verdict is Verdict.ACCEPTED
            assert answer.content.venue_order_id == number  # type: ignore[union-attr]
            # Hyperliquid has no names of its own for orders, and says it of their executions.
            name = answer.content.client_order_id  # type: ignore[union-attr]
            names.append(name or told[number])
        assert names[0] == "n-1" and names[1].startswith("adl_autoclose")
        nothing = await desk.by_number("999999999")
        assert nothing.verdict is Verdict.ACCEPTED and nothing.content is None

    tell(story)


def test_a_venue_that_ccxt_cannot_ask_for_an_order_refuses_its_number(
    authority: Authority,
) -> None:
    async def story(desk: Desk) -> None:
        desk.venue.exchange.api.has["fetchOrder"] = False
        answer = await desk.by_number("5")
        assert (answer.verdict, answer.code) == (Verdict.REJECTED, "NotSupported")

    trade(CCXT, story, authority=authority)


def test_fills_positions_balances_and_payments_agree(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        began = desk.now
        names = {}
        for number, units in ((1, 7), (2, -3)):
            answer = await desk.place(f"q-{number}", 1 if units > 0 else -1, abs(units))
            names[answer.content.venue_order_id] = f"q-{number}"  # type: ignore[union-attr]
        fills: Any = (
            await desk.ask(FillsQuery, instrument=kind.instrument, ts_from=began - SECOND)
        ).content
        assert sum(fill.side * fill.quantity for fill in fills) == 4 * kind.unit
        assert {names[fill.venue_order_id] for fill in fills} == {"q-1", "q-2"}
        assert all(fill.client_order_id in ("", names[fill.venue_order_id]) for fill in fills)
        await desk.until(fill_of("q-2"))
        streamed = {event.fill.trade_id: event.fill.fee for event in desk.all_of(FillSeen)}
        assert {fill.trade_id: fill.fee for fill in fills} == streamed
        positions: Any = (await desk.ask(PositionsQuery)).content
        assert [(item.instrument, item.quantity) for item in positions] == [
            (kind.instrument, 4 * kind.unit)
        ]
        balances: Any = (await desk.ask(BalancesQuery)).content
        there = desk.core.account("trader").balances[0]
        assert (balances[0].asset, balances[0].wallet) == (there.asset, there.wallet)
        assert 0 < balances[0].available < balances[0].wallet < 100_000 * MONEY
        payments: Any = await desk.ask(PaymentsQuery, ts_from=began - SECOND)
        assert payments.verdict is Verdict.ACCEPTED
        later = await desk.ask(
            FillsQuery, instrument=kind.instrument, ts_from=began + 3_600 * SECOND
        )
        assert later.content == ()

    tell(story)


def test_the_user_stream_tells_an_order_in_the_order_of_its_life(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("o-1", 1, 3, price=CENTER)
        await desk.until(state_of("o-1", OrderStatus.ACCEPTED))
        for _ in range(3):
            since = len(desk.heard)
            desk.ladder.takes = [(-1, kind.unit)]
            await desk.until(fill_of("o-1"), since)
        await desk.until(state_of("o-1", OrderStatus.FILLED))
        filled = [event.order.filled for event in desk.all_of(OrderSeen)]
        assert filled == sorted(filled) and filled[-1] == 3 * kind.unit
        statuses = [event.order.status for event in desk.all_of(OrderSeen)]
        assert statuses[0] is OrderStatus.ACCEPTED and statuses[-1] is OrderStatus.FILLED
        assert len(desk.all_of(FillSeen)) == 3

    tell(story)


def test_the_middle_of_the_book_by_question(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        answer = await desk.ask(BookQuery, instrument=kind.instrument)
        assert answer.verdict is Verdict.ACCEPTED and answer.content == CENTER
        # ccxt keeps the time of a book to itself on some venues.
        assert answer.ts_venue or kind.is_ccxt

    tell(story)


def test_the_dead_man_cancels_unless_he_is_asked_again(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("l-1", 1, 2, price=BID - 20 * RUNG)
        name = kind.instrument
        armed = await desk.ask(DeadManRequest, delay_ms=6_000, instrument=name)
        assert armed.verdict is Verdict.ACCEPTED, armed
        assert (await desk.ask(DeadManRequest, delay_ms=0, instrument=name)).verdict is (
            Verdict.ACCEPTED
        )
        assert list(await desk.open_orders()) == ["l-1"]
        await desk.ask(DeadManRequest, delay_ms=6_000, instrument=name)
        await desk.until(state_of("l-1", OrderStatus.CANCELED))
        assert await desk.open_orders() == {}

    tell(story, speed=10.0)


def test_an_order_whose_deadline_has_passed_does_not_leave(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        before = desk.host.requests
        answer = await desk.ask(
            PlaceRequest,
            client_order_id="x-1",
            spec=desk.spec(1, 2),
            ts_deadline=desk.now - 1,
        )
        assert answer.verdict is Verdict.NOT_SENT and answer.reason
        assert desk.host.requests == before and desk.orders_there() == []

    tell(story)


def test_an_instrument_that_is_not_listed_refuses_the_connection(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        raise AssertionError("nobody may trade what is not listed")

    with pytest.raises(Refusal, match="DOGE"):
        tell(story, instruments=(f"DOGEUSDT-PERP.{kind.protocol.upper()}",))


def test_an_instrument_that_is_not_listed_is_not_sent(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        spec = type(desk.spec(1, 1))("DOGEUSDT-PERP.BINANCE", 1, 1)
        answer = await desk.place_spec("n-1", spec)
        assert answer.verdict is Verdict.NOT_SENT and "DOGE" in answer.reason

    tell(story)


def test_hyperliquid_does_not_let_one_instrument_cancel_the_orders_of_another() -> None:
    async def story(desk: Desk) -> None:
        answer = await desk.ask(DeadManRequest, delay_ms=6_000, instrument="ETH-PERP.HYPERLIQUID")
        assert answer.verdict is Verdict.NOT_SENT and "account" in answer.reason

    trade(HYPERLIQUID, story)
