"""One request as a series of calls: what leaves next, when the answer is known, and what is left.

Whoever has a line to the venue drives it, sockets and simulator alike: send what is ``leaving``,
give back the response or say how the call ended without one, until ``answer`` is there. A list may
take several pages. An amendment asks first what its order has traded, where nobody here knows; and
where the venue refused it, the end of its order that was withheld is told when it is settled.
"""

from __future__ import annotations

import msgspec

from interlock.model.venue import (
    AmendRequest,
    Answer,
    CancelRequest,
    DeadManRequest,
    FillsQuery,
    OpenOrdersQuery,
    OrderQuery,
    OrderSeen,
    PaymentsQuery,
    PlaceRequest,
    Request,
    VenueFill,
    VenueOrder,
    Verdict,
)
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid.actions import Unsupported
from interlock.wire.hyperliquid.client import Client, DeadlinePassed
from interlock.wire.hyperliquid.nonces import NonceFault
from interlock.wire.hyperliquid.pages import Pages
from interlock.wire.hyperliquid.queries import transfers_of
from interlock.wire.hyperliquid.text import WireFault

# How long after its deadline an amendment without an answer may still show on the stream.
SETTLE_NS = 2_000_000_000
_ACTIONS = (PlaceRequest, CancelRequest, AmendRequest, DeadManRequest)
_GONE = "order_gone"
# Refusals that a clock which was set explains.
_CLOCK_CODES = ("expired", "nonce")


