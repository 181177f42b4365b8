"""Paper trading: orders meet a live market in memory, and nothing leaves for its venue."""

from __future__ import annotations

import asyncio

import pytest

from interlock.kernel.state import Order, State
from interlock.live.paper import ACCOUNT, PaperTerms, PaperVenue
from interlock.model.limits import Limits
from interlock.model.order import OrderSpec, OrderStatus, OrderType, TimeInForce
from interlock.model.venue import (
    AmendRequest,
    BalancesQuery,
    FillsQuery,
    OrderQuery,
    OrderSeen,
    PaymentSeen,
    PaymentsQuery,
    PositionsQuery,
    Stream,
    StreamChanged,
    TimeQuery,
    VenueOrder,
    Verdict,
)
from tests.desk import Told
from tests.unit.live.scripted_market import (
    BTC,
    HOUR,
    MONEY,
    START,
    Hands,
    PaperDesk,
    ScriptedMarket,
    on_paper,
)


def test_a_market_order_takes_the_true_touch_and_pays_the_taker_fee() -> None:
    async def story(desk: PaperDesk) -> None:
        answer = await desk.place("a", 1, 50)
        assert answer.verdict is Verdict.ACCEPTED
        (fill,) = desk.fills
        assert (fill.price, fill.quantity, fill.is_maker) == (100_010, 50, False)
        assert fill.fee == BTC.fee(BTC.notional(100_010, 50), BTC.taker_rate)
        assert desk.position == 50
        assert desk.wallet == 100_000 * MONEY - fill.fee

    on_paper(story)


@pytest.mark.capability("S3-017")
def test_a_resting_order_waits_behind_what_the_touch_shows() -> None:
    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 30, price=100_000)
        desk.market.trade(100_000, 60, -1)
        assert not desk.fills  # 40 of the 100 ahead are left
        desk.market.trade(100_000, 50, -1)
        (first,) = desk.fills
        assert (first.quantity, first.is_maker) == (10, True)
        assert desk.orders[-1].status is OrderStatus.PARTIALLY_FILLED
        desk.market.trade(100_000, 500, -1)
        assert [fill.quantity for fill in desk.fills] == [10, 20]
        assert desk.orders[-1].status is OrderStatus.FILLED

    on_paper(story)


def test_a_trade_through_the_price_fills_without_a_queue() -> None:
    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 30, price=99_990)
        desk.market.quote(99_980, 99_985)
        assert [fill.price for fill in desk.fills] == [99_990]

    on_paper(story)


def test_a_market_order_larger_than_the_touch_fills_partly_and_expires() -> None:
    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 250)
        assert sum(fill.quantity for fill in desk.fills) == 100
        assert desk.orders[-1].status is OrderStatus.EXPIRED

    on_paper(story)


@pytest.mark.capability("S3-020")
def test_an_order_meets_the_market_that_is_there_after_its_latency() -> None:
    async def story(desk: PaperDesk) -> None:
        number = desk.leave("a", 1, 10)
        desk.market.quote(100_100, 100_110)
        assert not desk.fills
        await desk.answer(number)
        assert [fill.price for fill in desk.fills] == [100_110]

    on_paper(story, latency_ms=20)


@pytest.mark.capability("S3-021")
def test_only_a_share_of_what_is_shown_and_traded_is_there() -> None:
    async def story(desk: PaperDesk) -> None:
        desk.market.quote(100_000, 100_010, sizes=(4_000, 4_000))
        await desk.place("a", 1, 150)
        assert sum(fill.quantity for fill in desk.fills) == 100  # 2.5 % of 4,000
        await desk.place("b", -1, 50, price=100_010)
        before = len(desk.fills)
        desk.market.quote(100_000, 100_010, sizes=(4_000, 4_000))
        for _ in range(60):
            # 2.5 % of 20 is half a lot: two trades make one here.
            desk.market.trade(100_010, 20, 1)
        ours = sum(fill.quantity for fill in desk.fills[before:])
        assert 0 < ours <= 60 * 20 * 25 // 1000

    on_paper(story, share=25_000)


def test_slippage_makes_takers_pay_more_but_never_beyond_their_limit() -> None:
    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 10)
        await desk.place("b", -1, 10)
        await desk.place("c", 1, 10, price=100_012)
        await desk.place("d", 1, 10, price=99_990)
        desk.market.quote(99_980, 99_985)
        # 5 bps of 100,010 are 50.005 cents, rounded against the taker.
        assert [fill.price for fill in desk.fills] == [100_061, 99_950, 100_012, 99_990]

    on_paper(story, slippage=500)


