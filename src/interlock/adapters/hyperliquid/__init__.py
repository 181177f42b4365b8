"""Hyperliquid over real sockets, behind the venue port."""

from interlock.adapters.connecting import Feeds, Network, Refusal
from interlock.adapters.hyperliquid.venue import Endpoints, HyperliquidVenue
from interlock.wire.hyperliquid.client import Wallet

__all__ = ["Endpoints", "Feeds", "HyperliquidVenue", "Network", "Refusal", "Wallet"]
