"""Blocks: events of one flush in columns, and how a block lies in a segment file.

A segment is a magic line and blocks. The blocks of a run are one deflate stream, cut where they
were flushed, so that small blocks compress like large ones; a run begins with a fresh block that
needs nothing before it. A block that is damaged costs the rest of its run and no more.
"""

from __future__ import annotations

import zlib
from itertools import accumulate
from struct import Struct
from typing import Any

import msgspec

from interlock.adapters.tape.events import COLUMNAR, Stream, Values
from interlock.model.instrument import Instrument

MAGIC = b"ILTAPE1\n"
# A mark to look for after damage, flags, how long the payload is, its CRC-32.
_header = Struct(">4sBII")
HEADER_SIZE = _header.size
_MARK = b"\xc5TB\x0a"
_FRESH = 1

# Raw bytes after which a run ends.
RUN_BYTES = 1 << 20
# A longer block than this is damage, not data.
_LONGEST = 1 << 28

_pack = msgspec.msgpack.Encoder(order="deterministic").encode


class Block(msgspec.Struct, array_like=True, gc=False):
    """The events of one flush: their streams in order, their sequences, and values by stream.

    ``streams`` defines the streams by number that this run did not name before. ``seqs`` and the
    columns of ``values`` hold the first value and then differences; rows stand as they are.
    """

    streams: list[tuple[int, str, Instrument | None, str | int]]
    order: list[int]
    seqs: list[int]
    values: list[tuple[int, list[Any]]]


def columns_of(rows: list[Values]) -> list[list[int]]:
    """Rows of integers as columns of a first value and differences."""
    return [_differences(list(column)) for column in zip(*rows, strict=True)]


def rows_of(columns: list[list[int]]) -> list[Values]:
    """The rows again."""
    return [list(row) for row in zip(*map(accumulate, columns), strict=True)]


def _differences(values: list[int]) -> list[int]:
    return [values[0], *(b - a for a, b in zip(values, values[1:], strict=False))]


class Packer:
    """Turns batches of events into the bytes of blocks."""

    def __init__(self) -> None:
        self._numbers: dict[Stream, int] = {}
        self._deflate: Any = None
        self._raw = 0

    @property
    def is_fresh(self) -> bool:
        """Whether the next block begins a run: it must need nothing from before."""
        return self._deflate is None or self._raw >= RUN_BYTES

    def restart(self) -> None:
        """Let the next block begin a run."""
        self._deflate = None

    def pack(self, batch: list[tuple[int, Stream, Values]]) -> bytes:
        """The bytes of one block, with its header."""
        flags = 0
        if self.is_fresh:
            flags, self._raw = _FRESH, 0
            self._numbers.clear()
            self._deflate = zlib.compressobj(level=1, wbits=-15)
        raw = _pack(self._block(batch))
        self._raw += len(raw)
        payload: bytes = self._deflate.compress(raw) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return _header.pack(_MARK, flags, len(payload), zlib.crc32(payload)) + payload

    def _block(self, batch: list[tuple[int, Stream, Values]]) -> Block:
        fresh, order = [], []
        rows: dict[int, list[tuple[str, Values]]] = {}
        for _, stream, values in batch:
            number = self._numbers.get(stream)
            if number is None:
                number = self._numbers[stream] = len(self._numbers)
                fresh.append((number, *stream))
            order.append(number)
            rows.setdefault(number, []).append((stream[0], values))
        values_of: list[tuple[int, list[Any]]] = []
        for number, found in rows.items():
            values = [row for _, row in found]
            is_columnar = found[0][0] in COLUMNAR
            values_of.append((number, columns_of(values) if is_columnar else values))
        return Block(fresh, order, _differences([seq for seq, _, _ in batch]), values_of)


class Unpacker:
    """Turns the payloads of blocks, in order, into batches of events."""

    def __init__(self) -> None:
        self._streams: dict[int, Stream] = {}
        self._inflate: Any = None
        self._decode = msgspec.msgpack.Decoder(Block).decode

    def unpack(self, payload: bytes, *, is_fresh: bool) -> list[tuple[int, Stream, Values]]:
        """The events of one block; raises ValueError or zlib.error for what is none."""
        if is_fresh:
            self._streams, self._inflate = {}, zlib.decompressobj(wbits=-15)
        if self._inflate is None:
            raise ValueError("the run of this block began in a damaged one")
        block = self._decode(self._inflate.decompress(payload))
        for number, kind, instrument, detail in block.streams:
            self._streams[number] = (kind, instrument, detail)
        rows = {
            number: iter(rows_of(found) if self._streams[number][0] in COLUMNAR else found)
            for number, found in block.values
        }
        return [
            (seq, self._streams[number], next(rows[number]))
            for seq, number in zip(accumulate(block.seqs), block.order, strict=True)
        ]

    def lose(self) -> None:
        """A block is missing: nothing can be read until the next fresh one."""
        self._inflate = None


def read_header(data: bytes) -> tuple[bool, int, int] | None:
    """Whether the block is fresh, how long its payload is, its checksum; None for no header."""
    if len(data) < HEADER_SIZE:
        return None
    mark, flags, length, checksum = _header.unpack_from(data)
    if mark != _MARK or length > _LONGEST:
        return None
    return bool(flags & _FRESH), length, checksum


def next_mark(data: bytes, start: int) -> int:
    """Where the next block may begin; -1 when there is none."""
    return data.find(_MARK, start)
