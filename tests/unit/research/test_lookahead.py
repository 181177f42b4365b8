"""Planted offenders are caught and named; honest strategies pass; changed data keep their rules."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlock.model.market import Bar, Quote
from interlock.research.catalog import iso
from interlock.research.lookahead import CheckOptions, Verdict, check_strategy
from interlock.research.lookahead.data import (
    POISONS,
    bounded,
    known_at,
    later,
    moments,
    poisoned,
    prefix,
)
from interlock.research.synthetic import dataset
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import Dataset
from interlock.strategy.indicators import Ema, ema, sma

HERE = Path(__file__).name
ROWS = 1_500
PREFIX, POISON, WARMUP = "prefix invariance", "future poison", "warm-up convergence"
GUARD, RUNS, RUN_POISON = "clock guard", "decisions on prefixes", "decisions with a poisoned future"


@pytest.fixture(scope="module")
def hours() -> Dataset:
    return bounded(dataset(days=70, symbols=["BTCUSDT-PERP"], step="1h"), ROWS)


@pytest.fixture(scope="module")
def ticks() -> Dataset:
    return bounded(dataset("crypto-ticks", days=60 / 86_400), 6_000)


def checked(kind: type[Strategy] | type[TargetStrategy], data: Dataset) -> Verdict:
    options = CheckOptions(rows=10_000, sampled=4, signals=8, runs=6)
    return check_strategy(kind, data, options=options)


def line_of(kind: type, text: str) -> str:
    lines, start = inspect.getsourcelines(kind)
    return f"{HERE}:{start + next(i for i, line in enumerate(lines) if text in line)}"


# ---------------------------------------------------------------- offenders


class Offender(TargetStrategy):
    @staticmethod
    def target(f: Any, position: float) -> float:
        return 1.0 if f.signal > 0.0 else 0.0


class NextClose(Offender):
    """The next close through a roll."""

    def features(self, bars: Any) -> Mapping[str, Any]:
        honest = sma(bars.close, 20)
        tomorrow = np.roll(bars.close, -1)
        return {"mean": honest, "signal": tomorrow - bars.close}


class NegativeShift(Offender):
    """The same without a telling name: an appended slice."""

    def features(self, bars: Any) -> Mapping[str, Any]:
        return {"signal": np.append(bars.close[3:], bars.close[-3:]) - bars.close}


class WholeColumn(Offender):
    """A z-score by the mean and deviation of all rows."""

    def features(self, bars: Any) -> Mapping[str, Any]:
        return {"signal": (bars.close - bars.close.mean()) / bars.close.std()}


class TwoOnALine(Offender):
    """Two faults of two columns side by side."""

    def features(self, bars: Any) -> Mapping[str, Any]:
        last = bars.close[-1:]
        return {"signal": bars.close - bars.close.mean(), "ahead": np.append(bars.close[1:], last)}


class Centered(Offender):
    """An average that looks five rows to both sides."""

    def features(self, bars: Any) -> Mapping[str, Any]:
        middle = np.convolve(bars.close, np.full(11, 1 / 11), mode="same")
        return {"signal": bars.close - middle}


class FilledBack(Offender):
    """The warm-up of an average is filled from its first value."""

    def features(self, bars: Any) -> Mapping[str, Any]:
        mean = np.array(sma(bars.close, 50))
        mean[:49] = mean[min(49, len(mean) - 1)]
        return {"signal": bars.close - mean}


class Peek(Strategy):
    """The next close through the private column of the cursor."""

    def on_bar(self, bar: Bar) -> None:
        held = self.view.position_units()
        after = bar._close[bar._row + 1] if bar._row + 1 < len(bar) else bar.close_units
        if after > bar.close_units and not held:
            self.market(1, 1.0)
        elif after < bar.close_units and held:
            self.close()


class PeekThroughState(Strategy):
    """The next close through the kernel's state: no guard stands there, the prefixes do."""

    def on_bar(self, bar: Bar) -> None:
        held = self.view.position_units()
        cursor = self.view._state.instruments[bar.instrument.id].last
        try:
            after = cursor._close[bar.row + 1]
        except IndexError:
            return
        if after > bar.close_units and not held:
            self.market(1, 1.0)
        elif after < bar.close_units and held:
            self.close()


