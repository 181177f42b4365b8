"""The seeded synthetic market: bars, ticks, depth and funding that need no download.

Everything here is invented, and says so: instrument ids end in .SYNTHETIC, instruments and data
sets carry ``synthetic=True``. Equal arguments give equal bytes in every process; docs/
synthetic-market.md compares the result with measured markets.
"""

from interlock.research.synthetic.bars import START, bars
from interlock.research.synthetic.datasets import PRESETS, Preset, dataset
from interlock.research.synthetic.depth import depth, depth_under
from interlock.research.synthetic.funding import funding
from interlock.research.synthetic.symbols import (
    SYMBOLS,
    Book,
    Symbol,
    SyntheticError,
    instrument,
    symbol,
)
from interlock.research.synthetic.ticks import quotes_and_trades

__all__ = [
    "PRESETS",
    "START",
    "SYMBOLS",
    "Book",
    "Preset",
    "Symbol",
    "SyntheticError",
    "bars",
    "dataset",
    "depth",
    "depth_under",
    "funding",
    "instrument",
    "quotes_and_trades",
    "symbol",
]
