"""Complaints 6, 7 and 8: stops that vanish, that trigger without a fill, that are not taken."""

from __future__ import annotations

import asyncio

from interlock.scenarios.engine import Engine, Play
from interlock.scenarios.exchange import Books
from interlock.scenarios.protocols import BOTH
from interlock.scenarios.registry import scenario
from interlock.scenarios.stage import Stage, check, notices

# A stop is repaired within this time of its loss; at its end the position is left instead.
REPAIR_S, LEAVE_S = 3.0, 6.0


async def _entered(stage: Stage, score: str = "enter:1 wait") -> Engine:
    await stage.open_exchange()
    engine = await stage.start_engine(Play(score=score, beat=0.5, is_protected=True))
    await stage.until("a position with its stop", lambda: is_covered(stage), within=15)
    return engine


async def is_covered(stage: Stage) -> bool:
    """Whether there is a position, and stops for all of it."""
    books = await stage.exchange.books()
    return bool(books.positions) and covers(books)


def covers(books: Books) -> bool:
    """Whether reduce-only stops at the venue cover every position."""
    for name, held in books.positions.items():
        covered = sum(
            order.left
            for order in (*books.open_conditional, *books.open)
            if order.symbol == name and order.side * held < 0 and (order.reduce_only or
                                                                   order.close_position)
        )  # fmt: skip
        if covered < abs(held):
            return False
    return True


async def _naked_time(stage: Stage, seconds: float) -> float:
    """Watch for some time; returns the longest span in which a position had no stop."""
    start, since, longest = stage.now(), 0.0, 0.0
    while stage.now() - start < seconds:
        books = await stage.exchange.books()
        if covers(books):
            since = 0.0
        else:
            since = since or stage.now()
            longest = max(longest, stage.now() - since)
        await asyncio.sleep(0.1)
    return longest


@scenario(
    "stop-vanished",
    complaint=6,
    fault="somebody cancels the stop of a position; again when it was repaired",
    deadline=90,
    protocols=BOTH,
)
async def stop_vanished(stage: Stage) -> None:
    engine = await _entered(stage)
    longest = 0.0
    for _ in range(2):
        await stage.exchange.fault("manual_cancel", instrument=stage.id("BTC"))
        longest = max(longest, await _naked_time(stage, 5.0))
    stage.measure(naked_s=longest)
    check(longest <= REPAIR_S, f"without a stop for {longest:.1f} s, stated are {REPAIR_S:g} s")
    check(await is_covered(stage), "the position has no stop at the end")
    books = await stage.exchange.books()
    stops = (*books.open_conditional, *books.open)
    check(len(stops) <= 2, "more than two stops stand for one position")
    await stage.settle(engine)


@scenario(
    "stop-vanished-while-cut",
    complaint=6,
    fault="the stop is canceled while the streams are cut for 5 s",
    deadline=90,
)
async def stop_vanished_while_cut(stage: Stage) -> None:
    engine = await _entered(stage)
    await stage.exchange.fault("close_stream", lasts="5s")
    await stage.exchange.fault("manual_cancel", instrument=stage.id("BTC"))
    await asyncio.sleep(5.0)
    longest = await _naked_time(stage, 8.0)
    stage.measure(naked_s=longest)
    check(longest <= LEAVE_S, f"without a stop for {longest:.1f} s after the reconnect")
    check(await is_covered(stage), "the position has no stop at the end")
    await stage.settle(engine)


@scenario(
    "stop-orphaned",
    complaint=6,
    fault="the position is closed, its stop must not stay behind",
    deadline=90,
)
async def stop_orphaned(stage: Stage) -> None:
    await stage.open_exchange()
    await stage.exchange.fault("delay_message", stream="user", delay="800ms")
    score = "enter:1 wait wait wait wait to:0 wait wait enter:-1 wait wait wait to:0 wait"
    play = Play(score=score, beat=0.8, is_protected=True)
    engine = await stage.start_engine(play)

    async def is_over() -> bool:
        books = await stage.exchange.books()
        return len(books.fills) >= 4 and not books.positions and not books.open_conditional

    await stage.until("flat without stops, twice", is_over, within=40)
    await stage.settle(engine)


@scenario(
    "stop-not-filled",
    complaint=7,
    fault="the market gaps by 3 % through a stop-limit order: it triggers and does not fill",
    deadline=90,
)
async def stop_not_filled(stage: Stage) -> None:
    engine = await _entered(stage, "enter:1 wait wait wait tight wait wait wait wait wait wait")

    async def is_tight() -> bool:
        stops = (await stage.exchange.books()).open_conditional
        return bool(stops) and all(order.price for order in stops)

    await stage.until("a stop-limit stands for the position", is_tight, within=20)
    await stage.exchange.fault("gap", instrument=stage.id("BTC"), ratio=-0.03)

    async def is_flat() -> bool:
        books = await stage.exchange.books()
        return not books.positions and not books.open and not books.open_conditional

    took = await stage.until("flat by the ladder", is_flat, within=20)
    stage.measure(flat_s=took, rungs=len(notices(engine.folder, "STOP_NOT_FILLED")))
    await stage.settle(engine)


@scenario(
    "api-switch",
    complaint=8,
    fault="stop orders move to another endpoint while a position is open (-4120)",
    deadline=90,
)
async def api_switch(stage: Stage) -> None:
    await stage.open_exchange("--protocol-version", "before-algo")
    play = Play(
        score="enter:1 wait wait wait wait wait wait wait wait wait wait wait enter:1 wait wait",
        beat=1.0,
        is_protected=True,
        protocol_version="before-algo",
    )
    engine = await stage.start_engine(play)
    await stage.until("a position with its stop", lambda: is_covered(stage), within=15)
    await stage.exchange.fault("switch_protocol", version="algo")
    await stage.exchange.fault("manual_cancel", instrument=stage.id("BTC"))
    longest = await _naked_time(stage, 20.0)
    stage.measure(naked_s=longest)
    check(longest <= LEAVE_S, f"a position without a stop for {longest:.1f} s")
    books = await stage.exchange.books()
    check(covers(books), "a position has no stop at the end")
    await stage.settle(engine)
    alarms = [
        name
        for name in ("POSITION_UNPROTECTED", "STOP_REPAIR", "PROTOCOL_CHANGED")
        if notices(engine.folder, name)
    ]
    check(bool(alarms), "nobody was told that stops are refused")
    stage.measure(alarms=" ".join(alarms))
