"""What the live core remembers beside the kernel's state: a fold of the ledger's rows.

Nothing here changes but by ``apply``, which live trading calls with every row it writes and
recovery with every row it reads; so what is known after a restart is what was known before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.kernel.restore import STRATEGIES_STARTED, TIMER_FIRED
from interlock.model.instrument import Instrument
from interlock.model.order import Change
from interlock.model.rows import (
    AdjustmentRow,
    AnswerRow,
    AnyRow,
    EventRow,
    FillRow,
    InstrumentRow,
    IntentRow,
    LeaseEvent,
    LeaseRow,
    PaymentRow,
    PolicyRow,
    ReconcileRow,
    RequestRow,
    StateRow,
    TransitionRow,
)
from interlock.model.venue import AmendRequest, CancelRequest, DeadManRequest, Verdict
from interlock.runtime.archive import Archive
from interlock.runtime.counted import Counted
from interlock.runtime.ids import Registry, Standing
from interlock.runtime.tracks import Attempt, Track

OPENED = "ACCOUNT_OPENED"
FOREIGN = "FOREIGN_ORDER"
# What evidence says about attempts, as answers of their own: the venue has the order; a cancel or
# an amendment is settled though the kernel has nothing to be told.
SEEN = "seen"
CHILD = "child"
SETTLED = ("cancel settled", "amend settled")
# The evidence of what our own gate refused: it never left.
GATE = "gate"
# How the scope of a comparison ends that left questions open.
IN_PART = " in part"
# Bytes of a payload's hash that are remembered.
PAYLOAD = 8
# Orders of others of which it is remembered how much of them was booked.
OUTSIDE_KEPT = 256
# Orders of others that were labelled; an older one that still stands is labelled again.
FOREIGN_KEPT = 4096


class Books(msgspec.Struct):
    """Attempts, executions and payments that were counted, switches, ids that were given out."""

    tracks: dict[str, Track] = {}
    given: Registry = msgspec.field(default_factory=Registry)
    names: dict[str, dict[str, str]] = {}
    trades: dict[str, Counted] = {}
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
    # Orders of which it is in doubt what they may still do to a position, with their instruments.
    # Orders that are over: since when, while they are whole, and where they are packed after that;
    # and the last trigger of a packed stop by strategy, instrument and side.
    closing: dict[str, int] = {}
    doubts: dict[str, str] = {}
    archive: Archive = msgspec.field(default_factory=Archive)
    stops: dict[str, int] = {}
    # What orders of others executed, by instrument and the venue's order id; the newest ones.
    outside: dict[str, int] = {}
    # What orders of others are called, those by which the venue closed a position among them, by
    # instrument and the venue's order id; the newest ones.
    strangers: dict[str, str] = {}
    ts_clean: int = 0
    # The rules that hold, by instrument: what was decided is decided again by its own.
    rules: dict[str, Instrument] = {}
    policy: PolicyRow | None = None
    # The venue's switches for a silent engine that were ever armed.
    armed: dict[str, None] = {}

    def apply(self, row: AnyRow) -> None:
        """Take a row in; rows that say nothing about these books change nothing."""
        self.ts_last = max(self.ts_last, row.ts_event)
        change = _APPLY.get(type(row))
        if change is not None:
            change(self, row)
        if isinstance(row, _ABOUT_ORDERS):
            self._judge(row.key)

    def _judge(self, client_order_id: str) -> None:
        track = self.tracks.get(client_order_id)
        if track is not None and track.doubt:
            self.doubts[client_order_id] = track.spec.instrument
        else:
            self.doubts.pop(client_order_id, None)

    def name_order(self, instrument: str, venue_order_id: str, client_order_id: str) -> None:
        """Remember under which id of ours the venue's order is known."""
        if venue_order_id:
            self.names.setdefault(instrument, {})[venue_order_id] = client_order_id

    def name_of(self, instrument: str, venue_order_id: str) -> str:
        """Our id of the venue's order, or an empty text."""
        if not venue_order_id:
            return ""
        found = self.names.get(instrument, {}).get(venue_order_id, "")
        return found or self.archive.named(instrument, venue_order_id)

    def name_stranger(self, instrument: str, venue_order_id: str, client_order_id: str) -> None:
        """Remember the name of an order that nobody here sent; the newest ones are kept.

        A list of executions has no names: what only it tells of goes by the order's number.
        """
        if venue_order_id and client_order_id:
            self.strangers[f"{instrument} {venue_order_id}"] = client_order_id
            if len(self.strangers) > OUTSIDE_KEPT:
                del self.strangers[next(iter(self.strangers))]

    def stranger_name(self, instrument: str, venue_order_id: str) -> str:
        """The name of an order that nobody here sent, or an empty text."""
        return self.strangers.get(f"{instrument} {venue_order_id}", "")

    def track(self, client_order_id: str) -> Track | None:
        """The attempts of an order; a copy when it is packed: only rows change what is known."""
        found = self.tracks.get(client_order_id)
        if found is None and client_order_id in self.given:
            closed = self.archive.find(client_order_id)
            found = None if closed is None else closed.track
        return found

    def standing(self, client_order_id: str, payload: bytes) -> Standing:
        """Whether an id may be sent with a payload of this hash: only a new one may."""
        if client_order_id not in self.given:
            return Standing.NEW
        track = self.track(client_order_id)
        if track is None or track.payload == payload[:PAYLOAD]:
            return Standing.DUPLICATE
        return Standing.CONFLICT

    def clean(self, ts_before: int) -> None:
        """Forget packed orders, executions and payments from before a time."""
        self.archive.clean(ts_before)
        for counted in self.trades.values():
            counted.clean(ts_before)
        for payment in [key for key, ts in self.payments.items() if ts < ts_before]:
            del self.payments[payment]
        self.given.clean(ts_before, keep_epoch=self.epoch)


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
        payload=row.payload_hash[:PAYLOAD],
    )
    books.given.add(row.client_order_id, row.ts_event)


