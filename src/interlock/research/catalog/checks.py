"""Checks of stored data: vectorised, they name rows and remedies and change nothing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from interlock.model.instrument import FixedTick, Instrument
from interlock.model.units import FUNDING_SCALE
from interlock.research.catalog.book import book_findings
from interlock.research.catalog.findings import Finding, FindingRow, at_rows, finding, where
from interlock.research.catalog.outliers import bad_prints
from interlock.research.catalog.sessions import missing_bars, outside_sessions
from interlock.research.catalog.table import PREVIOUS, Table, table_of
from interlock.research.catalog.times import distinct, step_name
from interlock.strategy.columns import (
    BarColumns,
    Columns,
    DepthColumns,
    FundingColumns,
    Integers,
    OrderColumns,
    QuoteColumns,
    TradeColumns,
)

_DAY = 86_400 * 10**9
_EXTREME_RATE = FUNDING_SCALE * 3 // 100
# Bars whose step is longer than a day have no fixed grid in every source (weeks, months).
_POWERS = 10 ** np.arange(19, dtype=np.int64)


def check_table(columns: Columns | Table, *, now_ns: int | None = None) -> list[Finding]:
    """All findings on columns of any kind; ``now_ns`` (UTC) enables the check of future times."""
    table = table_of(columns)
    if not len(table):
        return []
    findings = _times(table, now_ns)
    check = {
        "bars": _bars,
        "quotes": _quotes,
        "trades": _trades,
        "depth": _depth,
        "orders": _orders,
        "funding": _funding,
        "mark": _mark,
    }[table.kind]
    return findings + check(table)


def check_bars(columns: BarColumns | Table, *, now_ns: int | None = None) -> list[Finding]:
    """Findings on bars: times, gaps by calendar, OHLC, prices, ticks, volume, outliers."""
    return check_table(columns, now_ns=now_ns)


def check_quotes(columns: QuoteColumns | Table, *, now_ns: int | None = None) -> list[Finding]:
    """Findings on quotes: times, crossed and locked quotes, missing sides, ticks, outliers."""
    return check_table(columns, now_ns=now_ns)


def check_trades(columns: TradeColumns | Table, *, now_ns: int | None = None) -> list[Finding]:
    """Findings on trades: times, prices, quantities, ticks, lots, outliers."""
    return check_table(columns, now_ns=now_ns)


def check_depth(columns: DepthColumns | Table, *, now_ns: int | None = None) -> list[Finding]:
    """Findings on depth: times, sequence, prices and a rebuilt book that must not cross."""
    return check_table(columns, now_ns=now_ns)


def check_orders(columns: OrderColumns | Table, *, now_ns: int | None = None) -> list[Finding]:
    """Findings on order events: times, actions, sides, orders that were never added."""
    return check_table(columns, now_ns=now_ns)


def check_funding(columns: FundingColumns | Table, *, now_ns: int | None = None) -> list[Finding]:
    """Findings on funding: times, gaps against the instrument's interval, extreme rates."""
    return check_table(columns, now_ns=now_ns)


def _times(table: Table, now_ns: int | None) -> list[Finding]:
    ts = table.arrays["ts"]
    findings = at_rows("unordered_time", ts, rows=np.flatnonzero(ts[1:] < ts[:-1]) + 1)
    if table.kind in ("bars", "funding", "mark"):
        findings += at_rows("duplicate_time", ts, rows=_duplicates(ts))
    if now_ns is not None:
        # A bar is only complete at its close: one still running holds the future.
        findings += where("future_time", ts, mask=ts + table.step_ns > now_ns)
    return findings


def _duplicates(ts: Integers) -> Integers:
    order = np.argsort(ts, kind="stable") if np.any(ts[1:] < ts[:-1]) else np.arange(len(ts))
    same = ts[order][1:] == ts[order][:-1]
    return np.sort(order[1:][same])


def _bars(table: Table) -> list[Finding]:
    arrays, ts = table.arrays, table.arrays["ts"]
    opens, highs, lows, closes = (arrays[name] for name in ("open", "high", "low", "close"))
    findings = _gaps(table)
    wrong = (highs < np.maximum(opens, closes)) | (lows > np.minimum(opens, closes))
    wrong |= highs < lows
    text = table.instrument.price_text

    def shown(row: int) -> str:
        names = ("open", "high", "low", "close")
        return " ".join(f"{name} {text(int(arrays[name][row]))}" for name in names)

    findings += where("ohlc_contradiction", ts, mask=wrong, detail=shown)
    nonpositive = np.minimum(np.minimum(opens, closes), np.minimum(lows, highs)) <= 0
    findings += where("nonpositive_price", ts, mask=nonpositive, detail=shown)
    findings += _off_tick(table, ("open", "high", "low", "close"))
    findings += where("negative_quantity", ts, mask=arrays["volume"] < 0)
    findings += where("zero_volume", ts, mask=arrays["volume"] == 0)
    return findings + _outliers(table, closes, "close")


