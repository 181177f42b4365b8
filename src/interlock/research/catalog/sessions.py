"""When a market is open: holes in bars are counted in open time only."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from interlock.research.catalog.errors import CatalogError
from interlock.strategy.columns import Integers

_DAY = 86_400 * 10**9


@lru_cache(maxsize=8)
def session_times(calendar: str, first_day: int, *, last_day: int) -> tuple[Integers, Integers]:
    """Open and close times (ns UTC) of all sessions between two days since 1970."""
    import exchange_calendars  # Pulls in pandas: only users of session calendars pay for it.
    from exchange_calendars.errors import CalendarError

    bounds = [np.datetime64(day, "D").astype(str) for day in (first_day - 7, last_day + 7)]
    try:
        found = exchange_calendars.get_calendar(calendar, start=bounds[0], end=bounds[1])
    except (CalendarError, ValueError) as error:
        raise CatalogError(
            f"calendar {calendar!r} cannot be used from {bounds[0]} to {bounds[1]}: {error}; "
            "use 24/7, 24/5 or an exchange code such as XNYS"
        ) from error
    # Without its zone a pandas time converts to numpy silently; both are UTC.
    opens, closes = (
        times.dt.tz_localize(None).to_numpy("datetime64[ns]").astype(np.int64)
        for times in (found.opens, found.closes)
    )
    return opens, closes


def missing_bars(times: Integers, step: int, *, calendar: str) -> tuple[Integers, Integers]:
    """Rows (into ``times``, ascending) that follow a hole, and how many bars each hole lacks."""
    gaps = np.diff(times)
    rows = np.flatnonzero(gaps > step)
    if not len(rows):
        return rows, rows
    if calendar == "24/7":
        return rows + 1, -(-gaps[rows] // step) - 1
    opens, closes = session_times(calendar, int(times[0]) // _DAY, last_day=int(times[-1]) // _DAY)
    if step >= _DAY:
        # A daily bar is labeled by the date of its session.
        days = opens // _DAY
        before = np.searchsorted(days, times[rows] // _DAY, "right")
        after = np.searchsorted(days, times[rows + 1] // _DAY, "left")
        missing = np.maximum(after - before, 0)
    else:
        begin, end = times[rows] + step, times[rows + 1]
        missing = (_open_time(end, opens, closes) - _open_time(begin, opens, closes)) // step
    holes = missing > 0
    return rows[holes] + 1, missing[holes]


def outside_sessions(times: Integers, step: int, *, calendar: str) -> Integers:
    """Rows whose bar does not touch any session."""
    if calendar == "24/7" or not len(times):
        return np.empty(0, dtype=np.int64)
    opens, closes = session_times(
        calendar, int(times.min()) // _DAY, last_day=int(times.max()) // _DAY
    )
    if step >= _DAY:
        return np.flatnonzero(~np.isin(times // _DAY, opens // _DAY))
    touched = _open_time(times + step, opens, closes) - _open_time(times, opens, closes)
    return np.flatnonzero(touched == 0)


def _open_time(times: Integers, opens: Integers, closes: Integers) -> Integers:
    """Nanoseconds the market was open before each time."""
    lengths = np.concatenate([[0], np.cumsum(closes - opens)])
    started = np.searchsorted(opens, times, "right")
    last = np.maximum(started - 1, 0)
    inside = np.clip(times - opens[last], 0, closes[last] - opens[last])
    result: Integers = np.where(started > 0, lengths[last] + inside, 0)
    return result
