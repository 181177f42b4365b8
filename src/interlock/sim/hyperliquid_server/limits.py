"""What a client may ask for: weight by address of the network, requests by address of the user."""

from __future__ import annotations

from collections import deque

import msgspec

from interlock.model.units import MONEY_EXPONENT, MONEY_SCALE, format_units
from interlock.sim.hyperliquid_server.access import ActionFault
from interlock.wire.hyperliquid import errors

MINUTE_NS = 60 * 10**9


class LimitRules(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's limits; 0 switches one off."""

    weight_per_minute: int = 1_200
    requests_start: int = 10_000
    exhausted_pause_ns: int = 10 * 10**9
    cancel_extra: int = 100_000
    sockets: int = 100
    subscriptions: int = 1_000
    socket_users: int = 10
    messages_per_minute: int = 2_000


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


class Weights:
    """Weight by network address."""

    def __init__(self, rules: LimitRules) -> None:
        self._rules = rules
        self._windows: dict[str, Window] = {}

    def spend(self, ts: int, client: str, weight: int) -> bool:
        """Whether the client may; what it may not is not counted."""
        window = self._windows.setdefault(client, Window())
        most = self._rules.weight_per_minute
        if most and window.total(ts) + weight > most:
            return False
        window.add(ts, weight)
        return True

    def used(self, ts: int) -> int:
        """The most weight that an address has used in the minute before ``ts``."""
        return max((window.total(ts) for window in self._windows.values()), default=0)

    def charge(self, ts: int, client: str, weight: int) -> None:
        """Count what an answer turned out to weigh."""
        self._windows.setdefault(client, Window()).add(ts, weight)


class Budget(msgspec.Struct):
    """The requests of one user, and the money traded that pays for them."""

    used: int = 0
    volume: int = 0
    last_ns: int = 0

    def cap(self, rules: LimitRules) -> int:
        """How many requests the user has had a right to so far."""
        earned: int = self.volume // MONEY_SCALE
        return rules.requests_start + earned

    def spend(self, ts: int, count: int, *, rules: LimitRules, is_cancel: bool) -> None:
        """Count a request for each order or cancel of a batch; raises when there is none left."""
        cap = self.cap(rules)
        most = min(cap + rules.cancel_extra, cap * 2) if is_cancel else cap
        exhausted = rules.requests_start and self.used + count > most
        if exhausted and ts - self.last_ns < rules.exhausted_pause_ns:
            raise ActionFault(
                f"{errors.REQUESTS} ({self.used + count} > {most}) for cumulative volume traded "
                f"${format_units(self.volume, MONEY_EXPONENT)}. Place taker orders to free up 1 "
                "request per USDC traded."
            )
        self.used += count
        self.last_ns = ts
