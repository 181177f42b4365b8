"""Replay: kernel and strategies on the recorded market and rows, and what they decide on the way.

Rules of this file. The world is the record's: its executions, cancels, payments and timers happen
as the ledger tells them, whatever is decided now. An order that only the record has is taken over
from its row; one that only the replay wants is answered with a rejection, because no market ever
answered it. So the account stays the recorded one, and every decision is judged on it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from interlock.adapters.tape import merged
from interlock.incidents.account import Account, Wish
from interlock.incidents.decisions import OURS, Decision, Kind, recorded
from interlock.kernel.external import EXTERNAL
from interlock.kernel.journal import Journal
from interlock.kernel.restore import TIMER_FIRED
from interlock.model.events import TimerFired
from interlock.model.order import Change, OrderStatus
from interlock.model.rows import (
    AnyRow,
    EventRow,
    FillRow,
    LeaseEvent,
    LeaseRow,
    RequestRow,
    Row,
    StoredRow,
    TransitionRow,
    decode_row,
)
from interlock.model.venue import CancelRequest
from interlock.runtime.ids import strategy_number
from interlock.runtime.values import LeaseChanged

# A strategy that answers every rejection with another order is left alone after so many.
_ROUNDS = 64
# The live core wakes a strategy this much after its timer at the latest, ns.
_TIMER_LATE_NS = 10**9
# What a row of one kind may be the record of.
_LANES = {
    Kind.PLACE: (Kind.PLACE, Kind.DENIED),
    Kind.HELD: (Kind.PLACE, Kind.DENIED),
    Kind.DENIED: (Kind.DENIED, Kind.PLACE),
    Kind.AMEND: (Kind.AMEND,),
    Kind.NOTED: (Kind.NOTED,),
    Kind.RAISED: (Kind.RAISED,),
}


class Difference(msgspec.Struct, frozen=True):
    """A place where record and replay part: what was decided then and now, None for nothing."""

    row: int
    ts: int
    then: Decision | None
    now: Decision | None


class Known(msgspec.Struct, frozen=True):
    """What the unchanged replay found: rows of cancels that strategies asked for, rows whose market
    a crash took."""

    cancels: frozenset[int] = frozenset()
    lost: frozenset[int] = frozenset()


class Outcome(msgspec.Struct, kw_only=True):
    """What a replay found. ``same`` counts equal decisions by kind."""

    recorded: str = ""
    replayed: str = ""
    same: dict[str, int] = {}
    differences: list[Difference] = []
    known: Known = Known()
    faults: list[str] = []

    @property
    def is_equal(self) -> bool:
        """Whether every decision is the recorded one."""
        return not self.differences and self.recorded == self.replayed


class Replay:
    """Runs once over rows and market. Rows before ``judged`` only rebuild the state.

    ``known`` is what the unchanged replay found; without it this is that replay. ``lets_out`` are
    codes of refusals that the live core would not make.
    """

    def __init__(
        self,
        account: Account,
        *,
        judged: int = 1,
        known: Known | None = None,
        lets_out: frozenset[str] = frozenset(),
    ) -> None:
        self.account = account
        self.outcome = Outcome()
        self._judged = judged
        self._known = known
        self._lets_out = lets_out
        self._then, self._now = Journal(), Journal()
        self._has_parted = False
        self._cancels: list[int] = []
        # Orders whose cancel the record asked for and the replay did not.
        self._not_asked: set[str] = set()
        # Orders whose cancel both asked for, until the record tells what became of them.
        self._canceling: set[str] = set()
        self._lost: list[int] = []
        self._starts: list[int] = []
        self._market: list[int] = []
        self._names = {
            strategy_number(name): name for name in account.state.strategies if name != EXTERNAL
        }

    def run(self, rows: Sequence[StoredRow], tape: Iterable[tuple[int, Any]]) -> Outcome:
        """Take everything in, in its order, and judge what is decided."""
        base = self.account.seq
        market = [
            entry for entry in tape if entry[0] >= base and not isinstance(entry[1], LeaseChanged)
        ]
        decoded = [(stored.seq, decode_row(stored.row)) for stored in rows]
        self._market = [seq for seq, _ in market]
        self._starts = [seq for seq, row in decoded if _is_start(row)]
        for seq, item in merged(decoded, market):
            if isinstance(item, Row):
                self._row(seq, item)
                continue
            self._settle()
            self._fire_timers(item.ts_event)
            self.account.step(item)
        self._settle()
        outcome = self.outcome
        # What nobody else tells of is noticed at the next market event; it was before that.
        outcome.differences.sort(key=lambda found: found.row)
        outcome.recorded, outcome.replayed = self._then.digest(), self._now.digest()
        outcome.known = Known(frozenset(self._cancels), frozenset(self._lost))
        return outcome

    # One row.
    def _row(self, seq: int, row: Any) -> None:
        account = self.account
        if _is_start(row):
            # What a process had decided and not written when it ended is gone with it.
            account.wishes = [wish for wish in account.wishes if wish.order is not None]
        if seq >= self._judged:
            self._compare(seq, row)
        if self._has_parted and _is_timer(row) and not self._is_set(row):
            # The replay did not set this timer, or has heard it already.
            account.seq = seq
            return
        account.take(seq, row)
        if seq < self._judged:
            account.forget_told()

    def _compare(self, seq: int, row: AnyRow) -> None:
        if isinstance(row, RequestRow) and isinstance(row.request, CancelRequest):
            self._cancel(seq, row.request.client_order_id, row.ts_event)
            return
        if isinstance(row, FillRow):
            self._filled(seq, row)
            return
        if isinstance(row, TransitionRow) and row.change is Change.UPDATE_REJECT:
            self._held_amendment(row)
        then = recorded(seq, row, self._names)
        if then is None:
            return
        if then.kind is Kind.CANCEL:
            # Judged at its request; here it shows that both orders stand alike.
            self._canceling.discard(then.client_order_id)
            order = self.account.state.open.get(then.client_order_id)
            is_asked = order is not None and order.status is OrderStatus.PENDING_CANCEL
            is_asked = is_asked and then.client_order_id not in self._not_asked
            if not is_asked and self._is_lost(seq):
                self._lost.append(seq)
                return
            self._count(then, then if is_asked else None, is_told=self._known is not None)
            return
        self._match(then)

    def _match(self, then: Decision) -> None:
        """Find what the replay decided in place of a recorded decision."""
        wish = self._found(then)
        now = None if wish is None else self._as_recorded(then, wish)
        if wish is not None:
            self.account.wishes.remove(wish)
        elif self._is_lost(then.row):
            self._lost.append(then.row)
            return
        self._count(then, now)
        if wish is not None and wish.order is not None and wish.decision.kind is Kind.PLACE:
            if then.kind is Kind.DENIED:
                self.account.refuse(wish)
            else:
                self.account.bind(wish.order, then)
        elif wish is None and then.kind is Kind.AMEND:
            self.account.mark(then.client_order_id, Change.ASK_UPDATE)

    def _found(self, then: Decision) -> Wish | None:
        lane = [wish for wish in self.account.wishes if wish.decision.kind in _LANES[then.kind]]
        by_name = [
            wish
            for wish in lane
            if then.client_order_id
            and wish.decision.client_order_id == then.client_order_id
            and (then.kind is Kind.AMEND or wish.decision.is_like(then))
        ]
        if by_name or then.kind is Kind.AMEND:
            return next(iter(by_name), None)
        same = (wish for wish in lane if self._content(wish.decision) == self._content(then))
        alike = (wish for wish in lane if wish.decision.is_like(then))
        return next(same, None) or next(alike, None)

    def _as_recorded(self, then: Decision, wish: Wish) -> Decision | None:
        """The replay's decision in the form that the row gives it."""
        if then.kind is Kind.AMEND:
            return self.account.amended(wish)
        if then.kind is Kind.HELD and wish.decision.kind is Kind.PLACE:
            if then.text.partition(":")[0] in self._lets_out:
                return wish.decision
            return msgspec.structs.replace(wish.decision, kind=Kind.HELD)
        return wish.decision

    def _cancel(self, seq: int, name: str, ts: int) -> None:
        """A cancel left: was it the strategy that asked for it, then and now?"""
        account = self.account
        asked, order = account.asked.pop(name, None), account.state.open.get(name)
        is_asked = asked is not None or (
            order is not None and order.status is OrderStatus.PENDING_CANCEL
        )
        if is_asked and (self._known is None or seq in self._known.cancels):
            self._canceling.add(name)
        if self._known is None:
            if is_asked:
                self._cancels.append(seq)
            return
        if seq in self._known.cancels and not is_asked:
            owner = "" if order is None else order.owner.name
            then = Decision(kind=Kind.CANCEL, row=seq, ts=ts, client_order_id=name, strategy=owner)
            self._count(then, None)
            self._not_asked.add(name)
            account.mark(name, Change.ASK_CANCEL)

    def _filled(self, seq: int, row: FillRow) -> None:
        """An order that fills before its cancel comes has been asked to end all the same."""
        name, order = row.client_order_id, self.account.state.open.get(row.client_order_id)
        if name not in self._canceling or order is None or order.leaves > row.fill.quantity:
            return
        self._canceling.discard(name)
        then = Decision(
            kind=Kind.CANCEL,
            row=seq,
            ts=row.ts_event,
            client_order_id=name,
            strategy=order.owner.name,
        )
        self._count(then, then)

    def _held_amendment(self, row: TransitionRow) -> None:
        """The live core refused an amendment that the kernel had asked for."""
        wishes = self.account.wishes
        for wish in wishes if row.evidence in OURS else ():
            if wish.amendment is not None and _is_about(wish, row.client_order_id):
                wishes.remove(wish)
                return

    def _is_lost(self, seq: int) -> bool:
        """Whether the market that a row was decided on was lost in a crash after it."""
        if self._known is not None:
            return seq in self._known.lost
        at = bisect_left(self._starts, seq)
        if at == len(self._starts):
            return False
        after = bisect_left(self._market, seq)
        return after == len(self._market) or self._market[after] >= self._starts[at]

    # What no row tells of.
    def _settle(self) -> None:
        """Before the next market event everything that was decided has left the live core."""
        account = self.account
        if account.seq < self._judged:
            return
        for _ in range(_ROUNDS):
            wishes, account.wishes = account.wishes, []
            for wish in wishes:
                self._only_now(wish)
            unsent = account.left_unsent()
            for decision in unsent:
                self._only_now(Wish(decision))
            if not account.wishes and not unsent:
                return
        account.wishes.clear()

    def _only_now(self, wish: Wish) -> None:
        now: Decision | None = wish.decision
        if wish.amendment is not None:
            now = self.account.amended(wish)
        if now is not None:
            self._count(None, now)
        self.account.refuse(wish)

    # The account of differences.
    def _content(self, decision: Decision) -> Any:
        return decision.content(is_loose=self._has_parted)

    def _count(self, then: Decision | None, now: Decision | None, *, is_told: bool = False) -> None:
        """Note a pair; ``is_told`` says that its difference was told where it began."""
        place = then or now
        assert place is not None
        for journal, decision in ((self._then, then), (self._now, now)):
            if decision is not None:
                journal.append((place.row, decision.content()))
        outcome = self.outcome
        if then is not None and now is not None and self._content(then) == self._content(now):
            outcome.same[then.kind] = outcome.same.get(then.kind, 0) + 1
            return
        if is_told:
            return
        outcome.differences.append(Difference(place.row, place.ts, then, now))
        if now is not None and now.kind is Kind.RAISED:
            outcome.faults.append(f"{now.strategy}: {now.text}")
        if not self._has_parted:
            self._has_parted = True
            self.account.part()

    # Timers.
    def _is_set(self, row: AnyRow) -> bool:
        assert isinstance(row, EventRow)
        return row.fields["name"] in self.account.books.timers.get(row.subject, {})

    def _fire_timers(self, ts: int) -> None:
        """Timers that only the replay has set come due by the market's time."""
        timers = self.account.books.timers
        due = sorted(
            (due, strategy, name)
            for strategy, named in (timers.items() if self._has_parted else ())
            for name, due in named.items()
            if due + _TIMER_LATE_NS <= ts
        )
        for moment, strategy, name in due:
            del timers[strategy][name]
            self.account.step(TimerFired(moment, strategy, name))


def _is_about(wish: Wish, client_order_id: str) -> bool:
    return wish.order is not None and wish.order.client_order_id == client_order_id


def _is_start(row: AnyRow) -> bool:
    return isinstance(row, LeaseRow) and row.event is LeaseEvent.ACQUIRED


def _is_timer(row: AnyRow) -> bool:
    return isinstance(row, EventRow) and row.name == TIMER_FIRED