def test_a_commission_by_the_unit_takes_the_place_of_the_rates() -> None:
    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 50)
        (fill,) = desk.fills
        assert fill.fee == 25_000  # 0.05 of a coin at 0.005 USDT each, in 1e-8 USDT

    on_paper(story, fee_per_unit=MONEY * 5 // 1000)


def test_a_stop_rests_until_the_market_reaches_it() -> None:
    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 50)
        stop = await desk.place(
            "s", -1, 50, type=OrderType.STOP_MARKET, trigger=99_900, reduce_only=True
        )
        assert stop.verdict is Verdict.ACCEPTED
        assert "s" in await desk.open_orders()
        desk.market.quote(99_950, 99_960)
        assert desk.position == 50
        desk.market.quote(99_890, 99_895)
        desk.market.trade(99_890, 5, -1)
        assert desk.position == 0
        assert desk.orders[-1].status is OrderStatus.FILLED

    on_paper(story)


def test_a_reduce_only_order_never_opens_a_position() -> None:
    async def story(desk: PaperDesk) -> None:
        answer = await desk.place("a", -1, 50, reduce_only=True)
        assert answer.verdict is Verdict.REJECTED
        assert answer.code == "reduce_only"
        assert desk.position == 0

    on_paper(story)


def test_refusals_are_the_venues_own() -> None:
    async def story(desk: PaperDesk) -> None:
        taking = await desk.place("a", 1, 10, price=100_010, post_only=True)
        poor = await desk.place("b", 1, 10_000_000)
        unfilled = await desk.place("c", 1, 5_000, price=100_010, time_in_force=TimeInForce.FOK)
        codes = [answer.code for answer in (taking, poor, unfilled)]
        assert codes == ["post_only_would_take", "insufficient_margin", "fok_unfillable"]

    on_paper(story)


def test_cancel_amend_and_the_questions_about_an_order() -> None:
    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 30, price=99_000)
        amended = await desk.ask(
            AmendRequest,
            client_order_id="a",
            spec=desk.spec(1, 20, price=99_010),
            ts_deadline=desk.clock.ts + 10**9,
        )
        assert amended.verdict is Verdict.ACCEPTED
        order = (await desk.open_orders())["a"]
        assert (order.price, order.quantity) == (99_010, 20)
        assert (await desk.cancel("a")).verdict is Verdict.ACCEPTED
        found = (await desk.ask(OrderQuery, client_order_id="a", instrument=BTC.id)).content
        assert isinstance(found, VenueOrder) and found.status is OrderStatus.CANCELED
        number = found.venue_order_id
        same = await desk.ask(
            OrderQuery, client_order_id="", instrument=BTC.id, venue_order_id=number
        )
        assert isinstance(same.content, VenueOrder) and same.content.client_order_id == "a"
        other = await desk.ask(
            OrderQuery, client_order_id="", instrument=BTC.id, venue_order_id="999"
        )
        assert other.verdict is Verdict.ACCEPTED and other.content is None
        nothing = await desk.ask(OrderQuery, client_order_id="never", instrument=BTC.id)
        assert nothing.verdict is Verdict.ACCEPTED and nothing.content is None
        assert (await desk.ask(TimeQuery)).content == desk.clock.ts

    on_paper(story)


def test_funding_is_paid_when_its_time_passes_and_told_once() -> None:
    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 50)
        before = desk.wallet
        desk.clock.ts = START + 8 * HOUR
        desk.market.quote(100_000, 100_010)
        (seen,) = [event.payment for event in desk.heard if isinstance(event, PaymentSeen)]
        assert seen.kind == "funding"
        assert desk.wallet == before + seen.amount
        assert seen.amount < 0  # the interest of the rate: longs pay
        told = (await desk.ask(PaymentsQuery, ts_from=START)).content
        assert isinstance(told, tuple) and seen in told

    on_paper(story)


def test_a_position_is_liquidated_at_the_true_mark() -> None:
    async def story(desk: PaperDesk) -> None:
        desk.market.quote(100_000, 100_010, sizes=(2_000_000, 2_000_000))
        await desk.place("a", 1, 1_500_000)
        assert desk.position == 1_500_000
        desk.market.mark(93_000)
        assert desk.position == 0

    on_paper(story)


