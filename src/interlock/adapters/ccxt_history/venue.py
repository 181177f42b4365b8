"""One ccxt venue: pacing, bounded retries, and a base address that may be replaced."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from interlock.adapters.ccxt_history.errors import HistoryError, VenueUnreachableError

ATTEMPTS = 8
BACKOFF_SECONDS_MAX = 60.0
RETRY_AFTER_SECONDS_MAX = 900.0
TIMEOUT_MS = 20_000
NOTICED_SECONDS = 4.0
# ccxt's rate limits are the venue's ceiling for one address; we leave a fifth to others.
RATE_SHARE = 0.8
# ccxt reads these as a passing trouble; asking again cannot change the answer.
FINAL_STATUSES = {400, 401, 403, 404, 405, 407, 410, 451}


class Clock(Protocol):
    """Time to wait in; virtual in tests."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970, UTC."""
        ...

    def wait(self, seconds: float) -> None:
        """Let the seconds pass."""
        ...


class Pacer:
    """Spaces requests by their cost: one unit of cost per ``interval_ms``."""

    def __init__(self, clock: Clock, interval_ms: float) -> None:
        self._clock = clock
        self._interval_ns = int(interval_ms * 1_000_000)
        self._free_ns = 0

    def acquire(self, cost: float | None = None) -> None:
        """Wait until a request of this cost may leave."""
        now = self._clock.now_ns()
        if now < self._free_ns:
            self._clock.wait((self._free_ns - now) / 1e9)
        spent = int(self._interval_ns * (1 if cost is None else cost))
        self._free_ns = max(now, self._free_ns) + spent


def _silent(_text: str) -> None:
    """Tell nobody."""


class VenueClient:
    """A ccxt exchange that waits, retries and answers with the venue's own digits.

    ``url`` replaces scheme and host of every address of the venue (its paths stay), for a mirror,
    a recording proxy or a test server. Proxies named in the environment are not used.
    ``tell`` hears of every wait that a person would notice. Raises HistoryError for a venue that
    ccxt does not know.
    """

    def __init__(
        self, venue: str, *, clock: Clock, url: str = "", tell: Callable[[str], None] = _silent
    ) -> None:
        import ccxt  # Takes about a second, so only a download pays for it.

        if venue not in ccxt.exchanges:
            near = difflib.get_close_matches(venue, ccxt.exchanges, n=3)
            hint = f"; did you mean {' or '.join(near)}" if near else ""
            raise HistoryError(f"venue {venue!r} is not one of ccxt's {len(ccxt.exchanges)}{hint}")
        self.id = venue
        self.clock = clock
        self.requests = 0
        self._tell = tell
        self._errors = ccxt
        self.exchange: Any = getattr(ccxt, venue)({"enableRateLimit": True, "timeout": TIMEOUT_MS})
        pacer = Pacer(clock, float(self.exchange.rateLimit) / RATE_SHARE)
        # ccxt's own throttle sleeps; ours waits in the clock and honors the same request costs.
        self.exchange.throttle = pacer.acquire
        self._status = 0
        self._retry_after = ""
        self._read_answer = self.exchange.on_rest_response
        self.exchange.on_rest_response = self._see_answer
        if url:
            self.exchange.urls["api"] = moved(self.exchange.urls["api"], url)

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of ccxt, again after a passing trouble.

        Raises VenueUnreachableError after the last attempt or when the venue bans us for long,
        HistoryError when it refuses the request itself.
        """
        for attempt in range(1, ATTEMPTS + 1):
            self._status, self._retry_after = 0, ""
            self.requests += 1
            try:
                return getattr(self.exchange, method)(*arguments)
            except self._errors.OperationFailed as error:
                if self._status in FINAL_STATUSES:
                    raise self._refused(method, error) from error
                if attempt == ATTEMPTS:
                    raise self._unreachable(error) from error
                self._rest(self._pause(attempt), error)
            except self._errors.BaseError as error:
                raise self._refused(method, error) from error
        raise AssertionError("the last attempt returns or raises")

    def load_markets(self) -> Mapping[str, Any]:
        """The venue's markets by unified symbol, fetched once."""
        if not self.exchange.markets:
            self.call("load_markets")
            # From here on numbers stay the venue's text. Not earlier: some venues of ccxt compare
            # the steps of their markets as numbers while these load.
            self.exchange.number = str
        markets: Mapping[str, Any] = self.exchange.markets
        return markets

    def close(self) -> None:
        """Close the connection."""
        self.exchange.close()

    def _see_answer(self, *parts: Any) -> str:
        # parts: status, reason, url, method, answer headers, answer body, request headers, body
        headers: Mapping[str, str] = parts[4] or {}
        self._status = int(parts[0])
        self._retry_after = headers.get("Retry-After", "")
        text: str = self._read_answer(*parts)
        return text

    def _rest(self, seconds: float, error: Exception) -> None:
        if seconds >= NOTICED_SECONDS:
            self._tell(f"{self.id} answered {_short(error)}; asking again in {seconds:.0f} s")
        self.clock.wait(seconds)

    def _pause(self, attempt: int) -> float:
        backoff = min(BACKOFF_SECONDS_MAX, float(2 ** (attempt - 1)))
        if not self._retry_after.isdigit():
            return backoff
        asked = float(self._retry_after)
        if asked > RETRY_AFTER_SECONDS_MAX:
            raise VenueUnreachableError(
                f"{self.id} answered {self._status} and asks to wait {asked:.0f} s, more than the "
                f"{RETRY_AFTER_SECONDS_MAX:.0f} s that a download waits; run the same command "
                "again after that time, it continues where it stopped"
            )
        return max(asked, 1.0)

    def _unreachable(self, error: Exception) -> VenueUnreachableError:
        return VenueUnreachableError(
            f"{self.id} failed {ATTEMPTS} times in a row, last with {_short(error)}; check the "
            "connection and run the same command again, it continues where it stopped"
        )

    def _refused(self, method: str, error: Exception) -> HistoryError:
        where = " from this place" if self._status in {403, 451} else ""
        return HistoryError(
            f"{self.id} refuses {method}{where}: {_short(error)}; check symbol, step and dates, "
            "or name a mirror with --url"
        )


def moved(addresses: Any, url: str) -> Any:
    """The same tree of addresses on another scheme and host."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise HistoryError(f"url {url!r} must read http://host or https://host:port")
    if isinstance(addresses, Mapping):
        return {name: moved(value, url) for name, value in addresses.items()}
    if not isinstance(addresses, str):
        return addresses
    path = urlsplit(addresses).path.rstrip("/")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}{path}"


def _short(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}"
