"""Market streams: what the core tells, grouped as each stream promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from interlock.model.instrument import Instrument
from interlock.sim.binance_server import public
from interlock.sim.binance_server.state import ServerState
from interlock.sim.binance_server.views import fixed, millis, money
from interlock.sim.venue.values import (
    BarRow,
    BookChange,
    Event,
    MarkChange,
    TopChange,
    TradePrint,
)
from interlock.wire.binance import events
from interlock.wire.binance.streams import INTERVALS_NS
from interlock.wire.binance.terms import instrument_id_of, symbol_of

_MILLISECOND = 10**6
_SECOND = 10**9
NEVER = 1 << 62
_DEPTH = re.compile(r"depth(5|10|20)?(?:@(0|100|250|500)ms)?")
PUBLIC, MARKET, PRIVATE = "public", "market", "private"
_EVERY = {
    "!markPrice@arr": ("mark", 3 * _SECOND),
    "!markPrice@arr@1s": ("mark", _SECOND),
    "!miniTicker@arr": ("miniTicker", _SECOND),
    "!ticker@arr": ("ticker", 2 * _SECOND),
    "!bookTicker": ("bookTicker", 0),
    "!forceOrder@arr": ("forceOrder", 0),
}
_PLAIN = {
    "trade": ("trade", 0),
    "aggTrade": ("aggTrade", 0),
    "bookTicker": ("bookTicker", 0),
    "forceOrder": ("forceOrder", 0),
    "markPrice": ("mark", 3 * _SECOND),
    "markPrice@1s": ("mark", _SECOND),
    "miniTicker": ("miniTicker", 2 * _SECOND),
    "ticker": ("ticker", 2 * _SECOND),
}
_PUBLIC_KINDS = ("trade", "bookTicker", "depth", "partial")


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A stream by its name. ``symbol`` is empty for all symbols; ``argument`` levels or step."""

    name: str
    kind: str
    symbol: str = ""
    period_ns: int = 0
    argument: int = 0
    interval: str = ""

    @property
    def plane(self) -> str:
        """The root under which the venue gives it."""
        return PUBLIC if self.kind in _PUBLIC_KINDS else MARKET


def parse_stream(name: str) -> Stream | None:
    """The stream of a name, None for a name that no stream has."""
    if name in _EVERY:
        kind, period = _EVERY[name]
        return Stream(name=name, kind=kind, period_ns=period)
    symbol, _, rest = name.partition("@")
    if not rest or symbol != symbol.lower():
        return None
    where = instrument_id_of(symbol.upper())
    if rest in _PLAIN:
        kind, period = _PLAIN[rest]
        return Stream(name=name, kind=kind, symbol=where, period_ns=period)
    depth = _DEPTH.fullmatch(rest)
    if depth:
        levels = int(depth[1] or 0)
        period = int(depth[2] or 250) * _MILLISECOND
        kind = "partial" if levels else "depth"
        return Stream(name=name, kind=kind, symbol=where, period_ns=max(period, 1), argument=levels)
    step = INTERVALS_NS.get(rest.removeprefix("kline_"), 0) if rest.startswith("kline_") else 0
    if step and not step % (60 * _SECOND):
        return Stream(
            name=name,
            kind="kline",
            symbol=where,
            period_ns=250 * _MILLISECOND,
            argument=step,
            interval=rest.removeprefix("kline_"),
        )
    return None


class _Pending(msgspec.Struct):
    """Differences gathered for one depth stream, and where its last frame ended."""

    first_id: int = 0
    last_id: int = 0
    previous_id: int = -1
    ts: int = 0
    levels: dict[tuple[int, int], int] = {}


class _Active(msgspec.Struct):
    """A stream that somebody listens to."""

    stream: Stream
    listeners: int = 0
    due: int = NEVER
    pending: _Pending | None = None
    opened: int = 0
    told: tuple[int, ...] = ()


Message = tuple[str, bytes]
# Events that make frames here; what happens to an account is for its user stream.
OF_MARKETS = frozenset({TradePrint, BookChange, TopChange, MarkChange})


