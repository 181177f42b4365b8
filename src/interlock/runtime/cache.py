"""A cache whose entries go stale softly: fresh enough for one reader may be too old for another."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class SoftCache(Generic[Key, Value]):
    """The newest ``most`` values with the time they stood for; the reader says how old is good."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[Key, tuple[int, Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, *, ts: int, age_ns: int) -> tuple[int, Value] | None:
        """(time, value) when it is at most ``age_ns`` old."""
        found = self._entries.get(key)
        if found is None or ts - found[0] > age_ns:
            self.misses += 1
            return None
        self.hits += 1
        return found

    def put(self, key: Key, value: Value, *, ts: int) -> None:
        """Keep a value; an older one never replaces a newer."""
        found = self._entries.get(key)
        if found is not None and found[0] > ts:
            return
        self._entries[key] = (ts, value)
        self._entries.move_to_end(key)
        while len(self._entries) > self.most:
            self._entries.popitem(last=False)
