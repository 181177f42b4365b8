"""The asyncio edge of the live core: threads for the disk, the event loop's timers, and the end.

The order of things is ``runtime/loop``'s. One event loop owns the core; two threads wait for the
disk, one for what orders need and one for what they do not.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable
from typing import Any

from interlock.live.disk import DiskThread, LoopTimers
from interlock.ports import TapeFault
from interlock.runtime.commits import Doors, Places
from interlock.runtime.engine import Engine
from interlock.runtime.loop import Loop
from interlock.runtime.upkeep import CHECKPOINT_NS

# How long the event loop may keep a disk's thread waiting for the interpreter; Python's 5 ms would
# be what an order waits for in a burst.
SWITCH_S = 0.000_5


class Driver(Loop):
    """Runs one engine in real time until it is stopped or must stop."""

    def __init__(
        self,
        engine: Engine,
        doors: Doors,
        *,
        told: Callable[[Any], None],
        checkpoint_ns: int = CHECKPOINT_NS,
    ) -> None:
        self._disks = DiskThread("ledger"), DiskThread("snapshots")
        commits, aside = self._disks
        self._is_left = asyncio.Event()
        super().__init__(
            engine,
            doors,
            Places(commits=commits, aside=aside, timers=LoopTimers()),
            told=told,
            over=self._is_left.set,
            checkpoint_ns=checkpoint_ns,
        )

    async def run(self) -> None:
        """Trade, and return when the engine has stopped. Raises what ended it.

        While it runs, threads of this process take turns more often, and the collector of garbage
        leaves alone what was there before: looking through it took 50 ms at a time.
        """
        switched = sys.getswitchinterval()
        sys.setswitchinterval(min(switched, SWITCH_S))
        gc.freeze()
        try:
            await self._is_left.wait()
        finally:
            self.abandon()
            await self._leave()
            gc.unfreeze()
            sys.setswitchinterval(switched)
        if self.fault is not None:
            raise self.fault

    async def _leave(self) -> None:
        finished = asyncio.Event()
        try:
            await self.doors.venue.close()
            self.finish(finished.set)
            await finished.wait()
        finally:
            for disk in self._disks:
                await disk.close()
            try:
                self.doors.tape.close()
            except (TapeFault, OSError) as error:
                self._warn("TAPE_FAULT", str(error))
            self.doors.ledger.close()
