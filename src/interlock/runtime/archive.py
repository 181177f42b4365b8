"""Orders that are over, packed: all that a late execution needs, in some dozens of bytes each.

An order is put in whole, and comes out as it was. Records wait in a short tail and are sealed in
blocks that never change again, so that a snapshot copies them and encodes none twice. A record
that was taken out and put in again stands twice; the newer one counts.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import lru_cache

import msgspec

from interlock.kernel.snapshot import OrderDump
from interlock.runtime.tracks import Track

# Records of a block. More pack tighter; sealing one takes longer, and that is one input's time.
BLOCK = 64
LEVEL = 1
_MARK = 4


class Closed(msgspec.Struct, array_like=True):
    """An order that is over: its attempts, and the kernel's order unless that was forgotten."""

    track: Track
    order: OrderDump | None


class Kept(msgspec.Struct, array_like=True):
    """A record of the tail: where the venue knows it, when it was put in, and its bytes."""

    place: str
    ts: int
    packed: bytes


class Block(msgspec.Struct, array_like=True, frozen=True):
    """Sealed records. ``names`` and ``places`` are four bytes of a checksum for each, in order."""

    ts_newest: int
    names: bytes
    places: bytes
    packed: bytes


class Archive(msgspec.Struct, array_like=True):
    """Records by client order id, and by what the venue calls the order."""

    blocks: list[Block] = []
    tail: dict[str, Kept] = {}

    def __len__(self) -> int:
        """Records, those that stand twice included."""
        return len(self.tail) + sum(len(block.names) // _MARK for block in self.blocks)

    def put(self, closed: Closed, ts: int) -> None:
        """Take an order in at a time, ns."""
        track = closed.track
        place = _place(track.spec.instrument, _id(track))
        self.tail[track.client_order_id] = Kept(place, ts, _encode(closed))
        if len(self.tail) >= BLOCK:
            self._seal()

    def find(self, client_order_id: str) -> Closed | None:
        """The order under an id, a copy of its own; None when it is not here."""
        kept = self.tail.get(client_order_id)
        if kept is not None:
            return _decode(kept.packed)
        mark = _mark(client_order_id)
        for block in reversed(self.blocks):
            for row in _rows(block.names, mark):
                found = _record(block, row)
                if found.track.client_order_id == client_order_id:
                    return found
        return None

    def named(self, instrument: str, venue_order_id: str) -> str:
        """The client order id of what the venue calls so, or an empty text."""
        place = _place(instrument, venue_order_id)
        for name, kept in self.tail.items():
            if kept.place == place:
                return name
        mark = _mark(place)
        for block in reversed(self.blocks):
            for row in _rows(block.places, mark):
                track = _record(block, row).track
                if (track.spec.instrument, _id(track)) == (instrument, venue_order_id):
                    return track.client_order_id
        return ""

    def clean(self, ts_before: int) -> None:
        """Forget blocks whose newest record was put in before a time."""
        if self.blocks and self.blocks[0].ts_newest < ts_before:
            self.blocks = [block for block in self.blocks if block.ts_newest >= ts_before]
        for name in [name for name, kept in self.tail.items() if kept.ts < ts_before]:
            del self.tail[name]

    def _seal(self) -> None:
        records = [msgspec.Raw(kept.packed) for kept in self.tail.values()]
        self.blocks.append(
            Block(
                max(kept.ts for kept in self.tail.values()),
                b"".join(map(_mark, self.tail)),
                b"".join(_mark(kept.place) for kept in self.tail.values()),
                zlib.compress(_encode(records), LEVEL),
            )
        )
        self.tail.clear()


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Closed).decode
_split = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


def _id(track: Track) -> str:
    """What the venue calls the order in its executions."""
    return track.child_id or track.venue_order_id


def _place(instrument: str, venue_order_id: str) -> str:
    return f"{instrument} {venue_order_id}"


def _mark(text: str) -> bytes:
    return zlib.crc32(text.encode()).to_bytes(_MARK, "big")


def _rows(marks: bytes, mark: bytes) -> Iterator[int]:
    """Which records carry a mark, newest first; another text may have the same."""
    at = marks.rfind(mark)
    while at >= 0:
        if not at % _MARK:
            yield at // _MARK
        at = marks.rfind(mark, 0, at + _MARK - 1)


def _record(block: Block, row: int) -> Closed:
    return _decode(_unpacked(block.packed)[row])


@lru_cache(maxsize=4)
def _unpacked(packed: bytes) -> list[msgspec.Raw]:
    """The records of a block; who asks once about an order asks again."""
    return _split(zlib.decompress(packed))