class PeekAtTheEnd(Strategy):
    """One decision, sized by the very last close."""

    def on_bar(self, bar: Bar) -> None:
        if bar.row == 100:
            self.market(1, bar._close[-1] / bar.close_units)


class PeekAtQuotes(Strategy):
    """A later bid, where the data are long enough."""

    def on_quote(self, quote: Quote) -> None:
        held = self.view.position_units()
        row = quote.row
        if row % 50 == 0 and row + 100 < len(quote):
            if quote._bid[row + 100] > quote.ask_units:
                self.market(1, 0.01)
            elif held > 0:
                self.close()


# ---------------------------------------------------------------- honest strategies


class HonestCross(TargetStrategy):
    def features(self, bars: Any) -> Mapping[str, Any]:
        return {"fast": sma(bars.close, 10), "slow": sma(bars.close, 40)}

    @staticmethod
    def target(f: Any, position: float) -> float:
        return 1.0 if f.fast > f.slow else 0.0


class Recursive(Offender):
    def features(self, bars: Any) -> Mapping[str, Any]:
        return {"signal": bars.close - ema(bars.close, 10)}


class RecursiveDeclared(Recursive):
    warmup = 150


class Accumulated(Offender):
    def features(self, bars: Any) -> Mapping[str, Any]:
        return {"signal": np.cumsum(bars.close - bars.open) + 1e-3}


class Rounded(HonestCross):
    """A last bit that depends on the length of the data, as a Fourier transform has."""

    def features(self, bars: Any) -> Mapping[str, Any]:
        return {"fast": sma(bars.close, 10) * (1 + 1e-15 * len(bars)), "slow": sma(bars.close, 40)}


class HonestEvents(Strategy):
    warmup = 300

    def on_start(self) -> None:
        self.mean = self.follow(Ema(10))

    def on_bar(self, bar: Bar) -> None:
        held = self.view.position_units()
        recent = bar.history("close", 5)
        if bar.close > self.mean.value and not held:
            self.bracket(1, 1.0, stop=bar.close * 0.98, target=bar.close * 1.02)
        elif min(recent) == bar.close_units and held:
            self.cancel_all()
            self.close()


class Idle(Strategy):
    """Reads a file of its own and never trades."""

    def on_start(self) -> None:
        with open(__file__) as file:
            self.text = file.read()

    def on_bar(self, bar: Bar) -> None:
        bar.copy()


class Broken(Strategy):
    def on_bar(self, bar: Bar) -> None:
        raise ZeroDivisionError("the author's own mistake")


# ---------------------------------------------------------------- tests


@pytest.mark.parametrize(
    ("kind", "text", "remedy"),
    [
        (NextClose, "np.roll", "use shift(column, rows) with positive rows"),
        (NegativeShift, "np.append", "It looks up to 3 rows ahead"),
        (WholeColumn, "bars.close.mean()", "use a trailing window"),
        (Centered, "np.convolve", "It looks up to 5 rows ahead"),
    ],
)
def test_a_column_from_the_future_is_caught_and_named(
    kind: type[TargetStrategy], text: str, remedy: str, hours: Dataset
) -> None:
    verdict = checked(kind, hours)
    assert verdict.caught
    for test in (PREFIX, POISON):
        outcome = verdict.outcome(test)
        assert outcome.status == "failed"
        (finding,) = outcome.findings
        assert finding.subject == "signal"
        assert finding.row is not None
        assert finding.time == iso(int(hours.bars[0].close_ts[finding.row]))
        assert remedy in finding.remedy
        assert f"column signal, row {finding.row}, {finding.time}" in finding.sentence()
        if text != "np.convolve":  # named through another line of features
            assert finding.line == line_of(kind, text)
    for test in (RUNS, RUN_POISON):
        assert verdict.outcome(test).status == "failed"


