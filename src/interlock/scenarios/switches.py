"""Complaint 5, what stays behind: the venue's dead man's switch after a SIGKILL.

It has to take entries that nobody watches, and must never take the stop of a position. Entries rest
on several instruments, because one venue has a switch for each and another one for the account.
"""

from __future__ import annotations

import asyncio

from interlock.scenarios.engine import Play
from interlock.scenarios.protocols import BINANCE, BOTH
from interlock.scenarios.registry import scenario
from interlock.scenarios.restarts import restart, until_resting
from interlock.scenarios.stage import Stage, check
from interlock.scenarios.stops import covers, is_covered
from interlock.sim.venue.values import EndReason

BASES = ("BTC", "ETH", "SOL")
DELAY_S, LONG_DELAY_S = 10, 40
# The venue's own time for carrying it out, and ours for looking.
GRACE_S = 3.0


@scenario(
    "dead-man",
    complaint=5,
    fault="SIGKILL while entries rest on three instruments and nothing is held",
    deadline=120,
    protocols=BOTH,
)
async def dead_man(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(score="bid:2@BTC+bid:2@ETH+bid:2@SOL wait", bases=BASES, dead_man_s=DELAY_S)
    engine = await stage.start_engine(play)
    await until_resting(stage, 6)
    await asyncio.sleep(DELAY_S + GRACE_S)
    books = await stage.exchange.books()
    check(len(books.open) == 6, "the switch took orders of an engine that lives")
    await engine.kill()

    async def is_empty() -> bool:
        return not (await stage.exchange.books()).open

    took = await stage.until("every entry is gone", is_empty, within=DELAY_S + GRACE_S)
    books = await stage.exchange.books()
    struck = sum(order.reason == EndReason.DEAD_MAN for order in books.orders)
    stage.measure(gone_s=took, struck=struck)
    check(struck == 6, f"the switch took {struck} of 6 entries")
    await stage.settle(await restart(stage, play))


@scenario(
    "dead-man-stops",
    complaint=5,
    fault="SIGKILL as soon as an entry filled and its stop stands, other entries rest elsewhere",
    deadline=120,
    protocols=BOTH,
)
async def dead_man_and_stops(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(
        score="bid:2@ETH+bid:2@SOL wait wait wait wait wait wait wait wait wait enter:1 wait",
        bases=BASES,
        dead_man_s=DELAY_S,
    )
    engine = await stage.start_engine(play)
    await until_resting(stage, 4)
    await stage.until("a position with its stop", lambda: is_covered(stage), within=20)
    await engine.kill()
    await asyncio.sleep(DELAY_S + GRACE_S)
    books = await stage.exchange.books()
    check(bool(books.positions) and covers(books), "the switch took the stop of a position")
    entries = sum(not order.reduce_only for order in books.open)
    stage.measure(entries_left=entries)
    if stage.protocol is BINANCE:
        check(not entries, f"{entries} entries are left on instruments without a position")
    await stage.settle(await restart(stage, play))


@scenario(
    "dead-man-restart",
    complaint=5,
    fault="SIGKILL with the switch armed, an entry fills, restart before it strikes",
    deadline=150,
    protocols=BOTH,
)
async def dead_man_after_restart(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(
        score="await:1@BTC+await:1@ETH wait",
        bases=BASES,
        is_protected=True,
        dead_man_s=LONG_DELAY_S,
    )
    engine = await stage.start_engine(play)
    await until_resting(stage, 2)
    await asyncio.sleep(1.0)
    await engine.kill()
    killed = stage.now()
    await stage.exchange.fault("gap", instrument=stage.id("BTC"), ratio=-0.03)
    again = await restart(stage, play)
    await stage.until("a position with its stop", lambda: is_covered(stage), within=15)
    left = LONG_DELAY_S - (stage.now() - killed)
    check(left > 0, "the switch had struck before the engine was back")
    await asyncio.sleep(left + GRACE_S)
    books = await stage.exchange.books()
    struck = sum(order.reason == EndReason.DEAD_MAN for order in books.orders)
    check(not struck, f"the switch of the dead engine took {struck} orders")
    check(bool(books.positions) and covers(books), "the switch took the stop of a position")
    await stage.settle(again)
