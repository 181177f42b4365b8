"""The whole check: which data to change where, every test, one verdict."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from interlock.research.backtest import RunOptions
from interlock.research.lookahead import decisions as decide
from interlock.research.lookahead.data import (
    POISONS,
    bounded,
    later,
    moments,
    poisoned,
    prefix,
)
from interlock.research.lookahead.features import Variant, check_columns, columns_of
from interlock.research.lookahead.followed import check_followed
from interlock.research.lookahead.runs import PeekedAhead, Run, perform
from interlock.research.lookahead.shift import check_shift
from interlock.research.lookahead.source import StrategySource
from interlock.research.lookahead.verdict import Outcome, Verdict
from interlock.research.lookahead.warmup import check_warmup
from interlock.strategy.api import Strategy, TargetStrategy
from interlock.strategy.columns import BarColumns, Dataset

Make = Callable[[], Strategy | TargetStrategy]
Progress = Callable[[str], None]
_EARLY = (10, 25, 50, 100, 250, 500)  # rows: what is filled in backward shows at the beginning


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """How much is tried: rows of data, cuts by chance and at signals, and the seed of both."""

    rows: int = 5_000
    sampled: int = 8
    signals: int = 24
    runs: int = 12
    seed: int = 0


def check_strategy(
    make: Make,
    dataset: Dataset,
    *,
    run_options: RunOptions | None = None,
    options: CheckOptions | None = None,
    progress: Progress | None = None,
) -> Verdict:
    """Try to catch a strategy using the future, on the first rows of a dataset.

    ``make`` returns a fresh strategy for each run. Progress is called with what comes next. The
    strategy's own errors on the whole data are raised as they are.
    """
    return _Check(make, dataset, run_options or RunOptions(), options or CheckOptions(), progress)()


class _Check:
    def __init__(
        self,
        make: Make,
        dataset: Dataset,
        run_options: RunOptions,
        options: CheckOptions,
        progress: Progress | None,
    ) -> None:
        self.make = make
        self.options = options
        self.run_options = run_options
        self.dataset = bounded(dataset, options.rows)
        self.times = moments(self.dataset)
        self.tell = progress or (lambda text: None)
        strategy = make()
        self.kind = type(strategy)
        self.source = StrategySource(self.kind)
        self.target = strategy if isinstance(strategy, TargetStrategy) else None

    def __call__(self) -> Verdict:
        self.tell("the full run")
        full = self._perform(self.dataset)
        if full.error is not None:
            raise full.error
        signals = decide.signal_times(full)
        outcomes = self._columns(signals) if self.target is not None else self._guard()
        outcomes += self._decisions(full, signals)
        if self.target is None:
            self.tell("warm-up convergence")
            outcomes.append(check_followed(full.followed, self._late(), self.dataset, self.kind))
        self.tell("the shift test")
        outcomes.append(check_shift(self.make, self.dataset, self.run_options))
        return Verdict(
            strategy=self.kind.__name__,
            data=self.dataset.name,
            synthetic=self.dataset.synthetic,
            rows=len(self.times),
            outcomes=tuple(outcomes),
            notes=self._notes(signals),
        )

    def _perform(self, dataset: Dataset) -> Run:
        return perform(self.make, dataset, self.run_options)

    # The columns of a target strategy.
    def _columns(self, signals: Sequence[int]) -> list[Outcome]:
        bars = self._bars(self.dataset)
        self.tell("the columns on prefixes")
        full = columns_of(self._make_target, bars)
        cuts = self._cuts(signals, self.options.signals)
        early = [int(bars.close_ts[row - 1]) for row in _EARLY if row < len(bars)]
        prefixes = [self._variant(bars, ts, prefix(self.dataset, ts)) for ts in (*early, *cuts)]
        found = [
            check_columns("prefix invariance", prefixes, full=full, bars=bars, source=self.source)
        ]
        self.tell("the columns with a poisoned future")
        poisons = [
            self._variant(bars, ts, poisoned(self.dataset, ts, how, self.options.seed))
            for ts in self._some(cuts, 6)
            for how in POISONS
        ]
        found.append(
            check_columns("future poison", poisons, full=full, bars=bars, source=self.source)
        )
        self.tell("warm-up convergence")
        late = [self._variant(bars, ts, later(self.dataset, ts)) for ts in self._late()]
        assert self.target is not None
        declared = self.target.warmup
        found.append(check_warmup(full, late, bars=bars, declared=declared, source=self.source))
        return found

    def _variant(self, bars: BarColumns, ts: int, changed: Dataset) -> Variant:
        """How many rows of the full data lie before the change, and the columns after it."""
        row = int(np.searchsorted(bars.close_ts, ts, "right"))
        return row, lambda: columns_of(self._make_target, self._bars(changed))

    def _make_target(self) -> TargetStrategy:
        strategy = self.make()
        assert isinstance(strategy, TargetStrategy)
        return strategy

    def _bars(self, dataset: Dataset) -> BarColumns:
        return dataset.bar(self.dataset.bars[0].instrument.id)

    # The decisions of any strategy.
    def _guard(self) -> list[Outcome]:
        self.tell("the guarded run")
        run = perform(self.make, self.dataset, self.run_options, guard=True)
        if run.error is not None and not isinstance(run.error, PeekedAhead):
            raise run.error
        return [decide.check_guard(run)]

    def _decisions(self, full: Run, signals: Sequence[int]) -> list[Outcome]:
        check = decide.DecisionCheck(
            self.dataset, full, self._perform, self.source, is_target=self.target is not None
        )
        cuts = self._cuts(signals, self.options.runs)
        some = self._some([ts for ts in cuts if ts in set(signals)] or cuts, 5)
        done = iter(range(1, len(cuts) + len(some) * len(POISONS) + 1))
        total = len(cuts) + len(some) * len(POISONS)

        def step() -> None:
            self.tell(f"decisions, run {next(done)} of {total}")

        return [check.prefixes(cuts, step), check.poisons(some, POISONS, self.options.seed, step)]

    # Where to cut.
    def _cuts(self, signals: Sequence[int], most: int) -> list[int]:
        """Times by chance, and the times of signals: there a look ahead shows first."""
        usable = self.times[len(self.times) // 5 : -1]
        if not len(usable):
            return []
        generator = np.random.default_rng(self.options.seed)
        count = min(self.options.sampled, most, len(usable))
        chance = generator.choice(usable, size=count, replace=False).tolist()
        first = int(self.times[min(_EARLY[0], len(self.times)) - 1])
        before_end = [ts for ts in signals if first <= ts <= int(usable[-1])]
        return sorted({*chance, *self._some(before_end, most)})

    @staticmethod
    def _some(times: Sequence[int], most: int) -> list[int]:
        """Up to ``most`` of the times, spread evenly."""
        if len(times) <= most:
            return list(times)
        return [times[index * len(times) // most] for index in range(most)]

    def _late(self) -> list[int]:
        """Open times to start at, ns: a tenth, a quarter and two fifths into the data."""
        if not self.dataset.bars:
            return []
        ts = self._bars(self.dataset).ts
        return [int(ts[len(ts) * share // 100]) for share in (10, 25, 40)] if len(ts) >= 50 else []

    def _notes(self, signals: Sequence[int]) -> tuple[str, ...]:
        notes = []
        if not signals:
            notes.append(
                "The strategy made no order on these data, so its decisions were not tried; "
                "give it data on which it trades (--data, --rows)."
            )
        for item in self.source.readers():
            notes.append(
                f"{self.source.place(item.number)}: {item.what}. No test can see what it knows; "
                f"{item.remedy}."
            )
        return tuple(notes)
