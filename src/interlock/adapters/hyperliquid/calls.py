"""Calls to the venue: what ``wire`` wrote right before they leave, sent once, given back to it."""

from __future__ import annotations

from interlock.adapters.connecting import Refusal
from interlock.adapters.transport import Ending, Transport
from interlock.model.venue import Answer, TimeQuery, Verdict
from interlock.ports import Clock
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.wire.hyperliquid.client import Client
from interlock.wire.hyperliquid.conversation import Conversation

TIMEOUT_S = 10.0
SAMPLES = 3


class Calls:
    """The HTTP side of one account."""

    def __init__(
        self,
        transport: Transport,
        client: Client,
        *,
        clock: Clock,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._timeout_s = timeout_s
        self._transport = transport
        self._client = client
        self._clock = clock

    async def carry(self, talk: Conversation) -> Answer:
        """The answer that a conversation comes to, whatever happens on the way."""
        while (request := talk.leaving(ts=self._clock.now_ns())) is not None:
            sent = self._clock.now_ns()
            reply = await self._transport.exchange(request, timeout_s=self._timeout_s)
            seen = self._clock.now_ns()
            if reply.ending is Ending.ANSWERED:
                response = HttpResponse(status=reply.status, body=reply.body, headers=reply.headers)
                talk.replied(response, sent=sent, ts=seen)
            else:
                talk.failed(reply.reason, ts=seen, has_left=reply.ending is not Ending.NOT_SENT)
        if talk.answer is None:
            raise AssertionError(f"{type(talk.request).__name__} ended without an answer")
        return talk.answer

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
            talk = Conversation(TimeQuery(request_id=-1 - number), self._client)
            answer = await self.carry(talk)
            if answer.verdict is not Verdict.ACCEPTED:
                raise Refusal(f"the venue does not tell its time: {answer.reason}")
