"""The demonstration's session: its screen, its faults, and the comparison at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import aiohttp
import click

from interlock.adapters.storage import prepare, read_rows
from interlock.adapters.system import SystemClock
from interlock.cli import summary
from interlock.cli.demo_books import compare
from interlock.cli.demo_exchange import ACCOUNT, DemoPlan, Exchange, ask
from interlock.cli.demo_faults import Stage, Story
from interlock.cli.live_run import report_left, tell_summary
from interlock.config import Secrets
from interlock.live.report import Comparison, ended_of, write
from interlock.live.session import Session
from interlock.ports import LedgerFault
from interlock.runtime.settings import Settings
from interlock.ui.read_model import Status
from interlock.ui.terminal import Alarm, Display, is_screen
from interlock.wiring import StrategyChoice, VenueChoice, feeds_of, plan_of, venue_of

STRATEGY = "pulse"
INSTRUMENT = "BTCUSDT-PERP.BINANCE"
CASH = 100_000


class Show:
    """One session on an exchange, with its screen and its faults."""

    def __init__(self, plan: DemoPlan, exchange: Exchange) -> None:
        self._plan = plan
        self._exchange = exchange
        self._clock = SystemClock()
        self._console = summary.console()
        self._display: Display | None = None
        self._folder = plan.folder / exchange.run
        self._session = self._made()
        self._story: Story | None = None
        self._ts_fill = 0

    async def run(self, stack: ExitStack) -> int:
        """Trade, and say how it ended."""
        goes_on = " recovers from its ledger and" if self._exchange.is_found else ""
        click.echo(f"[2/3] The engine{goes_on} trades {STRATEGY} there over HTTP and WebSocket.")
        if not is_screen(self._console):
            how = f"ends by itself after {self._plan.seconds:g} s" if self._plan.seconds else "ends"
            click.echo(f"      It {how}; Ctrl-C ends it cleanly.")
        screens = stack.enter_context(ExitStack())
        tasks = [asyncio.create_task(self._guide(screens))]
        try:
            await self._session.run()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            screens.close()
        return await self._finish()

    def _made(self) -> Session:
        account = self._exchange.account
        choice = StrategyChoice(reference=STRATEGY, cash=CASH)
        settings = Settings(account=ACCOUNT)
        venue = venue_of(
            VenueChoice(url=self._exchange.url),
            Secrets(account["key"], account["secret"], ""),
            feeds_of((INSTRUMENT,), ""),
            clock=self._clock,
        )
        plan = plan_of(choice, folder=self._folder, settings=settings)
        return Session(plan, venue, self._clock, screen=self._draw)

    async def _guide(self, screens: ExitStack) -> None:
        """From the moment the engine trades: the screen, the faults, the end."""
        await self._session.ready.wait()
        await report_left(self._session)
        self._display = screens.enter_context(Display(self._console))
        seconds = self._plan.seconds
        ts_end = self._clock.now_ns() + int(seconds * 1e9) if seconds else 0
        playing = None
        if self._plan.has_faults:
            self._story = Story(
                Stage(self._session, self._exchange),
                ts_end=ts_end,
                told=self._tell,
                is_shown=is_screen(self._console),
            )
            playing = asyncio.create_task(self._play(self._story))
        try:
            await asyncio.sleep(seconds or 1e9)
            if self._story is not None:
                # In the middle of one the books differ by what is not known yet.
                await self._story.settled()
            self._session.stop("interlock demo", f"ran for {seconds:g} s as asked")
        finally:
            if playing is not None:
                playing.cancel()
                await asyncio.wait([playing])

    async def _play(self, story: Story) -> None:
        try:
            await story.play()
        except (aiohttp.ClientError, OSError) as error:
            self._tell(f"No more faults: the exchange's admin port does not answer ({error})")

    def _tell(self, line: str) -> None:
        if self._display is not None:
            at = datetime.fromtimestamp(self._clock.now_ns() / 1e9, UTC)
            self._display.tell(f"{at:%H:%M:%S}Z ** {line}")

    def _draw(self, status: Status) -> None:
        if status.fills and not self._ts_fill:
            self._ts_fill = self._clock.now_ns()
        if self._display is None:
            return
        story, more, footer = self._story, [], []
        if story is not None:
            if story.now:
                more.append(Alarm("FAULT", story.now, "caution"))
            if story.past:
                footer.append(f"survived: {story.past[-1]}")
            footer.append(f"faults: {story.played} injected, {story.survived} survived")
        left = self._left(status)
        footer.append(f"Ctrl-C: clean shutdown, comparison of the books, report{left}")
        self._display.show(status, more=more, footer=footer)

    def _left(self, status: Status) -> str:
        if not self._plan.seconds:
            return ""
        return f"; ends by itself after {self._plan.seconds:g} s"

    # The end.
    async def _finish(self) -> int:
        click.echo("[3/3] Comparing our books with the exchange's own.\n")
        lines = await self._compared()
        try:
            ended = ended_of(self._session, comparison=lines, synthetic=True)
        except LedgerFault as error:
            click.echo(f"No report of this session: {error}", err=True)
            return 1
        if ended is None:
            return 1
        page = write(self._session, ended)
        self._tell_books(lines)
        if self._story is not None:
            click.echo(f"{'Faults':<12} {self._story.summary()}")
        tell_summary(ended, page)
        click.echo(f"{'Ledger':<12} {summary.near(self._folder / 'ledger.sqlite')}")
        return 0 if lines and all(line.is_equal for line in lines) else 1

    async def _compared(self) -> Sequence[Comparison]:
        started = self._session.started
        if started is None:
            return ()
        desk = started.driver.engine.desk
        try:
            books: Any = await ask(self._exchange.admin, f"/books/binance/{ACCOUNT}")
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            click.echo(f"The exchange does not answer any more: {error}", err=True)
            return ()
        rows = read_rows(prepare(self._session.plan.where, create=False))
        return compare(desk.state, rows, books, ts_end=self._session.ts_asked or desk.ts)

    def _tell_books(self, lines: Sequence[Comparison]) -> None:
        wrong = [line for line in lines if not line.is_equal]
        if lines and not wrong:
            names = "fills, position, wallet, fees, open orders"
            click.echo(f"{'Books':<12} equal to the unit: {names}")
            click.echo(f"{'Orders':<12} none was sent twice, none is foreign")
        for line in wrong:
            click.echo(f"{'DIFFERENT':<12} {line.what}: {line.ours} here, {line.venue} there")
