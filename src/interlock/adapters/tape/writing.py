"""Writing a tape: events go to the operating system with every flush, to the disk each second."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.system import sync_folder
from interlock.adapters.tape.blocks import MAGIC, Packer
from interlock.adapters.tape.events import Encoder, Stream, Values, structs
from interlock.adapters.tape.reading import PATTERN, TapeReader, segment_name
from interlock.ports import Clock, TapeFault

SECOND = 1_000_000_000
SEGMENT_BYTES = 64 * 1024 * 1024


class FolderTape:
    """A tape in a folder of segments. A new tape begins a new segment and never touches old ones.

    One thread writes and flushes.
    ``flush`` costs a write and no wait for the disk: that happens in a thread of the tape's own, at
    most every ``sync_ns``, so that a crash of the machine loses no more than that; a crash of the
    process loses what was not flushed. ``dropped`` counts events that could not be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Clock,
        extra: tuple[type[msgspec.Struct], ...] = (),
        sync_ns: int = SECOND,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._clock = clock
        self._extra = extra
        self._sync_ns = sync_ns
        self._segment_bytes = segment_bytes
        self._encoder = Encoder(structs(extra))
        self._packer = Packer()
        self._batch: list[tuple[int, Stream, Values]] = []
        self._file = -1
        self._size = 0
        # Whether the segment's name is durable, or will be with a sync that is under way.
        self._is_named = True
        numbers = [int(path.stem.split("-")[1]) for path in folder.glob(PATTERN)]
        self._number = max(numbers, default=0)
        self._syncs = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tape")
        self._sync: Future[None] | None = None
        self._ts_synced = clock.now_ns()
        self.dropped = 0

    def write(self, seq: int, event: Any) -> None:
        """Take an event in that came after the ledger's row ``seq``; its values are copied."""
        if not self._batch:
            self._begin_run_when_due()
        self._batch.append((seq, *self._encoder.encode(event)))

    def flush(self) -> None:
        """Hand everything to the operating system, and the disk its part when a second has passed.

        Raises TapeFault when that fails; the events of this flush are then lost and counted, and
        the next flush tries a new segment.
        """
        batch, self._batch = self._batch, []
        try:
            if batch:
                self._put(batch)
            self._sync_when_due()
        except OSError as error:
            self.dropped += len(batch)
            self._abandon()
            raise TapeFault(
                f"the tape in {self._folder} cannot be written: {error.strerror or error}; "
                f"{self.dropped} events are missing from it; free space or change its permissions: "
                "the next flush tries again"
            ) from error

    def read(self, after: int = 0) -> Iterator[tuple[int, Any]]:
        """Flushed events that came after the ledger's row ``after``, with the row of each."""
        return TapeReader(self._folder, extra=self._extra).read(after)

    def close(self) -> None:
        """Flush, wait for the disk, let go of the file."""
        try:
            self.flush()
            if self._sync is not None:
                self._sync.result()
            if self._file >= 0:
                self._sync_all()
        finally:
            self._abandon()
            self._syncs.shutdown()

    def _begin_run_when_due(self) -> None:
        """A run, and so a segment, begins with all of every book."""
        if self._size >= self._segment_bytes:
            self._packer.restart()
        if self._packer.is_fresh:
            self._encoder.forget()

    def _put(self, batch: list[tuple[int, Stream, Values]]) -> None:
        if self._file < 0 or (self._packer.is_fresh and self._size >= self._segment_bytes):
            self._next_segment(batch)
        data = memoryview(self._packer.pack(batch))
        self._size += len(data)
        while data:
            data = data[os.write(self._file, data) :]

    def _next_segment(self, batch: list[tuple[int, Stream, Values]]) -> None:
        if self._file >= 0:
            self._sync_all()
            self._abandon()
        self._number += 1
        path = self._folder / segment_name(self._number, batch[0][0])
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._is_named = False
        self._size = os.write(self._file, MAGIC)

    def _sync_when_due(self) -> None:
        if self._sync is not None and self._sync.done():
            self._sync.result()
            self._sync = None
        now = self._clock.now_ns()
        if self._file >= 0 and self._sync is None and now - self._ts_synced >= self._sync_ns:
            self._ts_synced = now
            folder = None if self._is_named else self._folder
            self._sync = self._syncs.submit(_sync, os.dup(self._file), folder)
            self._is_named = True

    def _sync_all(self) -> None:
        os.fsync(self._file)
        if not self._is_named:
            sync_folder(self._folder)
            self._is_named = True

    def _abandon(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1
        self._packer.restart()


def _sync(descriptor: int, folder: Path | None) -> None:
    """Sync a segment, and with ``folder`` the name that it has there."""
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if folder is not None:
        sync_folder(folder)
