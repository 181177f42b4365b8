"""A real HTTP server on 127.0.0.1 that answers like Binance USD-M and Kraken, with faults.

The market is a formula of the time, so that every run, page size and restart gives the same rows.
Faults are queued with ``fail`` and used up one per request; lasting habits are attributes.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_704_067_200_000  # 2024-01-01 00:00 UTC in ms

FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
    {"filterType": "LOT_SIZE", "minQty": "0.001", "maxQty": "1000", "stepSize": "0.001"},
    {"filterType": "MARKET_LOT_SIZE", "minQty": "0.001", "maxQty": "120", "stepSize": "0.001"},
    {"filterType": "MIN_NOTIONAL", "notional": "100"},
]


def binance_market(symbol: str, base: str, settle: str = "USDT") -> dict[str, Any]:
    """One symbol of exchangeInfo, as Binance sends it."""
    return {
        "symbol": symbol,
        "pair": symbol,
        "contractType": "PERPETUAL",
        "deliveryDate": 4133404800000,
        "onboardDate": 1569398400000,
        "status": "TRADING",
        "baseAsset": base,
        "quoteAsset": settle,
        "marginAsset": settle,
        "pricePrecision": 2,
        "quantityPrecision": 3,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "filters": FILTERS,
        "orderTypes": ["LIMIT", "MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX"],
    }


KRAKEN_PAIR = {
    "altname": "XBTUSD",
    "wsname": "XBT/USD",
    "aclass_base": "currency",
    "base": "XXBT",
    "aclass_quote": "currency",
    "quote": "ZUSD",
    "pair_decimals": 1,
    "cost_decimals": 5,
    "lot_decimals": 8,
    "lot_multiplier": 1,
    "leverage_buy": [],
    "leverage_sell": [],
    "fees": [[0, 0.4], [10000, 0.35]],
    "fees_maker": [[0, 0.25], [10000, 0.2]],
    "ordermin": "0.00005",
    "costmin": "0.5",
    "tick_size": "0.1",
    "status": "online",
}
KRAKEN_ASSETS = {
    "XXBT": {"aclass": "currency", "altname": "XBT", "decimals": 10, "status": "enabled"},
    "ZUSD": {"aclass": "currency", "altname": "USD", "decimals": 4, "status": "enabled"},
}


def bar(open_ms: int) -> list[str]:
    """Open, high, low, close, volume of the bar at a time; text as the venue sends it."""
    seed = open_ms // MINUTE * 7919 % 1000
    open_ = 420_000 + seed
    close = open_ + seed % 37 - 18
    high, low = max(open_, close) + seed % 11, min(open_, close) - seed % 13
    prices = [f"{value // 10}.{value % 10}0" for value in (open_, high, low, close)]
    return [*prices, f"{seed // 7}.{seed:03d}"]


@dataclass
class Fault:
    """What one request gets instead of an answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    # "drop" closes without an answer, "cut" after half of the body, "hold" waits for ``release``.
    manner: str = ""


