"""What venue adapters tell of the past: the venue's closed bars, up to where the stream goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from interlock.model.market import Bar
from interlock.ports import NoPast, PastFault, TellsPast
from tests.contract.port_desk import BINANCE, HYPERLIQUID, Desk, Kind, trade

MINUTE = 60 * 10**9


def tell(kind: Kind, story: Callable[[Desk], Any]) -> None:
    # The machine's clock runs ahead: a minute in three seconds.
    trade(kind, story, hurry=20.0)


@pytest.mark.parametrize("kind", [BINANCE, HYPERLIQUID], ids=str)
def test_past_bars_are_those_of_the_venue_up_to_the_stream(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Pages of one bar, so that one answer is never all.
    monkeypatch.setattr("interlock.wire.binance.klines.PAGE", 1)
    monkeypatch.setattr("interlock.wire.hyperliquid.candles.PAGE", 1)

    async def story(desk: Desk) -> None:
        side = 1
        async with asyncio.timeout(60):
            while len(desk.all_of(Bar)) < 4:
                desk.ladder.takes = [(side, kind.unit)]
                side = -side
                await desk.ladder.steps(2)
        last = desk.all_of(Bar)[-1].ts_open
        assert isinstance(desk.venue, TellsPast)
        kept = desk.core.bars(kind.instrument, MINUTE, last - 2 * MINUTE, last + 1)
        whole = [(b.ts, b.open, b.high, b.low, b.close, b.volume) for b in kept]
        assert all(values[-1] > 0 for values in whole)
        options: dict[str, Any] = {"step_ns": MINUTE, "until": last + MINUTE}
        past = await desk.venue.past_bars(kind.instrument, count=3, **options)
        assert list(past) == whole
        assert len(await desk.venue.past_bars(kind.instrument, count=2, **options)) == 2
        # The bar that is under way is not told, and there is no past before the exchange.
        options["until"] = last + MINUTE + 1
        assert (await desk.venue.past_bars(kind.instrument, count=9, **options))[-1][0] == last
        options["until"] = last - 100 * MINUTE
        assert await desk.venue.past_bars(kind.instrument, count=2, **options) == ()

    tell(kind, story)


@pytest.mark.parametrize("kind", [BINANCE, HYPERLIQUID], ids=str)
def test_what_the_venue_cannot_tell_is_told_apart_from_what_failed(kind: Kind) -> None:
    async def story(desk: Desk) -> None:
        now = desk.now - desk.now % MINUTE
        with pytest.raises(NoPast, match="no bars of 7 s"):
            await desk.venue.past_bars(kind.instrument, step_ns=7 * 10**9, until=now, count=5)
        desk.break_next("throttle", call="any", retry_after="10s")
        with pytest.raises(PastFault, match="429") as failed:
            await desk.venue.past_bars(kind.instrument, step_ns=MINUTE, until=now, count=5)
        assert not isinstance(failed.value, NoPast)

    tell(kind, story)
