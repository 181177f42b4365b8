"""Instructions as ccxt's arguments and ccxt's dictionaries as values: text and integers only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from interlock.adapters.ccxt_history.markets import instrument_id, instrument_of
from interlock.adapters.ccxt_history.pages import HistoryRequest
from interlock.model.instrument import Instrument
from interlock.model.order import LIMIT_TYPES, OrderSpec, OrderStatus, OrderType, TimeInForce
from interlock.model.units import MONEY_EXPONENT
from interlock.model.venue import Payment, VenueFill, VenueOrder, VenuePosition

MILLISECOND = 1_000_000
_STOPS = (OrderType.STOP_MARKET, OrderType.STOP_LIMIT)
_PROFITS = (OrderType.TAKE_PROFIT, OrderType.TAKE_PROFIT_LIMIT)


class WordFault(ValueError):
    """Something that ccxt returned does not say what it must."""


class Market(msgspec.Struct, frozen=True):
    """An instrument, and how ccxt names and counts it. ``size`` is one contract in the base."""

    instrument: Instrument
    symbol: str
    size: Decimal


class Markets:
    """The markets that were asked for, by our id and by ccxt's symbol."""

    def __init__(self, api: Any, exchange_id: str, wanted: Iterable[str]) -> None:
        self._by_id: dict[str, Market] = {}
        self._by_symbol: dict[str, Market] = {}
        names = set(wanted)
        for market in api.markets.values():
            if not market.get("swap") and not market.get("spot") or not market.get("active", True):
                continue
            if market.get("swap") and not market.get("linear"):
                continue
            self._add(market, exchange_id, api.precisionMode, names)

    def _add(self, market: Any, exchange_id: str, mode: int, names: set[str]) -> None:
        if instrument_id(market, exchange_id) not in names:
            return
        request = HistoryRequest(symbol=market["symbol"], kind="trades", start_ns=0)
        instrument = instrument_of(market, venue=exchange_id, precision_mode=mode, request=request)
        size = Decimal(str(market.get("contractSize") or 1)) if market["swap"] else Decimal(1)
        found = Market(instrument, market["symbol"], size)
        self._by_id[instrument.id] = self._by_symbol[market["symbol"]] = found

    def put(self, instrument: Instrument) -> None:
        """Replace an instrument, its fees known."""
        held = self._by_id[instrument.id]
        found = Market(instrument, held.symbol, held.size)
        self._by_id[instrument.id] = self._by_symbol[held.symbol] = found

    def all(self) -> tuple[Market, ...]:
        """Every market."""
        return tuple(self._by_id.values())

    def ids(self) -> tuple[str, ...]:
        """Their ids."""
        return tuple(self._by_id)

    def by_id(self, instrument: str) -> Market:
        """The market of our id."""
        found = self._by_id.get(instrument)
        if found is None:
            raise WordFault(f"{instrument} is not among the instruments of this venue")
        return found

    def by_symbol(self, symbol: Any) -> Market | None:
        """The market of ccxt's symbol, if it is one of ours."""
        return self._by_symbol.get(symbol)


