"""What the venue calls an order of which only an execution tells: asked for by the venue's number.

A list of executions may have no names. An order of ours is named by its own query as well; one
that nobody here sent may be a liquidation, and that must not pass for a trade by hand. So whoever
holds an execution without a name asks here before it is somebody else's.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.model.venue import Answer, OrderQuery, VenueFill, VenueOrder, Verdict
from interlock.runtime.asks import Asks, Pending
from interlock.runtime.desk import Desk

# Orders of which the answer is kept, in case more of their executions come.
TOLD_KEPT = 256
# An instrument, and the venue's number of an order of it.
Number = tuple[str, str]


class Wanted(msgspec.Struct):
    """A name that is asked for: since when, not before ``ts_next``, and when it first was."""

    ts: int
    ts_next: int
    wait: int = 0
    ts_asked: int = 0
    is_under_way: bool = False


class Naming:
    """Asks until the venue says the name, says that it knows none, or was asked for long enough.

    ``settled`` hears of every order of which nothing more will be asked.
    """

    def __init__(self, asks: Asks, settled: Callable[[Number], None]) -> None:
        self.desk: Desk = asks.desk
        self.asks = asks
        self.settled = settled
        self.wanted: dict[Number, Wanted] = {}
        # What was told, an empty text where the venue has no name for an order; the newest.
        self.told: dict[Number, str] = {}

    def named(self, fill: VenueFill) -> VenueFill:
        """The execution with the name of its order, where one is known."""
        if fill.client_order_id:
            return fill
        known = self.desk.books.stranger_name(fill.instrument, fill.venue_order_id)
        known = known or self.told.get(number_of(fill), "")
        return msgspec.structs.replace(fill, client_order_id=known) if known else fill

    def can_tell(self, fill: VenueFill) -> bool:
        """Whether the venue may still have a name for the order of an execution."""
        if fill.client_order_id or not fill.venue_order_id or number_of(fill) in self.told:
            return False
        return not self.desk.books.name_of(fill.instrument, fill.venue_order_id)

    def want(self, fill: VenueFill, *, delay: int) -> None:
        """Ask for the name of an execution's order, unless that is under way."""
        ts = self.desk.ts
        self.wanted.setdefault(number_of(fill), Wanted(ts, ts + delay))

    def drop(self, fill: VenueFill) -> None:
        """Nobody needs the name any more: the execution is booked."""
        self.wanted.pop(number_of(fill), None)

    def due(self) -> None:
        """Send the questions whose time has come; give up on those that were asked for long."""
        ts, most = self.desk.ts, self.desk.settings.nameless_ns
        for number, want in list(self.wanted.items()):
            if want.is_under_way or ts < want.ts_next or number not in self.wanted:
                continue
            if want.ts_asked and ts > want.ts_asked + most:
                self._settle(number, "")
            else:
                self._ask(number, want)

    def _ask(self, number: Number, want: Wanted) -> None:
        want.is_under_way = self.asks.ask(
            OrderQuery,
            self._told,
            client_order_id="",
            instrument=number[0],
            venue_order_id=number[1],
        )
        if want.is_under_way:
            want.ts_asked = want.ts_asked or self.desk.ts
        else:
            self._again(want)

    def _again(self, want: Wanted) -> None:
        settings = self.desk.settings
        want.is_under_way = False
        want.wait = min(max(2 * want.wait, settings.query_first_ns), settings.query_most_ns)
        want.ts_next = self.desk.ts + want.wait

    def _told(self, answer: Answer, pending: Pending) -> None:
        asked = pending.request
        if not isinstance(asked, OrderQuery):
            return
        number = (asked.instrument, asked.venue_order_id)
        want = self.wanted.get(number)
        if want is None:
            return
        if answer.verdict is Verdict.ACCEPTED and isinstance(answer.content, VenueOrder):
            self._settle(number, answer.content.client_order_id)
        elif self._is_final(answer, want, pending.ts):
            self._settle(number, "")
        else:
            self._again(want)

    def _is_final(self, answer: Answer, want: Wanted, asked: int) -> bool:
        """Whether no name is one: a venue's orders may lag behind the list of its executions."""
        is_said = answer.verdict in (Verdict.ACCEPTED, Verdict.REJECTED)
        is_late = asked > want.ts + self.desk.settings.query_lag_ns
        return is_said and is_late and not answer.retry_after_ms

    def _settle(self, number: Number, name: str) -> None:
        del self.wanted[number]
        self.told[number] = name
        if len(self.told) > TOLD_KEPT:
            del self.told[next(iter(self.told))]
        self.settled(number)

    @property
    def wake_ts(self) -> int:
        """When the next question is due, 0 when none is."""
        times = [want.ts_next for want in self.wanted.values() if not want.is_under_way]
        return min(times, default=0)


def number_of(fill: VenueFill) -> Number:
    """How the venue numbers the order of an execution."""
    return fill.instrument, fill.venue_order_id