def _gaps(table: Table) -> list[Finding]:
    ts, step = table.arrays["ts"], table.step_ns
    times = distinct(ts)
    calendar = table.instrument.calendar
    findings: list[Finding] = []
    if step <= _DAY and calendar == "24/7":
        findings += where("off_grid_time", ts, mask=(ts - ts[0]) % step != 0)
    findings += at_rows("outside_session", ts, rows=outside_sessions(ts, step, calendar=calendar))
    after, missing = missing_bars(times, step, calendar=calendar)
    if len(after):
        rows = _rows_of(ts, times, after)
        largest = int(missing.max())
        note = f"{int(missing.sum())} bars in {len(after)} holes, the largest {largest} bars"
        shown = tuple(
            FindingRow(int(row), int(ts[row]), f"{int(lack)} bars of {step_name(step)} before it")
            for row, lack in zip(rows[:5], missing[:5], strict=True)
        )
        findings.append(finding("gap", len(after), rows=shown, also=note))
    return findings


def _rows_of(ts: Integers, times: Integers, chosen: Integers) -> Integers:
    if len(ts) == len(times) and bool(np.all(ts[1:] > ts[:-1])):
        return chosen
    first = np.argsort(ts, kind="stable")
    found: Integers = first[np.searchsorted(ts[first], times[chosen], "left")]
    return found


