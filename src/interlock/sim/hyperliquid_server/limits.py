"""What a client may ask for: weight by address of the network, requests by address of the user."""

from __future__ import annotations

import msgspec

from interlock.model.units import MONEY_EXPONENT, MONEY_SCALE, format_units
from interlock.sim.hyperliquid_server.access import ActionFault
from interlock.wire.hyperliquid import errors
from interlock.wire.hyperliquid.weights import PER_MINUTE, Window


class LimitRules(msgspec.Struct, frozen=True, kw_only=True):
    """The venue's limits; 0 switches one off."""

    weight_per_minute: int = PER_MINUTE
    requests_start: int = 10_000
    exhausted_pause_ns: int = 10 * 10**9
    cancel_extra: int = 100_000
    sockets: int = 100
    subscriptions: int = 1_000
    socket_users: int = 10
    messages_per_minute: int = 2_000


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

    def used(self, ts: int, client: str) -> int:
        """The weight that an address has used in the minute before ``ts``."""
        window = self._windows.get(client)
        return 0 if window is None else window.total(ts)

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
