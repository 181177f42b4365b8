"""Bars built one event at a time are the bars that the column form makes of the same rows."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.market import Bar, column
from interlock.research.timeframes import aggregate_bars, bars_from_trades
from interlock.strategy.aggregation import AggregationError, BarBuilder
from interlock.strategy.columns import BarColumns, TradeColumns

MINUTE = 60 * 10**9
START = 20_000 * 86_400 * 10**9
INSTRUMENT = Instrument(
    id="BTCUSDT-PERP.SIM",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=1,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=1,
)


def bar(ts: int, *values: int, step_ns: int = MINUTE) -> Bar:
    return Bar(INSTRUMENT, tuple(column(value) for value in (ts, *values)), 0, step_ns)


def rows(bars: Iterable[Bar]) -> list[tuple[int, ...]]:
    return [item.values() for item in bars]


def column_rows(columns: BarColumns) -> list[tuple[int, ...]]:
    return list(zip(*(array.tolist() for _, array in columns.arrays()), strict=True))


@st.composite
def trades(draw: st.DrawFn) -> TradeColumns:
    count = draw(st.integers(0, 60))
    gaps = draw(st.lists(st.integers(0, 90 * 10**9), min_size=count, max_size=count))
    ts = START + draw(st.integers(0, 3600 * 10**9)) + np.cumsum(np.array(gaps, dtype=np.int64))
    prices = draw(st.lists(st.integers(1, 10**7), min_size=count, max_size=count))
    sizes = draw(st.lists(st.integers(0, 10**6), min_size=count, max_size=count))
    return TradeColumns(
        instrument=INSTRUMENT,
        ts=ts,
        price=np.array(prices, dtype=np.int64),
        quantity=np.array(sizes, dtype=np.int64),
        side=np.zeros(count, dtype=np.int64),
    )


@given(part=trades(), minutes=st.sampled_from([1, 5, 60]))
def test_bars_from_trades_equal_the_columns(part: TradeColumns, minutes: int) -> None:
    step = minutes * MINUTE
    builder = BarBuilder(INSTRUMENT, step)
    made: list[Bar] = []
    for ts, price, quantity in zip(
        part.ts.tolist(), part.price.tolist(), part.quantity.tolist(), strict=True
    ):
        made += builder.add_trade(ts, price, quantity)
        assert all(item.ts_event <= ts for item in made), "a bar was given before its time was over"
    made += builder.flush()
    assert rows(made) == column_rows(bars_from_trades(part, step))
    assert builder.late == 0
    assert builder.flush() == ()


@given(part=trades(), minutes=st.sampled_from([1, 3, 15, 60, 1440]))
def test_bars_from_smaller_bars_equal_the_columns(part: TradeColumns, minutes: int) -> None:
    small, step = bars_from_trades(part, MINUTE), minutes * MINUTE
    builder = BarBuilder(INSTRUMENT, step)
    made: list[Bar] = []
    for values in column_rows(small):
        made += builder.add_bar(bar(*values))
        assert all(item.ts_event <= values[0] + MINUTE for item in made)
    made += builder.flush()
    assert rows(made) == column_rows(aggregate_bars(small, step))
    assert all(item.step_ns == step for item in made)


@given(part=trades())
def test_two_hops_equal_one(part: TradeColumns) -> None:
    minutes = bars_from_trades(part, MINUTE)
    fives = aggregate_bars(minutes, 5 * MINUTE)
    assert column_rows(aggregate_bars(fives, 60 * MINUTE)) == column_rows(
        aggregate_bars(minutes, 60 * MINUTE)
    )


def test_the_last_smaller_bar_completes_the_larger_one_at_once() -> None:
    builder = BarBuilder(INSTRUMENT, 2 * MINUTE)
    assert builder.add_bar(bar(START, 10, 14, 8, 12, 3)) == ()
    made = builder.add_bar(bar(START + MINUTE, 12, 13, 7, 9, 4))
    assert rows(made) == [(START, 10, 14, 7, 9, 7)]
    assert made[0].ts_event == START + 2 * MINUTE


def test_a_smaller_bar_that_arrives_late_does_not_complete_the_larger_one_early() -> None:
    builder = BarBuilder(INSTRUMENT, 3 * MINUTE)
    late = bar(START + MINUTE, 10, 14, 8, 12, 3).arriving(START + 4 * MINUTE)
    assert builder.add_bar(late) == ()
    made = builder.add_bar(bar(START + 2 * MINUTE, 12, 20, 12, 15, 1))
    assert rows(made) == [(START, 10, 20, 8, 15, 4)]


def test_a_missing_end_is_completed_by_time_or_by_the_next_row() -> None:
    by_time = BarBuilder(INSTRUMENT, 2 * MINUTE)
    by_time.add_bar(bar(START, 10, 14, 8, 12, 3))
    assert by_time.advance(START + 2 * MINUTE - 1) == ()
    assert rows(by_time.advance(START + 2 * MINUTE)) == [(START, 10, 14, 8, 12, 3)]
    by_row = BarBuilder(INSTRUMENT, MINUTE)
    by_row.add_trade(START, 10, 1)
    assert rows(by_row.add_trade(START + MINUTE, 11, 2)) == [(START, 10, 10, 10, 10, 1)]


def test_one_row_can_complete_two_bars() -> None:
    builder = BarBuilder(INSTRUMENT, MINUTE)
    builder.add_trade(START, 10, 1)
    made = builder.add_bar(bar(START + 2 * MINUTE, 20, 21, 19, 20, 5))
    assert [item.ts_open for item in made] == [START, START + 2 * MINUTE]


def test_a_row_for_a_bar_that_was_given_away_is_counted_and_left_out() -> None:
    builder = BarBuilder(INSTRUMENT, MINUTE)
    builder.add_trade(START, 10, 1)
    builder.advance(START + MINUTE)
    assert builder.add_trade(START + 1, 99, 1) == ()
    builder.add_trade(START + MINUTE, 11, 1)
    assert builder.add_trade(START + MINUTE - 1, 99, 1) == ()
    assert builder.late == 2
    assert rows(builder.flush()) == [(START + MINUTE, 11, 11, 11, 11, 1)]


def test_a_step_that_does_not_fit_is_refused() -> None:
    with pytest.raises(AggregationError, match="no multiple of the step"):
        BarBuilder(INSTRUMENT, 90 * 10**9).add_bar(bar(START, 1, 1, 1, 1, 1))
    with pytest.raises(AggregationError, match="not positive"):
        BarBuilder(INSTRUMENT, 0)
