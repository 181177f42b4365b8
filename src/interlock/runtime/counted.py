"""Trade ids that were counted on one instrument: the newest one by one, the rest in blocks."""

from __future__ import annotations

from array import array
from bisect import bisect_left

import msgspec

# Ids that keep a time of their own before they become a block.
RECENT = 256
_BITS = 64
_ID = 8


class IdBlock(msgspec.Struct, array_like=True, frozen=True):
    """Sorted ids of 64 bits each, and the newest of their times."""

    ts_newest: int
    low: int
    high: int
    ids: bytes

    def has(self, key: int) -> bool:
        """Whether an id is among them."""
        if not self.low <= key <= self.high:
            return False
        ids = memoryview(self.ids).cast("Q")
        at = bisect_left(ids, key)
        return at < len(ids) and ids[at] == key


class Counted(msgspec.Struct, array_like=True):
    """A set of ids that forgets what is old, and knows since when all of them are here."""

    recent: dict[int, int] = {}
    blocks: list[IdBlock] = []
    # The newest time of an id that is forgotten: what is not newer may have been counted.
    ts_forgotten: int = 0

    def __contains__(self, trade_id: object) -> bool:
        if trade_id in self.recent:
            return True
        if not self.blocks or not isinstance(trade_id, int):
            return False
        key = _key(trade_id)
        return any(block.has(key) for block in self.blocks)

    def __len__(self) -> int:
        return len(self.recent) + sum(len(block.ids) // _ID for block in self.blocks)

    def add(self, trade_id: int, ts: int) -> None:
        """Count an id at a time, ns."""
        self.recent[trade_id] = ts
        if len(self.recent) < RECENT:
            return
        ids = sorted(map(_key, self.recent))
        newest = max(self.recent.values())
        self.blocks.append(IdBlock(newest, ids[0], ids[-1], array("Q", ids).tobytes()))
        self.recent.clear()

    def clean(self, ts_before: int) -> None:
        """Forget ids whose block's newest time lies before, and the oldest of those without one."""
        gone = []
        if self.blocks and self.blocks[0].ts_newest < ts_before:
            gone = [block.ts_newest for block in self.blocks if block.ts_newest < ts_before]
            self.blocks = [block for block in self.blocks if block.ts_newest >= ts_before]
        old = []
        for key, ts in self.recent.items():
            if ts >= ts_before:
                break
            old.append(key)
            gone.append(ts)
        for key in old:
            del self.recent[key]
        self.ts_forgotten = max(self.ts_forgotten, *gone) if gone else self.ts_forgotten


def _key(trade_id: int) -> int:
    """Ids of a venue fit 64 bits; one that does not still has its place."""
    return trade_id & (1 << _BITS) - 1
