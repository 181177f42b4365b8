"""Complaints 19, 20 and 21: what others do on the account, what the venue does, partial fills."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from interlock.scenarios.engine import Engine, Play
from interlock.scenarios.protocols import BOTH
from interlock.scenarios.registry import scenario
from interlock.scenarios.stage import Stage, check, notices

SEEN_S = 5.0


@scenario(
    "manual-trade",
    complaint=19,
    fault="somebody trades by hand on the same account",
    deadline=90,
    protocols=BOTH,
)
async def manual_trade(stage: Stage) -> None:
    engine = await _holding(stage)
    await stage.exchange.fault(
        "manual_trade", instrument=stage.id("BTC"), side="sell", quantity=0.005
    )
    took = await _until_paused(stage, engine)
    stage.measure(seen_s=took)
    await stage.settle(engine)
    status = await engine.status()
    line = (
        next(line for line in status.positions if line.instrument == stage.id("BTC"))
        if status
        else None
    )
    check(line is not None and line.external == "-0.005", f"external is {line and line.external}")
    text = await engine.command("resume", scope=stage.id("BTC"))
    stage.measure(resume=text)


@scenario(
    "foreign-order",
    complaint=19,
    fault="somebody places an order by hand on the same account, then it fills",
    deadline=90,
)
async def foreign_order(stage: Stage) -> None:
    engine = await _holding(stage)
    await stage.exchange.foreign_order("BTCUSDT", "0.004", "58000")
    took = await _until_paused(stage, engine)
    stage.measure(seen_s=took)
    check(took <= SEEN_S, f"a foreign order was seen after {took:.1f} s")
    await stage.exchange.fault("gap", instrument=stage.id("BTC"), ratio=-0.045)
    await asyncio.sleep(2.0)
    await stage.settle(engine)
    verdict = stage.verdict
    check(verdict is not None and verdict.foreign == 1, "the foreign order is not counted once")


@scenario("liquidation", complaint=20, fault="the venue liquidates the position", deadline=90)
async def liquidation(stage: Stage) -> None:
    engine = await _holding(stage)
    await stage.exchange.fault("liquidate", instrument=stage.id("BTC"))
    await _agrees(stage, engine)


@scenario("adl", complaint=20, fault="the venue deleverages the position", deadline=90)
async def adl(stage: Stage) -> None:
    engine = await _holding(stage)
    await stage.exchange.fault("deleverage", instrument=stage.id("BTC"))
    await _agrees(stage, engine)


@scenario(
    "funding",
    complaint=20,
    fault="funding is paid while a position is held (the exchange's clock begins just before)",
    deadline=150,
)
async def funding(stage: Stage) -> None:
    # Funding is paid at 00:00, 08:00 and 16:00; the exchange's clock begins 40 s before.
    day = datetime.fromtimestamp(stage.now(), UTC).replace(hour=0, minute=0, second=0)
    start = day + timedelta(days=1, seconds=-40)
    engine = await _holding(stage, "--start", f"{start:%Y-%m-%dT%H:%M:%S}")

    async def is_paid() -> bool:
        books = await stage.exchange.books()
        return any(item.kind == "funding" for item in books.payments)

    await stage.until("funding is paid", is_paid, within=60)
    kept = await stage.settle(engine, within=60)
    booked = sum(count for kind, count in kept.payments.items() if "funding" in kind.lower())
    books = await stage.exchange.books()
    paid = sum(item.kind == "funding" for item in books.payments)
    stage.measure(funding_paid=paid, funding_booked=booked)
    check(booked == paid, f"{paid} funding payments at the venue, {booked} in the ledger")


@scenario(
    "partial-fills",
    complaint=21,
    fault="resting orders fill in pieces, are amended and canceled between",
    deadline=120,
    protocols=BOTH,
)
async def partial_fills(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(score="bid:3+ask:3 wait wait cancel move wait cancel wait", beat=0.5, rounds=3)
    engine = await stage.start_engine(play)
    await asyncio.sleep(1.0)
    for _ in range(12):
        await stage.exchange.fault(
            "fill_part", instrument=stage.id("BTC"), ratio=round(stage.draw.between(0.2, 0.7), 2)
        )
        await asyncio.sleep(stage.draw.between(0.2, 0.9))
    await asyncio.sleep(6.0)
    kept = await stage.settle(engine)
    pieces = sum(kept.fills.values())
    check(pieces >= 8, f"only {pieces} fills")


async def _holding(stage: Stage, *words: str) -> Engine:
    await stage.open_exchange(*words)
    engine = await stage.start_engine(Play(score="to:2+bid:1 wait wait"))

    async def holds() -> bool:
        books = await stage.exchange.books()
        return books.positions == {stage.id("BTC"): stage.units("BTC", 2)} and len(books.open) == 1

    await stage.until("a position and a resting order", holds, within=15)
    await stage.settle(engine)
    return engine


async def _until_paused(stage: Stage, engine: Engine) -> float:
    async def is_paused() -> bool:
        status = await engine.status()
        return status is not None and any(line.is_paused for line in status.positions)

    return await stage.until("the instrument is paused", is_paused, within=40)


async def _agrees(stage: Stage, engine: Engine) -> None:
    """The ledger follows the venue's income history, to the unit, and somebody is told."""
    took = await _until_paused(stage, engine)
    stage.measure(seen_s=took)
    await stage.settle(engine, within=60)
    told = notices(engine.folder, "EXTERNAL_FILL")
    check(bool(told), "nobody was told")
    stage.measure(cause=str(told[0].get("cause", "")))
