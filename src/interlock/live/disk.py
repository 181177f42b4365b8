"""The one thread that waits for the disk, so that the event loop never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Any

Done = Callable[[Exception | None], None]


class DiskThread:
    """Runs work one by one, in the order it was given, and tells the event loop how it ended.

    A bare thread and queue: an executor's futures cost a send more than the hop itself.
    """

    def __init__(self, name: str) -> None:
        self._work: SimpleQueue[tuple[Callable[[], Any], Callable[..., None]] | None] = (
            SimpleQueue()
        )
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, work: Callable[[], Any], done: Done) -> None:
        """Do ``work``, then call ``done`` on the loop with what it raised, if anything."""
        self._work.put((work, lambda found, error: done(error)))

    async def call(self, work: Callable[[], Any]) -> Any:
        """Do ``work`` and wait for it; raises what it raises."""
        future: asyncio.Future[Any] = self._loop.create_future()

        def done(found: Any, error: Exception | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(found)

        self._work.put((work, done))
        return await future

    async def close(self) -> None:
        """Finish what was given and end the thread."""
        self._work.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            work, done = item
            try:
                found, error = work(), None
            except Exception as raised:  # noqa: BLE001 - handed to who gave the work
                found, error = None, raised
            self._loop.call_soon_threadsafe(done, found, error)
