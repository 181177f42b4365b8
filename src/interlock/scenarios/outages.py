"""Complaints 3 and 23: the venue is out of reach, for a second, a minute, an hour; maintenance.

One outage meets an order at every point of its life at once, each on its own instrument or moment:
asked for while nothing can leave, on its way, resting, being amended and filled in part, and being
canceled. Another one meets positions: a stop that rests, one that triggers and fills while nobody
hears of it, and an entry whose stop cannot leave any more.
"""

from __future__ import annotations

import asyncio

from interlock.scenarios.answers import SCORE, play_out
from interlock.scenarios.engine import Engine, Play
from interlock.scenarios.protocols import BOTH
from interlock.scenarios.registry import scenario
from interlock.scenarios.stage import Stage, check
from interlock.scenarios.stops import covers

BASES = ("BTC", "ETH", "SOL")
# Resting everywhere; then in flight (BTC), canceling (ETH), amending and partly filled (SOL); then
# before anything left.
LIFE = (
    "bid:2@BTC+bid:2@ETH+bid:2@SOL wait wait wait to:1@BTC+cancel@ETH+move@SOL wait to:1@SOL wait "
    "to:2@BTC wait to:1@ETH wait wait"
)
# Two positions with stops, and a third one of which the outage leaves the entry alone.
STOPS = "enter:1@BTC+enter:1@ETH wait wait wait wait enter:1@SOL wait"
# Units of trade at the end.
GOALS = {"BTC": 2, "ETH": 1, "SOL": 1}
BEAT = 0.5
# From the end of an outage until every position has a stop: reconnect, comparison, repair.
PROTECTED_S = 10.0


async def _out(stage: Stage, seconds: float, *, fast: float = 1.0) -> None:
    await stage.open_exchange()
    engine = await stage.start_engine(Play(score=LIFE, beat=BEAT, bases=BASES))

    async def rests() -> bool:
        return len((await stage.exchange.books()).open) == 6

    await stage.until("six orders rest", rests, within=10)
    lasts = f"{seconds * fast:g}s"
    await stage.exchange.fault("delay_message", stream="user", delay="1500ms")
    # The order and the cancel arrive and are carried out; their answers do not come back.
    await stage.exchange.fault("drop_reply", call="place", instrument=stage.id("BTC"),
                               count=1)  # fmt: skip
    await stage.exchange.fault("drop_reply", call="cancel", instrument=stage.id("ETH"),
                               count=1)  # fmt: skip
    await stage.exchange.fault("drop_reply", call="amend", instrument=stage.id("SOL"),
                               count=1)  # fmt: skip
    await stage.hit("drop_reply", times=3, within=10)
    await stage.exchange.fault("lose_request", lasts=lasts)
    await stage.exchange.fault("close_stream", lasts=lasts)
    await stage.exchange.fault("fill_part", instrument=stage.id("SOL"), ratio=0.4)
    await _pass(stage, seconds, fast)
    await _recover(stage, engine)


async def _pass(stage: Stage, seconds: float, fast: float) -> None:
    """Let real seconds go by, in which the exchange's clock runs so many times as fast."""
    if fast > 1:
        await stage.exchange.speed(fast)
    await asyncio.sleep(seconds)
    if fast > 1:
        await stage.exchange.speed(1)
    await stage.exchange.clear()


async def _out_with_stops(stage: Stage, seconds: float, *, fast: float = 1.0) -> None:
    await stage.open_exchange()
    play = Play(score=STOPS, beat=BEAT, bases=BASES, is_protected=True)
    engine = await stage.start_engine(play)

    async def are_two_covered() -> bool:
        books = await stage.exchange.books()
        return len(books.positions) == 2 and covers(books)

    await stage.until("two positions with their stops", are_two_covered, within=10)
    lasts = f"{seconds * fast:g}s"
    await stage.exchange.fault("drop_reply", call="place", instrument=stage.id("SOL"),
                               count=1)  # fmt: skip
    await stage.exchange.fault("delay_message", stream="user", delay="1500ms")
    await stage.hit("drop_reply", within=10)
    await stage.exchange.fault("lose_request", lasts=lasts)
    await stage.exchange.fault("close_stream", lasts=lasts)
    await stage.exchange.fault("gap", instrument=stage.id("BTC"), ratio=-0.03)
    await _pass(stage, seconds, fast)

    async def is_protected() -> bool:
        books = await stage.exchange.books()
        return stage.id("BTC") not in books.positions and covers(books)

    took = await stage.until("every position has its stop", is_protected, within=30)
    stage.measure(naked_s=took)
    check(took <= PROTECTED_S, f"a position had no stop for {took:.1f} s after the outage")
    await stage.settle(engine, within=60)
    books = await stage.exchange.books()
    check(covers(books), "a position has no stop at the end")
    stops = [order.symbol for order in (*books.open, *books.open_conditional)]
    check(stage.id("BTC") not in stops, "a stop without a position is left")


