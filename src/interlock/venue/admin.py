"""The admin port of the local exchange: faults while it runs, verbs, and the truth of the books.

It listens on loopback, is no part of either protocol, and takes JSON only. Because a web page that
is open in a browser can reach loopback too, requests with an Origin, with a host name that is not
this machine's, and bodies of another type are refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from interlock.sim.faults import Injector, ScriptError, parse
from interlock.sim.faults.script import STREAM_FAULTS, VENUE_FAULTS
from interlock.venue.clock import VenueClock
from interlock.venue.host import LOOPBACK, Host
from interlock.venue.pace import PROBLEMS, Pace
from interlock.venue.verbs import VerbError

_OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")
_TRUTH_SHOWN = 1_000


class Admin:
    """Serves /faults, /script, /truth, /books/PROTOCOL/ACCOUNT, /status, /streams, /stop."""

    def __init__(
        self, hosts: Mapping[str, Host], injector: Injector, clock: VenueClock, pace: Pace
    ) -> None:
        self._hosts = hosts
        self._injector = injector
        self._clock = clock
        self._pace = pace
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.stopped = asyncio.Event()

    async def start(self, port: int) -> None:
        """Listen on loopback."""
        app = web.Application(middlewares=[_guard])
        app.router.add_get("/", self._index)
        app.router.add_post("/faults", self._add)
        app.router.add_get("/faults", self._list)
        app.router.add_delete("/faults", self._clear)
        app.router.add_post("/script", self._follow)
        app.router.add_get("/truth", self._truth)
        app.router.add_get("/status", self._status)
        app.router.add_get("/books/{protocol}/{account}", self._books)
        app.router.add_post("/streams/close", self._cut)
        app.router.add_post("/speed", self._set_speed)
        app.router.add_post("/stop", self._stop)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, port).start()
        self.port = self._runner.addresses[-1][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _index(self, request: web.Request) -> web.Response:
        routes = sorted(
            f"{route.method} {route.resource.canonical}"
            for route in request.app.router.routes()
            if route.resource is not None and route.method != "HEAD"
        )
        return _answer({"routes": routes})

    async def _add(self, request: web.Request) -> web.Response:
        """A rule, at once or at its time from now."""
        now = self._clock.now_ns()
        rule = self._injector.add(await _content(request), now)
        verb = rule.fault in VENUE_FAULTS or rule.fault in STREAM_FAULTS and rule.is_timed
        if verb and not rule.at and not rule.after_calls:
            # Carried out here, so that what cannot be done is an answer and not a surprise.
            due = [item for item in self._injector.due(now) if item is rule]
            try:
                for item in due:
                    self._pace.carry_out(now, item)
            except PROBLEMS:
                self._injector.forget(rule)
                raise
            self._pace.step()
        return _answer({"accepted": rule.title})

    async def _follow(self, request: web.Request) -> web.Response:
        """A whole script, its times from now on; its seed stays out, chances go on as they were."""
        now = self._clock.now_ns()
        script = parse(await _content(request))
        for rule in script.rules:
            self._injector.add(rule, now)
        return _answer({"accepted": [rule.title for rule in script.rules]})

    async def _list(self, request: web.Request) -> web.Response:
        return _answer({"rules": self._injector.rules})

    async def _clear(self, request: web.Request) -> web.Response:
        for rule in self._injector.clear():
            self._pace.take_back(self._clock.now_ns(), rule)
        return _answer({"cleared": True})

    async def _truth(self, request: web.Request) -> web.Response:
        """The newest faults as they happened, and how often each kind did."""
        limit = int(request.query.get("limit", str(_TRUTH_SHOWN)))
        newest = list(self._injector.truth)[-limit:]
        return _answer({"faults": newest, "counts": self._injector.counts})

    async def _status(self, request: web.Request) -> web.Response:
        hosts = {
            name: {
                "requests": host.requests,
                "frames": host.frames,
                "sockets": len(host.sockets),
                "accounts": host.face.core.accounts,
                "instruments": host.face.core.symbols,
            }
            for name, host in self._hosts.items()
        }
        speed = "max" if self._clock.is_free else self._clock.speed
        return _answer({"ts": self._clock.now_ns(), "speed": speed, "hosts": hosts})

    async def _books(self, request: web.Request) -> web.Response:
        """An account as the exchange holds it: wallets, positions, orders, fills, payments."""
        core = self._host(request.match_info["protocol"]).face.core
        name = request.match_info["account"]
        found = {
            "account": core.account(name),
            "open": core.open_orders(name, None),
            "open_conditional": core.open_orders(name, None, conditional=True),
            "orders": core.orders_since(name, None, 0),
            "conditional": core.orders_since(name, None, 0, conditional=True),
            "fills": core.fills_since(name, None, 0),
            "payments": core.payments_since(name, 0),
        }
        return _answer(found)

    async def _cut(self, request: web.Request) -> web.Response:
        closed = sum(host.cut(1001, "closed by the operator") for host in self._hosts.values())
        return _answer({"closed": closed})

    async def _set_speed(self, request: web.Request) -> web.Response:
        given = await _content(request)
        speed = given.get("speed") if isinstance(given, dict) else None
        if not isinstance(speed, int | float) or not 0 < speed <= 10_000:
            raise VerbError(f'speed {speed!r} must be a number up to 10000; send {{"speed": 10}}')
        self._clock.set_speed(float(speed))
        return _answer({"speed": speed})

    async def _stop(self, request: web.Request) -> web.Response:
        self.stopped.set()
        return _answer({"stopping": True})

    def _host(self, protocol: str) -> Host:
        found = self._hosts.get(protocol)
        if found is None:
            served = ", ".join(self._hosts)
            raise VerbError(f"protocol {protocol!r} is not served here; there are: {served}")
        return found


@web.middleware
async def _guard(request: web.Request, handler: Any) -> web.StreamResponse:
    """Refuse browsers, and turn mistakes into one line."""
    name = request.host.rsplit(":", 1)[0]
    is_foreign = request.headers.get("Sec-Fetch-Site", "none") != "none"
    if "Origin" in request.headers or is_foreign or name not in _OWN_NAMES:
        return _answer({"error": "the admin port answers no web pages"}, status=403)
    if request.can_read_body and request.content_type != "application/json":
        return _answer({"error": "send JSON with content-type application/json"}, status=415)
    try:
        found: web.StreamResponse = await handler(request)
    except (ScriptError, *PROBLEMS, msgspec.DecodeError, ValueError) as error:
        return _answer({"error": str(error)}, status=400)
    return found


async def _content(request: web.Request) -> Any:
    return msgspec.json.decode(await request.read())


def _answer(content: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(content), content_type="application/json"
    )
