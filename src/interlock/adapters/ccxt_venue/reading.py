"""Questions through ccxt's unified methods, and what we know of our orders beyond its words."""

from __future__ import annotations

from typing import Any

import msgspec

from interlock.adapters.ccxt_venue import words
from interlock.adapters.ccxt_venue.words import Market, Markets, WordFault
from interlock.model.order import OrderSpec
from interlock.model.venue import (
    BalancesQuery,
    BookQuery,
    FillsQuery,
    OpenOrdersQuery,
    PaymentsQuery,
    PositionsQuery,
    Request,
    TimeQuery,
    VenueBalance,
    VenueOrder,
)

MILLISECOND = 1_000_000


class NotCarried(ValueError):
    """A request that this venue cannot be asked through ccxt; nothing was sent."""


class Sent(msgspec.Struct):
    """An order that we sent: what ccxt's words about it lack."""

    spec: OrderSpec
    number: str = ""


class Reading:
    """Asks the account and the market. ``sent`` are our orders, ``names`` their ids by number."""

    def __init__(self, api: Any, markets: Markets) -> None:
        self.markets = markets
        self.sent: dict[str, Sent] = {}
        self.names: dict[str, str] = {}
        self._api = api

    def order(self, found: Any, market: Market, name: str) -> VenueOrder:
        """An order of ccxt with what we know of it."""
        held = self.sent.get(name)
        order = words.order_of(found, market, held.spec if held else None, name)
        if held is not None:
            held.number = held.number or order.venue_order_id
            self.names[order.venue_order_id] = name
        return order

    async def read(self, request: Request) -> Any:
        """The content of the answer to a question about the account or the market."""
        match request:
            case OpenOrdersQuery():
                return await self.open_orders()
            case FillsQuery():
                return await self.fills(request.instrument, request.ts_from)
            case PositionsQuery():
                return await self.positions()
            case BalancesQuery():
                return await self.balances()
            case PaymentsQuery():
                return await self._payments(request.ts_from)
            case BookQuery():
                return await self._middle(request.instrument)
            case TimeQuery():
                return await self.time()
        raise NotCarried(f"{type(request).__name__} has no call at this venue")

    async def time(self) -> int:
        """The venue's time, ns."""
        if not self._api.has.get("fetchTime"):
            raise NotCarried(f"{self._api.id} does not tell its time")
        return int(await self._api.fetch_time()) * MILLISECOND

    async def open_orders(self, symbol: str | None = None) -> tuple[VenueOrder, ...]:
        """Every open order (of one symbol, which costs less), conditional ones included."""
        found: list[VenueOrder] = []
        triggers = self._api.feature_value(
            self.markets.all()[0].symbol, "fetchOpenOrders", "trigger"
        )
        for params in ({}, {"trigger": True}) if triggers else ({},):
            for row in await self._api.fetch_open_orders(symbol, None, None, params):
                market = self.markets.by_symbol(row.get("symbol"))
                if market is None:
                    continue
                name = self.names.get(str(row.get("id")), "") or row.get("clientOrderId") or ""
                found.append(self.order(row, market, name))
        return tuple(found)

    async def fills(self, instrument: str, ts_from: int) -> tuple[Any, ...]:
        """Executions at and after a time, oldest first."""
        market = self.markets.by_id(instrument)
        rows = await self._api.fetch_my_trades(market.symbol, ts_from // MILLISECOND)
        found = [words.fill_of(row, market, self.names) for row in rows]
        return tuple(sorted(found, key=lambda fill: (fill.ts_venue, fill.trade_id)))

    async def positions(self) -> tuple[Any, ...]:
        """Positions that are not zero."""
        rows = await self._api.fetch_positions()
        pairs = [(row, self.markets.by_symbol(row.get("symbol"))) for row in rows]
        found = [words.position_of(row, market) for row, market in pairs if market is not None]
        return tuple(position for position in found if position.quantity)

    async def balances(self) -> tuple[VenueBalance, ...]:
        """Wallets of every asset that is held."""
        found = await self._api.fetch_balance()
        wallets, free = words.wallets_of(found)
        return tuple(
            VenueBalance(
                asset=asset,
                wallet=words.money(total),
                available=words.money(free.get(asset) or "0"),
            )
            for asset, total in wallets.items()
            if total is not None and words.decimal(total)
        )

    async def _payments(self, ts_from: int) -> tuple[Any, ...]:
        if not self._api.has.get("fetchFundingHistory"):
            raise NotCarried(f"{self._api.id} does not list its funding through ccxt")
        found = []
        for market in self.markets.all():
            rows = await self._api.fetch_funding_history(market.symbol, ts_from // MILLISECOND)
            found += [words.payment_of(row, market) for row in rows]
        return tuple(sorted(found, key=lambda item: item.ts_venue))

    async def _middle(self, instrument: str) -> int:
        market = self.markets.by_id(instrument)
        book = await self._api.fetch_order_book(market.symbol, 5)
        if not book["bids"] or not book["asks"]:
            raise WordFault(f"the book of {instrument} has an empty side")
        bid = words.price_of(book["bids"][0][0], market)
        return (bid + words.price_of(book["asks"][0][0], market)) // 2
