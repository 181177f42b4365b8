"""How a run is made: the plain numbers a person writes, and the integers they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from interlock.kernel.state import Limits
from interlock.model.instrument import Instrument
from interlock.model.units import parse_units
from interlock.sim.costs import (
    FixedSlippage,
    Latency,
    NoSlippage,
    Slippage,
    SquareRootSlippage,
    VenueOptions,
    VolumeShareSlippage,
)
from interlock.strategy.columns import BarColumns, Dataset

_SLIPPAGE: Mapping[str, Callable[[int], Slippage]] = {
    "none": lambda rate: NoSlippage(),
    "fixed": FixedSlippage,
    "volume_share": VolumeShareSlippage,
    "square_root": SquareRootSlippage,
}


class BacktestError(ValueError):
    """A run that cannot be made as asked."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is made; the plain numbers a person writes, with their unit in the name."""

    cash: float = 1_000_000.0
    currency: str = ""
    fill: str = "next_open"
    slippage: str = "none"
    slippage_bps: float = 0.0
    volume_cap_pct: float | None = 2.5
    touch_fills: bool = False
    leverage: float = 1.0
    margin_mode: str = "cross"
    maker_fee_bps: float | None = None
    taker_fee_bps: float | None = None
    order_latency_ms: float = 0.0
    ack_latency_ms: float = 0.0
    feed_latency_ms: float = 0.0
    liquidation_fee_bps: float = 0.0
    queue: str = "risk_averse"
    order_notional_max: float | None = None
    position_notional_max: float | None = None
    orders_per_second_max: int | None = None
    open_orders_max: int | None = None
    risk_free: float = 0.0

    def __post_init__(self) -> None:
        _one_of("fill", self.fill, ("next_open", "same_close"))
        _one_of("slippage", self.slippage, tuple(_SLIPPAGE))
        _one_of("margin_mode", self.margin_mode, ("cross", "isolated"))
        _at_least("cash", self.cash, 1e-8)
        _at_least("leverage", self.leverage, 1e-6)
        for name in ("slippage_bps", "order_latency_ms", "ack_latency_ms", "feed_latency_ms"):
            _at_least(name, getattr(self, name), 0.0)
        if self.volume_cap_pct is not None:
            _at_least("volume_cap_pct", self.volume_cap_pct, 1e-4)

    def venue(self) -> VenueOptions:
        """The options of the simulated venue, in integers."""
        return VenueOptions(
            fill=self.fill,
            touch_fills=self.touch_fills,
            volume_cap_ratio=None
            if self.volume_cap_pct is None
            else parse_units(self.volume_cap_pct, 4),
            slippage=_SLIPPAGE[self.slippage](bps_rate(self.slippage_bps)),
            latency=Latency(
                order_ns=_ms(self.order_latency_ms),
                ack_ns=_ms(self.ack_latency_ms),
                feed_ns=_ms(self.feed_latency_ms),
            ),
            margin_mode=self.margin_mode,
            liquidation_fee_rate=bps_rate(self.liquidation_fee_bps),
            queue=self.queue,
        )

    def limits(self) -> Limits:
        """The pre-trade limits, in integers."""
        return Limits(
            order_notional_max=_money(self.order_notional_max),
            position_notional_max=_money(self.position_notional_max),
            leverage_max_ratio=parse_units(self.leverage, 6),
            orders_per_window_max=self.orders_per_second_max,
            open_orders_max=self.open_orders_max,
        )


def bps_rate(bps: float) -> int:
    """Basis points as a rate of 1e-6; finer than 0.01 bp is refused."""
    return parse_units(bps, 2)


def with_fees(dataset: Dataset, options: RunOptions) -> Dataset:
    """The dataset with the fees of the run in its instruments."""
    changes: dict[str, int] = {}
    if options.maker_fee_bps is not None:
        changes["maker_rate"] = bps_rate(options.maker_fee_bps)
    if options.taker_fee_bps is not None:
        changes["taker_rate"] = bps_rate(options.taker_fee_bps)
    if not changes:
        return dataset
    replaced: dict[str, Any] = {}
    made: dict[str, Instrument] = {}
    for group in ("bars", "quotes", "trades", "depth", "orders", "funding", "marks"):
        parts = []
        for part in getattr(dataset, group):
            old = part.instrument
            new = made.setdefault(old.id, msgspec.structs.replace(old, **changes))
            values = {key: array for key, array in part.arrays()}
            if isinstance(part, BarColumns):
                values["step_ns"] = part.step_ns
            parts.append(type(part)(instrument=new, **values))
        replaced[group] = tuple(parts)
    return Dataset(
        name=dataset.name, digest=dataset.digest, synthetic=dataset.synthetic, **replaced
    )


def _ms(value: float) -> int:
    return parse_units(value, 6)


def _money(value: float | None) -> int | None:
    return None if value is None else parse_units(value, 8)


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise BacktestError(f"{name}={value!r} must be one of {', '.join(allowed)}")


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise BacktestError(f"{name}={value!r} must be at least {least:g}")
