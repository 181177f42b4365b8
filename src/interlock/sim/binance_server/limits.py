"""Weights per address and orders per account, counted in fixed windows; bans for who goes on."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from interlock.wire.binance.parameters import ApiFault

_SECOND = 10**9
_MINUTE = 60 * _SECOND
_BAN_FIRST_NS = 2 * _MINUTE
_BAN_MOST_NS = 3 * 24 * 60 * _MINUTE


class LimitRules(msgspec.Struct, frozen=True, kw_only=True):
    """How much is too much."""

    weight_per_minute: int = 2_400
    orders_per_minute: int = 1_200
    orders_per_ten_seconds: int = 300
    warnings_before_ban: int = 10


class Overrun(ApiFault):
    """A limit was passed; ``retry_after`` seconds until it is lifted."""

    def __init__(self, code: int, text: str, *, status: int, retry_after: int) -> None:
        super().__init__(code, text, status)
        self.retry_after = retry_after


class _Window:
    """A count that begins again at every multiple of its length."""

    __slots__ = ("_length", "_number", "used")

    def __init__(self, length: int) -> None:
        self._length = length
        self._number = -1
        self.used = 0

    def add(self, ts: int, amount: int) -> int:
        number = ts // self._length
        if number != self._number:
            self._number, self.used = number, 0
        self.used += amount
        return self.used

    def at(self, ts: int) -> int:
        """What is used in the window of a time."""
        return self.used if ts // self._length == self._number else 0

    def seconds_left(self, ts: int) -> int:
        return -(-(self._length - ts % self._length) // _SECOND)


class _Address:
    __slots__ = ("ban_ns", "banned_until", "warned", "weight")

    def __init__(self) -> None:
        self.weight = _Window(_MINUTE)
        self.warned = _Window(_MINUTE)
        self.banned_until = 0
        self.ban_ns = _BAN_FIRST_NS


class Limits:
    """What every address and account has used."""

    def __init__(self, rules: LimitRules) -> None:
        self.rules = rules
        self._addresses: dict[str, _Address] = {}
        self._orders: dict[str, tuple[_Window, _Window]] = {}

    def spend(self, ts: int, address: str, weight: int) -> int:
        """Count a call; returns the weight used in this minute, or raises Overrun."""
        user = self._addresses.setdefault(address, _Address())
        if ts < user.banned_until:
            raise self._banned(user, ts)
        used = user.weight.add(ts, weight)
        if used <= self.rules.weight_per_minute:
            return used
        if user.warned.add(ts, 1) > self.rules.warnings_before_ban:
            user.banned_until = ts + user.ban_ns
            user.ban_ns = min(user.ban_ns * 2, _BAN_MOST_NS)
            raise self._banned(user, ts)
        raise Overrun(
            -1003,
            f"Too many requests; current limit of IP({address}) is "
            f"{self.rules.weight_per_minute} requests per minute.",
            status=429,
            retry_after=user.weight.seconds_left(ts),
        )

    def used(self, ts: int) -> int:
        """The most weight that an address has used in this minute."""
        return max((user.weight.at(ts) for user in self._addresses.values()), default=0)

    def ban(self, ts: int, address: str, length_ns: int) -> None:
        """Ban an address, as a fault script may."""
        self._addresses.setdefault(address, _Address()).banned_until = ts + length_ns

    def orders(self, ts: int, account: str, count: int) -> tuple[int, int]:
        """Count orders; returns those in ten seconds and in a minute, or raises Overrun."""
        short, long = self._orders.setdefault(account, (_Window(10 * _SECOND), _Window(_MINUTE)))
        now = short.add(ts, count), long.add(ts, count)
        limits: Sequence[tuple[int, int, str, _Window]] = (
            (now[0], self.rules.orders_per_ten_seconds, "10 SECONDS", short),
            (now[1], self.rules.orders_per_minute, "1 MINUTE", long),
        )
        for used, most, words, window in limits:
            if used > most:
                raise Overrun(
                    -1015,
                    f"Too many new orders; current limit is {most} orders per {words}.",
                    status=429,
                    retry_after=window.seconds_left(ts),
                )
        return now

    def _banned(self, user: _Address, ts: int) -> Overrun:
        return Overrun(
            -1003,
            f"Way too many requests; IP banned until {user.banned_until // 10**6}.",
            status=418,
            retry_after=-(-(user.banned_until - ts) // _SECOND),
        )
