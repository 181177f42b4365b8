"""The admin port of the local exchange: faults while it runs, verbs, and the truth of the books.

It listens on loopback, is no part of either protocol, and takes JSON only. Because a web page that
is open in a browser can reach loopback too, requests with an Origin and bodies of another type are
refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from interlock.sim.faults import Injector, ScriptError
from interlock.sim.faults.script import VENUE_FAULTS
from interlock.sim.venue.state import VenueError
from interlock.venue.clock import VenueClock
from interlock.venue.faces import UnsupportedVerb
from interlock.venue.host import LOOPBACK, Host
from interlock.venue.verbs import VerbError


class Admin:
    """Serves /faults, /truth, /books/ACCOUNT and /status."""

    def __init__(self, hosts: Mapping[str, Host], injector: Injector, clock: VenueClock) -> None:
        self._hosts = hosts
        self._injector = injector
        self._clock = clock
        self._runner: web.AppRunner | None = None
        self.port = 0
        self.stopped = asyncio.Event()

    async def start(self, port: int) -> None:
        """Listen on loopback."""
        app = web.Application(middlewares=[_guard])
        app.router.add_post("/faults", self._add)
        app.router.add_delete("/faults", self._clear)
        app.router.add_get("/truth", self._truth)
        app.router.add_get("/status", self._status)
        app.router.add_get("/books/{protocol}/{account}", self._books)
        app.router.add_post("/streams/close", self._cut)
        app.router.add_post("/stop", self._stop)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, port).start()
        self.port = self._runner.addresses[-1][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _add(self, request: web.Request) -> web.Response:
        """A rule, at once or at its time from now."""
        given = msgspec.json.decode(await request.read())
        protocol = given.pop("protocol", "") if isinstance(given, dict) else ""
        now = self._clock.now_ns()
        rule = self._injector.add(given, now)
        if rule.fault in VENUE_FAULTS and rule.fault != "maintenance" and not rule.at:
            # Carried out here, so that a verb that cannot be done is an answer, not a surprise.
            self._injector.forget(rule)
            host = self._host(protocol)
            host.verbs.carry_out(now, rule)
            self._injector.note(now, rule, rule.instrument or rule.account or "venue")
            host.face.advance(now)
            host.flush()
        return _answer({"accepted": rule.title})

    async def _clear(self, request: web.Request) -> web.Response:
        self._injector.clear()
        return _answer({"cleared": True})

    async def _truth(self, request: web.Request) -> web.Response:
        """Every fault as it happened, and how often each kind did."""
        return _answer({"faults": self._injector.truth, "counts": self._injector.counts})

    async def _status(self, request: web.Request) -> web.Response:
        hosts = {
            name: {"requests": host.requests, "frames": host.frames}
            for name, host in self._hosts.items()
        }
        return _answer({"ts": self._clock.now_ns(), "speed": self._clock.speed, "hosts": hosts})

    async def _books(self, request: web.Request) -> web.Response:
        """An account as the exchange holds it: wallets, positions, orders, fills, payments."""
        core = self._host(request.match_info["protocol"]).face.core
        name = request.match_info["account"]
        found = {
            "account": core.account(name),
            "open": core.open_orders(name, None),
            "orders": core.orders_since(name, None, 0),
            "fills": core.fills_since(name, None, 0),
            "payments": core.payments_since(name, 0),
        }
        return _answer(found)

    async def _cut(self, request: web.Request) -> web.Response:
        return _answer({"closed": sum(host.verbs.cut_streams() for host in self._hosts.values())})

    async def _stop(self, request: web.Request) -> web.Response:
        self.stopped.set()
        return _answer({"stopping": True})

    def _host(self, protocol: str) -> Host:
        if not protocol and len(self._hosts) == 1:
            return next(iter(self._hosts.values()))
        found = self._hosts.get(protocol)
        if found is None:
            served = ", ".join(self._hosts)
            raise VerbError(f"protocol {protocol!r} is not served here; there are: {served}")
        return found


@web.middleware
async def _guard(request: web.Request, handler: Any) -> web.StreamResponse:
    """Refuse browsers, and turn mistakes into one line."""
    if "Origin" in request.headers or request.headers.get("Sec-Fetch-Site", "none") != "none":
        return _answer({"error": "the admin port answers no web pages"}, status=403)
    if request.can_read_body and request.content_type != "application/json":
        return _answer({"error": "send JSON with content-type application/json"}, status=415)
    try:
        found: web.StreamResponse = await handler(request)
    except (ScriptError, VerbError, VenueError, UnsupportedVerb, ValueError) as error:
        return _answer({"error": str(error)}, status=400)
    return found


def _answer(content: Any, status: int = 200) -> web.Response:
    return web.Response(
        status=status, body=msgspec.json.encode(content), content_type="application/json"
    )
