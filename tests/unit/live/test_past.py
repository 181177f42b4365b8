"""Past bars come before the first live one, without a hole, or nothing passes until they do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from interlock.live.past import LookBack, Past
from interlock.model.events import BarRow, PastBars
from interlock.model.market import Bar, Quote
from interlock.ports import NoPast, PastFault
from interlock.runtime.values import Notice
from tests.scenario import PERPETUAL

STEP = 60 * 10**9
ID = PERPETUAL.id


def row(number: int) -> BarRow:
    return (number * STEP, 10_000, 10_001, 9_999, 10_000, 7)


def bar(number: int, step_ns: int = STEP) -> Bar:
    made = Bar.of(PERPETUAL, *row(number))
    made.step_ns = made._ready_ns = step_ns
    return made


class Archive:
    """A venue's bars; what is put into ``faults`` is raised first. It answers when it is let."""

    name = "ARCHIVE"

    def __init__(self, *numbers: int) -> None:
        self.numbers = list(numbers)
        self.faults: list[Exception] = []
        self.asked: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def past_bars(
        self, instrument: str, *, step_ns: int, until: int, count: int
    ) -> tuple[BarRow, ...]:
        assert (instrument, step_ns) == (ID, STEP)
        self.asked.append((until // STEP, count))
        await self.gate.wait()
        if self.faults:
            raise self.faults.pop(0)
        return tuple(row(n) for n in self.numbers if n * STEP < until)[-count:]


class Hand:
    def now_ns(self) -> int:
        return 10**18


class Bench:
    """What stands behind the venue, with what came out of it."""

    def __init__(self, archive: Any, **options: Any) -> None:
        self.out: list[Any] = []
        self.notices: list[Notice] = []
        self.is_trading = True
        self.past = Past(
            LookBack(**{"count": 5, "step_ns": STEP, **options}),
            archive,
            sink=self.out.append,
            is_trading=lambda: self.is_trading,
            told=self.notices.append,
            clock=Hand(),
        )

    async def hear(self, *events: Any) -> None:
        for event in events:
            self.past(event)
        # An answer that needs nothing of the outside is there after a few turns of the loop.
        for _ in range(5):
            await asyncio.sleep(0)

    def told(self) -> list[Any]:
        """Events in short: ("past", numbers) or the number of a bar."""
        return [
            ("past", [values[0] // STEP for values in item.rows])
            if isinstance(item, PastBars)
            else item.ts_open // STEP
            for item in self.out
        ]


def play(story: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await story()

    asyncio.run(main())


def test_the_past_comes_first_and_bars_that_arrive_meanwhile_wait() -> None:
    async def story() -> None:
        archive = Archive(*range(100))
        archive.gate.clear()
        bench = Bench(archive)
        quote = Quote.of(PERPETUAL, 1, 99, 101, 5, 5)
        await bench.hear(bar(100), quote, bar(101))
        assert bench.out == [quote]
        archive.gate.set()
        await bench.hear()
        assert bench.out.pop(0) is quote
        assert bench.told() == [("past", [95, 96, 97, 98, 99]), 100, 101]
        assert bench.out[1].ts_event == Hand().now_ns()
        await bench.hear(bar(102))
        assert bench.told()[-1] == 102
        assert archive.asked == [(100, 5)]
        assert not bench.notices

    play(story)


def test_a_gap_is_told_and_nothing_passes_until_the_venue_has_closed_it() -> None:
    async def story() -> None:
        archive = Archive(*range(99))
        bench = Bench(archive)
        await bench.hear(bar(100))
        await bench.hear(bar(101))
        assert bench.out == []
        assert [item.name for item in bench.notices] == ["PAST_MISSING"] * 2
        assert "1 bars are missing before the first live one" in bench.notices[0].text
        assert "2 bars are missing" in bench.notices[1].text
        archive.numbers = list(range(102))
        await bench.hear(bar(102))
        assert bench.told() == [("past", [97, 98, 99, 100, 101]), 102]

    play(story)


def test_a_venue_that_fails_is_asked_again_at_the_next_bar() -> None:
    async def story() -> None:
        archive = Archive(*range(200))
        archive.faults.append(PastFault("the venue answered 503"))
        bench = Bench(archive)
        await bench.hear(bar(100))
        assert bench.out == []
        assert "the venue answered 503; nothing is decided before" in bench.notices[0].text
        await bench.hear(bar(101))
        assert bench.told() == [("past", [96, 97, 98, 99, 100]), 101]

    play(story)


@pytest.mark.parametrize("has_door", [True, False])
def test_a_venue_without_a_past_lets_the_bars_pass(has_door: bool) -> None:
    async def story() -> None:
        archive = Archive()
        archive.faults.append(NoPast("no bars of 60 s"))
        bench = Bench(archive if has_door else object())
        await bench.hear(bar(100))
        await bench.hear(bar(101))
        assert bench.told() == [100, 101]
        assert [item.name for item in bench.notices] == ["PAST_UNKNOWN"]

    play(story)


def test_a_hole_in_the_live_bars_is_filled_with_what_the_venue_has() -> None:
    async def story() -> None:
        archive = Archive(*range(100))
        bench = Bench(archive)
        await bench.hear(bar(100))
        archive.numbers = [100, 101, 103]  # In minute 102 nothing was traded.
        await bench.hear(bar(104))
        await bench.hear(bar(106))
        assert bench.told()[1:] == [100, ("past", [101, 103]), 104, 106]
        assert archive.asked == [(100, 5), (104, 3), (106, 1)]
        assert not bench.notices

    play(story)


def test_nothing_is_asked_before_strategies_hear() -> None:
    async def story() -> None:
        archive = Archive(*range(101))
        bench = Bench(archive)
        bench.is_trading = False
        await bench.hear(bar(100))
        assert bench.out == archive.asked == []
        bench.is_trading = True
        await bench.hear(bar(101))
        assert bench.told() == [("past", [96, 97, 98, 99, 100]), 101]

    play(story)


def test_the_first_bar_that_is_made_here_is_left_to_the_venue() -> None:
    async def story() -> None:
        bench = Bench(Archive(*range(101)), is_made=True, step_ns=0)
        await bench.hear(bar(100))
        assert bench.out == []
        await bench.hear(bar(101), bar(0, step_ns=3_600 * 10**9))
        assert bench.told() == [0, ("past", [96, 97, 98, 99, 100]), 101]

    play(story)


def test_what_is_closed_asks_and_passes_nothing_more() -> None:
    async def story() -> None:
        archive = Archive(*range(100))
        archive.gate.clear()
        bench = Bench(archive)
        await bench.hear(bar(100))
        await bench.past.close()
        archive.gate.set()
        await bench.hear()
        assert bench.out == []

    play(story)
