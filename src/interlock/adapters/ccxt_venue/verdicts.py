"""What an attempt through ccxt proves: the status, the body and the class must agree.

Rules of this file. UNKNOWN is what everything is until it is proved otherwise. A class of ccxt
alone proves nothing: the same class is raised for a refusal and for a page of HTML. An answer
without the venue's id is no order. Binance's codes are judged by the table of its own wire.
"""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.adapters.ccxt_venue.client import Refused, Trace
from interlock.adapters.transport import Ending, Reply
from interlock.model.venue import Request, Verdict
from interlock.wire.binance import verdicts as binance
from interlock.wire.binance.answers import kind_of

_TOO_MANY = (418, 429)
# Classes by which venues say that they checked an order and refused it.
_REFUSALS = (
    "InsufficientFunds",
    "InvalidOrder",
    "BadSymbol",
    "BadRequest",
    "AuthenticationError",
    "PermissionDenied",
    "AccountSuspended",
    "MarketClosed",
    "NotSupported",
)
# Among them, what says nothing about this attempt.
_DOUBTS = ("OrderNotFound", "DuplicateOrderId", "CancelPending", "InvalidNonce", "OrderNotCached")
_PAUSE_MS = 1_000


class Judged(msgspec.Struct, frozen=True):
    """A verdict with the venue's words."""

    verdict: Verdict
    code: str = ""
    reason: str = ""
    retry_after_ms: int = 0


def judge_error(request: Request, trace: Trace, error: Exception, exchange_id: str) -> Judged:
    """What a call proves that ended in an error."""
    reply = trace.last
    reason = str(error)[:200]
    if reply is None:
        # Refused by us or by ccxt before a byte left.
        return Judged(Verdict.NOT_SENT, type(error).__name__, reason)
    if reply.ending is Ending.NOT_SENT and len(trace.replies) == 1:
        return Judged(Verdict.NOT_SENT, "", reply.reason)
    if isinstance(error, Refused) or reply.ending is not Ending.ANSWERED:
        return Judged(Verdict.UNKNOWN, "", reply.reason or reason)
    if exchange_id.startswith("binance"):
        return _binance(request, reply, reason)
    return _by_class(reply, error, reason)


def judge_order(found: Any, trace: Trace, client_order_id: str) -> Judged:
    """What a call proves that returned an order: only one with the venue's id is one."""
    reply = trace.last
    if reply is None or reply.ending is not Ending.ANSWERED or reply.status != 200:
        return Judged(Verdict.UNKNOWN, "", "no answer stands behind what ccxt returned")
    if not is_json(reply.body):
        return Judged(Verdict.UNKNOWN, f"http {reply.status}", "the answer is no JSON")
    if not isinstance(found, dict) or not found.get("id"):
        return Judged(Verdict.UNKNOWN, "", "the answer names no order")
    said = found.get("clientOrderId")
    if client_order_id and said and said != client_order_id:
        return Judged(Verdict.UNKNOWN, "", f"the answer is about order {said!r}")
    return Judged(Verdict.ACCEPTED)


def is_json(body: bytes) -> bool:
    """Whether a body is a whole JSON object or list."""
    try:
        return isinstance(msgspec.json.decode(body), dict | list)
    except msgspec.DecodeError:
        return False


def _binance(request: Request, reply: Reply, reason: str) -> Judged:
    code, text = _error_of(reply.body)
    verdict = binance.verdict(kind_of(request), reply.status, code, text)
    told = str(code) if code else f"http {reply.status}"
    return Judged(verdict, told, text or reason, retry_after(reply))


def _by_class(reply: Reply, error: Exception, reason: str) -> Judged:
    names = [kind.__name__ for kind in type(error).__mro__]
    code = type(error).__name__
    if reply.status in _TOO_MANY:
        return Judged(Verdict.REJECTED, code, reason, retry_after(reply))
    states = reply.status == 200 or 400 <= reply.status < 500
    is_refusal = any(name in _REFUSALS for name in names)
    is_doubt = any(name in _DOUBTS for name in names)
    if states and is_json(reply.body) and is_refusal and not is_doubt:
        return Judged(Verdict.REJECTED, code, reason)
    return Judged(Verdict.UNKNOWN, code, reason, retry_after(reply))


def retry_after(reply: Reply) -> int:
    """How long the venue wants to be left alone, ms."""
    text = reply.headers.get("retry-after", "")
    if text.isascii() and text.isdigit() and len(text) < 7:
        return int(text) * 1_000
    return _PAUSE_MS if reply.status in (*_TOO_MANY, 503) else 0


def _error_of(body: bytes) -> tuple[int, str]:
    try:
        found = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return 0, body.strip().decode("utf-8", "replace") if len(body) < 100 else ""
    if not isinstance(found, dict) or not isinstance(found.get("code"), int):
        return 0, ""
    return found["code"], str(found.get("msg", ""))
