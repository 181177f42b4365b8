"""The transport on real loopback sockets: one send per request, and how each ending is named."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from interlock.adapters.transport import Ending, Reply, StreamLost, Transport
from interlock.wire.http import HttpRequest

Behavior = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Weight: 7\r\n\r\n{}"


class Server:
    """A server of raw bytes: what it answers is what the test says, and it counts what arrives."""

    def __init__(self, behavior: Behavior) -> None:
        self.requests: list[bytes] = []
        self._behavior = behavior
        self._tasks: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> str:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._tasks:
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(writer)
        while True:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            body = await reader.readexactly(length)
            self.requests.append(head + body)
            await self._behavior(head, writer)
            if writer.is_closing():
                break
        writer.close()


async def write(writer: asyncio.StreamWriter, content: bytes, *, close: bool = False) -> None:
    writer.write(content)
    await writer.drain()
    if close:
        writer.close()


def ask(
    behavior: Behavior, request: HttpRequest, *, times: int = 1, timeout_s: float = 5.0
) -> tuple[list[Reply], list[bytes]]:
    async def run() -> tuple[list[Reply], list[bytes]]:
        server = Server(behavior)
        async with server as url:
            transport = Transport(url)
            await transport.open()
            try:
                replies = [
                    await transport.exchange(request, timeout_s=timeout_s) for _ in range(times)
                ]
            finally:
                await transport.close()
        return replies, server.requests

    return asyncio.run(run())


ORDER = HttpRequest(method="POST", path="/order", query=b"a=%5B1%5D&b=[x]", body=b"q=1")


def test_the_signed_bytes_are_the_sent_bytes() -> None:
    replies, requests = ask(lambda _, writer: write(writer, GOOD), ORDER)
    assert replies[0].ending is Ending.ANSWERED
    assert (replies[0].status, replies[0].body) == (200, b"{}")
    assert replies[0].headers["x-weight"] == "7"
    assert requests[0].startswith(b"POST /order?a=%5B1%5D&b=[x] HTTP/1.1\r\n")
    assert requests[0].endswith(b"\r\n\r\nq=1")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "GET"])
def test_a_kept_connection_that_dies_is_not_tried_again(method: str) -> None:
    async def once(head: bytes, writer: asyncio.StreamWriter) -> None:
        # The second request on the kept connection is read and then dropped.
        first = not getattr(once, "asked", False)
        once.asked = True  # type: ignore[attr-defined]
        if first:
            await write(writer, GOOD)
        else:
            writer.close()

    replies, requests = ask(once, HttpRequest(method=method, path="/order"), times=2)
    assert [reply.ending for reply in replies] == [Ending.ANSWERED, Ending.CUT]
    assert len(requests) == 2


def test_a_refused_connection_sent_nothing() -> None:
    async def run() -> Reply:
        closed = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        port = closed.sockets[0].getsockname()[1]
        closed.close()
        await closed.wait_closed()
        transport = Transport(f"http://127.0.0.1:{port}")
        await transport.open()
        try:
            return await transport.exchange(ORDER, timeout_s=5)
        finally:
            await transport.close()

    reply = asyncio.run(run())
    assert reply.ending is Ending.NOT_SENT
    assert "127.0.0.1" in reply.reason


def test_an_answer_that_breaks_off_is_cut() -> None:
    half = b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"orderId":1'
    replies, _ = ask(lambda _, writer: write(writer, half, close=True), ORDER)
    assert replies[0].ending is Ending.CUT
    assert replies[0].body == b""
    assert replies[0].status == 200


def test_bytes_that_are_no_http_are_cut() -> None:
    replies, _ = ask(
        lambda _, writer: write(writer, b"\x00\xff nonsense\r\n\r\n", close=True), ORDER
    )
    assert replies[0].ending is Ending.CUT


def test_silence_is_a_time_out() -> None:
    async def silent(head: bytes, writer: asyncio.StreamWriter) -> None:
        return None

    replies, requests = ask(silent, ORDER, timeout_s=0.05)
    assert replies[0].ending is Ending.TIMED_OUT
    assert len(requests) == 1


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    away = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    replies, requests = ask(lambda _, writer: write(writer, away), ORDER)
    assert (replies[0].ending, replies[0].status) == (Ending.ANSWERED, 302)
    assert len(requests) == 1


def test_a_stream_that_is_refused_is_lost() -> None:
    async def run() -> None:
        server = Server(lambda _, writer: write(writer, GOOD))
        async with server as url:
            transport = Transport(url)
            await transport.open()
            try:
                async for _ in transport.frames(url + "/ws", opened=lambda socket: None):
                    raise AssertionError("no frame can come")
            finally:
                await transport.close()

    with pytest.raises(StreamLost, match="cannot open the stream"):
        asyncio.run(run())
