"""Interlock takes a trading strategy from a backtest that can be believed to live markets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interlock.research import synthetic as synthetic
    from interlock.research.backtest import RunOptions as RunOptions
    from interlock.research.catalog import Catalog as Catalog
    from interlock.research.result import BacktestResult as BacktestResult
    from interlock.research.runs import backtest as backtest
    from interlock.research.runs import load_result as load_result
    from interlock.strategy import indicators as indicators
    from interlock.strategy.api import Strategy as Strategy
    from interlock.strategy.api import TargetStrategy as TargetStrategy
    from interlock.strategy.columns import BarColumns as BarColumns
    from interlock.strategy.columns import Dataset as Dataset
    from interlock.strategy.parameters import param as param

__version__ = "0.1.0"

# Name -> (module, attribute); "" means the module itself. Imported on first use, because arrays and
# frames take longer to import than most commands take to run.
_PUBLIC = {
    "BacktestResult": ("interlock.research.result", "BacktestResult"),
    "BarColumns": ("interlock.strategy.columns", "BarColumns"),
    "Catalog": ("interlock.research.catalog", "Catalog"),
    "Dataset": ("interlock.strategy.columns", "Dataset"),
    "LiveTradingEngine": ("interlock.live.api", "LiveTradingEngine"),
    "PaperBroker": ("interlock.live.api", "PaperBroker"),
    "RunOptions": ("interlock.research.backtest", "RunOptions"),
    "Strategy": ("interlock.strategy.api", "Strategy"),
    "TargetStrategy": ("interlock.strategy.api", "TargetStrategy"),
    "backtest": ("interlock.research.runs", "backtest"),
    "indicators": ("interlock.strategy.indicators", ""),
    "load_result": ("interlock.research.runs", "load_result"),
    "param": ("interlock.strategy.parameters", "param"),
    "sweep": ("interlock.research.sweep", "sweep"),
    "synthetic": ("interlock.research.synthetic", ""),
}

__all__ = [
    "BacktestResult",
    "BarColumns",
    "Catalog",
    "Dataset",
    "LiveTradingEngine",
    "PaperBroker",
    "RunOptions",
    "Strategy",
    "TargetStrategy",
    "__version__",
    "backtest",
    "indicators",
    "load_result",
    "param",
    "sweep",
    "synthetic",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'interlock' has no attribute {name!r}")
    place, attribute = _PUBLIC[name]
    module = importlib.import_module(place)
    found = getattr(module, attribute) if attribute else module
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
