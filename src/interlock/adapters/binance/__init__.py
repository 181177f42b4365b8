"""Binance USD-M futures over real sockets, behind the venue port."""

from interlock.adapters.binance.calls import Keys
from interlock.adapters.binance.venue import BinanceVenue, Endpoints
from interlock.adapters.connecting import Feeds, Network, Refusal

__all__ = ["BinanceVenue", "Endpoints", "Feeds", "Keys", "Network", "Refusal"]
