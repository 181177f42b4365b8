"""Sockets around a protocol server: HTTP and WebSocket on loopback, with faults between.

Rules of this file. Everything runs on one event loop, so the exchange sees one caller. A request is
carried out at the venue time at which it arrives.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from aiohttp import WSMsgType, web

from interlock.sim.faults import Injector, RequestFault
from interlock.venue.clock import VenueClock
from interlock.venue.doubles import place_again, placed_since
from interlock.venue.faces import Face
from interlock.venue.sockets import Socket
from interlock.wire.http import HttpRequest, HttpResponse

LOOPBACK = "127.0.0.1"
# Old answers that are kept for rules about stale snapshots: how many questions, how many of each.
_QUESTIONS, _ANSWERS = 50, 100
_HTML = b"<html><head><title>%d</title></head><body><h1>%d</h1></body></html>"
_UNAVAILABLE = 503

Found = TypeVar("Found")


class Host:
    """One protocol of the local exchange, reachable over sockets."""

    def __init__(self, face: Face, clock: VenueClock, injector: Injector) -> None:
        self.face = face
        self.clock = clock
        self.injector = injector
        self.requests = 0
        self.frames = 0
        # How far the clock that clients are judged by is set apart on purpose.
        self.skew_ns = 0
        self.sockets: dict[Socket, None] = {}
        self._runner: web.AppRunner | None = None
        self._snapshots: dict[bytes, deque[tuple[int, HttpResponse]]] = {}
        self._hidden: dict[int, int] = {}
        face.hide(self._is_hidden)

    async def start(
        self, port: int = 0, *, tls_port: int = 0, tls: ssl.SSLContext | None = None
    ) -> tuple[int, int]:
        """Listen on loopback; 0 takes a free port. Returns the ports, plain and TLS (0 = none)."""
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, port).start()
        plain = self._runner.addresses[-1][1]
        if tls is None:
            return plain, 0
        await web.TCPSite(self._runner, LOOPBACK, tls_port, ssl_context=tls).start()
        return plain, self._runner.addresses[-1][1]

    async def stop(self) -> None:
        """Close every socket and stop listening."""
        leaving = list(self.sockets)
        self.cut(1001, "the exchange is stopping")
        for socket in leaving:
            await socket.closed()
        if self._runner is not None:
            await self._runner.cleanup()

    def advance(self, now: int) -> None:
        """Let the exchange come to ``now`` and tell everybody."""
        self.face.set_clock(self.clock.apart_ns() + self.skew_ns)
        self.face.advance(now)
        self.flush()

    def cut(self, code: int, reason: str) -> int:
        """Close every socket; returns how many there were."""
        sockets = list(self.sockets)
        for socket in sockets:
            self.close(socket, code, reason)
        return len(sockets)

    def matching(self, stream: str, account: str) -> list[Socket]:
        """The sockets that carry a stream's messages, of one account where it is named."""
        return [
            socket
            for socket in self.sockets
            if (stream == "any" or socket.link.carries(stream))
            and account in ("", socket.link.account())
        ]

    async def ping(self) -> None:
        """Ping every socket that is not frozen, as the venue does."""
        now = self.clock.now_ns()
        for socket in list(self.sockets):
            if not socket.is_frozen(now):
                with suppress(ConnectionError, RuntimeError):
                    await socket.response.ping()

    # Requests.
    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        asked = HttpRequest(
            method=request.method,
            path=request.path,
            query=request.rel_url.raw_query_string.encode("latin-1"),
            body=await request.read(),
            headers={name.lower(): value for name, value in request.headers.items()},
        )
        if asked.headers.get("upgrade", "").lower() == "websocket":
            return await self._serve_socket(request, asked)
        self.requests += 1
        call = self.face.describe(asked, with_account=self.injector.names_accounts)
        fault = self.injector.request(self.clock.now_ns(), call)
        if fault.delay_ns:
            await asyncio.sleep(self.clock.seconds_of(fault.delay_ns))
        client = request.remote or LOOPBACK
        answer = self._execute(fault, lambda now: self.face.handle(now, asked, client))
        reads = call.kind in ("query", "account", "market")
        if answer is not None and reads and self.injector.keeps_snapshots():
            answer = self._snapshot(asked, answer, fault.age_ns)
        self.flush()
        if fault.reply_delay_ns:
            await asyncio.sleep(self.clock.seconds_of(fault.reply_delay_ns))
        return await self._reply(request, answer, fault)

    def _execute(self, fault: RequestFault, carry_out: Callable[[int], Found]) -> Found | None:
        """Carry a request out as often as the fault says; the client is told the first time."""
        if not fault.executions:
            return None
        core = self.face.core
        now = max(self.clock.now_ns(), core.now)
        self.face.set_clock(self.clock.apart_ns() + self.skew_ns)
        before = core.state.order_id
        found = carry_out(now)
        if fault.executions > 1 or fault.hides_ns:
            placed = placed_since(core, before, now)
            for order in placed if fault.executions > 1 else ():
                place_again(self.face, order, now)
            for order in placed if fault.hides_ns else ():
                self._hidden[order.order_id] = now + fault.hides_ns
        return found

    def _snapshot(self, asked: HttpRequest, answer: HttpResponse, age_ns: int) -> HttpResponse:
        """Keep an answer; with an age the newest that is so old, else the oldest there is."""
        key = b"|".join((asked.path.encode(), _question(asked)))
        kept = self._snapshots.pop(key, None) or deque(maxlen=_ANSWERS)
        self._snapshots[key] = kept
        if len(self._snapshots) > _QUESTIONS:
            del self._snapshots[next(iter(self._snapshots))]
        now = self.clock.now_ns()
        kept.append((now, answer))
        if not age_ns:
            return answer
        old = [found for ts, found in kept if ts <= now - age_ns]
        return old[-1] if old else kept[0][1]

    def _is_hidden(self, ts: int, order_id: int) -> bool:
        return bool(self._hidden) and ts < self._hidden.get(order_id, 0)

    async def _reply(
        self, request: web.Request, answer: HttpResponse | None, fault: RequestFault
    ) -> web.StreamResponse:
        if fault.reply == "none":
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=_UNAVAILABLE)
        if fault.reply == "truncated" and answer is not None:
            return await _cut_short(request, answer)
        if fault.reply == "html":
            return _page(fault.status)
        if fault.reply == "empty":
            return web.Response(status=200, body=b"", content_type="application/json")
        if fault.reply == "given" or answer is None:
            answer = self.face.error(self.clock.real_ns(), fault)
        headers = {"content-type": answer.content_type, **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    # Sockets.
    async def _serve_socket(self, request: web.Request, asked: HttpRequest) -> web.StreamResponse:
        now = self.clock.now_ns()
        closed = self.injector.live(now, "maintenance", self.face.name)
        if closed is not None:
            return _page(int(closed.values.get("status", _UNAVAILABLE)))
        link = self.face.connect(now, asked, request.remote or LOOPBACK)
        if link is None:
            return web.Response(status=404)
        socket = Socket(link, request)
        await socket.response.prepare(request)
        self.sockets[socket] = None
        writer = asyncio.create_task(socket.write())
        try:
            self.flush()
            self._greet(socket)
            async for message in socket.response:
                if message.type is WSMsgType.PING:
                    if not socket.is_frozen(self.clock.now_ns()):
                        await socket.response.pong(message.data)
                elif message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    await self._hear(socket, data.encode() if isinstance(data, str) else data)
            # A close that was begun is sent before the connection ends.
            await socket.closed()
        finally:
            writer.cancel()
            self.sockets.pop(socket, None)
            link.close()
        return socket.response

    async def _hear(self, socket: Socket, frame: bytes) -> None:
        call = socket.link.call(frame, with_account=self.injector.names_accounts)
        now = self.clock.now_ns()
        self._greet(socket)
        if call is None:
            socket.link.receive(now, frame)
            self.flush()
            return
        self.requests += 1
        fault = self.injector.request(now, call)
        if fault.delay_ns:
            await asyncio.sleep(self.clock.seconds_of(fault.delay_ns))
        self.flush()
        self._execute(fault, lambda now: socket.link.receive(now, frame))
        self._answer(socket, frame, fault)
        self.flush()

    def _answer(self, socket: Socket, asked: bytes, fault: RequestFault) -> None:
        """What a socket's request made: its answer the way the fault says, all else as it is."""
        now = self.clock.now_ns()
        answers = []
        for frame in socket.link.take(now):
            if socket.link.answers(asked, frame):
                answers.append(frame)
            else:
                self._pass(now, socket, frame)
        if fault.reply == "given":
            answers = [socket.link.refuse(asked, fault)]
        elif fault.reply != "as is" or socket.is_frozen(now):
            answers = []
        loop = asyncio.get_running_loop()
        for frame in answers:
            self.frames += 1
            if fault.reply_delay_ns:
                loop.call_later(self.clock.seconds_of(fault.reply_delay_ns), socket.put, frame)
            else:
                socket.put(frame)

    def _greet(self, socket: Socket) -> None:
        """A rule that closes or freezes streams for a time holds for sockets opened meanwhile."""
        now = self.clock.now_ns()
        for stream in ("user", "market"):
            if not socket.link.carries(stream):
                continue
            found = self.injector.lasting(now, stream, self.face.name, socket.link.account())
            if found is None:
                continue
            rule, ends = found
            if rule.fault == "close_stream":
                self.close(socket, 1001, "closed by a fault script")
            else:
                socket.freeze(ends)

    def flush(self) -> None:
        """Move every frame that waits at the server to the socket it is for."""
        now = self.clock.now_ns()
        for socket in list(self.sockets):
            for frame in socket.link.take(now):
                self._pass(now, socket, frame)
            closing = socket.link.closing()
            if closing is not None:
                self.close(socket, *closing)
            elif socket.is_slow:
                self.sockets.pop(socket, None)
                socket.abort()

    def _pass(self, now: int, socket: Socket, frame: bytes) -> None:
        if socket.is_frozen(now):
            return
        self.frames += 1
        if not self.injector.watches_frames:
            socket.put(frame)
            return
        label = socket.link.label(frame)
        if label.stream == "reply":
            socket.put(frame)
            return
        delivery = self.injector.frame(now, label)
        if delivery.frozen_until:
            socket.freeze(delivery.frozen_until)
        socket.deliver(frame, delivery, self.clock.seconds_of(1))
        if delivery.closes:
            self.close(socket, 1001, "closed by a fault script")

    def close(self, socket: Socket, code: int, reason: str) -> None:
        """Close one socket; does not wait for the client."""
        self.sockets.pop(socket, None)
        socket.close(code, reason)


def _question(asked: HttpRequest) -> bytes:
    """A request without what changes at every asking: its time and signature."""
    parts = (asked.query + b"&" + asked.body).split(b"&")
    changing = (b"timestamp=", b"signature=", b"recvWindow=")
    return b"&".join(part for part in parts if not part.startswith(changing))


def _page(status: int) -> web.Response:
    return web.Response(status=status, body=_HTML % (status, status), content_type="text/html")


async def _cut_short(request: web.Request, answer: HttpResponse) -> web.StreamResponse:
    """An answer that breaks off in the middle of its body."""
    length = str(len(answer.body))
    response = web.StreamResponse(
        status=answer.status,
        headers={"content-type": answer.content_type, "content-length": length},
    )
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
