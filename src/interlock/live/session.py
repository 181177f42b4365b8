"""One session of live trading: from the start path to the clean end, with doors for an operator."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from interlock.adapters.system import exclusive_lock
from interlock.live.control import Ask, Control
from interlock.live.driver import Driver
from interlock.live.logs import JsonLines
from interlock.live.record import Record
from interlock.live.registry import write_registry
from interlock.live.start import Plan, Started, start
from interlock.live.status import Watcher, status_of
from interlock.live.terms import terms_of, write_terms
from interlock.ports import Clock, LedgerFault, Venue
from interlock.runtime.engine import Engine
from interlock.runtime.values import Notice
from interlock.ui.read_model import Status

SCREEN_S = 0.5
BARS_S = 0.2
SAMPLE_S = 0.5
REGISTRY_S = 60.0
# Held while a session runs; the system lets it go when the process ends, however it ends.
LOCK = "engine.lock"


class Session:
    """Runs one plan on one venue until it is stopped.

    The first interrupt or SIGTERM is a shutdown: entries are canceled, stops and positions stay.
    The second one leaves at once, as a crash would.
    """

    def __init__(
        self,
        plan: Plan,
        venue: Venue,
        clock: Clock,
        *,
        screen: Callable[[Status], None] | None = None,
        has_signals: bool = True,
    ) -> None:
        self.plan = plan
        self.venue = venue
        self.clock = clock
        self.watcher = Watcher()
        self.record = Record()
        # Of this session, once it has begun: events, and the report when it is over.
        self.folder: Path | None = None
        self.started: Started | None = None
        self.ts_started = clock.now_ns()
        # When the end was asked for, 0 before that.
        self.ts_asked = 0
        self.ready = asyncio.Event()
        self._screen = screen
        # Where several sessions share a process, one of them has its signals.
        self._has_signals = has_signals
        self._logs: JsonLines | None = None
        self._stops = 0

    async def run(self) -> Status:
        """Trade; returns the last state. Raises what ended it, LockHeldError for a busy folder."""
        self.plan.folder.mkdir(parents=True, exist_ok=True)
        # The lease knows its holder again after a crash; two of one folder it cannot tell apart.
        with exclusive_lock(self.plan.folder / LOCK):
            return await self._run()

    async def _run(self) -> Status:
        self._logs = JsonLines(self.plan.folder, ts=self.ts_started)
        self.folder = self._logs.session
        control = Control(self.plan.folder, status=self.status, command=self._command)
        try:
            self.started = await start(self.plan, self.venue, self.clock, told=self._told)
            self._keep_terms(self.started.driver.engine)
            await control.open()
            self._catch_signals()
            self.ready.set()
            return await self._trade(self.started.driver)
        finally:
            await control.close()
            self._logs.close()

    def _keep_terms(self, engine: Engine) -> None:
        """What this start was given, so that it can be replayed; trading does not wait for it."""
        plan, epoch = self.plan, engine.fence.lease.epoch
        try:
            write_terms(plan.folder, terms_of(engine.setup, epoch, self.ts_started))
        except OSError as error:
            ts = self.clock.now_ns()
            text = f"{plan.folder}: {error}; this run cannot be replayed elsewhere"
            self._told(Notice(ts_event=ts, name="TERMS_NOT_WRITTEN", level="WARNING", text=text))

    def status(self) -> Status:
        """The present state."""
        if self.started is None:
            raise RuntimeError("the session has not started")
        return status_of(self.started.driver, self.watcher, ts_started=self.ts_started)

    def stop(self, actor: str, reason: str) -> None:
        """Ask for a clean end; asked again, leave at once."""
        self._stops += 1
        self.ts_asked = self.ts_asked or self.clock.now_ns()
        if self.started is None:
            return
        driver = self.started.driver
        if self._stops > 1:
            driver.abandon()
        else:
            driver.command("shutdown", actor=actor, reason=reason)
            if driver.engine.verbs.state() in ("flat", "emergency"):
                # An emergency stands over a shutdown and holds over restarts: leaving is safe.
                driver.abandon()

    async def _trade(self, driver: Driver) -> Status:
        tasks = [
            asyncio.create_task(self._keep_bars()),
            asyncio.create_task(self._keep_record(driver)),
            asyncio.create_task(self._keep_registry()),
        ]
        if self._screen is not None:
            tasks.append(asyncio.create_task(self._keep_screen(self._screen)))
        try:
            await driver.run()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            if self.started is not None:
                await self.started.close()
            self.record.look(driver)
            await self._export_registry()
        return self.status()

    async def _keep_screen(self, screen: Callable[[Status], None]) -> None:
        while True:
            screen(self.status())
            await asyncio.sleep(SCREEN_S)

    async def _keep_record(self, driver: Driver) -> None:
        while True:
            self.record.look(driver)
            await asyncio.sleep(SAMPLE_S)

    async def _keep_registry(self) -> None:
        while True:
            await self._export_registry()
            await asyncio.sleep(REGISTRY_S)

    async def _export_registry(self) -> None:
        """An export beside the ledger; what cannot be written is told and stops nothing."""
        loop, plan = asyncio.get_running_loop(), self.plan
        try:
            await loop.run_in_executor(None, write_registry, plan.where, plan.folder)
        except (OSError, LedgerFault) as error:
            ts = self.clock.now_ns()
            text = f"{plan.folder / 'state'}: {error}"
            notice = Notice(ts_event=ts, name="REGISTRY_NOT_WRITTEN", level="WARNING", text=text)
            self._told(notice)

    async def _keep_bars(self) -> None:
        makers = self.started.makers if self.started is not None else ()
        while makers:
            now = self.clock.now_ns()
            for maker in makers:
                maker.advance(now)
            await asyncio.sleep(BARS_S)

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM) if self._has_signals else ():
            # Only the main thread of a process has signals; a test may run elsewhere.
            with suppress(ValueError, RuntimeError):
                loop.add_signal_handler(
                    number, self.stop, "signal", f"received {signal.Signals(number).name}"
                )

    def note(self, notice: Notice, *, is_shown: bool = True) -> None:
        """Put something that others did into the session's logs and report."""
        self.record.hear(notice)
        if is_shown:
            self.watcher.hear(notice)
        if self._logs is not None:
            self._logs.hear(notice)

    def _told(self, fact: Any) -> None:
        self.watcher.hear(fact)
        self.record.hear(fact)
        if self._logs is not None:
            self._logs.hear(fact)

    def _command(self, ask: Ask) -> str:
        if self.started is None:
            return "the engine has not started yet"
        driver = self.started.driver
        driver.command(ask.verb, actor=ask.actor, reason=ask.reason, scope=ask.scope)
        # The newest word on this verb is about this command: the engine answers at once.
        for notice in reversed(self.watcher.notices):
            if notice.name == "COMMAND" and notice.subject == ask.verb:
                return notice.text
        return driver.engine.verbs.state(ask.scope)