def _request(books: Books, row: RequestRow) -> None:
    asked = row.request
    if isinstance(asked, DeadManRequest) and asked.delay_ms:
        books.armed[asked.instrument] = None
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
    if venue_order_id and venue_order_id != track.child_id:
        track.venue_order_id = venue_order_id
        books.name_order(track.spec.instrument, venue_order_id, track.client_order_id)


def _answer(books: Books, row: AnswerRow) -> None:
    track = books.tracks.get(row.client_order_id)
    if track is None:
        return
    if row.attempt == CHILD:
        track.child_id = row.venue_order_id
        books.name_order(track.spec.instrument, row.venue_order_id, row.client_order_id)
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
    # A second amendment that the gate refused says nothing about the one that left before it.
    is_second = row.evidence == GATE and track.is_amending
    if change is Change.UPDATE or (change is Change.UPDATE_REJECT and not is_second):
        track.amend = None
    if change is Change.UPDATE:
        track.spec = msgspec.structs.replace(
            track.spec, quantity=row.quantity, price=row.price, trigger=row.trigger
        )
    if change is Change.CANCEL_REJECT:
        track.cancel = None
    if row.after in _OVER:
        _close(books, track, row.ts_event)


def _close(books: Books, track: Track, ts: int) -> None:
    """An order is over, for the first time or once more after it was taken out of the archive."""
    track.ts_closed = track.ts_closed or ts
    books.closing.setdefault(track.client_order_id, ts)


def _fill(books: Books, row: FillRow) -> None:
    fill = row.fill
    counted = books.trades.setdefault(fill.instrument, Counted())
    counted.add(fill.trade_id, max(fill.ts_venue, row.ts_event))
    moment, last = (fill.ts_venue, fill.trade_id), books.newest.get(fill.instrument, (0, 0))
    if moment < last:
        books.disordered[fill.instrument] = row.ts_event
    books.newest[fill.instrument] = max(moment, last)
    if not row.client_order_id:
        _before(books, row)
    track = books.tracks.get(row.client_order_id)
    if track is not None:
        track.is_seen = True
        track.filled += fill.quantity
        if track.filled >= track.spec.quantity:
            _close(books, track, row.ts_event)
        track.ts_first_fill = track.ts_first_fill or row.ts_event
        if fill.venue_order_id and not track.venue_order_id:
            track.venue_order_id = fill.venue_order_id
            books.name_order(fill.instrument, fill.venue_order_id, row.client_order_id)


def _before(books: Books, row: FillRow) -> None:
    """An execution that no order of ours explains, or of an adopted one from before that."""
    fill = row.fill
    books.name_stranger(fill.instrument, fill.venue_order_id, fill.client_order_id)
    if fill.venue_order_id:
        key = f"{fill.instrument} {fill.venue_order_id}"
        books.outside[key] = books.outside.pop(key, 0) + fill.quantity
        if len(books.outside) > OUTSIDE_KEPT:
            del books.outside[next(iter(books.outside))]
    name = books.names.get(fill.instrument, {}).get(fill.venue_order_id, "")
    track = books.tracks.get(name)
    if track is not None and track.is_adopted and fill.ts_venue <= track.ts_before:
        track.before = max(0, track.before - fill.quantity)


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
    # Whatever it was begun for, each other one looks at everything.
    if row.scope != "orders" and not row.scope.endswith(IN_PART):
        books.ts_verified = row.ts_event - row.took_ns


def _event(books: Books, row: EventRow) -> None:
    if row.name == OPENED:
        books.ts_opened = row.ts_event
    elif row.name == STRATEGIES_STARTED:
        books.is_started = True
    elif row.name == FOREIGN:
        instrument = row.fields.get("instrument", "")
        books.foreign[row.subject] = instrument
        books.name_stranger(instrument, row.fields.get("venue_order_id", ""), row.subject)
        if len(books.foreign) > FOREIGN_KEPT:
            del books.foreign[next(iter(books.foreign))]
    elif row.name == TIMER_FIRED:
        books.timers.get(row.subject, {}).pop(row.fields["name"], None)


def _rules(books: Books, row: InstrumentRow) -> None:
    books.rules[row.instrument.id] = row.instrument


def _policy(books: Books, row: PolicyRow) -> None:
    books.policy = row


_ABOUT_ORDERS = (AnswerRow, TransitionRow, FillRow, RequestRow)
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
    InstrumentRow: _rules,
    PolicyRow: _policy,
}
