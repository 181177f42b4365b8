"""Sockets around a protocol server: HTTP and WebSocket on loopback, faults between, time kept.

Rules of this file. Everything runs on one event loop, so the exchange sees one caller. A request is
carried out at the venue time at which it arrives. Frames leave each socket in the order they were
made unless a rule says otherwise; a client that does not read loses its socket, nobody else waits.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress

from aiohttp import WSMsgType, web

from interlock.sim.faults import Injector, RequestFault
from interlock.venue.clock import VenueClock
from interlock.venue.faces import Face, Link
from interlock.venue.verbs import Verbs
from interlock.wire.http import HttpRequest, HttpResponse

LOOPBACK = "127.0.0.1"
# The longest nap between two looks at the market; a busy market is looked at when it is due.
NAP_S = 0.02
LEAST_NAP_S = 0.001
BACKLOG_MOST = 20_000
_HTML = b"<html><head><title>%d</title></head><body><h1>%d</h1></body></html>"


class _Socket:
    """One client's socket: frames wait here until it takes them."""

    def __init__(self, link: Link, response: web.WebSocketResponse) -> None:
        self.link = link
        self.response = response
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.held: bytes | None = None

    async def write(self) -> None:
        """Send what waits, for as long as the socket lives."""
        while True:
            frame = await self.frames.get()
            # The client may go at any moment; its reading side ends then and cleans up.
            with suppress(ConnectionError, RuntimeError):
                await self.response.send_str(frame.decode())


