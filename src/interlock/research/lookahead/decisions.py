"""The decisions of a strategy: its journal on prefixes and poisoned futures, and under a guard."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import Any

from interlock.model.effects import AmendOrder, CancelOrder, SetTimer, SubmitOrder
from interlock.model.events import OrderAccepted
from interlock.model.facts import OrderDenied
from interlock.model.instrument import Instrument
from interlock.model.units import format_units
from interlock.research.lookahead.data import poisoned, prefix
from interlock.research.lookahead.runs import PeekedAhead, Run
from interlock.research.lookahead.source import StrategySource
from interlock.research.lookahead.verdict import Finding, Outcome, judged
from interlock.strategy.columns import Dataset

Perform = Callable[[Dataset], Run]
_OWN = (SubmitOrder, CancelOrder, AmendOrder, SetTimer, OrderDenied, OrderAccepted)
_ENOUGH = 3  # differences after which more runs would say the same
_PUBLIC = "Decide from the event you are given, history(name, count) and followed indicators only"


def signal_times(run: Run) -> list[int]:
    """When the strategy submitted orders, each time once, in order."""
    return sorted({row.ts_event for row in run.rows[1:] if isinstance(row, SubmitOrder)})


def check_guard(run: Run) -> Outcome:
    """What the guarded run says: a reach past the cursor ends it."""
    test = "clock guard"
    if not isinstance(run.error, PeekedAhead):
        return judged(test, "every row of every cursor", [], [])
    error = run.error
    finding = Finding(
        subject="cursor",
        text=f"the strategy asked a column for [{error.asked}] while it stood on row {error.row}",
        remedy=_PUBLIC,
        ts=error.ts,
        line=error.line,
    )
    return judged(test, "stopped at the first reach past a cursor", [finding], [])


class DecisionCheck:
    """Compares runs over changed data with the full run, up to the moment of the change."""

    def __init__(
        self,
        dataset: Dataset,
        full: Run,
        perform: Perform,
        source: StrategySource,
        *,
        is_target: bool,
    ) -> None:
        self.dataset = dataset
        self.full = full
        self.perform = perform
        self.source = source
        self.is_target = is_target
        self._instruments = {item.id: item for item in dataset.instruments()}

    def prefixes(self, cuts: Sequence[int], progress: Callable[[], None]) -> Outcome:
        """The journal of a run that ends at a cut is the beginning of the full journal."""
        found = []
        for ts in cuts:
            run = self.perform(prefix(self.dataset, ts))
            found += self._compare(ts, len(run.until(ts)), run, "on data that end there")
            progress()
            if len(found) >= _ENOUGH:
                break
        return self._outcome("decisions on prefixes", f"{len(cuts)} prefixes", found)

    def poisons(
        self, cuts: Sequence[int], hows: Sequence[str], seed: int, progress: Callable[[], None]
    ) -> Outcome:
        """Another market after the cut changes nothing up to it."""
        found = []
        for ts in cuts:
            settled = len(self.perform(prefix(self.dataset, ts)).until(ts))
            for how in hows:
                run = self.perform(poisoned(self.dataset, ts, how, seed))
                found += self._compare(ts, settled, run, f"when the future is another ({how})")
                progress()
            if len(found) >= _ENOUGH:
                break
        return self._outcome(
            "decisions with a poisoned future", f"{len(cuts) * len(hows)} futures", found
        )

    def _compare(self, ts: int, settled: int, run: Run, when: str) -> list[Finding]:
        if run.error is not None and run.error_ts <= ts:
            return [self._raised(run, when)]
        expected, rows = _decided(self.full, ts, settled), _decided(run, ts, settled)
        for row, other in zip_longest(expected, rows):
            if row != other:
                return [self._differs(row, other, run, when)]
        return []

    def _raised(self, run: Run, when: str) -> Finding:
        assert run.error is not None
        return Finding(
            subject="orders",
            text=f"{type(run.error).__name__} ({run.error}) {when}, but not with all data",
            remedy=self._remedy(),
            ts=run.error_ts or None,
            line=run.error_line or self._hidden_line(),
        )

    def _differs(self, row: Any, other: Any, run: Run, when: str) -> Finding:
        text = f"{self._say(row)} with all data, {self._say(other)} {when}"
        line = self.full.line_of(row) or run.line_of(other) or self._hidden_line()
        times = [item.ts_event for item in (row, other) if item is not None]
        return Finding(subject="orders", text=text, remedy=self._remedy(), ts=min(times), line=line)

    def _say(self, row: Any) -> str:
        if row is None:
            return "nothing"
        if not isinstance(row, SubmitOrder):
            return f"{type(row).__name__} {getattr(row, 'client_order_id', '')}".strip()
        spec = row.spec
        size = _quantity(self._instruments[spec.instrument], spec.quantity)
        return f"{'buy' if spec.side > 0 else 'sell'} {size} {spec.instrument} ({spec.type})"

    def _hidden_line(self) -> str:
        found = [item for item in self.source.suspects if item.kind == "hidden"]
        return self.source.place(found[0].number) if found else ""

    def _remedy(self) -> str:
        for item in self.source.suspects:
            if item.kind == "hidden":
                return f"{item.what[:1].upper()}{item.what[1:]}: {item.remedy}"
        if self.is_target:
            return "Look at the columns above: what decides here is made from later rows"
        return _PUBLIC

    def _outcome(self, test: str, tried: str, found: list[Finding]) -> Outcome:
        orders = sum(isinstance(row, SubmitOrder) for row in self.full.rows[1:])
        first = sorted(found, key=lambda item: item.ts or 0)[:1]
        more = f", {len(found)} differ" if found else ""
        return judged(test, f"{tried}{more}, {orders} orders in the full run", first, [])


def _decided(run: Run, ts: int, settled: int) -> list[Any]:
    """The rows of a run that were decided by ``ts``.

    A bar may open at the very time of the cut, after the decision: what fills there is no longer
    the past. ``settled`` rows are known to lie before, and so do the strategy's own acts after
    them until the venue reports something new.
    """
    rows = run.until(ts)
    end = settled
    while end < len(rows) and (rows[end].ts_event < ts or isinstance(rows[end], _OWN)):
        end += 1
    return rows[:end]


def _quantity(instrument: Instrument, units: int) -> str:
    return format_units(units, instrument.quantity_exponent)
