"""The venue's words for what the model names: symbols, sides, types, statuses, lifetimes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from interlock.model.instrument import Instrument
from interlock.model.order import OrderStatus, OrderType, TimeInForce
from interlock.wire.binance.fault import WireFault

_T = TypeVar("_T")

VENUE = "BINANCE"
MILLISECOND = 1_000_000
_SUFFIX = f"-PERP.{VENUE}"

SIDES: Mapping[str, int] = {"BUY": 1, "SELL": -1}
SIDE_WORDS: Mapping[int, str] = {1: "BUY", -1: "SELL"}

TYPE_WORDS: Mapping[OrderType, str] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP_MARKET: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP",
    OrderType.TAKE_PROFIT: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT",
    OrderType.TRAILING_STOP: "TRAILING_STOP_MARKET",
}
# LIQUIDATION is what the venue calls its own order that closes our position.
TYPES: Mapping[str, OrderType] = {
    **{word: kind for kind, word in TYPE_WORDS.items()},
    "LIQUIDATION": OrderType.LIMIT,
}

STATUSES: Mapping[str, OrderStatus] = {
    "NEW": OrderStatus.ACCEPTED,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
    "NEW_INSURANCE": OrderStatus.ACCEPTED,
    "NEW_ADL": OrderStatus.ACCEPTED,
}
ALGO_STATUSES: Mapping[str, OrderStatus] = {
    "NEW": OrderStatus.ACCEPTED,
    "TRIGGERING": OrderStatus.TRIGGERED,
    "TRIGGERED": OrderStatus.TRIGGERED,
    # Over for the trigger service; how the order that it made ended is that order's own report.
    "FINISHED": OrderStatus.TRIGGERED,
    "CANCELED": OrderStatus.CANCELED,
    "EXPIRED": OrderStatus.EXPIRED,
    "REJECTED": OrderStatus.REJECTED,
}
LIFETIMES: Mapping[str, TimeInForce] = {
    "GTC": TimeInForce.GTC,
    "GTX": TimeInForce.GTC,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "GTD": TimeInForce.GTD,
    "GTE_GTC": TimeInForce.GTC,
    "RPI": TimeInForce.GTC,
}
LIFETIME_WORDS: Mapping[TimeInForce, str] = {
    TimeInForce.GTC: "GTC",
    TimeInForce.IOC: "IOC",
    TimeInForce.FOK: "FOK",
    TimeInForce.GTD: "GTD",
}


def symbol_of(instrument_id: str) -> str:
    """``BTCUSDT`` of ``BTCUSDT-PERP.BINANCE``."""
    return instrument_id.removesuffix(_SUFFIX)


def instrument_id_of(symbol: str) -> str:
    """``BTCUSDT-PERP.BINANCE`` of ``BTCUSDT``."""
    return symbol + _SUFFIX


def meaning(table: Mapping[str, _T], word: str, what: str) -> _T:
    """What a word of the venue means to us; a new word is a fault, never a guess."""
    try:
        return table[word]
    except KeyError:
        raise WireFault(f"{what} {word[:40]!r} is not known") from None


class Listing:
    """The instruments of the venue by id and by symbol."""

    __slots__ = ("_by_id", "_by_symbol")

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self._by_id: dict[str, Instrument] = {}
        self._by_symbol: dict[str, Instrument] = {}
        for instrument in instruments:
            self.add(instrument)

    def add(self, instrument: Instrument) -> None:
        """List an instrument, or replace it after its rules have changed."""
        self._by_id[instrument.id] = instrument
        self._by_symbol[symbol_of(instrument.id)] = instrument

    def by_id(self, instrument_id: str) -> Instrument:
        """The instrument of our id."""
        try:
            return self._by_id[instrument_id]
        except KeyError:
            raise WireFault(f"instrument {instrument_id!r} is not listed at {VENUE}") from None

    def by_symbol(self, symbol: str) -> Instrument:
        """The instrument of the venue's symbol."""
        try:
            return self._by_symbol[symbol]
        except KeyError:
            raise WireFault(
                f"symbol {symbol!r} is not listed; load the instruments again"
            ) from None

    def all(self) -> tuple[Instrument, ...]:
        """Every instrument, in the order listed."""
        return tuple(self._by_id.values())
