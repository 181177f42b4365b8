"""Checks: each planted fault is found on its row, and clean data has no findings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind, SignificantFigures
from interlock.research.catalog import Finding, Table, check_bars, check_table, instant
from interlock.research.catalog.checks import off_tick

MINUTE = 60 * 10**9
START = instant("2024-01-01")
ROWS = 2_000
BTC = Instrument(
    id="BTCUSDT-PERP.BINANCE",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=2,
    quantity_exponent=3,
    price_rule=FixedTick(10),
    lot=5,
)
Arrays = dict[str, np.ndarray]


def bars(instrument: Instrument = BTC, rows: int = ROWS) -> Table:
    generator = np.random.default_rng(7)
    close = 4_000_000 + 10 * np.cumsum(generator.integers(-30, 31, rows))
    opened = np.concatenate([[4_000_000], close[:-1]])
    arrays = {
        "ts": START + MINUTE * np.arange(rows),
        "open": opened,
        "high": np.maximum(opened, close) + 10,
        "low": np.minimum(opened, close) - 10,
        "close": close,
        "volume": generator.integers(1, 900, rows) * 5,
    }
    return Table(instrument, "bars", {k: v.astype(np.int64) for k, v in arrays.items()}, MINUTE)


def planted(table: Table, change: Callable[[Arrays], None]) -> Table:
    arrays = {name: array.copy() for name, array in table.arrays.items()}
    change(arrays)
    return replace(table, arrays=arrays)


def dropped(table: Table, rows: list[int]) -> Table:
    return table.take(np.delete(np.arange(len(table)), rows))


def found(findings: list[Finding], code: str) -> Finding:
    assert code in [item.code for item in findings], [item.code for item in findings]
    return next(item for item in findings if item.code == code)


def test_clean_bars_have_no_findings() -> None:
    assert check_bars(bars(), now_ns=instant("2024-06-01")) == []


def set_row(name: str, row: int, value: int) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name][row] = value

    return change


def bad_print(arrays: Arrays) -> None:
    for name in ("open", "high", "low", "close"):
        arrays[name][800] = 3_000_000


def swapped(arrays: Arrays) -> None:
    arrays["ts"][[70, 71]] = arrays["ts"][[71, 70]]


@pytest.mark.parametrize(
    ("change", "code", "row", "severity"),
    [
        (swapped, "unordered_time", 71, "error"),
        (set_row("ts", 90, START + 89 * MINUTE), "duplicate_time", 90, "error"),
        (set_row("ts", ROWS - 1, instant("2030-01-01")), "future_time", ROWS - 1, "error"),
        (set_row("ts", 90, START + 90 * MINUTE + 1), "off_grid_time", 90, "warning"),
        (set_row("high", 33, 3_000_000), "ohlc_contradiction", 33, "error"),
        (set_row("low", 34, 5_000_000), "ohlc_contradiction", 34, "error"),
        (set_row("low", 35, 0), "nonpositive_price", 35, "error"),
        (set_row("low", 36, -10), "nonpositive_price", 36, "error"),
        (set_row("low", 37, 3_900_001), "off_tick_price", 37, "warning"),
        (set_row("volume", 38, -5), "negative_quantity", 38, "error"),
        (set_row("volume", 39, 0), "zero_volume", 39, "info"),
        (bad_print, "outlier", 800, "warning"),
    ],
)
def test_a_planted_fault_is_found_on_its_row(
    change: Callable[[Arrays], None], code: str, row: int, severity: str
) -> None:
    finding = found(check_bars(planted(bars(), change), now_ns=instant("2024-06-01")), code)
    assert (finding.count, finding.rows[0].row, finding.severity) == (1, row, severity)
    assert finding.meaning
    assert finding.remedy


def test_gaps_are_holes_with_their_missing_bars() -> None:
    finding = found(check_bars(dropped(bars(), [100, 101, 102, 500])), "gap")
    assert finding.count == 2
    assert [row.row for row in finding.rows] == [100, 497]
    assert "4 bars in 2 holes, the largest 3 bars" in finding.meaning


def test_a_crash_that_goes_on_is_not_an_outlier() -> None:
    def crash(arrays: Arrays) -> None:
        for name in ("open", "high", "low", "close"):
            arrays[name][900:] -= 500_000

    codes = [item.code for item in check_bars(planted(bars(), crash))]
    assert "outlier" not in codes


def session_bars() -> Table:
    instrument = Instrument(
        id="SPY.ARCA", kind=InstrumentKind.EQUITY, base="SPY", quote="USD", price_exponent=2,
        quantity_exponent=0, price_rule=FixedTick(1), lot=1, calendar="XNYS",
    )  # fmt: skip
    # 2024-01-12 is a Friday, 2024-01-15 a holiday; New York opens at 14:30 UTC.
    days = ["2024-01-11", "2024-01-12", "2024-01-16"]
    minutes = np.concatenate(
        [instant(f"{day}T14:30:00Z") + MINUTE * np.arange(390, dtype=np.int64) for day in days]
    )
    table = bars(instrument, len(minutes))
    return replace(table, arrays={**table.arrays, "ts": minutes})


def test_nights_weekends_and_holidays_are_no_gaps() -> None:
    assert check_bars(session_bars()) == []


def test_a_missing_minute_of_a_session_is_a_gap() -> None:
    finding = found(check_bars(dropped(session_bars(), [389, 390, 600])), "gap")
    assert finding.count == 2
    assert "3 bars in 2 holes" in finding.meaning


def test_a_bar_outside_every_session_is_named() -> None:
    table = planted(session_bars(), set_row("ts", 1169, instant("2024-01-17T03:00:00Z")))
    assert found(check_bars(table), "outside_session").rows[0].row == 1169


def quotes(rows: int = 50) -> Table:
    arrays = {
        "ts": START + np.arange(rows) * 10**9,
        "bid": np.full(rows, 4_000_000),
        "bid_quantity": np.full(rows, 5),
        "ask": np.full(rows, 4_000_010),
        "ask_quantity": np.full(rows, 5),
    }
    return Table(BTC, "quotes", {k: v.astype(np.int64) for k, v in arrays.items()})


def trades(rows: int = 50) -> Table:
    arrays = {
        "ts": START + np.arange(rows) * 10**9,
        "price": np.full(rows, 4_000_000),
        "quantity": np.full(rows, 5),
        "side": np.ones(rows),
    }
    return Table(BTC, "trades", {k: v.astype(np.int64) for k, v in arrays.items()})


def depth() -> Table:
    # Two snapshot levels, then five one-row messages 11..15.
    arrays = {
        "ts": START + np.arange(7) * 10**9,
        "sequence": [10, 10, 11, 12, 13, 14, 15],
        "previous_sequence": [9, 9, 10, 11, 12, 13, 14],
        "is_snapshot": [1, 1, 0, 0, 0, 0, 0],
        "side": [1, -1, 1, -1, 1, -1, 1],
        "price": [100_000, 101_000, 100_100, 100_900, 100_200, 100_900, 100_200],
        "quantity": [5, 5, 5, 5, 5, 0, 10],
    }
    return Table(BTC, "depth", {k: np.asarray(v, dtype=np.int64) for k, v in arrays.items()})


def orders() -> Table:
    arrays = {
        "ts": START + np.arange(4) * 10**9,
        "order_id": [1, 2, 1, 2],
        "action": [1, 1, 2, 3],
        "side": [1, -1, 1, -1],
        "price": [100_000, 101_000, 100_000, 101_000],
        "quantity": [10, 5, 5, 5],
    }
    return Table(BTC, "orders", {k: np.asarray(v, dtype=np.int64) for k, v in arrays.items()})


def funding() -> Table:
    arrays = {"ts": START + np.arange(20) * 8 * 3600 * 10**9, "rate": np.full(20, 1_000_000)}
    return Table(BTC, "funding", {k: v.astype(np.int64) for k, v in arrays.items()})


@pytest.mark.parametrize("table", [quotes(), trades(), depth(), orders(), funding()])
def test_clean_data_of_every_kind_has_no_findings(table: Table) -> None:
    assert check_table(table, now_ns=instant("2024-06-01")) == []


@pytest.mark.parametrize(
    ("table", "name", "row", "value", "code"),
    [
        (quotes(), "bid", 7, 4_000_020, "crossed_quote"),
        (quotes(), "bid", 7, 4_000_010, "locked_quote"),
        (quotes(), "ask", 8, 0, "zero_side"),
        (quotes(), "ask", 8, -10, "nonpositive_price"),
        (quotes(), "bid_quantity", 9, -1, "negative_quantity"),
        (quotes(), "ask", 9, 4_000_011, "off_tick_price"),
        (quotes(), "bid", 20, 3_000_000, "outlier"),
        (trades(), "price", 5, 0, "nonpositive_price"),
        (trades(), "quantity", 5, 0, "zero_quantity"),
        (trades(), "quantity", 5, -5, "negative_quantity"),
        (trades(), "quantity", 5, 7, "off_lot_quantity"),
        (trades(), "side", 5, 0, "unknown_side"),
        (trades(), "side", 5, 2, "bad_side"),
        (trades(), "price", 25, 8_000_000, "outlier"),
        (trades(), "ts", 25, START, "unordered_time"),
        (depth(), "previous_sequence", 4, 11, "sequence_break"),
        (depth(), "price", 4, 100_900, "crossed_book"),
        (depth(), "side", 4, 0, "bad_side"),
        (orders(), "action", 0, 2, "unknown_order"),
        (orders(), "action", 1, 9, "bad_action"),
        (funding(), "rate", 4, 10**9, "extreme_rate"),
    ],
)
def test_a_planted_fault_in_ticks_is_found_on_its_row(
    table: Table, name: str, row: int, value: int, code: str
) -> None:
    finding = found(check_table(planted(table, set_row(name, row, value))), code)
    assert finding.rows[0].row == row


def test_a_lost_message_breaks_the_sequence() -> None:
    finding = found(check_table(dropped(depth(), [3])), "sequence_break")
    assert finding.rows[0].row == 3
    assert "follows 12, the message before is 11" in finding.rows[0].detail


def test_a_missing_funding_time_is_a_gap() -> None:
    assert found(check_table(dropped(funding(), [5])), "gap").rows[0].row == 5


def test_significant_figures_hold_the_instruments_own_rule() -> None:
    instrument = Instrument(
        id="X-PERP.HYPERLIQUID", kind=InstrumentKind.PERPETUAL, base="X", quote="USDC",
        price_exponent=6, quantity_exponent=2, lot=1,
        price_rule=SignificantFigures(figures=5, decimals=4),
    )  # fmt: skip
    generator = np.random.default_rng(3)
    prices = 10 ** generator.integers(0, 12, 500) * generator.integers(1, 99_999, 500)
    prices = np.concatenate([prices, generator.integers(1, 10**11, 500)])
    assert off_tick(prices, instrument).tolist() == [
        instrument.price_fault(int(price)) is not None for price in prices
    ]
