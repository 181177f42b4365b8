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
from interlock.sim.binance_server.sessions import Session
from interlock.wire.http import HttpRequest, HttpResponse
from interlock.world.dice import Dice
from interlock.world.exchange import Exchange
from interlock.world.races import ADDRESS, Races
from interlock.world.timeline import Planned, Timeline

TIMEOUT_NS = 10 * SECOND
# The client pings every 10 s and gives a socket up 5 s later.
PING_NS = 15 * SECOND
_HTML = b"<html><head><title>%d</title></head><body>unavailable</body></html>"
_TRADES = "/userTrades"
_ODD = b'{"e":"PLEDGE_UPDATE","E":1700000000000,"a":{"m":[1,null,{"k":"v"}],"new":true}}'


class Outcome(msgspec.Struct, frozen=True):
    """How a call ended: with a response, or why without one and whether a byte had left."""

    response: HttpResponse | None = None
    reason: str = ""
    has_left: bool = True


class Socket:
    """One WebSocket: the server's session here, the client's callbacks there."""

    def __init__(self, session: Session, is_user: bool) -> None:
        self.session = session
        self.is_user = is_user
        self.is_open = True
        self.ts_frozen = 0
        self.frame: Callable[[bytes], None] = lambda frame: None
        self.lost: Callable[[str], None] = lambda reason: None
        self.ts_last = 0


