"""The journal of a run: canonical bytes of everything that happened, and their running digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import msgspec


class Journal:
    """Rows are frozen structs, appended to ``rows`` and encoded in chunks by ``flush``.

    The digest covers the bytes of all rows in order, so it does not depend on the chunks.
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
        data = b"".join(map(self._encode, self.rows))
        self.count += len(self.rows)
        self.rows.clear()
        self._hash.update(data)
        if self._write is not None:
            self._write(data)

    def digest(self) -> str:
        """Hexadecimal SHA-256 of all rows so far."""
        self.flush()
        return self._hash.hexdigest()
