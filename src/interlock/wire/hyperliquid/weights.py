"""What requests weigh, from both ends: the venue allows an address so much in any minute.

It tells nobody how much is used, so a client counts for itself.
"""

from __future__ import annotations

from collections import deque

MINUTE_NS = 60 * 10**9
PER_MINUTE = 1_200
# Usual costs by the names of request types, before an answer is known. Payments are two lists.
BY_REQUEST: dict[str, int] = {
    "OpenOrdersQuery": 20,
    "FillsQuery": 20,
    "PositionsQuery": 2,
    "BalancesQuery": 2,
    "PaymentsQuery": 40,
    "BookQuery": 2,
    "OrderQuery": 2,
    "TimeQuery": 2,
    "DeadManRequest": 1,
}
LIGHT = frozenset(
    {
        "l2Book",
        "allMids",
        "clearinghouseState",
        "orderStatus",
        "spotClearinghouseState",
        "exchangeStatus",
    }
)
_LIGHT_WEIGHT, _ROLE_WEIGHT, _WEIGHT = 2, 60, 20
# Lists whose length counts: one more for so many rows.
_ROWS_PER_WEIGHT = {
    "recentTrades": 20,
    "historicalOrders": 20,
    "userFills": 20,
    "userFillsByTime": 20,
    "fundingHistory": 20,
    "userFunding": 20,
    "candleSnapshot": 60,
}


def info_weight(kind: str) -> int:
    """The weight of a question before its answer is known."""
    if kind in LIGHT:
        return _LIGHT_WEIGHT
    return _ROLE_WEIGHT if kind == "userRole" else _WEIGHT


def rows_weight(kind: str, rows: int) -> int:
    """What a long answer adds."""
    return rows // _ROWS_PER_WEIGHT[kind] if kind in _ROWS_PER_WEIGHT else 0


def action_weight(length: int) -> int:
    """The weight of an action with so many orders or cancels."""
    return 1 + length // 40


class Window:
    """A sum over the last minute."""

    def __init__(self) -> None:
        self._spent: deque[tuple[int, int]] = deque()
        self._total = 0

    def total(self, ts: int) -> int:
        """What was spent in the minute before ``ts``."""
        while self._spent and self._spent[0][0] <= ts - MINUTE_NS:
            self._total -= self._spent.popleft()[1]
        return self._total

    def add(self, ts: int, amount: int) -> None:
        """Spend."""
        self._spent.append((ts, amount))
        self._total += amount