class MarketStreams:
    """Makes each frame once, however many sessions listen."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self._active: dict[str, _Active] = {}
        # Streams that have a turn by time; without one nothing is ever due.
        self._periodic = 0

    def listen(self, stream: Stream, ts: int) -> None:
        """Somebody wants a stream."""
        active = self._active.get(stream.name)
        if active is None:
            active = self._active[stream.name] = _Active(stream=stream)
            if stream.kind == "depth":
                active.pending = _Pending()
            if stream.period_ns and stream.kind != "mark":
                active.due = (ts // stream.period_ns + 1) * stream.period_ns
                self._periodic += 1
        active.listeners += 1

    def leave(self, stream: Stream) -> None:
        """Somebody wants it no longer."""
        active = self._active.get(stream.name)
        if active is not None:
            active.listeners -= 1
            if active.listeners <= 0:
                del self._active[stream.name]
                self._periodic -= active.due < NEVER

    def next_due(self) -> int:
        """When a stream of a period has its turn, ns."""
        if not self._periodic:
            return NEVER
        return min((item.due for item in self._active.values()), default=NEVER)

    def on_event(self, event: Event) -> Iterator[Message]:
        """The frames that an event makes at once."""
        match event:
            case TradePrint():
                yield from self._on_print(event)
            case BookChange():
                for active in self._of("depth", symbol=event.symbol):
                    _gather(active, event)
            case TopChange():
                listened = self._of("bookTicker", symbol=event.symbol)
                body = msgspec.json.encode(self._touch(event)) if listened else b""
                for active in listened:
                    yield active.stream.name, body
            case MarkChange():
                yield from self._on_mark(event)

    def tick(self, ts: int) -> Iterator[Message]:
        """The frames of streams whose period is over at ``ts``."""
        for active in list(self._active.values()):
            if active.due > ts:
                continue
            period = active.stream.period_ns
            active.due = (ts // period + 1) * period
            for body in self._timed(active, ts):
                yield active.stream.name, body

    def _of(self, *kinds: str, symbol: str) -> list[_Active]:
        return [
            active
            for active in self._active.values()
            if active.stream.kind in kinds and active.stream.symbol in ("", symbol)
        ]

    def _on_print(self, event: TradePrint) -> Iterator[Message]:
        if not self._of("trade", "aggTrade", "forceOrder", symbol=event.symbol):
            return
        instrument = self._state.core.instrument(event.symbol)
        now = millis(event.ts)
        price = fixed(event.price, instrument.price_exponent)
        quantity = fixed(event.quantity, instrument.quantity_exponent)
        for active in self._of("trade", symbol=event.symbol):
            trade = events.TradeEvent(
                event="trade",
                sent=now,
                traded=now,
                symbol=symbol_of(event.symbol),
                trade_id=event.trade_id,
                price=price,
                quantity=quantity,
                is_buyer_maker=event.side < 0,
            )
            yield active.stream.name, msgspec.json.encode(trade)
        for active in self._of("aggTrade", symbol=event.symbol):
            aggregate = events.AggregateEvent(
                event="aggTrade",
                sent=now,
                symbol=symbol_of(event.symbol),
                aggregate_id=event.trade_id,
                price=price,
                quantity=quantity,
                quantity_without_retail=quantity,
                first_id=event.trade_id,
                last_id=event.trade_id,
                traded=now,
                is_buyer_maker=event.side < 0,
            )
            yield active.stream.name, msgspec.json.encode(aggregate)
        if event.is_liquidation:
            body = msgspec.json.encode(_force_order(event, price, quantity))
            for active in self._of("forceOrder", symbol=event.symbol):
                yield active.stream.name, body

    def _on_mark(self, event: MarkChange) -> Iterator[Message]:
        instrument = self._state.core.instrument(event.symbol)
        price = instrument.price_exponent
        mark = events.MarkEvent(
            event="markPriceUpdate",
            sent=millis(event.ts),
            symbol=symbol_of(event.symbol),
            mark=fixed(event.mark, price),
            index=fixed(event.index, price),
            settlement=fixed(event.index, price),
            rate=public.funding_text(event.funding_rate),
            next_funding=millis(event.next_funding_ts),
        )
        for active in self._of("mark", symbol=event.symbol):
            stream = active.stream
            # Marks come each second; the slow streams take every third.
            if event.ts // _SECOND % (stream.period_ns // _SECOND):
                continue
            yield stream.name, msgspec.json.encode(mark if stream.symbol else [mark])

    def _touch(self, event: TopChange) -> events.TouchEvent:
        instrument = self._state.core.instrument(event.symbol)
        price, quantity = instrument.price_exponent, instrument.quantity_exponent
        return events.TouchEvent(
            event="bookTicker",
            sent=millis(event.ts),
            update_id=event.update_id,
            traded=millis(event.ts),
            symbol=symbol_of(event.symbol),
            bid=fixed(event.bid, price),
            bid_quantity=fixed(event.bid_quantity, quantity),
            ask=fixed(event.ask, price),
            ask_quantity=fixed(event.ask_quantity, quantity),
        )

    def _timed(self, active: _Active, ts: int) -> Iterator[bytes]:
        match active.stream.kind:
            case "depth":
                yield from self._depth(active, ts)
            case "partial":
                yield from self._partial(active, ts)
            case "kline":
                yield from self._kline(active, ts)
            case "ticker" | "miniTicker":
                yield from self._ticker(active, ts)

    def _depth(self, active: _Active, ts: int) -> Iterator[bytes]:
        pending = active.pending
        if pending is None or not pending.levels:
            return
        instrument = self._state.core.instrument(active.stream.symbol)
        rows = [(side, price, left) for (side, price), left in pending.levels.items()]
        bids = [(price, left) for side, price, left in rows if side > 0]
        asks = [(price, left) for side, price, left in rows if side < 0]
        yield msgspec.json.encode(
            events.DepthEvent(
                event="depthUpdate",
                sent=millis(ts),
                traded=millis(pending.ts),
                symbol=symbol_of(instrument.id),
                first_id=pending.first_id,
                last_id=pending.last_id,
                previous_id=pending.previous_id,
                bids=public.levels(sorted(bids, reverse=True), instrument),
                asks=public.levels(sorted(asks), instrument),
            )
        )
        active.pending = _Pending(previous_id=pending.last_id)

    def _partial(self, active: _Active, ts: int) -> Iterator[bytes]:
        instrument = self._state.core.instrument(active.stream.symbol)
        view = self._state.core.book(instrument.id, active.stream.argument)
        before = active.told[0] if active.told else view.update_id
        if active.told and before == view.update_id:
            return
        active.told = (view.update_id,)
        yield msgspec.json.encode(
            events.DepthEvent(
                event="depthUpdate",
                sent=millis(ts),
                traded=millis(view.ts),
                symbol=symbol_of(instrument.id),
                first_id=before,
                last_id=view.update_id,
                previous_id=before,
                bids=public.levels(view.bids, instrument),
                asks=public.levels(view.asks, instrument),
            )
        )

    def _kline(self, active: _Active, ts: int) -> Iterator[bytes]:
        stream = active.stream
        step = stream.argument
        opened = ts // step * step
        instrument = self._state.core.instrument(stream.symbol)
        first = active.opened if active.opened and active.opened < opened else opened
        active.opened = opened
        for row in self._state.core.bars(stream.symbol, step, first, opened + 1):
            told = (row.ts, row.close, row.volume)
            if row.ts == opened and told == active.told:
                continue
            if row.ts == opened:
                active.told = told
            bar = _kline_body(row, stream, instrument, is_closed=row.ts < opened)
            event = events.KlineEvent(
                event="kline", sent=millis(ts), symbol=symbol_of(stream.symbol), bar=bar
            )
            yield msgspec.json.encode(event)

    def _ticker(self, active: _Active, ts: int) -> Iterator[bytes]:
        stream = active.stream
        names: Iterable[str] = (stream.symbol,) if stream.symbol else self._state.core.symbols
        rows = []
        for name in names:
            figures = public.day_figures(self._state, self._state.core.instrument(name), ts)
            rows.append(_ticker_body(figures, millis(ts), is_mini=stream.kind == "miniTicker"))
        yield msgspec.json.encode(rows[0] if stream.symbol else rows)


def _gather(active: _Active, change: BookChange) -> None:
    pending = active.pending
    if pending is None:
        return
    if not pending.levels:
        pending.first_id = change.first_id
        if pending.previous_id < 0:
            pending.previous_id = change.previous_id
    pending.last_id, pending.ts = change.last_id, change.ts
    for side, price, quantity in change.levels:
        pending.levels[(side, price)] = quantity


def _kline_body(
    row: BarRow, stream: Stream, instrument: Instrument, *, is_closed: bool
) -> events.KlineBody:
    price, quantity = instrument.price_exponent, instrument.quantity_exponent
    return events.KlineBody(
        opened=millis(row.ts),
        closes=millis(row.ts + stream.argument) - 1,
        symbol=symbol_of(stream.symbol),
        interval=stream.interval,
        open=fixed(row.open, price),
        close=fixed(row.close, price),
        high=fixed(row.high, price),
        low=fixed(row.low, price),
        volume=fixed(row.volume, quantity),
        count=row.count,
        is_closed=is_closed,
        quote_volume=money(row.notional),
        taker_volume=fixed(row.taker_buy_volume, quantity),
        taker_quote_volume=money(row.taker_buy_notional),
    )


def _ticker_body(figures: dict[str, object], now_ms: int, *, is_mini: bool) -> dict[str, object]:
    body = {
        "e": "24hrMiniTicker" if is_mini else "24hrTicker",
        "E": now_ms,
        "s": figures["symbol"],
        "c": figures["lastPrice"],
        "o": figures["openPrice"],
        "h": figures["highPrice"],
        "l": figures["lowPrice"],
        "v": figures["volume"],
        "q": figures["quoteVolume"],
    }
    if is_mini:
        return body
    return body | {
        "p": figures["priceChange"],
        "P": figures["priceChangePercent"],
        "w": figures["weightedAvgPrice"],
        "Q": figures["lastQty"],
        "O": figures["openTime"],
        "C": figures["closeTime"],
        "F": figures["firstId"],
        "L": figures["lastId"],
        "n": figures["count"],
    }


def _force_order(event: TradePrint, price: str, quantity: str) -> dict[str, object]:
    now = millis(event.ts)
    return {
        "e": "forceOrder",
        "E": now,
        "o": {
            "s": symbol_of(event.symbol),
            "S": "BUY" if event.side > 0 else "SELL",
            "o": "LIMIT",
            "f": "IOC",
            "q": quantity,
            "p": price,
            "ap": price,
            "X": "FILLED",
            "l": quantity,
            "z": quantity,
            "T": now,
        },
    }
