"""Each rung of the fidelity ladder against the next finer one, on one record told in its terms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.model.events import OrderFilled
from interlock.model.order import OrderSpec, OrderType, TimeInForce
from interlock.sim.depth import DepthMarket
from interlock.sim.market import Market
from interlock.sim.order_flow import OrderFlowMarket
from interlock.sim.quotes import QuoteMarket
from tests.unit.sim.recorded_flow import (
    COIN,
    SECOND,
    Step,
    filled,
    limit,
    market,
    record,
    true_fills,
)

STEPS = 60
SEEDS = st.integers(0, 2**32)


class Case(NamedTuple):
    """A record and one order of ours, ``depth`` ticks behind the touch after step ``at``."""

    seed: int
    gap: int
    at: int
    side: int
    depth: int
    quantity: int
    trades_first: bool


def cases(**fixed) -> st.SearchStrategy[Case]:
    drawn = {
        "seed": SEEDS,
        "gap": st.sampled_from([1, 30_000_000, SECOND]),
        "at": st.integers(5, 30),
        "side": st.sampled_from([1, -1]),
        "depth": st.integers(0, 2),
        "quantity": st.integers(1, 12),
        "trades_first": st.booleans(),
    }
    return st.builds(Case, **drawn | fixed)


def play(of: Market, steps: list[Step], case: Case, spec: OrderSpec) -> list[int]:
    """Our cumulative fills after each step, our order being sent after step ``case.at``."""
    found = []
    for number, step in enumerate(steps):
        step.play(of, trades_first=case.trades_first)
        if number == case.at:
            of.submit(step.ts, "ours", spec)
        found.append(filled(of))
    return found


def passive(steps: list[Step], case: Case) -> OrderSpec | None:
    """An order of ours that rests on arrival, if there are two sides and room for it."""
    bid, _, ask, _ = steps[case.at].touch
    price = (bid if case.side > 0 else ask) - case.side * case.depth
    if not bid or not ask or (case.depth < 0 and not bid < price < ask):
        return None
    return limit(case.side, price, case.quantity)


def never_before(coarse: list[int], fine: list[int]) -> bool:
    return all(early <= late for early, late in zip(coarse, fine, strict=True))


@settings(max_examples=150)
@given(case=cases(depth=st.integers(-1, 2)))
def test_levels_never_fill_before_orders(case: Case) -> None:
    steps = record(case.seed, STEPS, case.gap)
    spec = passive(steps, case)
    if spec is None:
        return
    levels = play(market(DepthMarket), steps, case, spec)
    assert never_before(levels, play(market(OrderFlowMarket), steps, case, spec))


@settings(max_examples=150)
@given(case=cases(depth=st.integers(-1, 2)))
def test_orders_fill_first_when_the_true_book_does(case: Case) -> None:
    """Until history would have changed, that is up to and including the step of our first fill."""
    steps = record(case.seed, STEPS, case.gap)
    spec = passive(steps, case)
    if spec is None:
        return
    orders = play(market(OrderFlowMarket), steps, case, spec)
    truth = true_fills(steps, case.at, spec)
    first = next((k for k, total in enumerate(truth) if total), STEPS - 1)
    assert orders[:first] == truth[:first]
    if case.gap == SECOND:
        # Spaced beyond the wait for a trade that explains a shrink, the place is exact.
        assert orders[first] == truth[first]
    else:
        assert orders[first] <= truth[first]


@settings(max_examples=150)
@given(case=cases(gap=st.just(SECOND), quantity=st.just(1), trades_first=st.just(True)))
def test_the_touch_never_fills_one_lot_before_levels(case: Case) -> None:
    """Holds for one lot and for trades told before the touch that they leave.

    A larger order is filled whole by the touch when it is crossed, but by levels only up to what
    crosses it.
    """
    steps = record(case.seed, STEPS, case.gap)
    spec = passive(steps, case)
    if spec is None:
        return
    touch = play(market(QuoteMarket), steps, case, spec)
    assert never_before(touch, play(market(DepthMarket), steps, case, spec))


@pytest.mark.parametrize("queue", ["proportional", "power", "power:3"])
@settings(max_examples=60)
@given(case=cases())
def test_other_queue_models_never_fill_after_the_risk_averse(queue: str, case: Case) -> None:
    steps = record(case.seed, STEPS, case.gap)
    spec = passive(steps, case)
    if spec is None:
        return
    slow = play(market(DepthMarket), steps, case, spec)
    assert never_before(slow, play(market(DepthMarket, queue), steps, case, spec))


def ask_something(of: DepthMarket, generator: np.random.Generator, ts: int, number: int) -> None:
    """One request of ours at random: a new order of any kind, a cancel or an amendment."""
    keys = list(of.working)
    chance = generator.random()
    if keys and chance < 0.3:
        of.cancel(ts, keys[int(generator.integers(len(keys)))])
        return
    if keys and chance < 0.5:
        price = int(generator.integers(95, 106)) if chance < 0.4 else 0
        key = keys[int(generator.integers(len(keys)))]
        if not of.working[key].is_limit:
            price = 0
        of.amend(ts, key, quantity=int(generator.integers(1, 12)), price=price)
        return
    side = 1 if generator.random() < 0.5 else -1
    quantity = int(generator.integers(1, 12))
    price = int(generator.integers(96, 105))
    kinds = [
        limit(side, price, quantity),
        limit(side, price, quantity, post_only=True),
        limit(side, price, quantity, time_in_force=TimeInForce.IOC),
        limit(side, price, quantity, time_in_force=TimeInForce.FOK),
        limit(side, price, quantity, reduce_only=True),
        OrderSpec(COIN.id, side, quantity),
        OrderSpec(COIN.id, side, quantity, OrderType.STOP_MARKET, trigger=100 + side * 3),
    ]
    of.submit(ts, f"{number}", kinds[int(generator.integers(len(kinds)))])


@pytest.mark.parametrize("kind", [DepthMarket, OrderFlowMarket])
@settings(max_examples=80)
@given(seed=SEEDS, trades_first=st.booleans())
def test_any_requests_keep_the_market_in_order(kind, seed: int, trades_first: bool) -> None:
    generator = np.random.Generator(np.random.PCG64(seed))
    of = market(kind, "power")
    for number, step in enumerate(record(seed, STEPS, 40_000_000)):
        step.play(of, trades_first=trades_first)
        ask_something(of, generator, step.ts, number)
        resting = [o for o in of.working.values() if o.rested and o.is_limit]
        queued = [order for queue in of._queues.values() for order in queue.orders]
        assert sorted(o.client_order_id for o in queued) == sorted(
            o.client_order_id for o in resting
        )
        assert all(order.ahead >= 0 and order.leaves > 0 for order in resting)
        assert all(order.side * order.price in of._queues for order in resting)
        assert of._top_buy >= max((o.price for o in resting if o.side > 0), default=0)
        assert of._top_sell <= min((o.price for o in resting if o.side < 0), default=1 << 62)
    assert of.trades == sum(isinstance(report, OrderFilled) for report in of.reports)
