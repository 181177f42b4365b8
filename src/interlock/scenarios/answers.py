"""Complaints 1, 2 and 17: answers that are lost, late, cut or ambiguous, and clocks apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from interlock.scenarios.engine import Engine, Play
from interlock.scenarios.protocols import BINANCE, BOTH, Protocol
from interlock.scenarios.registry import Run, scenario
from interlock.scenarios.stage import Stage, check

# Entries both ways and resting orders; ends short by two units with three orders resting.
SCORE = "bid:1 to:1 ask:1 to:-1 wait move bid:2 wait to:1 cancel wait to:-2 wait"
END_UNITS, END_RESTING = -2, 3


async def is_at_end(stage: Stage) -> bool:
    """Whether the exchange is where the score ends."""
    books = await stage.exchange.books()
    holds = {stage.id("BTC"): stage.units("BTC", END_UNITS)}
    return books.positions == holds and len(books.open) == END_RESTING


async def play_out(stage: Stage, engine: Engine, *, within: float = 60.0) -> None:
    """Wait for the end of the score and for equal books."""
    took = await stage.until(
        "the score has come to its end", lambda: is_at_end(stage), within=within
    )
    await stage.settle(engine)
    stage.measure(end_s=took)


async def trade_through(stage: Stage, rules: list[Mapping[str, Any]], *, tells: str) -> None:
    """Trade the score while rules meet its orders; the end is the end of the score.

    The stream tells late too: what an answer leaves open stays open for a moment.
    """
    await stage.open_exchange()
    await stage.exchange.fault("delay_message", stream="user", delay=tells)
    for rule in rules:
        values = dict(rule)
        await stage.exchange.fault(values.pop("fault"), **values)
    engine = await stage.start_engine(Play(score=SCORE))
    for rule in rules:
        await stage.hit(rule["fault"], times=rule.get("count", 1))

    await play_out(stage, engine)


def _scenario(
    name: str,
    fault: str,
    *rules: Mapping[str, Any],
    complaint: int = 2,
    tells: str = "1500ms",
    is_doubted: bool = True,
    protocols: Sequence[Protocol] = (BINANCE,),
) -> None:
    async def run(stage: Stage) -> None:
        await trade_through(stage, list(rules), tells=tells)
        if is_doubted:
            _check_doubted(stage)

    registered: Run = run
    scenario(name, complaint=complaint, fault=fault, deadline=150, protocols=protocols)(registered)


def _check_doubted(stage: Stage) -> None:
    doubted = stage.verdict is not None and stage.verdict.unknown_s > 0
    check(doubted, "no order was ever UNKNOWN: the fault was taken for an answer")


def _on_place(fault: str, **values: Any) -> dict[str, Any]:
    return {"fault": fault, "call": "place", "after_calls": 1, "count": 2, **values}


_scenario(
    "duplicate-after-timeout",
    "orders are accepted, the reply is dropped",
    _on_place("drop_reply"),
    complaint=1,
    protocols=BOTH,
)
_scenario(
    "duplicate-late-reply",
    "orders are accepted, the reply comes 8 s late",
    _on_place("late_reply", delay="8s"),
    complaint=1,
    tells="7s",
    protocols=BOTH,
)
_scenario(
    "duplicate-accepted-then-503",
    "orders are accepted, the answer is 503 without a code",
    _on_place("answer", status=503, message="Unknown error, please check your request."),
    complaint=1,
)
_scenario(
    "duplicate-after-a-lie",
    "orders are accepted, the answer is the 503 that is documented as a failure",
    _on_place("answer", status=503, message="Service Unavailable."),
    complaint=1,
    is_doubted=False,
)
_scenario(
    "unknown-503-executed",
    "503 with -1000, executed",
    _on_place("answer", status=503, code=-1000, message="Unknown error."),
)
_scenario(
    "unknown-503-not-executed",
    "503 with -1000, not executed",
    _on_place("answer", status=503, code=-1000, message="Unknown error.", executed=False),
)
_scenario(
    "unknown-1007",
    "408 with -1007: execution status unknown",
    _on_place("answer", status=408, code=-1007, message="Timeout waiting for response."),
)
_scenario(
    "unknown-html-502",
    "a page of HTML with 502",
    _on_place("html_reply", status=502),
    protocols=BOTH,
)
_scenario(
    "unknown-truncated", "an answer that breaks off", _on_place("truncate_reply"), protocols=BOTH
)
_scenario("unknown-empty", "200 with nothing in it", _on_place("empty_reply"), protocols=BOTH)
_scenario(
    "unknown-lost-request", "the order never arrives", _on_place("lose_request"), protocols=BOTH
)
_scenario(
    "unknown-query-lag",
    "the reply is dropped and queries deny the order for 3 s",
    _on_place("drop_reply"),
    _on_place("hide_order", delay="3s"),
    protocols=BOTH,
)


def _skewed(name: str, offset: str) -> None:
    async def run(stage: Stage) -> None:
        await stage.open_exchange()
        engine = await stage.start_engine(Play(score=SCORE))
        await stage.exchange.fault("skew_clock", offset=offset)

        await play_out(stage, engine)

    scenario(name, complaint=17, fault=f"the exchange's clock jumps by {offset}", deadline=120)(run)


_skewed("clock-ahead", "5s")
_skewed("clock-behind", "-5s")