class Conversation:
    """The calls of one request, one at a time; nothing leaves any more once ``answer`` is known.

    ``asked`` is what the present call is about. ``ts_settled`` is when ``settled`` is to be asked
    what an amendment leaves behind; 0: nothing.
    """

    __slots__ = (
        "_client",
        "_filled",
        "_is_doubtful",
        "_pages",
        "answer",
        "asked",
        "request",
        "ts_settled",
    )

    def __init__(self, request: Request, client: Client) -> None:
        self.answer: Answer | None = None
        self.ts_settled = 0
        self._is_doubtful = False
        self._client = client
        self._filled = 0
        self._pages: Pages | None = None
        known = client.known
        match request:
            case PlaceRequest():
                known.sent(request)
            case CancelRequest() | OrderQuery() if request.client_order_id:
                known.cloids.remember(request.client_order_id)
            case DeadManRequest() if (request.instrument,) == client.traded:
                # The venue cancels everything at once, which is the one instrument we trade.
                request = msgspec.structs.replace(request, instrument="")
            case FillsQuery():
                self._pages = Pages(request)
            case PaymentsQuery():
                self._pages = Pages(request, transfers_of(request, client.identity))
        self.request = request
        self.asked: Request = request
        if isinstance(request, AmendRequest):
            self._begin_amendment(request)

    def leaving(self, *, ts: int) -> HttpRequest | None:
        """The call that leaves now, at ``ts``; None once the answer is known."""
        if self.answer is not None:
            return None
        try:
            if isinstance(self.asked, _ACTIONS):
                return self._action(self.asked, ts)
            return self._client.question(self.asked, ts=ts)
        except (Unsupported, WireFault, NonceFault, DeadlinePassed) as error:
            self._take(self._unanswered(Verdict.NOT_SENT, str(error), ts))
            return None

    def replied(self, response: HttpResponse, *, sent: int, ts: int) -> None:
        """The present call left at ``sent`` and was answered at ``ts``."""
        answer = self._client.judged(self._left(), response, sent=sent, ts=ts)
        if self._pages is None or answer.verdict is not Verdict.ACCEPTED:
            self._take(answer)
            return
        try:
            is_complete = self._pages.take(response.body, answer.content)
        except WireFault as fault:
            # A list that breaks off is no answer.
            self._take(self._unanswered(Verdict.UNKNOWN, str(fault), ts))
            return
        self.asked = self._pages.question
        if is_complete:
            self._take(msgspec.structs.replace(answer, content=self._pages.content()))

    def failed(self, reason: str, *, ts: int, has_left: bool) -> None:
        """The present call ended without a response; ``has_left`` when a byte may have left."""
        verdict = Verdict.UNKNOWN if has_left else Verdict.NOT_SENT
        self._take(self._unanswered(verdict, reason, ts))

    @property
    def wants_instruments(self) -> bool:
        """Whether the answer names an instrument that was not there when the lists were loaded."""
        answer = self.answer
        if answer is None or isinstance(self.request, AmendRequest):
            return False
        return answer.verdict is Verdict.UNKNOWN and "again" in answer.reason

    @property
    def wants_clock(self) -> bool:
        """Whether the venue's clock should be measured again."""
        answer = self.answer
        if answer is None or isinstance(self.request, AmendRequest):
            return False
        return answer.code in _CLOCK_CODES

    def settled(self, *, ts: int) -> OrderSeen | None:
        """The end of the order that was withheld meanwhile, if there is no replacement.

        Where the amendment is in doubt, the stream may have lost what it showed of a replacement:
        the end is for questions to tell.
        """
        assert isinstance(self.request, AmendRequest)
        known = self._client.known
        if self._is_doubtful:
            known.release(self.request.client_order_id)
            return None
        ended = known.settle(self.request.client_order_id)
        whole = None if ended is None else known.whole(ended)
        return None if whole is None else OrderSeen(ts_event=ts, order=whole)

    # Amendments.
    def _begin_amendment(self, request: AmendRequest) -> None:
        """Amend what is known, or look up first what an order of an earlier process has traded."""
        known = self._client.known
        if known.traded(request.client_order_id) is not None:
            known.amending(request)
            return
        known.cloids.remember(request.client_order_id)
        self.asked = OrderQuery(
            request_id=request.request_id,
            client_order_id=request.client_order_id,
            instrument=request.spec.instrument,
        )

    def _looked_up(self, request: AmendRequest, found: Answer) -> None:
        if isinstance(found.content, VenueOrder):
            self._client.known.learn(request, found.content)
            self._client.known.amending(request)
            self.asked = request
            return
        reason = f"what the order has traded is not known: {found.reason or 'no such order'}"
        self.answer = msgspec.structs.replace(found, verdict=Verdict.NOT_SENT, reason=reason)

    def _amended(self, request: AmendRequest, answer: Answer) -> None:
        content = answer.content
        if answer.verdict is Verdict.ACCEPTED and isinstance(content, VenueOrder):
            self._client.known.amended(request, content.venue_order_id)
            self.answer = self._completed(answer)
            return
        self.answer = answer
        self.ts_settled = answer.ts_event
        self._is_doubtful = answer.verdict is Verdict.UNKNOWN and answer.code != _GONE
        if self._is_doubtful:
            # The stream may still show the replacement; after this it cannot.
            self.ts_settled = max(request.ts_deadline, answer.ts_event) + SETTLE_NS

    # Calls.
    def _action(self, request: Request, ts: int) -> HttpRequest:
        if isinstance(request, AmendRequest):
            self._filled = self._client.known.traded(request.client_order_id) or 0
        return self._client.action(request, ts=ts, filled=self._filled)

    def _left(self) -> Request:
        """What the present call is judged as: a replacement is for what is left to trade."""
        asked = self.asked
        if not isinstance(asked, AmendRequest):
            return asked
        left = msgspec.structs.replace(asked.spec, quantity=asked.spec.quantity - self._filled)
        return msgspec.structs.replace(asked, spec=left)

    # Answers.
    def _take(self, answer: Answer) -> None:
        """How the present call ended, judged."""
        request = self.request
        if not isinstance(request, AmendRequest):
            self.answer = self._completed(answer)
        elif self.asked is request:
            self._amended(request, answer)
        else:
            self._looked_up(request, answer)

    def _completed(self, answer: Answer) -> Answer:
        """The answer with what the venue left out about our orders."""
        content, known = answer.content, self._client.known
        if isinstance(content, VenueOrder):
            asked = self.request
            is_newest = isinstance(asked, OrderQuery) and bool(asked.client_order_id)
            whole = known.whole(content, is_newest=is_newest)
            if whole is None:
                reason = "the answer is about an order that is being, or was, replaced"
                return msgspec.structs.replace(
                    answer, verdict=Verdict.UNKNOWN, content=None, reason=reason
                )
            return msgspec.structs.replace(answer, content=whole)
        if isinstance(self.request, OpenOrdersQuery) and isinstance(content, tuple):
            orders = [known.whole(order) for order in content if isinstance(order, VenueOrder)]
            found = tuple(order for order in orders if order is not None)
            return msgspec.structs.replace(answer, content=found)
        if isinstance(self.request, FillsQuery) and isinstance(content, tuple):
            for fill in content:
                if isinstance(fill, VenueFill):
                    known.fill(fill)
        return answer

    def _unanswered(self, verdict: Verdict, reason: str, ts: int) -> Answer:
        return Answer(
            request_id=self.request.request_id, ts_event=ts, verdict=verdict, reason=reason
        )