def test_the_books_of_the_kernel_agree_to_the_unit() -> None:
    """Whatever the paper exchange reports, an engine that books it holds the same money."""
    state = State(
        currency="USDT",
        cash=0,
        instruments=(BTC,),
        limits=Limits(leverage_max_ratio=20_000_000),
    )
    told = Told()
    state.add("A", told, 100_000 * MONEY)

    async def story(desk: PaperDesk) -> None:
        for number, (side, price) in enumerate(
            [(1, 0), (-1, 100_030), (1, 99_980), (-1, 0), (1, 100_010)]
        ):
            fields = {"price": price} if price else {}
            await desk.place(f"o{number}", side, 33 + number, **fields)
            desk.market.trade(100_010, 70, 1)
            desk.market.quote(100_000 + 7 * number, 100_010 + 7 * number)
            desk.market.trade(99_970, 90, -1)
        held, fees, realized = 0, 0, 0
        for payment in desk.venue.core.payments_since(ACCOUNT, 0):
            fees += payment.amount if payment.kind == "commission" else 0
            realized += payment.amount if payment.kind == "realized" else 0
        assert -fees == sum(fill.fee for fill in desk.fills)
        held = sum(fill.side * fill.quantity for fill in desk.fills)
        assert held == desk.position
        assert desk.wallet == 100_000 * MONEY + realized + fees
        position = state.instruments[BTC.id].net
        booked = sum(
            position.fill(fill.side * fill.quantity, fill.price) - fill.fee for fill in desk.fills
        )
        assert desk.wallet == 100_000 * MONEY + booked
        fetched = (await desk.ask(FillsQuery, instrument=BTC.id, ts_from=START)).content
        assert fetched == tuple(desk.fills)
        assert len({fill.trade_id for fill in desk.fills}) == len(desk.fills)

    on_paper(story)


def test_a_restart_takes_over_money_and_positions_and_ends_what_rested() -> None:
    async def main() -> None:
        clock = Hands()
        state = State(currency="USDT", cash=0, instruments=(BTC,), limits=Limits())
        owner = state.add("A", Told(), 90_000 * MONEY)
        state.wallet = 90_000 * MONEY
        state.instruments[BTC.id].net.fill(40, 100_000)
        resting = Order("A-7", owner, 7, OrderSpec(BTC.id, 1, 5, OrderType.LIMIT, 90_000))
        state.open["A-7"] = resting
        market = ScriptedMarket(clock)
        venue = PaperVenue(market, PaperTerms(cash=1, latency_ms=0), clock)
        desk = PaperDesk(clock, market, venue)
        await venue.connect(desk.hear)
        venue.resume(state)
        market.quote(100_000, 100_010)
        positions = (await desk.ask(PositionsQuery)).content
        assert isinstance(positions, tuple) and positions[0].quantity == 40
        balances = (await desk.ask(BalancesQuery)).content
        assert isinstance(balances, tuple) and balances[0].wallet == 90_000 * MONEY
        found = (await desk.ask(OrderQuery, client_order_id="A-7", instrument=BTC.id)).content
        assert isinstance(found, VenueOrder)
        assert (found.status, found.reason) == (
            OrderStatus.CANCELED,
            "the paper exchange was restarted",
        )
        assert not await desk.open_orders()
        await desk.place("b", -1, 40)
        assert desk.position == 0
        await venue.close()

    asyncio.run(main())


def test_ids_go_on_rising_over_a_restart() -> None:
    """A ledger that saw an id once takes it for told."""
    trades: list[int] = []
    payments: list[int] = []

    async def story(desk: PaperDesk) -> None:
        await desk.place("a", 1, 10)
        await desk.place("b", -1, 10)
        trades.extend(fill.trade_id for fill in desk.fills)
        told = desk.venue.core.payments_since(ACCOUNT, 0)
        payments.extend(payment.payment_id for payment in told)

    for _ in range(2):
        on_paper(story, ts=START + len(trades) * 10**9)
    assert len(trades) == len(set(trades)) == 4
    assert len(payments) == len(set(payments))


@pytest.mark.capability("S3-016")
def test_only_the_market_of_the_true_venue_comes_through() -> None:
    """Whatever its account hears or its user stream does is no business of a paper account."""

    async def story(desk: PaperDesk) -> None:
        foreign = VenueOrder(
            instrument=BTC.id,
            client_order_id="foreign",
            venue_order_id="9",
            side=1,
            type=OrderType.LIMIT,
            status=OrderStatus.ACCEPTED,
            quantity=1,
        )
        desk.market.tell(OrderSeen(ts_event=1, order=foreign))
        desk.market.tell(StreamChanged(ts_event=1, stream=Stream.USER, is_up=False))
        desk.market.tell(StreamChanged(ts_event=1, stream=Stream.MARKET, is_up=False))
        assert not desk.orders
        changes = [event for event in desk.heard if isinstance(event, StreamChanged)]
        assert [(item.stream, item.is_up) for item in changes] == [
            (Stream.MARKET, True),
            (Stream.USER, True),
            (Stream.MARKET, False),
        ]

    on_paper(story)
