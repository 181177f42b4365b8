"""Instruments: the rule for a valid price, money brought to units once, fees on the right side."""

from __future__ import annotations

import msgspec
import pytest

from interlock.model.instrument import (
    FixedTick,
    Instrument,
    InstrumentError,
    InstrumentKind,
    MarginTier,
    SignificantFigures,
)
from tests.scenario import PERPETUAL

change = msgspec.structs.replace


def figures(price_exponent: int, decimals: int) -> Instrument:
    rule = SignificantFigures(figures=5, decimals=decimals)
    return change(PERPETUAL, price_exponent=price_exponent, price_rule=rule)


@pytest.mark.parametrize(
    ("exponent", "price", "valid"),
    [
        (1, 1_234_560, True),  # 123456.0: an integer, however long
        (1, 1_234_561, False),  # 123456.1
        (1, 12_345, True),  # 1234.5
        (2, 123_456, False),  # 1234.56: six figures
        (2, 123_450, True),  # 1234.5
        (6, 12_345, True),  # 0.012345
        (6, 123_456, False),  # 0.123456: six figures
        (6, 1_234_500, True),  # 1.2345
        (6, 1_234_510, False),  # 1.23451
    ],
)
def test_significant_figures(exponent: int, price: int, valid: bool) -> None:
    assert (figures(exponent, 6).price_fault(price) is None) is valid


def test_figures_are_capped_by_decimals() -> None:
    instrument = figures(6, 3)
    assert instrument.price_fault(12_000) is None
    assert instrument.price_fault(12_300) is not None
    assert instrument.round_price(12_300, up=True) == 13_000


@pytest.mark.parametrize("price", [999_995, 123_456, 100_001, 99_999, 1, 1_234_561])
@pytest.mark.parametrize("exponent", [1, 2, 4, 6])
def test_rounding_gives_a_valid_price_on_its_side(price: int, exponent: int) -> None:
    instrument = figures(exponent, 6)
    up, down = instrument.round_price(price, up=True), instrument.round_price(price, up=False)
    assert down <= price <= up
    assert instrument.price_fault(up) is None
    assert down == 0 or instrument.price_fault(down) is None


def test_fixed_tick_says_what_to_do() -> None:
    instrument = change(PERPETUAL, price_rule=FixedTick(50))
    assert instrument.price_fault(10_050) is None
    assert instrument.price_fault(10_049) == (
        "price 100.49 is not a multiple of 0.5; round it to the tick"
    )
    assert instrument.price_fault(0) == "price 0 must be positive"
    assert (instrument.round_price(10_049, up=True), instrument.round_price(10_049, up=False)) == (
        10_050,
        10_000,
    )


def test_quantity_faults_name_the_rule() -> None:
    instrument = change(PERPETUAL, lot=10, min_quantity=20, max_quantity=100)
    assert instrument.quantity_fault(50) is None
    assert "must be positive" in str(instrument.quantity_fault(0))
    assert "multiple of the lot 0.01" in str(instrument.quantity_fault(15))
    assert "below the minimum 0.02" in str(instrument.quantity_fault(10))
    assert "above the maximum 0.1" in str(instrument.quantity_fault(110))


def test_money_factor_on_both_sides_of_the_money_unit() -> None:
    assert PERPETUAL.money_factor == (1_000, 1)
    fine = change(PERPETUAL, price_exponent=6, quantity_exponent=5, multiplier=3)
    assert fine.money_factor == (3, 1_000)
    # 0.000001 x 0.00500 x 3 = 1.5e-8: a tie of the money unit.
    assert fine.notional(1, 500) == 2
    assert fine.notional(1, 500, "floor") == 1
    assert fine.notional(1, 500, "ceil") == 2
    assert fine.notional(1, -500, "toward_zero") == -1
    assert fine.notional(1, 834) == 3


def test_fees_round_away_from_zero_and_rebates_toward_it() -> None:
    assert PERPETUAL.fee(10_000, 400) == 4
    assert PERPETUAL.fee(10_001, 400) == 5
    assert PERPETUAL.fee(-10_001, 400) == 5
    assert PERPETUAL.fee(10_001, -400) == -4
    assert PERPETUAL.fee(2_499, -400) == 0
    assert PERPETUAL.fee(1, 0) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "BTCUSDT"},
        {"price_exponent": 13},
        {"quantity_exponent": -1},
        {"lot": 0},
        {"price_rule": FixedTick(0)},
        {"multiplier": 0},
        {"leverage_max": 0},
        {"taker_rate": 1_000_000},
        {"margin_tiers": ()},
    ],
)
def test_an_instrument_that_cannot_be_traded_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(InstrumentError):
        change(PERPETUAL, **changes)


def test_json_round_trip() -> None:
    instrument = change(
        PERPETUAL,
        kind=InstrumentKind.PERPETUAL,
        margin_tiers=(MarginTier(10**12, 5_000), MarginTier(0, 10_000, 5 * 10**9)),
        price_rule=SignificantFigures(5, 6),
    )
    data = msgspec.json.encode(instrument)
    assert msgspec.json.decode(data, type=Instrument) == instrument