def test_two_faults_on_one_line_have_a_cause_each(hours: Dataset) -> None:
    findings = checked(TwoOnALine, hours).outcome(PREFIX).findings
    told = {item.subject: (item.line, item.remedy) for item in findings}
    place = line_of(TwoOnALine, "bars.close.mean()")
    assert {line for line, _ in told.values()} == {place}
    assert "Mean over a whole column" in told["signal"][1]
    assert "It looks up to 1 row ahead" in told["ahead"][1]


def test_the_first_row_that_differs_is_the_one_before_the_cut(hours: Dataset) -> None:
    finding = checked(NextClose, hours).outcome(PREFIX).findings[0]
    close = hours.bars[0].prices("close")
    assert finding.row == 9  # the earliest cut is after ten rows
    assert f"{close[10] - close[9]:.10g} with all data" in finding.text


def test_what_is_filled_from_later_rows_is_caught_at_the_beginning(hours: Dataset) -> None:
    verdict = checked(FilledBack, hours)
    finding = verdict.outcome(PREFIX).findings[0]
    assert (verdict.caught, finding.subject, finding.row) == (True, "signal", 0)
    assert "leave rows that are not ready NaN" in finding.remedy


@pytest.mark.parametrize("kind", [Peek, PeekAtTheEnd])
def test_a_reach_past_the_cursor_is_stopped_with_its_line(
    kind: type[Strategy], hours: Dataset
) -> None:
    verdict = checked(kind, hours)
    finding = verdict.outcome(GUARD).findings[0]
    assert finding.line == line_of(kind, "bar._close[")
    assert finding.time
    assert "while it stood on row" in finding.text
    for test in (RUNS, RUN_POISON):
        assert verdict.outcome(test).status == "failed"


def test_orders_by_a_future_that_no_guard_sees_are_caught(hours: Dataset) -> None:
    verdict = checked(PeekThroughState, hours)
    assert verdict.outcome(GUARD).status == "passed"
    finding = verdict.outcome(RUNS).findings[0]
    assert finding.subject == "orders"
    assert finding.line in (
        line_of(PeekThroughState, "self.market("),
        line_of(PeekThroughState, "self.close("),
    )
    assert "nothing on data that end there" in finding.text
    assert "_state reaches behind the view" in finding.remedy
    assert verdict.outcome(RUN_POISON).status == "failed"


def test_a_peek_at_quotes_is_caught(ticks: Dataset) -> None:
    verdict = checked(PeekAtQuotes, ticks)
    assert verdict.outcome(GUARD).findings[0].line == line_of(PeekAtQuotes, "quote._bid[")
    assert verdict.outcome(RUNS).status == "failed"


@pytest.mark.parametrize("kind", [HonestCross, RecursiveDeclared, HonestEvents])
def test_honest_strategies_pass(
    kind: type[Strategy] | type[TargetStrategy], hours: Dataset
) -> None:
    verdict = checked(kind, hours)
    assert not verdict.caught
    assert not verdict.warned
    assert verdict.findings() == ()
    assert verdict.notes == ()
    assert "Sharpe" in verdict.outcome("shift by one bar").tried


def test_a_recursive_column_says_how_much_warm_up_it_needs(hours: Dataset) -> None:
    outcome = checked(Recursive, hours).outcome(WARMUP)
    assert outcome.status == "warning"
    finding = outcome.findings[0]
    needed = int(finding.remedy.removeprefix("Set warmup = ").partition(",")[0])
    # An EMA of 10 forgets by 9/11 each row: 1e-9 of a usual difference after 100 rows or so.
    assert 80 < needed <= RecursiveDeclared.warmup
    assert f"signal {needed}" in outcome.tried


def test_a_column_that_never_forgets_its_start_fails(hours: Dataset) -> None:
    verdict = checked(Accumulated, hours)
    assert [item.test for item in verdict.outcomes if item.status == "failed"] == [WARMUP]
    assert "never forgets" in verdict.outcome(WARMUP).findings[0].text


def test_a_difference_of_rounding_is_a_warning(hours: Dataset) -> None:
    verdict = checked(Rounded, hours)
    assert verdict.outcome(PREFIX).status == "warning"
    assert "rounding" in verdict.outcome(PREFIX).findings[0].remedy
    assert not verdict.caught


