"""A run over one series of bars: a row on which nothing of ours can happen costs one call."""

from __future__ import annotations

import numpy as np

from interlock.kernel.engine import step, step_bars
from interlock.kernel.state import StrategySlot
from interlock.model.market import Bar
from interlock.sim.bars import BarMarket
from interlock.sim.margin import NEVER
from interlock.sim.moments import open_bar, walk_bar
from interlock.sim.session import Progress, Session
from interlock.strategy.api import Strategy
from interlock.strategy.columns import BarColumns, FundingColumns

CHUNK = 1 << 15
AHEAD = 1024


class Series:
    """Moves one cursor over its bars, with funding in between."""

    def __init__(
        self,
        session: Session,
        bars: BarColumns,
        cursor: Bar,
        *,
        funding: tuple[FundingColumns, ...],
        progress: Progress,
    ) -> None:
        market = session.exchange.markets[bars.instrument.id]
        assert isinstance(market, BarMarket)
        market.has_volume = bool(bars.volume.any())
        self.session = session
        self.bars = bars
        self.cursor = cursor
        self.market = market
        self.progress = progress
        self._funding = _by_row(bars, funding)
        self._owner = self._scanned()

    def run(self) -> None:
        """Every row, in order."""
        total, funding = len(self.bars), self._funding
        edges = sorted({*range(0, total, CHUNK), *funding, *(row + 1 for row in funding), total})
        for low, high in zip(edges, edges[1:], strict=False):
            if low >= total:
                break
            if low in funding:
                self._row_with_funding(low, funding[low])
            else:
                self._rows(low, high)
            self.session.journal.flush()
            self.progress(high, total)

    def _rows(self, low: int, high: int) -> None:
        session, market, cursor = self.session, self.market, self.cursor
        working = market.working
        row = low
        while row < high:
            if working or session.waiting:
                self._whole_bar(row)
                row += 1
                continue
            # Nothing works: only a decision or a liquidation can be the next thing to happen.
            stop = self._danger(row, high)
            if self._owner is not None:
                if self._owner.prepares:
                    stop = min(stop, row + self._owner.warming + 1)
                else:
                    row = self._owner.strategy.scan(row, stop)
            row, effects = step_bars(session.state, cursor, row, stop)
            if row < stop:
                market.see_close(cursor)
                session.answer(effects)
                market.end_decision()
                row += 1
            elif stop < high and self._is_danger(stop):
                self._whole_bar(stop)
                row = stop + 1
        # Funding in a gap before the next open is paid on the last close, also of a passed row.
        cursor._row = high - 1
        market.see_close(cursor)
        market.end_decision()

    def _whole_bar(self, row: int) -> None:
        """Open, walk and decision of a bar on which something of ours may happen."""
        session, market, cursor = self.session, self.market, self.cursor
        cursor._row = row
        open_bar(session, market, cursor)
        walk_bar(session, market, cursor)
        effects = step(session.state, cursor)
        if effects or session.state.facts:
            session.answer(effects)
        market.end_decision()

    def _danger(self, row: int, high: int) -> int:
        """The first row at which a held position may be liquidated, looking ahead a little."""
        floor, ceiling = self.market.danger()
        if floor <= 0 and ceiling >= NEVER:
            return high
        bars = self.bars
        end = min(high, row + AHEAD)
        low, top = bars.low[row:end], bars.high[row:end]
        if low.min() > floor and top.max() < ceiling:
            return end
        return row + int(((low <= floor) | (top >= ceiling)).argmax())

    def _is_danger(self, row: int) -> bool:
        floor, ceiling = self.market.danger()
        _, _, highs, lows, _, _ = self.cursor._columns
        return bool(lows[row] <= floor or highs[row] >= ceiling)

    def _scanned(self) -> StrategySlot | None:
        """The only strategy, when it can say on which rows it may act."""
        owners = list(self.session.state.strategies.values())
        if len(owners) != 1 or type(owners[0].strategy).scan is Strategy.scan:
            return None
        return owners[0]

    def _row_with_funding(self, row: int, items: list[tuple[int, int]]) -> None:
        session, market, bar = self.session, self.market, self.cursor
        bar._row = row
        opened, closed = bar.ts_open, bar.ts_event
        self._fund([item for item in items if item[0] <= opened])
        open_bar(session, market, bar)
        self._fund([item for item in items if opened < item[0] < closed])
        walk_bar(session, market, bar)
        self._fund([item for item in items if item[0] == closed])
        session.tell(bar)
        session.pump()
        market.end_decision()

    def _fund(self, items: list[tuple[int, int]]) -> None:
        for ts, rate in items:
            self.session.release(ts)
            self.session.exchange.fund(ts, self.bars.instrument, rate)
            self.session.pump()


def _by_row(
    bars: BarColumns, funding: tuple[FundingColumns, ...]
) -> dict[int, list[tuple[int, int]]]:
    """Funding instants (ts, rate) by the row of the bar they fall into."""
    found: dict[int, list[tuple[int, int]]] = {}
    for part in funding:
        if part.instrument.id != bars.instrument.id:
            continue
        rows = np.searchsorted(bars.close_ts, part.ts, "left").tolist()
        for row, ts, rate in zip(rows, part.ts.tolist(), part.rate.tolist(), strict=True):
            if row < len(bars) and ts >= int(bars.ts[0]):
                found.setdefault(row, []).append((ts, rate))
    return found
