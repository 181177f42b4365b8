"""What every venue adapter makes of answers that are late, lost, broken or refusals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from interlock.model.order import OrderStatus
from interlock.model.venue import (
    Answer,
    CancelRequest,
    FillsQuery,
    OpenOrdersQuery,
    PlaceRequest,
    TimeQuery,
    Verdict,
)
from tests.contract.port_desk import CENTER, RUNG, Desk, Kind

LOW = CENTER - 20 * RUNG
Tell = Callable[..., None]
UNKNOWN, REJECTED = Verdict.UNKNOWN, Verdict.REJECTED

# Fault, its values, what it proves, whether the venue took the order.
ANY_VENUE: tuple[tuple[str, dict[str, Any], Verdict, bool], ...] = (
    ("drop_reply", {}, UNKNOWN, True),
    ("lose_request", {}, UNKNOWN, False),
    ("truncate_reply", {}, UNKNOWN, True),
    ("empty_reply", {}, UNKNOWN, True),
    ("html_reply", {"status": 200}, UNKNOWN, True),
    ("html_reply", {"status": 502}, UNKNOWN, True),
    ("html_reply", {"status": 504}, UNKNOWN, True),
    ("answer", {"status": 200, "message": "what?", "executed": True}, UNKNOWN, True),
    ("answer", {"status": 500, "message": "broken", "executed": True}, UNKNOWN, True),
    ("answer", {"status": 403, "message": "blocked", "executed": False}, UNKNOWN, False),
)
# Status, code, message, verdict, whether it was executed.
_SERVICE = "Service Unavailable."
_STATED: tuple[tuple[int, int, str, Verdict, bool], ...] = (
    (503, -1000, "Unknown error, please check your request or try again later.", UNKNOWN, True),
    (503, -1000, "Unknown error, please check your request or try again later.", UNKNOWN, False),
    (503, 0, _SERVICE, REJECTED, False),
    (503, -1008, "Request throttled by system-level protection.", REJECTED, False),
    (408, -1007, "Timeout waiting for response from backend server.", UNKNOWN, True),
    (400, -1006, "An unexpected response was received from the message bus.", UNKNOWN, True),
    (400, -2019, "Margin is insufficient.", REJECTED, False),
    (400, -1021, "Timestamp for this request is outside of the recvWindow.", REJECTED, False),
    (400, -99999, "A code of tomorrow.", UNKNOWN, True),
    (200, -2019, "Margin is insufficient.", UNKNOWN, True),
)


def offset(desk: Desk) -> Any:
    """The adapter's measure of the venue's clock."""
    if desk.kind.is_ccxt:
        return desk.venue.exchange.offset
    is_client = desk.kind.protocol == "hyperliquid"
    return (desk.venue.client if is_client else desk.venue.calls).offset


async def settled(desk: Desk, answer: Answer, *, executed: bool) -> None:
    """What the venue really holds, and that a question finds it."""
    assert len(desk.orders_there()) == int(executed)
    desk.exchange.injector.clear()
    found = await desk.query("x-1")
    assert found.verdict is Verdict.ACCEPTED
    assert (found.content is not None) is executed
    if executed:
        assert found.content.status is OrderStatus.ACCEPTED  # type: ignore[union-attr]
    told = [event for event in desk.all_of(Answer) if event.request_id == answer.request_id]
    assert told == [answer]


@pytest.mark.parametrize(("fault", "values", "verdict", "executed"), ANY_VENUE, ids=str)
def test_what_a_broken_answer_proves(
    tell: Tell, fault: str, values: dict[str, Any], verdict: Verdict, executed: bool
) -> None:
    async def story(desk: Desk) -> None:
        desk.break_next(fault, call="place", **values)
        answer = await desk.place("x-1", 1, 2, price=LOW)
        assert answer.verdict is verdict, answer
        await settled(desk, answer, executed=executed)

    tell(story)


@pytest.mark.parametrize("case", _STATED, ids=lambda case: f"{case[0]} {case[1]}")
def test_what_a_stated_error_proves(
    tell: Tell, kind: Kind, case: tuple[int, int, str, Verdict, bool]
) -> None:
    if kind.protocol != "binance":
        pytest.skip("codes are Binance's; the texts of Hyperliquid have a test of their own")
    status, code, message, verdict, executed = case

    async def story(desk: Desk) -> None:
        values = {"status": status, "code": code, "message": message, "executed": executed}
        desk.break_next("answer", call="place", **values)
        answer = await desk.place("x-1", 1, 2, price=LOW)
        assert answer.verdict is verdict, answer
        if code and status != 200:
            assert answer.code == str(code)
        await settled(desk, answer, executed=executed)

    tell(story)


@pytest.mark.parametrize(
    ("message", "verdict", "executed"),
    [
        ("Insufficient margin to place order.", REJECTED, False),
        ("User or API Wallet 0x1 does not exist.", REJECTED, False),
        ("Too many cumulative requests sent (2 > 1).", REJECTED, False),
        ("Invalid nonce: duplicate nonce 5", UNKNOWN, True),
        ("Action expired: expiresAfter 5", UNKNOWN, False),
        ("A text of tomorrow.", UNKNOWN, True),
    ],
)
def test_what_a_text_proves(
    tell: Tell, kind: Kind, *, message: str, verdict: Verdict, executed: bool
) -> None:
    if kind.protocol != "hyperliquid":
        pytest.skip("texts are Hyperliquid's; the codes of Binance have a test of their own")

    async def story(desk: Desk) -> None:
        values = {"status": 200, "message": message, "executed": executed}
        desk.break_next("answer", call="place", **values)
        answer = await desk.place("x-1", 1, 2, price=LOW)
        assert answer.verdict is verdict, answer
        assert answer.reason == message
        await settled(desk, answer, executed=executed)

    tell(story)


def test_too_many_requests_say_how_long_to_wait(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        desk.break_next("throttle", call="place", retry_after="10s")
        answer = await desk.place("x-1", 1, 2, price=LOW)
        assert answer.verdict is Verdict.REJECTED and answer.retry_after_ms == 10_000
        await settled(desk, answer, executed=False)
        desk.break_next("throttle", call="query", retry_after="10s")
        asked = await desk.query("x-1")
        assert asked.verdict is not Verdict.ACCEPTED and asked.retry_after_ms == 10_000

    tell(story)


def test_a_late_answer_is_an_answer_until_we_give_up(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        desk.break_next("late_reply", call="place", delay="200ms")
        answer = await desk.place("x-0", 1, 2, price=LOW)
        assert answer.verdict is Verdict.ACCEPTED
        await desk.cancel("x-0")
        desk.break_next("late_reply", call="place", delay="3s")
        answer = await desk.place("x-1", 1, 2, price=LOW)
        assert answer.verdict is Verdict.UNKNOWN and "within" in answer.reason
        assert (await desk.query("x-1")).content is not None

    tell(story, timeout_s=0.5)


def test_a_request_that_comes_too_late_is_not_taken_up(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        desk.break_next("delay_request", call="place", delay="600ms")
        answer = await desk.ask(
            PlaceRequest,
            client_order_id="x-1",
            spec=desk.spec(1, 2, price=LOW),
            ts_deadline=desk.now + 300_000_000,
        )
        # Each venue says so in its own words; that it never takes it up later is what counts.
        assert answer.verdict is not Verdict.ACCEPTED
        if kind.protocol == "binance":
            assert (answer.verdict, answer.code) == (Verdict.REJECTED, "-1021")
        await settled(desk, answer, executed=False)

    tell(story)


def test_a_cancel_without_an_answer_is_unknown_and_done(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("c-1", 1, 2, price=LOW)
        desk.break_next("drop_reply", call="cancel")
        answer = await desk.cancel("c-1")
        assert answer.verdict is Verdict.UNKNOWN
        assert (await desk.query("c-1")).content.status is OrderStatus.CANCELED  # type: ignore[union-attr]

    tell(story)


def test_an_amendment_without_an_answer_is_unknown_and_one_order(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("a-1", 1, 2, price=LOW)
        desk.break_next("drop_reply", call="amend")
        wanted = desk.spec(1, 3, price=LOW + RUNG)
        assert (await desk.amend("a-1", wanted)).verdict is Verdict.UNKNOWN
        found = (await desk.query("a-1")).content
        assert (found.price, found.quantity) == (wanted.price, wanted.quantity)  # type: ignore[union-attr]
        listed = await desk.open_orders()
        assert list(listed) == ["a-1"]

    tell(story)


@pytest.mark.parametrize("fault", ["drop_reply", "truncate_reply", "html_reply"])
def test_a_broken_answer_to_a_question_is_no_answer(tell: Tell, kind: Kind, fault: str) -> None:
    async def story(desk: Desk) -> None:
        await desk.place("x-1", 1, 2, price=LOW)
        for ask in (
            lambda: desk.query("x-1"),
            lambda: desk.ask(OpenOrdersQuery),
            lambda: desk.ask(FillsQuery, instrument=kind.instrument, ts_from=desk.now),
        ):
            desk.break_next(fault, call="query")
            answer = await ask()
            assert answer.verdict is Verdict.UNKNOWN and answer.content is None
            assert (await ask()).verdict is Verdict.ACCEPTED

    tell(story)


def test_an_order_that_questions_do_not_see_yet_is_not_known(tell: Tell) -> None:
    async def story(desk: Desk) -> None:
        desk.break_next("hide_order", call="place", delay="300ms")
        assert (await desk.place("x-1", 1, 2, price=LOW)).verdict is Verdict.ACCEPTED
        assert (await desk.query("x-1")).content is None
        async with asyncio.timeout(2):
            while (await desk.query("x-1")).content is None:
                await desk.ladder.steps()

    tell(story)


def test_a_refused_connection_is_not_sent(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        await desk.host.stop()
        answer = await desk.place("x-1", 1, 2, price=LOW)
        # A kept connection that the venue has closed may have taken the first bytes.
        assert answer.verdict in (Verdict.NOT_SENT, Verdict.UNKNOWN)
        again = await desk.place("x-2", 1, 2, price=LOW)
        assert again.verdict is Verdict.NOT_SENT and again.reason
        cancel = await desk.ask(
            CancelRequest,
            client_order_id="x-1",
            instrument=kind.instrument,
            ts_deadline=desk.deadline,
        )
        assert cancel.verdict is Verdict.NOT_SENT
        assert desk.orders_there() == []

    tell(story)


def test_a_clock_that_is_set_is_measured_again(tell: Tell, kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        before = offset(desk).value
        desk.break_next("skew_clock", offset="20s")
        await desk.ladder.until(lambda: desk.host.skew_ns != 0)
        first = await desk.place("x-1", 1, 2, price=LOW)
        if kind.protocol == "binance":
            assert (first.verdict, first.code) == (Verdict.REJECTED, "-1021")
        else:
            # The venue says that the action has expired, which an earlier copy may have caused.
            assert (first.verdict, first.code) == (Verdict.UNKNOWN, "expired")
        await desk.ladder.until(lambda: abs(offset(desk).value - before) > 19 * 10**9)
        assert (await desk.place("x-2", 1, 2, price=LOW)).verdict is Verdict.ACCEPTED
        there = await desk.ask(TimeQuery)
        assert abs(there.ts_venue - desk.now - 20 * 10**9) < 10**9

    tell(story)
