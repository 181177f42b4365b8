"""Hyperliquid's streams: subscriptions until all are confirmed, and pings.

A stream is up when the venue has confirmed every subscription: what it says from then on is
complete.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import aiohttp

from interlock.adapters.feed import Feed
from interlock.adapters.transport import StreamLost
from interlock.wire.hyperliquid.streams import (
    PING,
    Acknowledged,
    Item,
    Pong,
    Posted,
    SocketError,
    Unheard,
    subscribe,
)
from interlock.wire.hyperliquid.telling import Subscription

# The venue closes a socket from which it heard nothing for a minute.
PING_S = 8.0
CONFIRM_S = 5.0

Read = Callable[[bytes, int], list[Item]]


class SubscribedFeed(Feed):
    """One socket with the subscriptions that belong on it."""

    def __init__(
        self,
        *args: Any,
        subscriptions: Iterable[Subscription],
        read: Read,
        mend: Callable[[], Awaitable[None]],
        take: Callable[[Item, int], None],
        counts_pongs: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._subscriptions = tuple(subscriptions)
        self._read = read
        self._mend = mend
        self._take = take
        self._counts_pongs = counts_pongs
        self._confirmed = 0

    async def greet(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Subscribe, wait for the confirmations, and keep the socket from falling silent."""
        self._confirmed = 0
        for subscription in self._subscriptions:
            await socket.send_str(subscribe(subscription).decode())
        await asyncio.sleep(CONFIRM_S)
        if not self.is_up:
            missing = len(self._subscriptions) - self._confirmed
            await self.cut(f"{missing} subscriptions were not confirmed")
        while True:
            # The answer shows that the venue still listens when it has nothing to say.
            await socket.send_str(PING.decode())
            await asyncio.sleep(PING_S)

    def take_frame(self, frame: bytes) -> None:
        """Pass on what a frame says."""
        ts = self._clock.now_ns()
        for item in self._read(frame, ts):
            match item:
                case Acknowledged():
                    self._confirm(item)
                case SocketError():
                    raise StreamLost(f"the venue refused a message: {item.text}")
                case Pong() | Posted() | Unheard():
                    # The connection lives; that its streams do is for their own messages to show.
                    if self._counts_pongs:
                        self.last_ts = ts
                case _:
                    self.last_ts = ts
                    self._take(item, ts)

    async def mend(self, fault: ValueError) -> None:
        """Load the instruments again: most often a frame names one that was not there before."""
        await self._mend()

    def _confirm(self, item: Acknowledged) -> None:
        if item.method != "subscribe":
            return
        self.last_ts = self._clock.now_ns()
        self._confirmed += 1
        if self._confirmed == len(self._subscriptions):
            self.went_up()
