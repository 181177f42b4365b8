"""Columns through a session: one fast loop for a single series of bars, one for everything else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from interlock.kernel.engine import step, step_bars
from interlock.model.events import MarkChanged
from interlock.model.market import Bar
from interlock.sim.bars import NEVER, BarMarket
from interlock.sim.depth import DepthMarket
from interlock.sim.feed import (
    BOOK,
    DECIDE,
    FUNDING,
    MARK,
    OPEN,
    QUOTE,
    TRADE,
    WALK,
    Stream,
    bar_cursor,
    merge,
    quote_cursor,
    streams,
    trade_cursor,
)
from interlock.sim.messages import (
    SKIP,
    SNAPSHOT,
    depth_messages,
    message_times,
    order_messages,
)
from interlock.sim.order_flow import OrderFlowMarket
from interlock.sim.quotes import QuoteMarket
from interlock.sim.session import Progress, Session, bars_closed
from interlock.strategy.api import Strategy
from interlock.strategy.columns import (
    BarColumns,
    Dataset,
    DepthColumns,
    FundingColumns,
    MarkColumns,
    OrderColumns,
    QuoteColumns,
    TradeColumns,
)

CHUNK = 1 << 15
AHEAD = 1024


class Replay:
    """Drives a session through a dataset."""

    def __init__(
        self,
        session: Session,
        dataset: Dataset,
        *,
        larger: tuple[BarColumns, ...] = (),
        progress: Progress | None = None,
    ) -> None:
        self.session = session
        self.dataset = dataset
        self.progress = progress or (lambda done, total: None)
        self.cursors: dict[tuple[str, int], Bar] = {}
        self.columns: dict[tuple[str, int], BarColumns] = {}
        self._streams = streams(dataset, larger)
        self._pending: list[Bar] = []
        self._scan: Callable[[int, int], int] | None = None
        self._opened: dict[str, Bar] = {}

    def prepare(self) -> None:
        """Make the cursors, so that indicators can be bound to columns before the first row."""
        for stream in self._streams:
            if stream.moment == DECIDE:
                assert isinstance(stream.columns, BarColumns)
                key = (stream.columns.instrument.id, stream.columns.step_ns)
                self.cursors[key] = bar_cursor(stream.columns)
                self.columns[key] = stream.columns

    def bounds(self) -> tuple[int, int]:
        """First and last time of the data, ns."""
        parts = [part for part in self.dataset.parts() if len(part)]
        first = min(int(part.ts[0]) for part in parts)
        last = max(int(part.ts[-1]) + getattr(part, "step_ns", 0) for part in parts)
        return first, last

    def run(self) -> None:
        """The whole dataset, from start to stop."""
        first, last = self.bounds()
        self.session.start(first)
        if self._is_single():
            self._run_single()
        else:
            self._run_merged()
        self.session.stop(last)

    def _is_single(self) -> bool:
        decisions = [stream for stream in self._streams if stream.moment == DECIDE]
        others = [s for s in self._streams if s.moment in (MARK, BOOK, QUOTE, TRADE)]
        return len(decisions) == 1 and not others and not self.session._feed_ns

    # A single series of bars: a row on which nothing of ours can happen costs one call.
    def _run_single(self) -> None:
        bars = self.dataset.bars[0]
        cursor = self.cursors[(bars.instrument.id, bars.step_ns)]
        market = self.session.exchange.markets[bars.instrument.id]
        assert isinstance(market, BarMarket)
        market.has_volume = bool(bars.volume.any())
        total = len(bars)
        self._scan = self._scanner()
        funding = self._funding(bars)
        edges = sorted({*range(0, total, CHUNK), *funding, *(row + 1 for row in funding), total})
        for low, high in zip(edges, edges[1:], strict=False):
            if low >= total:
                break
            if low in funding:
                self._row_with_funding(market, cursor, low, funding[low])
            else:
                self._rows(market, cursor, low, high)
            self.session.journal.flush()
            self.progress(high, total)

    def _rows(self, market: BarMarket, cursor: Bar, low: int, high: int) -> None:
        session = self.session
        working, waiting = market.working, session._waiting
        row = low
        while row < high:
            if working or waiting:
                self._whole_bar(market, cursor, row)
                row += 1
                continue
            # Nothing works: only a decision or a liquidation can be the next thing to happen.
            stop = self._danger(market, row, high)
            if self._scan is not None:
                row = self._scan(row, stop)
            row, effects = step_bars(session.state, cursor, row, stop)
            if row < stop:
                market.see_close(cursor)
                session.answer(effects)
                market.end_decision()
                row += 1
            elif stop < high and self._is_danger(market, cursor, stop):
                self._whole_bar(market, cursor, stop)
                row = stop + 1
        self._settle(cursor, high - 1)

    def _whole_bar(self, market: BarMarket, cursor: Bar, row: int) -> None:
        """Open, walk and decision of a bar on which something of ours may happen."""
        session = self.session
        cursor._row = row
        self._open(market, cursor)
        self._walk(market, cursor)
        effects = step(session.state, cursor)
        if effects or session.state.facts:
            session.answer(effects)
        market.end_decision()

    def _danger(self, market: BarMarket, row: int, high: int) -> int:
        """The first row at which a held position may be liquidated, looking ahead a little."""
        floor, ceiling = market.danger()
        if floor <= 0 and ceiling >= NEVER:
            return high
        bars = self.dataset.bars[0]
        end = min(high, row + AHEAD)
        low, top = bars.low[row:end], bars.high[row:end]
        if low.min() > floor and top.max() < ceiling:
            return end
        return row + int(((low <= floor) | (top >= ceiling)).argmax())

    @staticmethod
    def _is_danger(market: BarMarket, cursor: Bar, row: int) -> bool:
        floor, ceiling = market.danger()
        _, _, highs, lows, _, _ = cursor._columns
        return bool(lows[row] <= floor or highs[row] >= ceiling)

    def _settle(self, cursor: Bar, row: int) -> None:
        """Leave the cursor on the last row, where the next moment finds the mark."""
        cursor._row = row
        slot = self.session.state.instruments[cursor.instrument.id]
        slot.last = cursor

    def _scanner(self) -> Callable[[int, int], int] | None:
        """The hint of the only strategy, when it overrides it and hears nothing but bars."""
        owners = list(self.session.state.strategies.values())
        if len(owners) != 1 or type(owners[0].strategy).scan is Strategy.scan:
            return None
        return None if owners[0].warming else owners[0].strategy.scan

    def _row_with_funding(
        self, market: BarMarket, bar: Bar, row: int, items: list[tuple[int, int]]
    ) -> None:
        session = self.session
        bar._row = row
        opened, closed = bar.ts_open, bar.ts_event
        self._fund(bar, [item for item in items if item[0] <= opened])
        self._open(market, bar)
        self._fund(bar, [item for item in items if opened < item[0] < closed])
        self._walk(market, bar)
        self._fund(bar, [item for item in items if item[0] == closed])
        session.tell(bar)
        session.pump()
        market.end_decision()

    def _fund(self, bar: Bar, items: list[tuple[int, int]]) -> None:
        for ts, rate in items:
            self.session.release(ts)
            self.session.exchange.fund(ts, bar.instrument, rate)
            self.session.pump()

    def _open(self, market: BarMarket, bar: Bar) -> None:
        session = self.session
        if session._waiting:
            session.release(bar.ts_open)
        market.open_bar(bar)
        session.pump()
        while market.step_open():
            session.pump()

    def _walk(self, market: BarMarket, bar: Bar) -> None:
        session = self.session
        if session._waiting:
            session.release(bar.ts_event - 1)
        if market.begin_walk():
            while market.step_walk():
                session.pump()
        session.pump()
        if session._waiting:
            session.release(bar.ts_event)

    def _funding(self, bars: BarColumns) -> dict[int, list[tuple[int, int]]]:
        """Funding instants by the row of the bar they fall into."""
        found: dict[int, list[tuple[int, int]]] = {}
        for part in self.dataset.funding:
            if part.instrument.id != bars.instrument.id:
                continue
            rows = np.searchsorted(bars.close_ts, part.ts, "left").tolist()
            for row, ts, rate in zip(rows, part.ts.tolist(), part.rate.tolist(), strict=True):
                if row < len(bars) and ts >= int(bars.ts[0]):
                    found.setdefault(row, []).append((ts, rate))
        return found

    # Everything else: one merged timeline of moments.
    def _run_merged(self) -> None:
        codes = merge(self._streams)
        moves = [self._mover(stream) for stream in self._streams]
        deciding = [stream.moment == DECIDE for stream in self._streams]
        total = len(codes)
        for low in range(0, total, CHUNK):
            for code in codes[low : low + CHUNK].tolist():
                if self._pending and not deciding[code]:
                    self._decide()
                moves[code]()
            self.session.journal.flush()
            self.progress(min(low + CHUNK, total), total)
        if self._pending:
            self._decide()

    def _mover(self, stream: Stream) -> Callable[[], None]:
        """A call that moves one stream by one row."""
        make: dict[int, Callable[[Stream], Callable[[], None]]] = {
            WALK: self._walker,
            OPEN: self._opener,
            DECIDE: self._decider,
            FUNDING: self._funder,
            MARK: self._marker,
            QUOTE: self._quoter,
            TRADE: self._trader,
            BOOK: self._booker,
        }
        return make[stream.moment](stream)

    def _opener(self, stream: Stream) -> Callable[[], None]:
        assert isinstance(stream.columns, BarColumns)
        cursor = bar_cursor(stream.columns)
        instrument = cursor.instrument.id
        market = self.session.exchange.markets[instrument]
        assert isinstance(market, BarMarket)
        market.has_volume = bool(stream.columns.volume.any())

        def move() -> None:
            cursor._row += 1
            self._opened[instrument] = cursor
            self._open(market, cursor)

        return move

    def _walker(self, stream: Stream) -> Callable[[], None]:
        instrument = stream.columns.instrument.id
        market = self.session.exchange.markets[instrument]
        assert isinstance(market, BarMarket)

        def move() -> None:
            self._walk(market, self._opened[instrument])

        return move

    def _decider(self, stream: Stream) -> Callable[[], None]:
        assert isinstance(stream.columns, BarColumns)
        cursor = self.cursors[(stream.columns.instrument.id, stream.columns.step_ns)]

        def move() -> None:
            pending = self._pending
            cursor._row += 1
            if pending and pending[0].ts_event != cursor.ts_event:
                cursor._row -= 1
                self._decide()
                cursor._row += 1
            self._pending.append(cursor)

        return move

    def _decide(self) -> None:
        """All bars of one close time are in: strategies hear of them together."""
        session = self.session
        pending, self._pending = self._pending, []
        event: Any = pending[0] if len(pending) == 1 else bars_closed(pending)
        session.hear(event)
        for bar in pending:
            market = session.exchange.markets[bar.instrument.id]
            if isinstance(market, BarMarket):
                market.end_decision()

    def _funder(self, stream: Stream) -> Callable[[], None]:
        assert isinstance(stream.columns, FundingColumns)
        instrument = stream.columns.instrument
        rows = zip(stream.columns.ts.tolist(), stream.columns.rate.tolist(), strict=True)
        session = self.session

        def move() -> None:
            ts, rate = next(rows)
            session.release(ts)
            session.exchange.fund(ts, instrument, rate)
            session.pump()

        return move

    def _marker(self, stream: Stream) -> Callable[[], None]:
        assert isinstance(stream.columns, MarkColumns)
        instrument = stream.columns.instrument.id
        rows = zip(stream.columns.ts.tolist(), stream.columns.price.tolist(), strict=True)
        session = self.session

        def move() -> None:
            ts, price = next(rows)
            session.release(ts)
            session.exchange.account.marks[instrument] = price
            session.hear(MarkChanged(ts, instrument, price))

        return move

    def _quoter(self, stream: Stream) -> Callable[[], None]:
        assert isinstance(stream.columns, QuoteColumns)
        cursor = quote_cursor(stream.columns)
        market = self.session.exchange.markets[cursor.instrument.id]
        assert isinstance(market, QuoteMarket)
        session, heard = self.session, self._is_heard("on_quote")
        ts, bid, bid_quantity, ask, ask_quantity = cursor._columns
        reports, waiting = session.reports, session._waiting
        on_quote, hear, state = market.on_quote, session.hear, session.state
        delayed = session._feed_ns > 0

        def move() -> None:
            cursor._row = row = cursor._row + 1
            now = ts[row]
            if waiting:
                session.release(now)
            on_quote(now, bid[row], bid_quantity[row], ask[row], ask_quantity[row])
            if reports:
                session.pump()
            if delayed:
                hear(cursor)
                return
            effects = step(state, cursor)
            if effects or state.facts:
                session.answer(effects)

        def move_unheard() -> None:
            cursor._row = row = cursor._row + 1
            now = ts[row]
            if waiting:
                session.release(now)
            on_quote(now, bid[row], bid_quantity[row], ask[row], ask_quantity[row])
            session.state.instruments[cursor.instrument.id].last = cursor
            if reports:
                session.pump()

        return move if heard else move_unheard

    def _trader(self, stream: Stream) -> Callable[[], None]:
        assert isinstance(stream.columns, TradeColumns)
        cursor = trade_cursor(stream.columns)
        market = self.session.exchange.markets[cursor.instrument.id]
        session, heard = self.session, self._is_heard("on_trade")
        ts, price, quantity, side = cursor._columns
        reports, waiting = session.reports, session._waiting
        on_trade = market.on_trade
        hear = session.hear if heard else None

        def move() -> None:
            cursor._row = row = cursor._row + 1
            now = ts[row]
            if waiting:
                session.release(now)
            on_trade(now, price[row], quantity[row], side[row])
            if reports:
                session.pump()
            if hear is not None:
                hear(cursor)

        return move

    def _booker(self, stream: Stream) -> Callable[[], None]:
        columns = stream.columns
        assert isinstance(columns, DepthColumns | OrderColumns)
        session, heard = self.session, self._is_heard("on_book")
        market = session.exchange.markets[columns.instrument.id]
        assert isinstance(market, DepthMarket)
        apply = _book_messages(market, columns)
        slot = session.state.instruments[columns.instrument.id]
        reports, waiting, book = session.reports, session._waiting, market.book
        times = iter(message_times(columns).tolist())

        def move() -> None:
            now = next(times)
            if waiting:
                session.release(now)
            if not apply():
                return
            if reports:
                session.pump()
            if heard:
                session.hear(book)
            else:
                slot.last = book

        return move

    def _is_heard(self, hook: str) -> bool:
        """Whether any strategy overrides a callback: data nobody hears stays out of the kernel."""
        owners = self.session.state.strategies.values()
        return any(getattr(type(o.strategy), hook) is not getattr(Strategy, hook) for o in owners)


def _book_messages(market: DepthMarket, columns: DepthColumns | OrderColumns) -> Callable[[], bool]:
    """A call that brings the next message to the market; False when the message does not count."""
    if isinstance(columns, DepthColumns):
        depth = depth_messages(columns)

        def apply_depth() -> bool:
            ts, kind, rows = next(depth)
            if kind != SKIP:
                market.on_depth(ts, rows, is_snapshot=kind == SNAPSHOT)
            return kind != SKIP

        return apply_depth
    assert isinstance(market, OrderFlowMarket)
    orders = order_messages(columns)

    def apply_orders() -> bool:
        market.on_orders(*next(orders))
        return True

    return apply_orders
