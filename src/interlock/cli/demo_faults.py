"""What goes wrong in the demonstration: faults that are announced, injected and followed up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

import msgspec

from interlock.cli.demo_exchange import ACCOUNT, Exchange, ask
from interlock.live.report.page import FAULT, SURVIVED
from interlock.live.session import Session
from interlock.runtime.values import Notice

# When the first fault comes, the warning before each, and the rest after each, in seconds.
FIRST_S, WARNING_S, REST_S = 8.0, 3.0, 5.0
# A fault is not begun when less than this is left.
LEAST_LEFT_S = 14.0
_LOOK_S, _AGAIN_S = 0.05, 0.3
_PATIENCE_S = 40.0


class Act(msgspec.Struct, frozen=True):
    """A fault in a few words and in a sentence, its rules, and how its end is found."""

    title: str
    text: str
    rules: tuple[Mapping[str, Any], ...]
    follow: Callable[[Stage], Awaitable[str]]


class Broken(Exception):
    """What must never happen happened; the text says what."""


class Stage:
    """One running demonstration as the acts see it."""

    def __init__(self, session: Session, exchange: Exchange) -> None:
        self.session = session
        self.exchange = exchange
        self.first_notice = 0
        self.first_fill = 0

    def begin(self) -> None:
        """From here on what happens counts for the next act."""
        self.first_notice = len(self.session.record.notices)
        self.first_fill = self.session.watcher.counts["FillRow"]

    def notices(self, name: str) -> Iterator[Notice]:
        """Notices of a name since the act began."""
        for notice in self.session.record.notices[self.first_notice :]:
            if notice.name == name:
                yield notice

    async def wait_for(self, found: Callable[[], Any]) -> Any:
        """What a look finds, as soon as it is true; raises TimeoutError."""
        async with asyncio.timeout(_PATIENCE_S):
            while not (value := found()):
                await asyncio.sleep(_LOOK_S)
        return value

    async def books(self) -> Any:
        """The account as the exchange holds it."""
        return await ask(self.exchange.admin, f"/books/binance/{ACCOUNT}")

    async def fills_meet(self) -> int:
        """The number of fills, as soon as the exchange has none that our books lack."""
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                theirs = [
                    (item["symbol"], item["fill_id"]) for item in (await self.books())["fills"]
                ]
                if all(self._has(symbol, number) for symbol, number in theirs):
                    return len(theirs)
                await asyncio.sleep(_AGAIN_S)

    def _has(self, symbol: str, number: int) -> bool:
        started = self.session.started
        if started is None:
            return False
        return number in started.driver.engine.desk.books.trades.get(symbol, {})


async def _doubt(stage: Stage) -> tuple[str, int]:
    """The order that is in doubt, and for how many ms it was."""
    doubted = await stage.wait_for(
        lambda: next(
            (item for item in stage.notices("ORDER_DOUBT") if item.text.startswith("submit")), None
        )
    )
    solved = await stage.wait_for(
        lambda: next(
            (item for item in stage.notices("ORDER_RESOLVED") if item.subject == doubted.subject),
            None,
        )
    )
    return doubted.subject, int(solved.fields.get("took_ms", 0))


async def _at_the_venue(stage: Stage, name: str) -> int:
    books = await stage.books()
    found = [item for item in books["orders"] if item["client_id"] == name]
    return len([item for item in found if not item["conditional_id"]])


async def _follow_lost_reply(stage: Stage) -> str:
    name, took = await _doubt(stage)
    number = await _at_the_venue(stage, name)
    if number != 1:
        raise Broken(f"{name} is {number} times at the venue")
    return (
        f"{name} was UNKNOWN for {took / 1000:.1f} s, until there was evidence; "
        "1 order at the venue, no duplicate"
    )


async def _follow_absent(stage: Stage) -> str:
    name, took = await _doubt(stage)
    number = await _at_the_venue(stage, name)
    if number:
        raise Broken(f"{name} was called absent and is {number} times at the venue")
    return f"{name} was UNKNOWN for {took / 1000:.1f} s, until it was proved absent; not sent again"


async def _follow_freeze(stage: Stage) -> str:
    await asyncio.sleep(_FREEZE_S)
    number = await stage.fills_meet()
    newest = list(stage.session.watcher.fills)
    new = stage.session.watcher.counts["FillRow"] - stage.first_fill
    asked = len([row for row in newest[-new:] if row.source != "stream"]) if new else 0
    return f"fills found by asking: {asked} of {new}; {number} at the venue, {number} here"


async def _follow_cut(stage: Stage) -> str:
    down = await stage.wait_for(
        lambda: next(
            (item for item in stage.notices("STREAM_DOWN") if item.subject == "user"), None
        )
    )
    up = await stage.wait_for(
        lambda: next((item for item in stage.notices("STREAM_UP") if item.subject == "user"), None)
    )
    compared = await stage.wait_for(lambda: next(stage.notices("RECONCILED"), None))
    away = (up.ts_event - down.ts_event) / 1e9
    return (
        f"connected again after {away:.2f} s, books compared before the next entry: "
        f"{compared.fields.get('differences', 0)} differences"
    )


async def _follow_twice(stage: Stage) -> str:
    await stage.wait_for(lambda: stage.session.watcher.counts["FillRow"] > stage.first_fill + 1)
    number = await stage.fills_meet()
    return f"each fill counted once: {number} at the venue, {number} here"


_FREEZE_S = 7.0
ACTS = (
    Act(
        "reply to the next order lost, account stream 4 s late",
        "the reply to the next order is lost, the account stream is 4 s late, and queries deny the "
        "order for 2 s",
        (
            {"fault": "drop_reply", "call": "place", "count": 1},
            {"fault": "hide_order", "call": "place", "delay": "2s", "count": 1},
            {"fault": "delay_message", "stream": "user", "delay": "4s", "for": "30s"},
        ),
        _follow_lost_reply,
    ),
    Act(
        "account stream frozen for 7 s, and looks alive",
        "the account stream says nothing for 7 s while its connection stays open",
        ({"fault": "freeze_stream", "stream": "user", "for": f"{_FREEZE_S:g}s"},),
        _follow_freeze,
    ),
    Act(
        "every stream cut",
        "market and account streams are closed by the venue",
        ({"fault": "close_stream"},),
        _follow_cut,
    ),
    Act(
        "next order answered 502, but executed",
        "the next order is answered with 502 by a gateway, and executed behind it",
        ({"fault": "answer", "status": 502, "executed": True, "call": "place", "count": 1},),
        _follow_lost_reply,
    ),
    Act(
        "next order answered 502, and not executed",
        "the next order is answered with 502 by a gateway, and never reaches the venue",
        ({"fault": "answer", "status": 502, "executed": False, "call": "place", "count": 1},),
        _follow_absent,
    ),
    Act(
        "account stream says everything twice for 10 s",
        "every message of the account stream comes twice for 10 s",
        ({"fault": "duplicate_message", "stream": "user", "for": "10s"},),
        _follow_twice,
    ),
)


class Story:
    """Plays the acts one after another. ``told`` hears every line."""

    def __init__(
        self, stage: Stage, *, ts_end: int, told: Callable[[str], None], is_shown: bool
    ) -> None:
        self.stage = stage
        self.now = ""
        self.past: list[str] = []
        self.played = self.survived = 0
        self.is_playing = False
        self._ts_end = ts_end
        self._told = told
        self._is_shown = is_shown

    async def play(self) -> None:
        """Until canceled, or until too little time is left."""
        # A run that was killed may have left some behind.
        await self._clear()
        await asyncio.sleep(FIRST_S)
        number = 0
        while self._has_time():
            await self._play(ACTS[number % len(ACTS)])
            number += 1
            await asyncio.sleep(REST_S if number < len(ACTS) else 3 * REST_S)

    async def settled(self) -> None:
        """Until the fault that is under way has been followed to its end; each has its patience."""
        while self.is_playing:
            await asyncio.sleep(_LOOK_S)

    def _has_time(self) -> bool:
        now = self.stage.session.clock.now_ns()
        return not self._ts_end or now + LEAST_LEFT_S * 1e9 < self._ts_end

    async def _play(self, act: Act) -> None:
        self.now = f"in {WARNING_S:g} s: {act.title}"
        self._told(f"FAULT in {WARNING_S:g} s: {act.text}")
        await asyncio.sleep(WARNING_S)
        self.stage.begin()
        self.played += 1
        self.is_playing = True
        self.now = act.title
        self._note(FAULT, act.text)
        try:
            name, word, outcome = await self._followed(act)
        finally:
            self.is_playing = False
        self.now = ""
        self.past.append(outcome)
        self._note(name, outcome)
        self._told(f"{word} {outcome}")
        await self._clear()

    async def _followed(self, act: Act) -> tuple[str, str, str]:
        """Inject it; the notice, the word and the sentence that say what became of it."""
        for rule in act.rules:
            await ask(self.stage.exchange.admin, "/faults", rule)
        try:
            outcome = await act.follow(self.stage)
        except TimeoutError:
            return "FAULT_NOT_SETTLED", "NOT SETTLED", f"not settled within {_PATIENCE_S:g} s"
        except Broken as error:
            return "FAULT_NOT_SURVIVED", "NOT SURVIVED", str(error)
        self.survived += 1
        return SURVIVED, "SURVIVED", outcome

    async def _clear(self) -> None:
        await ask(self.stage.exchange.admin, "/faults", method="DELETE")

    def summary(self) -> str:
        """How many there were, and what became of them."""
        text = f"{self.played} injected, {self.survived} survived"
        return f"{text}, 1 under way at the end" if len(self.past) < self.played else text

    def _note(self, name: str, text: str) -> None:
        ts = self.stage.session.clock.now_ns()
        notice = Notice(ts_event=ts, name=name, level="INFO", text=text)
        self.stage.session.note(notice, is_shown=self._is_shown)
