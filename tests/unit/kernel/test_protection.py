"""A strategy that requires protection enters with a covering stop, or not at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from interlock.model.instrument import FixedTick, Instrument, InstrumentKind
from interlock.model.market import Bar
from interlock.model.order import OrderSpec, OrderType
from interlock.research.backtest import RunOptions, run
from interlock.research.result import BacktestResult
from interlock.strategy.api import Strategy
from interlock.strategy.columns import BarColumns, Dataset

INSTRUMENT = Instrument(
    id="BTCUSDT-PERP.SIM",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=1,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=1,
    leverage_max=10,
)


def flat_bars(count: int = 6) -> Dataset:
    level = np.full(count, 1_000)
    bars = BarColumns(
        instrument=INSTRUMENT,
        step_ns=60 * 10**9,
        ts=np.arange(count) * 60 * 10**9,
        open=level,
        high=level + 5,
        low=level - 5,
        close=level,
        volume=np.full(count, 10**9),
    )
    return Dataset(name="flat", digest="flat", bars=(bars,))


class OnFirstBar(Strategy):
    """Calls ``enter`` once, on the first bar."""

    protection = "required"

    def on_bar(self, bar: Bar) -> None:
        if bar.row == 0:
            self.enter()

    def enter(self) -> None:
        raise NotImplementedError


class Bracketed(OnFirstBar):
    def enter(self) -> None:
        self.bracket(1, 1.0, stop=90.0, target=120.0)


class Bare(OnFirstBar):
    def enter(self) -> None:
        self.market(1, 1.0)


class ByHand(OnFirstBar):
    """A parent and a child that is placed with it; the child is what the test says."""

    child: dict[str, Any]

    def enter(self) -> None:
        name = INSTRUMENT.id
        parent = self.place(OrderSpec(name, 1, 1_000))
        fields = {"quantity": 1_000, "type": OrderType.STOP_MARKET, "trigger": 900, **self.child}
        exits = {"side": -1, "reduce_only": True, "parent": parent}
        self.place(OrderSpec(name, **{**exits, **fields}))


def made(strategy: Strategy) -> BacktestResult:
    return run(strategy, flat_bars(), RunOptions(cash=10_000))


def test_a_bracket_brings_its_stop() -> None:
    result = made(Bracketed())
    assert result.counters["denied"] == 0
    assert result.fills["position_after"].to_list() == [1.0]
    stop = result.orders.filter(result.orders["type"] == "stop_market")
    assert (stop["status"].to_list(), stop["quantity"].to_list()) == (["accepted"], [1.0])


def test_a_bare_entry_is_denied() -> None:
    result = made(Bare())
    assert result.counters["denied PROTECTION_MISSING"] == 1
    assert len(result.fills) == 0


@pytest.mark.parametrize(
    "child",
    [
        {"quantity": 999},
        {"type": OrderType.LIMIT, "price": 1_200, "trigger": 0},
        {"type": OrderType.TAKE_PROFIT, "trigger": 1_200},
    ],
    ids=["too small", "a target", "a take profit"],
)
def test_a_child_that_does_not_cover_is_no_protection(child: dict[str, Any]) -> None:
    strategy = ByHand()
    strategy.child = child
    assert made(strategy).counters["denied PROTECTION_MISSING"] == 1


def test_a_covering_child_placed_by_hand_is() -> None:
    strategy = ByHand()
    strategy.child = {}
    assert made(strategy).counters["denied"] == 0
