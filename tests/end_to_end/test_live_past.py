"""A target strategy trades on its first live bar, because the venue told it what came before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interlock.adapters.tape import TapeReader
from interlock.live.session import Session
from interlock.live.start import EXTRA_INPUTS
from interlock.live.targets import LiveTarget
from interlock.model.events import PastBars
from interlock.model.market import Bar
from interlock.runtime.settings import Settings
from interlock.venue import listings
from interlock.venue.local import Plan
from interlock.wiring import StrategyChoice, in_mode, plan_of
from tests.contract.port_desk import (
    ACCOUNT,
    BINANCE,
    Kind,
    MachineClock,
    StillExchange,
    venue_of,
)

MINUTE = 60 * 10**9
# Before these many bars no decision can be made.
SLOW = 4
STRATEGY = """
from interlock import TargetStrategy
from interlock.strategy.indicators import sma


class Slow(TargetStrategy):
    def features(self, bars):
        return {"mean": sma(bars.close, 4)}

    @staticmethod
    def target(f, position):
        return 0.5
"""


class Place:
    """An exchange that runs ahead of time, and a folder for the engine's sessions on it."""

    def __init__(self, kind: Kind, exchange: StillExchange, folder: Path) -> None:
        self.kind = kind
        self.exchange = exchange
        self.folder = folder
        (folder / "slow.py").write_text(STRATEGY)
        self._side = 1

    @property
    def state(self) -> Path:
        return self.folder / "state"

    async def minutes(self, count: int) -> None:
        """Let the market trade through so many bars."""
        last = self.exchange.machine.now_ns() // MINUTE + count
        await self.until(lambda: self.exchange.machine.now_ns() // MINUTE >= last)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Let the market trade until something is so."""
        while not is_so():
            await self.trade()

    async def trade(self) -> None:
        self._side = -self._side
        self.exchange.ladder.takes = [(self._side, self.kind.unit)]
        await self.exchange.ladder.steps(2)

    def session(self, mode: str) -> Session:
        clock = self.exchange.machine
        choice = StrategyChoice(
            reference=str(self.folder / "slow.py"),
            cash=10_000,
            timeframe="1m",
            currency="USDT" if self.kind.protocol == "binance" else "USDC",
        )
        settings = Settings(mode=mode)
        plan = plan_of(choice, folder=self.state, settings=settings)
        venue = in_mode(
            mode, venue_of(self.kind, self.exchange, tls=None), cash=10_000, clock=clock
        )
        return Session(plan, venue, clock, has_signals=False)

    def orders(self) -> list[Any]:
        core = self.exchange.hosts[self.kind.protocol].face.core  # type: ignore[attr-defined]
        found: list[Any] = core.orders_since(ACCOUNT, None, 0)
        return found

    def bars_on_tape(self) -> list[Any]:
        """What the engine heard of bars, past and live, in order."""
        tape = TapeReader(self.state / "tape", extra=EXTRA_INPUTS).read(0)
        return [event for _, event in tape if isinstance(event, Bar | PastBars)]


def live_of(session: Session) -> LiveTarget:
    assert session.started is not None
    [found] = [
        slot.strategy
        for slot in session.started.driver.engine.desk.state.strategies.values()
        if isinstance(slot.strategy, LiveTarget)
    ]
    return found


def at(kind: Kind, folder: Path, story: Callable[[Place], Awaitable[None]]) -> None:
    async def main() -> None:
        listed = listings.binance if kind.protocol == "binance" else listings.hyperliquid
        # A minute in two seconds.
        machine = MachineClock(30.0)
        plan = Plan(protocols=(kind.protocol,), accounts=(ACCOUNT,), listed=listed()[:1])
        exchange = StillExchange(plan, machine)
        exchange.machine = machine
        await exchange.open({})
        try:
            async with asyncio.timeout(120):
                await story(Place(kind, exchange, folder))
        finally:
            await exchange.close()

    asyncio.run(main())


@pytest.mark.parametrize("mode", ["live", "paper"])
def test_it_trades_on_the_first_live_bar_and_goes_on_after_a_crash(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Leases are renewed by real time and run out by the exchange's, which is ahead of it.
    for module in ("live.start", "runtime.upkeep"):
        monkeypatch.setattr(f"interlock.{module}.LEASE_TTL_NS", 3_600 * 10**9)

    async def story(place: Place) -> None:
        await place.minutes(SLOW + 2)
        session = place.session(mode)
        running = asyncio.create_task(session.run())
        await session.ready.wait()
        assert session.started is not None
        await place.until(lambda: bool(session.watcher.fills) or running.done())
        target = live_of(session)
        before = target.window.columns(target.view.instrument(), MINUTE)
        # As a crash: nothing is finished.
        session.started.driver.abandon()
        await running

        first, second, *_ = place.bars_on_tape()
        assert isinstance(first, PastBars) and len(first.rows) > SLOW
        assert second.ts_open == first.rows[-1][0] + MINUTE
        live = [event for event in place.bars_on_tape() if isinstance(event, Bar)]
        assert len(live) < SLOW

        await place.minutes(3)
        session = place.session(mode)
        running = asyncio.create_task(session.run())
        await session.ready.wait()
        target = live_of(session)
        known = target.window.columns(target.view.instrument(), MINUTE)
        assert np.array_equal(known.ts, before.ts[: len(known)]) and len(known) >= len(before) - 1
        await place.until(lambda: target.window.last_ts > known.ts[-1] + 2 * MINUTE)
        window = target.window.columns(target.view.instrument(), MINUTE)
        # The minutes without an engine are there, and what was known is as it was.
        assert set(np.diff(window.ts)) == {MINUTE}
        assert np.array_equal(window.close[: len(known)], known.close)
        assert session.started is not None
        session.started.driver.abandon()
        await running

    at(BINANCE, tmp_path, story)
