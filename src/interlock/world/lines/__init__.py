"""The venues of the world, by the names that plans have for them."""

from __future__ import annotations

from interlock.world.lines.binance import BINANCE
from interlock.world.lines.hyperliquid import HYPERLIQUID
from interlock.world.lines.line import Line, Listed

LINES: dict[str, Line] = {"binance": BINANCE, "hyperliquid": HYPERLIQUID}
LISTED: dict[str, Listed] = {
    item.instrument.id: item for line in LINES.values() for item in line.listed
}
