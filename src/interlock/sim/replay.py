"""Columns through a session: one fast loop for a single series of bars, one for everything else."""

from __future__ import annotations

from interlock.model.market import Bar
from interlock.sim.feed import BOOK, DECIDE, MARK, QUOTE, TRADE, bar_cursor, streams
from interlock.sim.series import Series
from interlock.sim.session import Progress, Session
from interlock.sim.timeline import Timeline
from interlock.strategy.columns import BarColumns, Dataset


class Replay:
    """Drives a session through a dataset."""

    def __init__(
        self,
        session: Session,
        dataset: Dataset,
        *,
        larger: tuple[BarColumns, ...] = (),
        progress: Progress | None = None,
    ) -> None:
        self.session = session
        self.dataset = dataset
        self.progress = progress or (lambda done, total: None)
        self.cursors: dict[tuple[str, int], Bar] = {}
        self.columns: dict[tuple[str, int], BarColumns] = {}
        self._streams = streams(dataset, larger)

    def prepare(self) -> None:
        """Make the cursors, so that indicators can be bound to columns before the first row."""
        for stream in self._streams:
            if stream.moment == DECIDE:
                assert isinstance(stream.columns, BarColumns)
                key = (stream.columns.instrument.id, stream.columns.step_ns)
                self.cursors[key] = bar_cursor(stream.columns)
                self.columns[key] = stream.columns

    def bounds(self) -> tuple[int, int]:
        """First and last time of the data, ns."""
        parts = [part for part in self.dataset.parts() if len(part)]
        first = min(int(part.ts[0]) for part in parts)
        last = max(int(part.ts[-1]) + getattr(part, "step_ns", 0) for part in parts)
        return first, last

    def run(self) -> None:
        """The whole dataset, from start to stop."""
        first, last = self.bounds()
        self.session.start(first)
        self._moved().run()
        self.session.stop(last)

    def _moved(self) -> Series | Timeline:
        if not self._is_single():
            return Timeline(self.session, self._streams, self.cursors, progress=self.progress)
        bars = self.dataset.bars[0]
        cursor = self.cursors[(bars.instrument.id, bars.step_ns)]
        return Series(
            self.session, bars, cursor, funding=self.dataset.funding, progress=self.progress
        )

    def _is_single(self) -> bool:
        decisions = [stream for stream in self._streams if stream.moment == DECIDE]
        others = [s for s in self._streams if s.moment in (MARK, BOOK, QUOTE, TRADE)]
        return len(decisions) == 1 and not others and not self.session.feed_ns
