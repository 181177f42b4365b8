"""Hyperliquid's client in virtual time: real actions, judgment and streams on the world's line.

Connecting is taken as done: the clock has been measured and the lists loaded when it opens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from interlock.model.instrument import Instrument
from interlock.model.rows import IntentRow
from interlock.model.venue import PlaceRequest, Request, Stream, TimeQuery
from interlock.ports import Heard
from interlock.runtime.settings import SECOND
from interlock.wire.hyperliquid import queries
from interlock.wire.hyperliquid.actions import Identity
from interlock.wire.hyperliquid.client import Client, Wallet
from interlock.wire.hyperliquid.conversation import Conversation
from interlock.wire.hyperliquid.instruments import VENUE
from interlock.wire.hyperliquid.streams import (
    PING,
    Acknowledged,
    Item,
    Pong,
    Posted,
    SocketError,
    Unheard,
    subscribe,
)
from interlock.wire.hyperliquid.telling import (
    MarketTeller,
    Subscription,
    UserTeller,
    of_market,
    of_user,
)
from interlock.wire.hyperliquid.text import WireFault
from interlock.world.clients.feed import CLOCK_NS, SILENCE_NS, Feed, Place, kind_of, nobody
from interlock.world.lines.hyperliquid import WALLET, Pen
from interlock.world.network import Outcome, Socket

_PATH = "/ws"
# As the adapter has them.
_PING_NS, _CONFIRM_NS = 8 * SECOND, 5 * SECOND


class HyperliquidClient:
    """One account at the world's venue, as one process sees it. Dead after ``drop``."""

    name = VENUE

    def __init__(self, place: Place) -> None:
        self.network = place.network
        self._clock = place.clock
        self._leaves = place.leaves
        traded = tuple(instrument.id for instrument in place.instruments)
        intent = str(IntentRow.__struct_config__.tag)
        names = tuple(row.row.key for row in place.files.rows if row.row.kind == intent)
        wallet = Wallet(identity=Identity(address=WALLET), signer=Pen(), client_order_ids=names)
        self.client = Client(wallet, traded)
        self._heard: Heard = nobody
        self._is_dead = False
        self._feeds: tuple[_Feed, ...] = ()

    def instruments(self) -> Iterable[Instrument]:
        """What it lists of what is traded."""
        universe = self.client.reader.universe
        return tuple(universe.of_id(name) for name in self.client.traded)

    def open(self, heard: Heard) -> None:
        """Open the streams; what they and the answers say goes to ``heard``."""
        self._heard, client = heard, self.client
        self._connect()
        market = MarketTeller(self.tell, client)
        user = UserTeller(self.tell, client, ts=self.now())
        self._feeds = (
            _Feed(self, Stream.MARKET, of_market(self.instruments()), market.take),
            _Feed(self, Stream.USER, of_user(WALLET), user.take),
        )
        for feed in self._feeds:
            feed.open(_PATH, b"")
        self.later(CLOCK_NS, self._keep_measuring)

    async def connect(self, heard: Heard) -> None:
        """As the port has it; in the world ``open`` does the same without waiting."""
        self.open(heard)

    def request(self, request: Request) -> None:
        """Ask; the answer comes to ``heard``."""
        self._leaves(request)
        if isinstance(request, PlaceRequest):
            self.network.exchange.server.remember(request.client_order_id)
        talk = Conversation(request, self.client)
        if not self._sent(talk):
            self.network.timeline.after(0, self._over, talk)

    async def close(self) -> None:
        """Close the streams."""
        self.drop()

    def drop(self) -> None:
        """The process is gone: nothing is heard any more, and the sockets close."""
        self._is_dead = True
        self._heard = nobody
        for feed in self._feeds:
            feed.drop()

    # Requests.
    def _sent(self, talk: Conversation) -> bool:
        """Send what leaves next; False when nothing does."""
        now = self.now()
        request = talk.leaving(ts=now)
        if request is None:
            return False
        self.network.call(request, kind_of(talk.asked), partial(self._came, talk, now))
        return True

    def _came(self, talk: Conversation, sent: int, outcome: Outcome) -> None:
        if self._is_dead:
            return
        if outcome.response is None:
            talk.failed(outcome.reason, ts=self.now(), has_left=outcome.has_left)
        else:
            talk.replied(outcome.response, sent=sent, ts=self.now())
        if not self._sent(talk):
            self._over(talk)

    def _over(self, talk: Conversation) -> None:
        """The answer is known."""
        if self._is_dead or talk.answer is None:
            return
        self._heard(talk.answer)
        if talk.wants_clock:
            self._measure()
        if talk.ts_settled:
            left = max(0, talk.ts_settled - self.now())
            self.later(left, partial(self._settle, talk))

    def _settle(self, talk: Conversation) -> None:
        ended = talk.settled(ts=self.now())
        if ended is not None:
            self._heard(ended)

    # The venue's clock and lists.
    def _connect(self) -> None:
        ask = partial(self.network.exchange.server.connecting, self.network.timeline.ts)
        now, question = self.now(), TimeQuery(request_id=-1)
        found = ask(self.client.question(question, ts=now))
        self.client.judged(question, found, sent=now, ts=now)
        lists, fees = (
            ask(asked).body
            for asked in (queries.load_universe(marks=True), queries.load_fees(WALLET))
        )
        self.client.load(lists, fees)
        self.client.recall(ask(queries.load_fills(WALLET)).body)

    def _keep_measuring(self) -> None:
        self._measure()
        self.later(CLOCK_NS, self._keep_measuring)

    def _measure(self) -> None:
        talk, sent = Conversation(TimeQuery(request_id=-1), self.client), self.now()

        def came(outcome: Outcome) -> None:
            if not self._is_dead and outcome.response is not None:
                talk.replied(outcome.response, sent=sent, ts=self.now())

        request = talk.leaving(ts=sent)
        if request is not None:
            self.network.call(request, "session", came)

    # What the feeds need.
    def again(self, feed: Feed) -> None:
        """Open a feed's socket again."""
        if not self._is_dead:
            feed.open(feed.path, feed.query)

    def connect_socket(self, path: str, query: bytes, *, is_user: bool) -> Socket | None:
        """A socket of the line."""
        return None if self._is_dead else self.network.connect(path, query, is_user=is_user)

    def disconnect(self, socket: Socket) -> None:
        """Give a socket up."""
        self.network.close(socket)

    def tell(self, event: Any) -> None:
        """Pass an event on."""
        self._heard(event)

    def later(self, delay_ns: int, act: Callable[[], None]) -> None:
        """Do something later unless the process is gone by then."""

        def due() -> None:
            if not self._is_dead:
                act()

        self.network.timeline.after(delay_ns, due)

    def now(self) -> int:
        """The process's own time."""
        return self._clock.now_ns()


