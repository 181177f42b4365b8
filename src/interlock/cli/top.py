"""`interlock top`: watch a running engine, and stop it with a key."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import deque
from contextlib import suppress
from pathlib import Path

import click
import msgspec
from rich.console import Console

from interlock import config
from interlock.adapters.system import SystemClock
from interlock.cli.door import Door, Unreachable, folder_of, state_option
from interlock.cli.keys import keys
from interlock.live.control import Ask
from interlock.ui.read_model import Status
from interlock.ui.terminal import (
    EVERY_S,
    LEAVE,
    Alarm,
    Display,
    Prompt,
    Screen,
    Wish,
    is_screen,
)
from interlock.ui.terminal.words import age, clock

PLAIN_S = 5.0
RESTART_SHOWN_NS = 60_000_000_000
_MS = 1_000_000
_PIPE_WIDTH = 100


@click.command()
@state_option
@click.option("--once", is_flag=True, help="Show the present state once and leave.")
@click.option("--json", "as_json", is_flag=True, help="Print the state as JSON, one per line.")
def top(state: Path | None, once: bool, as_json: bool) -> None:
    """Watch a running engine.

    On a terminal: a screen, twice a second. Keys: p pause, h halt, r resume, s shutdown,
    e emergency stop, q or Ctrl-C leave; leaving stops nothing. Elsewhere: a line per change,
    every five seconds.
    """
    door = Door(folder_of(state))
    asyncio.run(_once(door, as_json=as_json) if once else Watch(door, as_json=as_json).run())


async def _once(door: Door, *, as_json: bool) -> None:
    status = await door.status()
    await door.close()
    if as_json:
        click.echo(msgspec.json.encode(status))
    else:
        _console().print(Screen(status, is_whole=True), end="")


def _console() -> Console:
    # Not the one of the reports, which brings their libraries along.
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)


class Watch:
    """Looks again and again, until it is told to leave; an engine that restarts is met again."""

    def __init__(self, door: Door, *, as_json: bool) -> None:
        self.door = door
        self.as_json = as_json
        self.console = _console()
        self.is_screen = is_screen(self.console) and not as_json
        self.prompt = Prompt()
        self.status: Status | None = None
        self.gone = ""
        self._clock = SystemClock()
        self._ts_heard = 0
        self._restart = (0, "")
        self._wishes: deque[Wish] = deque()
        self._stir = asyncio.Event()
        self._is_over = False

    async def run(self) -> None:
        """Watch. Raises Unreachable when no engine listens at the start."""
        self._met(await self.door.status())
        self._catch_signals()
        every = EVERY_S if self.is_screen else PLAIN_S
        with Display(self.console) as display, keys(self._typed):
            while not self._is_over:
                self._show(display)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stir.wait(), every)
                self._stir.clear()
                await self._carry_out()
                await self._look(display)
        await self.door.close()

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._leave)

    def _leave(self) -> None:
        self._is_over = True
        self._stir.set()

    def _typed(self, text: str) -> None:
        wish = self.prompt.hear(text, self.status.account if self.status is not None else "")
        if wish is not None and wish.verb == LEAVE:
            self._leave()
        elif wish is not None:
            self._wishes.append(wish)
        self._stir.set()

    async def _carry_out(self) -> None:
        while self._wishes and not self._is_over:
            wish = self._wishes.popleft()
            ask = Ask(verb=wish.verb, actor=config.operator(), reason=wish.reason)
            try:
                self.prompt.said = f"{wish.verb}: {(await self.door.ask(ask)).text}"
            except Unreachable as error:
                self.prompt.said = f"{wish.verb}: NOT SENT or not answered: {error.message}"

    async def _look(self, display: Display) -> None:
        if self._is_over:
            return
        try:
            status = await self.door.status()
        except Unreachable as error:
            if not self.gone:
                self._say(display, "ENGINE GONE", error.message)
            self.gone = error.message
            return
        if self.gone:
            self._say(display, "ENGINE BACK", f"epoch {status.epoch}")
        self._met(status)
        await self._part(status)

    def _met(self, status: Status) -> None:
        before, now = self.status, self._clock.now_ns()
        if before is not None and status.epoch != before.epoch:
            text = f"at {clock(now)} UTC: epoch {before.epoch} before, {status.epoch} now"
            self._restart = (now, text)
        self.status, self.gone, self._ts_heard = status, "", now

    async def _part(self, status: Status) -> None:
        """An engine that has ended may be followed by another, which listens anew."""
        if status.state == "stopped":
            await self.door.close()

    def _say(self, display: Display, word: str, text: str) -> None:
        """Tell what a screen shows in its alarms."""
        if self.as_json:
            click.echo(msgspec.json.encode({"link": word, "text": text}))
        elif not self.is_screen:
            display.tell(f"{clock(self._clock.now_ns())}Z !! {word}: {text}")

    def _show(self, display: Display) -> None:
        if self.status is None:
            return
        if self.as_json:
            if not self.gone:
                click.echo(msgspec.json.encode(self.status))
            return
        footer = self.prompt.footer(self.status.account) if self.is_screen else ()
        old_ms = (self._clock.now_ns() - self._ts_heard) // _MS if self.gone else 0
        display.show(self.status, more=self._alarms(old_ms), footer=footer, old_ms=old_ms)

    def _alarms(self, old_ms: int) -> list[Alarm]:
        found = []
        if self.gone:
            text = f"what is below is {age(old_ms)} old; trying again. {self.gone}"
            found.append(Alarm("ENGINE GONE", text))
        ts, text = self._restart
        if ts and self._clock.now_ns() - ts < RESTART_SHOWN_NS:
            found.append(Alarm("ENGINE RESTARTED", text, "caution"))
        return found
