"""HTTP and WebSocket on real sockets: one request is one send, and every ending has a name.

Rules of this file. A request is never sent a second time, whatever the library would do on its own.
How it ended is told without judgment: with an answer, refused before a byte left, cut after bytes
may have left, or out of time. What that means for an order is for ``wire`` to say.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from enum import StrEnum

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver
from yarl import URL

from interlock.wire.http import HttpRequest

CONNECT_SECONDS = 5.0
# A peer that answers no ping within this time is gone, whatever its connection looks like.
HEARTBEAT_SECONDS = 10.0
# How long a peer may take to say goodbye; one that is gone says nothing.
GOODBYE_SECONDS = 1.0
MESSAGE_MAX = 8 * 2**20


class Ending(StrEnum):
    """How an exchange of request and answer ended."""

    ANSWERED = "answered"
    NOT_SENT = "not_sent"
    CUT = "cut"
    TIMED_OUT = "timed_out"


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. ``headers`` have lower-case names; ``reason`` says why there is no answer."""

    ending: Ending
    status: int = 0
    headers: dict[str, str] = {}
    body: bytes = b""
    reason: str = ""


class StreamLost(ConnectionError):
    """A WebSocket that could not be opened, or that ended; the text says how."""


class Transport:
    """One connection pool to one venue. ``trusts`` is a file of authorities for a private one."""

    def __init__(
        self,
        base_url: str,
        *,
        tls: ssl.SSLContext | None = None,
        resolver: AbstractResolver | None = None,
        connections: int = 20,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._tls: ssl.SSLContext | bool = tls if tls is not None else True
        self._resolver = resolver
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None
        # Places without a query: there are a few, asked for again and again.
        self._urls: dict[str, URL] = {}

    async def open(self) -> None:
        """Make the pool; connections are opened when they are needed and kept."""
        connector = aiohttp.TCPConnector(
            limit=self._connections,
            ssl=self._tls,
            resolver=self._resolver,
            keepalive_timeout=45,
            ttl_dns_cache=30,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=True,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        )
        # aiohttp sends DELETE and PUT again by itself when a kept connection turns out dead. An
        # amendment or a cancel that may have arrived is asked about, not sent again.
        self._session._retry_connection = False

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The open pool."""
        if self._session is None:
            raise RuntimeError("the transport is not open; call open() first")
        return self._session

    async def exchange(self, request: HttpRequest, *, timeout_s: float) -> Reply:
        """Send one request once and wait for what becomes of it. Raises nothing but cancellation.

        Redirects are not followed: an order that another host answers is no answer.
        """
        url = self._url(request)
        try:
            async with asyncio.timeout(timeout_s):
                async with self.session.request(
                    request.method,
                    url,
                    data=request.body or None,
                    headers=dict(request.headers),
                    allow_redirects=False,
                ) as answer:
                    return await self._read(answer)
        except TimeoutError:
            return Reply(ending=Ending.TIMED_OUT, reason=f"no answer within {timeout_s:g} s")
        except aiohttp.ClientConnectorError as error:
            return Reply(ending=Ending.NOT_SENT, reason=str(error))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Reply(ending=Ending.CUT, reason=f"{type(error).__name__}: {error}")

    def _url(self, request: HttpRequest) -> URL:
        """``encoded``: the bytes that were signed are the bytes that are sent."""
        if request.query:
            query = request.query.decode("latin-1")
            return URL(f"{self._base}{request.path}?{query}", encoded=True)
        found = self._urls.get(request.path)
        if found is None:
            found = self._urls[request.path] = URL(self._base + request.path, encoded=True)
        return found

    async def _read(self, answer: aiohttp.ClientResponse) -> Reply:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        try:
            body = await answer.content.read(MESSAGE_MAX + 1)
            while not answer.content.at_eof() and len(body) <= MESSAGE_MAX:
                body += await answer.content.read(MESSAGE_MAX + 1 - len(body))
        except (aiohttp.ClientError, OSError) as error:
            # The venue began to answer and did not finish: its words up to here prove nothing.
            return Reply(
                ending=Ending.CUT,
                status=answer.status,
                headers=headers,
                reason=f"the answer broke off: {type(error).__name__}",
            )
        if len(body) > MESSAGE_MAX:
            reason = f"the answer is longer than {MESSAGE_MAX} bytes"
            return Reply(ending=Ending.CUT, status=answer.status, headers=headers, reason=reason)
        return Reply(ending=Ending.ANSWERED, status=answer.status, headers=headers, body=body)

    async def frames(
        self, url: str, *, opened: Callable[[aiohttp.ClientWebSocketResponse], None]
    ) -> AsyncGenerator[bytes, None]:
        """The text messages of one WebSocket until it ends; then StreamLost says how.

        ``opened`` is given the socket for sending. Pings of the venue are answered by the library.
        """
        try:
            socket = await self.session.ws_connect(
                URL(url, encoded=True),
                max_msg_size=MESSAGE_MAX,
                autoping=True,
                heartbeat=HEARTBEAT_SECONDS,
                compress=0,
                timeout=aiohttp.ClientWSTimeout(ws_close=GOODBYE_SECONDS),
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise StreamLost(f"cannot open the stream: {error}") from error
        try:
            opened(socket)
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    yield message.data.encode()
                elif message.type is aiohttp.WSMsgType.BINARY:
                    yield message.data
                elif message.type is aiohttp.WSMsgType.ERROR:
                    raise StreamLost(f"the stream broke: {socket.exception()}")
            raise StreamLost(f"the venue closed the stream (code {socket.close_code})")
        finally:
            await socket.close()
