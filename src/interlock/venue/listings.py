"""What the local exchange lists when nobody says otherwise: a few large perpetuals per protocol.

Ticks, lots, minimums, tiers and fees are those of the real symbols at their usual sizes; prices
are where the synthetic market starts.
"""

from __future__ import annotations

import msgspec

from interlock.model.instrument import (
    FixedTick,
    Instrument,
    InstrumentKind,
    MarginTier,
    SignificantFigures,
)
from interlock.model.units import MONEY_SCALE

_HOUR_NS = 3_600 * 10**9
FUNDING_INTERVALS = {"binance": 8 * _HOUR_NS, "hyperliquid": _HOUR_NS}


class Listing(msgspec.Struct, frozen=True):
    """An instrument and the price, in price units, at which its synthetic market starts."""

    instrument: Instrument
    price: int


def _tiers(*rows: tuple[int, int]) -> tuple[MarginTier, ...]:
    """Tiers from (notional cap, maintenance rate of 1e-6); the amounts make them meet."""
    tiers: list[MarginTier] = []
    floor = amount = rate_before = 0
    for cap, rate in rows:
        amount += floor * (rate - rate_before) // 10**6
        tiers.append(MarginTier(cap * MONEY_SCALE, rate, amount))
        floor, rate_before = cap * MONEY_SCALE, rate
    return tuple(tiers)


LARGE_TIERS = _tiers(
    (300_000, 4_000), (3_000_000, 5_000), (12_000_000, 10_000), (70_000_000, 25_000),
    (100_000_000, 50_000), (230_000_000, 100_000), (480_000_000, 125_000), (0, 150_000),
)  # fmt: skip


def _binance(
    base: str, *, price: str, tick: tuple[int, int], lot: tuple[int, int], least: int
) -> Listing:
    price_exponent, tick_units = tick
    quantity_exponent, lot_units = lot
    instrument = Instrument(
        id=f"{base}USDT-PERP.BINANCE",
        kind=InstrumentKind.PERPETUAL,
        base=base,
        quote="USDT",
        price_exponent=price_exponent,
        quantity_exponent=quantity_exponent,
        price_rule=FixedTick(tick_units),
        lot=lot_units,
        min_quantity=lot_units,
        max_quantity=1_000 * 10**quantity_exponent * (1 if base == "BTC" else 10),
        min_notional=least * MONEY_SCALE,
        maker_rate=200,
        taker_rate=500,
        margin_tiers=LARGE_TIERS,
        leverage_max=125,
        allow_short=True,
        funding_interval_ns=8 * _HOUR_NS,
    )
    return Listing(instrument, round(float(price) * 10**price_exponent))


def _hyperliquid(coin: str, *, price: float, decimals: int, leverage: int) -> Listing:
    price_decimals = 6 - decimals
    instrument = Instrument(
        id=f"{coin}-PERP.HYPERLIQUID",
        kind=InstrumentKind.PERPETUAL,
        base=coin,
        quote="USDC",
        price_exponent=price_decimals,
        quantity_exponent=decimals,
        price_rule=SignificantFigures(5, price_decimals),
        lot=1,
        min_notional=10 * MONEY_SCALE,
        maker_rate=150,
        taker_rate=450,
        margin_tiers=(MarginTier(0, 500_000 // leverage, 0),),
        leverage_max=leverage,
        allow_short=True,
        funding_interval_ns=_HOUR_NS,
    )
    return Listing(instrument, round(price * 10**price_decimals))


def binance() -> tuple[Listing, ...]:
    """The symbols of the local Binance USD-M."""
    return (
        _binance("BTC", price="60000", tick=(1, 1), lot=(3, 1), least=100),
        _binance("ETH", price="3000", tick=(2, 1), lot=(3, 1), least=20),
        _binance("SOL", price="150", tick=(2, 1), lot=(2, 1), least=5),
    )


def hyperliquid() -> tuple[Listing, ...]:
    """The coins of the local Hyperliquid, in the order of their indexes."""
    return (
        _hyperliquid("BTC", price=60_000, decimals=5, leverage=40),
        _hyperliquid("ETH", price=3_000, decimals=4, leverage=25),
        _hyperliquid("SOL", price=150, decimals=2, leverage=20),
    )
