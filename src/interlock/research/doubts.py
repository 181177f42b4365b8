"""What of the bars of a run a reader must know before believing it."""

from __future__ import annotations

import numpy as np

from interlock.strategy.columns import BarColumns, Dataset

_BLOCK = 1 << 18


def broken_bars(dataset: Dataset) -> list[str]:
    """A sentence for each series with bars that contradict themselves or have no positive price."""
    found = []
    for bars in dataset.bars:
        count = _broken(bars)
        if count:
            found.append(
                f"{count:,} of {len(bars):,} bars of {bars.instrument.id} have a price of 0 or "
                "less, or a high or low that their other prices contradict: fills inside them have "
                "no meaning (interlock data check names them)"
            )
    return found


def without_volume(dataset: Dataset) -> list[str]:
    """The instruments whose bars say nothing of volume, so that no share of it can be a bound."""
    return [bars.instrument.id for bars in dataset.bars if len(bars) and not bars.volume.any()]


def _broken(bars: BarColumns) -> int:
    """How many bars contradict themselves; block by block, so that a long run needs no room."""
    count = 0
    for start in range(0, len(bars), _BLOCK):
        rows = slice(start, start + _BLOCK)
        opened, low, high, close = (
            column[rows] for column in (bars.open, bars.low, bars.high, bars.close)
        )
        wrong = (low <= 0) | (low > np.minimum(opened, close)) | (high < np.maximum(opened, close))
        count += int(np.count_nonzero(wrong))
    return count
