"""A live market that a test scripts, and a desk with a paper account on it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from interlock.live.paper import ACCOUNT, PaperTerms, PaperVenue
from interlock.model.events import MarkChanged
from interlock.model.instrument import FixedTick, Instrument, InstrumentKind, MarginTier
from interlock.model.market import Quote, Trade
from interlock.model.order import OrderSpec, OrderType
from interlock.model.venue import (
    Answer,
    CancelRequest,
    FillSeen,
    OpenOrdersQuery,
    OrderSeen,
    PlaceRequest,
    Request,
    Stream,
    StreamChanged,
    VenueFill,
    VenueOrder,
)
from interlock.ports import Heard

MONEY = 10**8
HOUR = 3_600 * 10**9
START = 1_767_225_600 * 10**9  # 2026-01-01 00:00 UTC
WAIT_S = 4.0
# Prices in cents, quantities in thousandths; a tick is a cent, a lot a thousandth.
BTC = Instrument(
    id="BTCUSDT-PERP.TEST",
    kind=InstrumentKind.PERPETUAL,
    base="BTC",
    quote="USDT",
    price_exponent=2,
    quantity_exponent=3,
    price_rule=FixedTick(1),
    lot=1,
    min_quantity=1,
    maker_rate=200,
    taker_rate=500,
    margin_tiers=(MarginTier(0, 5_000, 0),),
    leverage_max=20,
    funding_interval_ns=8 * HOUR,
)


class Hands:
    """Time that a test moves."""

    def __init__(self, ts: int = START) -> None:
        self.ts = ts

    def now_ns(self) -> int:
        return self.ts


class ScriptedMarket:
    """A venue that only shows its market; whatever else is asked of it is kept."""

    name = "SCRIPT"

    def __init__(self, clock: Hands) -> None:
        self.clock = clock
        self.asked: list[Request] = []
        self.is_open = False
        self._heard: Heard = lambda event: None

    def instruments(self) -> Iterable[Instrument]:
        return (BTC,)

    async def connect(self, heard: Heard) -> None:
        self._heard = heard
        self.is_open = True
        for stream in (Stream.MARKET, Stream.USER):
            heard(StreamChanged(ts_event=self.clock.ts, stream=stream, is_up=True))

    def request(self, request: Request) -> None:
        self.asked.append(request)

    async def close(self) -> None:
        self.is_open = False

    def quote(self, bid: int, ask: int, *, sizes: tuple[int, int] = (100, 100)) -> None:
        """The touch, in cents and thousandths."""
        self._tell(Quote.of(BTC, self._next(), bid, sizes[0], ask, sizes[1]))

    def trade(self, price: int, quantity: int, side: int) -> None:
        """Somebody buys (+1) or sells (-1)."""
        self._tell(Trade.of(BTC, self._next(), price, quantity, side))

    def mark(self, price: int) -> None:
        """The venue's mark."""
        self._tell(MarkChanged(self._next(), BTC.id, price))

    def tell(self, event: Any) -> None:
        """Anything else."""
        self._heard(event)

    def _next(self) -> int:
        self.clock.ts += 1_000_000
        return self.clock.ts

    def _tell(self, event: Any) -> None:
        self._heard(event)


class PaperDesk:
    """A paper account with 100,000 USDT on a scripted market that stands at 1000.00 / 1000.10."""

    def __init__(self, clock: Hands, market: ScriptedMarket, venue: PaperVenue) -> None:
        self.clock = clock
        self.market = market
        self.venue = venue
        self.heard: list[Any] = []
        self._changed = asyncio.Event()
        self._number = 0

    def hear(self, event: Any) -> None:
        self.heard.append(event)
        self._changed.set()

    async def ask(self, kind: type[Request], **fields: Any) -> Answer:
        """Ask and wait for the answer."""
        return await self.answer(self.send(kind, **fields))

    def send(self, kind: type[Request], **fields: Any) -> int:
        self._number += 1
        self.venue.request(kind(request_id=self._number, **fields))
        return self._number

    async def answer(self, number: int) -> Answer:
        async with asyncio.timeout(WAIT_S):
            while True:
                for event in self.heard:
                    if isinstance(event, Answer) and event.request_id == number:
                        return event
                self._changed.clear()
                await self._changed.wait()

    def spec(self, side: int, quantity: int, **fields: Any) -> OrderSpec:
        fields.setdefault("type", OrderType.LIMIT if "price" in fields else OrderType.MARKET)
        return OrderSpec(BTC.id, side, quantity, **fields)

    async def place(self, name: str, side: int, quantity: int, **fields: Any) -> Answer:
        return await self.answer(self.leave(name, side, quantity, **fields))

    def leave(self, name: str, side: int, quantity: int, **fields: Any) -> int:
        """Place without waiting."""
        spec = self.spec(side, quantity, **fields)
        deadline = self.clock.ts + 5 * 10**9
        return self.send(PlaceRequest, client_order_id=name, spec=spec, ts_deadline=deadline)

    async def cancel(self, name: str) -> Answer:
        deadline = self.clock.ts + 5 * 10**9
        return await self.ask(
            CancelRequest, client_order_id=name, instrument=BTC.id, ts_deadline=deadline
        )

    async def open_orders(self) -> dict[str, VenueOrder]:
        content = (await self.ask(OpenOrdersQuery)).content
        assert isinstance(content, tuple)
        return {order.client_order_id: order for order in content}  # type: ignore[union-attr]

    @property
    def fills(self) -> list[VenueFill]:
        return [event.fill for event in self.heard if isinstance(event, FillSeen)]

    @property
    def orders(self) -> list[VenueOrder]:
        return [event.order for event in self.heard if isinstance(event, OrderSeen)]

    @property
    def position(self) -> int:
        return sum(item.quantity for item in self.venue.core.account(ACCOUNT).positions)

    @property
    def wallet(self) -> int:
        return self.venue.core.account(ACCOUNT).balances[0].wallet


def on_paper(
    story: Callable[[PaperDesk], Awaitable[None]],
    latency_ms: int = 0,
    ts: int = START,
    **terms: Any,
) -> None:
    """Connect a paper account to a scripted market, tell the story, close."""

    async def main() -> None:
        clock = Hands(ts)
        market = ScriptedMarket(clock)
        given = PaperTerms(cash=100_000 * MONEY, latency_ms=latency_ms, **terms)
        desk = PaperDesk(clock, market, PaperVenue(market, given, clock))
        await desk.venue.connect(desk.hear)
        market.quote(100_000, 100_010)
        try:
            await story(desk)
        finally:
            await desk.venue.close()
        assert not market.asked, "paper trading asked the venue of the market for something"
        assert not market.is_open

    asyncio.run(main())
