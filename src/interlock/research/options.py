"""How a run is made: the plain numbers a person writes, and the integers they mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

import msgspec

from interlock.model.instrument import Instrument
from interlock.model.limits import Limits
from interlock.model.units import RATE_SCALE, decimals_of, parse_units
from interlock.sim.costs import (
    FixedSlippage,
    Latency,
    NoSlippage,
    Slippage,
    SquareRootSlippage,
    VenueOptions,
    VolumeShareSlippage,
)
from interlock.sim.depth import queue_power
from interlock.strategy.columns import BarColumns, Dataset

SLIPPAGE: Mapping[str, Callable[[int], Slippage]] = {
    "none": lambda rate: NoSlippage(),
    "fixed": FixedSlippage,
    "volume_share": VolumeShareSlippage,
    "square_root": SquareRootSlippage,
}


# Decimals of a coin balance at venues.
_COIN_EXPONENT = 8


class BacktestError(ValueError):
    """A run that cannot be made as asked."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a run is made; the plain numbers a person writes, with their unit in the name.

    ``slippage`` left empty is "fixed" where ``slippage_bps`` is given, else "none".
    """

    cash: float = 1_000_000.0
    currency: str = ""
    fill: str = "next_open"
    slippage: str = ""
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
        if self.slippage == "":
            msgspec.structs.force_setattr(
                self, "slippage", "fixed" if self.slippage_bps else "none"
            )
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None or name not in _OPTIONAL:
                check(name, value)
        if self.slippage == "none" and self.slippage_bps:
            raise BacktestError(
                f"slippage='none' contradicts slippage_bps={self.slippage_bps:g}; leave one away"
            )

    def venue(self) -> VenueOptions:
        """The options of the simulated venue, in integers.

        A venue's leverage is a whole number, so that of the run is rounded up; the kernel's limits
        hold the rest.
        """
        return VenueOptions(
            fill=self.fill,
            touch_fills=self.touch_fills,
            volume_cap_ratio=None
            if self.volume_cap_pct is None
            else parse_units(self.volume_cap_pct, 4),
            slippage=SLIPPAGE[self.slippage](bps_rate(self.slippage_bps)),
            latency=Latency(
                order_ns=_ms(self.order_latency_ms),
                ack_ns=_ms(self.ack_latency_ms),
                feed_ns=_ms(self.feed_latency_ms),
            ),
            margin_mode=self.margin_mode,
            leverage=max(1, ceil(self.leverage)),
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


def check_fee_units(instrument: Instrument) -> None:
    """Refuse quantity units too coarse for a fee in coins, which is taken in whole units.

    Coins are kept to 8 decimals at most; before that, the fee of one lot must be 100 units, so that
    rounding it up costs no more than a hundredth of it.
    """
    rate = max(instrument.maker_rate, instrument.taker_rate)
    if instrument.fee_asset != instrument.base or rate <= 0:
        return
    needed, lot = instrument.quantity_exponent, instrument.lot
    while needed < _COIN_EXPONENT and lot * rate < 100 * RATE_SCALE:
        needed, lot = needed + 1, lot * 10
    if needed > instrument.quantity_exponent:
        raise BacktestError(
            f"{instrument.id} takes fees in {instrument.base}, in whole quantity units of "
            f"1e-{instrument.quantity_exponent}, which are too coarse for a fee of "
            f"{rate / 1e4:g} % on a lot; describe the instrument with quantity_exponent {needed} "
            f"and lot {lot}, or take fees in {instrument.quote}"
        )


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


Check = Callable[[str, Any], None]

# What an amount or a time in integers of 64 bits can hold, with room to grow.
_CASH_MAX = 9e10
_MS_MAX = 1e12


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str):
        raise BacktestError(f"{name}={value!r} must be text; leave it away for the quote currency")


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise BacktestError(f"{name}={value!r} must be True or False")


def _one_of(*allowed: str) -> Check:
    def check(name: str, value: Any) -> None:
        if value not in allowed:
            raise BacktestError(f"{name}={value!r} must be one of {', '.join(allowed)}")

    return check


def _queue(name: str, value: Any) -> None:
    _text(name, value)
    try:
        queue_power(value)
    except ValueError as error:
        raise BacktestError(f"{name}={value!r}: {error}") from None


def _number(least: float, most: float, *, decimals: int) -> Check:
    """A number between two bounds that has at most some decimals."""

    def check(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise BacktestError(f"{name}={value!r} must be a number; write it without quotes")
        if not value >= least:
            raise BacktestError(f"{name}={value!r} must be at least {least:g}")
        if not value <= most:
            raise BacktestError(f"{name}={value!r} must be at most {most:g}")
        if decimals_of(value) > decimals:
            unit = "0.01 basis points" if name.endswith("_bps") else f"1e-{decimals}"
            raise BacktestError(f"{name}={value!r} is finer than {unit}; round it")

    return check


def _count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise BacktestError(f"{name}={value!r} must be a whole number of at least 0")


_DELAY = _number(0.0, _MS_MAX, decimals=6)
_MONEY = _number(0.0, 1e12, decimals=8)
_FEE = _number(-9_999.99, 9_999.99, decimals=2)

# One rule for each field; optional ones may be None.
_OPTIONAL = frozenset(
    (
        "volume_cap_pct",
        "maker_fee_bps",
        "taker_fee_bps",
        "order_notional_max",
        "position_notional_max",
        "orders_per_second_max",
        "open_orders_max",
    )
)
_CHECKS: Mapping[str, Check] = {
    "cash": _number(1e-8, _CASH_MAX, decimals=8),
    "currency": _text,
    "fill": _one_of("next_open", "same_close"),
    "slippage": _one_of(*SLIPPAGE),
    "slippage_bps": _number(0.0, 9_999.99, decimals=2),
    "volume_cap_pct": _number(1e-4, 100.0, decimals=4),
    "touch_fills": _flag,
    "leverage": _number(1e-6, 1e6, decimals=6),
    "margin_mode": _one_of("cross", "isolated"),
    "maker_fee_bps": _FEE,
    "taker_fee_bps": _FEE,
    "order_latency_ms": _DELAY,
    "ack_latency_ms": _DELAY,
    "feed_latency_ms": _DELAY,
    "liquidation_fee_bps": _number(0.0, 9_999.99, decimals=2),
    "queue": _queue,
    "order_notional_max": _MONEY,
    "position_notional_max": _MONEY,
    "orders_per_second_max": _count,
    "open_orders_max": _count,
    "risk_free": _number(-1.0, 1e6, decimals=1_000),
}
