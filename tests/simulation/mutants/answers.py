"""Planted in the classifier of answers, R3: each row that the world's venue says, and the rest.

Rows that it never says are held by the table's own tests (tests/unit/wire).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.model.events import OrderAccepted, OrderCanceled
from interlock.model.venue import Answer, Verdict
from interlock.runtime import answers as runtime_answers
from interlock.runtime.answers import Answers
from interlock.wire.binance import answers as wire_answers
from interlock.wire.binance import verdicts
from interlock.wire.binance.conversation import Conversation
from tests.simulation.mutants.planting import MUTANTS, Mutant, Patch, mutant

NO, DOUBT, YES = Verdict.REJECTED, Verdict.UNKNOWN, Verdict.ACCEPTED
_ASKED = "a doubt too many costs a question or two and no more: the venue is asked and says it"
_PROVED = "the order is asked for until it is proved that it never was; that takes time only"
_EITHER = "a refused cancel or amendment has its order asked about, whatever the answer says"


def _swap(code: int, verdict: Verdict) -> Callable[[Patch], None]:
    return lambda patch: patch.row(code, verdict)


def _row(name: str, text: str, code: int, verdict: Verdict, harmless: str = "") -> None:
    MUTANTS.append(Mutant(name, "R3", text, _swap(code, verdict), harmless))


# What the venue does not know of, read as a refusal.
_row("1006 is a rejection", "-1006 Unexpected response reads as a rejection", -1006, NO)
_row("1007 is a rejection", "-1007 Timeout reads as a rejection", -1007, NO)
_row(
    "2011 is a rejection", "-2011 Unknown order sent reads as a refused cancel", -2011, NO, _EITHER
)
_row("2013 is a rejection", "-2013 No such order reads as a refusal", -2013, NO, _EITHER)
# What the venue refuses, doubted.
_row("1008 is unknown", "-1008 is doubted although nothing happened", -1008, DOUBT, _ASKED)
_row("1003 is unknown", "-1003 Too many requests is doubted", -1003, DOUBT, _ASKED)
_row("1021 is unknown", "-1021 Outside of the time window is doubted", -1021, DOUBT, _ASKED)
_row("2021 is unknown", "-2021 Would trigger at once is doubted", -2021, DOUBT, _PROVED)
_row("2022 is unknown", "-2022 Reduce-only rejected is doubted", -2022, DOUBT, _PROVED)
_row("4131 is unknown", "-4131 No counterparty is doubted", -4131, DOUBT, _PROVED)
_row("4164 is unknown", "-4164 Below the least notional is doubted", -4164, DOUBT, _PROVED)
_row("4014 is unknown", "-4014 Off the tick is doubted", -4014, DOUBT, _PROVED)
_row("5027 is unknown", "-5027 Nothing to amend is doubted", -5027, DOUBT, _ASKED)
# What the venue refuses, believed to have been carried out.
_row("1008 is accepted", "-1008 Busy reads as a success", -1008, YES)
_row("1021 is accepted", "-1021 Outside of the time window reads as a success", -1021, YES)
_row("5027 is accepted", "-5027 Nothing to amend reads as amended", -5027, YES,
     "what was asked for is what the order was before")  # fmt: skip
_row("4014 is accepted", "-4014 Off the tick reads as a success", -4014, YES)


@mutant("R3", "503 with -1000 Unknown error reads as a rejection")
def unknown_error_is_a_rejection(patch: Patch) -> None:
    def verdict(asked: str, status: int, code: int, text: str) -> Verdict:
        found: Verdict = before(asked, status, code, text)
        return Verdict.REJECTED if (status, code) == (503, -1000) else found

    before = patch.set(verdicts, "verdict", verdict)


@mutant("R3", "a refused cancel reads as canceled")
def refused_cancel_is_canceled(patch: Patch) -> None:
    def canceled(self: Answers, track: Any, answer: Answer, request: Any) -> None:
        order = self.desk.state.open.get(track.client_order_id)
        if answer.verdict is not Verdict.NOT_SENT and order is not None:
            event = OrderCanceled(self.desk.ts, track.client_order_id, "refused")
            self.desk.report(event, evidence="answer")
            return
        before(self, track, answer, request)

    before = patch.set(Answers, "_canceled", canceled)


@mutant("R3", "a code or a page that is not in the table reads as a rejection")
def html_is_a_rejection(patch: Patch) -> None:
    def verdict(asked: str, status: int, code: int, text: str) -> Verdict:
        found: Verdict = before(asked, status, code, text)
        return Verdict.REJECTED if code not in verdicts.ROWS else found

    before = patch.set(verdicts, "verdict", verdict)


@mutant("R3", "a success that cannot be read is a rejection")
def broken_success_is_a_rejection(patch: Patch) -> None:
    def judge(self: Any, request: Any, replies: Any, *, ts: int) -> Any:
        found = before(self, request, replies, ts=ts)
        is_success = replies[-1].status == 200
        if isinstance(found, Answer) and found.verdict is Verdict.UNKNOWN and is_success:
            return msgspec.structs.replace(found, verdict=Verdict.REJECTED)
        return found

    before = patch.set(wire_answers.Judge, "judge", judge)


@mutant("R3", "a success without an order in it opens the order")
def empty_success_is_accepted(patch: Patch) -> None:
    def placed(self: Answers, track: Any, answer: Answer) -> None:
        if answer.verdict is Verdict.UNKNOWN and answer.ts_venue == 0 and answer.code == "":
            event = OrderAccepted(self.desk.ts, track.client_order_id)
            self.dispatch.gate.flow.settled(track.client_order_id, track.spec.instrument)
            self.desk.report(event, evidence="answer")
            return
        before(self, track, answer)

    before = patch.set(Answers, "_placed", placed)


@mutant("R3", "no answer in time is a rejection")
def silence_is_a_rejection(patch: Patch) -> None:
    def heard(self: Answers, answer: Answer, pending: Any) -> None:
        if answer.verdict is Verdict.UNKNOWN and answer.reason == "no answer in time":
            answer = msgspec.structs.replace(answer, verdict=Verdict.REJECTED)
        before(self, answer, pending)

    # The engine binds it when it is made.
    before = patch.set(Answers, "heard", heard)


@mutant("R3", "a broken connection counts as never sent")
def broken_is_not_sent(patch: Patch) -> None:
    def failed(self: Any, reason: str, *, ts: int, has_left: bool) -> None:
        before(self, reason, ts=ts, has_left=False)

    before = patch.set(Conversation, "failed", failed)


@mutant(
    "R3",
    "a refusal of an id that is open counts as a statement about this attempt",
    harmless="nothing is sent twice under one id, so no such refusal comes; R2 is the guard",
)
def duplicate_is_definite(patch: Patch) -> None:
    patch.set(runtime_answers, "_without_doubtful_statements", lambda answer: answer)


@mutant("I29", "orders in doubt are taken for accepted")
def doubt_is_hidden(patch: Patch) -> None:
    def doubt(self: Answers, track: Any, answer: Answer) -> None:
        event = OrderAccepted(self.desk.ts, track.client_order_id)
        self.desk.report(event, evidence="answer")

    patch.set(Answers, "_doubt_placement", doubt)
