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
from interlock.adapters.hyperliquid.calls import TIMEOUT_S, Calls
from interlock.adapters.hyperliquid.feeds import SubscribedFeed
from interlock.adapters.tasks import Tasks
from interlock.adapters.transport import Transport
from interlock.model.events import BarRow
from interlock.model.instrument import Instrument
from interlock.model.venue import Request, Stream
from interlock.ports import Clock, Heard, NoPast, PastFault
from interlock.wire.hyperliquid import candles, queries
from interlock.wire.hyperliquid.client import Client, Wallet
from interlock.wire.hyperliquid.conversation import Conversation
from interlock.wire.hyperliquid.instruments import VENUE
from interlock.wire.hyperliquid.telling import MarketTeller, UserTeller, of_market, of_user
from interlock.wire.hyperliquid.text import WireFault

CLOCK_EVERY_S = 60
# Marks come every second and books twice; without any for so long the socket is dead.
SILENCE_S = 10.0
# The user's socket answers pings when it has nothing to say.
USER_SILENCE_S = 20.0


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
        self.client = Client(wallet, feeds.instruments)
        self.calls = Calls(self._transport, self.client, clock=clock, timeout_s=endpoints.timeout_s)
        self._heard: Heard = lambda event: None
        self._tasks = Tasks()
        self.feeds: list[SubscribedFeed] = []

    def instruments(self) -> Iterable[Instrument]:
        """The instruments that were asked for, as the venue lists them."""
        universe = self.client.reader.universe
        return tuple(universe.of_id(name) for name in self._feeds.instruments)

    async def connect(self, heard: Heard) -> None:
        """Measure the clock, load the instruments, open the streams. Raises Refusal."""
        self._heard = heard
        await self._transport.open()
        try:
            await self.calls.measure_clock()
            await self._load()
            self._check_listed()
            trader = self.client.identity.trader
            self.client.recall(await self.calls.read(queries.load_fills(trader)))
        except WireFault as fault:
            await self._transport.close()
            raise Refusal(f"the venue's lists do not read: {fault}") from None
        except Refusal:
            await self._transport.close()
            raise
        self._open_feeds()
        self._tasks.run(keep_measuring(self.calls.measure_clock, CLOCK_EVERY_S))

    def request(self, request: Request) -> None:
        """Ask; the answer comes to ``heard``."""
        self._tasks.run(self._serve(request))

    async def past_bars(
        self, instrument: str, *, step_ns: int, until: int, count: int
    ) -> tuple[BarRow, ...]:
        """Closed bars of before ``until``; raises PastFault."""
        listed = self.client.reader.universe.of_id(instrument)
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
        talk = Conversation(request, self.client)
        self._heard(await self.calls.carry(talk))
        if talk.wants_instruments:
            await self._reload()
        if talk.wants_clock:
            await try_to_measure(self.calls.measure_clock)
        if talk.ts_settled:
            await self._settle(talk)

    async def _settle(self, talk: Conversation) -> None:
        left = talk.ts_settled - self.clock.now_ns()
        if left > 0:
            await asyncio.sleep(left / SECOND_NS)
        ended = talk.settled(ts=self.clock.now_ns())
        if ended is not None:
            self._heard(ended)

    # Instruments.
    async def _load(self) -> None:
        lists = await self.calls.read(queries.load_universe(marks=True))
        fees = await self.calls.read(queries.load_fees(self.client.identity.trader))
        self.client.load(lists, fees)

    def _check_listed(self) -> None:
        universe = self.client.reader.universe
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
        client, wanted = self.client, self._feeds
        market = MarketTeller(self._heard, client)
        user = UserTeller(self._heard, client, ts=self.clock.now_ns())
        options: dict[str, Any] = {
            "transport": self._transport,
            "clock": self.clock,
            "heard": self._heard,
            "read": lambda frame, ts: client.reader.read(frame, ts),
            "mend": self._reload,
        }
        self.feeds = [
            SubscribedFeed(
                Stream.MARKET,
                _address(self._endpoints.ws, lambda: market.begin(self.clock.now_ns())),
                subscriptions=of_market(
                    self.instruments(),
                    trades=wanted.trades,
                    books=wanted.books,
                    bars=wanted.bars,
                ),
                take=market.take,
                silence_s=SILENCE_S,
                **options,
            ),
            SubscribedFeed(
                Stream.USER,
                _address(self._endpoints.ws, lambda: None),
                subscriptions=of_user(client.identity.trader),
                take=user.take,
                silence_s=USER_SILENCE_S,
                counts_pongs=True,
                **options,
            ),
        ]
        for feed in self.feeds:
            feed.start()


def _address(url: str, begin: Callable[[], None]) -> Address:
    async def address() -> str:
        begin()
        return url

    return address
