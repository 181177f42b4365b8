"""What the answer to an attempt does: accepted, rejected, unknown or not sent, each in its way."""

from __future__ import annotations

import msgspec

from interlock.model.events import (
    CancelRejected,
    OrderDoubted,
    OrderRejected,
)
from interlock.model.order import OrderStatus
from interlock.model.rows import AnswerRow
from interlock.model.venue import (
    AmendRequest,
    Answer,
    CancelRequest,
    PlaceRequest,
    VenueOrder,
    Verdict,
)
from interlock.runtime.asks import Pending
from interlock.runtime.desk import Desk
from interlock.runtime.dispatch import Dispatch
from interlock.runtime.evidence import Evidence
from interlock.runtime.resolver import Resolver
from interlock.runtime.tracks import Track

# The venue holds this id already: a statement about an earlier attempt, none about this one.
DUPLICATE_CODES = frozenset({"-4116", "DUPLICATE_ID"})


class Answers:
    """Judges the answers to placements, cancels and amendments."""

    def __init__(
        self, desk: Desk, dispatch: Dispatch, evidence: Evidence, resolver: Resolver
    ) -> None:
        self.desk = desk
        self.dispatch = dispatch
        self.evidence = evidence
        self.resolver = resolver

    def heard(self, answer: Answer, pending: Pending) -> None:
        """Take the answer to an attempt in; a late one counts when it says something."""
        if pending.is_overdue and answer.verdict is Verdict.UNKNOWN and answer.ts_venue:
            return
        request = pending.request
        if isinstance(request, PlaceRequest):
            answer = _without_doubtful_statements(answer)
            track = self._write(request.client_order_id, "place", answer)
            if track is not None:
                self._placed(track, answer)
        elif isinstance(request, CancelRequest):
            track = self._write(request.client_order_id, "cancel", answer)
            if track is not None:
                self._canceled(track, answer, request)
        elif isinstance(request, AmendRequest):
            track = self._write(request.client_order_id, "amend", answer)
            if track is not None:
                self._amended(track, answer, request)

    def _write(self, name: str, attempt: str, answer: Answer) -> Track | None:
        content = answer.content
        self.desk.write(
            AnswerRow(
                ts_event=self.desk.ts,
                client_order_id=name,
                request_id=answer.request_id,
                attempt=attempt,
                verdict=answer.verdict,
                code=answer.code,
                reason=answer.reason,
                venue_order_id=content.venue_order_id if isinstance(content, VenueOrder) else "",
                ts_sent=answer.sent_ts,
                ts_venue=answer.ts_venue,
            )
        )
        return self.desk.track(name)

    def _placed(self, track: Track, answer: Answer) -> None:
        name, ts = track.client_order_id, self.desk.ts
        order = self.desk.state.open.get(name)
        wants_cancel = order is not None and order.status is OrderStatus.PENDING_CANCEL
        self.dispatch.gate.flow.settled(name, track.spec.instrument)
        if answer.verdict is Verdict.ACCEPTED and isinstance(answer.content, VenueOrder):
            self.evidence.merge(name, answer.content, asked=0, source="answer")
        elif answer.verdict is Verdict.UNKNOWN:
            self._doubt_placement(track, answer)
        else:
            self._refused(track, answer, ts)
        if wants_cancel and name in self.desk.state.open:
            self.dispatch.cancel(name)

    def _doubt_placement(self, track: Track, answer: Answer) -> None:
        name = track.client_order_id
        if answer.code in DUPLICATE_CODES:
            text = "the venue says that it holds this id; that says nothing about this attempt"
            self.desk.record("COID_DUPLICATE", name, text, level="CRITICAL")
        if not track.is_seen:
            reason = answer.reason or answer.code or "no clear answer"
            self.desk.report(OrderDoubted(self.desk.ts, name, reason), evidence="answer")
        self.resolver.watch(name, "submit")

    def _refused(self, track: Track, answer: Answer, ts: int) -> None:
        """Rejected or not sent, unless the order has been seen at the venue all the same."""
        name = track.client_order_id
        if track.is_seen or self.evidence.claim(name).filled:
            self.resolver.watch(name, "contradiction")
            return
        word = "not sent" if answer.verdict is Verdict.NOT_SENT else "rejected"
        reason = " ".join(part for part in (word, answer.code, answer.reason) if part)
        self.desk.report(OrderRejected(ts, name, reason), evidence="answer")

    def _canceled(self, track: Track, answer: Answer, request: CancelRequest) -> None:
        name = track.client_order_id
        if track.cancel is None or track.cancel.request_id != request.request_id:
            return
        if answer.verdict is Verdict.NOT_SENT:
            reason = f"not sent {answer.reason}".strip()
            if not self.desk.report(CancelRejected(self.desk.ts, name, reason), evidence="answer"):
                self.evidence.note(track, "cancel settled")
            return
        if isinstance(answer.content, VenueOrder):
            self.evidence.merge(name, answer.content, asked=0, source="answer")
        if name in self.desk.state.open:
            # Also a refusal is ambiguous: never there, over, or filled. Only the order tells.
            self.resolver.watch(name, "cancel")

    def _amended(self, track: Track, answer: Answer, request: AmendRequest) -> None:
        name = track.client_order_id
        if track.amend is None or track.amend.request_id != request.request_id:
            return
        if answer.verdict is Verdict.ACCEPTED:
            now = request.spec
            if isinstance(answer.content, VenueOrder):
                seen = answer.content
                now = msgspec.structs.replace(now, quantity=seen.quantity or now.quantity)
                self.evidence.merge(name, seen, asked=0, source="answer")
            claim = self.evidence.claim(name)
            claim.ts_venue = max(claim.ts_venue, answer.ts_venue)
            if track.amend is not None:
                self.evidence.updated(track, now, "answer")
        elif answer.verdict is Verdict.UNKNOWN:
            self.dispatch.gate.flow.settled(name, track.spec.instrument)
            reason = f"amendment: {answer.reason or answer.code or 'no clear answer'}"
            self.desk.report(OrderDoubted(self.desk.ts, name, reason), evidence="answer")
            self.resolver.watch(name, "amend")
        else:
            self.evidence.not_updated(track, f"{answer.code} {answer.reason}".strip(), "answer")
            if answer.verdict is Verdict.REJECTED:
                self.resolver.watch(name, "amend refused")


def _without_doubtful_statements(answer: Answer) -> Answer:
    """An answer to a placement that only looks definite is none."""
    is_empty = answer.verdict is Verdict.ACCEPTED and not isinstance(answer.content, VenueOrder)
    is_duplicate = answer.verdict is Verdict.REJECTED and answer.code in DUPLICATE_CODES
    if is_empty or is_duplicate:
        return msgspec.structs.replace(answer, verdict=Verdict.UNKNOWN, content=None)
    return answer
