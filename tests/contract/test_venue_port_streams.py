"""What every venue adapter does with streams: what they tell, and how their ends are told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from interlock.model.events import MarkChanged
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.order import OrderStatus
from interlock.model.venue import (
    FillSeen,
    OrderSeen,
    PositionsQuery,
    Stream,
    StreamChanged,
    Verdict,
)
from tests.contract.port_desk import CENTER, RUNG, Desk, Kind, stream_is

LOW = CENTER - 20 * RUNG
Tell = Callable[..., None]


def is_a(kind: type) -> Callable[[Any], bool]:
    return lambda event: isinstance(event, kind)


def test_quotes_trades_and_marks_arrive_with_the_time_of_arrival(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        since = len(desk.heard)
        desk.ladder.takes = [(1, 3 * kind.unit)]
        trade = await desk.until(is_a(Trade), since)
        assert trade.instrument.id == kind.instrument
        assert (trade.price_units, trade.quantity_units) == (CENTER + RUNG, 3 * kind.unit)
        assert trade.side == 1
        desk.ladder.center += RUNG
        moved = await desk.until(
            lambda event: isinstance(event, Quote) and event.bid_units >= CENTER, since
        )
        assert moved.ask_units > moved.bid_units
        mark = await desk.until(is_a(MarkChanged), since)
        assert mark.instrument == kind.instrument and abs(mark.price - CENTER) < 20 * RUNG
        for event in (trade, moved, mark):
            assert abs(event.ts_event - desk.now) < 5 * 10**9

    tell(story)


def test_books_are_told_whole(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        def is_ladder(event: Any) -> bool:
            return (
                isinstance(event, Book)
                and sorted(event.bids) == [CENTER - k * RUNG for k in range(10, 0, -1)]
                and sorted(event.asks) == [CENTER + k * RUNG for k in range(1, 11)]
            )

        desk.ladder.takes = [(1, kind.unit)]
        book = await desk.until(is_ladder)
        assert book.instrument.id == kind.instrument
        assert set(book.bids.values()) | set(book.asks.values()) <= {
            n * kind.unit for n in range(1, 6)
        }

    tell(story)


def test_a_bar_is_told_when_it_is_complete(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        async def keep_trading() -> None:
            while True:
                desk.ladder.takes = [(1, kind.unit)]
                await desk.ladder.steps(2)

        trading = asyncio.create_task(keep_trading())
        try:
            # The minute ends two seconds after the exchange has opened.
            bar = await desk.until(is_a(Bar))
        finally:
            trading.cancel()
        assert bar.instrument.id == kind.instrument and bar.step_ns == 60 * 10**9
        assert bar.ts_open % bar.step_ns == 0
        assert 0 <= desk.now - bar.ts_open - bar.step_ns < 3 * 10**9
        assert bar.low_units <= bar.close_units <= bar.high_units and bar.volume_units > 0

    tell(story)


def test_a_cut_is_told_and_what_happened_meanwhile_is_found(tell: Tell, kind: Kind) -> None:
    if kind.is_ccxt:
        pytest.skip("polls have no socket to cut; an outage of the venue is the test below")

    async def story(desk: Desk) -> None:
        await desk.place("w-1", 1, 3, price=CENTER)
        await desk.until(is_a(OrderSeen))
        since = len(desk.heard)
        desk.host.cut(1001, "cut by the test")
        # Two thirds are traded while nobody hears it.
        desk.ladder.takes = [(-1, 2 * kind.unit)]
        for stream in (Stream.USER, Stream.MARKET):
            down = await desk.until(stream_is(stream, up=False), since)
            assert down.reason
        await desk.until_up(since)
        found = (await desk.query("w-1")).content
        assert (found.filled, found.status) == (2 * kind.unit, OrderStatus.PARTIALLY_FILLED)  # type: ignore[union-attr]
        positions: Any = (await desk.ask(PositionsQuery)).content
        assert positions[0].quantity == 2 * kind.unit
        after = len(desk.heard)
        desk.ladder.takes = [(-1, kind.unit)]
        told = (await desk.until(is_a(FillSeen), after)).fill
        assert (told.client_order_id, told.quantity) == ("w-1", kind.unit)
        ids = [event.fill.trade_id for event in desk.all_of(FillSeen)]
        assert len(ids) == len(set(ids))
        await desk.until(is_a(Quote), after)

    tell(story)


def test_a_stream_that_is_refused_is_tried_until_it_opens(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        since = len(desk.heard)
        now = desk.exchange.clock.now_ns()
        desk.exchange.injector.add({"fault": "maintenance", "for": "500ms"}, now)
        desk.host.cut(1001, "maintenance")
        for stream in Stream:
            await desk.until(stream_is(stream, up=False), since)
        await desk.until_up(since)
        for stream in Stream:
            changes = [
                event.is_up
                for event in desk.heard[since:]
                if isinstance(event, StreamChanged) and event.stream is stream
            ]
            # Told once for each of its sockets, however often it was tried.
            assert 1 <= changes.count(False) <= 2 and changes[-1]

    tell(story)


def test_messages_told_twice_are_one_execution(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        desk.break_next("duplicate_message", stream="user", count=0, delay="20ms")
        await desk.place("m-1", 1, 2)
        await desk.until(is_a(FillSeen))
        await desk.ladder.steps(3)
        fills = [(event.fill.trade_id, event.fill.quantity) for event in desk.all_of(FillSeen)]
        # Twice the same id is once for whoever counts by it.
        assert len(set(fills)) == 1

    tell(story)


def test_a_listen_key_that_expires_is_replaced(tell: Tell, kind: Kind) -> None:
    if kind.is_ccxt:
        pytest.skip("through ccxt the user's stream is polled: there is no listen key to expire")
    if kind.protocol != "binance":
        pytest.skip("only Binance has listen keys")

    async def story(desk: Desk) -> None:
        since = len(desk.heard)
        desk.break_next("expire_listen_key")
        down = await desk.until(stream_is(Stream.USER, up=False), since)
        assert "listen key" in down.reason
        await desk.until(stream_is(Stream.USER, up=True), since)
        assert (await desk.place("x-1", 1, 2)).verdict is Verdict.ACCEPTED
        await desk.until(is_a(FillSeen), since)

    tell(story)


def test_a_market_stream_that_falls_silent_is_opened_again(tell: Tell, kind: Kind) -> None:
    if kind.is_ccxt:
        pytest.skip("polls have no socket to fall silent; each look has its own time-out")

    async def story(desk: Desk) -> None:
        since = len(desk.heard)
        desk.break_next("freeze_stream", stream="market", **{"for": "90s"})
        down = await desk.until(stream_is(Stream.MARKET, up=False), since)
        assert down.reason

    # The machine's clock is faked to run ahead: ten seconds of silence in two.
    tell(story, hurry=10.0)


def test_a_gap_in_the_book_is_told_and_repaired(tell: Tell, kind: Kind) -> None:
    if kind.is_ccxt:
        pytest.skip("through ccxt whole books are polled: there is nothing to lose between them")
    if kind.protocol != "binance":
        pytest.skip("Hyperliquid sends whole books: there is nothing to lose between them")

    async def story(desk: Desk) -> None:
        desk.ladder.takes = [(1, kind.unit)]
        await desk.until(is_a(Book))
        since = len(desk.heard)
        desk.break_next("lose_message", stream="market", event="depthUpdate", count=1)
        for _ in range(4):
            desk.ladder.takes = [(1, kind.unit)]
            await desk.ladder.steps(3)
        gap = await desk.until(
            lambda event: isinstance(event, StreamChanged) and bool(event.instrument), since
        )
        assert gap.stream is Stream.MARKET and gap.reason
        place = desk.heard.index(gap)
        desk.ladder.takes = [(1, kind.unit)]
        book = await desk.until(is_a(Book), place)
        assert book.bid_units < book.ask_units and len(book.bids) == 10

    tell(story)


def test_closing_in_the_middle_of_everything_leaves_nothing(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        desk.break_next("late_reply", call="place", delay="3s")
        desk.break_next("drop_reply", call="query")
        loop = asyncio.get_running_loop()
        began = loop.time()
        placing = asyncio.create_task(desk.place("x-1", 1, 2, price=LOW))
        await desk.ladder.steps()
        desk.host.cut(1001, "cut by the test")
        await desk.venue.close()
        placing.cancel()
        assert loop.time() - began < 2.5

    tell(story)
