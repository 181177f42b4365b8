"""Runs a target strategy compiled, or says why only the kernel can run it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock import config
from interlock.model.units import MONEY_SCALE
from interlock.research.compiled import loop
from interlock.research.compiled.build import Run, compile_run
from interlock.research.compiled.source import NeedsKernel, read_target
from interlock.research.compiled.terms import Market, record
from interlock.research.digest import result_digest
from interlock.research.target_runner import feature_columns
from interlock.strategy.api import TargetStrategy, exposure_units

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
_INT_MAX = 1 << 20
_ENDS = {
    loop.LIQUIDATION: "the position may be liquidated on row {row}",
    loop.TOO_LARGE: "a quantity or an amount of money leaves 64 bits on row {row}",
    loop.BAD_TARGET: "target returned no usable number on row {row}",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a compiled run did; integers in the units of the instrument and of money.

    ``fills`` has the columns row, moment (0 open, 1 close), signed quantity, price, fee, realized
    and is empty, like ``equity``, unless the run was asked to keep them. ``daily`` is the equity at
    the last bar of each UTC day in ``day_numbers`` (days since 1970).
    """

    fills: Integers
    equity: Integers
    daily: Integers
    day_numbers: Integers
    wallet: int
    quantity: int
    cost: int
    fees: int
    funding: int
    fill_count: int
    turnover: float
    max_drawdown: float

    @property
    def final_equity(self) -> float:
        """Equity at the last close, in the account currency."""
        return float(self.daily[-1].item() / MONEY_SCALE)


def run(strategy: TargetStrategy, market: Market, *, keep: bool = True) -> Outcome:
    """One run; ``keep`` records fills and equity. Raises NeedsKernel with the reason.

    Holds no lock while the bars are processed, so that threads run side by side.
    """
    features = feature_columns(strategy, market.view)
    compiled, parameters = _program(strategy, tuple(features), market)
    values = _values(strategy, parameters)
    columns = tuple(_frozen(column) for column in features.values()) or (_frozen(np.zeros(1)),)
    rows = len(market.bars)
    state = record({}, loop.STATE)
    fills = np.empty((2 * rows if keep else 0, 6), np.int64)
    equity = np.empty(rows if keep else 0, np.int64)
    daily = np.empty(len(market.days), np.int64)
    measures = np.zeros(2)
    terms = market.terms | {
        "warmup": strategy.warmup,
        "band": exposure_units(strategy.rebalance_band),
    }
    rules = (record(terms, loop.TERMS), market.funding, market.tiers)
    sinks = (fills, equity, daily, measures)
    try:
        ended = compiled((columns, values), market.columns, market.days, rules, state, sinks)
    except (ArithmeticError, ValueError):
        raise NeedsKernel("target raises an error") from None
    row, code = divmod(ended, 8)
    if code != loop.DONE:
        raise NeedsKernel(_ENDS[code].format(row=row))
    return Outcome(
        fills[: int(state["fills"])] if keep else fills,
        equity,
        daily,
        market.day_numbers,
        int(state["wallet"]),
        int(state["held"]),
        int(state["cost"]),
        int(state["fees"]),
        int(state["funding"]),
        int(state["fills"]),
        float(measures[loop.TURNOVER]) / MONEY_SCALE,
        float(measures[loop.FALL]),
    )


def _program(
    strategy: TargetStrategy, features: tuple[str, ...], market: Market
) -> tuple[Run, tuple[str, ...]]:
    """The machine code of a target and the parameters it reads; a market keeps what it ran."""
    key = (type(strategy), features)
    found: tuple[Run, tuple[str, ...]] | None = market.programs.get(key)
    if found is None:
        kinds = {name: item.type for name, item in strategy.parameters.items()}
        source = read_target(type(strategy).target, features, kinds)
        made = compile_run(
            source,
            max(1, len(features)),
            cache_folder(),
            by_quantity=strategy.sizing == "quantity",
        )
        found = market.programs[key] = (made, source.parameters)
    return found


def digest(outcome: Outcome, market: Market) -> str:
    """The result digest of a run that kept its fills and equity: the kernel's is the same."""
    fills = outcome.fills
    columns = [market.bars.close_ts[fills[:, loop.ROW]]]
    columns += [fills[:, k] for k in (loop.SIGNED, loop.PRICE, loop.FEE, loop.REALIZED)]
    return result_digest(
        columns, outcome.equity, wallet=outcome.wallet, quantities=[outcome.quantity]
    )


def cache_folder() -> Path:
    """Where generated modules and their machine code are kept."""
    return config.load().cache / "compiled"


def _values(strategy: TargetStrategy, names: tuple[str, ...]) -> Floats:
    found: list[float] = []
    for name in names:
        value: Any = getattr(strategy, name)
        if type(value) is int and abs(value) >= _INT_MAX:
            raise NeedsKernel(f"parameter {name}={value} is too large for compiled integers")
        found.append(float(value))
    made = np.array(found, dtype=np.float64)
    made.flags.writeable = False
    return made


def _frozen(column: Floats) -> Floats:
    if column.flags.writeable:
        column = column.view()
        column.flags.writeable = False
    return column
