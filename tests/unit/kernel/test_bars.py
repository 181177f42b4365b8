"""Bars that come one by one, together, or from the past; trades and books beside them."""

from __future__ import annotations

import math
from typing import Any

import pytest

from interlock.kernel.engine import step, step_bars
from interlock.kernel.state import State
from interlock.model.effects import CancelOrder, SetTimer, SubmitOrder
from interlock.model.events import BarsClosed, PastBars, Started
from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.model.market import Bar, Book, Quote, Trade, column
from interlock.strategy.api import Strategy, StrategyError
from interlock.strategy.indicators import Sma
from interlock.strategy.intents import CancelAll, Timer
from tests.desk import BTC, Desk, buy
from tests.scenario import EQUITY, PERPETUAL

MINUTE = 60 * 10**9


class Listening(Strategy):
    """Keeps what it hears; ``answers`` are what it returns on its next bars."""

    def __init__(self, *answers: Any) -> None:
        super().__init__()
        self.answers = list(answers)
        self.heard: list[Any] = []
        self.past: list[int] = []

    def on_bar(self, bar: Bar) -> Any:
        self.heard.append((bar.instrument.id, bar.close_units))
        return self.answers.pop(0) if self.answers else None

    def on_past(self, bars: Any) -> None:
        self.past += [bar.close_units for bar in bars]

    def on_book(self, book: Book) -> Any:
        self.heard.append(("book", book.bid_units))


class Following(Listening):
    warmup = 1

    def on_start(self) -> None:
        self.mean = self.follow(Sma(2), instrument=BTC)


class Hasty(Listening):
    def on_past(self, bars: Any) -> None:
        self.market(1, 1)


def _state(*strategies: Strategy) -> State:
    state = State(currency="USDT", cash=10**12, instruments=(PERPETUAL, EQUITY), limits=Limits())
    for number, strategy in enumerate(strategies):
        state.add(f"s{number}", strategy, 10**12)
    step(state, Started(0))
    return state


def _bar(close: int, *, minutes: int = 1, instrument: Instrument = PERPETUAL) -> Bar:
    bar = Bar.of(instrument, 0, close, close, close, close, 1_000)
    bar.step_ns = bar._ready_ns = minutes * MINUTE
    return bar


def _bars(*closes: int) -> Bar:
    times = [number * MINUTE for number in range(len(closes))]
    bar = Bar(PERPETUAL, tuple(column(*values) for values in (times, *[closes] * 5)))
    bar.step_ns = bar._ready_ns = MINUTE
    return bar


def test_an_empty_answer_does_not_stop_the_rows() -> None:
    strategy = Listening(None, (), None, [buy()])
    state = _state(strategy)
    step(state, _bar(9_000))
    before = state.seq
    row, effects = step_bars(state, _bars(10_000, 10_100, 10_200, 10_300), 0, 4)
    assert (row, [type(effect) for effect in effects]) == (2, [SubmitOrder])
    assert state.seq == before + 3
    assert [close for _, close in strategy.heard] == [9_000, 10_000, 10_100, 10_200]


def test_an_indicator_follows_its_own_instrument_through_the_warm_up() -> None:
    strategy = Following()
    state = _state(strategy)
    closed = BarsClosed(MINUTE, (_bar(10_000), _bar(77, instrument=EQUITY)))
    step(state, closed)
    # The first bar warms up, the second of the same close time is decided on.
    assert strategy.heard == [(EQUITY.id, 77)]
    assert not strategy.mean.ready
    step(state, BarsClosed(2 * MINUTE, (_bar(10_200), _bar(78, instrument=EQUITY))))
    assert strategy.mean.value == pytest.approx(101.0)
    assert strategy.heard[1:] == [(BTC, 10_200), (EQUITY.id, 78)]


def test_an_indicator_that_reads_a_column_is_not_updated_as_well() -> None:
    strategy = Following()
    state = _state(strategy)
    bar = _bars(10_000, 10_200, 10_400)
    strategy.mean.bind([math.nan, 101.0, 103.0], bar)
    for row in range(3):
        bar._row = row
        step(state, BarsClosed(row * MINUTE, (bar,)))
    assert strategy.mean.value == 103.0
    assert not strategy.mean.indicator.ready
    # Nothing is left to prepare once the warm-up is over.
    assert not state.strategies["s0"].prepares


def test_a_smaller_time_frame_gives_the_mark() -> None:
    state = _state(Listening())
    slot = state.instruments[BTC]
    step(state, BarsClosed(60 * MINUTE, (_bar(10_000), _bar(10_500, minutes=60))))
    assert slot.mark == 10_000
    step(state, BarsClosed(61 * MINUTE, (_bar(10_100),)))
    assert slot.mark == 10_100


def test_closed_bars_are_the_mark_until_the_next_touch() -> None:
    strategy = Listening()
    state = _state(strategy)
    step(state, Quote.of(PERPETUAL, 1, 9_998, 5, 10_002, 5))
    step(state, BarsClosed(MINUTE, (_bar(10_500), _bar(10_700, minutes=60))))
    assert state.instruments[BTC].mark == 10_500
    assert strategy.heard == [(BTC, 10_500), (BTC, 10_700)]
    step(state, Quote.of(PERPETUAL, 1, 9_998, 5, 10_002, 5))
    assert state.instruments[BTC].mark == 10_000


def test_a_trade_is_the_mark_until_a_touch_is_known() -> None:
    strategy = Listening()
    state = _state(strategy)
    slot = state.instruments[BTC]
    step(state, Trade.of(PERPETUAL, 1, 10_050, 1, 1))
    assert slot.mark == 10_050
    book = Book(PERPETUAL)
    book.ts_event = 2
    book.set_level(1, 9_990, quantity=3)
    book.set_level(-1, 10_010, quantity=3)
    step(state, book)
    step(state, Trade.of(PERPETUAL, 3, 10_900, 1, 1))
    assert slot.mark == 10_000
    assert strategy.heard == [("book", 9_990)]


def test_the_past_is_looked_at_and_prices_nothing() -> None:
    strategy = Listening()
    state = _state(strategy)
    rows = tuple((n * MINUTE, 9_000, 9_000, 9_000, 9_000 + n, 1) for n in range(3))
    assert list(step(state, PastBars(3 * MINUTE, BTC, MINUTE, rows))) == []
    assert strategy.past == [9_000, 9_001, 9_002]
    assert state.instruments[BTC].mark == 0


def test_an_order_on_the_past_is_refused_by_name() -> None:
    state = _state(Hasty())
    rows = ((0, 9_000, 9_000, 9_000, 9_000, 1),)
    with pytest.raises(StrategyError, match="s0 placed an order on bars of the past"):
        step(state, PastBars(MINUTE, BTC, MINUTE, rows))
    assert not state.open and not state.strategies["s0"].outbox


def test_all_orders_of_an_instrument_are_canceled_and_no_others() -> None:
    desk = Desk()
    desk.wants(buy(1_000, 9_000, ref=1), buy(1_000, 9_100, ref=2))
    desk.wants(CancelAll(EQUITY.id))
    effects = desk.wants(CancelAll(BTC), Timer("later", 7))
    assert [type(effect) for effect in effects] == [CancelOrder, CancelOrder, SetTimer]
    assert [effect.client_order_id for effect in effects[:2]] == ["A-1", "A-2"]
