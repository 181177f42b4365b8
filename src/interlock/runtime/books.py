"""What the live core remembers beside the kernel's state: a fold of the ledger's rows.

Nothing here changes but by ``apply``, which live trading calls with every row it writes and
recovery with every row it reads; so what is known after a restart is what was known before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.kernel.restore import STRATEGIES_STARTED, TIMER_FIRED
from interlock.model.order import Change, OrderSpec
from interlock.model.rows import (
    AdjustmentRow,
    AnswerRow,
    AnyRow,
    EventRow,
    FillRow,
    IntentRow,
    LeaseEvent,
    LeaseRow,
    PaymentRow,
    ReconcileRow,
    RequestRow,
    StateRow,
    TransitionRow,
)
from interlock.model.venue import AmendRequest, CancelRequest, Verdict

OPENED = "ACCOUNT_OPENED"
FOREIGN = "FOREIGN_ORDER"
# What evidence says about attempts, as answers of their own: the venue has the order; a cancel or
# an amendment is settled though the kernel has nothing to be told.
SEEN = "seen"
SETTLED = ("cancel settled", "amend settled")


class Attempt(msgspec.Struct):
    """One cancel or amendment that left: ``verdict`` is empty while there is no answer."""

    request_id: int
    ts: int
    ts_deadline: int
    verdict: str = ""
    wanted: OrderSpec | None = None


class Track(msgspec.Struct):
    """One order's attempts. ``submit`` is empty until answered; ``is_seen`` once the venue had it.

    ``is_adopted`` marks an order that nobody here sent.
    """

    client_order_id: str
    strategy: str
    spec: OrderSpec
    ts: int
    ts_deadline: int
    request_id: int
    epoch: int
    reference: int = 0
    submit: str = ""
    venue_order_id: str = ""
    is_seen: bool = False
    is_adopted: bool = False
    cancel: Attempt | None = None
    amend: Attempt | None = None
    filled: int = 0
    ts_first_fill: int = 0
    ts_closed: int = 0

    @property
    def in_flight(self) -> bool:
        """Whether an attempt about the order has no answer yet."""
        return (
            not self.submit
            or (self.cancel is not None and not self.cancel.verdict)
            or (self.amend is not None and not self.amend.verdict)
        )

    @property
    def doubt(self) -> str:
        """What about a position's size is in doubt: submit, amend, or nothing."""
        if self.ts_closed:
            return ""
        if self.submit == Verdict.UNKNOWN and not self.is_seen:
            return "submit"
        if self.amend is not None and self.amend.verdict == Verdict.UNKNOWN:
            return "amend"
        return ""


class Books(msgspec.Struct):
    """Attempts, executions and payments that were counted, switches, ids that were given out."""

    tracks: dict[str, Track] = {}
    given: dict[str, tuple[bytes, int]] = {}
    names: dict[str, dict[str, str]] = {}
    trades: dict[str, dict[int, int]] = {}
    payments: dict[str, int] = {}
    switches: dict[str, tuple[str, str]] = {}
    foreign: dict[str, str] = {}
    unexplained: dict[str, int] = {}
    timers: dict[str, dict[str, int]] = {}
    epoch: int = 0
    ts_opened: int = 0
    ts_verified: int = 0
    ts_last: int = 0
    is_started: bool = False
    # Newest execution per instrument, and instruments whose executions came in another order.
    newest: dict[str, tuple[int, int]] = {}
    disordered: dict[str, int] = {}
    # In which mode these books were kept: paper money is no money of a venue.
    mode: str = ""

    def apply(self, row: AnyRow) -> None:
        """Take a row in; rows that say nothing about these books change nothing."""
        self.ts_last = max(self.ts_last, row.ts_event)
        change = _APPLY.get(type(row))
        if change is not None:
            change(self, row)

    def name_order(self, instrument: str, venue_order_id: str, client_order_id: str) -> None:
        """Remember under which id of ours the venue's order is known."""
        if venue_order_id:
            self.names.setdefault(instrument, {})[venue_order_id] = client_order_id

    def clean(self, ts_before: int) -> int:
        """Forget orders that were over before a time, and executions as old; returns the orders."""
        old = [name for name, track in self.tracks.items() if 0 < track.ts_closed < ts_before]
        for name in old:
            track = self.tracks.pop(name)
            self.names.get(track.spec.instrument, {}).pop(track.venue_order_id, None)
        for counted in self.trades.values():
            for trade in [trade for trade, ts in counted.items() if ts < ts_before]:
                del counted[trade]
        for payment in [key for key, ts in self.payments.items() if ts < ts_before]:
            del self.payments[payment]
        return len(old)


def _intent(books: Books, row: IntentRow) -> None:
    books.tracks[row.client_order_id] = Track(
        client_order_id=row.client_order_id,
        strategy=row.strategy,
        spec=row.spec,
        ts=row.ts_event,
        ts_deadline=row.ts_deadline,
        request_id=row.request_id,
        epoch=row.epoch,
        reference=row.reference,
    )
    books.given.setdefault(row.client_order_id, (row.payload_hash, row.ts_event))


