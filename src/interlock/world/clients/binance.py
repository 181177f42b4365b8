"""Binance's client in virtual time: real drafts, judge and stream reader on the world's line."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import msgspec

from interlock.model.clock import Offset
from interlock.model.events import MarkChanged
from interlock.model.instrument import Instrument
from interlock.model.market import Quote
from interlock.model.venue import Answer, Request, Stream, TimeQuery
from interlock.ports import Clock, Heard
from interlock.runtime.settings import SECOND
from interlock.wire.binance import requests, signing
from interlock.wire.binance.answers import Judge, Reply
from interlock.wire.binance.conversation import Conversation
from interlock.wire.binance.fault import WireFault
from interlock.wire.binance.reading import Links
from interlock.wire.binance.requests import DeadlinePassed, Dialect, Draft
from interlock.wire.binance.streams import MarkSeen, StreamReader, UserStreamEnded
from interlock.wire.binance.terms import VENUE, Listing, symbol_of
from interlock.wire.http import HttpRequest
from interlock.world.clients.feed import CLOCK_NS, SILENCE_NS, Feed, Place, kind_of, nobody
from interlock.world.lines.binance import KEY, SECRET
from interlock.world.network import Network, Outcome, Socket

_KEEP_NS = 20 * 60 * SECOND
_sign = partial(signing.hmac_signature, SECRET.encode())


class BinanceClient:
    """One account at the world's venue, as one process sees it. Dead after ``drop``."""

    name = VENUE

    def __init__(self, place: Place) -> None:
        self._network = network = place.network
        self._clock = clock = place.clock
        self._leaves = place.leaves
        self._listing = Listing(place.instruments)
        links = Links()
        self._dialect = Dialect(listing=self._listing)
        self._judge = Judge(self._dialect, links)
        self._calls = _Calls(network, clock, self._dialect, self._judge)
        self._reader = StreamReader(self._listing, links)
        self._heard: Heard = lambda event: None
        self._is_dead = False
        self._feeds: list[_Feed] = []
        self._listen_key = ""

    def instruments(self) -> Iterable[Instrument]:
        """What it lists."""
        return self._listing.all()

    def open(self, heard: Heard) -> None:
        """Open the streams; what they and the answers say goes to ``heard``."""
        self._heard = heard
        names = []
        for instrument in self._listing.all():
            symbol = symbol_of(instrument.id).lower()
            names += [f"{symbol}@bookTicker", f"{symbol}@markPrice"]
        market = "streams=" + "/".join(names)
        self._feeds = [
            _Feed(self, Stream.MARKET, silence_ns=SILENCE_NS),
            _Feed(self, Stream.USER, silence_ns=0),
        ]
        self._feeds[0].open("/stream", market.encode())
        self._new_listen_key()
        self.later(_KEEP_NS, self._keep_listen_key)
        self._calls.keep_measuring()

    async def connect(self, heard: Heard) -> None:
        """As the port has it; in the world ``open`` does the same without waiting."""
        self.open(heard)

    def request(self, request: Request) -> None:
        """Ask; the answer comes to ``heard``."""
        self._leaves(request)
        now = self._clock.now_ns()
        talk = Conversation(request, self._dialect, self._judge, ts=now)
        self._go_on(talk)

    async def close(self) -> None:
        """Close the streams."""
        self.drop()

    def drop(self) -> None:
        """The process is gone: nothing is heard any more, and the sockets close."""
        self._is_dead = self._calls.is_dead = True
        self._heard = nobody
        for feed in self._feeds:
            feed.drop()

    # Requests.
    def _go_on(self, talk: Conversation) -> None:
        if self._is_dead:
            return
        draft = talk.draft
        if draft is None:
            answer = talk.answer
            if answer is not None:
                if answer.code == "-1021":
                    self._calls.measure()
                self._heard(answer)
            return
        try:
            signed = self._calls.sign(draft, talk.request.ts_deadline)
        except DeadlinePassed as error:
            talk.failed(str(error), ts=self._clock.now_ns(), has_left=False)
            self._network.timeline.after(0, self._go_on, talk)
            return
        self._network.call(signed, kind_of(talk.request), partial(self._came, talk))

    def _came(self, talk: Conversation, outcome: Outcome) -> None:
        if self._is_dead:
            return
        now, response = self._clock.now_ns(), outcome.response
        if response is None:
            talk.failed(outcome.reason, ts=now, has_left=outcome.has_left)
        else:
            reply = Reply(status=response.status, body=response.body, headers=response.headers)
            talk.replied(reply, ts=now)
        self._go_on(talk)

    # The listen key.
    def _new_listen_key(self) -> None:
        feed = self._feeds[1]

        def came(outcome: Outcome) -> None:
            if self._is_dead:
                return
            response = outcome.response
            if response is None or response.status != 200:
                feed.failed()
                return
            try:
                self._listen_key = msgspec.json.decode(response.body, type=_Key).listenKey
            except (msgspec.DecodeError, UnicodeDecodeError):
                feed.failed()
                return
            feed.open("/private/ws", b"listenKey=" + self._listen_key.encode())

        draft = requests.listen_key("POST")
        self._network.call(self._calls.sign(draft, 0), "session", came)

    def _keep_listen_key(self) -> None:
        def came(outcome: Outcome) -> None:
            if self._is_dead:
                return
            if outcome.response is None or outcome.response.status != 200:
                self._feeds[1].cut("the listen key was not kept")

        draft = requests.listen_key("PUT")
        self._network.call(self._calls.sign(draft, 0), "session", came)
        self.later(_KEEP_NS, self._keep_listen_key)

    def again(self, feed: Feed) -> None:
        """Open a feed's socket again."""
        if self._is_dead:
            return
        if feed.stream is Stream.USER:
            self._new_listen_key()
        else:
            feed.open(feed.path, feed.query)

    # What the feeds need.
    def connect_socket(self, path: str, query: bytes, *, is_user: bool) -> Socket | None:
        """A socket of the line."""
        return None if self._is_dead else self._network.connect(path, query, is_user=is_user)

    def disconnect(self, socket: Socket) -> None:
        """Give a socket up."""
        self._network.close(socket)

    def read(self, frame: bytes) -> tuple[Any, ...]:
        """What a frame says; raises WireFault."""
        return self._reader.read(frame, ts=self._clock.now_ns()).said

    def tell(self, event: Any) -> None:
        """Pass an event on."""
        self._heard(event)

    def later(self, delay_ns: int, act: Callable[[], None]) -> None:
        """Do something later unless the process is gone by then."""

        def due() -> None:
            if not self._is_dead:
                act()

        self._network.timeline.after(delay_ns, due)

    def now(self) -> int:
        """The process's own time."""
        return self._clock.now_ns()


