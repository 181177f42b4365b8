"""Open endpoints: the clock, the rules, the market as everybody sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from interlock.model.instrument import Instrument
from interlock.model.units import FUNDING_SCALE
from interlock.sim.binance_server.state import Call, ServerState
from interlock.sim.binance_server.views import (
    average_price,
    fixed,
    millis,
    money,
    symbol_payload,
)
from interlock.sim.venue.values import BarRow, TradePrint
from interlock.wire.binance import payloads
from interlock.wire.binance.parameters import ApiFault
from interlock.wire.binance.streams import INTERVALS_NS
from interlock.wire.binance.terms import symbol_of

_MINUTE = 60 * 10**9
_DAY = 86_400 * 10**9
_STATUS = {"trading": "TRADING", "halted": "BREAK", "settling": "SETTLING", "delisted": "CLOSE"}
DEPTHS = (5, 10, 20, 50, 100, 500, 1000)


def ping(state: ServerState, call: Call) -> object:
    """GET ping."""
    return {}


def clock(state: ServerState, call: Call) -> object:
    """GET time."""
    return payloads.TimePayload(server_time=call.now_ms)


def exchange_info(state: ServerState, call: Call) -> object:
    """GET exchangeInfo. A delisted symbol is gone."""
    core, limits = state.core, state.options.limits
    listed = [name for name in core.symbols if core.status(name) != "delisted"]
    symbols = [symbol_payload(core.instrument(name), _STATUS[core.status(name)]) for name in listed]
    assets = sorted({core.instrument(name).quote for name in listed})
    return payloads.ExchangePayload(
        symbols=tuple(symbols),
        server_time=call.now_ms,
        rate_limits=(
            _limit("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
            _limit("ORDERS", "MINUTE", 1, limits.orders_per_minute),
            _limit("ORDERS", "SECOND", 10, limits.orders_per_ten_seconds),
        ),
        assets=tuple(
            {"asset": name, "marginAvailable": True, "autoAssetExchange": "-10000"}
            for name in assets
        ),
    )


def _limit(kind: str, interval: str, count: int, most: int) -> dict[str, Any]:
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": count,
        "limit": most,
    }


def empty_exchange_info(state: ServerState, call: Call) -> object:
    """GET exchangeInfo of the markets that this server does not have."""
    return payloads.ExchangePayload(symbols=(), server_time=call.now_ms)


def depth(state: ServerState, call: Call) -> object:
    """GET depth."""
    instrument = state.asked(call)
    limit = call.parameters.count("limit", 500, most=1000)
    if limit not in DEPTHS:
        raise ApiFault(-4021, f"{limit} is not a valid limit; must be one of {DEPTHS}.")
    view = state.core.book(instrument.id, limit)
    return payloads.DepthPayload(
        last_update_id=view.update_id,
        bids=levels(view.bids, instrument),
        asks=levels(view.asks, instrument),
        sent=call.now_ms,
        traded=millis(view.ts),
    )


def levels(rows: Sequence[tuple[int, ...]], instrument: Instrument) -> tuple[tuple[str, str], ...]:
    """Levels as the venue writes them."""
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    return tuple((fixed(row[0], price), fixed(row[1], quantity)) for row in rows)


def klines(state: ServerState, call: Call) -> object:
    """GET klines. The newest bar is unfinished."""
    instrument = state.asked(call)
    step = INTERVALS_NS.get(call.parameters.need("interval"), 0)
    if not step or step % _MINUTE:
        raise ApiFault(-1120, "Invalid interval.")
    limit = call.parameters.count("limit", 500, least=1, most=1500)
    end = call.parameters.count("endTime") * 10**6 + 1 if "endTime" in call.parameters else call.ts
    start = call.parameters.count("startTime") * 10**6
    if "startTime" not in call.parameters:
        start = max(0, end - limit * step)
    rows = state.core.bars(instrument.id, step, start, min(end, call.ts + 1))
    kept = rows[:limit] if "startTime" in call.parameters else rows[-limit:]
    return [_kline(row, step, instrument) for row in kept]


def _kline(row: BarRow, step: int, instrument: Instrument) -> list[object]:
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    return [
        millis(row.ts),
        *(fixed(value, price) for value in (row.open, row.high, row.low, row.close)),
        fixed(row.volume, quantity),
        millis(row.ts + step) - 1,
        money(row.notional),
        row.count,
        fixed(row.taker_buy_volume, quantity),
        money(row.taker_buy_notional),
        "0",
    ]


def _prints(state: ServerState, call: Call, instrument: Instrument) -> list[TradePrint]:
    since = call.parameters.count("startTime") * 10**6
    until = call.parameters.count("endTime") * 10**6 or call.ts + 1
    first = call.parameters.count("fromId")
    limit = call.parameters.count("limit", 500, least=1, most=1000)
    rows = [
        row
        for row in state.core.prints_since(instrument.id, since)
        if row.ts <= until and row.trade_id >= first
    ]
    is_anchored = since or first
    return rows[:limit] if is_anchored else rows[-limit:]


def trades(state: ServerState, call: Call) -> object:
    """GET trades and historicalTrades."""
    instrument = state.asked(call)
    return [
        {
            "id": row.trade_id,
            "price": fixed(row.price, instrument.price_exponent),
            "qty": fixed(row.quantity, instrument.quantity_exponent),
            "quoteQty": money(instrument.notional(row.price, row.quantity)),
            "time": millis(row.ts),
            "isBuyerMaker": row.side < 0,
        }
        for row in _prints(state, call, instrument)
    ]


def aggregate_trades(state: ServerState, call: Call) -> object:
    """GET aggTrades; every execution is its own aggregate here."""
    instrument = state.asked(call)
    return [
        {
            "a": row.trade_id,
            "p": fixed(row.price, instrument.price_exponent),
            "q": fixed(row.quantity, instrument.quantity_exponent),
            "f": row.trade_id,
            "l": row.trade_id,
            "T": millis(row.ts),
            "m": row.side < 0,
        }
        for row in _prints(state, call, instrument)
    ]


def one_or_all(call: Call, rows: list[dict[str, object]]) -> object:
    """A single object where a symbol was asked for, else the list."""
    return rows[0] if "symbol" in call.parameters else rows


def day_ticker(state: ServerState, call: Call) -> object:
    """GET ticker/24hr."""
    return one_or_all(
        call, [day_figures(state, item, call.ts) for item in state.asked_or_all(call)]
    )


def day_bar(state: ServerState, instrument: Instrument, ts: int) -> BarRow:
    """One bar of the last 24 hours."""
    bars = state.core.bars(instrument.id, 15 * _MINUTE, max(0, ts - _DAY), ts + 1)
    if not bars:
        price = state.core.mark(instrument.id).last
        return BarRow(ts=ts, open=price, high=price, low=price, close=price)
    return BarRow(
        ts=bars[0].ts,
        open=bars[0].open,
        high=max(row.high for row in bars),
        low=min(row.low for row in bars),
        close=bars[-1].close,
        volume=sum(row.volume for row in bars),
        notional=sum(row.notional for row in bars),
        count=sum(row.count for row in bars),
    )


def day_figures(state: ServerState, instrument: Instrument, ts: int) -> dict[str, object]:
    """The figures of the last 24 hours."""
    bar = day_bar(state, instrument, ts)
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    change = bar.close - bar.open
    percent = change * 100_000 // bar.open if bar.open else 0
    last = state.core.prints_since(instrument.id, max(0, ts - _MINUTE))
    return {
        "symbol": symbol_of(instrument.id),
        "priceChange": fixed(change, price),
        "priceChangePercent": fixed(percent, 3),
        "weightedAvgPrice": average_price(bar.notional, bar.volume, instrument),
        "lastPrice": fixed(bar.close, price),
        "lastQty": fixed(last[-1].quantity if last else 0, quantity),
        "openPrice": fixed(bar.open, price),
        "highPrice": fixed(bar.high, price),
        "lowPrice": fixed(bar.low, price),
        "volume": fixed(bar.volume, quantity),
        "quoteVolume": money(bar.notional),
        "openTime": millis(bar.ts),
        "closeTime": millis(ts),
        "firstId": 1,
        "lastId": last[-1].trade_id if last else 0,
        "count": bar.count,
    }


def price_ticker(state: ServerState, call: Call) -> object:
    """GET ticker/price."""
    rows: list[dict[str, object]] = [
        {
            "symbol": symbol_of(item.id),
            "price": fixed(state.core.mark(item.id).last, item.price_exponent),
            "time": call.now_ms,
        }
        for item in state.asked_or_all(call)
    ]
    return one_or_all(call, rows)


def touch_ticker(state: ServerState, call: Call) -> object:
    """GET ticker/bookTicker."""
    rows: list[dict[str, object]] = []
    for item in state.asked_or_all(call):
        view = state.core.book(item.id, 1)
        bids, asks = levels(view.bids, item), levels(view.asks, item)
        bid, ask = (bids or (("0", "0"),))[0], (asks or (("0", "0"),))[0]
        rows.append(
            {
                "symbol": symbol_of(item.id),
                "bidPrice": bid[0],
                "bidQty": bid[1],
                "askPrice": ask[0],
                "askQty": ask[1],
                "time": call.now_ms,
                "lastUpdateId": view.update_id,
            }
        )
    return one_or_all(call, rows)


def premium_index(state: ServerState, call: Call) -> object:
    """GET premiumIndex."""
    rows: list[dict[str, object]] = []
    for item in state.asked_or_all(call):
        view = state.core.mark(item.id)
        rows.append(
            {
                "symbol": symbol_of(item.id),
                "markPrice": fixed(view.mark, item.price_exponent),
                "indexPrice": fixed(view.index, item.price_exponent),
                "estimatedSettlePrice": fixed(view.index, item.price_exponent),
                "lastFundingRate": funding_text(view.funding_rate),
                "interestRate": "0.00010000",
                "nextFundingTime": millis(view.next_funding_ts),
                "time": call.now_ms,
            }
        )
    return one_or_all(call, rows)


def funding_text(rate: int) -> str:
    """A funding rate with eight decimals."""
    return fixed(rate * 10**8 // FUNDING_SCALE, 8)


def funding_rates(state: ServerState, call: Call) -> object:
    """GET fundingRate."""
    since = call.parameters.count("startTime") * 10**6
    limit = call.parameters.count("limit", 100, least=1, most=1000)
    rows = [
        {
            "symbol": symbol_of(item.id),
            "fundingTime": millis(row.ts),
            "fundingRate": funding_text(row.rate),
            "markPrice": fixed(row.mark, item.price_exponent),
        }
        for item in state.asked_or_all(call)
        for row in state.core.fundings(item.id, since)
    ]
    return rows[-limit:]


def funding_info(state: ServerState, call: Call) -> object:
    """GET fundingInfo."""
    hour = 3_600 * 10**9
    return [
        {
            "symbol": symbol_of(item.id),
            "adjustedFundingRateCap": "0.02000000",
            "adjustedFundingRateFloor": "-0.02000000",
            "fundingIntervalHours": max(1, item.funding_interval_ns // hour),
            "disclaimer": False,
        }
        for item in state.asked_or_all(call)
    ]


def nothing(state: ServerState, call: Call) -> object:
    """Lists of the spot side, which this server leaves empty."""
    return []
