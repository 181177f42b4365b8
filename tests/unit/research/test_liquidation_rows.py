"""A liquidation among the results: a fill for each holder, and the end of its round trip."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from interlock.research.backtest import RunOptions, run
from interlock.strategy.api import Strategy
from interlock.strategy.columns import BarColumns, Dataset
from tests.scenario import PERPETUAL

HOUR = 3600 * 10**9
# Bought at 100, liquidated near 50, from the fourth bar at 70.
PRICES = [(100, 101, 99, 100)] * 2 + [(100, 100, 40, 70)] + [(70, 71, 69, 70)] * 5


class BuysTwice(Strategy):
    """Buys one on the first bar, and a hundredth on the fourth."""

    def on_start(self) -> None:
        self.seen = 0

    def on_bar(self, bar: Any) -> None:
        self.seen += 1
        if self.seen in (1, 4):
            self.market(1, 1.0 if self.seen == 1 else 0.01)


def dataset() -> Dataset:
    table = np.array(PRICES, np.int64).T * 100
    columns = dict(zip(("open", "high", "low", "close"), table, strict=True))
    size = len(PRICES)
    bars = BarColumns(
        instrument=msgspec.structs.replace(PERPETUAL, taker_rate=500),
        step_ns=HOUR,
        ts=np.arange(size, dtype=np.int64) * HOUR,
        volume=np.full(size, 10**9),
        **{name: np.ascontiguousarray(column) for name, column in columns.items()},
    )
    return Dataset(name="fall", digest="fall", synthetic=True, bars=(bars,))


def test_a_liquidation_is_a_fill_and_ends_its_round_trip() -> None:
    options = RunOptions(cash=51.0, leverage=10.0, liquidation_fee_bps=10.0)
    result = run(BuysTwice(), dataset(), options)
    bought, forced, again = result.fills.iter_rows(named=True)
    # (100 - 51 + 0.05) / 0.995, rounded down; the fee is 0.1 % of it.
    assert (forced["side"], forced["quantity"], forced["price"]) == (-1, 1.0, 49.29)
    assert (forced["tag"], forced["position_after"]) == ("liquidation", 0.0)
    assert (forced["fee"], forced["realized"]) == (0.04929, -50.71)
    assert again["position_after"] == 0.01
    assert result.costs["fees"] == bought["fee"] + forced["fee"] + again["fee"]
    first, second = result.round_trips.iter_rows(named=True)
    assert (first["is_open"], first["exit_price"], first["quantity"]) == (False, 49.29, 1.0)
    assert round(first["pnl"], 8) == -50.76 - 0.04929
    assert (second["is_open"], second["quantity"]) == (True, 0.01)
    total = first["pnl"] + second["pnl"]
    assert abs(51.0 + total - result.equity["equity"][-1]) < 1e-8


def test_each_strategy_has_its_own_row_of_a_liquidation() -> None:
    options = RunOptions(cash=104.0, leverage=10.0)
    result = run({"A": BuysTwice(), "B": BuysTwice()}, dataset(), options)
    forced = result.fills.filter(result.fills["tag"] == "liquidation")
    assert forced["strategy"].to_list() == ["A", "B"]
    assert forced["position_after"].to_list() == [1.0, 0.0]
    assert result.round_trips.filter(~result.round_trips["is_open"])["strategy"].to_list() == [
        "A",
        "B",
    ]