class Network:
    """All lines of the world. Times of the world say until when something lasts."""

    def __init__(self, timeline: Timeline, exchange: Exchange, dice: Dice) -> None:
        self.timeline = timeline
        self.exchange = exchange
        self.dice = dice
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
        dice, ts = self.dice, self.timeline.ts
        if ts < self.closed_until:
            dice.matters("maintenance")
            return _page(503), 0
        if ts < self.refused_until and b"signature=" in request.query + request.body:
            dice.matters("key_refused")
            text = "Invalid API-key, IP, or permissions for action."
            return _error(401, -2015, text), 0
        if ts < self.tradeless_until and request.path.endswith(_TRADES):
            dice.matters("history_down")
            return _page(503), 0
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
        dice = self.dice
        if dice.hits("unknown_503"):
            text = "Unknown error, please check your request or try again later."
            return _error(503, -1000, text), dice.coin("unknown_503")
        if dice.hits("unknown_1007"):
            code = -1007 if dice.coin("unknown_1007") else -1006
            text = "Timeout waiting for response from backend server."
            return _error(408, code, text), dice.coin("unknown_1007")
        if dice.hits("busy_1008"):
            return _error(503, -1008, "Service Unavailable."), False
        if dice.hits("throttled"):
            seconds = dice.between("throttled", 1, 20)
            status = 429 if dice.between("throttled", 0, 4) else 418
            answer = _error(status, -1003, "Too many requests.")
            headers = {**answer.headers, "retry-after": str(seconds)}
            return msgspec.structs.replace(answer, headers=headers), False
        return None

    def _handle(self, ts: int, request: HttpRequest, kind: str) -> HttpResponse:
        dice, venue = self.dice, self.exchange
        if kind == "cancel":
            return self._races.cancel(ts, request)
        if kind != "query":
            response = venue.server.handle(ts, request, address=ADDRESS)
            if kind == "place" and response.status == 200 and dice.hits("order_hidden"):
                until = ts + dice.between("order_hidden", 10_000, 45_000) * MS
                venue.hidden[_placed(response)] = until
            return response
        if dice.hits("query_lag"):
            venue.lag_ns = dice.between("query_lag", 1, 5_000) * MS
        response = venue.server.handle(ts, request, address=ADDRESS)
        venue.lag_ns = 0
        if self.untold and request.path.endswith(_TRADES):
            response = self._without_untold(response)
        if "stale_snapshot" not in dice.plan.rates:
            return response
        kept = self._asked.setdefault(_question(request), [])
        kept[:] = [item for item in kept if item[0] > ts - 5 * SECOND]
        kept.append((ts, response))
        if len(kept) > 1 and dice.hits("stale_snapshot"):
            return kept[0][1]
        return response

    def _without_untold(self, response: HttpResponse) -> HttpResponse:
        """A list of executions without those that nothing tells of."""
        said = msgspec.json.decode(response.body)
        if not isinstance(said, list):
            return response
        kept = [row for row in said if row["orderId"] not in self.untold]
        return msgspec.structs.replace(response, body=msgspec.json.encode(kept))

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
                return _page((200, 502, 504)[dice.between("answer_html", 0, 2)]), 0
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

    def close(self, socket: Socket) -> None:
        """The client is gone."""
        socket.is_open = False
        if socket in self.sockets:
            self.sockets.remove(socket)
            self.exchange.server.close(socket.session.number)

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
        for socket in list(self.sockets):
            session = socket.session
            if session.out:
                for frame in self.exchange.server.sessions.poll(ts, session.number):
                    self._pass(socket, frame)
            if session.closing is not None:
                reason = session.closing[1]
                self.close(socket)
                self.timeline.after(2 * MS, socket.lost, reason)
        due = self.exchange.server.next_due()
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
        line, dice = self.timeline, self.dice
        if line.ts < socket.ts_frozen:
            if socket.is_user:
                dice.matters("stream_silent")
            return
        if self.untold and any(b'"i":%d,' % number in frame for number in self.untold):
            return
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
            line.at(arrives + found, self._deliver, socket, spoiled)
            if not (socket.is_user and not again and dice.hits("message_twice")):
                return

    def _on_market_stream(self, frame: bytes) -> bytes:
        """A frame of public data as it comes; nothing when it is lost."""
        dice = self.dice
        if dice.hits("quote_lost"):
            return b""
        if b'"bookTicker"' in frame and dice.hits("quote_wrong"):
            return self._distort(frame)
        return frame

    def _distort(self, frame: bytes) -> bytes:
        """A touch as no market has it: crossed, zero, not a number, or far from the price."""
        dice = self.dice
        said = msgspec.json.decode(frame)
        touch = said.get("data", said)
        how = dice.between("quote_wrong", 0, 4)
        if how == 0:
            touch["b"], touch["a"] = touch["a"], touch["b"]
        elif how == 1:
            touch["b"] = touch["a"] = "0"
        elif how == 2:
            touch["b"] = "NaN"
        else:
            low, high = (500, 950) if how == 3 else (1_050, 2_000)
            parts = dice.between("quote_wrong", low, high)
            for side in ("b", "a"):
                whole, _, decimals = touch[side].partition(".")
                units = int(whole + decimals) * parts // 1_000
                text = str(units).rjust(len(decimals) + 1, "0")
                cut = len(text) - len(decimals)
                touch[side] = f"{text[:cut]}.{text[cut:]}" if decimals else text
        return msgspec.json.encode(said)

    def _on_user_stream(self, socket: Socket, again: int) -> int:
        """How late a message of the user stream is; -1 when it is lost."""
        dice = self.dice
        if dice.hits("odd_message"):
            self.timeline.after(1 * MS, self._deliver, socket, _ODD)
        if not again and dice.hits("message_lost"):
            return -1
        if dice.hits("message_late"):
            return dice.between("message_late", 100, 10_000) * MS
        return 0

    def _deliver(self, socket: Socket, frame: bytes) -> None:
        if socket.is_open:
            socket.frame(frame)


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


def _error(status: int, code: int, text: str) -> HttpResponse:
    body: dict[str, Any] = {"code": code, "msg": text}
    return HttpResponse(status=status, body=msgspec.json.encode(body))


def _page(status: int) -> HttpResponse:
    return HttpResponse(status=status, body=_HTML % status, content_type="text/html")


def _placed(response: HttpResponse) -> str:
    """The client id of an order that the venue has taken on."""
    said = msgspec.json.decode(response.body)
    return str(said.get("clientOrderId") or said.get("clientAlgoId"))


def _question(request: HttpRequest) -> bytes:
    """A request without its time and signature."""
    changing = (b"timestamp=", b"signature=", b"recvWindow=")
    parts = [p for p in request.query.split(b"&") if not p.startswith(changing)]
    return b"&".join([request.path.encode(), *parts])
