"""Rows of market data as cursors and books: what they say of themselves and what comes late."""

from __future__ import annotations

import pytest

from interlock.model.events import BarsClosed
from interlock.model.market import Bar, Book, Quote, Trade, column
from tests.scenario import PERPETUAL


def _bars() -> Bar:
    rows = (range(0, 300, 60), *(range(start, start + 5) for start in (100, 110, 90, 105, 7)))
    bar = Bar(PERPETUAL, tuple(column(*values) for values in rows), step_ns=60)
    bar._row = 3
    return bar


def test_a_cursor_takes_the_columns_of_its_kind() -> None:
    with pytest.raises(ValueError, match="Quote takes the columns"):
        Quote(PERPETUAL, (column(1), column(2)))


def test_a_cursor_says_where_it_stands() -> None:
    bar = _bars()
    assert (len(bar), bar.row) == (5, 3)
    assert bar.history("close", 3) == [106, 107, 108]
    assert bar.history("close", 99) == [105, 106, 107, 108]
    text = f"Bar({PERPETUAL.id}, ts=180, open=103, high=113, low=93, close=108, volume=10)"
    assert repr(bar) == text
    before = Trade(PERPETUAL, (column(1), column(2), column(3), column(4)))
    assert repr(before) == f"Trade({PERPETUAL.id}, before the first row)"


def test_a_copy_stays_where_the_cursor_goes_on() -> None:
    bar = _bars()
    kept = bar.copy()
    bar._row = 4
    assert (kept.values(), kept.step_ns) == ((180, 103, 113, 93, 108, 10), 60)
    assert (kept.open, kept.high, kept.low, kept.close) == (1.03, 1.13, 0.93, 1.08)
    assert (kept.open_units, kept.volume) == (103, 0.01)


def test_the_plain_names_are_floats_of_the_units() -> None:
    quote = Quote.of(PERPETUAL, 5, 9_998, 250, 10_002, 300)
    assert (quote.bid, quote.ask) == (99.98, 100.02)
    assert (quote.bid_quantity, quote.ask_quantity) == (0.25, 0.3)
    trade = Trade.of(PERPETUAL, 5, 10_001, 250, -1)
    assert (trade.price, trade.quantity, trade.side) == (100.01, 0.25, -1)


def test_what_arrives_later_is_an_event_of_its_own() -> None:
    quote = Quote.of(PERPETUAL, 5, 9_998, 250, 10_002, 300)
    late = quote.arriving(9)
    assert (late.ts_event, late.values()[1:]) == (9, quote.values()[1:])
    bar = _bars()
    closed = BarsClosed(bar.ts_event, (bar,)).arriving(777)
    assert (closed.ts_event, closed.bars[0].ts_event) == (777, 777)
    assert closed.bars[0].close_units == 108


def test_the_levels_of_a_book_begin_with_the_best() -> None:
    book = Book(PERPETUAL)
    for side, price in ((1, 9_990), (1, 9_995), (1, 9_980), (-1, 10_010), (-1, 10_005)):
        book.set_level(side, price, quantity=price)
    assert book.levels(1, 2) == [(99.95, 9.995), (99.9, 9.99)]
    assert book.levels(-1, 9) == [(100.05, 10.005), (100.1, 10.01)]
    assert (book.bid, book.ask) == (99.95, 100.05)
    assert list(book.prices(1)) == [9_995, 9_990, 9_980]
    assert list(book.prices(-1)) == [10_005, 10_010]
    assert book.arriving(7).quantity_units(1, 9_980) == 9_980
    book.clear()
    assert (list(book.prices(1)), book.mark_units) == ([], 0)
