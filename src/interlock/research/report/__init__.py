"""Write a result as one self-contained page that opens without a network."""

from interlock.research.report.content import instrument_names, strategy_name
from interlock.research.report.page import render

__all__ = ["instrument_names", "render", "strategy_name"]