def order_arguments(spec: OrderSpec, market: Market, price: int) -> tuple[Any, ...]:
    """(symbol, type, side, amount, price, params) of an order; ``price`` is the one we know."""
    instrument = market.instrument
    params: dict[str, Any] = {}
    if spec.type in LIMIT_TYPES and spec.post_only:
        params["postOnly"] = True
    elif spec.type in LIMIT_TYPES:
        params["timeInForce"] = spec.time_in_force.value.upper()
    if spec.reduce_only:
        params["reduceOnly"] = True
    if spec.type in _STOPS:
        params["stopLossPrice"] = instrument.price_text(spec.trigger)
    elif spec.type in _PROFITS:
        params["takeProfitPrice"] = instrument.price_text(spec.trigger)
    elif spec.type is OrderType.TRAILING_STOP:
        # Rounded up to a tenth of a percent: never tighter than asked for.
        tenths = -(-spec.trail * 1_000 // max(price, 1))
        params["trailingPercent"] = f"{tenths // 10}.{tenths % 10}"
    limit = instrument.price_text(spec.price) if spec.type in LIMIT_TYPES else None
    kind = "limit" if limit is not None else "market"
    return market.symbol, kind, _side(spec.side), amount_text(spec.quantity, market), limit, params


def unsupported(spec: OrderSpec, api: Any, market: Market, price: int) -> str:
    """Why this venue cannot take such an order, or an empty text; told before it leaves."""
    if spec.time_in_force is TimeInForce.GTD:
        return "good-till-date orders are not carried by this adapter; use gtc and cancel"
    if spec.type is OrderType.TRAILING_STOP and price <= 0:
        return "a trailing stop is a share of the price, and no price is known yet"
    for name, word in _needed(spec):
        found = api.feature_value(market.symbol, "createOrder", name)
        if word and isinstance(found, dict):
            found = found.get(word)
        if not found:
            return f"{api.id} has no {name} {word} orders for {market.symbol}, says ccxt"
    return ""


def _needed(spec: OrderSpec) -> Iterator[tuple[str, str]]:
    """What ccxt must say that the venue has, for this order."""
    if spec.type in LIMIT_TYPES and spec.post_only:
        yield "timeInForce", "PO"
    elif spec.type is OrderType.LIMIT and spec.time_in_force is not TimeInForce.GTC:
        yield "timeInForce", spec.time_in_force.value.upper()
    if spec.type in _STOPS:
        yield "stopLossPrice", ""
    elif spec.type in _PROFITS:
        yield "takeProfitPrice", ""
    elif spec.type is OrderType.TRAILING_STOP:
        yield "trailing", ""


def amount_text(quantity: int, market: Market) -> str:
    """Quantity units as ccxt's amount: contracts of the market's size."""
    base = Decimal(quantity).scaleb(-market.instrument.quantity_exponent)
    return format((base / market.size).normalize(), "f")


def order_of(found: Any, market: Market, spec: OrderSpec | None, name: str) -> VenueOrder:
    """An order of ccxt; what ccxt leaves out comes from what we sent."""
    kind = spec.type if spec is not None else _type(found)
    quantity = _quantity(found.get("amount"), market)
    filled = _quantity(found.get("filled") or "0", market)
    status = _status(found, quantity, filled)
    info = found.get("info")
    limit = found.get("price")
    return VenueOrder(
        instrument=market.instrument.id,
        client_order_id=name or found.get("clientOrderId") or "",
        venue_order_id=str(found.get("id") or ""),
        side=1 if found.get("side") == "buy" else -1,
        type=kind,
        status=status,
        quantity=quantity,
        filled=filled,
        price=_price(limit, market) if kind in LIMIT_TYPES and limit else 0,
        trigger=_price(found.get("triggerPrice") or "0", market),
        time_in_force=spec.time_in_force if spec is not None else TimeInForce.GTC,
        reduce_only=bool(found.get("reduceOnly")),
        reason=str(info.get("status", "")) if isinstance(info, Mapping) else "",
        ts_venue=int(found.get("lastUpdateTimestamp") or found.get("timestamp") or 0) * MILLISECOND,
    )


def fill_of(found: Any, market: Market, names: Mapping[str, str]) -> VenueFill:
    """An execution of ccxt; ``names`` are our ids by the venue's."""
    fee = found.get("fee") or {}
    number = str(found.get("id") or "")
    if not number:
        raise WordFault("an execution without an id cannot be counted once")
    venue_order_id = str(found.get("order") or "")
    return VenueFill(
        instrument=market.instrument.id,
        trade_id=_number(number),
        client_order_id=names.get(venue_order_id, ""),
        venue_order_id=venue_order_id,
        side=1 if found.get("side") == "buy" else -1,
        price=_price(found.get("price"), market),
        quantity=_quantity(found.get("amount"), market),
        fee=money(fee.get("cost") or "0"),
        fee_asset=str(fee.get("currency") or market.instrument.quote),
        is_maker=found.get("takerOrMaker") == "maker",
        ts_venue=int(found.get("timestamp") or 0) * MILLISECOND,
    )


def position_of(found: Any, market: Market) -> VenuePosition:
    """A position of ccxt."""
    held = _quantity(found.get("contracts") or "0", market)
    return VenuePosition(
        instrument=market.instrument.id,
        quantity=-held if found.get("side") == "short" else held,
        entry=str(found.get("entryPrice") or ""),
        liquidation=str(found.get("liquidationPrice") or ""),
        ts_venue=int(found.get("timestamp") or 0) * MILLISECOND,
    )


def wallets_of(found: Any) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Wallets and what is free of them, by asset.

    Where the venue's own words state the wallet they are used: ccxt's total has the open profit
    in it on some margin accounts, which no other venue than Binance is known here to tell apart.
    """
    info = found.get("info")
    rows = info.get("assets") if isinstance(info, Mapping) else None
    if isinstance(rows, list) and rows and "walletBalance" in rows[0]:
        wallets = {row["asset"]: row["walletBalance"] for row in rows}
        return wallets, {row["asset"]: row.get("availableBalance") for row in rows}
    return found.get("total") or {}, found.get("free") or {}


def payment_of(found: Any, market: Market) -> Payment:
    """A funding payment of ccxt."""
    number = str(found.get("id") or f"{market.symbol}:{found.get('timestamp')}")
    return Payment(
        kind="funding",
        instrument=market.instrument.id,
        asset=str(found.get("code") or market.instrument.quote),
        amount=money(found.get("amount") or "0"),
        payment_id=number,
        ts_venue=int(found.get("timestamp") or 0) * MILLISECOND,
    )


def money(text: Any) -> int:
    """Money units; what is finer is rounded half to even."""
    return int(decimal(text).scaleb(MONEY_EXPONENT).to_integral_value())


def decimal(text: Any) -> Decimal:
    """A number of ccxt, which must be text by now, as it was written."""
    try:
        value = Decimal(str(text))
    except InvalidOperation:
        raise WordFault(f"{str(text)[:40]!r} is no number") from None
    if not value.is_finite() or abs(value) > 10**15:
        raise WordFault(f"{str(text)[:40]!r} is no amount")
    return value


def level_rows(book: Any, market: Market) -> tuple[list[int], list[int], list[int]]:
    """The levels of an order book as sides, prices and quantities."""
    rows: tuple[list[int], list[int], list[int]] = ([], [], [])
    for side, levels in ((1, book["bids"]), (-1, book["asks"])):
        for level in levels:
            rows[0].append(side)
            rows[1].append(_price(level[0], market))
            rows[2].append(_quantity(level[1], market))
    return rows


def price_of(text: Any, market: Market) -> int:
    """A price in units, rounded half to even: marks are finer than the tick."""
    exponent = market.instrument.price_exponent
    return int(decimal(text).scaleb(exponent).to_integral_value())


def quantity_of(text: Any, market: Market) -> int:
    """An amount in quantity units."""
    return _quantity(text, market)


def _price(text: Any, market: Market) -> int:
    return _exact(decimal(text), market.instrument.price_exponent)


def _quantity(text: Any, market: Market) -> int:
    return _exact(decimal(text) * market.size, market.instrument.quantity_exponent)


def _exact(value: Decimal, exponent: int) -> int:
    scaled = value.scaleb(exponent)
    if scaled != scaled.to_integral_value():
        raise WordFault(f"{value} is finer than the unit 1e-{exponent}")
    return int(scaled)


def _number(text: str) -> int:
    """A trade id as a number: itself, or 63 bits that stand for it."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        return int(text)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _side(side: int) -> str:
    return "buy" if side > 0 else "sell"


def _type(found: Any) -> OrderType:
    is_limit = found.get("type") == "limit"
    if not found.get("triggerPrice"):
        return OrderType.LIMIT if is_limit else OrderType.MARKET
    if found.get("takeProfitPrice"):
        return OrderType.TAKE_PROFIT_LIMIT if is_limit else OrderType.TAKE_PROFIT
    return OrderType.STOP_LIMIT if is_limit else OrderType.STOP_MARKET


def _status(found: Any, quantity: int, filled: int) -> OrderStatus:
    word = found.get("status")
    if word == "open":
        return OrderStatus.PARTIALLY_FILLED if filled else OrderStatus.ACCEPTED
    if word == "closed":
        return OrderStatus.FILLED if filled >= quantity else OrderStatus.CANCELED
    found_status = {
        "canceled": OrderStatus.CANCELED,
        "expired": OrderStatus.EXPIRED,
        "rejected": OrderStatus.REJECTED,
    }.get(str(word))
    if found_status is None:
        raise WordFault(f"order status {word!r} is not known")
    return found_status
