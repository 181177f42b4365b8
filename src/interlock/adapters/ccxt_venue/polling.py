"""Streams by asking again: what changed since the last look, told as a stream tells it.

Rules of this file. What is told is at most one interval and one round trip old. A look that fails
is a stream that is down, told once; the next that succeeds is one that is up again. An order that
is no longer open is asked about until the venue says how it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from interlock.adapters.ccxt_venue import words
from interlock.adapters.ccxt_venue.asking import Asking
from interlock.adapters.ccxt_venue.client import Trace, traced
from interlock.adapters.ccxt_venue.verdicts import is_json, retry_after
from interlock.adapters.ccxt_venue.words import Market
from interlock.model.events import MarkChanged
from interlock.model.market import Bar, Book, Quote, Trade, column
from interlock.model.order import TERMINAL, TRIGGERED_TYPES
from interlock.model.venue import (
    BalanceSeen,
    FillSeen,
    OrderQuery,
    OrderSeen,
    PositionSeen,
    Stream,
    StreamChanged,
    VenueOrder,
    VenuePosition,
)
from interlock.ports import Clock, Heard

MILLISECOND = 1_000_000
SECOND_NS = 1_000_000_000
_OVERLAP_NS = 5 * SECOND_NS


class Poll:
    """One loop of looks."""

    def __init__(self, stream: Stream, *, interval_s: float, clock: Clock, heard: Heard) -> None:
        self.stream = stream
        self.is_up = False
        self.looks = 0
        self.interval_s = interval_s
        self._rest_s = 0.0
        self._clock = clock
        self._heard = heard

    async def run(
        self, look: Callable[[], Awaitable[None]], faults: tuple[type[Exception], ...]
    ) -> None:
        """Look for ever."""
        while True:
            try:
                with traced() as trace:
                    await self._noted(look, trace)
                broken = [item for item in trace.replies if not is_json(item.body)]
                self._went(not broken, "the answer is none" if broken else "polled")
            except faults as error:
                self._went(False, f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(max(self.interval_s, self._rest_s))

    async def _noted(self, look: Callable[[], Awaitable[None]], trace: Trace) -> None:
        """Look, and note how long the venue wants to be left alone."""
        try:
            await look()
        finally:
            self._rest_s = retry_after(trace.last) / 1_000 if trace.last is not None else 0.0

    def _went(self, is_up: bool, reason: str) -> None:
        first = not self.looks
        self.looks += 1
        if is_up != self.is_up or first:
            self.is_up = is_up
            ts = self._clock.now_ns()
            self._heard(StreamChanged(ts_event=ts, stream=self.stream, is_up=is_up, reason=reason))


class MarketLook:
    """Books, quotes, trades, marks and bars of the instruments."""

    def __init__(self, asking: Asking, clock: Clock, heard: Heard, bars: tuple[str, ...]) -> None:
        self._asking = asking
        self._api: Any = asking.exchange.api
        self._clock = clock
        self._heard = heard
        self._bars = bars
        self._touch: dict[str, tuple[int, ...]] = {}
        self._trades: dict[str, dict[str, None]] = {}
        self._told: dict[tuple[str, str], int] = {}

    async def look(self) -> None:
        """One look at everything."""
        for market in self._asking.markets.all():
            await self._book(market)
            await self._prints(market)
            await self._mark(market)
            for step in self._bars:
                await self._bar(market, step)

    async def _book(self, market: Market) -> None:
        found = await self._api.fetch_order_book(market.symbol, 20)
        ts = self._clock.now_ns()
        book = Book(market.instrument)
        book.update(words.level_rows(found, market))
        book.ts_event = ts
        bid, ask = book.bid_units, book.ask_units
        if not bid or not ask:
            return
        values = (bid, book.quantity_units(1, bid), ask, book.quantity_units(-1, ask))
        self._asking.prices[market.instrument.id] = (bid + ask) // 2
        self._heard(book)
        if self._touch.get(market.symbol) != values:
            self._touch[market.symbol] = values
            self._heard(Quote.of(market.instrument, ts, *values))

    async def _prints(self, market: Market) -> None:
        rows = await self._api.fetch_trades(market.symbol, None, 100)
        known = self._trades.get(market.symbol)
        self._trades[market.symbol] = {str(row["id"]): None for row in rows}
        if known is None:
            # What traded before we came is no news.
            return
        for row in rows:
            if str(row["id"]) not in known:
                price = words.price_of(row["price"], market)
                quantity = words.quantity_of(row["amount"], market)
                side = 1 if row["side"] == "buy" else -1
                ts = self._clock.now_ns()
                self._heard(Trade.of(market.instrument, ts, price, quantity, side))

    async def _mark(self, market: Market) -> None:
        if not self._api.has.get("fetchFundingRate") or not market.instrument.is_margined:
            return
        found = await self._api.fetch_funding_rate(market.symbol)
        if found.get("markPrice"):
            mark = words.price_of(found["markPrice"], market)
            self._heard(MarkChanged(self._clock.now_ns(), market.instrument.id, mark))

    async def _bar(self, market: Market, step: str) -> None:
        if not self._api.has.get("fetchOHLCV"):
            return
        step_ns = int(self._api.parse_timeframe(step)) * SECOND_NS
        rows = await self._api.fetch_ohlcv(market.symbol, step, None, 3)
        now = self._clock.now_ns()
        key = (market.symbol, step)
        # Bars that were complete before the first look are no news.
        told = self._told.setdefault(key, now - now % step_ns - step_ns)
        done = [row for row in rows if told < int(row[0]) * MILLISECOND <= now - step_ns]
        if not done:
            return
        row = done[-1]
        opened = self._told[key] = int(row[0]) * MILLISECOND
        prices = [words.price_of(text, market) for text in row[1:5]]
        values = (opened, *prices, words.quantity_of(row[5], market))
        bar = Bar(market.instrument, tuple(map(column, values)), 0, step_ns)
        self._heard(bar.arriving(now))


class UserLook:
    """Orders, executions, positions and wallets of the account."""

    def __init__(self, asking: Asking, clock: Clock, heard: Heard) -> None:
        self._asking = asking
        self._clock = clock
        self._heard = heard
        self._open: dict[str, VenueOrder] = {}
        self._fills: dict[tuple[str, int], None] = {}
        self._since = asking.exchange.offset.at_venue(clock.now_ns())
        self._positions: dict[str, int] = {}
        self._wallets: dict[str, int] = {}

    async def look(self) -> None:
        """One look at everything."""
        # Orders first: whoever sees an order's end has its executions in the same look.
        now = self._asking.exchange.offset.at_venue(self._clock.now_ns())
        present: list[VenueOrder] = []
        for market in self._asking.markets.all():
            present += await self._asking.reading.open_orders(market.symbol)
        orders = await self._ended(present)
        for market in self._asking.markets.all():
            await self._executions(market)
        for order in orders:
            self._order(order)
        await self._account()
        self._since = max(self._since, now - _OVERLAP_NS)

    async def _ended(self, present: list[VenueOrder]) -> list[VenueOrder]:
        """The open orders, and those that were and are no more as the venue now has them."""
        found = list(present)
        names = {order.client_order_id for order in present}
        waiting = {
            name: sent.spec for name, sent in self._asking.reading.sent.items() if sent.number
        }
        for name, spec in waiting.items():
            held = self._open.get(name)
            if name in names or (held is not None and held.status in TERMINAL):
                continue
            query = OrderQuery(
                request_id=0,
                client_order_id=name,
                instrument=spec.instrument,
                is_conditional=spec.type in TRIGGERED_TYPES,
            )
            answer = await self._asking.answer(query)
            if isinstance(answer.content, VenueOrder):
                found.append(answer.content)
        return found

    def _order(self, order: VenueOrder) -> None:
        before = self._open.get(order.client_order_id)
        if before is not None and _state(before) == _state(order):
            return
        self._open[order.client_order_id] = order
        self._heard(OrderSeen(ts_event=self._clock.now_ns(), order=order))

    async def _executions(self, market: Market) -> None:
        for fill in await self._asking.reading.fills(market.instrument.id, self._since):
            key = (fill.instrument, fill.trade_id)
            if key not in self._fills:
                self._fills[key] = None
                self._heard(FillSeen(ts_event=self._clock.now_ns(), fill=fill))

    async def _account(self) -> None:
        ts = self._clock.now_ns()
        held = {item.instrument: item for item in await self._asking.reading.positions()}
        for name in [name for name in self._positions if name not in held]:
            held[name] = VenuePosition(instrument=name, quantity=0)
        for name, position in held.items():
            if self._positions.get(name, 0) != position.quantity:
                self._heard(PositionSeen(ts_event=ts, position=position))
        self._positions = {name: item.quantity for name, item in held.items() if item.quantity}
        for balance in await self._asking.reading.balances():
            if self._wallets.get(balance.asset) != balance.wallet:
                self._wallets[balance.asset] = balance.wallet
                self._heard(BalanceSeen(ts_event=ts, balance=balance))


def _state(order: VenueOrder) -> tuple[object, ...]:
    return order.status, order.filled, order.quantity, order.price, order.trigger
