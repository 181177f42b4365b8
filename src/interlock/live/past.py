"""Bars of the past in front of the first live one, for strategies that look back far.

Rules of this file. The venue is asked when the first live bar is there and the engine trades: then
the bar before it has been over for a whole step, and what the venue says of it is final. The live
bar waits until the past ends where it opens. While it does not, no bar passes, so that nothing is
decided on a window with a hole; it is told, and asked again at the next bar. What passes goes to
the tape like any other input.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.adapters.tasks import Tasks
from interlock.model.events import BarRow, PastBars
from interlock.model.market import Bar
from interlock.ports import Clock, NoPast, PastFault, TellsPast
from interlock.runtime.values import Notice


class LookBack(msgspec.Struct, frozen=True, kw_only=True):
    """How many bars of the past a run begins with.

    ``step_ns`` is the step of the bars, 0 that of the first one. Bars that are made here from
    trades (``is_made``) begin with one that is not whole; it is left to the venue.
    """

    count: int
    step_ns: int = 0
    is_made: bool = False


async def past_of(
    venue: Any, instrument: str, *, step_ns: int, until: int, count: int
) -> tuple[BarRow, ...]:
    """The past bars of a venue, where it tells any; raises PastFault."""
    if not isinstance(venue, TellsPast):
        name = getattr(venue, "name", "the venue")
        raise NoPast(f"the adapter of {name} tells no past bars")
    return await venue.past_bars(instrument, step_ns=step_ns, until=until, count=count)


class _Series:
    """The bars of one instrument: those that wait, and how far those that passed go."""

    def __init__(self) -> None:
        self.waiting: list[Bar] = []
        self.is_asking = False
        self.ts_passed = -1


class Past:
    """Passes events on; in front of the first bar of each instrument go those of before.

    A hole in the live bars, as after a lost connection, is filled in the same way.
    """

    def __init__(
        self,
        wanted: LookBack,
        venue: Any,
        *,
        sink: Callable[[Any], None],
        is_trading: Callable[[], bool],
        told: Callable[[Notice], None],
        clock: Clock,
    ) -> None:
        self._wanted = wanted
        self._venue = venue
        self._sink = sink
        self._is_trading = is_trading
        self._told = told
        self._clock = clock
        self._step_ns = wanted.step_ns
        self._series: dict[str, _Series] = {}
        self._tasks = Tasks()
        self._is_off = False

    def __call__(self, event: Any) -> None:
        if type(event) is not Bar or self._is_off:
            self._sink(event)
            return
        self._step_ns = self._step_ns or event.step_ns
        if event.step_ns != self._step_ns:
            self._sink(event)
            return
        series = self._series.get(event.instrument.id)
        if series is None:
            series = self._series[event.instrument.id] = _Series()
            if self._wanted.is_made:
                return
        self._take(series, event)

    async def close(self) -> None:
        """Ask nothing more; what waits passes no more."""
        await self._tasks.stop()

    def _take(self, series: _Series, bar: Bar) -> None:
        if series.is_asking:
            series.waiting.append(bar.copy())
        elif series.ts_passed >= 0 and bar.ts_open <= series.ts_passed + self._step_ns:
            self._pass(series, bar)
        else:
            # What waited so far is past by now.
            series.waiting = [bar.copy()]
            if self._is_trading():
                series.is_asking = True
                self._tasks.run(self._fill(series))

    async def _fill(self, series: _Series) -> None:
        first = series.waiting[0]
        name, until = first.instrument.id, first.ts_open
        count = self._wanted.count
        if series.ts_passed >= 0:
            count = min(count, (until - series.ts_passed) // self._step_ns - 1)
        try:
            rows = await past_of(self._venue, name, step_ns=self._step_ns, until=until, count=count)
        except NoPast as error:
            self._tell("PAST_UNKNOWN", name, f"{error}; the strategy begins with live bars")
            self._is_off = True
            self._release(series)
            return
        except PastFault as error:
            self._wait(series, name, str(error))
            return
        rows = tuple(row for row in rows if row[0] > series.ts_passed)
        missing = self._missing(rows, until)
        # Once live, a bar that the venue itself does not have is no hole: nothing was traded.
        if missing and series.ts_passed < 0:
            self._wait(series, name, f"{missing} bars are missing before the first live one")
            return
        if rows:
            self._sink(PastBars(self._clock.now_ns(), name, self._step_ns, rows))
        self._release(series)

    def _missing(self, rows: tuple[BarRow, ...], until: int) -> int:
        """How many bars lie between the past and the first live one, at least 1 without a past."""
        return (until - rows[-1][0]) // self._step_ns - 1 if rows else 1

    def _wait(self, series: _Series, name: str, why: str) -> None:
        series.is_asking = False
        self._tell(
            "PAST_MISSING", name, f"{why}; nothing is decided before, asked again at the next bar"
        )

    def _release(self, series: _Series) -> None:
        series.is_asking = False
        waiting, series.waiting = series.waiting, []
        now = self._clock.now_ns()
        for bar in waiting:
            self._pass(series, bar.arriving(max(bar.ts_event, now)))

    def _pass(self, series: _Series, bar: Bar) -> None:
        series.ts_passed = max(series.ts_passed, bar.ts_open)
        self._sink(bar)

    def _tell(self, name: str, instrument: str, text: str) -> None:
        ts = self._clock.now_ns()
        self._told(Notice(ts_event=ts, name=name, level="WARNING", subject=instrument, text=text))
