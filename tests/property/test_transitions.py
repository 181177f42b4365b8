"""Orders under any sequence of reports: what is over stays over, what is told twice counts once."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from interlock.kernel.engine import step
from interlock.kernel.state import State
from interlock.model.events import (
    CancelRejected,
    OrderAccepted,
    OrderCanceled,
    OrderDoubted,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderTriggered,
    OrderUpdated,
    Started,
    UpdateRejected,
)
from interlock.model.facts import ExcessFill, LateFill, RepeatedFill
from interlock.model.limits import Limits
from interlock.model.market import Bar
from interlock.model.order import TERMINAL, TRANSITIONS, OrderSpec, OrderStatus, OrderType
from interlock.strategy.api import Strategy
from interlock.strategy.intents import Amend, Cancel, Place
from tests.scenario import PERPETUAL

PLAIN = st.sampled_from(
    [OrderAccepted, OrderTriggered, (OrderRejected, "no"), (OrderCanceled, ""), (OrderExpired, "")]
    + [(UpdateRejected, "no"), (CancelRejected, "no"), (OrderDoubted, "no answer")]
)
FILL = st.tuples(st.just("fill"), st.integers(1, 6), st.integers(1, 700))
UPDATE = st.tuples(st.just("update"), st.integers(1, 2_000))
OURS = st.sampled_from(["cancel", "amend"])
EVENTS = st.lists(st.one_of(PLAIN, FILL, FILL, UPDATE, OURS), max_size=25)


class Acts(Strategy):
    todo: Any = None

    def on_bar(self, bar: Bar) -> Any:
        todo, self.todo = self.todo, None
        return todo


class Desk:
    def __init__(self) -> None:
        limits = Limits(leverage_max_ratio=20_000_000)
        self.state = State(currency="USDT", cash=10**13, instruments=[PERPETUAL], limits=limits)
        self.acts = Acts()
        self.state.add("A", self.acts, 10**13)
        self.ts = 0
        step(self.state, Started(0))

    def act(self, intent: Any) -> None:
        self.acts.todo = intent
        self.ts += 60
        bar = Bar.of(PERPETUAL, self.ts, 100, 100, 100, 100, 1)
        step(self.state, bar)

    def tell(self, event: Any) -> None:
        if event == "cancel":
            self.act(Cancel(1))
        elif event == "amend":
            self.act(Amend(1, quantity=800))
        elif isinstance(event, tuple) and event[0] == "fill":
            _, trade, quantity = event
            price = 100
            step(
                self.state,
                OrderFilled(self.ts, "A-1", trade, price, quantity, 0, "USDT", False, price),
            )
        elif isinstance(event, tuple) and event[0] == "update":
            step(self.state, OrderUpdated(self.ts, "A-1", event[1], 90, 0))
        else:
            kind, *values = event if isinstance(event, tuple) else (event,)
            step(self.state, kind(self.ts, "A-1", *values))


@given(EVENTS)
def test_any_sequence_of_reports(events: list[Any]) -> None:
    desk = Desk()
    spec = OrderSpec(PERPETUAL.id, 1, 1_000, OrderType.LIMIT, 90)
    desk.act(Place(1, spec))
    order = desk.state.open["A-1"]
    slot = desk.state.instruments[PERPETUAL.id]
    counted: dict[int, int] = {}
    for event in events:
        before = order.status
        desk.tell(event)
        if isinstance(event, tuple) and event[0] == "fill":
            counted.setdefault(event[1], event[2])
        # The status moves along the table only, and out of a terminal one never.
        assert order.status is before or before not in TERMINAL
        if order.status is not before:
            reachable = set(TRANSITIONS[before].values())
            assert order.status in reachable | {OrderStatus.PARTIALLY_FILLED}
        # Every execution counts exactly once, wherever the order is.
        assert order.filled == sum(counted.values()) == slot.net.quantity
        # The sums that limits read are those of the open orders.
        is_open = order.status not in TERMINAL
        assert ("A-1" in desk.state.open) is is_open
        assert slot.open_buy == (max(0, order.leaves) if is_open else 0)
        assert slot.open_sell == 0
        assert slot.unknown == (1 if order.status is OrderStatus.UNKNOWN else 0)
    kinds = [type(fact) for fact in desk.state.facts]
    fills = [event for event in events if isinstance(event, tuple) and event[0] == "fill"]
    assert kinds.count(RepeatedFill) == len(fills) - len(counted)
    if order.filled > order.spec.quantity:
        assert ExcessFill in kinds or LateFill in kinds
