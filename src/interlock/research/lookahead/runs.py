"""One run through the kernel that keeps its journal, the author's lines and a guarded cursor."""

from __future__ import annotations

import copy
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from interlock.kernel.journal import Journal
from interlock.model.events import Started, Stopped
from interlock.model.market import Bar, Cursor, Quote, Trade
from interlock.research.backtest import RunOptions, make_session
from interlock.research.lookahead.features import RAISED
from interlock.research.timeframes import larger_bars
from interlock.sim.replay import Replay
from interlock.strategy.api import Followed, Strategy, TargetStrategy
from interlock.strategy.columns import Dataset

NAME = "checked"
_PACKAGE = str(Path(__file__).resolve().parents[2]) + os.sep
_EXAMPLES = _PACKAGE + "examples" + os.sep


class PeekedAhead(Exception):
    """The strategy reached for a row that its cursor has not come to."""

    def __init__(self, row: int, asked: str, ts: int, line: str) -> None:
        super().__init__(f"row {asked} was asked for on row {row}")
        self.row = row
        self.asked = asked
        self.ts = ts
        self.line = line


@dataclass
class Run:
    """What a run left: journal rows, the author's line of each order, and how it ended."""

    rows: list[Any] = field(default_factory=list)
    lines: dict[int, str] = field(default_factory=dict)
    followed: tuple[Followed, ...] = ()
    error: Exception | None = None
    error_ts: int = 0
    error_line: str = ""

    def until(self, ts: int) -> list[Any]:
        """The rows of the journal that happened by ``ts``, without the end of the run."""
        kept = []
        for row in self.rows[1:]:
            if isinstance(row, Stopped) or row.ts_event > ts:
                break
            if not isinstance(row, Started):
                kept.append(row)
        return kept

    def line_of(self, row: Any) -> str:
        """The author's line behind an order's row, if it was seen."""
        name = getattr(row, "client_order_id", "")
        _, dash, ref = name.rpartition("-")
        return self.lines.get(int(ref, 16), "") if dash else ""


class _KeptJournal(Journal):
    """A journal that keeps its rows instead of turning them into bytes."""

    def flush(self) -> None:
        """Keep everything."""


def perform(
    make: Callable[[], Strategy | TargetStrategy],
    dataset: Dataset,
    options: RunOptions,
    *,
    guard: bool = False,
) -> Run:
    """Run a fresh strategy; what the author's code raises is part of the answer."""
    run = Run()
    session = None
    try:
        strategy = make()
        if isinstance(strategy, Strategy):
            _observe(strategy, run, guard)
        with np.errstate(all="ignore"):
            session = make_session({NAME: strategy}, dataset, options)
        session.journal = _KeptJournal()
        session.journal.append([dataset.digest])
        steps = sorted(getattr(strategy, "timeframes", ()))
        replay = Replay(session, dataset, larger=larger_bars(dataset, steps))
        replay.prepare()
        session.started = lambda: _keep_followed(strategy, run)
        replay.run()
    except (PeekedAhead, *RAISED) as error:
        run.error = error
        run.error_ts = session.state.ts_event if session is not None else 0
        run.error_line = _line_of_error(error)
    if session is not None:
        run.rows = session.journal.rows
    return run


def _keep_followed(strategy: Strategy | TargetStrategy, run: Run) -> None:
    """What a strategy follows, as it is before the first bar."""
    if isinstance(strategy, Strategy):
        run.followed = tuple(
            Followed(copy.deepcopy(item.indicator), item.instrument, item.step_ns, item.sources)
            for item in strategy._followed
        )


def _observe(strategy: Strategy, run: Run, guard: bool) -> None:
    """Give the instance a class of its own that notes the lines of orders and guards cursors."""
    kind = type(strategy)
    members: dict[str, Any] = {"__module__": kind.__module__, "__doc__": kind.__doc__}
    for name in ("place", "target_exposure", "target_quantity"):
        members[name] = _noted(getattr(kind, name), run.lines)
    if guard:
        for name in ("on_bar", "on_quote", "on_trade"):
            if getattr(kind, name) is not getattr(Strategy, name):
                members[name] = _guarded(getattr(kind, name))
    strategy.__class__ = type(kind.__name__, (kind,), members)


def _noted(method: Callable[..., int], lines: dict[int, str]) -> Callable[..., int]:
    def call(self: Strategy, *args: Any, **options: Any) -> int:
        ref = method(self, *args, **options)
        lines.setdefault(ref, author_line(sys._getframe(1)))
        return ref

    return call


def _guarded(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    guards: dict[int, Any] = {}

    def call(self: Any, cursor: Any) -> Any:
        known = guards.get(id(cursor))
        if known is None or known[0] is not cursor:
            known = guards[id(cursor)] = (cursor, _guarded_cursor(cursor))
        known[1]._row = cursor._row
        return method(self, known[1])

    return call


def _guarded_cursor(cursor: Bar | Quote | Trade) -> Bar | Quote | Trade:
    holder: list[Cursor] = []
    columns = tuple(_GuardedColumn(part, holder) for part in cursor._columns)
    made: Bar | Quote | Trade
    if isinstance(cursor, Bar):
        bar = made = Bar(cursor.instrument, columns, cursor._row, cursor.step_ns)
        bar._ready_ns = cursor._ready_ns
    else:
        made = type(cursor)(cursor.instrument, columns, cursor._row)
    holder.append(made)
    return made


class _GuardedColumn:
    """A column that lets itself be read up to the row of its cursor."""

    __slots__ = ("_holder", "_values")

    def __init__(self, values: Any, holder: list[Cursor]) -> None:
        self._values = values
        self._holder = holder

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, index: Any) -> Any:
        row = self._holder[0]._row
        if isinstance(index, slice):
            last = max(index.indices(len(self._values))[:2]) - 1
        else:
            last = index if index >= 0 else len(self._values) + index
        if last > row:
            line = author_line(sys._getframe(1))
            raise PeekedAhead(row, str(index), self._holder[0].ts_event, line)  # type: ignore[attr-defined]
        return self._values[index]

    def __iter__(self) -> Any:
        return iter(self[:])

    def tolist(self) -> Any:
        """Every value, which is more than the cursor has come to."""
        return self[:].tolist()


def author_line(frame: Any) -> str:
    """``file.py:12`` of the nearest frame outside this package; empty when there is none."""
    while frame is not None:
        path = frame.f_code.co_filename
        if _is_authored(path):
            return f"{Path(path).name}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _is_authored(path: str) -> bool:
    is_ours = path.startswith(_PACKAGE) and not path.startswith(_EXAMPLES)
    return not is_ours and not path.startswith("<") and "site-packages" not in path


def _line_of_error(error: Exception) -> str:
    if isinstance(error, PeekedAhead):
        return error.line
    found, trace = "", error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if _is_authored(path):
            found = f"{Path(path).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return found
