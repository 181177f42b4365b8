"""A bounded memory of computed columns that a sweep shares between its trials."""

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

Key = tuple[Hashable, ...]
_M = TypeVar("_M", bound="Memo")


class Memo(Protocol):
    """What the column functions ask of a memory."""

    def get(self, key: Key) -> npt.NDArray[np.float64] | None:
        """Return the columns stored under `key`, or None."""

    def put(
        self, key: Key, columns: npt.NDArray[np.float64], inputs: tuple[npt.NDArray[Any], ...]
    ) -> None:
        """Store `columns`; `inputs` must stay alive as long as the entry does."""


class _Entry(NamedTuple):
    columns: npt.NDArray[np.float64]
    inputs: tuple[npt.NDArray[Any], ...]


class ColumnMemo:
    """Least recently used columns up to `bytes_max` bytes of results; safe between threads.

    Entries hold their input arrays, so an array's address, which is its name in the keys, is not
    given to another array while the entry lives. Inputs must not be written to meanwhile.
    Every step on the table is one atomic operation of `OrderedDict`; a race between threads costs
    at most a computation done twice, never a wrong column. `bytes_max` counts the results only.
    """

    def __init__(self, bytes_max: int) -> None:
        if bytes_max <= 0:
            raise ValueError(f"bytes_max is {bytes_max}: give a positive number of bytes")
        self.bytes_max = bytes_max
        self.hits = 0
        self.misses = 0
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def bytes_held(self) -> int:
        """Bytes of the results held now."""
        return sum(entry.columns.nbytes for entry in list(self._entries.values()))

    def get(self, key: Key) -> npt.NDArray[np.float64] | None:
        """Return the columns stored under `key`, or None; a hit becomes the most recent."""
        entry = self._entries.get(key)
        if entry is None:
            self.misses += 1
            return None
        self.hits += 1
        with suppress(KeyError):  # another thread may have evicted it; the columns are still good
            self._entries.move_to_end(key)
        return entry.columns

    def put(
        self, key: Key, columns: npt.NDArray[np.float64], inputs: tuple[npt.NDArray[Any], ...]
    ) -> None:
        """Store `columns` and evict the least recent; larger than `bytes_max` is not stored."""
        if columns.nbytes > self.bytes_max:
            return
        self._entries[key] = _Entry(columns, inputs)
        while self.bytes_held > self.bytes_max:
            try:
                self._entries.popitem(last=False)
            except KeyError:  # another thread has emptied it
                return


_active: ContextVar[Memo | None] = ContextVar("interlock_column_memo", default=None)


def active_memo() -> Memo | None:
    """The memory of the running context, None outside `memoized`."""
    return _active.get()


@contextmanager
def memoized(memo: _M) -> Iterator[_M]:
    """Let the column functions called inside look up and store their columns in `memo`.

    It holds for the current context: a worker thread enters it for itself, with the same memo.
    """
    token = _active.set(memo)
    try:
        yield memo
    finally:
        _active.reset(token)
