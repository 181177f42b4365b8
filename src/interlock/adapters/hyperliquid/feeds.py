"""Hyperliquid's streams: subscriptions until all are confirmed, pings, bars from candles.

A stream is up when the venue has confirmed every subscription: what it says from then on is
complete. Executions come on two channels, and again at every new subscription; each is told once.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import aiohttp

from interlock.adapters.feed import SECOND_NS, Feed
from interlock.adapters.transport import StreamLost
from interlock.model.events import MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Bar, Book, Quote, Trade, column
from interlock.model.venue import BalanceSeen, FillSeen, PaymentSeen, PositionSeen, VenuePosition
from interlock.ports import Heard
from interlock.wire.hyperliquid.streams import (
    PING,
    AccountSeen,
    Acknowledged,
    CandleSeen,
    Item,
    Liquidated,
    MarkSeen,
    Pong,
    Posted,
    QuoteLost,
    SocketError,
    Unheard,
    VenueCanceled,
    subscribe,
)

# The venue closes a socket from which it heard nothing for a minute.
PING_S = 8.0
CONFIRM_S = 5.0
_REMEMBERED = 50_000

Subscription = dict[str, object]
Read = Callable[[bytes, int], list[Item]]


class SubscribedFeed(Feed):
    """One socket with the subscriptions that belong on it."""

    def __init__(
        self,
        *args: Any,
        subscriptions: Iterable[Subscription],
        read: Read,
        mend: Callable[[], Awaitable[None]],
        take: Callable[[Item, int], None],
        counts_pongs: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._subscriptions = tuple(subscriptions)
        self._read = read
        self._mend = mend
        self._take = take
        self._counts_pongs = counts_pongs
        self._confirmed = 0

    async def greet(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Subscribe, wait for the confirmations, and keep the socket from falling silent."""
        self._confirmed = 0
        for subscription in self._subscriptions:
            await socket.send_str(subscribe(subscription).decode())
        await asyncio.sleep(CONFIRM_S)
        if not self.is_up:
            missing = len(self._subscriptions) - self._confirmed
            await self.cut(f"{missing} subscriptions were not confirmed")
        while True:
            # The answer shows that the venue still listens when it has nothing to say.
            await socket.send_str(PING.decode())
            await asyncio.sleep(PING_S)

    def take_frame(self, frame: bytes) -> None:
        """Pass on what a frame says."""
        ts = self._clock.now_ns()
        for item in self._read(frame, ts):
            match item:
                case Acknowledged():
                    self._confirm(item)
                case SocketError():
                    raise StreamLost(f"the venue refused a message: {item.text}")
                case Pong() | Posted() | Unheard():
                    # The connection lives; that its streams do is for their own messages to show.
                    if self._counts_pongs:
                        self.last_ts = ts
                case _:
                    self.last_ts = ts
                    self._take(item, ts)

    async def mend(self, fault: ValueError) -> None:
        """Load the instruments again: most often a frame names one that was not there before."""
        await self._mend()

    def _confirm(self, item: Acknowledged) -> None:
        if item.method != "subscribe":
            return
        self.last_ts = self._clock.now_ns()
        self._confirmed += 1
        if self._confirmed == len(self._subscriptions):
            self.went_up()


class MarketTeller:
    """Makes events of the kernel out of market items, at the time they arrived."""

    def __init__(
        self,
        heard: Heard,
        *,
        venue_now: Callable[[], int],
        price: Callable[[str, int], None],
        instrument: Callable[[str], Instrument],
    ) -> None:
        self._heard = heard
        self._venue_now = venue_now
        self._price = price
        self._instrument = instrument
        self._since = 0
        self._candles: dict[tuple[str, str], CandleSeen] = {}

    def begin(self) -> None:
        """A new connection: what it repeats of the past is not told again."""
        self._since = self._venue_now() - SECOND_NS
        self._candles.clear()

    def take(self, item: Item, ts: int) -> None:
        """Pass on one item."""
        match item:
            case Quote():
                self._price(item.instrument.id, item.mark_units)
                self._heard(item.arriving(ts))
            case Trade():
                if item.ts_event >= self._since:
                    self._heard(item.arriving(ts))
            case Book():
                self._heard(item.arriving(ts))
            case MarkSeen():
                self._price(item.instrument, item.mark)
                self._heard(MarkChanged(ts, item.instrument, item.mark))
            case CandleSeen():
                self._candle(item, ts)
            case QuoteLost():
                # Nothing to tell: a quote that is not renewed grows old by itself.
                pass

    def _candle(self, item: CandleSeen, ts: int) -> None:
        """A bar is complete when the next one has begun."""
        key = (item.instrument, item.interval)
        before = self._candles.get(key)
        self._candles[key] = item
        if before is None or item.ts_open <= before.ts_open:
            return
        prices = (before.open, before.high, before.low, before.close, before.volume)
        values = tuple(map(column, (before.ts_open, *prices)))
        # The venue names a bar's last millisecond.
        step = -(-(before.ts_close - before.ts_open) // SECOND_NS) * SECOND_NS
        self._heard(Bar(self._instrument(before.instrument), values, 0, step).arriving(ts))


class UserTeller:
    """Tells each execution and payment once, and positions that are gone as zero."""

    def __init__(self, heard: Heard, *, since: int) -> None:
        self._heard = heard
        self._since = since
        self._told: OrderedDict[object, None] = OrderedDict()
        self._held: dict[str, None] = {}

    def take(self, item: Item, ts: int) -> FillSeen | None:
        """Pass on one item; returns an execution that was told."""
        match item:
            case FillSeen():
                # What traded before we came is for questions to tell, not for the stream.
                name = (item.fill.instrument, item.fill.trade_id)
                if item.fill.ts_venue >= self._since and self._is_new(name):
                    self._heard(item)
                    return item
            case PaymentSeen():
                payment = item.payment
                if payment.ts_venue >= self._since and self._is_new(payment.payment_id):
                    self._heard(item)
            case AccountSeen():
                self._account(item, ts)
            case VenueCanceled() | Liquidated():
                # The order's own update and the executions say the same.
                pass
        return None

    def _account(self, item: AccountSeen, ts: int) -> None:
        present = {position.instrument: position for position in item.positions}
        for name in self._held:
            present.setdefault(name, VenuePosition(instrument=name, quantity=0))
        for position in present.values():
            self._heard(PositionSeen(ts_event=ts, position=position))
        self._held = {name: None for name, held in present.items() if held.quantity}
        self._heard(BalanceSeen(ts_event=ts, balance=item.balance))

    def _is_new(self, name: object) -> bool:
        if name in self._told:
            return False
        self._told[name] = None
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return True
