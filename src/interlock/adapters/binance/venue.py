"""The venue port on Binance USD-M futures: one account, its requests and its streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import msgspec

from interlock.adapters.binance.calls import TIMEOUT_S, Calls, Keys, must
from interlock.adapters.binance.feeds import BinanceFeed, MarketFeed
from interlock.adapters.connecting import (
    OPEN,
    Feeds,
    Network,
    Refusal,
    keep_measuring,
    try_to_measure,
)
from interlock.adapters.feed import Address
from interlock.adapters.tasks import Tasks
from interlock.adapters.transport import Transport
from interlock.model.events import BarRow, MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Quote, Trade
from interlock.model.venue import Answer, BookQuery, Request, Stream, TimeQuery, Verdict
from interlock.ports import Clock, Heard, NoPast, PastFault
from interlock.wire.binance import books, instruments, klines, requests
from interlock.wire.binance.answers import Judge
from interlock.wire.binance.fault import WireFault, decoder, ratio
from interlock.wire.binance.instruments import Catalog, Fees, Tiers
from interlock.wire.binance.reading import Links
from interlock.wire.binance.requests import Dialect, Draft
from interlock.wire.binance.streams import StreamReader
from interlock.wire.binance.terms import VENUE, Listing, symbol_of

KEEP_ALIVE_S = 20 * 60
CLOCK_EVERY_S = 60
# Marks come every second; a touch may stand still for a while.
SILENCE_S = {"market": 10.0, "public": 60.0}
_CLOCK_CODE = "-1021"


class Endpoints(msgspec.Struct, frozen=True):
    """Where the venue is: HTTP, and the root of its WebSocket planes.

    ``conditional_path`` is False for the protocol before stops had a path of their own.
    """

    http: str = "https://fapi.binance.com"
    ws: str = "wss://fstream.binance.com"
    conditional_path: bool = True
    timeout_s: float = TIMEOUT_S


class BinanceVenue:
    """One account. Give it to the live engine as its venue.

    Without keys it shows the market only: margin tiers and fees are those of
    ``wire.binance.instruments`` for nobody in particular, and nothing signed is ever sent.
    """

    name = VENUE

    def __init__(
        self,
        endpoints: Endpoints,
        keys: Keys | None,
        feeds: Feeds,
        *,
        clock: Clock,
        network: Network = OPEN,
    ) -> None:
        self._is_public = keys is None
        if self._is_public:
            self.name = f"{VENUE} (no keys: assumed fees and margin tiers)"
        self._endpoints = endpoints
        self._feeds = feeds
        self.clock = clock
        self._transport = Transport(endpoints.http, tls=network.tls, resolver=network.resolver)
        self._listing = Listing(())
        self._last_price: dict[str, int] = {}
        self._links = Links()
        self._dialect = Dialect(
            listing=self._listing,
            conditional_path=endpoints.conditional_path,
            reference_price=lambda instrument: self._last_price.get(instrument, 0),
        )
        self.calls = Calls(
            self._transport,
            Judge(self._dialect, self._links),
            self._dialect,
            clock=clock,
            keys=keys or Keys("", _Nobody()),
            timeout_s=endpoints.timeout_s,
        )
        self._heard: Heard = lambda event: None
        self._tasks = Tasks()
        self.feeds: list[BinanceFeed] = []
        self._listen_key = ""

    def instruments(self) -> Iterable[Instrument]:
        """The instruments that were asked for, as the venue lists them."""
        return self._listing.all()

    async def connect(self, heard: Heard) -> None:
        """Measure the clock, load the instruments, open the streams. Raises Refusal."""
        self._heard = heard
        await self._transport.open()
        try:
            await self.calls.measure_clock()
            await self._load()
        except WireFault as fault:
            await self._transport.close()
            raise Refusal(f"the venue's lists do not read: {fault}") from None
        except Refusal:
            await self._transport.close()
            raise
        self._open_feeds()
        self._tasks.run(keep_measuring(self.calls.measure_clock, CLOCK_EVERY_S))
        if not self._is_public:
            self._tasks.run(self._keep_listen_key())

    def request(self, request: Request) -> None:
        """Ask; the answer comes to ``heard``."""
        if self._is_public and not isinstance(request, BookQuery | TimeQuery):
            self._heard(_not_sent(request, self.clock.now_ns()))
            return
        self._tasks.run(self._serve(request))

    async def past_bars(
        self, instrument: str, *, step_ns: int, until: int, count: int
    ) -> tuple[BarRow, ...]:
        """Closed bars of before ``until``; raises PastFault."""
        listed = self._listing.by_symbol(symbol_of(instrument))
        if not klines.interval_of(step_ns):
            raise NoPast(f"{VENUE} has no bars of {step_ns / 10**9:g} s")
        found: tuple[BarRow, ...] = ()
        try:
            while len(found) < count:
                end = found[0][0] if found else until
                draft = klines.ask(listed, step_ns=step_ns, until=end, count=count - len(found))
                page = klines.read(must(draft, await self.calls.call(draft)), listed)
                found = (*page, *found)
                if len(page) < min(klines.PAGE, count - len(found) + len(page)):
                    break
        except (Refusal, WireFault) as error:
            raise PastFault(str(error)) from None
        return tuple(row for row in found if row[0] + step_ns <= until)

    async def close(self) -> None:
        """Stop the streams, let go of the listen key, close the connections."""
        for feed in self.feeds:
            await feed.stop()
        await self._tasks.stop()
        if self._listen_key:
            self._listen_key = ""
            # Left alone the key would stay open for an hour; a failure here harms nobody.
            with suppress(Refusal):
                await self.calls.call(requests.listen_key("DELETE"))
        await self._transport.close()

    async def _serve(self, request: Request) -> None:
        answer: Answer = await self.calls.answer(request)
        if answer.code == _CLOCK_CODE:
            self._tasks.run(try_to_measure(self.calls.measure_clock))
        self._heard(answer)

    async def _load(self) -> None:
        info = Draft(method="GET", path="/fapi/v1/exchangeInfo", security="open")
        tiers = await self._load_tiers()
        body = must(info, await self.calls.call(info))
        # Before anything is asked about a symbol that may not be there.
        self._check_listed(instruments.read_catalog(body, tiers=tiers, fees={}))
        priced = instruments.read_catalog(body, tiers=tiers, fees=await self._load_fees())
        listed = {item.instrument.id: item.instrument for item in priced.listed}
        for name in self._feeds.instruments:
            self._listing.add(listed[name])
            await self._load_price(listed[name])

    async def _load_tiers(self) -> dict[str, Tiers]:
        """Margin tiers of the account; without one, those for nobody in particular."""
        if self._is_public:
            return {symbol_of(name): instruments.PUBLIC_TIERS for name in self._feeds.instruments}
        brackets = Draft(method="GET", path="/fapi/v1/leverageBracket")
        return instruments.read_tiers(must(brackets, await self.calls.call(brackets)))

    async def _load_fees(self) -> dict[str, Fees]:
        """What the account pays; nothing is known without one."""
        fees: dict[str, Fees] = {}
        for name in () if self._is_public else self._feeds.instruments:
            parameters = (("symbol", symbol_of(name)),)
            draft = Draft(
                method="GET", path="/fapi/v1/commissionRate", parameters=parameters, weight=20
            )
            symbol, rates = instruments.read_fees(must(draft, await self.calls.call(draft)))
            fees[symbol] = rates
        return fees

    def _check_listed(self, catalog: Catalog) -> None:
        listed = {item.instrument.id: item for item in catalog.listed}
        reasons = dict(catalog.left_out)
        for name in self._feeds.instruments:
            found = listed.get(name)
            if found is None:
                why = reasons.get(symbol_of(name), "the venue does not list it")
                raise Refusal(f"{name} cannot be traded here: {why}")
            if found.status != "TRADING":
                raise Refusal(f"{name} has status {found.status}; only TRADING takes orders")

    async def _load_price(self, instrument: Instrument) -> None:
        """The mark, so that what needs a price can leave before the first quote."""
        parameters = (("symbol", symbol_of(instrument.id)),)
        draft = Draft(
            method="GET", path="/fapi/v1/premiumIndex", parameters=parameters, security="open"
        )
        mark = _read_mark(must(draft, await self.calls.call(draft)))
        price = ratio(mark.markPrice, 10**instrument.price_exponent, "markPrice")
        self._last_price[instrument.id] = price

    def _open_feeds(self) -> None:
        public, market = self._stream_names()
        reader = StreamReader(self._listing, self._links)
        options: dict[str, Any] = {
            "transport": self._transport,
            "reader": reader,
            "clock": self.clock,
        }
        planes = [("public", public)] + ([("market", market)] if market else [])
        for plane, names in planes:
            url = f"{self._endpoints.ws}/{plane}/stream?streams={'/'.join(names)}"
            feed = MarketFeed(
                Stream.MARKET,
                _fixed(url),
                snapshot=self._book,
                heard=self._hear_market,
                silence_s=SILENCE_S[plane],
                **options,
            )
            if self._feeds.books and plane == "public":
                for instrument in self._listing.all():
                    feed.follow_book(instrument)
            self.feeds.append(feed)
        if not self._is_public:
            user = BinanceFeed(Stream.USER, self._user_address, heard=self._heard, **options)
            self.feeds.append(user)
        for started in self.feeds:
            started.start()

    def _stream_names(self) -> tuple[list[str], list[str]]:
        public, market = [], []
        for instrument in self._listing.all():
            symbol = symbol_of(instrument.id).lower()
            public.append(f"{symbol}@bookTicker")
            if self._feeds.trades:
                public.append(f"{symbol}@trade")
            if self._feeds.books:
                public.append(f"{symbol}@depth@100ms")
            market.append(f"{symbol}@markPrice@1s")
            market += [f"{symbol}@kline_{step}" for step in self._feeds.bars]
        return public, market

    def _hear_market(self, event: Any) -> None:
        if isinstance(event, Quote | Trade):
            self._last_price[event.instrument.id] = event.mark_units
        elif isinstance(event, MarkChanged):
            self._last_price[event.instrument] = event.price
        self._heard(event)

    async def _book(self, instrument: Instrument) -> books.DepthSnapshot:
        draft = requests.book_snapshot(symbol_of(instrument.id))
        return books.snapshot(must(draft, await self.calls.call(draft)), instrument)

    async def _user_address(self) -> str:
        draft = requests.listen_key("POST")
        body = must(draft, await self.calls.call(draft))
        self._listen_key = _read_listen_key(body).listenKey
        return f"{self._endpoints.ws}/private/ws?listenKey={self._listen_key}"

    async def _keep_listen_key(self) -> None:
        draft = requests.listen_key("PUT")
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            try:
                must(draft, await self.calls.call(draft))
            except Refusal:
                # The key is gone or the venue is: a new socket asks for a new key.
                await self.feeds[-1].cut()


class _Nobody:
    """Signs nothing."""

    def sign(self, message: bytes) -> str:
        raise Refusal("this needs a key of the venue, and there is none")


class _ListenKey(msgspec.Struct):
    listenKey: str


class _Mark(msgspec.Struct):
    markPrice: str


_read_listen_key = decoder(_ListenKey)
_read_mark = decoder(_Mark)


def _not_sent(request: Request, ts: int) -> Answer:
    return Answer(
        request_id=request.request_id,
        ts_event=ts,
        verdict=Verdict.NOT_SENT,
        reason="there are no keys for this venue; its market alone is connected",
    )


def _fixed(url: str) -> Address:
    async def address() -> str:
        return url

    return address
