"""Lists that come in pages: the next begins with the last moment of the one before."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.model.venue import FillsQuery, Payment, PaymentsQuery, VenueFill
from interlock.wire.hyperliquid.text import NS_PER_MS, WireFault, decode

# How many rows the venue gives at most.
FILLS_MOST, PAYMENTS_MOST = 2_000, 500
PAGES_MOST = 20


class _Row(msgspec.Struct):
    time: int


class Pages:
    """The pages of one question. ``question`` is what to ask next.

    ``then`` is another list that belongs to the answer, asked for when the first one is whole.
    """

    def __init__(
        self, request: FillsQuery | PaymentsQuery, then: PaymentsQuery | None = None
    ) -> None:
        self.question = request
        self._then = then
        self._most = FILLS_MOST if isinstance(request, FillsQuery) else PAYMENTS_MOST
        self._found: dict[object, Any] = {}
        self._count = 0

    def take(self, body: bytes, content: Any) -> bool:
        """Take a page in; returns whether it was the last. Raises WireFault when it cannot end."""
        for item in content:
            self._found[_name(item)] = item
        rows: list[_Row] = decode(body, list[_Row])
        self._count += 1
        if len(rows) < self._most:
            if self._then is None:
                return True
            self.question, self._then, self._count = self._then, None, 0
            return False
        last = max(row.time for row in rows) * NS_PER_MS
        if last // NS_PER_MS <= self.question.ts_from // NS_PER_MS or self._count >= PAGES_MOST:
            raise WireFault(f"more than {len(self._found)} rows; ask from a later time")
        self.question = msgspec.structs.replace(self.question, ts_from=last)
        return False

    def content(self) -> tuple[Any, ...]:
        """Everything found, once, oldest first."""
        return tuple(sorted(self._found.values(), key=lambda item: item.ts_venue))


def _name(item: VenueFill | Payment) -> object:
    return item.trade_id if isinstance(item, VenueFill) else item.payment_id