async def _recover(stage: Stage, engine: Engine) -> None:
    """The goals of the score are reached and the books are equal."""
    start = stage.now()

    async def is_over() -> bool:
        books = await stage.exchange.books()
        goals = {stage.id(base): stage.units(base, count) for base, count in GOALS.items()}
        partly = sum(order.filled for order in books.orders if order.symbol == stage.id("SOL"))
        return books.positions == goals and partly >= goals[stage.id("SOL")]

    await stage.until("every goal is reached", is_over, within=90)
    stage.measure(goals_s=stage.now() - start)
    await stage.settle(engine)


@scenario(
    "outage-1s", complaint=3, fault="nothing passes for 1 s, at each point of an order's life"
)
async def outage_1s(stage: Stage) -> None:
    await _out(stage, 1.0)


@scenario(
    "outage-1m",
    complaint=3,
    fault="nothing passes for 1 min, at each point of an order's life",
    deadline=240,
    protocols=BOTH,
)
async def outage_1m(stage: Stage) -> None:
    await _out(stage, 60.0)


@scenario(
    "outage-1h",
    complaint=3,
    fault="nothing passes for 1 h of the exchange's clock (60 s at 60x), at each point of a life",
    deadline=300,
)
async def outage_1h(stage: Stage) -> None:
    await _out(stage, 60.0, fast=60.0)


@scenario(
    "outage-stops-1s",
    complaint=3,
    fault="nothing passes for 1 s: a stop rests, one triggers, one cannot leave",
)
async def outage_stops_1s(stage: Stage) -> None:
    await _out_with_stops(stage, 1.0)


@scenario(
    "outage-stops-1m",
    complaint=3,
    fault="nothing passes for 1 min: a stop rests, one triggers, one cannot leave",
    deadline=240,
    protocols=BOTH,
)
async def outage_stops_1m(stage: Stage) -> None:
    await _out_with_stops(stage, 60.0)


@scenario(
    "outage-stops-1h",
    complaint=3,
    fault="nothing passes for 1 h of the exchange's clock (60 s at 60x): stops as before",
    deadline=300,
)
async def outage_stops_1h(stage: Stage) -> None:
    await _out_with_stops(stage, 60.0, fast=60.0)


@scenario(
    "exchange-hangs",
    complaint=3,
    fault="the exchange's process stands still for 20 s: sockets stay open, nothing answers",
    deadline=150,
)
async def exchange_hangs(stage: Stage) -> None:
    import signal

    await stage.open_exchange()
    engine = await stage.start_engine(Play(score=SCORE))
    await asyncio.sleep(2.0)
    stage.exchange.process.send(signal.SIGSTOP)
    await asyncio.sleep(20.0)
    stage.exchange.process.send(signal.SIGCONT)
    await play_out(stage, engine, within=90)


@scenario(
    "maintenance",
    complaint=23,
    fault="maintenance for 90 s: pages with 503, no streams, nothing trades",
    deadline=270,
)
async def maintenance(stage: Stage) -> None:
    await stage.open_exchange()
    engine = await stage.start_engine(Play(score=SCORE))
    await asyncio.sleep(2.0)
    await stage.exchange.fault("maintenance", lasts="90s")
    before = await stage.exchange.requests()
    await asyncio.sleep(88.0)
    check(engine.process.code is None, "the engine ended during the maintenance")
    asked = await stage.exchange.requests() - before
    stage.measure(requests_per_s=asked / 88.0)
    check(asked < 88 * 5, f"{asked} requests in 88 s of maintenance: it hammers")
    await play_out(stage, engine, within=90)
