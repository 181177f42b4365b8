"""Reading a tape back, in the order in which it was written, and telling what is missing."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from interlock.adapters.tape.blocks import HEADER_SIZE, MAGIC, Unpacker, next_mark, read_header
from interlock.adapters.tape.events import Decoder, Stream, Values, structs

PATTERN = "tape-*.seg"
_Batch = list[tuple[int, Stream, Values]]


def segment_name(number: int, seq: int) -> str:
    """Segments sort by number; the sequence of the first event tells whether to open one."""
    return f"tape-{number:08d}-{seq:016d}.seg"


class TapeReader:
    """The events of a folder of segments. ``findings`` says what the last read had to leave out.

    A segment that ends in the middle of a block was cut by a crash: the block is left out. Damage
    elsewhere costs the events up to the next run.
    """

    def __init__(self, folder: Path, *, extra: tuple[type[msgspec.Struct], ...] = ()) -> None:
        self._folder = folder
        self._known = structs(extra)
        self.findings: list[str] = []

    def read(self, after: int = 0) -> Iterator[tuple[int, Any]]:
        """Events that came after the ledger's row ``after``, each with the row it came after."""
        self.findings = []
        decoder = Decoder(self._known)
        paths = self._segments(after)
        limits = _limits(paths)
        for path, limit in zip(paths, limits, strict=True):
            for batch in self._batches(path):
                for seq, stream, values in batch:
                    event = decoder.decode(stream, values)
                    if after <= seq <= limit:
                        yield seq, event

    def _segments(self, after: int) -> list[Path]:
        """Those that can hold an event after the row; a book is whole at the start of each."""
        paths = sorted(self._folder.glob(PATTERN))
        first = 0
        for index, path in enumerate(paths):
            if _first_seq(path) < after:
                first = index
        return paths[first:]

    def _batches(self, path: Path) -> Iterator[_Batch]:
        data = path.read_bytes()
        if not data.startswith(MAGIC):
            self.findings.append(f"{path} is no tape segment or lost its start; it is left out")
            return
        unpacker = Unpacker()
        at = len(MAGIC)
        while at < len(data):
            batch, next_at = self._block(unpacker, data, at)
            if batch is not None:
                yield batch
                at = next_at
                continue
            at = self._after_damage(path, data, at)
            unpacker.lose()

    def _block(self, unpacker: Unpacker, data: bytes, at: int) -> tuple[_Batch | None, int]:
        found = read_header(data[at : at + HEADER_SIZE])
        if found is None:
            return None, at
        is_fresh, length, checksum = found
        end = at + HEADER_SIZE + length
        payload = data[at + HEADER_SIZE : end]
        if len(payload) < length or zlib.crc32(payload) != checksum:
            return None, at
        try:
            return unpacker.unpack(payload, is_fresh=is_fresh), end
        except (ValueError, zlib.error):
            return None, at

    def _after_damage(self, path: Path, data: bytes, at: int) -> int:
        """Where reading goes on; says what is left out."""
        end = at
        while (end := next_mark(data, end + 1)) >= 0:
            found = read_header(data[end : end + HEADER_SIZE])
            if found is not None and found[0]:
                self.findings.append(
                    f"{path} is damaged at byte {at}; {end - at} bytes are left out, the tape goes "
                    f"on at byte {end}"
                )
                return end
        lost = len(data) - at
        self.findings.append(
            f"{path} ends in a block that was not finished, or is damaged, at byte {at}; its last "
            f"{lost} bytes are left out"
        )
        return len(data)


def _first_seq(path: Path) -> int:
    return int(path.stem.rsplit("-", 1)[1])


def _limits(paths: list[Path]) -> list[int]:
    """The last row whose events count, by segment.

    A crash leaves events that came after rows which never became durable. The next engine begins
    its segment at the last durable row: what an earlier segment holds beyond that never was.
    """
    limits, limit = [], 1 << 62
    for path in reversed(paths):
        limits.append(limit)
        limit = min(limit, _first_seq(path))
    return limits[::-1]


def merged(
    rows: Iterable[tuple[int, Any]], events: Iterable[tuple[int, Any]]
) -> Iterator[tuple[int, Any]]:
    """The journal: rows and events in one order; an event follows the row it came after."""
    waiting = iter(rows)
    row = next(waiting, None)
    for seq, event in events:
        while row is not None and row[0] <= seq:
            yield row
            row = next(waiting, None)
        yield seq, event
    if row is not None:
        yield row
        yield from waiting