class Host:
    """One protocol of the local exchange, reachable over sockets."""

    def __init__(self, face: Face, clock: VenueClock, injector: Injector) -> None:
        self.face = face
        self.clock = clock
        self.injector = injector
        self.verbs = Verbs(face, self._cut)
        self.requests = 0
        self.frames = 0
        self._sockets: set[_Socket] = set()
        self._runner: web.AppRunner | None = None
        self._pace: asyncio.Task[None] | None = None
        # Snapshots by who asked for what, for rules that answer old ones.
        self._snapshots: dict[bytes, list[tuple[int, HttpResponse]]] = {}
        self._hidden: list[tuple[int, int]] = []
        face.hide(self._is_hidden)

    async def start(self, port: int = 0, *, tls_port: int = -1, tls: ssl.SSLContext | None = None):  # type: ignore[no-untyped-def]
        """Listen on loopback; 0 takes a free port, -1 none. Returns the ports (plain, TLS)."""
        app = web.Application(client_max_size=2**20)
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        ports = []
        await web.TCPSite(self._runner, LOOPBACK, port).start()
        ports.append(self._runner.addresses[-1][1])
        if tls is not None and tls_port >= 0:
            await web.TCPSite(self._runner, LOOPBACK, tls_port, ssl_context=tls).start()
            ports.append(self._runner.addresses[-1][1])
        self._pace = asyncio.create_task(self._keep_time())
        return tuple(ports)

    async def stop(self) -> None:
        """Close every socket and stop listening."""
        if self._pace is not None:
            self._pace.cancel()
            await asyncio.wait([self._pace])
        for socket in list(self._sockets):
            with suppress(ConnectionError):
                await socket.response.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # Time.
    async def _keep_time(self) -> None:
        while True:
            now = self.clock.now_ns()
            for rule in self.injector.due(now):
                self.verbs.carry_out(now, rule)
            self.face.advance(now)
            self.flush()
            waits = self.clock.seconds_until(self.face.next_due())
            await asyncio.sleep(max(LEAST_NAP_S, min(NAP_S, waits)))

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
        fault = self.injector.request(self.clock.now_ns(), self.face.describe(asked))
        if fault.delay_ns:
            await asyncio.sleep(self.clock.seconds_of(fault.delay_ns))
        answer = self._carry_out(asked, fault, request.remote or LOOPBACK)
        self.flush()
        if fault.reply_delay_ns:
            await asyncio.sleep(self.clock.seconds_of(fault.reply_delay_ns))
        return await self._reply(request, answer, fault)

    def _carry_out(self, asked: HttpRequest, fault: RequestFault, client: str) -> HttpResponse:
        answer: HttpResponse | None = None
        for _ in range(fault.executions):
            now = self.clock.now_ns()
            if fault.hides_ns:
                self._hidden.append((now, now + fault.hides_ns))
            found = self.face.handle(now, asked, client)
            # Of two executions the client is told the first.
            answer = answer or found
        if fault.age_ns and answer is not None:
            return self._older(asked, answer, fault.age_ns)
        return answer or HttpResponse(status=fault.status, body=b"")

    def _older(self, asked: HttpRequest, answer: HttpResponse, age_ns: int) -> HttpResponse:
        """The newest answer to the same question that is at least this old, if there is one."""
        key = b"|".join((asked.path.encode(), _question(asked)))
        kept = self._snapshots.setdefault(key, [])
        now = self.clock.now_ns()
        kept.append((now, answer))
        old = [found for ts, found in kept if ts <= now - age_ns]
        del kept[:-100]
        return old[-1] if old else kept[0][1]

    def _is_hidden(self, ts: int, ts_created: int) -> bool:
        self._hidden = [span for span in self._hidden if span[1] > ts]
        return any(begin <= ts_created <= end and ts < end for begin, end in self._hidden)

    async def _reply(
        self, request: web.Request, answer: HttpResponse, fault: RequestFault
    ) -> web.StreamResponse:
        if fault.reply == "none":
            if request.transport is not None:
                request.transport.close()
            return web.Response(status=500)
        if fault.reply == "truncated":
            return await _cut_short(request, answer)
        if fault.reply == "html":
            page = _HTML % (fault.status, fault.status)
            return web.Response(status=fault.status, body=page, content_type="text/html")
        if fault.reply == "empty":
            return web.Response(status=200, body=b"", content_type="application/json")
        if fault.reply == "given":
            answer = self.face.error(fault)
        headers = {"content-type": answer.content_type, **answer.headers}
        return web.Response(status=answer.status, body=answer.body, headers=headers)

    # Sockets.
    async def _serve_socket(self, request: web.Request, asked: HttpRequest) -> web.StreamResponse:
        link = self.face.connect(self.clock.now_ns(), asked, request.remote or LOOPBACK)
        if link is None:
            return web.Response(status=404)
        response = web.WebSocketResponse(max_msg_size=2**20, compress=False)
        await response.prepare(request)
        socket = _Socket(link, response)
        self._sockets.add(socket)
        writer = asyncio.create_task(socket.write())
        try:
            self.flush()
            async for message in response:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    data = message.data
                    frame = data.encode() if isinstance(data, str) else data
                    link.receive(self.clock.now_ns(), frame)
                    self.flush()
        finally:
            writer.cancel()
            self._sockets.discard(socket)
            link.close()
        return response

    def flush(self) -> None:
        """Move every frame that waits at the server to the socket it is for."""
        now = self.clock.now_ns()
        for socket in list(self._sockets):
            for frame in socket.link.take(now):
                self._pass(now, socket, frame)
            closing = socket.link.closing()
            if closing is not None:
                self._close(socket, *closing)
            elif socket.frames.qsize() > BACKLOG_MOST:
                self._close(socket, 1008, "too slow")

    def _pass(self, now: int, socket: _Socket, frame: bytes) -> None:
        self.frames += 1
        if not self.injector.watches_frames:
            socket.frames.put_nowait(frame)
            return
        label = socket.link.label(frame)
        if label.stream == "reply":
            socket.frames.put_nowait(frame)
            return
        delivery = self.injector.frame(now, label)
        if delivery.closes:
            self._close(socket, 1001, "closed by a fault script")
        if delivery.swaps and socket.held is None:
            socket.held = frame
            return
        loop = asyncio.get_running_loop()
        for delay in delivery.delays_ns:
            if delay:
                seconds = self.clock.seconds_of(delay)
                loop.call_later(seconds, socket.frames.put_nowait, frame)
            else:
                socket.frames.put_nowait(frame)
        if socket.held is not None:
            socket.frames.put_nowait(socket.held)
            socket.held = None

    def _close(self, socket: _Socket, code: int, reason: str) -> None:
        self._sockets.discard(socket)
        message = reason.encode()[:120]
        task = asyncio.create_task(socket.response.close(code=code, message=message))
        # Kept until it is done: the loop holds tasks weakly.
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _cut(self, stream: str) -> int:
        """Close every socket; returns how many there were."""
        sockets = list(self._sockets)
        for socket in sockets:
            self._close(socket, 1001, stream)
        return len(sockets)


def _question(asked: HttpRequest) -> bytes:
    """A request without what changes at every asking: its time and signature."""
    parts = (asked.query + b"&" + asked.body).split(b"&")
    changing = (b"timestamp=", b"signature=", b"recvWindow=")
    return b"&".join(part for part in parts if not part.startswith(changing))


async def _cut_short(request: web.Request, answer: HttpResponse) -> web.StreamResponse:
    """A success that breaks off in the middle of its body."""
    length = str(len(answer.body))
    response = web.StreamResponse(
        status=200, headers={"content-type": answer.content_type, "content-length": length}
    )
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
