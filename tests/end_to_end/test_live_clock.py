"""The machine's clock is set back under a trading engine: nothing that it owes waits for that."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from interlock.adapters.system import SystemClock
from interlock.live.session import Session
from interlock.model.clock import SteadyClock
from interlock.venue.local import LocalExchange
from interlock.venue.local import Plan as VenuePlan
from tests.end_to_end.local_engine import session_on

MINUTE = 60 * 10**9
PATIENCE_S = 30
HASTE_S = 10


class SetClock(SteadyClock):
    """The engine's clock on a machine whose own can be set."""

    def __init__(self, apart: int = 0) -> None:
        self.apart = apart
        super().__init__(lambda: time.time_ns() + self.apart, time.monotonic_ns)


async def until(is_so: Callable[[], bool], seconds: float) -> None:
    """Wait for something, and fail where it does not come."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(seconds):
        while not is_so():
            looked = asyncio.Event()
            loop.call_later(0.02, looked.set)
            await looked.wait()


class Place:
    """An exchange whose clock is right, and engines one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exchange = LocalExchange(VenuePlan(), SystemClock())

    def session(self, clock: SetClock) -> Session:
        return session_on(self.exchange, self.folder, clock, has_signals=False)

    def resting(self) -> int:
        """Orders that are open at the venue."""
        core = self.exchange.hosts["binance"].face.core
        return len(core.open_orders(self.exchange.keys[0].account, None))


def at(folder: Path, story: Callable[[Place], Awaitable[None]]) -> None:
    async def main() -> None:
        place = Place(folder)
        await place.exchange.open({})
        try:
            await story(place)
        finally:
            await place.exchange.close()

    asyncio.run(main())


async def paused(place: Place, clock: SetClock) -> Session:
    """Trade until quotes rest, take them away with a verb, and leave as a crash does."""
    session = place.session(clock)
    running = asyncio.create_task(session.run())
    await session.ready.wait()
    assert session.started is not None
    driver = session.started.driver
    await until(lambda: driver.engine.startup.is_trading and place.resting() > 0, PATIENCE_S)
    clock.apart -= 10 * MINUTE
    driver.command("pause", actor="operator", reason="the test")
    await until(lambda: place.resting() == 0, HASTE_S)
    driver.command("resume", actor="operator", reason="the test")
    await until(lambda: place.resting() > 0, HASTE_S)
    driver.abandon()
    await running
    return session


def test_a_clock_that_is_set_back_holds_nothing_up(tmp_path: Path) -> None:
    async def story(place: Place) -> None:
        first = SetClock()
        await paused(place, first)
        # The next life begins ten minutes before what the last one wrote down.
        second = SetClock(first.apart)
        session = await paused(place, second)
        assert second.now_ns() > time.time_ns() - MINUTE
        assert [n.text for n in session.watcher.notices if n.name == "CLOCK_SET_BACK"]

    at(tmp_path, story)


@pytest.mark.parametrize("apart", [10 * MINUTE, -10 * MINUTE])
def test_a_clock_that_is_wrong_from_the_first_trades_by_the_venues(
    tmp_path: Path, apart: int
) -> None:
    async def story(place: Place) -> None:
        await paused(place, SetClock(apart))

    at(tmp_path, story)