def test_what_no_test_can_see_is_noted(hours: Dataset) -> None:
    notes = checked(Idle, hours).notes
    assert "made no order" in notes[0]
    assert line_of(Idle, "open(") in notes[1]


def test_a_strategy_that_fails_anyway_raises_its_own_error(hours: Dataset) -> None:
    with pytest.raises(ZeroDivisionError, match="own mistake"):
        checked(Broken, hours)


def test_a_verdict_repeats_and_is_plain_json(hours: Dataset) -> None:
    first, second = checked(WholeColumn, hours), checked(WholeColumn, hours)
    assert first == second
    plain = json.loads(json.dumps(first.as_json(), allow_nan=False))
    assert plain["caught"] is True
    assert plain["outcomes"][0]["findings"][0]["time"] == first.findings()[0].time


def test_progress_says_what_comes_next(hours: Dataset) -> None:
    said: list[str] = []
    options = CheckOptions(sampled=2, signals=2, runs=2)
    check_strategy(HonestCross, hours, options=options, progress=said.append)
    assert said[0] == "the full run"
    assert said[-2].startswith("decisions, run ")


# ---------------------------------------------------------------- the changed data


@pytest.fixture(params=["hours", "ticks"])
def data(request: pytest.FixtureRequest) -> Dataset:
    made: Dataset = request.getfixturevalue(request.param)
    return made


def cut_of(data: Dataset) -> int:
    times = moments(data)
    return int(times[len(times) // 2])


def test_a_prefix_holds_what_is_known(data: Dataset) -> None:
    ts = cut_of(data)
    for whole, part in zip(data.parts(), prefix(data, ts).parts(), strict=True):
        assert (known_at(part) <= ts).all()
        assert (known_at(whole)[len(part) :] > ts).all()
        for name, array in part.arrays():
            assert (array == getattr(whole, name)[: len(part)]).all()


@pytest.mark.parametrize("how", POISONS)
def test_poison_changes_the_future_and_nothing_else(data: Dataset, how: str) -> None:
    ts = cut_of(data)
    made = poisoned(data, ts, how, seed=1)
    again = poisoned(data, ts, how, seed=1)
    for whole, part, other in zip(data.parts(), made.parts(), again.parts(), strict=True):
        past = known_at(whole) <= ts
        assert (part.ts == whole.ts).all()
        changed = False
        for name, array in part.arrays():
            assert (array[past] == getattr(whole, name)[past]).all()
            assert (array == getattr(other, name)).all()
            changed |= bool((array[~past] != getattr(whole, name)[~past]).any())
        assert changed


@pytest.mark.parametrize("how", POISONS)
def test_poisoned_rows_keep_their_rules(hours: Dataset, ticks: Dataset, how: str) -> None:
    bars = poisoned(hours, cut_of(hours), how, seed=2).bars[0]
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low > 0).all()
    quotes = poisoned(ticks, cut_of(ticks), how, seed=2).quotes[0]
    assert (quotes.bid < quotes.ask).all()
    assert (quotes.bid > 0).all()


def test_one_of_two_poisons_contradicts_a_foreseen_move(hours: Dataset) -> None:
    ts = cut_of(hours)
    row = int(np.searchsorted(hours.bars[0].close_ts, ts, "right"))
    moves = [
        np.sign(made.bars[0].close[row] - made.bars[0].open[row - 1])
        for made in (poisoned(hours, ts, how, seed=3) for how in ("up", "down"))
    ]
    assert moves[0] != moves[1]


def test_later_data_begin_at_an_open_time(hours: Dataset) -> None:
    ts = int(hours.bars[0].ts[100])
    made = later(hours, ts)
    assert int(made.bars[0].ts[0]) == ts
    assert len(made.bars[0]) == len(hours.bars[0]) - 100


def test_a_bound_counts_moments(hours: Dataset) -> None:
    assert len(bounded(hours, 200).bars[0]) == 200
    assert bounded(hours, 10**6) is hours
