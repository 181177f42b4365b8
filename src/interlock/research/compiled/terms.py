"""What a compiled run is given, in integers, with the proof that 64 bits are enough.

Every product in the loop is bounded by the largest price of the data and the largest quantity and
equity that are let through: the loop refuses a quantity above ``quantity_max`` and an equity above
``equity_max``, and below these no product reaches 2^62.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from interlock.model.instrument import FixedTick, Instrument
from interlock.model.units import FUNDING_SCALE, RATE_SCALE, parse_units
from interlock.research.compiled.loop import AT_CLOSE, BEFORE, DURING, LIMIT, TERMS
from interlock.research.compiled.source import NeedsKernel
from interlock.research.options import RunOptions, bps_rate, with_fees
from interlock.research.target_runner import FeatureBars
from interlock.strategy.columns import BarColumns, Dataset

Integers = NDArray[np.int64]
DAY_NS = 86_400 * 10**9
# Rows that are checked at once: temporary columns of this length stay in the processor's cache.
CHUNK = 1 << 13


@dataclass(frozen=True, slots=True)
class Market:
    """One dataset under one set of options, ready for any number of compiled runs."""

    bars: BarColumns
    view: FeatureBars
    options: RunOptions
    columns: tuple[Integers, ...]
    days: Integers
    day_numbers: Integers
    funding: Integers
    tiers: Integers
    terms: dict[str, int]
    # Compiled targets by what they were compiled from; they live as long as the market.
    programs: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def instrument(self) -> Instrument:
        """The instrument, with the fees of the run."""
        return self.bars.instrument


def prepare(dataset: Dataset, options: RunOptions) -> Market:
    """The market of a compiled run; raises NeedsKernel with the first thing it does not model."""
    _check_dataset(dataset)
    _check_options(options)
    bars = with_fees(dataset, options).bars[0]
    _check_instrument(bars.instrument)
    _check_rows(bars)
    ends, numbers = _days(bars)
    return Market(
        bars,
        FeatureBars(bars),
        options,
        tuple(getattr(bars, name) for name in ("open", "high", "low", "close", "volume")),
        ends,
        numbers,
        _funding(dataset, bars),
        _frozen(
            [
                [tier.notional_max, tier.maintenance_rate, tier.amount]
                for tier in bars.instrument.margin_tiers
            ]
        ),
        _terms(bars, options),
    )


def _check_dataset(dataset: Dataset) -> None:
    if len(dataset.bars) != 1 or len(dataset.instruments()) != 1:
        raise NeedsKernel("the data has more than one series of bars")
    if len(dataset.bars[0]) == 0:
        raise NeedsKernel("the data has no bars")
    for name in ("quotes", "trades", "depth", "orders", "marks"):
        if getattr(dataset, name):
            raise NeedsKernel(f"the data has {name} beside the bars")


def _check_options(options: RunOptions) -> None:
    if options.slippage not in ("none", "fixed"):
        raise NeedsKernel(f"slippage model {options.slippage!r} depends on the volume")
    if options.slippage == "fixed" and options.slippage_bps >= 10_000:
        raise NeedsKernel(f"slippage of {options.slippage_bps} bp is the whole price")
    if options.margin_mode != "cross":
        raise NeedsKernel(f"margin mode {options.margin_mode!r}")
    for name in ("order_latency_ms", "ack_latency_ms", "feed_latency_ms"):
        if getattr(options, name):
            raise NeedsKernel(f"{name} is {getattr(options, name)}")
    for name in (
        "order_notional_max",
        "position_notional_max",
        "orders_per_second_max",
        "open_orders_max",
    ):
        if getattr(options, name) is not None:
            raise NeedsKernel(f"the limit {name} is set")


def _check_instrument(instrument: Instrument) -> None:
    if instrument.fee_asset not in ("", instrument.quote):
        raise NeedsKernel(f"{instrument.id}: fees are taken in {instrument.fee_asset}")
    if instrument.borrow_rate_daily and instrument.allow_short:
        raise NeedsKernel(f"{instrument.id}: a short position pays a borrow rate")
    if any(tier.maintenance_rate >= RATE_SCALE for tier in instrument.margin_tiers):
        raise NeedsKernel(f"{instrument.id}: a maintenance rate is the whole notional")


def _check_rows(bars: BarColumns) -> None:
    if len(bars) > 1 and int(np.min(bars.ts[1:] - bars.ts[:-1])) < bars.step_ns:
        raise NeedsKernel("bars overlap in time")
    if int(bars.low.min()) <= 0:
        raise NeedsKernel("a price is zero or negative")
    for first in range(0, len(bars), CHUNK):
        low, high, opened, close, volume = (
            getattr(bars, name)[first : first + CHUNK]
            for name in ("low", "high", "open", "close", "volume")
        )
        fits = (low <= np.minimum(opened, close)) & (np.maximum(opened, close) <= high)
        fits &= volume >= 0
        if not fits.all():
            row = first + int(np.argmin(fits))
            raise NeedsKernel(f"the prices or the volume of row {row} do not form a bar")


def _days(bars: BarColumns) -> tuple[Integers, Integers]:
    """The row after the last bar of each UTC day that has one, and the days' numbers."""
    first = (int(bars.ts[0]) + bars.step_ns - 1) // DAY_NS
    last = (int(bars.ts[-1]) + bars.step_ns - 1) // DAY_NS
    numbers = np.arange(first, last + 1, dtype=np.int64)
    # A close at midnight belongs to the day before.
    ends = np.searchsorted(bars.ts, (numbers + 1) * DAY_NS - bars.step_ns, "right")
    kept = np.diff(ends, prepend=0) > 0
    return _frozen(ends[kept]), numbers[kept]