def _request(books: Books, row: RequestRow) -> None:
    asked = row.request
    if not isinstance(asked, CancelRequest | AmendRequest):
        return
    track = books.tracks.get(asked.client_order_id)
    if track is None:
        return
    attempt = Attempt(asked.request_id, row.ts_event, asked.ts_deadline)
    if isinstance(asked, AmendRequest):
        attempt.wanted = asked.spec
        track.amend = attempt
    else:
        track.cancel = attempt


def _learn_name(books: Books, track: Track, venue_order_id: str) -> None:
    """What the venue calls an order, when a row says so."""
    if venue_order_id:
        track.venue_order_id = venue_order_id
        books.name_order(track.spec.instrument, venue_order_id, track.client_order_id)


def _answer(books: Books, row: AnswerRow) -> None:
    track = books.tracks.get(row.client_order_id)
    if track is None:
        return
    _learn_name(books, track, row.venue_order_id)
    if row.attempt == SEEN:
        track.is_seen = True
        return
    if row.attempt in SETTLED:
        if row.attempt == "cancel settled":
            track.cancel = None
        else:
            track.amend = None
        return
    if row.attempt == "place":
        track.submit = row.verdict
        track.is_seen = track.is_seen or row.verdict is Verdict.ACCEPTED
        return
    attempt = track.cancel if row.attempt == "cancel" else track.amend
    if attempt is not None and attempt.request_id == row.request_id:
        attempt.verdict = row.verdict


def _transition(books: Books, row: TransitionRow) -> None:
    track = books.tracks.get(row.client_order_id)
    if track is None:
        return
    _learn_name(books, track, row.venue_order_id)
    change = row.change
    if change in (Change.ACCEPT, Change.TRIGGER, Change.UPDATE):
        track.is_seen = True
    if change in (Change.UPDATE, Change.UPDATE_REJECT):
        track.amend = None
    if change is Change.UPDATE:
        track.spec = msgspec.structs.replace(
            track.spec, quantity=row.quantity, price=row.price, trigger=row.trigger
        )
    if change is Change.CANCEL_REJECT:
        track.cancel = None
    if row.after in _OVER:
        track.ts_closed = track.ts_closed or row.ts_event


def _fill(books: Books, row: FillRow) -> None:
    fill = row.fill
    books.trades.setdefault(fill.instrument, {})[fill.trade_id] = max(fill.ts_venue, row.ts_event)
    moment, last = (fill.ts_venue, fill.trade_id), books.newest.get(fill.instrument, (0, 0))
    if moment < last:
        books.disordered[fill.instrument] = row.ts_event
    books.newest[fill.instrument] = max(moment, last)
    track = books.tracks.get(row.client_order_id)
    if track is not None:
        track.is_seen = True
        track.filled += fill.quantity
        if track.filled >= track.spec.quantity:
            track.ts_closed = track.ts_closed or row.ts_event
        track.ts_first_fill = track.ts_first_fill or row.ts_event
        if fill.venue_order_id and not track.venue_order_id:
            track.venue_order_id = fill.venue_order_id
            books.name_order(fill.instrument, fill.venue_order_id, row.client_order_id)


def _payment(books: Books, row: PaymentRow) -> None:
    books.payments[row.payment.payment_id] = row.ts_event


def _adjustment(books: Books, row: AdjustmentRow) -> None:
    if row.cause == "unexplained":
        total = books.unexplained.pop(row.instrument, 0) + row.quantity
        if total:
            books.unexplained[row.instrument] = total


def _switch(books: Books, row: StateRow) -> None:
    books.mode = row.mode or books.mode
    books.switches[row.scope] = (row.state, row.reason)


def _lease(books: Books, row: LeaseRow) -> None:
    if row.event is LeaseEvent.ACQUIRED:
        books.epoch = row.epoch


def _verified(books: Books, row: ReconcileRow) -> None:
    if row.scope in ("start", "reconnect", "full"):
        books.ts_verified = row.ts_event - row.took_ns


def _event(books: Books, row: EventRow) -> None:
    if row.name == OPENED:
        books.ts_opened = row.ts_event
    elif row.name == STRATEGIES_STARTED:
        books.is_started = True
    elif row.name == FOREIGN:
        books.foreign[row.subject] = row.fields.get("instrument", "")
    elif row.name == TIMER_FIRED:
        books.timers.get(row.subject, {}).pop(row.fields["name"], None)


_OVER = frozenset({"filled", "canceled", "expired", "rejected"})
_APPLY: dict[type, Callable[[Books, Any], None]] = {
    IntentRow: _intent,
    RequestRow: _request,
    AnswerRow: _answer,
    TransitionRow: _transition,
    FillRow: _fill,
    PaymentRow: _payment,
    AdjustmentRow: _adjustment,
    StateRow: _switch,
    LeaseRow: _lease,
    ReconcileRow: _verified,
    EventRow: _event,
}
