"""Live trading: the asyncio edge around the live core, and the classes that a program starts it by.

``LiveTradingEngine`` and ``PaperBroker`` are faces of what `interlock live` runs: the same start
path, ledger, recovery and reconciler. Everything in ``__all__`` may be imported from here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.adapters.binance import BinanceVenue as BinanceVenue
    from interlock.adapters.binance import Endpoints as Endpoints
    from interlock.adapters.binance import Feeds as Feeds
    from interlock.adapters.binance import Keys as Keys
    from interlock.adapters.signing import HmacSigner as HmacSigner
    from interlock.adapters.system import SystemClock as SystemClock
    from interlock.live.api import ApiError as ApiError
    from interlock.live.api import FixedBasisPointsSlippage as FixedBasisPointsSlippage
    from interlock.live.api import LiveTradingEngine as LiveTradingEngine
    from interlock.live.api import PaperBroker as PaperBroker
    from interlock.live.api import PerShareCommission as PerShareCommission
    from interlock.live.shadow import ShadowReport as ShadowReport
    from interlock.live.shadow import ShadowTradingConfig as ShadowTradingConfig

# Imported on first use: a command that needs one part shall not wait for all.
_PUBLIC = {
    "ApiError": "interlock.live.api",
    "BinanceVenue": "interlock.adapters.binance",
    "Endpoints": "interlock.adapters.binance",
    "Feeds": "interlock.adapters.binance",
    "FixedBasisPointsSlippage": "interlock.live.api",
    "HmacSigner": "interlock.adapters.signing",
    "Keys": "interlock.adapters.binance",
    "LiveTradingEngine": "interlock.live.api",
    "PaperBroker": "interlock.live.api",
    "PerShareCommission": "interlock.live.api",
    "ShadowReport": "interlock.live.shadow",
    "ShadowTradingConfig": "interlock.live.shadow",
    "SystemClock": "interlock.adapters.system",
}
_NOT_BUILT = ("CircuitBreakerManager", "DrawdownCircuitBreaker", "DailyLossCircuitBreaker")

__all__ = [
    "ApiError",
    "BinanceVenue",
    "Endpoints",
    "Feeds",
    "FixedBasisPointsSlippage",
    "HmacSigner",
    "Keys",
    "LiveTradingEngine",
    "PaperBroker",
    "PerShareCommission",
    "ShadowReport",
    "ShadowTradingConfig",
    "SystemClock",
]


def __getattr__(name: str) -> Any:
    if name in _NOT_BUILT:
        raise ImportError(
            f"{name} is not built yet: no loss or drawdown trips anything by itself; leave "
            "circuit_breakers away, and use `interlock control` to pause, halt or stop"
        )
    if name not in _PUBLIC:
        raise AttributeError(f"module 'interlock.live' has no attribute {name!r}")
    found = getattr(importlib.import_module(_PUBLIC[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
