"""A target strategy in live trading: its features over a rolling window, its target on every bar.

Rules of this file. The features are computed anew on the window at every bar, by the strategy's own
``features``, so that nothing is said twice. The window begins with the bars of the past that the
venue tells, or without them with the first bar that is heard, and is not cut before the features
are there; from then on it holds between ten and twenty times as many bars as that took, at least a
thousand. Until the first cut every value is that of a backtest which begins at the same bar;
afterwards a feature that looks back no farther than the window keeps that, and one with an endless
memory (an exponential mean) differs by what it has forgotten.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.market import Bar
from interlock.research.target_runner import Aiming, FeatureBars, feature_columns
from interlock.strategy.api import StrategyError, TargetStrategy
from interlock.strategy.columns import BarColumns
from interlock.strategy.intents import Target

WINDOW_LEAST = 1_000
WINDOW_FACTOR = 10
# Asked of a venue in pages of a thousand or more.
PAST_MOST = 10_000
# Never ready within this many bars means that something is wrong with the features.
WINDOW_MOST = 1_000_000
# More missing bars than this and what came before says nothing any more.
HOLE_MOST = 10
MINUTE_NS = 60 * 10**9
_WARM_UP_BARS = 100
_ARITHMETIC = (ValueError, LookupError, ArithmeticError, TypeError)
_NOTHING = Instrument(
    id="WARM-UP.NOWHERE",
    kind=InstrumentKind.PERPETUAL,
    base="NOTHING",
    quote="USDT",
    price_exponent=2,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=1,
)
_NAMES = ("open", "high", "low", "close", "volume")


class Window:
    """The newest bars of one instrument, oldest first, as integer columns."""

    def __init__(self) -> None:
        self._rows = np.zeros((6, WINDOW_LEAST), dtype=np.int64)
        self.count = 0
        self.is_cut = False

    @property
    def last_ts(self) -> int:
        """Open time of the newest bar; the window must not be empty."""
        return int(self._rows[0, self.count - 1])

    def add(self, bar: Bar) -> None:
        """Take a bar in."""
        if self.count == self._rows.shape[1]:
            self._rows = np.concatenate((self._rows, np.zeros_like(self._rows)), axis=1)
        self._rows[:, self.count] = bar.values()
        self.count += 1

    def keep(self, count: int) -> None:
        """Forget all but the newest ``count`` bars."""
        rows = np.zeros((6, 2 * count), dtype=np.int64)
        rows[:, :count] = self._rows[:, self.count - count : self.count]
        self._rows, self.count, self.is_cut = rows, count, True

    def columns(self, instrument: Instrument, step_ns: int) -> BarColumns:
        """The bars as columns of their own."""
        ts, *values = (self._column(number) for number in range(6))
        return BarColumns(
            instrument=instrument, step_ns=step_ns, ts=ts, **dict(zip(_NAMES, values, strict=True))
        )

    def _column(self, number: int) -> NDArray[np.int64]:
        found: NDArray[np.int64] = self._rows[number, : self.count].copy()
        return found


class LiveTarget(Aiming):
    """Aims at what a target strategy wants, bar by bar.

    ``step_ns`` chooses among bars of several time frames; 0 takes that of the first bar. The first
    decision comes after ``warmup`` bars of the strategy with all its features there. A hole of more
    than ten bars empties the window.
    """

    def __init__(self, strategy: TargetStrategy, *, step_ns: int = 0) -> None:
        super().__init__(strategy)
        self.step_ns = step_ns
        self.window = Window()
        self.first_ready = 0
        self._parameters = strategy.parameter_values()
        _warm_up(strategy)

    def turn_to(self, strategy: TargetStrategy) -> None:
        """Aim at what another version of the strategy wants, on the window as it is."""
        self._aim_for(strategy)
        self._parameters = strategy.parameter_values()

    def on_start(self) -> None:
        """Refuse a run that a target cannot mean."""
        names = [item.id for item in self.view.instruments()]
        if len(names) != 1:
            raise StrategyError(
                f"{type(self.subject).__name__} states a target for one instrument, the run has "
                f"{len(names)} ({', '.join(names)}); name one, or write an event strategy"
            )
        self._trades(self.view.instrument())

    def on_past(self, bars: Sequence[Bar]) -> None:
        """Take closed bars of before into the window, so that the next one may be decided on."""
        self.step_ns = self.step_ns or (bars[0].step_ns if bars else 0)
        if not bars or bars[0].step_ns != self.step_ns:
            return
        if not self.first_ready or self._is_far(bars[0]):
            # What they hold is all that the window has, and more.
            self.window, self.first_ready = Window(), 0
        window = self.window
        for bar in bars:
            if not window.count or bar.ts_open > window.last_ts:
                window.add(bar)
        if not self.first_ready:
            self.first_ready = self._first_ready(bars[0].instrument)

    def _is_far(self, bar: Bar) -> bool:
        """Whether a bar opens after a hole that empties the window."""
        window = self.window
        return bool(window.count and (bar.ts_open - window.last_ts) // self.step_ns - 1 > HOLE_MOST)

    def _first_ready(self, instrument: Instrument) -> int:
        """How many of the window's bars it took until all features were there; 0 when too few."""
        columns = self.window.columns(instrument, self.step_ns)
        try:
            found = feature_columns(self.subject, FeatureBars(columns))
        except (StrategyError, ValueError, IndexError):
            # The next live bar tells what is wrong with them, where that is known.
            return 0
        known = np.ones(len(columns), dtype=np.bool_)
        for values in found.values():
            known &= values == values
        return int(known.argmax()) + 1 if known.any() else 0

    def on_bar(self, bar: Bar) -> Target | None:
        """One decision; none before every feature is there."""
        self.step_ns = self.step_ns or bar.step_ns
        if bar.step_ns != self.step_ns:
            return None
        window = self.window
        if window.count:
            if bar.ts_open < window.last_ts + self.step_ns:
                return None
            if self._is_far(bar):
                self.window, self.first_ready = Window(), 0
                window = self.window
        window.add(bar)
        record = self._record(bar.instrument)
        if record is None:
            return None
        return self._decide(bar, record)

    def _record(self, instrument: Instrument) -> SimpleNamespace | None:
        """Features and parameters of the newest bar; None while anything is missing."""
        window = self.window
        columns = window.columns(instrument, self.step_ns)
        try:
            found = feature_columns(self.subject, FeatureBars(columns))
        except (StrategyError, ValueError, IndexError):
            # Features that look back may not have a value for every one of so few bars yet.
            if self.first_ready or window.count >= WINDOW_LEAST:
                raise
            return None
        row = {name: float(values[-1]) for name, values in found.items()}
        if any(value != value for value in row.values()):
            self._refuse_endless()
            return None
        self.first_ready = self.first_ready or window.count
        self._cut()
        if not window.is_cut and window.count <= self.subject.warmup:
            return None
        return SimpleNamespace(**row, **self._parameters)

    def _cut(self) -> None:
        least = max(self.first_ready, self.subject.warmup)
        wanted = max(WINDOW_LEAST, WINDOW_FACTOR * least)
        if self.window.count >= 2 * wanted:
            self.window.keep(wanted)

    def _refuse_endless(self) -> None:
        if not self.first_ready and self.window.count >= WINDOW_MOST:
            raise StrategyError(
                f"{type(self.subject).__name__}: no decision after {WINDOW_MOST} bars, some "
                "feature is never there; run `interlock check` on the strategy"
            )


def look_back(strategy: TargetStrategy) -> int:
    """How many bars of the past a target strategy begins with: what its window keeps at least."""
    return min(PAST_MOST, max(WINDOW_LEAST, WINDOW_FACTOR * strategy.warmup))


def _warm_up(strategy: TargetStrategy) -> None:
    """Compute the features once on bars of nothing: some are compiled at their first use."""
    window = Window()
    for number in range(_WARM_UP_BARS):
        price = 10_000 + number % 7
        bar = Bar.of(_NOTHING, number * MINUTE_NS, price, price + 1, price - 1, price, 1_000)
        window.add(bar)
        # Columns shorter than what a feature looks back may take another path than long ones.
        if number in (0, _WARM_UP_BARS - 1):
            # What such bars do to the arithmetic of an author says nothing.
            with np.errstate(all="ignore"), suppress(StrategyError, *_ARITHMETIC):
                feature_columns(strategy, FeatureBars(window.columns(_NOTHING, MINUTE_NS)))
