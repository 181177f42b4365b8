"""Interlock takes a trading strategy from a backtest that can be believed to live markets."""

__version__ = "0.1.0"
