"""Complaints 4 and 5, and one trader at a time: fills meanwhile, SIGKILL, a second engine."""

from __future__ import annotations

import asyncio
import signal

from interlock.runtime.ids import parse
from interlock.scenarios.answers import SCORE, is_at_end, play_out
from interlock.scenarios.engine import Engine, Play
from interlock.scenarios.protocols import BOTH
from interlock.scenarios.registry import scenario
from interlock.scenarios.stage import Failed, Stage, check

LEASE_S = 15.0
SENDING = "ask:1 to:1 to:2 to:1 to:-1 bid:1 bid:2 to:0 to:1 to:-2 wait"


@scenario(
    "fills-while-cut",
    complaint=4,
    fault="streams are cut for 6 s, orders fill meanwhile",
    deadline=120,
    protocols=BOTH,
)
async def fills_while_cut(stage: Stage) -> None:
    await stage.open_exchange()
    engine = await stage.start_engine(Play(score="bid:3 wait to:1 wait", beat=0.4))
    await until_resting(stage, 3)
    await stage.exchange.fault("close_stream", lasts="6s")
    await stage.exchange.fault("fill_part", instrument=stage.id("BTC"), ratio=0.5)
    await stage.exchange.fault("gap", instrument=stage.id("BTC"), ratio=-0.03)
    await asyncio.sleep(6.0)
    await stage.settle(engine)
    verdict = stage.verdict
    check(verdict is not None and verdict.fills >= 2, "nothing filled while the streams were cut")


