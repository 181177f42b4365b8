"""A ccxt market becomes an instrument: units from tick and lot, fees and limits as stated."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from interlock.adapters.ccxt_history.errors import DataRefusedError
from interlock.adapters.ccxt_history.pages import HistoryRequest
from interlock.model.instrument import (
    FixedTick,
    Instrument,
    InstrumentError,
    InstrumentKind,
    SignificantFigures,
)
from interlock.model.units import MONEY_EXPONENT, decimals_of, parse_units, to_decimal

DECIMAL_PLACES, SIGNIFICANT_DIGITS, TICK_SIZE = 2, 3, 4

VENUE_NAMES = {
    "binanceusdm": "BINANCE",
    "kucoinfutures": "KUCOIN",
    "krakenfutures": "KRAKEN",
    "coinbaseexchange": "COINBASE",
}
FUNDING_INTERVAL_NS = 8 * 3_600 * 10**9
HOUR_NS = 3_600 * 10**9
# ccxt states no leverage for most venues without an account.
LEVERAGE_UNSTATED = 20


def instrument_of(
    market: Mapping[str, Any], *, venue: str, precision_mode: int, request: HistoryRequest
) -> Instrument:
    """The instrument that a market describes.

    The price exponent is the number of decimals of the tick, the quantity exponent that of the
    lot, unless the request names others. Quantities are in the base currency: a contract's size is
    multiplied in. Raises DataRefusedError for a market that the accounting does not cover.
    """
    _check_kind(market, venue)
    size = to_decimal(market.get("contractSize") or 1) if market["swap"] else Decimal(1)
    lot = _step(market, "amount", precision_mode) * size
    quantity_exponent = _exponent(request.quantity_exponent, lot)
    price_rule, price_exponent = _price_rule(market, venue, precision_mode, request.price_exponent)
    amounts = market["limits"].get("amount") or {}
    costs = market["limits"].get("cost") or {}
    lot_units = _units(lot, quantity_exponent, market, "lot")
    is_swap = bool(market["swap"])
    try:
        return Instrument(
            id=instrument_id(market, venue),
            kind=InstrumentKind.PERPETUAL if is_swap else InstrumentKind.SPOT,
            base=market["base"],
            quote=market["quote"],
            price_exponent=price_exponent,
            quantity_exponent=quantity_exponent,
            price_rule=price_rule,
            lot=lot_units,
            min_quantity=_limit(amounts.get("min"), size, quantity_exponent, ROUND_CEILING),
            max_quantity=_limit(amounts.get("max"), size, quantity_exponent, ROUND_FLOOR),
            min_notional=_limit(costs.get("min"), Decimal(1), MONEY_EXPONENT, ROUND_CEILING),
            maker_rate=_limit(market.get("maker"), Decimal(1), 6, ROUND_CEILING),
            taker_rate=_limit(market.get("taker"), Decimal(1), 6, ROUND_CEILING),
            leverage_max=_leverage(market) if is_swap else 1,
            allow_short=is_swap,
            funding_interval_ns=_funding_interval(market, venue) if is_swap else 0,
        )
    except InstrumentError as error:
        raise DataRefusedError(f"{venue} describes {market['symbol']} as {error}") from error


def instrument_id(market: Mapping[str, Any], venue: str) -> str:
    """The id that the catalog uses, such as BTCUSDT-PERP.BINANCE."""
    name = VENUE_NAMES.get(venue, venue.upper())
    suffix = "-PERP" if market["swap"] else ""
    return f"{market['base']}{market['quote']}{suffix}.{name}"


def _check_kind(market: Mapping[str, Any], venue: str) -> None:
    symbol = market["symbol"]
    if market["swap"] and not market.get("linear"):
        raise DataRefusedError(
            f"{venue} {symbol} is an inverse contract, settled in {market.get('settle')}; only "
            f"contracts settled in the quote currency have accounting here, such as "
            f"{market['base']}/USDT:USDT"
        )
    if not market["swap"] and not market["spot"]:
        raise DataRefusedError(
            f"{venue} {symbol} is of type {market.get('type')}; only spot markets and perpetual "
            f"swaps can be downloaded"
        )


def _step(market: Mapping[str, Any], name: str, precision_mode: int) -> Decimal:
    value = market["precision"].get(name)
    if value is None or to_decimal(value) < 0:
        raise DataRefusedError(
            f"{market['symbol']} states no step for its {name}; an instrument needs tick and lot, "
            "import the data with an instrument file instead"
        )
    number = to_decimal(value)
    return Decimal(1).scaleb(-int(number)) if precision_mode == DECIMAL_PLACES else number


def _price_rule(
    market: Mapping[str, Any], venue: str, precision_mode: int, exponent: int | None
) -> tuple[FixedTick | SignificantFigures, int]:
    if venue == "hyperliquid":
        # Five figures and at most 6 (perpetual) or 8 (spot) decimals less those of the size.
        size_decimals = int(market["info"].get("szDecimals") or 0)
        decimals = (6 if market["swap"] else 8) - size_decimals
        return SignificantFigures(5, decimals), _exponent(exponent, Decimal(1).scaleb(-decimals))
    if precision_mode == SIGNIFICANT_DIGITS:
        if exponent is None:
            raise DataRefusedError(
                f"{venue} limits the price of {market['symbol']} by significant figures, which "
                "does not fix a unit; run again with --price-exponent"
            )
        return SignificantFigures(int(market["precision"]["price"]), exponent), exponent
    tick = _step(market, "price", precision_mode)
    price_exponent = _exponent(exponent, tick)
    return FixedTick(_units(tick, price_exponent, market, "tick")), price_exponent


def _exponent(asked: int | None, step: Decimal) -> int:
    return decimals_of(step) if asked is None else max(asked, decimals_of(step))


def _units(step: Decimal, exponent: int, market: Mapping[str, Any], name: str) -> int:
    units = parse_units(step, exponent)
    if units <= 0:
        raise DataRefusedError(f"{market['symbol']} states the {name} {step}; it must be positive")
    return units


def _limit(value: Any, scale: Decimal, exponent: int, rounding: str) -> int:
    # Limits may be finer than the lot (63.01197227 with a lot of 0.000001); the stricter side wins.
    if value is None:
        return 0
    return int((to_decimal(value) * scale).scaleb(exponent).to_integral_value(rounding))


def _leverage(market: Mapping[str, Any]) -> int:
    stated = (market["limits"].get("leverage") or {}).get("max")
    return max(1, int(to_decimal(stated))) if stated is not None else LEVERAGE_UNSTATED


def _funding_interval(market: Mapping[str, Any], venue: str) -> int:
    if venue == "hyperliquid":
        return HOUR_NS
    info = market.get("info")
    minutes = info.get("fundingInterval") if isinstance(info, Mapping) else None
    if venue.startswith("bybit") and minutes:
        return int(minutes) * 60 * 10**9
    return FUNDING_INTERVAL_NS
