"""Larger bars one event at a time: the live form of the column aggregation, equal to it."""

from __future__ import annotations

from interlock.model.instrument import Instrument
from interlock.model.market import Bar, column


class AggregationError(ValueError):
    """A step or a bar that cannot be part of a larger bar."""


class BarBuilder:
    """Builds bars of one step from trades or from smaller bars, aligned to midnight UTC.

    Each method returns the bars it completed, oldest first. A bar is complete when its time is
    over, never before: a smaller bar that ends with the step completes it at once, otherwise the
    next event or ``advance`` does. A step without rows has no bar. What comes too late for a bar
    that has been given away is left out and counted in ``late``.
    """

    __slots__ = ("_close", "_end", "_high", "_low", "_open", "_volume", "instrument", "late",
                 "step_ns")  # fmt: skip

    def __init__(self, instrument: Instrument, step_ns: int) -> None:
        if step_ns <= 0:
            raise AggregationError(f"step {step_ns} ns is not positive; give a length in ns")
        self.instrument = instrument
        self.step_ns = step_ns
        self.late = 0
        self._end: int | None = None  # end of the bar under way; it stays after the bar is given
        self._volume = -1  # -1: no bar is under way
        self._open = self._high = self._low = self._close = 0

    def add_trade(self, ts: int, price: int, quantity: int) -> tuple[Bar, ...]:
        """Take in a trade (ns, price units, quantity units)."""
        done = self.advance(ts)
        if self._take(ts, (price, price, price, price), quantity):
            return done
        self.late += 1
        return done

    def add_bar(self, bar: Bar) -> tuple[Bar, ...]:
        """Take in a complete smaller bar, whose step divides this one's."""
        if bar.step_ns <= 0 or self.step_ns % bar.step_ns:
            raise AggregationError(
                f"{self.instrument.id}: {self.step_ns} ns is no multiple of the step "
                f"{bar.step_ns} ns; aggregate to a multiple"
            )
        done = self.advance(bar.ts_open)
        prices = (bar.open_units, bar.high_units, bar.low_units, bar.close_units)
        if self._take(bar.ts_open, prices, bar.volume_units):
            # Its own end, not when it arrived: a bar that came late says nothing of the next one.
            return done + self.advance(bar.ts_open + bar.step_ns)
        self.late += 1
        return done

    def advance(self, ts: int) -> tuple[Bar, ...]:
        """Time is ``ts`` now: the bar under way is complete if it has ended by then."""
        if self._volume < 0 or self._end is None or ts < self._end:
            return ()
        return self.flush()

    def flush(self) -> tuple[Bar, ...]:
        """Give away the bar under way although its time may not be over (at the end of data)."""
        if self._volume < 0 or self._end is None:
            return ()
        start = self._end - self.step_ns
        values = (start, self._open, self._high, self._low, self._close, self._volume)
        self._volume = -1
        columns = tuple(column(value) for value in values)
        return (Bar(self.instrument, columns, 0, self.step_ns),)

    def _take(self, ts: int, prices: tuple[int, int, int, int], volume: int) -> bool:
        """Merge one row; False when its bar has been given away."""
        _, high, low, closed = prices
        end = ts - ts % self.step_ns + self.step_ns
        if self._volume >= 0:
            if self._end is not None and end < self._end:
                return False
            self._high = max(self._high, high)
            self._low = min(self._low, low)
            self._close = closed
            self._volume += volume
            return True
        if self._end is not None and end <= self._end:
            return False
        self._end = end
        self._open, self._high, self._low, self._close = prices
        self._volume = volume
        return True
