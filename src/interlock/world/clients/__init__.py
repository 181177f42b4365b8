"""The clients of the world: a venue's port on the world's line, by the names of plans."""

from __future__ import annotations

from collections.abc import Callable

from interlock.world.clients.binance import BinanceClient
from interlock.world.clients.hyperliquid import HyperliquidClient

CLIENTS: dict[str, Callable[..., BinanceClient | HyperliquidClient]] = {
    "binance": BinanceClient,
    "hyperliquid": HyperliquidClient,
}
