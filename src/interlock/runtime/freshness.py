"""Whether what we see is what is: silence limits of streams, measured against another source.

A market stream is stale when it is down, or silent for longer than its budget and no independent
look at the book has agreed with it since. The user stream may be silent for good reasons; it is
stale when it is down, or when a query found an execution that it never told.
"""

from __future__ import annotations

import msgspec

from interlock.model.market import Quote
from interlock.model.venue import (
    Answer,
    BookQuery,
    Stream,
    StreamChanged,
    VenueFill,
    Verdict,
)
from interlock.runtime.asks import Asks, Pending
from interlock.runtime.desk import Desk

BPS = 10_000


class StreamState(msgspec.Struct):
    """When a stream last spoke, when it was last found true, and from when it may be looked at."""

    ts_heard: int = 0
    ts_agreed: int = 0
    ts_next: int = 0
    is_up: bool = True
    is_asked: bool = False
    is_stale: bool = False
    # The price before the newest one, in price units; 0 = none.
    before: int = 0
    # Whether the venue has told a mark since the stream came up.
    is_marked: bool = False


class Freshness:
    """The state of the market stream per instrument and of the user stream."""

    def __init__(self, desk: Desk, asks: Asks) -> None:
        self.desk = desk
        self.asks = asks
        self.market: dict[str, StreamState] = {
            name: StreamState() for name in desk.state.instruments
        }
        self.user = StreamState(is_up=False)
        # No look is due before; streams that speak only move it on. 0 = not known.
        self._ts_look = 0

    def heard(self, instrument: str, ts: int) -> None:
        """The market stream of an instrument spoke."""
        state = self.market[instrument]
        if not state.ts_heard:
            self._ts_look = 0
        state.ts_heard = ts
        last = self.desk.state.instruments[instrument].last
        state.before = 0 if last is None else last.mark_units

    def marked(self, instrument: str) -> None:
        """The venue told a mark."""
        self.market[instrument].is_marked = True

    def price(self, instrument: str) -> int:
        """What a stop is measured by, in price units; 0 = not known.

        The venue's mark; where it told none since a restart, or since the stream came up again,
        the newest price heard since, unless that is far from the mark.
        """
        slot, state = self.desk.state.instruments[instrument], self.market[instrument]
        is_heard = slot.last is not None and state.ts_heard
        if state.is_marked or not is_heard or self.outlier(instrument):
            return slot.mark
        return int(slot.last.mark_units)

    def changed(self, event: StreamChanged) -> None:
        """A stream came up, went down or was rebuilt."""
        self._ts_look = 0
        states = [self.user]
        if event.stream is Stream.MARKET:
            name = event.instrument
            states = [self.market[name]] if name in self.market else list(self.market.values())
        for state in states:
            state.is_up = event.is_up
            if event.is_up:
                # A connection is no price: the market counts as silent until it speaks.
                heard = self.desk.ts if state is self.user else 0
                state.ts_heard = state.ts_agreed = heard
                state.is_stale = state.is_marked = False

    def user_lacks(self, news: list[VenueFill]) -> bool:
        """What a query told first, long after it happened, the user stream has lost."""
        limit, user = self.desk.ts - self.desk.settings.query_lag_ns, self.user
        late = [fill for fill in news if user.ts_agreed < fill.ts_venue < limit]
        if not late or not user.is_up or user.is_stale:
            return False
        user.is_stale = True
        what = f"trade {late[0].trade_id} came by query only"
        self.desk.tell("STREAM_STALE", "user", what, level="WARNING")
        return True

    def user_heard(self) -> None:
        """The user stream spoke: it is alive."""
        self.user.ts_heard = self.desk.ts
        if self.user.is_stale:
            self.user.is_stale = False
            self.desk.tell("STREAM_FRESH", "user")

    def stale(self, instrument: str) -> str:
        """Why new risk on an instrument would be blind, or an empty text."""
        if not self.user.is_up or self.user.is_stale:
            return "the user stream is down or lacks executions"
        state = self.market[instrument]
        if not state.is_up:
            return f"the market stream of {instrument} is down"
        seen = max(state.ts_heard, state.ts_agreed)
        silent = self.desk.ts - seen
        if not seen or silent > self.desk.settings.market_silence_ns:
            return f"the market stream of {instrument} has been silent for {silent // 10**6} ms"
        return ""

    def outlier(self, instrument: str) -> str:
        """Why the newest price is not believed yet: the venue's mark is far from it, or no price.

        The mark comes by another stream and from more than the last trade; where there is none yet,
        the price before stands for it. A true jump is believed as soon as the mark follows, or the
        next price says the same.
        """
        slot = self.desk.state.instruments[instrument]
        last = slot.last
        if type(last) is Quote and not 0 < last.bid_units <= last.ask_units:
            return f"a touch of {last.bid_units} and {last.ask_units} is no price (price units)"
        mark = slot.mark_units or self.market[instrument].before
        if not mark or last is None:
            return ""
        seen = last.mark_units
        apart = abs(seen - mark) * BPS // mark
        if apart <= self.desk.settings.outlier_bps:
            return ""
        return f"the price {seen} is {apart} bps from {mark} (price units)"

    def due(self) -> None:
        """Look at the book by another way where a stream has been silent for half its budget."""
        if self.desk.ts < self._ts_look:
            return
        self._ts_look = 0
        limit = self.desk.settings.market_silence_ns
        for name, state in self.market.items():
            seen = max(state.ts_heard, state.ts_agreed)
            silent = self.desk.ts - seen
            if not state.is_up or not seen or silent <= limit // 2:
                continue
            if not state.is_asked and self.desk.ts >= state.ts_next:
                state.is_asked = self.asks.ask_cached(
                    BookQuery, self._looked, age_ns=limit // 4, instrument=name
                )
                state.ts_next = self.asks.ready(BookQuery)
            if silent > limit and not state.is_stale:
                state.is_stale = True
                self.desk.tell("STREAM_STALE", name, f"silent for {silent // 10**6} ms")

    def _looked(self, answer: Answer, pending: Pending) -> None:
        """The book's middle by query, in price units, against the last one by stream."""
        request = pending.request
        if not isinstance(request, BookQuery):
            return
        state = self.market[request.instrument]
        state.is_asked = False
        self._ts_look = 0
        mark = self.desk.state.instruments[request.instrument].mark
        if answer.verdict is not Verdict.ACCEPTED or not isinstance(answer.content, int):
            return
        apart = abs(answer.content - mark)
        if mark and apart * BPS <= mark * self.desk.settings.book_tolerance_bps:
            state.ts_agreed = pending.ts
            if state.is_stale:
                state.is_stale = False
                self.desk.tell("STREAM_FRESH", request.instrument)
            return
        state.ts_agreed = 0
        state.ts_heard = min(state.ts_heard, self.desk.ts - self.desk.settings.market_silence_ns)
        self.desk.tell(
            "STREAM_STALE",
            request.instrument,
            f"the book's middle is {answer.content} by query and {mark} by stream",
            level="WARNING",
        )

    @property
    def wake_ts(self) -> int:
        """When the next look may be due, 0 when nothing is followed."""
        if not self._ts_look:
            self._ts_look = self._next_look()
        return self._ts_look

    def _next_look(self) -> int:
        """After half the budget there is a look, after all of it the stream is stale."""
        limit, ts = self.desk.settings.market_silence_ns, self.desk.ts
        times = []
        for state in self.market.values():
            seen = max(state.ts_heard, state.ts_agreed)
            if not state.is_up or not seen:
                continue
            if not state.is_asked:
                times.append(max(ts, state.ts_next, seen + limit // 2 + 1))
            if not state.is_stale:
                times.append(max(ts, seen + limit + 1))
        return min(times, default=0)
