"""ccxt made safe: our transport beneath it, our clock, and nothing that it does on its own.

Rules of this file. Every byte goes through the same transport as on our own adapters: sent once,
not redirected, its ending known. What ccxt would send without being asked (approvals of fees,
referrers) is refused before it leaves. Numbers are text both ways.
"""

from __future__ import annotations

import contextvars
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec

from interlock.adapters.connecting import OPEN, Network
from interlock.adapters.transport import Ending, Reply, Transport
from interlock.model.clock import Offset
from interlock.ports import Clock
from interlock.wire.http import HttpRequest

# What a venue of one address for everything may be told to do; all else is refused.
_ACTIONS = frozenset(
    {"order", "cancel", "cancelByCloid", "modify", "batchModify", "scheduleCancel"}
)
_READING_PATHS = ("/info",)


class CcxtConfig(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach one ccxt exchange. ``urls`` replaces addresses by their ccxt name."""

    exchange_id: str
    key: str = ""
    secret: str = ""
    options: Mapping[str, Any] = {}
    urls: Mapping[str, str] = {}
    is_paced: bool = True
    timeout_s: float = 10.0
    poll_s: float = 2.0


class Refused(Exception):
    """Something that ccxt was about to send and may not."""


class Trace(msgspec.Struct):
    """What one request of ours made ccxt send, and what came back."""

    writes: bool = False
    replies: list[Reply] = []

    @property
    def last(self) -> Reply | None:
        """The newest reply."""
        return self.replies[-1] if self.replies else None


_trace: contextvars.ContextVar[Trace] = contextvars.ContextVar("ccxt_trace")


@contextmanager
def traced(*, writes: bool = False) -> Iterator[Trace]:
    """Note what ccxt is made to send within this block, by this task."""
    token = _trace.set(Trace(writes=writes))
    try:
        yield _trace.get()
    finally:
        _trace.reset(token)


class SafeExchange:
    """One ccxt exchange; ``api`` is ccxt's object, to be called by its unified methods."""

    def __init__(self, config: CcxtConfig, *, clock: Clock, network: Network = OPEN) -> None:
        import ccxt.async_support as ccxt  # Takes about a second, so only who trades pays for it.

        self.errors = ccxt
        self.offset = Offset()
        self.transport = Transport("", tls=network.tls, resolver=network.resolver)
        self._clock = clock
        self._timeout_s = config.timeout_s
        if config.exchange_id not in ccxt.exchanges:
            raise Refused(f"venue {config.exchange_id!r} is not one of ccxt's")
        settings = {
            "apiKey": config.key,
            "secret": config.secret,
            "enableRateLimit": config.is_paced,
            # Sent once, whatever happens; and no fee to anybody whom the user did not choose.
            "options": {
                "maxRetriesOnFailure": 0,
                "builderFee": False,
                "refSet": True,
                "warnOnFetchOpenOrdersWithoutSymbol": False,
                **config.options,
            },
        }
        self.api: Any = getattr(ccxt, config.exchange_id)(settings)
        if self.api.options.get("maxRetriesOnFailure"):
            raise Refused("maxRetriesOnFailure would send orders again; leave it at 0")
        if self.api.options.get("builderFee"):
            raise Refused("builderFee would approve and pay a fee to ccxt; leave it off")
        self.api.urls["api"] = {**self.api.urls["api"], **config.urls}
        self.api.fetch = self.fetch
        self.api.milliseconds = self.milliseconds

    def milliseconds(self) -> int:
        """The venue's time: what ccxt stamps requests with."""
        return self.offset.at_venue(self._clock.now_ns()) // 1_000_000

    async def open(self) -> None:
        """Make the pool and load the markets; from then on numbers are text."""
        await self.transport.open()
        await self.api.load_markets()
        # Not earlier: some venues of ccxt compare the steps of their markets as numbers.
        self.api.number = str

    async def close(self) -> None:
        """Close every connection."""
        await self.api.close()
        await self.transport.close()

    async def fetch(
        self, url: str, method: str = "GET", headers: Any = None, body: Any = None
    ) -> Any:
        """ccxt's door to the network, in place of its own."""
        trace = _trace.get(None) or Trace()
        self._guard(trace, method, url, body)
        path, _, query = url.partition("?")
        given = self.api.prepare_request_headers(headers)
        sent = {str(name).lower(): str(value) for name, value in given.items()}
        sent.pop("accept-encoding", None)
        request = HttpRequest(
            method=method,
            path=path,
            query=query.encode("latin-1"),
            body=body.encode() if isinstance(body, str) else body or b"",
            headers=sent,
        )
        reply = await self.transport.exchange(request, timeout_s=self._timeout_s)
        trace.replies.append(reply)
        if reply.ending is Ending.TIMED_OUT:
            raise self.errors.RequestTimeout(reply.reason)
        if reply.ending is not Ending.ANSWERED:
            raise self.errors.ExchangeNotAvailable(reply.reason)
        return self._read(url, method, reply, (sent, body))

    def _read(self, url: str, method: str, reply: Reply, sent: tuple[Any, Any]) -> Any:
        """The body as ccxt reads it; raises its errors."""
        api = self.api
        text = reply.body.decode("utf-8", "replace").strip()
        headers = {name.title(): value for name, value in reply.headers.items()}
        content = api.parse_json(text)
        api.handle_errors(reply.status, "", url, method, headers, text, content, sent[0], sent[1])
        api.handle_http_status_code(reply.status, "", url, method, text)
        return text if content is None else content

    def _guard(self, trace: Trace, method: str, url: str, body: Any) -> None:
        """Refuse what was not asked for: ccxt signs some things by itself."""
        path = url.partition("?")[0]
        if method == "GET" or path.endswith(_READING_PATHS):
            return
        if not trace.writes:
            raise Refused(f"{method} {path} changes something, and nothing was asked for")
        if path.endswith("/exchange"):
            action = _action(body)
            if action.get("type") not in _ACTIONS or "builder" in action:
                raise Refused(f"action {action.get('type')!r} is not one that orders need")


def _action(body: Any) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body or b"{}")
    except msgspec.DecodeError:
        return {}
    action = found.get("action") if isinstance(found, dict) else None
    return action if isinstance(action, dict) else {}
