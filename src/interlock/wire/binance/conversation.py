"""One request as a series of calls: which draft leaves next, and when the answer is known.

Whoever has a line to the venue drives it, sockets and simulator alike: send ``draft``, give back
the reply or say how the call ended without one, until ``answer`` is there.
"""

from __future__ import annotations

from interlock.model.venue import Answer, Request, Verdict
from interlock.wire.binance import requests
from interlock.wire.binance.answers import Judge, Reply
from interlock.wire.binance.fault import WireFault
from interlock.wire.binance.requests import Dialect, Draft, UnsupportedRequest


class Conversation:
    """The calls of one request, one at a time; ``draft`` is None once ``answer`` is known."""

    __slots__ = ("_judge", "_replies", "_waiting", "answer", "request")

    def __init__(self, request: Request, dialect: Dialect, judge: Judge, *, ts: int) -> None:
        self.request = request = judge.addressed(request)
        self.answer: Answer | None = None
        self._judge = judge
        self._replies: list[Reply] = []
        self._waiting: list[Draft] = []
        try:
            self._waiting += requests.drafts(request, dialect)
        except (UnsupportedRequest, WireFault) as error:
            self.answer = self._unanswered(Verdict.NOT_SENT, str(error), ts)

    @property
    def draft(self) -> Draft | None:
        """The call that leaves next."""
        return self._waiting[0] if self._waiting and self.answer is None else None

    def replied(self, reply: Reply, *, ts: int) -> None:
        """The present draft was answered at ``ts``; the last one's answer is judged."""
        self._waiting.pop(0)
        self._replies.append(reply)
        if self._waiting:
            return
        judged = self._judge.judge(self.request, self._replies, ts=ts)
        if isinstance(judged, Answer):
            self.answer = judged
        else:
            self._waiting.append(judged)

    def failed(self, reason: str, *, ts: int, has_left: bool) -> None:
        """The present draft ended without a reply; ``has_left`` when a byte may have left.

        What had calls before it is unknown as a whole, even when this one never left.
        """
        never = not has_left and not self._replies
        self.answer = self._unanswered(Verdict.NOT_SENT if never else Verdict.UNKNOWN, reason, ts)

    def _unanswered(self, verdict: Verdict, reason: str, ts: int) -> Answer:
        return Answer(
            request_id=self.request.request_id, ts_event=ts, verdict=verdict, reason=reason
        )
