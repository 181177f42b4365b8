"""Calls to the venue: hashed and signed right before they leave, sent once, judged by ``wire``."""

from __future__ import annotations

import msgspec

from interlock.adapters.connecting import Refusal
from interlock.adapters.hyperliquid import pages
from interlock.adapters.transport import Ending, Reply, Transport
from interlock.model.clock import Offset
from interlock.model.venue import (
    AmendRequest,
    Answer,
    CancelRequest,
    DeadManRequest,
    FillsQuery,
    PaymentsQuery,
    PlaceRequest,
    Request,
    TimeQuery,
    Verdict,
)
from interlock.ports import Clock, Signer
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid import actions, queries
from interlock.wire.hyperliquid.actions import Identity, Unsupported
from interlock.wire.hyperliquid.answers import classify
from interlock.wire.hyperliquid.nonces import NonceFault, Nonces
from interlock.wire.hyperliquid.streams import Reader
from interlock.wire.hyperliquid.text import NS_PER_MS, WireFault

TIMEOUT_S = 10.0
SAMPLES = 3
_ACTIONS = (PlaceRequest, CancelRequest, AmendRequest, DeadManRequest)


class Wallet(msgspec.Struct, frozen=True, kw_only=True):
    """In whose name actions go, and what signs them: the account's own key or an agent's.

    ``nonce_floor`` is the last nonce an earlier process may have used with this key, and
    ``client_order_ids`` the orders it may have left: without them its orders have no names.
    """

    identity: Identity
    signer: Signer
    nonce_floor: int = 0
    client_order_ids: tuple[str, ...] = ()


class DeadlinePassed(ValueError):
    """The action may no longer leave."""


class Prices:
    """The newest price of each instrument, in price units: what a market order is bounded by."""

    def __init__(self) -> None:
        self._prices: dict[str, int] = {}

    def set(self, instrument: str, price: int) -> None:
        """Take a price in."""
        self._prices[instrument] = price

    def get(self, instrument: str) -> int:
        """The price, 0 while none is known."""
        return self._prices.get(instrument, 0)


class Calls:
    """The HTTP side of one account. ``reader`` is replaced when the instruments change."""

    def __init__(
        self,
        transport: Transport,
        reader: Reader,
        wallet: Wallet,
        *,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._timeout_s = timeout_s
        self.reader = reader
        self.identity = wallet.identity
        self.prices = Prices()
        self.offset = Offset()
        self.nonces = Nonces(wallet.nonce_floor)
        self._transport = transport
        self._signer = wallet.signer
        self._clock = clock

    def venue_now(self) -> int:
        """The venue's time as far as it was measured, ns."""
        return self.offset.at_venue(self._clock.now_ns())

    async def answer(self, request: Request, *, filled: int = 0) -> Answer:
        """The answer to one request, whatever happens on the way.

        ``filled`` is what an order that is amended has traded.
        """
        if isinstance(request, _ACTIONS):
            return await self._act(request, filled)
        if isinstance(request, FillsQuery | PaymentsQuery):
            return await self._page(request)
        try:
            asked = queries.ask(queries.query_of(request, self.reader.universe, self.identity))
        except (Unsupported, WireFault) as error:
            return self._unanswered(request, Verdict.NOT_SENT, str(error))
        return await self._send(request, asked)

    async def read(self, asked: HttpRequest) -> bytes:
        """The body of a question that connecting needs; raises Refusal without one."""
        reply = await self._transport.exchange(asked, timeout_s=self._timeout_s)
        if reply.ending is not Ending.ANSWERED:
            raise Refusal(f"{asked.body[:60].decode()}: {reply.reason}")
        if reply.status != 200:
            text = reply.body[:200].decode("utf-8", "replace")
            raise Refusal(f"{asked.body[:60].decode()} answered {reply.status}: {text}")
        return reply.body

    async def measure_clock(self, samples: int = SAMPLES) -> None:
        """Ask the venue's time and keep the sample with the shortest round trip."""
        for number in range(samples):
            request = TimeQuery(request_id=-1 - number)
            asked = queries.ask(queries.query_of(request, self.reader.universe, self.identity))
            answer = await self._send(request, asked)
            if answer.verdict is not Verdict.ACCEPTED:
                raise Refusal(f"the venue does not tell its time: {answer.reason}")

    def signed(self, request: Request, filled: int) -> HttpRequest:
        """The action as it leaves; raises what says why it may not."""
        now = self.venue_now()
        deadline = self.offset.at_venue(request.ts_deadline)
        if deadline and deadline // NS_PER_MS <= now // NS_PER_MS:
            raise DeadlinePassed(f"it was to be sent before {request.ts_deadline}")
        spec = getattr(request, "spec", None)
        action = actions.action_of(
            request,
            self.reader.universe,
            mark=self.prices.get(spec.instrument) if spec is not None else 0,
            filled=filled,
            now_ms=now // NS_PER_MS,
        )
        nonce = self.nonces.take(now // NS_PER_MS)
        ready = actions.draft(action, self.identity, nonce=nonce, ts_deadline=deadline)
        return actions.post(ready, self._signer.sign(ready.digest))

    async def _act(self, request: Request, filled: int) -> Answer:
        try:
            posted = self.signed(request, filled)
        except (Unsupported, WireFault, NonceFault, DeadlinePassed) as error:
            return self._unanswered(request, Verdict.NOT_SENT, str(error))
        judged = request
        if isinstance(request, AmendRequest):
            # The replacement is for what is left; its answer is read as an answer to that.
            left = msgspec.structs.replace(request.spec, quantity=request.spec.quantity - filled)
            judged = msgspec.structs.replace(request, spec=left)
        return await self._send(judged, posted)

    async def _send(self, request: Request, asked: HttpRequest) -> Answer:
        sent = self._clock.now_ns()
        reply = await self._transport.exchange(asked, timeout_s=self._timeout_s)
        return self._judge(request, reply, sent)

    def _judge(self, request: Request, reply: Reply, sent: int) -> Answer:
        seen = self._clock.now_ns()
        if reply.ending is not Ending.ANSWERED:
            is_unsent = reply.ending is Ending.NOT_SENT
            verdict = Verdict.NOT_SENT if is_unsent else Verdict.UNKNOWN
            return self._unanswered(request, verdict, reply.reason)
        response = HttpResponse(status=reply.status, body=reply.body, headers=reply.headers)
        answer = classify(request, response, reader=self.reader, ts=seen, sent_ts=sent)
        if isinstance(request, TimeQuery) and answer.verdict is Verdict.ACCEPTED:
            self.offset.take(sent=sent, seen=seen, venue=answer.ts_venue)
        return answer

    async def _page(self, request: FillsQuery | PaymentsQuery) -> Answer:
        """All pages of a list, joined; a list that breaks off is no answer."""
        book = pages.Pages(request)
        while True:
            asked = queries.ask(
                queries.query_of(book.question, self.reader.universe, self.identity)
            )
            sent = self._clock.now_ns()
            reply = await self._transport.exchange(asked, timeout_s=self._timeout_s)
            answer = self._judge(book.question, reply, sent)
            if answer.verdict is not Verdict.ACCEPTED:
                return answer
            try:
                is_complete = book.take(reply.body, answer.content)
            except WireFault as fault:
                return self._unanswered(request, Verdict.UNKNOWN, str(fault))
            if is_complete:
                return msgspec.structs.replace(answer, content=book.content())

    def _unanswered(self, request: Request, verdict: Verdict, reason: str) -> Answer:
        return Answer(
            request_id=request.request_id,
            ts_event=self._clock.now_ns(),
            verdict=verdict,
            reason=reason,
        )
