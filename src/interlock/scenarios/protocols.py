"""The two protocols that a scenario may be played on: what their instruments are called."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from interlock.model.instrument import Instrument
from interlock.scenarios.player import UNITS
from interlock.sim.hyperliquid_server.rows import tid
from interlock.venue.listings import Listing, binance, hyperliquid


class Protocol(msgspec.Struct, frozen=True):
    """A protocol of the local exchange, and what it lists."""

    name: str
    listed: Callable[[], tuple[Listing, ...]]
    # The number that the protocol gives a trade of the exchange on an instrument by its place.
    numbered: Callable[[int, int], int]

    def id(self, base: str) -> str:
        """The perpetual of a base currency."""
        return self._instrument(base).id

    def units(self, base: str, count: float) -> int:
        """So many of the player's units of trade, in the instrument's quantity units."""
        scale: int = 10 ** self._instrument(base).quantity_exponent
        return round(count * UNITS[base] * scale)

    def trade_id(self, instrument: str, number: int) -> int:
        """What a client is told as the number of a trade, which the exchange counts by symbol."""
        names = [item.instrument.id for item in self.listed()]
        return self.numbered(number, names.index(instrument))

    def _instrument(self, base: str) -> Instrument:
        return next(item.instrument for item in self.listed() if item.instrument.base == base)


BINANCE = Protocol("binance", binance, lambda number, place: number)
HYPERLIQUID = Protocol("hyperliquid", hyperliquid, tid)
BOTH = (BINANCE, HYPERLIQUID)
