"""Binance's streams read: quotes, trades and bars as they are, books only while they are whole."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from interlock.adapters.feed import Feed
from interlock.adapters.transport import StreamLost
from interlock.model.events import MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Quote, Trade
from interlock.model.venue import Stream, StreamChanged
from interlock.wire.binance.books import BookSync, DepthDiff, DepthSnapshot
from interlock.wire.binance.fault import WireFault
from interlock.wire.binance.streams import MarkSeen, StreamReader, UserStreamEnded

SNAPSHOT_RETRY_S = 0.5

Snapshot = Callable[[Instrument], Awaitable[DepthSnapshot]]


class BinanceFeed(Feed):
    """One plane's socket."""

    def __init__(self, *args: Any, reader: StreamReader, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reader = reader

    def take_frame(self, frame: bytes) -> None:
        """Pass on what a frame says."""
        self.alive()
        try:
            said = self._reader.read(frame, ts=self.last_ts).said
        except WireFault:
            if self.stream is Stream.USER:
                raise
            # Of public data the next frame says more; a hole in a book shows by its numbers.
            self.faults += 1
            return
        for event in said:
            if isinstance(event, UserStreamEnded):
                raise StreamLost("the listen key has expired")
            self.take(event)

    def take(self, event: Any) -> None:
        """Pass on one event."""
        self._heard(event)


class MarketFeed(BinanceFeed):
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
        await super().stop()
        fetching = list(self._fetching.values())
        for task in fetching:
            task.cancel()
        if fetching:
            await asyncio.wait(fetching)

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
