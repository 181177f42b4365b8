"""The server: requests in, responses out; sockets as sessions; time as an argument."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from interlock.sim.binance_server.access import ApiKey, check_signature
from interlock.sim.binance_server.limits import Overrun
from interlock.sim.binance_server.market_streams import OF_MARKETS, MarketStreams
from interlock.sim.binance_server.routes import CONDITIONAL_ROUTES, ROUTES, Route
from interlock.sim.binance_server.sessions import Session, Sessions
from interlock.sim.binance_server.state import Call, ServerOptions, ServerState
from interlock.sim.binance_server.user_streams import listen_key_expired, messages
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.values import Event
from interlock.wire.binance import payloads
from interlock.wire.binance.parameters import ApiFault, Parameters
from interlock.wire.http import HttpRequest, HttpResponse

_LOCAL = "127.0.0.1"


class BinanceServer:
    """USD-M futures over an exchange core. It alone takes the core's events away.

    ``observers`` see every event of the core before it becomes frames: the record of the truth.
    """

    def __init__(self, core: VenueCore, options: ServerOptions | None = None) -> None:
        self.state = ServerState(core, options or ServerOptions())
        self.market = MarketStreams(self.state)
        self.sessions = Sessions(self.state, self.market)
        self.observers: list[Callable[[Event], None]] = []
        self._routes: Mapping[tuple[str, str], Route] = ROUTES
        self.serve_conditionals(self.state.options.conditional_service)

    def serve_conditionals(self, serves: bool) -> None:
        """Switch the protocol's version while it runs: stops on a path of their own, or not."""
        options = self.state.options
        self.state.options = msgspec.structs.replace(options, conditional_service=serves)
        self._routes = ROUTES | CONDITIONAL_ROUTES if serves else ROUTES

    def handle(self, ts: int, request: HttpRequest, *, address: str = _LOCAL) -> HttpResponse:
        """Answer one request that arrives at ``ts`` from ``address``."""
        self.advance(ts)
        headers: dict[str, str] = {}
        try:
            body = self._handle(ts, request, address, headers)
            response = _response(200, body, headers)
        except Overrun as fault:
            headers["retry-after"] = str(fault.retry_after)
            response = _error(fault, headers)
        except ApiFault as fault:
            response = _error(fault, headers)
        self._drain()
        return response

    def _handle(
        self, ts: int, request: HttpRequest, address: str, headers: dict[str, str]
    ) -> object:
        route = self._routes.get((request.method, request.path))
        if route is None:
            text = f"Path {request.path}, Method {request.method} is invalid"
            raise ApiFault(-5000, text, 404)
        parameters = Parameters.of(request.query, request.body)
        limits = self.state.limits
        used = limits.spend(ts, address, route.cost(parameters))
        headers["x-mbx-used-weight-1m"] = str(used)
        account = ""
        if route.access != "open":
            key = self.state.keys.holder(request)
            account = key.account
            if route.access == "signed":
                now_ms = (ts + self.state.clock_offset_ns) // 10**6
                check_signature(key, request, parameters, now_ms)
            if route.trades and not key.may_trade:
                raise ApiFault(-2015, "Invalid API-key, IP, or permissions for action.", 401)
        if route.orders:
            short, long = limits.orders(ts, account, route.orders)
            headers["x-mbx-order-count-10s"] = str(short)
            headers["x-mbx-order-count-1m"] = str(long)
        call = Call(ts=ts, account=account, parameters=parameters)
        if request.path.endswith("/time"):
            call = msgspec.structs.replace(call, ts=ts + self.state.clock_offset_ns)
        return route.handler(self.state, call)

    def add_key(self, key: str, secret: str, account: str, *, may_trade: bool = True) -> None:
        """Give out a key to an account of the core."""
        self.state.keys.add(ApiKey(key=key, secret=secret, account=account, may_trade=may_trade))

    def advance(self, ts: int) -> None:
        """Let the exchange, the streams and the listen keys come to ``ts``."""
        while (due := self._timed_due()) <= ts:
            self.state.core.advance(max(due, self.state.core.now))
            self._drain()
            for name, body in self.market.tick(due):
                self.sessions.deliver(name, body)
            self._expire_keys(due)
        self.state.core.advance(max(ts, self.state.core.now))
        self._drain()

    def next_due(self) -> int:
        """When something happens by itself next, ns."""
        return min(self._timed_due(), self.state.core.next_due())

    def open(self, ts: int, path: str, query: bytes = b"") -> Session:
        """Open a socket; raises NotHere for an address that has none."""
        self.advance(ts)
        return self.sessions.open(ts, path, query)

    def receive(self, ts: int, number: int, frame: bytes) -> None:
        """Take in a frame of a client."""
        self.advance(ts)
        self.sessions.receive(ts, number, frame)

    def poll(self, ts: int, number: int) -> list[bytes]:
        """The frames for a socket up to ``ts``; look at the session's ``closing`` afterwards."""
        self.advance(ts)
        return self.sessions.poll(ts, number)

    def close(self, number: int) -> None:
        """A socket is gone."""
        self.sessions.close(number)

    def _timed_due(self) -> int:
        keys = [item.expires for item in self.state.listen_keys.values()]
        return min([self.market.next_due(), *keys])

    def _expire_keys(self, ts: int) -> None:
        for key, found in list(self.state.listen_keys.items()):
            if found.expires <= ts:
                del self.state.listen_keys[key]
                self.sessions.end_key(key, listen_key_expired(key, ts // 10**6))

    def _drain(self) -> None:
        events = self.state.core.events
        while events:
            event = events.popleft()
            for observer in self.observers:
                observer(event)
            if type(event) in OF_MARKETS:
                for name, body in self.market.on_event(event):
                    self.sessions.deliver(name, body)
            else:
                for account, body in messages(self.state, event):
                    self.sessions.tell(account, body, event.ts)


def _response(status: int, body: object, headers: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(status=status, body=msgspec.json.encode(body), headers=headers)


def _error(fault: ApiFault, headers: Mapping[str, str]) -> HttpResponse:
    return _response(fault.status, payloads.ErrorPayload(code=fault.code, msg=fault.text), headers)
