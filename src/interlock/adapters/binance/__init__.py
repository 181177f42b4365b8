"""Binance USD-M futures over real sockets, behind the venue port."""

from interlock.adapters.binance.calls import Keys, Refusal
from interlock.adapters.binance.venue import BinanceVenue, Endpoints, Feeds, Network

__all__ = ["BinanceVenue", "Endpoints", "Feeds", "Keys", "Network", "Refusal"]
