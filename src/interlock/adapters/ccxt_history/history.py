"""Pages of one series: what a venue answers is ordered, stripped of repeats, checked, converted.

Venues differ in ways that would corrupt a series silently. The rules of this file:

| a venue may                                   | what happens here                             |
|-----------------------------------------------|-----------------------------------------------|
| repeat rows, also across pages                | equal rows count once, contradicting ones fail |
| send rows out of order                        | they are sorted                               |
| send the bar that is still open               | a bar counts when open + step <= the end      |
| cut the head of an answer instead of its tail | a later start than asked is asked for again   |
| ignore the start and send the newest rows     | a half-sized request tells; it is refused     |
| answer an outage with nothing                 | the span is skipped, page by page             |
| cut a page within one time (trades)           | the last time of a page is asked for again    |
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from interlock.adapters.ccxt_history.errors import DataRefusedError, HistoryError
from interlock.adapters.ccxt_history.feeds import Feed, feed_of
from interlock.adapters.ccxt_history.markets import instrument_of
from interlock.adapters.ccxt_history.pages import (
    NS_PER_MS,
    HistoryPage,
    HistoryRequest,
    Row,
    time_text,
)
from interlock.adapters.ccxt_history.venue import VenueClient
from interlock.model.instrument import Instrument
from interlock.model.units import UnitError, parse_units


def open_history(client: VenueClient, request: HistoryRequest) -> CcxtHistory:
    """Load the venue's markets and describe the request's instrument.

    Raises HistoryError for a symbol the venue does not list or a kind it does not offer.
    """
    client.load_markets()
    market = _market(client, request.symbol)
    instrument = instrument_of(
        market,
        venue=client.id,
        precision_mode=int(client.exchange.precisionMode),
        request=request,
    )
    return CcxtHistory(client, request, instrument)


class CcxtHistory:
    """One series of one venue; ``page`` may be called from any cursor, in any process."""

    def __init__(
        self, client: VenueClient, request: HistoryRequest, instrument: Instrument
    ) -> None:
        self.instrument = instrument
        self.request = request
        self.origin = f"ccxt {client.id} {request.symbol}"
        self._client = client
        self._feed: Feed = feed_of(client, request)
        self._exponents = self._feed.exponents(instrument)

    def page(self, cursor_ns: int, end_ns: int) -> HistoryPage:
        """The rows from the cursor that are complete before ``end_ns``, as far as one page goes.

        ``next_ns`` of the page is the cursor of the next one and always lies later; the series is
        done when it reaches ``end_ns``. Raises DataRefusedError or VenueUnreachableError.
        """
        # The cursor lies on a whole millisecond: the venues' own clock.
        since_ms, end_ms = cursor_ns // NS_PER_MS, end_ns // NS_PER_MS
        sent, repeats = self._clean(self._feed.fetch(since_ms, self._feed.limit), since_ms)
        if not sent:
            return self._page([], min(self._feed.after_nothing(since_ms), end_ms), repeats)
        if sent[0].ts_ms > since_ms:
            sent = self._with_head(sent, since_ms)
        whole, next_ms = self._whole(sent, since_ms)
        step_ms = self.request.step_ns // NS_PER_MS
        rows = [row for row in whole if row.ts_ms < end_ms and row.ts_ms + step_ms <= end_ms]
        return self._page(rows, end_ms if len(rows) < len(whole) else min(next_ms, end_ms), repeats)

    def _clean(self, sent: list[Row], since_ms: int) -> tuple[list[Row], int]:
        known: dict[str, Row] = {}
        rows = []
        for row in sorted(sent, key=_order):
            if row.ts_ms < since_ms:
                continue
            before = known.get(row.identity) if row.identity else None
            if before is None:
                rows.append(row)
                known[row.identity] = row
            elif before != row:
                raise DataRefusedError(
                    f"{self.origin}: two different rows for {time_text(row.ts_ms * NS_PER_MS)} "
                    f"({_values(before)} and {_values(row)}); a row must be sent the same each "
                    "time, run again later or leave that time out with --from or --to"
                )
        return rows, len([row for row in sent if row.ts_ms >= since_ms]) - len(rows)

    def _with_head(self, sent: list[Row], since_ms: int) -> list[Row]:
        """The answer begins later than asked: a hole, a cut head, or a venue that ignores us."""
        step_ms = self.request.step_ns // NS_PER_MS
        low_ms = since_ms
        while low_ms < sent[0].ts_ms:
            limit = max(1, self._feed.limit // 2)
            if step_ms:
                limit = min(limit, (sent[0].ts_ms - low_ms) // step_ms)
            head, _ = self._clean(self._feed.fetch(low_ms, limit), low_ms)
            if not head:
                low_ms += self._feed.span_ms(limit)
            elif head[0].ts_ms < sent[0].ts_ms:
                sent = head
            elif head[0] != sent[0] or self._is_recent_only(sent, low_ms, step_ms):
                raise self._ignored(since_ms, sent[0].ts_ms)
            else:
                break
        return sent

    def _is_recent_only(self, sent: list[Row], since_ms: int, step_ms: int) -> bool:
        # Kraken answers any older start with its newest 720 bars, whatever the limit.
        now_ms = self._client.clock.now_ns() // NS_PER_MS
        is_newest = sent[-1].ts_ms >= now_ms - 2 * step_ms
        is_far = sent[0].ts_ms - since_ms > self._feed.span_ms(self._feed.limit)
        return step_ms > 0 and is_newest and is_far

    def _ignored(self, since_ms: int, first_ms: int) -> DataRefusedError:
        return DataRefusedError(
            f"{self.origin}: asked for {self.request.kind} from {time_text(since_ms * NS_PER_MS)}, "
            f"the venue answers with its newest from {time_text(first_ms * NS_PER_MS)}; it keeps "
            "no older ones, use a later --from, a larger --step or another venue"
        )

    def _whole(self, rows: list[Row], since_ms: int) -> tuple[list[Row], int]:
        """The rows that later pages cannot add to, and where those begin (ms)."""
        last_ms = rows[-1].ts_ms
        if not self._feed.shares_times:
            return rows, last_ms + max(1, self.request.step_ns // NS_PER_MS)
        if last_ms > since_ms:
            return [row for row in rows if row.ts_ms < last_ms], last_ms
        if len(rows) >= self._feed.limit:
            raise DataRefusedError(
                f"{self.origin}: {len(rows)} or more trades at {time_text(last_ms * NS_PER_MS)}, "
                "as many as one answer holds, so that some may be missing; download bars instead"
            )
        return rows, last_ms + 1

    def _page(self, rows: list[Row], next_ms: int, repeats: int) -> HistoryPage:
        columns = {"ts": np.array([row.ts_ms for row in rows], dtype=np.int64) * NS_PER_MS}
        for index, (name, exponent) in enumerate(
            zip(self._feed.columns, self._exponents, strict=True)
        ):
            units = [self._units(row, index, name, exponent) for row in rows]
            columns[name] = np.array(units, dtype=np.int64)
        return HistoryPage(columns=columns, next_ns=next_ms * NS_PER_MS, repeats=repeats)

    def _units(self, row: Row, index: int, name: str, exponent: int) -> int:
        value = row.values[index]
        try:
            units = parse_units(value, exponent)
        except UnitError as error:
            raise self._too_fine(row, name, value, exponent) from error
        if abs(units) >= 2**63:
            raise DataRefusedError(
                f"{self.origin}: {name} {value} at {time_text(row.ts_ms * NS_PER_MS)} does not fit "
                f"64 bits in units of 1e-{exponent}; choose a smaller exponent"
            )
        return units

    def _too_fine(self, row: Row, name: str, value: Decimal, exponent: int) -> DataRefusedError:
        needed = -int(value.normalize().as_tuple().exponent)
        kind = "quantity" if name in {"volume", "quantity"} else "price"
        remedy = (
            "funding rates are kept to 1e-10, leave funding out of --what"
            if name == "rate"
            else f"run again with --{kind}-exponent {needed}"
        )
        return DataRefusedError(
            f"{self.origin}: {name} {value:f} at {time_text(row.ts_ms * NS_PER_MS)} is finer than "
            f"the {kind} unit 1e-{exponent} of {self.instrument.id}; {remedy}"
        )


def _market(client: VenueClient, symbol: str) -> Any:
    markets = client.exchange.markets
    if symbol in markets:
        return client.exchange.market(symbol)
    wanted = symbol.upper().replace("-", "/").split("/")[0]
    near = [name for name in markets if name.startswith(f"{wanted}/")][:3] or list(markets)[:3]
    raise HistoryError(
        f"{client.id} lists no symbol {symbol!r}; use ccxt's name, such as {', '.join(near)}"
    )


def _order(row: Row) -> tuple[int, int]:
    # Trades of one millisecond follow their number where the venue numbers them.
    return row.ts_ms, int(row.identity) if row.identity.isdigit() else 0


def _values(row: Row) -> str:
    return " ".join(format(value, "f") for value in row.values)
