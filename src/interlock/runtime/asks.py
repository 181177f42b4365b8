"""Questions and attempts under way: numbered, budgeted, joined when equal, given up in time.

A question that nobody answers counts as unanswered after its time; what the venue says after that
is still heard for attempts. Equal questions that are under way are asked once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import msgspec

from interlock.model.venue import (
    Answer,
    BalancesQuery,
    BookQuery,
    DeadManRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    PaymentsQuery,
    PositionsQuery,
    Request,
    TimeQuery,
    Verdict,
)
from interlock.runtime.breaker import Breaker
from interlock.runtime.budget import Budget, Lane
from interlock.runtime.cache import SoftCache
from interlock.runtime.desk import Desk

Handler = Callable[[Answer, "Pending"], None]
Key = tuple[Any, ...]

WEIGHTS: dict[type[Request], int] = {
    OpenOrdersQuery: 40,
    FillsQuery: 5,
    PositionsQuery: 5,
    BalancesQuery: 5,
    PaymentsQuery: 30,
    BookQuery: 2,
    DeadManRequest: 10,
    OrderQuery: 1,
    TimeQuery: 1,
}
CACHED = 256
# The code of an answer that our own last check gave.
NOT_ADMITTED = "NOT_ADMITTED"
LATE_KEPT = 1024


class Pending(msgspec.Struct):
    """A request that left at ``ts``, and who wants its answer."""

    request: Request
    ts: int
    # What equal questions have in common; an attempt has none.
    key: Key
    handlers: list[Handler]
    is_overdue: bool = False


class Asks:
    """Everything that waits for an answer."""

    def __init__(self, desk: Desk, budget: Budget, breaker: Breaker) -> None:
        self.desk = desk
        self.budget = budget
        self.breaker = breaker
        self.pending: dict[int, Pending] = {}
        self.cache: SoftCache[Key, Answer] = SoftCache(CACHED)
        self.late: OrderedDict[int, Pending] = OrderedDict()
        own = budget.rate.weights
        self._weights = {kind: own.get(kind.__name__, usual) for kind, usual in WEIGHTS.items()}
        self._open: dict[Key, int] = {}
        self._next = 1
        # Nothing is overdue before; 0 when nothing is under way.
        self._ts_due = 0

    def start(self, epoch: int) -> None:
        """Number requests from where no earlier process did."""
        self._next = (epoch << 32) + 1

    def number(self) -> int:
        """The number of the next request."""
        number = self._next
        self._next = number + 1
        return number

    def send(self, request: Request, handler: Handler) -> None:
        """Hand out an attempt that passed its gate; its answer goes to the handler."""
        self._await(Pending(request, self.desk.ts, (), [handler]))

    def ask(
        self, kind: type[Request], handler: Handler, *, since: int | None = None, **parts: Any
    ) -> bool:
        """Ask once; False when the budget says later.

        ``since`` joins an equal question that left at or after that time; None never joins.
        """
        ts = self.desk.ts
        key = _key(kind, parts)
        joined = self.pending.get(self._open.get(key, 0))
        if since is not None and joined is not None and joined.ts >= since:
            joined.handlers.append(handler)
            self.desk.tell("REQUEST_COALESCED", kind.__name__)
            return True
        if not self.budget.take(ts, Lane.QUERY, weight=self.weight(kind)):
            self.throttled(kind.__name__)
            return False
        request = kind(request_id=self.number(), **parts)
        self._await(Pending(request, ts, key, [handler]))
        self._open[key] = request.request_id
        return True

    def _await(self, pending: Pending) -> None:
        request, overdue = pending.request, self._ts_overdue(pending)
        self.desk.out.requests.append(request)
        self.pending[request.request_id] = pending
        self._ts_due = min(self._ts_due or overdue, overdue)

    def ask_cached(
        self, kind: type[Request], handler: Handler, *, age_ns: int, **parts: Any
    ) -> bool:
        """Ask, or take an answer that is at most ``age_ns`` old."""
        key = _key(kind, parts)
        found = self.cache.get(key, ts=self.desk.ts, age_ns=age_ns)
        self.desk.tell("CACHE_MISS" if found is None else "CACHE_HIT", kind.__name__)
        if found is None:
            return self.ask(kind, handler, since=self.desk.ts - age_ns, **parts)
        asked = kind(request_id=found[1].request_id, **parts)
        handler(found[1], Pending(asked, found[0], key, []))
        return True

    def ready(self, kind: type[Request]) -> int:
        """From when the budget may have room for a question of a kind."""
        return self.budget.ts_ready(self.desk.ts, Lane.QUERY, weight=self.weight(kind))

    def weight(self, kind: type[Request]) -> int:
        """What a request of a kind costs at this venue."""
        return self._weights.get(kind, 1)

    def throttled(self, subject: str) -> None:
        """Say that something was kept back to keep the rate."""
        self.desk.tell("RATE_LIMIT_THROTTLE", subject, level="WARNING")

    def answered(self, answer: Answer) -> None:
        """Hand an answer to who asked; one that nobody asked for is counted and dropped."""
        self._measure(answer)
        pending = self.pending.pop(answer.request_id, None) or self.late.pop(
            answer.request_id, None
        )
        if pending is None:
            self.desk.tell("ANSWER_UNASKED", str(answer.request_id))
            return
        self._forget(pending)
        if pending.key and answer.verdict is Verdict.ACCEPTED:
            self.cache.put(pending.key, answer, ts=pending.ts)
        for handler in pending.handlers:
            handler(answer, pending)

    def due(self) -> None:
        """Give up waiting where an answer is overdue: that is an answer of its own, UNKNOWN."""
        ts = self.desk.ts
        if ts < self._ts_due or not self._ts_due:
            return
        overdue = [item for item in self.pending.items() if ts >= self._ts_overdue(item[1])]
        for number, pending in overdue:
            del self.pending[number]
            self._forget(pending)
            pending.is_overdue = True
            if not pending.key:
                # What the venue says about an attempt counts, however late it comes.
                self.late[number] = pending
                if len(self.late) > LATE_KEPT:
                    self.late.popitem(last=False)
            missing = Answer(
                request_id=number, ts_event=ts, verdict=Verdict.UNKNOWN, reason="no answer in time"
            )
            self._measure(missing)
            for handler in pending.handlers:
                handler(missing, pending)
        self._ts_due = min(map(self._ts_overdue, self.pending.values()), default=0)

    @property
    def wake_ts(self) -> int:
        """When an answer may be overdue, 0 when none is waited for."""
        return self._ts_due if self.pending else 0

    def _ts_overdue(self, pending: Pending) -> int:
        """Until when an answer is waited for: a question is soon asked again, an attempt never."""
        settings = self.desk.settings
        return pending.ts + (settings.query_answer_ns if pending.key else settings.answer_ns)

    def _forget(self, pending: Pending) -> None:
        if pending.key and self._open.get(pending.key) == pending.request.request_id:
            del self._open[pending.key]

    def _measure(self, answer: Answer) -> None:
        ts = self.desk.ts
        if answer.used_weight:
            self.budget.measured(ts, answer.used_weight)
        if answer.retry_after_ms:
            self.budget.silence(ts, answer.retry_after_ms)
            self.throttled("the venue")
        if answer.verdict in (Verdict.ACCEPTED, Verdict.REJECTED):
            if self.breaker.succeeded(ts):
                self.desk.tell("CONNECTION_CLOSED", "venue", "the venue answers again")
        elif answer.code != NOT_ADMITTED and self.breaker.failed(ts):
            self.desk.tell("CONNECTION_OPEN", "venue", "the venue does not answer", level="WARNING")


def _key(kind: type[Request], parts: dict[str, Any]) -> Key:
    return (kind, *parts.items())
