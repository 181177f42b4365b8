"""Positions: cost and quantity, released cost, margin and liquidation, funding, splits."""

from __future__ import annotations

import msgspec
import pytest

from interlock.kernel.positions import (
    Position,
    Split,
    funding_payment,
    initial_margin,
    liquidation_price,
    maintenance_margin,
    settle,
    share_out,
    tier_of,
)
from interlock.model.instrument import MarginTier
from interlock.model.units import parse_units
from tests.scenario import EQUITY, PERPETUAL

# One price unit x one quantity unit = one money unit: numbers that can be followed by hand.
PLAIN = msgspec.structs.replace(PERPETUAL, price_exponent=4, quantity_exponent=4)
CENTS = msgspec.structs.replace(PERPETUAL, price_exponent=2, quantity_exponent=0)


def money(text: str) -> int:
    return parse_units(text, 8)


def test_a_part_releases_its_share_rounded_toward_zero() -> None:
    held = Position(PLAIN)
    held.fill(3, 10)
    held.fill(4, 11)
    assert (held.quantity, held.cost) == (7, 74)
    # 74 x 2 / 7 = 21.14: 21 are released, the rest stays with the open part.
    assert held.fill(-2, 12) == 24 - 21
    assert (held.quantity, held.cost) == (5, 53)
    assert held.fill(-5, 12) == 60 - 53
    assert (held.quantity, held.cost, held.realized) == (0, 0, 10)


def test_a_short_mirrors_a_long() -> None:
    held = Position(PLAIN)
    held.fill(-7, 10)
    assert (held.quantity, held.cost) == (-7, -70)
    assert held.fill(2, 9) == 2
    assert held.unrealized(8) == 10
    assert held.value(8) == -40


def test_a_flip_is_a_close_and_an_open_at_one_price() -> None:
    held = Position(PLAIN)
    held.fill(3, 10)
    assert held.fill(-5, 12) == 6
    assert (held.quantity, held.cost, held.realized) == (-2, -24, 6)
    assert held.average_price() == 12 / 10_000


@pytest.mark.parametrize(
    ("side", "price"), [(1, "45226.13"), (-1, "54726.37")], ids=["long", "short"]
)
def test_golden_liquidation_prices(side: int, price: str) -> None:
    held = Position(CENTS)
    held.fill(side, 5_000_000)
    assert liquidation_price(held, money("5000")) == parse_units(price, 2)


def test_the_liquidation_price_is_the_first_unit_that_is_liquidated() -> None:
    for side in (1, -1):
        held = Position(CENTS)
        held.fill(side, 5_000_000)
        level = liquidation_price(held, money("5000"))
        assert level is not None

        def room(mark: int, held: Position = held) -> int:
            margin = money("5000") + held.unrealized(mark)
            return margin - maintenance_margin(CENTS, held.value(mark))

        assert room(level) <= 0 < room(level + side)


def test_what_cannot_be_liquidated_has_no_price() -> None:
    held = Position(CENTS)
    assert liquidation_price(held, 0) is None
    held.fill(1, 5_000_000)
    assert liquidation_price(held, money("50000")) is None


def test_maintenance_by_tier() -> None:
    tiers = (MarginTier(money("50000"), 4_000), MarginTier(0, 5_000, money("50")))
    instrument = msgspec.structs.replace(CENTS, margin_tiers=tiers)
    assert tier_of(instrument, money("50000")) is tiers[0]
    assert tier_of(instrument, money("50000") + 1) is tiers[1]
    assert maintenance_margin(instrument, money("50000")) == money("200")
    assert maintenance_margin(instrument, -money("100000")) == money("450")
    held = Position(instrument)
    held.fill(2, 5_000_000)
    # (100,000 - 10,000 - 50) / (2 x 0.995)
    assert liquidation_price(held, money("10000")) == parse_units("45201.00", 2)