@scenario(
    "fills-while-dead",
    complaint=4,
    fault="SIGKILL, orders fill while no engine runs, restart",
    deadline=120,
    protocols=BOTH,
)
async def fills_while_dead(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(score="bid:3 wait to:1 wait", beat=0.4)
    engine = await stage.start_engine(play)
    await until_resting(stage, 3)
    await engine.kill()
    await stage.exchange.fault("fill_part", instrument=stage.id("BTC"), ratio=0.5)
    await stage.exchange.fault("gap", instrument=stage.id("BTC"), ratio=-0.03)
    await asyncio.sleep(2.0)
    again = await restart(stage, play)
    await stage.settle(again)
    verdict = stage.verdict
    check(verdict is not None and verdict.fills >= 2, "nothing filled while the engine was dead")


@scenario(
    "kill-9",
    complaint=5,
    fault="SIGKILL at 4 random moments of a score, restart each time",
    deadline=240,
    protocols=BOTH,
)
async def kill_nine(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(score=SENDING, beat=0.25)
    engine = await stage.start_engine(play)
    for _ in range(4):
        await asyncio.sleep(stage.draw.between(0.05, 1.2))
        await engine.kill()
        engine = await restart(stage, play)

    await stage.until("the end of the undisturbed score", lambda: is_at_end(stage), within=60)
    await stage.settle(engine)


@scenario(
    "kill-9-in-flight",
    complaint=5,
    fault="SIGKILL while an accepted order waits for its answer, restart",
    deadline=150,
    protocols=BOTH,
)
async def kill_in_flight(stage: Stage) -> None:
    await stage.open_exchange()
    await stage.exchange.fault("late_reply", call="place", delay="3s", after_calls=1, count=1)
    await stage.exchange.fault("delay_message", stream="user", delay="3s")
    play = Play(score=SCORE)
    engine = await stage.start_engine(play)
    await stage.hit("late_reply")
    await engine.kill()
    await stage.exchange.clear()
    await play_out(stage, await restart(stage, play))


@scenario(
    "kill-9-no-snapshot",
    complaint=5,
    fault="SIGKILL before anything was saved but the ledger, tape lost, restart",
    deadline=120,
)
async def kill_without_tape(stage: Stage) -> None:
    import shutil

    await stage.open_exchange()
    play = Play(score="bid:2 to:1 wait to:-1 wait", beat=0.4)
    engine = await stage.start_engine(play)
    await asyncio.sleep(1.5)
    await engine.kill()
    for name in ("tape", "snapshots"):
        shutil.rmtree(engine.folder / name, ignore_errors=True)
    await stage.settle(await restart(stage, play))


@scenario(
    "restart-100-orders",
    complaint=4,
    fault="SIGKILL with 100 open orders, restart: trading within 30 s",
    deadline=180,
)
async def restart_with_many(stage: Stage) -> None:
    await stage.open_exchange()
    play = Play(
        score="bid:34@BTC bid:33@ETH bid:33@SOL wait", beat=1.0, bases=("BTC", "ETH", "SOL")
    )
    engine = await stage.start_engine(play)
    await until_resting(stage, 100, within=90)
    await engine.kill()
    # The lease of a killed engine runs out by itself; what is measured is start to trading.
    await asyncio.sleep(LEASE_S)
    start = stage.now()
    again = await stage.start_engine(play)
    took = stage.now() - start
    stage.measure(start_s=took)
    check(took <= 30, f"trading {took:.1f} s after the restart, not within 30 s")
    await stage.settle(again)


@scenario(
    "second-engine",
    complaint=4,
    fault="a second engine on the same account while the first one trades",
    deadline=120,
)
async def second_engine(stage: Stage) -> None:
    await stage.open_exchange()
    engine = await stage.start_engine(Play(score=SCORE))
    # In the same folder, and in another one on the same ledger.
    for place, text in (("engine", "held by another process"), ("standby", "is traded by")):
        other = await stage.spawn(Play(score=SCORE), place=place)
        code = await other.wait(30)
        if code is None:
            await other.end()
            raise Failed(f"a second engine ran beside the first one, in the folder {place}")
        check(code != 0, "the second engine ended without an error")
        check(text in other.said, f"the refusal does not say why: {other.said}")
    await play_out(stage, engine)
    _one_epoch_at_a_time(await _epochs(stage))


@scenario(
    "stale-engine",
    complaint=4,
    fault="the first engine stands still past its lease, a second one takes over, the first wakes",
    deadline=180,
)
async def stale_engine(stage: Stage) -> None:
    await stage.open_exchange()
    first = await stage.start_engine(Play(score=SCORE, rounds=0, beat=0.3))
    await until_resting(stage, 2)
    first.process.send(signal.SIGSTOP)
    await asyncio.sleep(LEASE_S + 2)
    play = Play(score=SCORE, rounds=0, beat=0.3)
    second = await stage.start_engine(play, place="standby")
    await asyncio.sleep(2.0)
    first.process.send(signal.SIGCONT)
    woken = stage.clock.now_ns()
    code = await first.process.wait(20)
    stage.measure(stale_end=str(code))
    check(code is not None, "the stale engine still runs 20 s after it woke")
    await asyncio.sleep(2.0)
    books = await stage.exchange.books()
    stale = [
        order.client_id
        for order in books.placed
        if _epoch(order.client_id) == 1 and order.ts_created > woken - 10**9
    ]
    stage.measure(stale_orders=len(stale))
    check(not stale, f"the stale engine sent {len(stale)} orders after it woke")
    await second.command("halt")
    await stage.settle(second, trades=False)
    _one_epoch_at_a_time(await _epochs(stage))


async def restart(stage: Stage, play: Play) -> Engine:
    """Start as soon as the lease of the killed engine lets it."""
    start = stage.now()
    while True:
        try:
            return await stage.start_engine(play)
        except RuntimeError as error:
            if "its lease ends in" not in str(error) or stage.now() - start > 2 * LEASE_S:
                raise
        await asyncio.sleep(1.0)


async def until_resting(stage: Stage, count: int, *, within: float = 20.0) -> None:
    """Wait until so many orders rest."""

    async def rests() -> bool:
        return len((await stage.exchange.books()).open) >= count

    await stage.until(f"{count} orders rest", rests, within=within)


async def _epochs(stage: Stage) -> list[int]:
    placed = sorted((await stage.exchange.books()).placed, key=lambda order: order.ts_created)
    return [_epoch(order.client_id) for order in placed]


def _epoch(name: str) -> int:
    part = parse(name)
    return part.epoch if part is not None else 0


def _one_epoch_at_a_time(epochs: list[int]) -> None:
    check(epochs == sorted(epochs), "orders of two epochs are interleaved at the venue")
