"""Cost models of simulated execution: slippage, volume cap and latency, in integers."""

from __future__ import annotations

from math import isqrt

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.units import RATE_SCALE, div_ceil


class NoSlippage(msgspec.Struct, frozen=True, tag="none"):
    """The bar path or the book is the whole cost."""

    def distance(self, price: int, quantity: int, volume: int) -> int:
        """Price units by which an execution is worse than its reference."""
        return 0


class FixedSlippage(msgspec.Struct, frozen=True, tag="fixed"):
    """A fixed share of the price: ``rate`` of 1e-6 (100 = 1 basis point)."""

    rate: int

    def distance(self, price: int, quantity: int, volume: int) -> int:
        """Price units by which an execution is worse than its reference, rounded up."""
        return div_ceil(price * self.rate, RATE_SCALE)


class VolumeShareSlippage(msgspec.Struct, frozen=True, tag="volume_share"):
    """``rate`` of the price (1e-6) when the order is the whole volume, falling with its square."""

    rate: int

    def distance(self, price: int, quantity: int, volume: int) -> int:
        """Price units by which an execution is worse than its reference, rounded up."""
        if volume <= 0:
            return div_ceil(price * self.rate, RATE_SCALE)
        return div_ceil(price * self.rate * quantity * quantity, RATE_SCALE * volume * volume)


class SquareRootSlippage(msgspec.Struct, frozen=True, tag="square_root"):
    """Square-root impact: ``rate`` of the price (1e-6) x sqrt(quantity / volume)."""

    rate: int

    def distance(self, price: int, quantity: int, volume: int) -> int:
        """Price units by which an execution is worse than its reference, rounded up."""
        if volume <= 0:
            return div_ceil(price * self.rate, RATE_SCALE)
        root = isqrt(quantity * RATE_SCALE * RATE_SCALE // volume)
        return div_ceil(price * self.rate * root, RATE_SCALE * RATE_SCALE)


Slippage = NoSlippage | FixedSlippage | VolumeShareSlippage | SquareRootSlippage


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """One-way delays in ns: our order to the venue, its answer to us, market data to us."""

    order_ns: int = 0
    ack_ns: int = 0
    feed_ns: int = 0


class VenueOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the simulated venue executes; every choice is printed in the report.

    ``fill`` is when a decision on a bar trades; ``touch_fills`` lets a resting limit fill when the
    price only touches it (else it must trade through); ``volume_cap_ratio`` is the share of a bar's
    volume (1e-6) that we may take, None for no cap.
    """

    fill: str = "next_open"
    touch_fills: bool = False
    volume_cap_ratio: int | None = 25_000
    slippage: Slippage = NoSlippage()
    latency: Latency = Latency()
    margin_mode: str = "cross"
    leverage: int | None = None
    liquidation_fee_rate: int = 0
    queue: str = "risk_averse"


def worsened(
    instrument: Instrument, slippage: Slippage, price: int, *, side: int, quantity: int, volume: int
) -> int:
    """A price after slippage, rounded to the tick against us, in price units."""
    distance = slippage.distance(price, quantity, volume)
    if side > 0:
        return instrument.round_price(price + distance, up=True)
    return max(1, instrument.round_price(price - distance, up=False))
