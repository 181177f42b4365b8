"""Calls to the venue: signed right before they leave, sent once, judged by ``wire``."""

from __future__ import annotations

import msgspec

from interlock.adapters.connecting import Refusal
from interlock.adapters.transport import Ending, Transport
from interlock.model.clock import Offset
from interlock.model.venue import Answer, Request, TimeQuery, Verdict
from interlock.ports import Clock, Signer
from interlock.wire.binance import requests
from interlock.wire.binance.answers import Judge, Reply
from interlock.wire.binance.conversation import Conversation
from interlock.wire.binance.requests import DeadlinePassed, Draft
from interlock.wire.http import HttpRequest

SAMPLES = 3
TIMEOUT_S = 10.0


class Keys(msgspec.Struct, frozen=True):
    """The name of a key and what signs with it; the secret itself stays in the signer."""

    name: str
    signer: Signer


class Calls:
    """The HTTP side of one account."""

    def __init__(
        self,
        transport: Transport,
        judge: Judge,
        dialect: requests.Dialect,
        *,
        clock: Clock,
        keys: Keys,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._timeout_s = timeout_s
        self._transport = transport
        self._judge = judge
        self._dialect = dialect
        self._clock = clock
        self._keys = keys
        self.offset = Offset()

    async def answer(self, request: Request) -> Answer:
        """The answer to one request, whatever happens on the way."""
        talk = Conversation(request, self._dialect, self._judge, ts=self._clock.now_ns())
        while (draft := talk.draft) is not None:
            await self._send(talk, draft)
        if talk.answer is None:
            raise AssertionError(f"{type(request).__name__} ended without an answer")
        return talk.answer

    async def call(self, draft: Draft) -> Reply:
        """One call whose reply the adapter itself reads; raises Refusal without a reply."""
        request = self._sign(draft, 0)
        reply = await self._transport.exchange(request, timeout_s=self._timeout_s)
        if reply.ending is not Ending.ANSWERED:
            raise Refusal(f"{draft.method} {draft.path}: {reply.reason}")
        return Reply(status=reply.status, body=reply.body, headers=reply.headers)

    async def measure_clock(self, samples: int = SAMPLES) -> None:
        """Ask the venue's time and keep the sample with the shortest round trip."""
        for number in range(samples):
            answer = await self.answer(TimeQuery(request_id=-1 - number))
            if answer.verdict is not Verdict.ACCEPTED:
                raise Refusal(f"the venue does not tell its time: {answer.reason}")

    async def _send(self, talk: Conversation, draft: Draft) -> None:
        request = talk.request
        try:
            signed = self._sign(draft, request.ts_deadline)
        except DeadlinePassed as error:
            talk.failed(str(error), ts=self._clock.now_ns(), has_left=False)
            return
        sent = self._clock.now_ns()
        reply = await self._transport.exchange(signed, timeout_s=self._timeout_s)
        seen = self._clock.now_ns()
        if reply.ending is not Ending.ANSWERED:
            has_left = reply.ending is not Ending.NOT_SENT
            talk.failed(reply.reason, ts=seen, has_left=has_left)
            return
        found = Reply(status=reply.status, body=reply.body, headers=reply.headers)
        if isinstance(request, TimeQuery):
            self._learn_time(request, found, sent=sent, seen=seen)
        talk.replied(found, ts=seen)

    def _sign(self, draft: Draft, ts_deadline: int) -> HttpRequest:
        return requests.signed(
            draft,
            ts=self.offset.at_venue(self._clock.now_ns()),
            ts_deadline=self.offset.at_venue(ts_deadline),
            key=self._keys.name,
            sign=self._keys.signer.sign,
        )

    def _learn_time(self, request: TimeQuery, reply: Reply, *, sent: int, seen: int) -> None:
        judged = self._judge.judge(request, [reply], ts=seen)
        if isinstance(judged, Answer) and judged.verdict is Verdict.ACCEPTED:
            self.offset.take(sent=sent, seen=seen, venue=judged.ts_venue)


def explain(draft: Draft, reply: Reply) -> str:
    """Why a call that connecting needs was refused, in one line."""
    text = reply.body[:200].decode("utf-8", "replace")
    return f"{draft.method} {draft.path} answered {reply.status}: {text}"


def must(draft: Draft, reply: Reply) -> bytes:
    """The body of a success; raises Refusal for anything else."""
    if reply.status != 200:
        raise Refusal(explain(draft, reply))
    return reply.body
