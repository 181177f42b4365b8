"""What differs between bars, trades and funding: the ccxt call, the columns, the time covered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from interlock.adapters.ccxt_history.errors import DataRefusedError, HistoryError
from interlock.adapters.ccxt_history.pages import NS_PER_MS, HistoryRequest, Row, time_text
from interlock.adapters.ccxt_history.venue import VenueClient
from interlock.model.instrument import Instrument
from interlock.model.units import to_decimal

FUNDING_EXPONENT = 10
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
TRUSTED_BARS = 200

# These count a contract market's bar volume in contracts; the others in the base currency.
CONTRACT_VOLUME = {"gate", "kucoinfutures", "mexc"}

# Rows of one answer where ccxt states none or fewer than the venue's own manual.
PAGE_ROWS = {
    ("binance", "fetchTrades"): 1_000,
    ("binanceusdm", "fetchOHLCV"): 1_000,
    ("binanceusdm", "fetchTrades"): 1_000,
    ("binanceusdm", "fetchFundingRateHistory"): 1_000,
    ("bybit", "fetchFundingRateHistory"): 200,
}


class Feed(Protocol):
    """One kind of history of one symbol."""

    columns: tuple[str, ...]
    limit: int
    # Rows may share a time; a page's last time is then complete only when asked again.
    shares_times: bool

    def fetch(self, since_ms: int, limit: int) -> list[Row]:
        """The venue's rows from ``since_ms``, in any order, unchecked."""
        ...

    def exponents(self, instrument: Instrument) -> tuple[int, ...]:
        """The exponent of each value column."""
        ...

    def span_ms(self, limit: int) -> int:
        """How far an empty answer to ``limit`` rows is trusted to mean that there is nothing."""
        ...

    def after_nothing(self, since_ms: int) -> int:
        """Where to ask next after an empty answer to a full page."""
        ...


@dataclass
class BarFeed:
    """Bars by open time."""

    client: VenueClient
    request: HistoryRequest

    columns: tuple[str, ...] = ("open", "high", "low", "close", "volume")
    shares_times = False

    def __post_init__(self) -> None:
        _require(self.client, "fetchOHLCV", "bars")
        steps = self.client.exchange.timeframes or {}
        if self.request.step not in steps:
            raise HistoryError(
                f"{self.client.id} has no bars of step {self.request.step!r}; "
                f"it has {', '.join(steps)}"
            )
        self.limit = _limit(self.client, self.request.symbol, "fetchOHLCV", 500)
        market = self.client.exchange.market(self.request.symbol)
        in_contracts = market["swap"] and self.client.id in CONTRACT_VOLUME
        self._size = to_decimal(market.get("contractSize") or 1) if in_contracts else Decimal(1)
        self._step_ms = self.request.step_ns // NS_PER_MS

    def fetch(self, since_ms: int, limit: int) -> list[Row]:
        """Rows of open, high, low, close, volume."""
        answer = self.client.call(
            "fetch_ohlcv", self.request.symbol, self.request.step, since_ms, limit
        )
        return [self._row(item) for item in answer]

    def exponents(self, instrument: Instrument) -> tuple[int, ...]:
        """Four prices and a quantity."""
        return (instrument.price_exponent,) * 4 + (instrument.quantity_exponent,)

    def span_ms(self, limit: int) -> int:
        """Some venues answer only for the bars that would fit, and fit fewer than ccxt says."""
        return min(limit, TRUSTED_BARS) * self._step_ms

    def after_nothing(self, since_ms: int) -> int:
        """The first daily bar where there is none for the day, else some bars on."""
        short = since_ms + self.span_ms(self.limit)
        steps = self.client.exchange.timeframes
        if "1d" not in steps or self._step_ms >= DAY_MS:
            return short
        answer = self.client.call(
            "fetch_ohlcv", self.request.symbol, "1d", since_ms - DAY_MS + 1, TRUSTED_BARS
        )
        first = min((int(item[0]) for item in answer), default=None)
        if first is None:
            return max(short, since_ms + DAY_MS)
        return max(short, first) if first > since_ms else short

    def _row(self, item: Sequence[Any]) -> Row:
        ts_ms = int(item[0])
        if ts_ms % self._step_ms:
            raise DataRefusedError(
                f"{self.client.id} {self.request.symbol}: a bar opens at "
                f"{time_text(ts_ms * NS_PER_MS)}, which is not a multiple of the step "
                f"{self.request.step}; choose another step"
            )
        volume = _number(item[5], "volume", ts_ms) * self._size
        prices = tuple(
            _number(value, name, ts_ms)
            for name, value in zip(self.columns, item[1:5], strict=False)
        )
        return Row(ts_ms, str(ts_ms), (*prices, volume))


