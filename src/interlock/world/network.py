"""The line between an engine and the venue: requests, answers and sockets, and what befalls them.

Rules of this file. Bytes pass here, never values: what a client makes of a broken answer is its own
affair. A request that was sent arrives whether its sender still lives or not. A socket that went
silent looks alive to both ends until the client's ping goes unanswered.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from interlock.runtime.settings import MS, SECOND
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.world.dice import Dice
from interlock.world.exchange import Exchange
from interlock.world.lines.line import page
from interlock.world.races import Races
from interlock.world.timeline import Planned, Timeline

TIMEOUT_NS = 10 * SECOND
# The client pings every 10 s and gives a socket up 5 s later.
PING_NS = 15 * SECOND
# How long a frame of a client takes.
_SENDING_NS = 5 * MS


class Outcome(msgspec.Struct, frozen=True):
    """How a call ended: with a response, or why without one and whether a byte had left."""

    response: HttpResponse | None = None
    reason: str = ""
    has_left: bool = True


class Socket:
    """One WebSocket: the server's session here, the client's callbacks there."""

    def __init__(self, session: Any, is_user: bool) -> None:
        self.session = session
        self.is_user = is_user
        self.is_open = True
        self.ts_frozen = 0
        self.frame: Callable[[bytes], None] = lambda frame: None
        self.lost: Callable[[str], None] = lambda reason: None
        self.ts_last = 0

    def deliver(self, frame: bytes) -> None:
        """A frame has come through."""
        if self.is_open:
            self.frame(frame)


class Network:
    """All lines of the world. Times of the world say until when something lasts."""

    def __init__(self, timeline: Timeline, exchange: Exchange, dice: Dice) -> None:
        self.timeline = timeline
        self.exchange = exchange
        self.dice = dice
        self._words = exchange.line.words
        self.cut_until = 0
        self.nameless_until = 0
        self.closed_until = 0
        # No new socket until then; requests pass.
        self.socketless_until = 0
        self.refused_until = 0
        # Questions about executions fail until then; orders of which nothing tells an execution.
        self.tradeless_until = 0
        self.untold: set[int] = set()
        self.sockets: list[Socket] = []
        self._races = Races(exchange, dice)
        self._asked: dict[bytes, list[tuple[int, HttpResponse]]] = {}
        self._wake: Planned | None = None
        self._wake_ts = 0
        self.turn()

    # Requests.
    def call(self, request: HttpRequest, kind: str, back: Callable[[Outcome], None]) -> None:
        """Send one request; ``kind`` is place, cancel, amend, query or session."""
        line, ts = self.timeline, self.timeline.ts
        if ts < self.nameless_until:
            self.dice.matters("names_lost")
            line.after(5 * MS, back, Outcome(reason="the name did not resolve", has_left=False))
            return
        exchange = _Exchange(self, request, kind, back)
        if ts < self.cut_until:
            self.dice.matters("partition")
            return
        if self.dice.hits("request_lost"):
            return
        delay = self.dice.between("request_late", 2, 20) * MS
        if self.dice.hits("request_late"):
            delay += self.dice.between("request_late", 100, 10_000) * MS
        line.after(delay, exchange.arrive)

    def carry_out(self, request: HttpRequest, kind: str) -> tuple[HttpResponse | None, int]:
        """At the venue: (response, or None where the connection breaks; delay of the way back)."""
        dice, ts, words = self.dice, self.timeline.ts, self._words
        if ts < self.closed_until:
            dice.matters("maintenance")
            return page(503), 0
        if ts < self.refused_until and words.is_signed(request):
            dice.matters("key_refused")
            return words.trouble("key_refused", dice), 0
        if ts < self.tradeless_until and words.asks_for_executions(request):
            dice.matters("history_down")
            return page(503), 0
        trouble = self._trouble()
        if trouble is not None and not trouble[1]:
            return trouble[0], 0
        response = self._handle(ts, request, kind)
        self.turn()
        if trouble is not None:
            return trouble[0], 0
        return self._spoil(response)

    def _trouble(self) -> tuple[HttpResponse, bool] | None:
        """An answer of the venue's own trouble, and whether it carried the request out."""
        dice, words = self.dice, self._words
        for kind in ("unknown_503", "unknown_1007"):
            if dice.hits(kind):
                return words.trouble(kind, dice), dice.coin(kind)
        for kind in ("busy_1008", "throttled"):
            if dice.hits(kind):
                return words.trouble(kind, dice), False
        return None

    def _handle(self, ts: int, request: HttpRequest, kind: str) -> HttpResponse:
        dice, venue = self.dice, self.exchange
        if kind == "cancel":
            return self._races.cancel(ts, request)
        if kind != "query":
            response = venue.server.handle(ts, request)
            name = self._words.placed(response) if kind == "place" else ""
            if name and dice.hits("order_hidden"):
                venue.hidden[name] = ts + dice.between("order_hidden", 10_000, 45_000) * MS
            return response
        if dice.hits("query_lag"):
            venue.lag_ns = dice.between("query_lag", 1, 5_000) * MS
        response = venue.server.handle(ts, request)
        venue.lag_ns = 0
        if self.untold and response.status == 200 and self._words.asks_for_executions(request):
            response = self._words.without(response, self.untold)
        if "stale_snapshot" not in dice.plan.rates:
            return response
        kept = self._asked.setdefault(self._words.question(request), [])
        kept[:] = [item for item in kept if item[0] > ts - 5 * SECOND]
        kept.append((ts, response))
        if len(kept) > 1 and dice.hits("stale_snapshot"):
            return kept[0][1]
        return response

    def _spoil(self, response: HttpResponse) -> tuple[HttpResponse | None, int]:
        dice = self.dice
        if dice.hits("answer_lost"):
            return None, 0
        if response.status == 200:
            if dice.hits("answer_truncated"):
                half = response.body[: len(response.body) // 2]
                return msgspec.structs.replace(response, body=half), 0
            if dice.hits("answer_empty"):
                body = b"" if dice.coin("answer_empty") else b"{}"
                return msgspec.structs.replace(response, body=body), 0
            if dice.hits("answer_html"):
                return page((200, 502, 504)[dice.between("answer_html", 0, 2)]), 0
        if dice.hits("answer_late"):
            return response, dice.between("answer_late", 100, 12_000) * MS
        return response, 0

    # Sockets.
    def connect(self, path: str, query: bytes, *, is_user: bool) -> Socket | None:
        """A new socket, or None when the venue cannot be reached."""
        ts = self.timeline.ts
        until = max(self.cut_until, self.nameless_until, self.closed_until)
        if ts < max(until, self.socketless_until):
            return None
        socket = Socket(self.exchange.server.open(ts, path, query), is_user)
        self.sockets.append(socket)
        self.turn()
        return socket

    def send(self, socket: Socket, frame: bytes) -> None:
        """A client says something on its socket; what comes into a silence is lost."""
        if self.timeline.ts >= max(socket.ts_frozen, self.cut_until):
            self.timeline.after(_SENDING_NS, self._receive, socket, frame)

    def _receive(self, socket: Socket, frame: bytes) -> None:
        if socket.is_open:
            self.exchange.server.receive(self.timeline.ts, socket.session, frame)
            self.turn()

    def close(self, socket: Socket) -> None:
        """The client is gone."""
        socket.is_open = False
        if socket in self.sockets:
            self.sockets.remove(socket)
            self.exchange.server.close(socket.session)

    def close_all(self, reason: str) -> None:
        """The venue closes every socket."""
        for socket in list(self.sockets):
            self.close(socket)
            self.timeline.after(2 * MS, socket.lost, reason)

    def freeze(self, socket: Socket, until: int) -> None:
        """A socket falls silent and looks alive; its client's ping finds out."""
        socket.ts_frozen = max(socket.ts_frozen, until)
        self.timeline.after(PING_NS, self._ping, socket)

    def partition(self, until: int) -> None:
        """Nothing passes until then."""
        self.cut_until = max(self.cut_until, until)
        for socket in list(self.sockets):
            self.freeze(socket, until)

    def _ping(self, socket: Socket) -> None:
        # What was lost on the way stays lost: a connection that missed its ping is given up.
        if socket.is_open:
            self.close(socket)
            socket.lost("no answer to a ping")

    # The venue's own time.
    def turn(self) -> None:
        """Pass on what the server has for anybody, and come back when something is due there."""
        ts = self.timeline.ts
        server = self.exchange.server
        for socket in list(self.sockets):
            for frame in server.frames(ts, socket.session):
                self._pass(socket, frame)
            reason = server.ended(socket.session)
            if reason:
                self.close(socket)
                self.timeline.after(2 * MS, socket.lost, reason)
        due = server.next_due()
        if self._wake is None or due < self._wake_ts:
            if self._wake is not None:
                self._wake.cancel()
            self._wake_ts = due
            self._wake = self.timeline.at(due, self._due)

    def _due(self) -> None:
        self._wake = None
        self.exchange.server.advance(self.timeline.ts)
        self.turn()

    def _pass(self, socket: Socket, frame: bytes) -> None:
        """A frame of the venue on its way, unless it comes into a silence or nothing tells it."""
        if self.timeline.ts < socket.ts_frozen:
            if socket.is_user:
                self.dice.matters("stream_silent")
            return
        if self.untold:
            frame = self._words.told(frame, self.untold)
        if not frame:
            return
        if self._words.is_reply(frame):
            self.timeline.after(_SENDING_NS, socket.deliver, frame)
        else:
            self._carry(socket, frame)

    def _carry(self, socket: Socket, frame: bytes) -> None:
        """A frame with whatever befalls it."""
        line, dice = self.timeline, self.dice
        late = 0
        if socket.is_user:
            frame, late = self._races.told(frame)
        for again in range(2):
            found = self._on_user_stream(socket, again) if socket.is_user else 0
            spoiled = frame if socket.is_user else self._on_market_stream(frame)
            if found < 0 or not spoiled:
                return
            found = max(found, late)
            arrives = line.ts + dice.between("message_late", 1, 15) * MS
            if not found:
                # One connection keeps its order, unless something holds a message up.
                arrives = socket.ts_last = max(arrives, socket.ts_last + 1)
            line.at(arrives + found, socket.deliver, spoiled)
            if not (socket.is_user and not again and dice.hits("message_twice")):
                return

    def _on_market_stream(self, frame: bytes) -> bytes:
        """A frame of public data as it comes; nothing when it is lost."""
        dice = self.dice
        if dice.hits("quote_lost"):
            return b""
        if self._words.is_touch(frame) and dice.hits("quote_wrong"):
            return self._words.distorted(frame, dice)
        return frame

    def _on_user_stream(self, socket: Socket, again: int) -> int:
        """How late a message of the user stream is; -1 when it is lost."""
        dice = self.dice
        if dice.hits("odd_message"):
            self.timeline.after(1 * MS, socket.deliver, self._words.odd)
        if not again and dice.hits("message_lost"):
            return -1
        if dice.hits("message_late"):
            return dice.between("message_late", 100, 10_000) * MS
        return 0


class _Exchange:
    """One request under way: what comes first, its answer or the end of the client's patience."""

    __slots__ = ("_back", "_kind", "_network", "_over", "_request")

    def __init__(
        self,
        network: Network,
        request: HttpRequest,
        kind: str,
        back: Callable[[Outcome], None],
    ) -> None:
        self._network = network
        self._request = request
        self._kind = kind
        self._back = back
        self._over = network.timeline.after(
            TIMEOUT_NS, self._end, Outcome(reason="no answer within 10 s")
        )

    def arrive(self) -> None:
        network = self._network
        if network.timeline.ts < network.cut_until:
            return
        response, delay = network.carry_out(self._request, self._kind)
        outcome = Outcome(response, "" if response is not None else "the connection was reset")
        if network.timeline.ts < network.cut_until:
            return
        network.timeline.after(delay + 2 * MS, self._end, outcome)

    def _end(self, outcome: Outcome) -> None:
        if self._over.act is not None:
            self._over.cancel()
            self._back(outcome)
