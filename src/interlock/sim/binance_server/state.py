"""What the server remembers besides the exchange: keys, limits, listen keys, its switches."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec

from interlock.model.instrument import Instrument
from interlock.sim.binance_server.access import ApiKey, Keys
from interlock.sim.binance_server.limits import LimitRules, Limits
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Order
from interlock.wire.binance.parameters import ApiFault, Parameters
from interlock.wire.binance.terms import instrument_id_of

LISTEN_KEY_NS = 60 * 60 * 10**9


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which venue the server is.

    ``conditional_service`` False is the protocol before conditional orders had their own path.
    ``strict_planes`` gives a stream only where the venue documents it. ``clock_offset_ns`` is how
    far the server's clock is ahead.
    """

    conditional_service: bool = True
    strict_planes: bool = False
    trade_lite: bool = True
    limits: LimitRules = LimitRules()
    seed: int = 1
    messages_per_second: int = 10


class ListenKey(msgspec.Struct):
    """The key to a user stream."""

    key: str
    account: str
    expires: int


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call that passed the door: when, whose, and what it says."""

    ts: int
    account: str
    parameters: Parameters

    @property
    def now_ms(self) -> int:
        """The moment of the call, ms."""
        return self.ts // 10**6


class ServerState:
    """Keys, limits, listen keys and the exchange behind them.

    ``sees`` is the hook of query lag: reads ask it whether an order is visible yet.
    """

    def __init__(self, core: VenueCore, options: ServerOptions) -> None:
        self.core = core
        self.options = options
        self.keys = Keys()
        self.limits = Limits(options.limits)
        self.listen_keys: dict[str, ListenKey] = {}
        self.clock_offset_ns = 0
        self.sees: Callable[[int, str, Order], bool] = lambda ts, read, order: True
        self._drawn = 0

    def add_key(self, key: ApiKey) -> None:
        """Give out a key to an account."""
        self.keys.add(key)

    def instrument(self, symbol: str) -> Instrument:
        """The instrument of a symbol, or the venue's error."""
        name = instrument_id_of(symbol)
        if name not in self.core.symbols:
            raise ApiFault(-1121, "Invalid symbol.")
        return self.core.instrument(name)

    def asked(self, call: Call) -> Instrument:
        """The instrument of the parameter ``symbol``, which must be sent."""
        return self.instrument(call.parameters.need("symbol"))

    def asked_or_all(self, call: Call) -> tuple[Instrument, ...]:
        """The instrument of ``symbol``, or every one that is still listed."""
        if "symbol" in call.parameters:
            return (self.asked(call),)
        return tuple(map(self.core.instrument, self.core.symbols))

    def draw(self, length: int) -> str:
        """A new text that nobody has had before; the same in every run of one seed."""
        self._drawn += 1
        text = hashlib.sha256(f"{self.options.seed}:{self._drawn}".encode()).hexdigest()
        return text[:length]

    def listen_key_of(self, account: str, ts: int) -> ListenKey | None:
        """The account's living listen key."""
        for found in self.listen_keys.values():
            if found.account == account and found.expires > ts:
                return found
        return None
