"""Complaint 16: rate limits. Nothing is asked inside a ban, and exits keep their reserve."""

from __future__ import annotations

import asyncio
from typing import Any

from interlock.scenarios.answers import SCORE, play_out
from interlock.scenarios.engine import Play
from interlock.scenarios.registry import scenario
from interlock.scenarios.stage import Stage, check


def _banned(name: str, status: int, seconds: int) -> None:
    async def run(stage: Stage) -> None:
        await stage.open_exchange()
        engine = await stage.start_engine(Play(score=SCORE))
        await asyncio.sleep(1.0)
        rule: dict[str, Any] = {"status": status, "retry_after": f"{seconds}s"}
        await stage.exchange.fault("throttle", lasts=f"{seconds}s", **rule)
        await stage.hit("throttle", within=15)
        # What was under way when the first answer came may still arrive.
        await asyncio.sleep(0.5)
        before = await stage.exchange.requests()
        await asyncio.sleep(seconds - 1.5)
        inside = await stage.exchange.requests() - before
        stage.measure(inside_ban=inside)
        check(not inside, f"{inside} requests inside a ban of {seconds} s")
        await stage.exchange.clear()
        await play_out(stage, engine, within=60)

    fault = f"{status} with Retry-After {seconds} s to every request"
    scenario(name, complaint=16, fault=fault, deadline=150)(run)


_banned("rate-limit-429", 429, 8)
_banned("rate-limit-ban-418", 418, 12)


@scenario(
    "rate-limit-storm",
    complaint=16,
    fault="a strategy that wants 40 order changes a second; then an exit",
    deadline=150,
)
async def storm(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(score="bid:8+ask:8+to:1 cancel+move", beat=0.02, rounds=0)
    engine = await stage.start_engine(play)
    await asyncio.sleep(20.0)
    start = stage.now()
    await engine.command("emergency-stop")

    async def is_flat() -> bool:
        return not (await stage.exchange.books()).positions

    await stage.until("flat in the middle of the storm", is_flat, within=10)
    stage.measure(flat_s=stage.now() - start)
    counts = await stage.exchange.counts()
    check(not counts.get("throttle"), "a rule throttled")
    status = await engine.status()
    refused = status.counts.get("ORDER_REFUSED", 0) if status is not None else 0
    stage.measure(refused_here=refused)

    async def is_over() -> bool:
        found = await engine.status()
        return found is not None and found.state == "flat"

    await stage.until("the engine says flat", is_over, within=40)
    await stage.settle(engine, trades=False)
