"""One client's WebSocket on the server's side: what waits for it, what is held back, its silence.

Rules of this file. Frames leave in the order they were made unless a rule says otherwise. A client
that does not read loses its socket; nobody else waits for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress

from aiohttp import web

from interlock.sim.faults import Delivery
from interlock.venue.faces import Link

# What may wait for a client that reads slowly.
BACKLOG_BYTES = 8 * 2**20
# A message that waits for a later one to overtake it waits no longer than this, real seconds.
_OVERTAKEN_S = 1.0
_SECONDS_TO_SAY_GOODBYE = 1.0
_NEVER = 1 << 62


class Socket:
    """Frames wait here until the client takes them."""

    def __init__(self, link: Link, request: web.Request) -> None:
        self.link = link
        self.response = web.WebSocketResponse(
            max_msg_size=2**20, compress=False, autoping=False, timeout=_SECONDS_TO_SAY_GOODBYE
        )
        self.frozen_until = 0
        self._request = request
        self._frames: deque[bytes] = deque()
        self._backlog = 0
        self._filled = asyncio.Event()
        self._held: bytes | None = None
        self._goodbye: asyncio.Task[object] | None = None

    def is_frozen(self, ts: int) -> bool:
        """Whether it is silent: open, and nothing comes of it, not even a pong."""
        return ts < self.frozen_until

    @property
    def is_slow(self) -> bool:
        """Whether too much waits for the client."""
        return self._backlog > BACKLOG_BYTES

    def freeze(self, until: int = _NEVER) -> None:
        """Say nothing until that venue time; what would have been said is lost."""
        self.frozen_until = max(self.frozen_until, until)

    def put(self, frame: bytes) -> None:
        """Queue a frame."""
        self._frames.append(frame)
        self._backlog += len(frame)
        self._filled.set()

    def deliver(self, frame: bytes, delivery: Delivery, scale: float) -> None:
        """Queue a frame the way a script says; ``scale`` is real seconds per ns of delay."""
        loop = asyncio.get_running_loop()
        if delivery.swaps and self._held is None and delivery.delays_ns:
            self._held = frame
            loop.call_later(_OVERTAKEN_S, self._release, frame)
            return
        for delay in delivery.delays_ns:
            if delay:
                loop.call_later(delay * scale, self.put, frame)
            else:
                self.put(frame)
        self._release(self._held)

    async def write(self) -> None:
        """Send what waits, for as long as the socket lives."""
        # The client may go at any moment; its reading side ends then and cleans up.
        with suppress(ConnectionError, RuntimeError):
            while True:
                await self._filled.wait()
                self._filled.clear()
                while self._frames:
                    frame = self._frames.popleft()
                    await self.response.send_str(frame.decode())
                    self._backlog -= len(frame)

    def close(self, code: int, reason: str) -> None:
        """Send what waits and close; does not wait for the client."""
        if self._goodbye is None:
            self._goodbye = asyncio.create_task(self._say_goodbye(code, reason.encode()[:120]))

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()

    async def closed(self) -> None:
        """Wait until a close that was begun is done."""
        if self._goodbye is not None:
            await asyncio.wait([self._goodbye])

    async def _say_goodbye(self, code: int, message: bytes) -> None:
        try:
            async with asyncio.timeout(_SECONDS_TO_SAY_GOODBYE):
                while self._frames:
                    await self.response.send_str(self._frames.popleft().decode())
                await self.response.close(code=code, message=message)
        except (TimeoutError, ConnectionError, RuntimeError):
            self.abort()

    def _release(self, frame: bytes | None) -> None:
        if frame is not None and self._held is frame:
            self._held = None
            self.put(frame)
