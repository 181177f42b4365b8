"""Streams of the venue kept alive: opened, read, noticed when silent or gone, opened again.

Rules of this file. A stream that was lost is told before it is opened again, because whoever hears
it must assume that messages are missing. A frame that cannot be read is counted and, on the user
stream, ends the socket: it might have been a fill. Books are told only while they are whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from interlock.adapters.transport import StreamLost, Transport
from interlock.model.events import MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.venue import Stream, StreamChanged
from interlock.ports import Clock, Heard
from interlock.wire.binance.books import BookSync, DepthDiff, DepthSnapshot
from interlock.wire.binance.fault import WireFault
from interlock.wire.binance.streams import MarkSeen, StreamReader, UserStreamEnded

BACK_OFF_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
SNAPSHOT_RETRY_S = 0.5

Address = Callable[[], Awaitable[str]]
Snapshot = Callable[[Instrument], Awaitable[DepthSnapshot]]


class Feed:
    """One WebSocket and what it says. ``address`` gives the URL of each new connection."""

    def __init__(
        self,
        stream: Stream,
        address: Address,
        *,
        transport: Transport,
        reader: StreamReader,
        clock: Clock,
        heard: Heard,
    ) -> None:
        self.stream = stream
        self.is_up = False
        self.connections = 0
        self.faults = 0
        self.last_ts = 0
        self._address = address
        self._transport = transport
        self._reader = reader
        self._clock = clock
        self._heard = heard
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Open the socket and keep it open until ``stop``."""
        self._task = asyncio.create_task(self._keep(), name=f"feed {self.stream}")

    async def stop(self) -> None:
        """Close for good."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    async def cut(self) -> None:
        """Drop the present socket; another one is opened at once."""
        if self._socket is not None:
            await self._socket.close()

    async def _keep(self) -> None:
        failures = 0
        while True:
            try:
                async for frame in self._transport.frames(
                    await self._address(), opened=self._opened
                ):
                    failures = 0
                    self.last_ts = self._clock.now_ns()
                    self._read(frame)
                reason = "the stream ended"
            except (StreamLost, WireFault, RuntimeError) as error:
                reason = str(error)
            self._went_down(reason)
            delay = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
            failures += 1
            await asyncio.sleep(delay)

    def _opened(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.connections += 1
        self.is_up = True
        reason = "connected" if self.connections == 1 else "connected again"
        self._tell(is_up=True, reason=reason)

    def _went_down(self, reason: str) -> None:
        self._socket = None
        if self.is_up or not self.connections:
            self.is_up = False
            self._tell(is_up=False, reason=reason)
        self.on_down()

    def _tell(self, *, is_up: bool, reason: str) -> None:
        ts = self._clock.now_ns()
        self._heard(StreamChanged(ts_event=ts, stream=self.stream, is_up=is_up, reason=reason))

    def _read(self, frame: bytes) -> None:
        try:
            said = self._reader.read(frame, ts=self.last_ts).said
        except WireFault:
            self.faults += 1
            if self.stream is Stream.USER:
                raise
            return
        for event in said:
            if isinstance(event, UserStreamEnded):
                raise StreamLost("the listen key has expired")
            self.take(event)

    def take(self, event: Any) -> None:
        """Pass on what was said."""
        self._heard(event)

    def on_down(self) -> None:
        """What else a lost socket means."""


class MarketFeed(Feed):
    """Public data. Depth differences become books, marks become events of the kernel."""

    def __init__(self, *args: Any, snapshot: Snapshot, **options: Any) -> None:
        super().__init__(*args, **options)
        self._snapshot = snapshot
        self._books: dict[str, BookSync] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}

    def follow_book(self, instrument: Instrument) -> None:
        """Keep the book of an instrument whole."""
        self._books[instrument.id] = BookSync(instrument)

    def take(self, event: Any) -> None:
        """Pass on quotes, trades, bars and whole books."""
        if isinstance(event, DepthDiff):
            self._take_difference(event)
        elif isinstance(event, MarkSeen):
            self._heard(MarkChanged(event.ts_event, event.instrument, event.mark))
        elif isinstance(event, Quote | Trade | Bar | Book):
            self._heard(event)

    def on_down(self) -> None:
        """Nothing of a book survives a cut."""
        for sync in self._books.values():
            sync.restart()

    async def stop(self) -> None:
        """Close for good."""
        for task in self._fetching.values():
            task.cancel()
        await super().stop()

    def _take_difference(self, diff: DepthDiff) -> None:
        sync = self._books.get(diff.instrument)
        if sync is None:
            return
        reason = sync.on_diff(diff, ts=self.last_ts)
        if reason:
            self._told_gap(diff.instrument, reason)
        if sync.is_live:
            self._heard(sync.book)
        elif sync.needs_snapshot and diff.instrument not in self._fetching:
            task = asyncio.create_task(self._fetch(sync))
            self._fetching[diff.instrument] = task

    async def _fetch(self, sync: BookSync) -> None:
        instrument = sync.book.instrument
        try:
            while not sync.is_live:
                try:
                    taken = await self._snapshot(instrument)
                except (RuntimeError, WireFault):
                    await asyncio.sleep(SNAPSHOT_RETRY_S)
                    continue
                if not sync.needs_snapshot:
                    return
                if sync.on_snapshot(taken, ts=self._clock.now_ns()):
                    await asyncio.sleep(SNAPSHOT_RETRY_S)
        finally:
            del self._fetching[instrument.id]
        self._heard(sync.book)

    def _told_gap(self, instrument: str, reason: str) -> None:
        self.faults += 1
        self._heard(
            StreamChanged(
                ts_event=self._clock.now_ns(),
                stream=Stream.MARKET,
                is_up=True,
                reason=reason,
                instrument=instrument,
            )
        )
