"""The chain: how a row's digest follows from the row and from the digest before it."""

from __future__ import annotations

from hashlib import sha256
from struct import Struct

from interlock.model.rows import LedgerRow

# The digest before the first row.
GENESIS = bytes(32)

# Sequence, time and epoch, then how long kind and key are: no two rows share their bytes.
_head = Struct(">qqqII").pack


def link(before: bytes, seq: int, row: LedgerRow, *, epoch: int) -> bytes:
    """SHA-256 over the digest before, the row's place and columns, and its body."""
    kind, key = row.kind.encode(), row.key.encode()
    head = _head(seq, row.ts_event, epoch, len(kind), len(key))
    return sha256(b"".join((before, head, kind, key, row.body))).digest()
