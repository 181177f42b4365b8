"""Warm-up of an event strategy: the indicators that it follows, as columns from later starts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from interlock.research.lookahead.data import later
from interlock.research.lookahead.source import StrategySource
from interlock.research.lookahead.verdict import Finding, Outcome, judged
from interlock.research.lookahead.warmup import check_warmup
from interlock.strategy.api import Followed
from interlock.strategy.columns import BarColumns, Dataset
from interlock.strategy.indicators.live import Indicator, columns_of

TEST = "warm-up convergence"


def check_followed(
    followed: Sequence[Followed], starts: Sequence[int], dataset: Dataset, kind: type
) -> Outcome:
    """Followed indicators, before their first bar, over the data's own bars from several starts.

    What an author keeps by hand is not seen.
    """
    known = [(f"{type(item.indicator).__name__} {index}", item) for index, item in
             enumerate(followed, 1) if _is_ours(item, dataset)]  # fmt: skip
    if not known or not starts:
        return Outcome(
            test=TEST, status="skipped", tried="no followed indicator of the data's bars"
        )
    failed: list[Finding] = []
    warned: list[Finding] = []
    tried = []
    source = StrategySource(kind)
    for name, item in known:
        bars = _bars(item, dataset)
        late = [
            (
                int(np.searchsorted(bars.ts, ts)),
                lambda ts=ts, name=name, item=item: _columns(name, item, later(dataset, ts)),
            )
            for ts in starts
        ]
        outcome = check_warmup(
            _columns(name, item, dataset),
            late,
            bars=bars,
            declared=int(getattr(kind, "warmup", 0)),
            source=source,
        )
        (failed if outcome.status == "failed" else warned).extend(outcome.findings)
        tried.append(outcome.tried.partition("rows to agree: ")[2])
    return judged(TEST, f"{len(starts)} later starts; rows to agree: {', '.join(tried)}",
                  failed, warned)  # fmt: skip


def _is_ours(item: Followed, dataset: Dataset) -> bool:
    parts = [part for part in dataset.bars if part.instrument.id == item.instrument]
    finest = min((part.step_ns for part in parts), default=0)
    return isinstance(item.indicator, Indicator) and bool(finest) and item.step_ns in (0, finest)


def _bars(item: Followed, dataset: Dataset) -> BarColumns:
    return dataset.bar(item.instrument)


def _columns(name: str, item: Followed, dataset: Dataset) -> dict[str, NDArray[np.float64]]:
    bars = _bars(item, dataset)
    inputs = [bars.quantities(key) if key == "volume" else bars.prices(key) for key in item.sources]
    assert isinstance(item.indicator, Indicator)
    made = columns_of(item.indicator, *inputs)
    return {name if len(made) == 1 else f"{name}[{row}]": values for row, values in enumerate(made)}