@dataclass
class Market:
    """The venue's data and habits; times in ms."""

    now_ms: int = START + 400 * MINUTE
    listed_ms: int = START
    page_max: int = 1_000
    outages: list[tuple[int, int]] = field(default_factory=list)
    windowed: bool = False  # an answer covers only limit x step from the start
    ignores_start: bool = False
    repeats_last: bool = False
    shuffled: bool = False
    cuts_head: bool = False
    contradicts: bool = False
    fine_price_ms: int = 0  # the bar at this time has a price finer than the tick
    trades_per_ms: int = 1

    def bars(self, start_ms: int | None, limit: int, step_ms: int = MINUTE) -> list[list[Any]]:
        """Rows [open time, open, high, low, close, volume], the open bar included."""
        asked, limit = limit, min(limit, self.page_max)
        newest = self.now_ms // step_ms * step_ms
        listed = self.listed_ms // step_ms * step_ms
        first = max(listed, -(-(start_ms or 0) // step_ms) * step_ms)
        last = newest
        if self.ignores_start or start_ms is None:
            first = max(listed, newest - (limit - 1) * step_ms)
        elif self.windowed:
            last = min(newest, start_ms + (asked - 1) * step_ms)
        times = [at for at in range(first, last + 1, step_ms) if self._exists(at, step_ms)]
        times = times[-limit:] if self.cuts_head else times[:limit]
        return self._habits([[at, *self._bar(at)] for at in times])

    def funding(self, start_ms: int, limit: int) -> list[dict[str, Any]]:
        """Rates every eight hours, some milliseconds late as they are."""
        rows = []
        at = -(-start_ms // (8 * HOUR)) * 8 * HOUR
        while at <= self.now_ms and len(rows) < limit:
            late = at + at // HOUR % 3
            if late >= start_ms:
                rows.append(
                    {
                        "symbol": "BTCUSDT",
                        "fundingTime": late,
                        "fundingRate": f"{(at // HOUR % 17 - 5) * 0.00001:.8f}",
                        "markPrice": "42000.00000000",
                    }
                )
            at += 8 * HOUR
        return rows

    def trades(self, start_ms: int, end_ms: int, limit: int) -> list[dict[str, Any]]:
        """Trades every 20 s, several in one millisecond, with the venue's own numbers."""
        rows: list[dict[str, Any]] = []
        limit = min(limit, self.page_max)
        grid = 20_000
        at = -(-max(start_ms, self.listed_ms) // grid) * grid
        while at <= min(end_ms, self.now_ms) and len(rows) < limit:
            for part in range(self.trades_per_ms):
                number = at // grid * self.trades_per_ms + part
                rows.append(
                    {
                        "a": number,
                        "p": bar(at)[0],
                        "q": f"0.{number % 998 + 1:03d}",
                        "f": number,
                        "l": number,
                        "T": at,
                        "m": number % 2 == 0,
                    }
                )
            at += grid
        return self._habits(rows[:limit], "p")

    def _bar(self, at: int) -> list[str]:
        row = bar(at)
        if at == self.fine_price_ms:
            row[3] = row[3][:-1] + "37"
        return row

    def _exists(self, at: int, step_ms: int) -> bool:
        # A longer bar exists when one of its minutes does.
        return any(
            minute >= self.listed_ms
            and not any(first <= minute < end for first, end in self.outages)
            for minute in range(at, min(at + step_ms, self.now_ms + 1), MINUTE)
        )

    def _habits(self, rows: list[Any], price: str | int = 1) -> list[Any]:
        if self.repeats_last and rows:
            rows = [*rows, rows[-1]]
        if self.contradicts and len(rows) > 1:
            changed = rows[1].copy()
            changed[price] = rows[1][price] + "1"
            rows = [*rows, changed]
        if self.shuffled:
            rows = rows[1::2] + rows[0::2]
        return rows


class LoopbackVenue:
    """The server; use it as a context manager and point ccxt at ``url``."""

    def __init__(self, market: Market | None = None) -> None:
        self.market = market or Market()
        self.requests: list[str] = []
        self.faults: dict[int, Fault] = {}
        self.held = threading.Event()
        self.release = threading.Event()
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        """http://127.0.0.1:port"""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail(self, *faults: Fault, after: int = 0) -> None:
        """Let the requests that follow the next ``after`` ones fail, one fault each."""
        first = len(self.requests) + after
        self.faults.update({first + index: fault for index, fault in enumerate(faults)})

    def take(self, path: str) -> Fault:
        """Count a request and say which fault it gets."""
        with self._lock:
            self.requests.append(path)
            return self.faults.get(len(self.requests) - 1, Fault())

    def __enter__(self) -> LoopbackVenue:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _answer(market: Market, path: str, query: dict[str, str]) -> Any:
    limit = int(query.get("limit", "500"))
    start = int(query["startTime"]) if "startTime" in query else None
    if path == "/fapi/v1/exchangeInfo":
        symbols = [binance_market("BTCUSDT", "BTC"), binance_market("ETHUSDT", "ETH")]
        return {"timezone": "UTC", "serverTime": market.now_ms, "symbols": symbols}
    if path == "/fapi/v1/klines":
        step = {"1m": MINUTE, "1h": HOUR, "1d": 24 * HOUR}[query["interval"]]
        rows = market.bars(start, limit, step)
        return [[*row, row[0] + step - 1, "1.0", 9, "0.5", "0.5", "0"] for row in rows]
    if path == "/fapi/v1/fundingRate":
        return market.funding(start or 0, min(limit, 1000))
    if path == "/fapi/v1/aggTrades":
        return market.trades(start or 0, int(query.get("endTime", market.now_ms)), limit)
    return _kraken(market, path, query)


def _kraken(market: Market, path: str, query: dict[str, str]) -> Any:
    if path == "/0/public/AssetPairs":
        return {"error": [], "result": {"XXBTZUSD": KRAKEN_PAIR}}
    if path == "/0/public/Assets":
        return {"error": [], "result": KRAKEN_ASSETS}
    if path == "/0/public/OHLC":
        # Kraken: at most the newest 720 bars, whatever the start; numbers of seconds.
        step = int(query["interval"]) * MINUTE
        since = int(query.get("since", "0")) * 1000
        newest = market.now_ms // step * step
        first = max(since + 1, newest - 719 * step)
        rows = market.bars(first, 720, step)
        listed = [[r[0] // 1000, *r[1:5], r[1], r[5] + "00000", 3] for r in rows]
        return {"error": [], "result": {"XXBTZUSD": listed, "last": newest // 1000}}
    return None


def _handler(venue: LoopbackVenue) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # An idle connection ends by itself, so that closing the server never waits for one.
        timeout = 2

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            fault = venue.take(self.path)
            if fault.manner == "drop":
                self.close_connection = True
                return
            if fault.manner == "hold":
                venue.held.set()
                venue.release.wait()
            if fault.status:
                self._send(fault.status, b"<html>trouble</html>", fault.headers, cut=False)
                return
            answer = _answer(venue.market, parts.path, query)
            status = 404 if answer is None else 200
            self._send(status, json.dumps(answer).encode(), {}, cut=fault.manner == "cut")

        def _send(self, status: int, body: bytes, headers: dict[str, str], *, cut: bool) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body[: len(body) // 2] if cut else body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # The client was killed; that is what the test wants.
            if cut:
                self.close_connection = True

        def log_message(self, *_parts: object) -> None:
            pass

    return Handler
