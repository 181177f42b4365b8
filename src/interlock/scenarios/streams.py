"""Complaint 15: streams that are dead and look alive, keys of streams that expire."""

from __future__ import annotations

import asyncio

from interlock.scenarios.answers import SCORE, play_out
from interlock.scenarios.engine import Engine, Play
from interlock.scenarios.protocols import BOTH
from interlock.scenarios.registry import scenario
from interlock.scenarios.stage import Stage, check

NOTICED_S = 30.0


@scenario(
    "user-stream-frozen",
    complaint=15,
    fault="the user stream goes silent without closing, orders fill meanwhile",
    deadline=150,
    protocols=BOTH,
)
async def user_frozen(stage: Stage) -> None:
    engine = await _resting(stage, "bid:2 wait to:1 wait")
    await stage.exchange.fault("freeze_stream", stream="user")
    await stage.exchange.fault("fill_part", instrument=stage.id("BTC"), ratio=0.5)
    took = await _until_noticed(stage, engine, "user")
    stage.measure(noticed_s=took)
    await stage.settle(engine, within=60)


@scenario(
    "market-stream-frozen",
    complaint=15,
    fault="the market stream goes silent without closing while the price moves by 2 %",
    deadline=150,
)
async def market_frozen(stage: Stage) -> None:
    engine = await _resting(stage, "bid:2 wait to:1 wait")
    await stage.exchange.fault("freeze_stream", stream="market")
    await stage.exchange.fault("gap", instrument=stage.id("BTC"), ratio=0.02)
    took = await _until_noticed(stage, engine, stage.id("BTC"))
    stage.measure(noticed_s=took)
    await stage.settle(engine, within=60)


@scenario(
    "all-streams-frozen",
    complaint=15,
    fault="every socket goes silent for 45 s without closing; the score goes on",
    deadline=240,
)
async def all_frozen(stage: Stage) -> None:
    await stage.open_exchange()
    engine = await stage.start_engine(Play(score=SCORE, beat=0.8))
    await asyncio.sleep(2.0)
    await stage.exchange.fault("freeze_stream", lasts="45s")
    took = await _until_noticed(stage, engine, "")
    stage.measure(noticed_s=took)
    await play_out(stage, engine, within=120)


@scenario(
    "listen-key-expired",
    complaint=15,
    fault="the listen key expires, orders fill at that moment",
    deadline=120,
)
async def key_expired(stage: Stage) -> None:
    engine = await _resting(stage, "bid:2 wait to:1 wait wait to:-1 wait")
    await stage.exchange.fault("expire_listen_key")
    await stage.exchange.fault("fill_part", instrument=stage.id("BTC"), ratio=0.5)
    await stage.settle(engine, within=45)


@scenario(
    "streams-garbled",
    complaint=15,
    fault="a third of the user messages is lost, doubled, late or out of order",
    deadline=150,
)
async def garbled(stage: Stage) -> None:
    await stage.open_exchange()
    for fault, more in (
        ("lose_message", {}),
        ("duplicate_message", {"delay": "300ms"}),
        ("delay_message", {"delay": "2s"}),
        ("reorder_messages", {}),
    ):
        await stage.exchange.fault(fault, stream="user", probability=0.1, **more)
    engine = await stage.start_engine(Play(score=SCORE))
    await play_out(stage, engine, within=90)


async def _resting(stage: Stage, score: str) -> Engine:
    await stage.open_exchange()
    engine = await stage.start_engine(Play(score=score, beat=0.4))

    async def rests() -> bool:
        books = await stage.exchange.books()
        return len(books.open) >= 2 and bool(books.positions)

    await stage.until("orders rest beside a position", rests, within=15)
    return engine


async def _until_noticed(stage: Stage, engine: Engine, name: str) -> float:
    """Seconds until the engine says that a stream is down or stale, or has replaced it."""
    before = await engine.status()
    downs = before.counts.get("STREAM_DOWN", 0) if before is not None else 0
    stales = before.counts.get("STREAM_STALE", 0) if before is not None else 0

    async def is_noticed() -> bool:
        status = await engine.status()
        if status is None:
            return False
        shown = [line for line in status.streams if name in ("", line.name)]
        counted = status.counts.get("STREAM_DOWN", 0) > downs
        counted = counted or status.counts.get("STREAM_STALE", 0) > stales
        return counted or any(line.state != "up" for line in shown)

    took = await stage.until(f"the stream {name or 'any'} is noticed", is_noticed, within=40)
    check(took <= NOTICED_S, f"noticed after {took:.1f} s, not within {NOTICED_S:g} s")
    return took
