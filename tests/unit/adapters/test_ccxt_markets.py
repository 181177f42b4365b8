"""Market descriptions of ccxt become instruments, or a refusal that says why."""

from __future__ import annotations

from typing import Any

import pytest

from interlock.adapters.ccxt_history import DataRefusedError, HistoryRequest
from interlock.adapters.ccxt_history.markets import (
    DECIMAL_PLACES,
    SIGNIFICANT_DIGITS,
    TICK_SIZE,
    instrument_of,
)
from interlock.model.instrument import FixedTick, Instrument, SignificantFigures


def market(**changes: Any) -> dict[str, Any]:
    """A linear perpetual as ccxt describes it."""
    facts: dict[str, Any] = {
        "symbol": "ETH/USDT:USDT",
        "base": "ETH",
        "quote": "USDT",
        "settle": "USDT",
        "type": "swap",
        "spot": False,
        "swap": True,
        "linear": True,
        "contractSize": 1.0,
        "precision": {"price": 0.01, "amount": 0.001},
        "limits": {"amount": {"min": 0.001, "max": 500.0}, "cost": {"min": 5.0}},
        "maker": 0.0002,
        "taker": 0.00055,
        "info": {},
    }
    return facts | changes


def described(
    facts: dict[str, Any], *, venue: str = "bybit", mode: int = TICK_SIZE, **asked: int
) -> Instrument:
    request = HistoryRequest(symbol=facts["symbol"], kind="bars", step="1m", start_ns=0, **asked)
    return instrument_of(facts, venue=venue, precision_mode=mode, request=request)


def test_exponents_are_the_decimals_of_tick_and_lot() -> None:
    found = described(market(precision={"price": 0.05, "amount": 1e-05}))
    assert (found.price_exponent, found.quantity_exponent) == (2, 5)
    assert found.price_rule == FixedTick(5)
    assert (found.lot, found.min_quantity, found.max_quantity) == (1, 100, 50_000_000)


def test_a_tick_above_one_needs_no_decimals() -> None:
    found = described(market(precision={"price": 5.0, "amount": 10.0}))
    assert (found.price_exponent, found.quantity_exponent) == (0, 0)
    assert (found.price_rule, found.lot) == (FixedTick(5), 10)


def test_decimal_places_mean_the_same() -> None:
    found = described(market(precision={"price": 2, "amount": 3}), mode=DECIMAL_PLACES)
    assert found == described(market())


def test_contracts_become_quantities_of_the_base() -> None:
    limits = {"amount": {"min": 1.0, "max": 100.0}, "cost": {}}
    facts = market(contractSize=0.01, precision={"price": 0.1, "amount": 1.0}, limits=limits)
    found = described(facts, venue="okx")
    assert found.quantity_exponent == 2
    assert (found.lot, found.min_quantity, found.max_quantity) == (1, 1, 100)


def test_a_limit_finer_than_the_unit_takes_the_stricter_side() -> None:
    limits = {"amount": {"min": 0.00015, "max": 63.01197227}, "cost": {"min": 1.0}}
    found = described(market(limits=limits))
    assert (found.min_quantity, found.max_quantity) == (1, 63_011)


def test_hyperliquid_prices_have_five_figures() -> None:
    found = described(market(info={"szDecimals": "4"}), venue="hyperliquid")
    assert found.price_rule == SignificantFigures(5, 2)
    assert found.price_exponent == 2
    assert found.funding_interval_ns == 3_600 * 10**9


def test_the_stated_funding_interval_counts() -> None:
    assert described(market()).funding_interval_ns == 8 * 3_600 * 10**9
    stated = described(market(info={"fundingInterval": "240"}))
    assert stated.funding_interval_ns == 4 * 3_600 * 10**9


def test_a_rebate_stays_negative() -> None:
    assert described(market(maker=-0.0001)).maker_rate == -100


@pytest.mark.parametrize(
    ("changes", "mode", "message"),
    [
        ({"linear": False, "settle": "ETH"}, TICK_SIZE, "inverse contract, settled in ETH"),
        ({"swap": False, "type": "future"}, TICK_SIZE, "type future; only spot markets"),
        ({"precision": {"price": None, "amount": 1.0}}, TICK_SIZE, "no step for its price"),
        ({"precision": {"price": 0.1, "amount": 0.0}}, TICK_SIZE, "must be positive"),
        ({"precision": {"price": 5, "amount": 1}}, SIGNIFICANT_DIGITS, "--price-exponent"),
    ],
)
def test_what_has_no_accounting_is_refused(
    changes: dict[str, Any], mode: int, message: str
) -> None:
    with pytest.raises(DataRefusedError, match=message):
        described(market(**changes), mode=mode)
