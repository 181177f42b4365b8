"""Complaints 10 and 24, and the emergency stop: memory, slow strategies, the last way out."""

from __future__ import annotations

import asyncio

from interlock.scenarios.engine import Play
from interlock.scenarios.protocols import BOTH
from interlock.scenarios.registry import scenario
from interlock.scenarios.stage import Stage, check

GROWTH_MOST_KB = 4_000


@scenario(
    "memory",
    complaint=10,
    fault="60 s of fast trading after 30 s of warm-up: resident memory stays flat",
    deadline=180,
)
async def memory(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(score="bid:2+ask:2 to:1 cancel to:-1 cancel to:0", beat=0.15, rounds=0)
    engine = await stage.start_engine(play)
    await asyncio.sleep(30.0)
    seen = []
    for _ in range(12):
        await asyncio.sleep(5.0)
        seen.append(engine.process.memory_kb())
    early, late = sorted(seen[:4])[1], sorted(seen[-4:])[1]
    stage.measure(rss_mb=late / 1_000, growth_kb=late - early)
    check(late - early < GROWTH_MOST_KB, f"resident memory grew by {late - early} kB in 45 s")
    await engine.command("halt")
    await stage.settle(engine, trades=False)


@scenario(
    "slow-strategy",
    complaint=24,
    fault="a callback of the strategy takes 4 s, twice: alarms ring, nothing is lost",
    deadline=120,
)
async def slow_strategy(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(score="bid:2 to:1 block:4 to:2 block:4 to:-1 wait", beat=0.5)
    engine = await stage.start_engine(play)

    async def is_over() -> bool:
        books = await stage.exchange.books()
        return books.positions == {stage.id("BTC"): stage.units("BTC", -1)}

    await stage.until("the score has come to its end", is_over, within=40)
    await stage.settle(engine)
    status = await engine.status()
    check(status is not None, "the engine does not answer")
    if status is not None:
        late = status.counts.get("DECISION_SLOW", 0)
        stage.measure(alarms=late)
        check(late >= 2, f"{late} alarms about 2 slow decisions")


@scenario(
    "emergency-stop",
    complaint=22,
    fault="emergency stop under load: last risk within 1 s of the acknowledgement, verified flat",
    deadline=120,
    protocols=BOTH,
)
async def emergency_stop(stage: Stage) -> None:
    await stage.open_exchange()
    bases = ("BTC", "ETH", "SOL")
    score = (
        "to:2@BTC+to:1@ETH+bid:4@SOL+bid:3@BTC to:1@BTC+to:-1@ETH+to:1@SOL cancel@SOL+to:3@BTC "
        "to:2@ETH+to:-1@SOL+cancel@BTC"
    )
    engine = await stage.start_engine(Play(score=score, beat=0.1, rounds=0, bases=bases))
    await asyncio.sleep(6.0)
    await engine.command("emergency-stop")
    told = stage.clock.now_ns()

    async def is_flat() -> bool:
        status = await engine.status()
        return status is not None and status.state == "flat"

    took = await stage.until("the engine says flat", is_flat, within=45)
    books = await stage.exchange.books()
    check(not books.positions, f"the venue holds {books.positions}")
    kept = await stage.settle(engine, trades=False)
    raising = [
        order.ts_created
        for order in books.placed
        if order.client_id in kept.intents and not kept.intents[order.client_id].reduce_only
    ]
    after = max(0.0, (max(raising, default=0) - told) / 1e9)
    stage.measure(flat_s=took, last_risk_s=after)
    check(after <= 1.0, f"an order that raises risk arrived {after:.2f} s after the stop")
    check(not (await stage.exchange.books()).open, "orders are open after the emergency stop")