def _terms(bars: BarColumns, options: RunOptions) -> dict[str, int]:
    instrument = bars.instrument
    numerator, denominator = instrument.money_factor
    slippage = bps_rate(options.slippage_bps) if options.slippage == "fixed" else 0
    tick, figures, finest, coarsest = _price_rule(instrument)
    step = tick or coarsest
    top = int(bars.high.max())
    unit = (top + top * slippage // RATE_SCALE + 1 + step) * numerator
    leverage = min(parse_units(options.leverage, 6), instrument.leverage_max * RATE_SCALE)
    cap = -1
    if options.volume_cap_pct is not None and bool(bars.volume.any()):
        cap = parse_units(options.volume_cap_pct, 4)
    room = int(bars.volume.min()) * max(cap, 0) // RATE_SCALE
    terms = {
        "cash_start": parse_units(options.cash, 8),
        "fill_at_close": int(options.fill == "same_close"),
        "numerator": numerator,
        "denominator": denominator,
        "lot": instrument.lot,
        "least": instrument.min_quantity,
        "most": instrument.max_quantity,
        "notional_min": instrument.min_notional,
        "leverage": leverage,
        "slippage": slippage,
        "cap": cap,
        "room": room - room % instrument.lot,
        "rate": instrument.taker_rate,
        "is_paid": int(not (instrument.is_margined or instrument.allow_short)),
        "tick": tick,
        "figures": figures,
        "finest": finest,
        "coarsest": coarsest,
        # A flip trades twice the largest position.
        "quantity_max": min(LIMIT // unit, 1 << 52),
        "equity_max": LIMIT // (leverage // RATE_SCALE + 1),
        "quantity_unit": 10**instrument.quantity_exponent,
        "lowest": int(bars.low.min()),
        "highest": top,
    }
    _check_bounds(terms, bars)
    return terms


def _check_bounds(terms: dict[str, int], bars: BarColumns) -> None:
    if terms["quantity_max"] < terms["lot"]:
        raise NeedsKernel("one lot at the highest price does not fit into 64 bits")
    if not 0 < terms["cash_start"] <= terms["equity_max"]:
        raise NeedsKernel("the starting cash does not fit into 64 bits")
    volume = int(bars.volume.max())
    if volume // RATE_SCALE * max(0, terms["cap"]) >= LIMIT:
        raise NeedsKernel("a share of the largest volume does not fit into 64 bits")
    for name, value in terms.items():
        if not -LIMIT <= value <= LIMIT:
            raise NeedsKernel(f"{name} {value} does not fit into 64 bits")


def _price_rule(instrument: Instrument) -> tuple[int, int, int, int]:
    rule = instrument.price_rule
    if isinstance(rule, FixedTick):
        return rule.tick, 0, 0, 0
    whole = 10**instrument.price_exponent
    return 0, rule.figures, 10 ** max(0, instrument.price_exponent - rule.decimals), whole


def _funding(dataset: Dataset, bars: BarColumns) -> Integers:
    """Rows, places and rates of the funding instants that the bars cover, in order."""
    parts = [(part.ts, part.rate) for part in dataset.funding]
    if not parts:
        return _frozen(np.empty((3, 0), np.int64))
    ts = np.concatenate([part[0] for part in parts])
    rate = np.concatenate([part[1] for part in parts])
    rows = np.searchsorted(bars.ts, ts - bars.step_ns, "left")
    inside = (rows < len(bars)) & (ts >= bars.ts[0])
    rows, ts, rate = rows[inside], ts[inside], rate[inside]
    order = np.argsort(rows, kind="stable")
    rows, ts, rate = rows[order], ts[order], rate[order]
    opened = bars.ts[rows]
    places = np.where(ts <= opened, BEFORE, np.where(ts < opened + bars.step_ns, DURING, AT_CLOSE))
    if len(parts) > 1 and bool(np.any((np.diff(rows) == 0) & (np.diff(places) < 0))):
        raise NeedsKernel("funding of one bar comes from several series out of order")
    if len(rate) and int(np.abs(rate).max()) > FUNDING_SCALE:
        raise NeedsKernel("a funding rate is above 100 %")
    if len(rate) and bars.instrument.money_factor[1] * FUNDING_SCALE >= LIMIT:
        raise NeedsKernel("funding of this fine a quantity does not fit into 64 bits")
    return _frozen(np.stack([rows, places, rate]))


def record(values: dict[str, int], names: list[str]) -> Any:
    """One record of int64 fields, as the compiled module declares it."""
    made = np.zeros(1, np.dtype([(name, "i8") for name in names], align=True))
    for name, value in values.items():
        made[name] = value
    return made[0]


def _frozen(values: Any) -> Integers:
    made = np.ascontiguousarray(values, dtype=np.int64)
    made.flags.writeable = False
    return made


assert TERMS  # The names above are fields of the loop's terms.
