"""The journal of a run: canonical bytes of everything that happened, and their running digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec

_HALF = 1 << 63


class Journal:
    """Rows are frozen structs, appended to ``rows`` and encoded in chunks by ``flush``.

    The digest covers the bytes of all rows in order, so it does not depend on the chunks. An
    integer that 64 bits cannot hold, as in the denial of such an order, is written as its digits.
    """

    def __init__(self, write: Callable[[bytes], object] | None = None) -> None:
        self._encode = msgspec.msgpack.Encoder(order="deterministic").encode
        self._hash = hashlib.sha256()
        self._write = write
        self.rows: list[Any] = []
        self.count = 0

    def append(self, row: Any) -> None:
        """Take a row in."""
        self.rows.append(row)

    def flush(self) -> None:
        """Encode what has been taken in."""
        if not self.rows:
            return
        try:
            data = b"".join(map(self._encode, self.rows))
        except OverflowError:
            data = b"".join(map(self._encode, map(_within_64_bit, self.rows)))
        self.count += len(self.rows)
        self.rows.clear()
        self._hash.update(data)
        if self._write is not None:
            self._write(data)

    def digest(self) -> str:
        """Hexadecimal SHA-256 of all rows so far."""
        self.flush()
        return self._hash.hexdigest()


def _within_64_bit(value: Any) -> Any:
    """A row in plain values, with the integers that msgpack does not know as text."""
    if isinstance(value, msgspec.Struct):
        value = msgspec.to_builtins(value)
    if isinstance(value, list | tuple):
        return [_within_64_bit(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and not -_HALF <= value < 2 * _HALF:
        return str(value)
    return value