@dataclass
class TradeFeed:
    """Public trades; the venue's own aggregation where it offers only that."""

    client: VenueClient
    request: HistoryRequest

    columns: tuple[str, ...] = ("price", "quantity", "side")
    shares_times = True

    def __post_init__(self) -> None:
        _require(self.client, "fetchTrades", "trades")
        self.limit = _limit(self.client, self.request.symbol, "fetchTrades", 500)
        market = self.client.exchange.market(self.request.symbol)
        self._size = to_decimal(market.get("contractSize") or 1) if market["swap"] else Decimal(1)

    def fetch(self, since_ms: int, limit: int) -> list[Row]:
        """Rows of price, base quantity, side (+1 when the buyer was the aggressor)."""
        answer = self.client.call("fetch_trades", self.request.symbol, since_ms, limit)
        return [self._row(item) for item in answer]

    def exponents(self, instrument: Instrument) -> tuple[int, ...]:
        """A price, a quantity and a sign."""
        return (instrument.price_exponent, instrument.quantity_exponent, 0)

    def span_ms(self, limit: int) -> int:
        """An hour: the window that Binance allows in one request."""
        return HOUR_MS

    def after_nothing(self, since_ms: int) -> int:
        """An hour on."""
        return since_ms + HOUR_MS

    def _row(self, item: dict[str, Any]) -> Row:
        ts_ms = int(item["timestamp"])
        side = {"buy": 1, "sell": -1}.get(item.get("side") or "", 0)
        price = _number(item["price"], "price", ts_ms)
        quantity = _number(item["amount"], "quantity", ts_ms) * self._size
        return Row(ts_ms, str(item.get("id") or ""), (price, quantity, Decimal(side)))


@dataclass
class FundingFeed:
    """Funding rates at the instants at which they were paid."""

    client: VenueClient
    request: HistoryRequest

    columns: tuple[str, ...] = ("rate",)
    shares_times = False

    def __post_init__(self) -> None:
        _require(self.client, "fetchFundingRateHistory", "funding")
        if not self.client.exchange.market(self.request.symbol)["swap"]:
            raise HistoryError(
                f"{self.client.id} {self.request.symbol} is a spot market and pays no funding; "
                "leave funding out of --what or name a perpetual such as BTC/USDT:USDT"
            )
        self.limit = _limit(self.client, self.request.symbol, "fetchFundingRateHistory", 100)

    def fetch(self, since_ms: int, limit: int) -> list[Row]:
        """Rows of the rate."""
        answer = self.client.call(
            "fetch_funding_rate_history", self.request.symbol, since_ms, limit
        )
        rows = []
        for item in answer:
            ts_ms = int(item["timestamp"])
            rate = _number(item["fundingRate"], "funding rate", ts_ms)
            rows.append(Row(ts_ms, str(ts_ms), (rate,)))
        return rows

    def exponents(self, instrument: Instrument) -> tuple[int, ...]:
        """Rates are integers of 1e-10 whatever the instrument."""
        return (FUNDING_EXPONENT,)

    def span_ms(self, limit: int) -> int:
        """As many hours: the shortest interval in use."""
        return limit * HOUR_MS

    def after_nothing(self, since_ms: int) -> int:
        """A page of hours on."""
        return since_ms + self.span_ms(self.limit)


def feed_of(client: VenueClient, request: HistoryRequest) -> Feed:
    """The feed of the request's kind."""
    if request.kind == "bars":
        return BarFeed(client, request)
    return TradeFeed(client, request) if request.kind == "trades" else FundingFeed(client, request)


def _require(client: VenueClient, feature: str, kind: str) -> None:
    if not client.exchange.has.get(feature):
        raise HistoryError(
            f"{client.id} offers no {kind} through ccxt; leave {kind} out of --what "
            "or name another venue"
        )


def _limit(client: VenueClient, symbol: str, method: str, otherwise: int) -> int:
    known = PAGE_ROWS.get((client.id, method))
    stated = known or client.exchange.feature_value(symbol, method, "limit", otherwise)
    return int(stated) if stated else otherwise


def _number(value: Any, name: str, ts_ms: int) -> Decimal:
    if value is None:
        raise DataRefusedError(
            f"the row at {time_text(ts_ms * NS_PER_MS)} has no {name}; leave that time out with "
            "--from or --to, or name another venue"
        )
    return to_decimal(value)