def _quotes(table: Table) -> list[Finding]:
    arrays, ts = table.arrays, table.arrays["ts"]
    bid, ask, text = arrays["bid"], arrays["ask"], table.instrument.price_text
    both = (bid > 0) & (ask > 0)

    def shown(row: int) -> str:
        return f"bid {text(int(bid[row]))} ask {text(int(ask[row]))}"

    findings = where("crossed_quote", ts, mask=both & (bid > ask), detail=shown)
    findings += where("locked_quote", ts, mask=both & (bid == ask), detail=shown)
    findings += where("zero_side", ts, mask=(bid == 0) | (ask == 0), detail=shown)
    findings += where("nonpositive_price", ts, mask=(bid < 0) | (ask < 0), detail=shown)
    negative = (arrays["bid_quantity"] < 0) | (arrays["ask_quantity"] < 0)
    findings += where("negative_quantity", ts, mask=negative)
    findings += _off_tick(table, ("bid", "ask"))
    whole = np.flatnonzero(both)
    return findings + _outliers(table, (bid + ask)[whole] // 2, "mid price", rows=whole)


def _trades(table: Table) -> list[Finding]:
    arrays, ts = table.arrays, table.arrays["ts"]
    quantity, text = arrays["quantity"], table.instrument.price_text
    price = arrays["price"]
    findings = where(
        "nonpositive_price",
        ts,
        mask=price <= 0,
        detail=lambda row: f"price {text(int(price[row]))}",
    )
    findings += where("negative_quantity", ts, mask=quantity < 0)
    findings += where("zero_quantity", ts, mask=quantity == 0)
    findings += _off_tick(table, ("price",))
    findings += where("off_lot_quantity", ts, mask=quantity % table.instrument.lot != 0)
    findings += where("unknown_side", ts, mask=arrays["side"] == 0)
    findings += where("bad_side", ts, mask=np.abs(arrays["side"]) > 1)
    return findings + _outliers(table, price, "price")


def _depth(table: Table) -> list[Finding]:
    arrays, ts = table.arrays, table.arrays["ts"]
    findings = where("bad_side", ts, mask=np.abs(arrays["side"]) != 1)
    findings += where("nonpositive_price", ts, mask=arrays["price"] <= 0)
    findings += where("negative_quantity", ts, mask=arrays["quantity"] < 0)
    findings += _off_tick(table, ("price",))
    if not arrays["is_snapshot"].any():
        findings += at_rows("no_snapshot", ts, rows=np.array([0]))
    findings += _sequence(table)
    return findings + book_findings(table)


def _sequence(table: Table) -> list[Finding]:
    arrays, ts = table.arrays, table.arrays["ts"]
    sequence, snapshot = arrays["sequence"], arrays["is_snapshot"] != 0
    if not sequence.any():
        return []
    updates = np.flatnonzero(~snapshot)
    numbers = sequence[updates]
    step = np.diff(numbers)
    findings = at_rows("sequence_backward", ts, rows=updates[1:][step < 0])
    if PREVIOUS not in arrays:
        return findings
    new_message = np.flatnonzero(step != 0) + 1
    previous = arrays[PREVIOUS][updates][new_message]
    before = numbers[new_message - 1]
    broken = previous != before
    rows = updates[new_message][broken]
    names = {int(row): int(gap) for row, gap in zip(rows, before[broken], strict=True)}

    def shown(row: int) -> str:
        return f"follows {int(arrays[PREVIOUS][row])}, the message before is {names[row]}"

    return findings + at_rows("sequence_break", ts, rows=rows, detail=shown)


def _orders(table: Table) -> list[Finding]:
    arrays, ts = table.arrays, table.arrays["ts"]
    action, identity = arrays["action"], arrays["order_id"]
    findings = where("bad_action", ts, mask=(action < 1) | (action > 3))
    findings += where("bad_side", ts, mask=np.abs(arrays["side"]) != 1)
    findings += where("negative_quantity", ts, mask=arrays["quantity"] < 0)
    findings += where("nonpositive_price", ts, mask=arrays["price"] <= 0)
    findings += _off_tick(table, ("price",))
    _, first = np.unique(identity, return_index=True)
    late = np.sort(first[action[first] != 1])
    return findings + at_rows(
        "unknown_order", ts, rows=late, detail=lambda row: f"order {int(identity[row])}"
    )


def _funding(table: Table) -> list[Finding]:
    ts, rate = table.arrays["ts"], table.arrays["rate"]
    findings = where("extreme_rate", ts, mask=np.abs(rate) > _EXTREME_RATE)
    times = distinct(ts)
    interval = table.instrument.funding_interval_ns
    if not interval and len(times) > 1:
        values, counts = np.unique(np.diff(times), return_counts=True)
        interval = int(values[int(counts.argmax())])
    if interval:
        after, missing = missing_bars(times, interval, calendar="24/7")
        total = int(missing.sum())
        findings += at_rows(
            "gap", ts, rows=_rows_of(ts, times, after), also=f"{total} funding times in all"
        )
    return findings


def _mark(table: Table) -> list[Finding]:
    ts, price = table.arrays["ts"], table.arrays["price"]
    return where("nonpositive_price", ts, mask=price <= 0) + _outliers(table, price, "mark price")


def _off_tick(table: Table, names: tuple[str, ...]) -> list[Finding]:
    off = np.zeros(len(table), dtype=np.bool_)
    for name in names:
        off |= off_tick(table.arrays[name], table.instrument)
    if not off.any():
        return []
    text = table.instrument.price_text

    def shown(row: int) -> str:
        return " ".join(f"{name} {text(int(table.arrays[name][row]))}" for name in names)

    found = where("off_tick_price", table.arrays["ts"], mask=off, detail=shown)
    rule, prices = table.instrument.price_rule, table.arrays[names[-1]]
    if isinstance(rule, FixedTick):
        coarse = off & (prices > 0) & (prices < 10 * rule.tick)
        found += where("coarse_tick", table.arrays["ts"], mask=coarse, detail=shown)
    return found


def off_tick(prices: Integers, instrument: Instrument) -> NDArray[np.bool_]:
    """Which price units the instrument's price rule does not allow in an order."""
    rule = instrument.price_rule
    if isinstance(rule, FixedTick):
        if rule.tick == 1:
            return np.zeros(len(prices), dtype=np.bool_)
        off: NDArray[np.bool_] = prices % rule.tick != 0
        return off
    digits = np.searchsorted(_POWERS, np.abs(prices), "right")
    decimals = max(0, instrument.price_exponent - rule.decimals)
    places = np.minimum(np.maximum(digits - rule.figures, decimals), instrument.price_exponent)
    found: NDArray[np.bool_] = prices % _POWERS[np.maximum(places, 0)] != 0
    return found


def _outliers(
    table: Table, prices: Integers, name: str, rows: NDArray[np.intp] | None = None
) -> list[Finding]:
    at, moves = bad_prints(prices)
    text = table.instrument.price_text
    chosen = at if rows is None else rows[at]
    by_row = {
        int(row): (int(prices[where_]), float(move))
        for row, where_, move in zip(chosen, at, moves, strict=True)
    }

    def shown(row: int) -> str:
        price, move = by_row[row]
        return f"{name} {text(price)}, {move:+.1%} from the row before, then back"

    return at_rows("outlier", table.arrays["ts"], rows=chosen, detail=shown)
