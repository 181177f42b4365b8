"""The venue port on any exchange of ccxt: unified calls, our judgment, polled streams."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from interlock.adapters.ccxt_venue import words
from interlock.adapters.ccxt_venue.asking import Asking
from interlock.adapters.ccxt_venue.client import CcxtConfig, Refused, SafeExchange
from interlock.adapters.ccxt_venue.polling import MarketLook, Poll, UserLook
from interlock.adapters.ccxt_venue.reading import NotCarried
from interlock.adapters.ccxt_venue.tiers import Tier, tier
from interlock.adapters.ccxt_venue.words import Markets, WordFault
from interlock.adapters.connecting import OPEN, Feeds, Network, Refusal
from interlock.adapters.tasks import Tasks
from interlock.model.instrument import Instrument
from interlock.model.units import RATE_SCALE
from interlock.model.venue import Request, Stream
from interlock.ports import Clock, Heard

CLOCK_EVERY_S = 60
SAMPLES = 3
_CLOCK_CODES = ("-1021", "InvalidNonce")
_BROKEN = (KeyError, TypeError, ValueError, AttributeError, IndexError)


class CcxtVenue:
    """One account at one exchange. Give it to the live engine as its venue."""

    def __init__(
        self, config: CcxtConfig, feeds: Feeds, *, clock: Clock, network: Network = OPEN
    ) -> None:
        self.name = config.exchange_id.upper()
        self.exchange = SafeExchange(config, clock=clock, network=network)
        self.polls: list[Poll] = []
        self._config = config
        self._feeds = feeds
        self.clock = clock
        self._heard: Heard = lambda event: None
        self._tasks = Tasks()
        self._asking: Asking

    @property
    def tier(self) -> Tier:
        """What may be expected of this venue."""
        return tier(self._config.exchange_id)

    @property
    def freshness_s(self) -> float:
        """How old what the streams tell may be, apart from the round trip."""
        return self._config.poll_s

    def instruments(self) -> Iterable[Instrument]:
        """The instruments that were asked for, as the venue lists them."""
        return tuple(market.instrument for market in self._asking.markets.all())

    async def connect(self, heard: Heard) -> None:
        """Load the markets, measure the clock, begin to poll. Raises Refusal."""
        self._heard = heard
        errors = (Refused, self.exchange.errors.BaseError, *_BROKEN)
        try:
            await self.exchange.open()
            markets = Markets(self.exchange.api, self._config.exchange_id, self._feeds.instruments)
            self._asking = Asking(self.exchange, markets, self.clock)
            self._check_listed(markets)
            await self._measure()
            await self._load_fees(markets)
        except Refusal:
            await self.exchange.close()
            raise
        except errors as error:
            await self.exchange.close()
            raise Refusal(f"{type(error).__name__}: {error}"[:300]) from error
        self._start(errors)

    def request(self, request: Request) -> None:
        """Ask; the answer comes to ``heard``."""
        self._tasks.run(self._serve(request))

    async def close(self) -> None:
        """Stop to poll, close the connections."""
        await self._tasks.stop()
        await self.exchange.close()

    def _start(self, errors: tuple[type[Exception], ...]) -> None:
        market = MarketLook(self._asking, self.clock, self._heard, self._feeds.bars)
        user = UserLook(self._asking, self.clock, self._heard)
        interval = self._config.poll_s
        for stream, look in ((Stream.MARKET, market.look), (Stream.USER, user.look)):
            poll = Poll(stream, interval_s=interval, clock=self.clock, heard=self._heard)
            self.polls.append(poll)
            self._tasks.run(poll.run(look, (*errors, NotCarried, WordFault)))
        self._tasks.run(self._keep_clock())

    async def _serve(self, request: Request) -> None:
        answer = await self._asking.answer(request)
        self._heard(answer)
        if answer.code in _CLOCK_CODES:
            await self._measure_quietly()

    def _check_listed(self, markets: Markets) -> None:
        missing = [name for name in self._feeds.instruments if name not in markets.ids()]
        if missing:
            raise Refusal(f"{missing[0]} cannot be traded here: {self.name} does not list it")

    async def _load_fees(self, markets: Markets) -> None:
        api = self.exchange.api
        if not api.has.get("fetchTradingFee"):
            return
        for market in markets.all():
            found = await api.fetch_trading_fee(market.symbol)
            rates = [int(words.decimal(found[side]) * RATE_SCALE) for side in ("maker", "taker")]
            markets.put(
                msgspec.structs.replace(market.instrument, maker_rate=rates[0], taker_rate=rates[1])
            )

    async def _measure(self) -> None:
        """Keep the sample with the shortest round trip, where the venue tells its time."""
        if not self.exchange.api.has.get("fetchTime"):
            return
        for _ in range(SAMPLES):
            sent = self.clock.now_ns()
            venue = await self._asking.reading.time()
            self.exchange.offset.take(sent=sent, seen=self.clock.now_ns(), venue=venue)

    async def _measure_quietly(self) -> None:
        # Without a sample the bound on the error grows until one succeeds.
        with suppress(self.exchange.errors.BaseError, *_BROKEN):
            await self._measure()

    async def _keep_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_EVERY_S)
            await self._measure_quietly()