@pytest.mark.parametrize(
    ("side", "price"),
    # Short: (100,000 + 40,000 + 550) / (2 x 1.01); long, in the small tier at the lower price:
    # (100,000 - 70,000) / (2 x 0.996).
    [(-1, "69579.21"), (1, "15060.24")],
    ids=["short into a larger tier", "long into a smaller tier"],
)
def test_the_tier_is_that_of_the_notional_at_liquidation(side: int, price: str) -> None:
    tiers = (
        MarginTier(money("50000"), 4_000),
        MarginTier(money("100000"), 5_000, money("50")),
        MarginTier(0, 10_000, money("550")),
    )
    instrument = msgspec.structs.replace(CENTS, margin_tiers=tiers)
    held = Position(instrument)
    held.fill(2 * side, 5_000_000)
    margin = money("40000" if side < 0 else "70000")
    level = liquidation_price(held, margin)
    assert level == parse_units(price, 2)

    def room(mark: int) -> int:
        return margin + held.unrealized(mark) - maintenance_margin(instrument, held.value(mark))

    assert room(level) <= 0 < room(level + side)


def test_tiers_that_leap_do_not_liquidate_a_long_that_is_sound() -> None:
    tiers = (MarginTier(money("60000"), 4_000), MarginTier(0, 200_000))
    held = Position(msgspec.structs.replace(CENTS, margin_tiers=tiers))
    held.fill(1, 5_000_000)
    # In the large tier, above its cost, the margin would not do; that is not below the market.
    assert liquidation_price(held, money("1000")) == parse_units("49196.78", 2)


def test_initial_margin_rounds_up() -> None:
    assert initial_margin(PLAIN, 100, 3) == 34
    assert initial_margin(PLAIN, -100, 3) == 34


@pytest.mark.parametrize(
    ("quantity", "rate", "amount"),
    [
        (1_000, 100_000_000, -1_000),  # a long pays 1 %
        (-1_000, 100_000_000, 1_000),  # a short receives it
        (1_000, -100_000_000, 1_000),
        (1, 15_000_000, -1),  # 0.15 is paid as 1
        (-1, 15_000_000, 0),  # and received as 0
        (-1, 199_000_000, 1),
    ],
)
def test_funding_sign_and_rounding(quantity: int, rate: int, amount: int) -> None:
    assert funding_payment(PLAIN, quantity, 100, rate) == amount


def test_shares_add_up() -> None:
    assert share_out(-20, [3, -1]) == [-30, 10]
    assert share_out(10, [1, 1, 1]) == [4, 3, 3]
    assert share_out(0, [5, 5]) == [0, 0]
    assert share_out(7, [1, -1]) == [0, 0]
    assert settle(10, [3, 3, 3]) == [4, 3, 3]
    assert settle(0, []) == []


def test_a_fee_in_the_base_asset_takes_quantity_not_money() -> None:
    held = Position(PLAIN)
    held.fill(1_000, 10)
    assert held.take_fee_in_base(1) == 0
    assert (held.quantity, held.cost) == (999, 10_000)


def test_a_fee_that_takes_all_that_was_bought_loses_its_cost() -> None:
    held = Position(PLAIN)
    held.fill(1, 10)
    assert held.take_fee_in_base(1) == -10
    assert (held.quantity, held.cost, held.realized) == (0, 0, -10)


def test_a_split_keeps_the_cost_and_pays_the_fraction() -> None:
    held = Position(EQUITY)
    held.fill(5, 10_000)
    split = Split(3, 2, 12_000)
    whole = split.whole(EQUITY, held.quantity)
    # 7.5 new shares; half a new share is a third of an old one: 40.
    cash = split.cash(held, whole)
    assert (whole, cash) == (7, money("40"))
    # A fifteenth of the cost of 500 goes with it.
    assert split.apply(held, whole, cash) == money("40") - money("500") // 15
    assert held.quantity == 7
    assert held.cost == money("500") - money("500") // 15


def test_a_reverse_split_of_a_short_pays_for_the_fraction() -> None:
    held = Position(EQUITY)
    held.fill(-3, 10_000)
    split = Split(1, 2, 10_000)
    whole = split.whole(EQUITY, held.quantity)
    assert (whole, split.cash(held, whole)) == (-1, -money("100"))
    assert split.apply(held, whole, -money("100")) == 0
    assert (held.quantity, held.cost) == (-1, -money("200"))
