"""Run options: one rule for each field, and one message that names it."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from interlock.research.options import BacktestError, RunOptions, check_fee_units
from tests.scenario import SPOT

WRONG = [
    ("cash", 0.0, "cash=0.0 must be at least 1e-08"),
    ("cash", math.nan, "cash=nan must be at least"),
    ("cash", 1e12, "cash=1000000000000.0 must be at most 9e"),
    ("currency", 5, "currency=5 must be text"),
    ("fill", None, "fill=None must be one of next_open, same_close"),
    ("slippage", "much", "slippage='much' must be one of none, fixed"),
    ("slippage_bps", -1.0, "slippage_bps=-1.0 must be at least 0"),
    ("slippage_bps", 0.001, "slippage_bps=0.001 is finer than 0.01 basis points; round it"),
    ("volume_cap_pct", 0.0, "volume_cap_pct=0.0 must be at least 0.0001"),
    ("volume_cap_pct", 250.0, "volume_cap_pct=250.0 must be at most 100"),
    ("touch_fills", 1, "touch_fills=1 must be True or False"),
    ("leverage", "two", "leverage='two' must be a number"),
    ("leverage", 1.0000001, "leverage=1.0000001 is finer than 1e-6; round it"),
    ("margin_mode", "both", "margin_mode='both' must be one of cross, isolated"),
    ("maker_fee_bps", -10_000.0, "maker_fee_bps=-10000.0 must be at least -9999.99"),
    ("taker_fee_bps", math.inf, "taker_fee_bps=inf must be at most 9999.99"),
    ("order_latency_ms", -1.0, "order_latency_ms=-1.0 must be at least 0"),
    ("ack_latency_ms", math.inf, "ack_latency_ms=inf must be at most 1e"),
    ("feed_latency_ms", True, "feed_latency_ms=True must be a number"),
    ("liquidation_fee_bps", -1.0, "liquidation_fee_bps=-1.0 must be at least 0"),
    ("queue", "best", "queue='best'.*use risk_averse, proportional, power"),
    ("queue", 2, "queue=2 must be text"),
    ("order_notional_max", -5.0, "order_notional_max=-5.0 must be at least 0"),
    ("position_notional_max", math.nan, "position_notional_max=nan must be at least 0"),
    ("orders_per_second_max", 1.5, "orders_per_second_max=1.5 must be a whole number"),
    ("open_orders_max", -1, "open_orders_max=-1 must be a whole number of at least 0"),
    ("risk_free", math.inf, "risk_free=inf must be at most"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG, ids=lambda item: str(item)[:24])
def test_a_field_out_of_range_is_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(BacktestError, match=message):
        RunOptions(**{name: value})


def test_every_field_is_held_to_something() -> None:
    assert {name for name, _, _ in WRONG} == set(RunOptions.__struct_fields__)


def test_what_may_be_off_is_none() -> None:
    options = RunOptions(volume_cap_pct=None, maker_fee_bps=None, open_orders_max=None)
    assert (options.venue().volume_cap_ratio, options.limits().open_orders_max) == (None, None)


@pytest.mark.parametrize("queue", ["risk_averse", "proportional", "power", "power:3"])
def test_queue_models_by_their_names(queue: str) -> None:
    assert RunOptions(queue=queue).venue().queue == queue


def test_a_slippage_in_basis_points_is_fixed() -> None:
    assert (RunOptions().slippage, RunOptions(slippage_bps=50).slippage) == ("none", "fixed")
    assert RunOptions(slippage_bps=50) == RunOptions(slippage="fixed", slippage_bps=50)
    assert RunOptions(slippage_bps=50).venue().slippage.distance(10_000, 1, 0) == 50


def test_no_slippage_of_some_basis_points_is_refused() -> None:
    with pytest.raises(BacktestError, match="slippage='none' contradicts slippage_bps=50"):
        RunOptions(slippage="none", slippage_bps=50)


@pytest.mark.parametrize(("leverage", "kept"), [(0.5, 1), (1.0, 1), (1.5, 2), (10.0, 10)])
def test_the_venue_keeps_margin_by_the_leverage_of_the_run(leverage: float, kept: int) -> None:
    assert RunOptions(leverage=leverage).venue().leverage == kept


def test_a_fee_in_coins_needs_units_that_can_hold_it() -> None:
    spot = msgspec.structs.replace(SPOT, taker_rate=1_000, fee_asset="BTC")
    with pytest.raises(BacktestError, match=r"with quantity_exponent 8 and lot 100000, or take"):
        check_fee_units(spot)
    check_fee_units(msgspec.structs.replace(spot, quantity_exponent=8, lot=100_000))
    # A lot of a thousand coins pays a whole one.
    check_fee_units(msgspec.structs.replace(spot, quantity_exponent=0, lot=100_000))
    with pytest.raises(BacktestError, match="quantity_exponent 5 and lot 100000"):
        check_fee_units(msgspec.structs.replace(spot, quantity_exponent=0, lot=1))
    check_fee_units(msgspec.structs.replace(spot, fee_asset=""))