class _Calls:
    """Signed calls and the venue's clock, measured by its own chain of questions."""

    def __init__(self, network: Network, clock: Clock, dialect: Dialect, judge: Judge) -> None:
        self._network = network
        self._clock = clock
        self._dialect = dialect
        self._judge = judge
        self._offset = Offset()
        self.is_dead = False

    def sign(self, draft: Draft, ts_deadline: int) -> HttpRequest:
        """The request as it leaves; raises DeadlinePassed."""
        return requests.signed(
            draft,
            ts=self._offset.at_venue(self._clock.now_ns()),
            ts_deadline=self._offset.at_venue(ts_deadline),
            key=KEY,
            sign=_sign,
        )

    def keep_measuring(self) -> None:
        """Measure now and every minute, until the process is gone."""
        if not self.is_dead:
            self.measure()
            self._network.timeline.after(CLOCK_NS, self.keep_measuring)

    def measure(self) -> None:
        """Measure the venue's clock."""
        sent = self._clock.now_ns()
        talk = Conversation(TimeQuery(request_id=-1), self._dialect, self._judge, ts=sent)
        draft = talk.draft
        if draft is None:
            return

        def came(outcome: Outcome) -> None:
            if self.is_dead or outcome.response is None:
                return
            seen, found = self._clock.now_ns(), outcome.response
            reply = Reply(status=found.status, body=found.body, headers=found.headers)
            talk.replied(reply, ts=seen)
            answer = talk.answer
            if isinstance(answer, Answer) and answer.ts_venue:
                self._offset.take(sent=sent, seen=seen, venue=answer.ts_venue)

        self._network.call(self.sign(draft, 0), "session", came)


class _Feed(Feed):
    """One stream of Binance: it speaks as soon as it is open."""

    def __init__(self, venue: BinanceClient, stream: Stream, *, silence_ns: int) -> None:
        super().__init__(venue, stream, silence_ns=silence_ns)
        self._venue = venue

    def take_frame(self, frame: bytes) -> None:
        self.heard()
        try:
            said = self._venue.read(frame)
        except WireFault as fault:
            if self.stream is Stream.USER:
                self.cut(str(fault))
            return
        for event in said:
            if isinstance(event, UserStreamEnded):
                self.cut("the listen key has expired")
                return
            if isinstance(event, MarkSeen):
                event = MarkChanged(event.ts_event, event.instrument, event.mark)
            if self.stream is Stream.USER or isinstance(event, Quote | MarkChanged):
                self._venue.tell(event)


class _Key(msgspec.Struct):
    listenKey: str
