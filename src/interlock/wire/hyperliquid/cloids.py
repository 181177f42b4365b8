"""Our client order ids in the venue's 128 bits, and the way back.

The venue takes 0x and 32 hex digits. An id of ours that has this form already goes as it is; every
other is the first 128 bits of BLAKE2b over its UTF-8 text. That is no code to be undone but a name:
whoever sent an order remembers its id, so the way back is a look into what was sent. A cloid that
nobody here remembers belongs to somebody else's order and stays what it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache

_HEX = frozenset("0123456789abcdef")
_LENGTH = 34


def is_cloid(text: str) -> bool:
    """Whether the text is 0x and 32 lower-case hex digits."""
    return len(text) == _LENGTH and text.startswith("0x") and _HEX.issuperset(text[2:])


@lru_cache(maxsize=4096)
def cloid_of(client_order_id: str) -> str:
    """The venue's form of a client order id; the same id gives the same cloid for ever."""
    if is_cloid(client_order_id):
        return client_order_id
    digest = hashlib.blake2b(client_order_id.encode(), digest_size=16, person=b"hyperliquid")
    return f"0x{digest.hexdigest()}"


class Cloids:
    """Which client order id a cloid stands for."""

    def __init__(self, client_order_ids: Iterable[str] = ()) -> None:
        self._originals: dict[str, str] = {}
        for client_order_id in client_order_ids:
            self.remember(client_order_id)

    def remember(self, client_order_id: str) -> str:
        """Note an id that is sent or was sent; returns its cloid."""
        cloid = cloid_of(client_order_id)
        self._originals[cloid] = client_order_id
        return cloid

    def forget(self, client_order_id: str) -> None:
        """Drop an id that no message can name any more."""
        self._originals.pop(cloid_of(client_order_id), None)

    def knows(self, client_order_id: str) -> bool:
        """Whether an id is one of those that were sent."""
        return bool(client_order_id) and cloid_of(client_order_id) in self._originals

    def original(self, cloid: str | None) -> str:
        """Our id, or the cloid itself when it is not ours, or nothing for an order without one."""
        if not cloid:
            return ""
        return self._originals.get(cloid.lower(), cloid)
