"""What every venue is connected with: which streams, whose network, and how refusal is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import NamedTuple

import msgspec
from aiohttp.abc import AbstractResolver


class Refusal(RuntimeError):
    """The venue or the network refused what connecting needs; the text says what and why."""


class Network(NamedTuple):
    """A private authority and names of our own, for an exchange on localhost."""

    tls: ssl.SSLContext | None = None
    resolver: AbstractResolver | None = None


OPEN = Network()


class Feeds(msgspec.Struct, frozen=True, kw_only=True):
    """Which streams to open for which instruments, by our ids."""

    instruments: tuple[str, ...]
    trades: bool = True
    books: bool = False
    bars: tuple[str, ...] = ()


async def try_to_measure(measure: Callable[[], Awaitable[None]]) -> None:
    """Measure the venue's clock; without a sample the bound on the error grows until one comes."""
    with suppress(Refusal):
        await measure()


async def keep_measuring(measure: Callable[[], Awaitable[None]], every_s: float) -> None:
    """Measure the venue's clock at intervals, for as long as the connection is wanted."""
    while True:
        await asyncio.sleep(every_s)
        await try_to_measure(measure)
