"""The same engine, faults and judges on Hyperliquid's protocol; one order where it has several."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest

from interlock.model.instrument import SignificantFigures
from interlock.model.order import OrderType
from interlock.model.venue import AmendRequest, DeadManRequest
from interlock.runtime.settings import MINUTE, SECOND
from interlock.sim.venue.values import Event, Order, OrderEvent
from interlock.wire.http import HttpRequest
from interlock.wire.hyperliquid.cloids import cloid_of
from interlock.world.judges import JUDGES
from interlock.world.judging import Judge
from interlock.world.lines import LINES
from interlock.world.lines.hyperliquid_truth import OneOrder
from interlock.world.plan import drawn
from interlock.world.process import Process
from interlock.world.world import Verdict, World

SEEDS, SHORT = 14, 2 * MINUTE
SYMBOL = "BTC-PERP.HYPERLIQUID"
WORDS = LINES["hyperliquid"].words


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    plans = [drawn(seed, busy_ns=SHORT, venue="hyperliquid") for seed in range(SEEDS)]
    return [World(plan, JUDGES).run() for plan in plans]


def test_no_invariant_is_violated(verdicts: list[Verdict]) -> None:
    found = [f"seed {v.plan.seed}: {v.invariant} {v.text}" for v in verdicts if not v.is_clean]
    assert not found, "\n".join(found)


def test_orders_are_sent_and_filled_and_faults_strike(verdicts: list[Verdict]) -> None:
    assert sum(verdict.orders for verdict in verdicts) > 10 * SEEDS
    assert sum(verdict.fills for verdict in verdicts) > 10 * SEEDS
    mattered: Counter[str] = Counter()
    for verdict in verdicts:
        mattered.update(verdict.mattered)
    wanted = ("message_lost", "answer_truncated", "throttled", "quote_wrong")
    assert [name for name in wanted if not mattered[name]] == []


def test_a_plan_plays_the_same_twice(verdicts: list[Verdict]) -> None:
    for verdict in verdicts[:2]:
        assert World(verdict.plan, JUDGES).run().digest == verdict.digest
    assert World(verdicts[0].plan).run().digest == verdicts[0].digest


class Sent(Judge):
    """Keeps what left."""

    kept: list[Any]

    def leaves(self, process: Process, request: Any) -> None:
        self.kept.append(request)


def test_amendments_and_the_switch_of_the_account_are_played() -> None:
    Sent.kept = []
    for seed in range(6):
        plan = drawn(seed, busy_ns=SHORT, venue="hyperliquid")
        plan = msgspec.structs.replace(plan, rates={}, dead_man_ns=20 * SECOND)
        World(plan, [Sent]).run()
    assert any(isinstance(request, AmendRequest) for request in Sent.kept)
    switches = [request for request in Sent.kept if isinstance(request, DeadManRequest)]
    assert switches
    assert {request.instrument for request in switches} == {""}


def test_the_listed_have_prices_of_five_figures() -> None:
    for item in LINES["hyperliquid"].listed:
        assert isinstance(item.instrument.price_rule, SignificantFigures)
        assert item.instrument.price_fault(item.price) is None


class TestOneOrder:
    """The truth of an order that the venue makes several of."""

    def told(self, *events: tuple[str, Order], is_replacing: bool = True) -> list[OrderEvent]:
        heard: list[Event] = []
        truth = OneOrder(lambda symbol: 0)
        truth.cloids.remember("il-1")
        truth.observers.append(heard.append)
        truth.is_replacing = is_replacing
        for number, (execution, order) in enumerate(events):
            event = OrderEvent(ts=number, sequence=number, order=order, execution=execution)
            truth.saw(event)
        truth.settle()
        return [event for event in heard if isinstance(event, OrderEvent)]

    def order(self, number: int, quantity: int, filled: int = 0, **changes: Any) -> Order:
        return Order(
            order_id=number,
            account="desk",
            symbol=SYMBOL,
            side=1,
            type=changes.pop("type", OrderType.LIMIT),
            quantity=quantity,
            filled=filled,
            price=300_000,
            client_id=cloid_of("il-1"),
            **changes,
        )

    def test_a_replacement_is_an_amendment_of_the_whole(self) -> None:
        (seen,) = self.told(("canceled", self.order(5, 10, 3)), ("new", self.order(8, 7)))
        assert seen.execution == "amended"
        assert (seen.order.client_id, seen.order.quantity, seen.order.filled) == ("il-1", 10, 3)

    def test_a_replacement_that_was_refused_ends_the_order(self) -> None:
        (seen,) = self.told(("canceled", self.order(5, 10, 3)))
        assert (seen.execution, seen.order.filled) == ("canceled", 3)

    def test_a_cancel_is_a_cancel(self) -> None:
        order = self.order(5, 10)
        told = self.told(("canceled", order), ("new", self.order(8, 7)), is_replacing=False)
        assert [seen.execution for seen in told] == ["canceled", "new"]

    def test_the_worst_price_of_a_stop_at_the_market_is_none(self) -> None:
        (seen,) = self.told(("new", self.order(5, 10, type=OrderType.STOP_MARKET, trigger=1)))
        assert seen.order.price == 0


class TestWords:
    def test_executions_of_some_orders_are_told_by_nobody(self) -> None:
        fills = [{"oid": 7, "px": "1"}, {"oid": 8, "px": "1"}]
        data = {"user": "0x0", "fills": fills}
        frame = msgspec.json.encode({"channel": "userFills", "data": data})
        kept = msgspec.json.decode(WORDS.told(frame, {7}))["data"]["fills"]
        assert [row["oid"] for row in kept] == [8]
        assert WORDS.told(frame, {7, 8}) == b""
        assert WORDS.told(frame, {9}) == frame

    def test_a_question_is_not_signed_and_an_action_is(self) -> None:
        action = HttpRequest(method="POST", path="/exchange", body=b"{}", headers={})
        question = HttpRequest(method="POST", path="/info", body=b"{}", headers={})
        assert WORDS.is_signed(action)
        assert not WORDS.is_signed(question)