class _Feed(Feed):
    """One socket with the subscriptions that belong on it: up when all of them are confirmed."""

    def __init__(
        self,
        venue: HyperliquidClient,
        stream: Stream,
        subscriptions: list[Subscription],
        take: Callable[[Item, int], None],
    ) -> None:
        super().__init__(venue, stream, silence_ns=SILENCE_NS)
        self._venue = venue
        self._say = venue.network.send
        self._subscriptions = subscriptions
        self._take = take
        self._confirmed = 0

    def greet(self, socket: Socket) -> None:
        self._confirmed = 0
        for subscription in self._subscriptions:
            self._say(socket, subscribe(subscription))
        self._venue.later(_CONFIRM_NS, partial(self._check, socket))

    def take_frame(self, frame: bytes) -> None:
        ts = self._venue.now()
        try:
            items = self._venue.client.reader.read(frame, ts)
        except WireFault as fault:
            self.cut(str(fault))
            return
        for item in items:
            self._hear(item, ts)

    def _hear(self, item: Item, ts: int) -> None:
        match item:
            case Acknowledged():
                self.heard()
                self._confirmed += 1
                if self._confirmed == len(self._subscriptions):
                    self.went_up()
            case SocketError():
                self.cut(f"the venue refused a message: {item.text}")
            case Pong() | Posted() | Unheard():
                # The connection lives; that its prices do is for their own messages to show.
                if self.stream is Stream.USER:
                    self.heard()
            case _:
                self.heard()
                self._take(item, ts)

    def _check(self, socket: Socket) -> None:
        if self.socket is not socket:
            return
        if not self.is_up:
            missing = len(self._subscriptions) - self._confirmed
            self.cut(f"{missing} subscriptions were not confirmed")
            return
        self._ping(socket)

    def _ping(self, socket: Socket) -> None:
        if self.socket is socket:
            self._say(socket, PING)
            self._venue.later(_PING_NS, partial(self._ping, socket))
