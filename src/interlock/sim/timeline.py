"""A run over several streams: one merged timeline of moments, each moved by its own call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from interlock.kernel.engine import step
from interlock.model.events import MarkChanged
from interlock.model.market import Bar
from interlock.sim.bars import BarMarket
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
    trade_cursor,
)
from interlock.sim.messages import (
    SKIP,
    SNAPSHOT,
    depth_messages,
    message_times,
    order_messages,
)
from interlock.sim.moments import open_bar, walk_bar
from interlock.sim.order_flow import OrderFlowMarket
from interlock.sim.quotes import QuoteMarket
from interlock.sim.session import Progress, Session, bars_closed
from interlock.strategy.api import Strategy
from interlock.strategy.columns import (
    BarColumns,
    DepthColumns,
    FundingColumns,
    MarkColumns,
    OrderColumns,
    QuoteColumns,
    TradeColumns,
)

CHUNK = 1 << 15


class Timeline:
    """Moves the cursors of all streams in the order of time."""

    def __init__(
        self,
        session: Session,
        found: list[Stream],
        cursors: Mapping[tuple[str, int], Bar],
        *,
        progress: Progress,
    ) -> None:
        self.session = session
        self.cursors = cursors
        self.progress = progress
        self._streams = found
        self._pending: list[Bar] = []
        self._opened: dict[str, Bar] = {}

    def run(self) -> None:
        """Every moment, in order."""
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
        instrument, session = cursor.instrument.id, self.session
        market = session.exchange.markets[instrument]
        assert isinstance(market, BarMarket)
        market.has_volume = bool(stream.columns.volume.any())

        def move() -> None:
            cursor._row += 1
            self._opened[instrument] = cursor
            open_bar(session, market, cursor)

        return move

    def _walker(self, stream: Stream) -> Callable[[], None]:
        instrument, session = stream.columns.instrument.id, self.session
        market = session.exchange.markets[instrument]
        assert isinstance(market, BarMarket)

        def move() -> None:
            walk_bar(session, market, self._opened[instrument])

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
        reports, waiting = session.reports, session.waiting
        on_quote, hear, state = market.on_quote, session.hear, session.state
        delayed = session.feed_ns > 0

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
        reports, waiting = session.reports, session.waiting
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
        reports, waiting, book = session.reports, session.waiting, market.book
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
