"""A single series of bars: rows that are passed over leave the same prices behind as the others."""

from __future__ import annotations

import numpy as np
import pytest

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.market import Bar
from interlock.research.backtest import RunOptions, run
from interlock.strategy.api import Strategy
from interlock.strategy.columns import BarColumns, Dataset, FundingColumns

MINUTE = 60 * 10**9


class BuyOnce(Strategy):
    """Holds one unit from the first bar on."""

    def on_bar(self, bar: Bar) -> None:
        if not self.view.position_units():
            self.market(1, 1.0)


@pytest.mark.parametrize("fill", ["same_close", "next_open"])
def test_funding_in_a_gap_is_paid_on_the_last_close(fill: str) -> None:
    instrument = Instrument(
        id="AAAUSD.TEST", kind=InstrumentKind.PERPETUAL, base="AAA", quote="USD",
        price_exponent=0, quantity_exponent=0, price_rule=FixedTick(1), lot=1,
    )  # fmt: skip
    close = np.array([100, 110, 120, 130, 140])
    ts = np.array([0, 1, 2, 3, 9]) * MINUTE
    bars = BarColumns(
        instrument=instrument, step_ns=MINUTE, ts=ts, open=close - 10, high=close, low=close - 10,
        close=close, volume=np.full(5, 10**6),
    )  # fmt: skip
    funding = FundingColumns(
        instrument=instrument, ts=np.array([6 * MINUTE]), rate=np.array([10**8])
    )
    dataset = Dataset(name="gap", digest="gap", bars=(bars,), funding=(funding,))
    result = run(BuyOnce(), dataset, RunOptions(cash=1_000.0, fill=fill))
    assert result.costs["funding"] == pytest.approx(1.3)
