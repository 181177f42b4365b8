"""Each rung of the fidelity ladder against the next finer one, on one record told in its terms."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interlock.model.order import OrderSpec
from interlock.sim.depth import DepthMarket
from interlock.sim.market import Market
from interlock.sim.order_flow import OrderFlowMarket
from interlock.sim.quotes import QuoteMarket
from tests.unit.sim.recorded_flow import SECOND, Step, filled, limit, market, record, true_fills

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
