"""The compiled path and the kernel give the same fills, fees, funding and equity, to the unit."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from interlock.kernel.positions import Position, funding_payment
from interlock.model.instrument import (
    FixedTick,
    Instrument,
    InstrumentKind,
    MarginTier,
    SignificantFigures,
)
from interlock.model.units import div_ceil
from interlock.research import compiled
from interlock.research.backtest import run as run_kernel
from interlock.research.digest import result_digest
from interlock.research.options import BacktestError, RunOptions
from interlock.strategy.api import (
    StrategyError,
    TargetStrategy,
    exposure_units,
    signed_quantity_units,
)
from interlock.strategy.columns import BarColumns, Dataset, FundingColumns
from interlock.strategy.parameters import param

MINUTE = 60 * 10**9


class Swing(TargetStrategy):
    """Goes where a random signal points; leaves the position where the signal is small."""

    size: float = param(1.0, 0.0, 60.0)
    cut: float = param(0.2, 0.0, 1.0)
    both_ways: bool = param(True)
    rebalance_band: float = param(0.05, 0.0, 1.0)

    def features(self, bars: Any) -> dict[str, Any]:
        # A fixed hash of the row: causal, and different on every row.
        rows = np.arange(len(bars), dtype=np.float64)
        signal = np.sin(rows * 12.9898 + bars.close[0]) * 43758.5453 % 2.0 - 1.0
        signal[::17] = np.nan
        return {"signal": signal, "drift": bars.close / bars.open - 1.0}

    @staticmethod
    def target(f: Any, position: float) -> float:
        if abs(f.signal) < f.cut:
            return position
        wanted = f.size * f.signal if f.drift >= 0.0 else f.size
        if wanted < 0.0 and not f.both_ways:
            return 0.0
        return wanted


class SwingQuantity(Swing):
    """The same in base units."""

    sizing = "quantity"


@st.composite
def instruments(draw: st.DrawFn) -> Instrument:
    kind = draw(st.sampled_from([InstrumentKind.PERPETUAL, InstrumentKind.SPOT]))
    price_exponent = draw(st.integers(0, 6))
    rule = draw(
        st.one_of(
            st.builds(FixedTick, st.sampled_from([1, 5, 7])),
            st.builds(SignificantFigures, st.integers(3, 5), st.integers(0, 6)),
        )
    )
    lot = draw(st.sampled_from([1, 3, 10]))
    return Instrument(
        id="AAAUSD.TEST",
        kind=kind,
        base="AAA",
        quote="USD",
        price_exponent=price_exponent,
        quantity_exponent=draw(st.integers(0, 8)),
        price_rule=rule,
        lot=lot,
        min_quantity=lot * draw(st.integers(0, 3)),
        max_quantity=draw(st.sampled_from([0, 0, 10**6])),
        min_notional=draw(st.sampled_from([0, 10**9])),
        multiplier=draw(st.sampled_from([1, 1, 10])),
        taker_rate=draw(st.integers(-300, 2_000)),
        margin_tiers=(
            MarginTier(10**11, draw(st.integers(0, 20_000))),
            MarginTier(0, draw(st.integers(20_000, 100_000)), 10**8),
        ),
        leverage_max=draw(st.sampled_from([1, 3, 20])),
    )


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    instrument = draw(instruments())
    rows = draw(st.integers(1, 60))
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start = draw(st.sampled_from([200, 5_000, 3_000_000]))
    moves = generator.normal(0.0, draw(st.sampled_from([0.001, 0.02])), rows)
    close = np.maximum(2, start * np.exp(np.cumsum(moves))).astype(np.int64)
    jump = generator.integers(-2, 3, rows)
    opened = np.maximum(1, np.concatenate(([close[0]], close[:-1])) + jump)
    width = generator.integers(0, max(2, start // 200), rows)
    high = np.maximum(opened, close) + width
    low = np.maximum(1, np.minimum(opened, close) - width)
    volume = generator.integers(0, 10 ** draw(st.integers(1, 12)), rows)
    volume[generator.random(rows) < 0.1] = 0
    if draw(st.booleans()):
        volume[:] = 0
    gaps = generator.choice([1, 1, 1, 3], rows)
    ts = np.cumsum(gaps) * MINUTE + 23 * 60 * MINUTE
    bars = BarColumns(
        instrument=instrument, step_ns=MINUTE, ts=ts, open=opened, high=high, low=low,
        close=close, volume=volume,
    )  # fmt: skip
    funding = ()
    if instrument.is_margined and draw(st.booleans()):
        at = np.sort(generator.choice(int(gaps.sum() + 2) * 4, rows // 3 + 1)) * (MINUTE // 4)
        rates = generator.integers(-(10**7), 10**7, len(at))
        funding = (FundingColumns(instrument=instrument, ts=at + ts[0] - MINUTE, rate=rates),)
    return Dataset(name="random", digest="random", bars=(bars,), funding=funding)


OPTIONS = st.builds(
    RunOptions,
    cash=st.sampled_from([100.0, 12_345.678, 1e6, 1e8, 5e9]),
    fill=st.sampled_from(["next_open", "same_close"]),
    slippage_bps=st.sampled_from([0.0, 1.0, 12.34]),
    volume_cap_pct=st.sampled_from([None, 2.5, 100.0]),
    leverage=st.sampled_from([1.0, 2.5, 10.0]),
)
STRATEGIES = st.tuples(
    st.sampled_from([Swing, SwingQuantity]),
    st.fixed_dictionaries(
        {
            "size": st.one_of(st.sampled_from([0.5, 1.0, 3.0]), st.floats(0.0, 50.0)),
            "cut": st.floats(0.0, 1.0),
            "both_ways": st.booleans(),
            "rebalance_band": st.sampled_from([0.0, 0.05, 0.5]),
        }
    ),
    st.integers(0, 25),
)


class Naive:
    """The semantics of a target strategy on bars, written out once more, in plain integers."""

    def __init__(self, strategy: TargetStrategy, market: compiled.Market) -> None:
        self.strategy = strategy
        self.terms = market.terms
        self.instrument = market.instrument
        self.bars = market.bars
        self.features = strategy.features(market.view)
        self.position = Position(self.instrument)
        self.wallet = market.terms["cash_start"]
        self.rest = 0
        self.fills: list[tuple[int, int, int, int, int]] = []

    def run(self, funding: list[tuple[int, int]]) -> str:
        equity = []
        bars = self.bars
        for row in range(len(bars)):
            opened, closed = int(bars.ts[row]), int(bars.close_ts[row])
            before = int(bars.ts[row - 1]) + bars.step_ns if row else opened - 1
            cap = self._cap(int(bars.volume[row]))
            last = int(bars.close[row - 1]) if row else 0
            self._fund(funding, before, opened, last)
            cap -= self._fill(row, int(bars.open[row]), cap)
            self._fund(funding, opened, closed - 1, int(bars.open[row]))
            mark = int(bars.close[row])
            self._fund(funding, max(closed - 1, opened), closed, mark)
            self._decide(row, mark)
            if self.terms["fill_at_close"] and self._is_known(row):
                self._fill(row, mark, cap)
            equity.append(self.wallet + self.position.unrealized(mark))
        columns = np.array(self.fills, dtype=np.int64).reshape(-1, 5).T
        return result_digest(
            list(columns),
            np.array(equity, dtype=np.int64),
            wallet=self.wallet,
            quantities=[self.position.quantity],
        )

    def _is_known(self, row: int) -> bool:
        return all(values[row] == values[row] for values in self.features.values())

    def _cap(self, volume: int) -> int:
        if self.terms["cap"] < 0:
            return 1 << 62
        share = volume * self.terms["cap"] // 10**6
        return share - share % self.instrument.lot

    def _fund(self, funding: list[tuple[int, int]], after: int, until: int, mark: int) -> None:
        for ts, rate in funding:
            if after < ts <= until and self.position.quantity:
                held = self.position.quantity
                self.wallet += funding_payment(self.instrument, held, mark, rate)

    def _fill(self, row: int, mark: int, cap: int) -> int:
        size = min(abs(self.rest), cap)
        if not size:
            return 0
        side = 1 if self.rest > 0 else -1
        slip = div_ceil(mark * self.terms["slippage"], 10**6)
        price = max(1, self.instrument.round_price(mark + side * slip, up=side > 0))
        rate = self.instrument.taker_rate
        if side > 0 and not self.instrument.is_margined:
            cost = self.instrument.notional(price, size, "ceil")
            cost += max(0, self.instrument.fee(cost, rate))
            cash = max(0, self.wallet - self.position.cost)
            if cost > cash:
                size = cash * size // cost
                size -= size % self.instrument.lot
                self.rest = size
        if not size:
            return 0
        fee = self.instrument.fee(self.instrument.notional(price, size), rate)
        realized = self.position.fill(side * size, price)
        self.wallet += realized - fee
        self.rest -= side * size
        self.fills.append((int(self.bars.close_ts[row]), side * size, price, fee, realized))
        return size

    def _decide(self, row: int, mark: int) -> None:
        if row < self.strategy.warmup or not self._is_known(row):
            return
        instrument, held = self.instrument, self.position.quantity
        equity = self.wallet + self.position.unrealized(mark)
        fields = {name: float(values[row]) for name, values in self.features.items()}
        record = type("Row", (), {**fields, **self.strategy.parameter_values()})
        self.rest = 0
        if self.strategy.sizing == "quantity":
            position = held / 10.0**instrument.quantity_exponent
            answer = float(self.strategy.target(record, position))
            wanted = signed_quantity_units(instrument, answer)
        else:
            position = self.position.value(mark) / equity if held and equity else 0.0
            answer = self.strategy.target(record, position)
            wanted = self._of_exposure(exposure_units(answer), equity, mark)
        if wanted < 0 and not instrument.is_margined:
            wanted = 0
        if self._is_allowed(wanted - held, equity, mark):
            self.rest = wanted - held

    def _of_exposure(self, exposure: int, equity: int, mark: int) -> int:
        held = self.position.quantity
        if not exposure or equity <= 0:
            return 0
        money = equity * min(abs(exposure), self.terms["leverage"]) // 10**6
        if held and (held > 0) == (exposure > 0):
            distance = abs(money - abs(self.position.value(mark)))
            band = exposure_units(self.strategy.rebalance_band)
            if distance * 10**6 <= band * equity:
                return held
        numerator, denominator = self.instrument.money_factor
        units = money * denominator // (mark * numerator)
        units -= units % self.instrument.lot
        return units if exposure > 0 else -units

    def _is_allowed(self, difference: int, equity: int, mark: int) -> bool:
        instrument, held = self.instrument, self.position.quantity
        if not difference or instrument.quantity_fault(abs(difference)):
            return False
        if held * difference < 0 and abs(difference) <= abs(held):
            return True
        notional = instrument.notional(mark, abs(difference))
        if notional < instrument.min_notional:
            return False
        free = self.wallet - self.position.cost
        if difference > 0 and not instrument.is_margined and (notional > free or free <= 0):
            return False
        gross = abs(instrument.notional(mark, held + difference))
        return gross * 10**6 <= self.terms["leverage"] * max(equity, 0)


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(dataset=datasets(), options=OPTIONS, chosen=STRATEGIES)
def test_the_three_paths_agree_to_the_last_unit(
    dataset: Dataset,
    options: RunOptions,
    chosen: tuple[type[TargetStrategy], dict[str, Any], int],
) -> None:
    kind, parameters, warmup = chosen
    strategy = kind(**parameters)
    strategy.warmup = warmup
    try:
        market = compiled.prepare(dataset, options)
        outcome = compiled.run(strategy, market)
    except compiled.NeedsKernel as needed:
        assert str(needed)
        # What the compiled path refuses is the kernel's, whatever comes of it there.
        with contextlib.suppress(StrategyError, BacktestError):
            run_kernel(strategy, dataset, options)
        assume(False)
        return
    digest = compiled.digest(outcome, market)
    result = run_kernel(strategy, dataset, options)
    brief = compiled.run(strategy, market, keep=False)
    for name in ("fill_count", "fees", "funding", "wallet", "quantity", "cost", "max_drawdown"):
        assert getattr(brief, name) == getattr(outcome, name)
    assert np.array_equal(brief.daily, outcome.daily)
    assert result.fills["quantity_units"].to_list() == [
        abs(int(value)) for value in outcome.fills[:, 2]
    ]
    assert result.fills["fee_units"].to_list() == outcome.fills[:, 4].tolist()
    assert result.equity["equity_units"].to_list() == outcome.equity.tolist()
    assert result.result_digest == digest
    payments = [
        (int(ts), int(rate))
        for part in dataset.funding
        for ts, rate in zip(part.ts, part.rate, strict=True)
        if ts >= dataset.bars[0].ts[0]
    ]
    assert Naive(strategy, market).run(payments) == digest


@pytest.mark.parametrize("keep", [True, False])
def test_a_run_without_rows_has_the_same_totals(keep: bool) -> None:
    instrument = Instrument(
        id="AAAUSD.TEST", kind=InstrumentKind.PERPETUAL, base="AAA", quote="USD",
        price_exponent=2, quantity_exponent=3, price_rule=FixedTick(1), lot=1, taker_rate=500,
    )  # fmt: skip
    close = 10_000 + np.cumsum(np.random.default_rng(4).integers(-9, 10, 3_000))
    bars = BarColumns(
        instrument=instrument, step_ns=MINUTE, ts=np.arange(3_000) * MINUTE, open=close,
        high=close + 3, low=close - 3, close=close, volume=np.full(3_000, 10**9),
    )  # fmt: skip
    dataset = Dataset(name="walk", digest="walk", bars=(bars,))
    market = compiled.prepare(dataset, RunOptions())
    outcome = compiled.run(Swing(), market, keep=keep)
    result = run_kernel(Swing(), dataset, RunOptions())
    assert outcome.fill_count == result.fills.height
    assert outcome.fees == result.fills["fee_units"].sum()
    assert outcome.final_equity == result.equity["equity"][-1]
    assert -outcome.max_drawdown == pytest.approx(result.metrics["max_drawdown"], abs=1e-12)
    assert len(outcome.fills) == (outcome.fill_count if keep else 0)
