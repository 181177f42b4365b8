"""The venue port on Hyperliquid: one account, its requests and its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

import msgspec

from interlock.adapters.connecting import (
    OPEN,
    Feeds,
    Network,
    Refusal,
    keep_measuring,
    try_to_measure,
)
from interlock.adapters.feed import SECOND_NS, Address
from interlock.adapters.hyperliquid.calls import TIMEOUT_S, Calls, Wallet
from interlock.adapters.hyperliquid.feeds import (
    MarketTeller,
    SubscribedFeed,
    Subscription,
    UserTeller,
)
from interlock.adapters.hyperliquid.known import KnownOrders
from interlock.adapters.tasks import Tasks
from interlock.adapters.transport import Transport
from interlock.model.events import BarRow
from interlock.model.instrument import Instrument
from interlock.model.venue import (
    AmendRequest,
    Answer,
    CancelRequest,
    DeadManRequest,
    OpenOrdersQuery,
    OrderQuery,
    OrderSeen,
    PlaceRequest,
    Request,
    Stream,
    VenueOrder,
    Verdict,
)
from interlock.ports import Clock, Heard, NoPast, PastFault
from interlock.wire.hyperliquid import candles, queries
from interlock.wire.hyperliquid.cloids import Cloids
from interlock.wire.hyperliquid.info import read_marks
from interlock.wire.hyperliquid.instruments import VENUE, Universe, read_universe, with_fees
from interlock.wire.hyperliquid.streams import Item, Reader
from interlock.wire.hyperliquid.text import WireFault

CLOCK_EVERY_S = 60
# Marks come every second and books twice; without any for so long the socket is dead.
SILENCE_S = 10.0
# The user's socket answers pings when it has nothing to say.
USER_SILENCE_S = 20.0
# How long after its deadline an amendment without an answer may still show on the stream.
SETTLE_NS = 2 * SECOND_NS
_GONE = "order_gone"
# Refusals that a clock which was set explains.
_CLOCK_CODES = ("expired", "nonce")


class Endpoints(msgspec.Struct, frozen=True):
    """Where the venue is."""

    http: str = "https://api.hyperliquid.xyz"
    ws: str = "wss://api.hyperliquid.xyz/ws"
    timeout_s: float = TIMEOUT_S


class HyperliquidVenue:
    """One account. Give it to the live engine as its venue."""

    name = VENUE

    def __init__(
        self,
        endpoints: Endpoints,
        wallet: Wallet,
        feeds: Feeds,
        *,
        clock: Clock,
        network: Network = OPEN,
    ) -> None:
        self._endpoints = endpoints
        self._feeds = feeds
        self.clock = clock
        self._transport = Transport(endpoints.http, tls=network.tls, resolver=network.resolver)
        self._cloids = Cloids(wallet.client_order_ids)
        self._known = KnownOrders(self._cloids)
        self.calls = Calls(
            self._transport,
            Reader(universe=Universe(()), cloids=self._cloids),
            wallet,
            clock=clock,
            timeout_s=endpoints.timeout_s,
        )
        self._heard: Heard = lambda event: None
        self._tasks = Tasks()
        self._teller: UserTeller
        self.feeds: list[SubscribedFeed] = []

    def instruments(self) -> Iterable[Instrument]:
        """The instruments that were asked for, as the venue lists them."""
        universe = self.calls.reader.universe
        return tuple(universe.of_id(name) for name in self._feeds.instruments)

    async def connect(self, heard: Heard) -> None:
        """Measure the clock, load the instruments, open the streams. Raises Refusal."""
        self._heard = heard
        await self._transport.open()
        try:
            await self.calls.measure_clock()
            await self._load()
            self._check_listed()
        except WireFault as fault:
            await self._transport.close()
            raise Refusal(f"the venue's lists do not read: {fault}") from None
        except Refusal:
            await self._transport.close()
            raise
        self._teller = UserTeller(heard, since=self.calls.venue_now() - SECOND_NS)
        self._open_feeds()
        self._tasks.run(keep_measuring(self.calls.measure_clock, CLOCK_EVERY_S))

    def request(self, request: Request) -> None:
        """Ask; the answer comes to ``heard``."""
        self._tasks.run(self._serve(request))

    async def past_bars(
        self, instrument: str, *, step_ns: int, until: int, count: int
    ) -> tuple[BarRow, ...]:
        """Closed bars of before ``until``; raises PastFault."""
        listed = self.calls.reader.universe.of_id(instrument)
        interval = candles.interval_of(step_ns)
        if not interval:
            raise NoPast(f"{VENUE} has no bars of {step_ns / 10**9:g} s")
        found: tuple[BarRow, ...] = ()
        first = until - count * step_ns
        try:
            # A quiet span has no bars: pages go by time, not by what they held.
            for start in range(first, until, candles.PAGE * step_ns):
                asked = queries.load_candles(
                    listed.base,
                    interval,
                    ts_from=start,
                    ts_until=min(until, start + candles.PAGE * step_ns),
                )
                found += candles.read(await self.calls.read(asked), listed)
        except (Refusal, WireFault) as error:
            raise PastFault(str(error)) from None
        return tuple(row for row in found if first <= row[0] and row[0] + step_ns <= until)

    async def close(self) -> None:
        """Stop the streams, close the connections."""
        for feed in self.feeds:
            await feed.stop()
        await self._tasks.stop()
        await self._transport.close()

    # Requests.
    async def _serve(self, request: Request) -> None:
        match request:
            case PlaceRequest():
                self._known.sent(request)
            case AmendRequest():
                await self._amend(request)
                return
            case CancelRequest() | OrderQuery() if request.client_order_id:
                self._cloids.remember(request.client_order_id)
            case DeadManRequest() if self._is_whole(request):
                # The venue cancels everything at once, which is the one instrument we trade.
                request = msgspec.structs.replace(request, instrument="")
        answer = await self.calls.answer(request)
        self._heard(self._completed(request, answer))
        if answer.verdict is Verdict.UNKNOWN and "again" in answer.reason:
            # An instrument that was not there when the lists were loaded.
            await self._reload()
        if answer.code in _CLOCK_CODES:
            await try_to_measure(self.calls.measure_clock)

    def _is_whole(self, request: DeadManRequest) -> bool:
        return (request.instrument,) == self._feeds.instruments

    def _completed(self, request: Request, answer: Answer) -> Answer:
        """The answer with what the venue left out about our orders."""
        content = answer.content
        if isinstance(content, VenueOrder):
            whole = self._known.whole(content)
            if whole is None:
                reason = "the answer is about an order that is being, or was, replaced"
                return msgspec.structs.replace(
                    answer, verdict=Verdict.UNKNOWN, content=None, reason=reason
                )
            return msgspec.structs.replace(answer, content=whole)
        if isinstance(request, OpenOrdersQuery) and isinstance(content, tuple):
            orders = [order for order in content if isinstance(order, VenueOrder)]
            known = [self._known.whole(order) for order in orders]
            found = tuple(order for order in known if order is not None)
            return msgspec.structs.replace(answer, content=found)
        return answer

    async def _amend(self, request: AmendRequest) -> None:
        """Replace an order; its old number's end is told only if there is no new one."""
        name = request.client_order_id
        if self._known.traded(name) is None:
            refused = await self._look_up(request)
            if refused is not None:
                self._heard(refused)
                return
        self._known.amending(request)
        answer = await self.calls.answer(request, filled=self._known.traded(name) or 0)
        content = answer.content
        if answer.verdict is Verdict.ACCEPTED and isinstance(content, VenueOrder):
            self._known.amended(request, content.venue_order_id)
            self._heard(self._completed(request, answer))
            return
        self._heard(answer)
        if answer.verdict is Verdict.UNKNOWN and answer.code != _GONE:
            # The stream may still show the replacement; after this it cannot.
            due = max(request.ts_deadline, self.clock.now_ns()) + SETTLE_NS
            await asyncio.sleep((due - self.clock.now_ns()) / SECOND_NS)
        ended = self._known.settle(name)
        if ended is not None:
            self._hear_order(OrderSeen(ts_event=self.clock.now_ns(), order=ended))

    async def _look_up(self, request: AmendRequest) -> Answer | None:
        """What an order of an earlier process has traded; an answer when that cannot be told."""
        self._cloids.remember(request.client_order_id)
        query = OrderQuery(
            request_id=request.request_id,
            client_order_id=request.client_order_id,
            instrument=request.spec.instrument,
        )
        found = await self.calls.answer(query)
        if isinstance(found.content, VenueOrder):
            self._known.learn(request, found.content)
            return None
        reason = f"what the order has traded is not known: {found.reason or 'no such order'}"
        return msgspec.structs.replace(found, verdict=Verdict.NOT_SENT, reason=reason)

    # Instruments.
    async def _load(self) -> None:
        body = await self.calls.read(queries.load_universe(marks=True))
        universe = read_universe(body)
        marks = read_marks(body, universe)
        fees = await self.calls.read(queries.load_fees(self.calls.identity.trader))
        self.calls.reader = Reader(universe=with_fees(universe, fees), cloids=self._cloids)
        for name, mark in marks.items():
            self.calls.prices.set(name, mark)

    def _check_listed(self) -> None:
        universe = self.calls.reader.universe
        listed = {item.id for item in universe.instruments}
        for name in self._feeds.instruments:
            if name not in listed:
                raise Refusal(f"{name} cannot be traded here: the venue does not list it")
            if name in universe.closed:
                raise Refusal(f"{name} is delisted; only listed instruments take orders")

    async def _reload(self) -> None:
        # The lists in hand stay good for what they have until new ones come.
        with suppress(Refusal, WireFault):
            await self._load()

    # Streams.
    def _open_feeds(self) -> None:
        market = MarketTeller(
            self._heard,
            venue_now=self.calls.venue_now,
            price=self.calls.prices.set,
            instrument=lambda name: self.calls.reader.universe.of_id(name),
        )
        options: dict[str, Any] = {
            "transport": self._transport,
            "clock": self.clock,
            "heard": self._heard,
            "read": lambda frame, ts: self.calls.reader.read(frame, ts),
            "mend": self._reload,
        }
        self.feeds = [
            SubscribedFeed(
                Stream.MARKET,
                _address(self._endpoints.ws, market.begin),
                subscriptions=self._market_subscriptions(),
                take=market.take,
                silence_s=SILENCE_S,
                **options,
            ),
            SubscribedFeed(
                Stream.USER,
                _address(self._endpoints.ws, lambda: None),
                subscriptions=self._user_subscriptions(),
                take=self._take_user,
                silence_s=USER_SILENCE_S,
                counts_pongs=True,
                **options,
            ),
        ]
        for feed in self.feeds:
            feed.start()

    def _market_subscriptions(self) -> list[Subscription]:
        found: list[Subscription] = []
        for instrument in self.instruments():
            coin = instrument.base
            kinds = ["bbo", "activeAssetCtx"]
            kinds += ["trades"] if self._feeds.trades else []
            kinds += ["l2Book"] if self._feeds.books else []
            found += [{"type": kind, "coin": coin} for kind in kinds]
            found += [
                {"type": "candle", "coin": coin, "interval": step} for step in self._feeds.bars
            ]
        return found

    def _user_subscriptions(self) -> list[Subscription]:
        kinds = ("orderUpdates", "userFills", "userEvents", "userFundings", "clearinghouseState")
        user = self.calls.identity.trader
        return [{"type": kind, "user": user} for kind in kinds]

    def _take_user(self, item: Item, ts: int) -> None:
        if isinstance(item, OrderSeen):
            self._hear_order(item)
            return
        told = self._teller.take(item, ts)
        if told is not None:
            self._known.fill(told.fill)

    def _hear_order(self, item: OrderSeen) -> None:
        whole = self._known.whole(item.order)
        if whole is not None:
            self._heard(msgspec.structs.replace(item, order=whole))


def _address(url: str, begin: Callable[[], None]) -> Address:
    async def address() -> str:
        begin()
        return url

    return address
