"""Instruments from the venue's own lists: ``exchangeInfo``, ``leverageBracket``, fees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from interlock.model.instrument import (
    FixedTick,
    Instrument,
    InstrumentError,
    InstrumentKind,
    MarginTier,
)
from interlock.model.units import MONEY_EXPONENT, RATE_SCALE, UnitError, decimals_of, parse_units
from interlock.wire.binance.fault import WireFault, decoder, ratio, units
from interlock.wire.binance.payloads import (
    BracketsPayload,
    CommissionPayload,
    ExchangePayload,
    SymbolPayload,
)
from interlock.wire.binance.terms import instrument_id_of

_read_exchange = decoder(ExchangePayload)
_read_brackets = decoder(tuple[BracketsPayload, ...])
_read_commission = decoder(CommissionPayload)
_HOUR_NS = 3_600 * 10**9
FUNDING_INTERVAL_NS = 8 * _HOUR_NS


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument as listed; only one whose ``status`` is TRADING takes orders."""

    instrument: Instrument
    status: str


class Fees(msgspec.Struct, frozen=True):
    """Fees of 1e-6; the defaults are those of an account without a level."""

    maker: int = 200
    taker: int = 500


Tiers = tuple[tuple[MarginTier, ...], int]
# Where nobody's brackets can be asked for: 2.5 % maintenance at any size, 20 times at most.
PUBLIC_TIERS: Tiers = ((MarginTier(0, 25_000, 0),), 20)


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """What was listed, and the symbols left out with the reason."""

    listed: tuple[Listed, ...]
    left_out: tuple[tuple[str, str], ...]


def read_tiers(body: bytes) -> dict[str, tuple[tuple[MarginTier, ...], int]]:
    """Tiers and the highest leverage by symbol, from ``leverageBracket``."""
    found = {}
    for row in _read_brackets(body):
        rows = sorted(row.brackets, key=lambda item: item.notional_floor)
        if not rows:
            raise WireFault(f"{row.symbol} has no leverage bracket")
        tiers = tuple(
            MarginTier(
                ratio(str(item.notional_cap), 10**MONEY_EXPONENT, "notionalCap"),
                ratio(str(item.maint_margin_ratio), RATE_SCALE, "maintMarginRatio"),
                ratio(str(item.cum), 10**MONEY_EXPONENT, "cum"),
            )
            for item in rows
        )
        found[row.symbol] = tiers, max(item.initial_leverage for item in rows)
    return found


def read_fees(body: bytes) -> tuple[str, Fees]:
    """Symbol and fees from ``commissionRate``."""
    row = _read_commission(body)
    maker = ratio(row.maker_commission_rate, RATE_SCALE, "makerCommissionRate")
    return row.symbol, Fees(maker, ratio(row.taker_commission_rate, RATE_SCALE, "taker rate"))


def read_catalog(
    body: bytes,
    *,
    tiers: Mapping[str, tuple[tuple[MarginTier, ...], int]],
    fees: Mapping[str, Fees],
) -> Catalog:
    """Every perpetual of ``exchangeInfo``; what cannot be read is left out, with its reason."""
    listed, left_out = [], []
    for row in _read_exchange(body).symbols:
        if row.contract_type != "PERPETUAL":
            left_out.append((row.symbol, f"a contract of type {row.contract_type}"))
        elif row.symbol not in tiers:
            left_out.append((row.symbol, "no leverage bracket"))
        else:
            try:
                instrument = _instrument(row, tiers[row.symbol], fees.get(row.symbol, Fees()))
            except (WireFault, UnitError, InstrumentError) as fault:
                left_out.append((row.symbol, str(fault)))
            else:
                listed.append(Listed(instrument=instrument, status=row.status))
    return Catalog(listed=tuple(listed), left_out=tuple(left_out))


def _instrument(
    row: SymbolPayload, tiers: tuple[tuple[MarginTier, ...], int], fees: Fees
) -> Instrument:
    price, lot = _filter(row, "PRICE_FILTER"), _filter(row, "LOT_SIZE")
    # The tick and the step count; the precisions of the symbol are wider than what is valid.
    tick_text, step_text = _text(price, "tickSize"), _text(lot, "stepSize")
    price_exponent, quantity_exponent = decimals_of(tick_text), decimals_of(step_text)
    least = _filter(row, "MIN_NOTIONAL")
    return Instrument(
        id=instrument_id_of(row.symbol),
        kind=InstrumentKind.PERPETUAL,
        base=row.base_asset,
        quote=row.quote_asset,
        price_exponent=price_exponent,
        quantity_exponent=quantity_exponent,
        price_rule=FixedTick(parse_units(tick_text, price_exponent)),
        lot=parse_units(step_text, quantity_exponent),
        min_quantity=units(_text(lot, "minQty"), quantity_exponent, "minQty"),
        max_quantity=units(_text(lot, "maxQty"), quantity_exponent, "maxQty"),
        min_notional=units(_text(least, "notional"), MONEY_EXPONENT, "notional"),
        maker_rate=fees.maker,
        taker_rate=fees.taker,
        margin_tiers=tiers[0],
        leverage_max=tiers[1],
        allow_short=True,
        funding_interval_ns=FUNDING_INTERVAL_NS,
    )


def _filter(row: SymbolPayload, kind: str) -> Mapping[str, Any]:
    for item in row.filters:
        if item.get("filterType") == kind:
            return item
    raise WireFault(f"{row.symbol} has no filter {kind}")


def _text(item: Mapping[str, Any], name: str) -> str:
    value = item.get(name)
    if not isinstance(value, str) or not value or len(value) > 40:
        raise WireFault(f"filter {item.get('filterType')} has no {name}")
    return value
