"""Threads that wait for the disk, so that the event loop never does, and the loop's timers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

from interlock.ports import Ended, Timer

SECOND_NS = 1_000_000_000


class DiskThread:
    """Runs work one by one, in the order it was given, and tells the event loop how it ended.

    A bare thread and queue: an executor's futures cost a send more than the hop itself.
    """

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Ended] | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, work: Callable[[], Any], ended: Ended) -> None:
        """Do ``work``, then call ``ended`` on the loop with its result, or with what it raised."""
        self._work.put((work, ended))

    async def close(self) -> None:
        """Finish what was given and end the thread."""
        self._work.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            work, ended = item
            try:
                found, error = work(), None
            except Exception as raised:  # noqa: BLE001 - handed to who gave the work
                found, error = None, raised
            self._loop.call_soon_threadsafe(ended, found, error)


class LoopTimers:
    """Timers of the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def later(self, delay_ns: int, call: Callable[[], None]) -> Timer:
        """Call once after ``delay_ns``."""
        return self._loop.call_later(delay_ns / SECOND_NS, call)
