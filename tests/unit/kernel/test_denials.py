"""Every code with which an order is refused, and the numbers that come with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
import pytest

from interlock.model.events import OrderDoubted, OrderFilled
from interlock.model.facts import DenialCode, OrderDenied
from interlock.model.instrument import FixedTick
from interlock.model.limits import Limits
from interlock.model.order import OrderSpec, OrderType
from interlock.strategy.intents import Amend, Place, Target
from tests.desk import BTC, Desk, Told, buy
from tests.scenario import PERPETUAL, SPOT

C = DenialCode
FREE = Limits(leverage_max_ratio=20_000_000)
NOTIONAL = 100 * 10**8  # of one unit at 100
BOUND = 2**63 - 1


class Protected(Told):
    protection = "required"


def nothing(desk: Desk) -> None:
    """The desk is as it was made."""


def holding(desk: Desk) -> None:
    desk.wants(buy())
    desk.hears(OrderFilled, 1, 10_000, 1_000, 0, "USDT", False, 10_000)


def without_mark(desk: Desk) -> None:
    holding(desk)
    desk.state.instruments[BTC].last = None


def resting(desk: Desk) -> None:
    desk.wants(buy(1_000, 9_000))


def doubted(desk: Desk) -> None:
    resting(desk)
    desk.hears(OrderDoubted, "no answer")


def protected(desk: Desk) -> None:
    told = Protected()
    owner = desk.owner
    owner.strategy, owner.on_bar, owner.outbox = told, told.on_bar, told._outbox
    desk.told = told


def shut(desk: Desk) -> None:
    desk.state.shut["A"] = "paused: the operator is at lunch"


class Refused(NamedTuple):
    """What is asked for after a beginning, and the code, value and limit of the answer."""

    code: DenialCode
    value: int
    limit: int
    intent: Any
    before: Callable[[Desk], None] = nothing
    limits: Limits = FREE
    change: dict[str, Any] | None = None
    cash: int = 10**12
    on: Any = PERPETUAL


def spot(side: int, quantity: int) -> Place:
    return Place(9, OrderSpec(SPOT.id, side, quantity))


REFUSED = [
    Refused(C.INVALID_SPEC, 7, 0, buy(parent=7)),
    Refused(C.INVALID_SPEC, 0, 0, Place(1, OrderSpec(BTC, 1, 1_000, OrderType.LIMIT))),
    Refused(C.UNKNOWN_INSTRUMENT, 0, 0, Place(1, OrderSpec("ETH.X", 1, 1))),
    Refused(C.UNKNOWN_INSTRUMENT, 0, 0, Target(1, "ETH.X", quantity=10**25)),
    Refused(C.PRICE_RULE, 9_010, 0, buy(1_000, 9_010), change={"price_rule": FixedTick(50)}),
    Refused(C.PRICE_RULE, 10**20, BOUND, buy(1_000, 10**20)),
    Refused(C.SIZE_RULE, 250, 100, buy(250), change={"lot": 100}),
    Refused(C.SIZE_RULE, 10**21, BOUND, buy(10**21)),
    Refused(C.SIZE_RULE, 10**21, BOUND, Amend(1, quantity=10**21), resting),
    Refused(C.MIN_NOTIONAL, NOTIONAL, NOTIONAL + 1, buy(), change={"min_notional": NOTIONAL + 1}),
    Refused(C.NO_PRICE, 0, 0, buy(), on=SPOT),
    Refused(C.EQUITY_UNKNOWN, 0, 0, spot(1, 1_000), without_mark, on=SPOT),
    Refused(C.SHORT_NOT_ALLOWED, -1_000, 0, spot(-1, 1_000), on=SPOT),
    Refused(
        C.INSUFFICIENT_CASH, NOTIONAL, NOTIONAL - 1, spot(1, 1_000), cash=NOTIONAL - 1, on=SPOT
    ),
    Refused(C.REDUCE_ONLY, 400, 1_000, buy(400, ref=2, reduce_only=True), holding),
    Refused(
        C.ORDER_NOTIONAL,
        2 * NOTIONAL,
        NOTIONAL,
        buy(2_000),
        limits=Limits(order_notional_max=NOTIONAL),
    ),
    Refused(
        C.POSITION_NOTIONAL,
        2 * NOTIONAL,
        NOTIONAL,
        buy(1_000, ref=2),
        holding,
        limits=Limits(position_notional_max=NOTIONAL),
    ),
    Refused(C.LEVERAGE, 3 * NOTIONAL, 2 * NOTIONAL, buy(3_000), cash=NOTIONAL // 10),
    Refused(C.ORDER_RATE, 1, 1, buy(ref=2), resting, Limits(orders_per_window_max=1)),
    Refused(C.OPEN_ORDERS, 1, 1, buy(ref=2), resting, Limits(open_orders_max=1)),
    Refused(C.ORDER_UNKNOWN, 1, 0, buy(ref=2), doubted),
    Refused(C.PROTECTION_MISSING, 1_000, 0, buy(), protected),
    Refused(C.SHUT, 0, 0, buy(), shut),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case.code}-{case.value}")
def test_a_refusal_tells_its_code_and_numbers(case: Refused) -> None:
    perpetual = msgspec.structs.replace(PERPETUAL, **(case.change or {}))
    desk = Desk(cash=case.cash, limits=case.limits, instruments=(perpetual, SPOT))
    case.before(desk)
    assert desk.facts() == []
    assert desk.wants(case.intent, instrument=case.on) == []
    (fact,) = desk.facts()
    assert isinstance(fact, OrderDenied)
    assert (fact.code, fact.value, fact.limit) == (case.code, case.value, case.limit)
    assert len(fact.text) > 20


def test_every_code_has_a_case() -> None:
    assert {case.code for case in REFUSED} == set(DenialCode)


def test_a_switch_tells_once_and_counts_and_lets_exits_pass() -> None:
    for scope in ("", BTC, "A"):
        desk = Desk(limits=FREE)
        holding(desk)
        desk.state.shut[scope] = "paused: lunch"
        for ref in range(2, 7):
            assert desk.wants(buy(ref=ref)) == []
        (fact,) = desk.facts()
        assert fact.code is C.SHUT and "paused: lunch" in fact.text
        assert desk.state.refused == {f"A {BTC}": 4}
        assert len(desk.wants(Place(9, OrderSpec(BTC, -1, 1_000)))) == 1
    desk = Desk(limits=FREE)
    desk.state.shut["ETH.X"] = desk.state.shut["B"] = "paused"
    assert len(desk.wants(buy())) == 1


def test_an_order_beside_a_close_under_way_is_new_risk_and_beside_a_stop_an_exit() -> None:
    sell = Place(9, OrderSpec(BTC, -1, 1_000))
    for exit_spec, is_refused in (
        (OrderSpec(BTC, -1, 1_000, reduce_only=True, tag="close"), True),
        (OrderSpec(BTC, -1, 1_000, OrderType.STOP_MARKET, trigger=9_000, reduce_only=True), False),
    ):
        desk = Desk(limits=FREE)
        holding(desk)
        assert len(desk.wants(Place(2, exit_spec))) == 1
        desk.state.shut[BTC] = "paused: lunch"
        assert (desk.wants(sell) == []) is is_refused
