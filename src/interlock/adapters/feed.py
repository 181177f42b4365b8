"""Streams of a venue kept alive: opened, read, noticed when silent or gone, opened again.

Rules of this file. A stream that was lost is told before it is opened again, because whoever hears
it must assume that messages are missing. A frame that cannot be read ends the socket: it might
have been a fill. A socket that says nothing for longer than its venue can is dead, however alive
its connection looks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress

import aiohttp

from interlock.adapters.transport import StreamLost, Transport
from interlock.model.venue import Stream, StreamChanged
from interlock.ports import Clock, Heard

# Frames of a burst that are taken in one turn of the event loop: orders, answers and timers wait
# for no more.
BURST = 16
BACK_OFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
SECOND_NS = 1_000_000_000

Address = Callable[[], Awaitable[str]]


class Feed:
    """One WebSocket and what it says. ``address`` gives the URL of each new connection.

    ``silence_s`` is how long it may say nothing before it is cut; 0 leaves that to the pings of
    the connection.
    """

    def __init__(
        self,
        stream: Stream,
        address: Address,
        *,
        transport: Transport,
        clock: Clock,
        heard: Heard,
        silence_s: float = 0.0,
    ) -> None:
        self.stream = stream
        self.is_up = False
        self.connections = 0
        self.faults = 0
        self.last_ts = 0
        self._address = address
        self._transport = transport
        self._clock = clock
        self._heard = heard
        self._silence_s = silence_s
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._task: asyncio.Task[None] | None = None
        self._why = ""

    def start(self) -> None:
        """Open the socket and keep it open until ``stop``."""
        self._task = asyncio.create_task(self._keep(), name=f"feed {self.stream}")

    async def stop(self) -> None:
        """Close for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def cut(self, reason: str = "cut by us") -> None:
        """Drop the present socket; another one is opened at once."""
        if self._socket is not None:
            self._why = reason
            await self._socket.close()

    # What a kind of feed does with its socket.
    def take_frame(self, frame: bytes) -> None:
        """Read one frame; raises ValueError for one that does not read."""
        raise NotImplementedError

    async def greet(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Say what the venue must hear first; the stream is up when that is done."""
        self.went_up()

    def on_down(self) -> None:
        """What else a lost socket means."""

    async def mend(self, fault: ValueError) -> None:
        """Put right what made a frame unreadable, before the next connection."""

    def went_up(self) -> None:
        """Tell that the stream speaks."""
        if not self.is_up:
            self.is_up = True
            reason = "connected" if self.connections == 1 else "connected again"
            self._tell(is_up=True, reason=reason)

    def alive(self) -> None:
        """Note that the venue said something that counts against silence."""
        self.last_ts = self._clock.now_ns()

    async def _keep(self) -> None:
        failures = 0
        while True:
            seen = self.last_ts
            reason = await self._follow()
            if self.last_ts > seen and self.is_up:
                failures = 0
            self._went_down(reason)
            delay = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            failures += 1
            await asyncio.sleep(delay)

    async def _follow(self) -> str:
        """Hear one socket to its end; returns why it ended."""
        self._why = ""
        side: list[asyncio.Task[None]] = []

        def opened(socket: aiohttp.ClientWebSocketResponse) -> None:
            self._socket = socket
            self.connections += 1
            self.alive()
            side.append(asyncio.create_task(self._attend(socket)))
            if self._silence_s:
                side.append(asyncio.create_task(self._watch()))

        try:
            frames = self._transport.frames(await self._address(), opened=opened)
            async with aclosing(frames):
                left = BURST
                async for frame in frames:
                    self.take_frame(frame)
                    left -= 1
                    if not left:
                        # What waits in the socket is not waited for; others have their turn.
                        left = BURST
                        await asyncio.sleep(0)
        except (StreamLost, RuntimeError) as error:
            return self._why or str(error)
        except ValueError as error:
            self.faults += 1
            await self.mend(error)
            return str(error)
        finally:
            self._socket = None
            for task in side:
                task.cancel()
            if side:
                await asyncio.wait(side)
        return self._why or "the stream ended"

    async def _attend(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        # A socket that dies meanwhile is noticed by its reader.
        with suppress(ConnectionError, aiohttp.ClientError):
            await self.greet(socket)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._silence_s / 4)
            silent = self._clock.now_ns() - self.last_ts
            if silent > self._silence_s * SECOND_NS:
                await self.cut(f"silent for {silent // 10**6} ms")

    def _went_down(self, reason: str) -> None:
        if self.is_up or not self.connections:
            self.is_up = False
            self._tell(is_up=False, reason=reason)
        self.on_down()

    def _tell(self, *, is_up: bool, reason: str) -> None:
        ts = self._clock.now_ns()
        self._heard(StreamChanged(ts_event=ts, stream=self.stream, is_up=is_up, reason=reason))
