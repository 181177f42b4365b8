"""Positions against exact cash flow: no unit of money appears or vanishes, whatever the fills."""

from __future__ import annotations

from fractions import Fraction

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from interlock.kernel.positions import (
    Position,
    Split,
    funding_payment,
    liquidation_price,
    maintenance_margin,
    settle,
    share_out,
)
from interlock.model.instrument import Instrument
from tests.scenario import EQUITY, PERPETUAL

FINE = msgspec.structs.replace(PERPETUAL, price_exponent=6, quantity_exponent=5)
FILLS = st.lists(
    st.tuples(st.integers(-(10**6), 10**6).filter(bool), st.integers(1, 10**9)), max_size=30
)


def flow(instrument: Instrument, fills: list[tuple[int, int]], mark: int) -> Fraction:
    """Profit by cash flow: what came in less what went out, plus the value of what is left."""
    scale = Fraction(10**8, 10 ** (instrument.price_exponent + instrument.quantity_exponent))
    paid = sum(Fraction(quantity * price) for quantity, price in fills)
    left = sum(quantity for quantity, _ in fills)
    return (Fraction(left * mark) - paid) * scale


@given(FILLS, st.integers(1, 10**9))
def test_profit_is_cash_flow_to_the_unit(fills: list[tuple[int, int]], mark: int) -> None:
    held = Position(PERPETUAL)
    realized = sum(held.fill(quantity, price) for quantity, price in fills)
    assert realized == held.realized
    assert held.quantity == sum(quantity for quantity, _ in fills)
    assert realized + held.unrealized(mark) == flow(PERPETUAL, fills, mark)
    assert (held.quantity > 0) == (held.cost > 0) or not held.quantity
    assert held.quantity or not held.cost


@given(FILLS, st.integers(1, 10**9))
def test_units_finer_than_money_round_once_per_fill(
    fills: list[tuple[int, int]], mark: int
) -> None:
    held = Position(FINE)
    for quantity, price in fills:
        held.fill(quantity, price)
    paid = sum(
        FINE.notional(price, abs(quantity)) * (1 if quantity > 0 else -1)
        for quantity, price in fills
    )
    # Wallet less cost is what was paid: to the unit, however often the position turned.
    assert held.realized - held.cost == -paid
    exact = flow(FINE, fills, mark)
    assert abs(held.realized + held.unrealized(mark) - exact) <= Fraction(len(fills) + 1, 2)


@given(FILLS, FILLS)
def test_two_owners_and_their_net_tell_the_same_flow(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    books = [Position(FINE), Position(FINE)]
    net = Position(FINE)
    for owner, fills in zip(books, (first, second), strict=True):
        for quantity, price in fills:
            owner.fill(quantity, price)
            net.fill(quantity, price)
    assert net.quantity == sum(owner.quantity for owner in books)
    assert net.realized - net.cost == sum(owner.realized - owner.cost for owner in books)


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**9), st.integers(-(10**9), 10**9))
def test_funding_is_never_to_our_favor(quantity: int, mark: int, rate: int) -> None:
    exact = -Fraction(quantity * mark * rate) * 1_000 / 10**10
    amount = funding_payment(PERPETUAL, quantity, mark, rate)
    assert exact - 1 < amount <= exact


@given(
    st.integers(-(10**6), 10**6).filter(bool),
    st.integers(1_000, 10**7),
    st.integers(0, 10**15),
)
def test_the_liquidation_price_is_where_margin_meets_maintenance(
    quantity: int, price: int, margin: int
) -> None:
    held = Position(PERPETUAL)
    held.fill(quantity, price)
    level = liquidation_price(held, margin)
    if level is None:
        return
    side = 1 if quantity > 0 else -1
    # Maintenance itself rounds up to the unit.
    for mark, alive in ((level, False), (level + side, True)):
        need = maintenance_margin(PERPETUAL, held.value(mark))
        room = margin + held.unrealized(mark) - need
        assert room >= -1 if alive else room <= 0


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(-(10**6), 10**6), min_size=1))
def test_shares_add_up(amount: int, weights: list[int]) -> None:
    parts = share_out(amount, weights)
    assert sum(parts) == (amount if sum(weights) else 0)
    assert sum(settle(amount, weights)) == amount


@given(
    st.integers(-(10**4), 10**4).filter(bool),
    st.integers(-(10**4), 10**4).filter(bool),
    st.integers(1, 30),
    st.integers(1, 30),
    st.integers(1, 10**6),
)
def test_a_split_keeps_the_value_of_everybody(
    first: int, second: int, numerator: int, denominator: int, price: int
) -> None:
    held = Position(EQUITY)
    held.fill(first, price)
    before = held.realized - held.cost
    split = Split(numerator, denominator, price)
    whole = split.whole(EQUITY, held.quantity)
    cash = split.cash(held, whole)
    value = Fraction(held.quantity * price * 10**6)
    split.apply(held, whole, cash)
    assert held.realized - held.cost == before + cash
    assert abs(Fraction(held.quantity) - Fraction(first * numerator, denominator)) < 1
    after = Fraction(held.quantity * price * 10**6 * denominator, numerator) + cash
    assert value - 1 < after <= value
