"""What the machine allows, measured beside a run: `python -m bench.live.floors URL KEY SECRET DIR`.

A bare write with fsync of 4 KB, a bare signed POST on a kept connection, and an empty WebSocket
echo, each a few times a second until the input closes; then one line of JSON.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import uvloop
from aiohttp import web

from bench.live.histogram import Histogram

PERIOD_S = 0.2
_PAGE = bytes(4096)


class Floors:
    """Three bare things, done over and over."""

    def __init__(self, url: str, key: str, secret: str) -> None:
        self.url, self.key, self.secret = url, key, secret.encode()
        self.found = {name: Histogram() for name in ("fsync", "post", "echo")}

    async def run(self, folder: Path, over: asyncio.Event) -> None:
        """Measure until it is over."""
        app = web.Application()
        app.router.add_get("/echo", _echo)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"http://127.0.0.1:{port}/echo") as socket,
        ):

            async def echo() -> None:
                await socket.send_str("")
                await socket.receive()

            works = (
                self._often("echo", echo, over),
                self._often("post", lambda: self._post(session), over),
                self._syncs(folder, over),
            )
            await asyncio.wait([asyncio.create_task(work) for work in works])
        await runner.cleanup()

    async def _often(
        self, name: str, work: Callable[[], Awaitable[None]], over: asyncio.Event
    ) -> None:
        while not over.is_set():
            started = time.perf_counter_ns()
            await work()
            self.found[name].append(time.perf_counter_ns() - started)
            await asyncio.sleep(PERIOD_S)

    async def _post(self, session: aiohttp.ClientSession) -> None:
        query = f"timestamp={time.time_ns() // 10**6}&recvWindow=60000"
        signature = hmac.new(self.secret, query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.url}/fapi/v1/listenKey?{query}&signature={signature}"
        async with session.post(url, headers={"X-MBX-APIKEY": self.key}) as answer:
            await answer.read()

    async def _syncs(self, folder: Path, over: asyncio.Event) -> None:
        descriptor = os.open(folder / "floor.bin", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        loop = asyncio.get_running_loop()

        def sync() -> int:
            started = time.perf_counter_ns()
            os.write(descriptor, _PAGE)
            os.fsync(descriptor)
            return time.perf_counter_ns() - started

        while not over.is_set():
            self.found["fsync"].append(await loop.run_in_executor(None, sync))
            await asyncio.sleep(PERIOD_S / 4)
        os.close(descriptor)


async def _echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def main(url: str, key: str, secret: str, folder: Path) -> None:
    """Measure until the input closes."""
    over = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, sys.stdin.read).add_done_callback(lambda done: over.set())
    floors = Floors(url, key, secret)
    await floors.run(folder, over)
    print(
        json.dumps({name: found.milliseconds() for name, found in floors.found.items()}), flush=True
    )


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:4], Path(sys.argv[4])))
