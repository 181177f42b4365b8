"""The questions of /info about the market, answered from the core."""

from __future__ import annotations

from collections.abc import Callable

from interlock.model.instrument import Instrument
from interlock.sim.hyperliquid_server import rows
from interlock.sim.hyperliquid_server.access import Unreadable
from interlock.sim.hyperliquid_server.rows import Row, money, ms
from interlock.sim.hyperliquid_server.state import ServerState
from interlock.sim.venue.values import BarRow
from interlock.wire.hyperliquid.instruments import QUOTE
from interlock.wire.hyperliquid.text import NS_PER_MS, shown

_MINUTE_NS = 60 * 10**9
_HOUR_NS = 60 * _MINUTE_NS
_DAY_NS = 24 * _HOUR_NS
INTERVALS = {
    "1m": _MINUTE_NS,
    "3m": 3 * _MINUTE_NS,
    "5m": 5 * _MINUTE_NS,
    "15m": 15 * _MINUTE_NS,
    "30m": 30 * _MINUTE_NS,
    "1h": _HOUR_NS,
    "2h": 2 * _HOUR_NS,
    "4h": 4 * _HOUR_NS,
    "8h": 8 * _HOUR_NS,
    "12h": 12 * _HOUR_NS,
    "1d": _DAY_NS,
    "3d": 3 * _DAY_NS,
    "1w": 7 * _DAY_NS,
}
_CANDLES_MAX, _FUNDINGS_MAX, _TRADES_MAX = 5_000, 500, 50
_TIME_MAX_MS = 2**63 // NS_PER_MS
_USDC = {
    "name": QUOTE,
    "szDecimals": 8,
    "weiDecimals": 8,
    "index": 0,
    "tokenId": "0x6d1e7cde53ba9467b783cb7c530ce054",
    "isCanonical": True,
    "evmContract": None,
    "fullName": None,
}
_SPOT_META: Row = {"universe": [], "tokens": [_USDC]}

Question = dict[str, object]


class MarketInfo:
    """Answers questions that name no user."""

    def __init__(self, state: ServerState) -> None:
        self._state = state
        self.table: dict[str, Callable[[int, Question], object]] = {
            "meta": lambda ts, q: self.meta(),
            "allPerpMetas": lambda ts, q: [self.meta()],
            "metaAndAssetCtxs": lambda ts, q: [self.meta(), self.contexts(ts)],
            "spotMeta": lambda ts, q: _SPOT_META,
            "spotMetaAndAssetCtxs": lambda ts, q: [_SPOT_META, []],
            "perpDexs": lambda ts, q: [None],
            "outcomeMeta": lambda ts, q: {"outcomes": [], "questions": []},
            # The clock by which nonces and expiries are judged.
            "exchangeStatus": lambda ts, q: {
                "specialStatuses": None,
                "time": ms(ts + state.clock_offset_ns),
            },
            "allMids": lambda ts, q: self.mids(),
            "l2Book": lambda ts, q: self.book(ts, state.of_coin(q.get("coin"))),
            "recentTrades": lambda ts, q: self.recent_trades(ts, state.of_coin(q.get("coin"))),
            "candleSnapshot": self._candles,
            "fundingHistory": self._funding_history,
            "predictedFundings": lambda ts, q: [],
        }

    def meta(self) -> Row:
        """The list of perpetuals."""
        universe = self._state.universe
        return rows.meta(list(universe.instruments), universe.closed)

    def mids(self) -> Row:
        """The middle of every book that has two sides, or the mark."""
        return {item.base: self._mid(item) for item in self._state.universe.instruments}

    def contexts(self, ts: int) -> list[Row]:
        """What is known of each perpetual, in the order of the list."""
        return [self.context(ts, item) for item in self._state.universe.instruments]

    def context(self, ts: int, instrument: Instrument) -> Row:
        """Mark, oracle, funding and the day's figures of one perpetual."""
        core, exponent = self._state.core, instrument.price_exponent
        mark = core.mark(instrument.id)
        day = core.bars(instrument.id, _HOUR_NS, max(0, ts - _DAY_NS), ts + 1)
        book = core.book(instrument.id, 1)
        has_touch = bool(book.bids and book.asks)
        premium = (mark.mark - mark.index) / mark.index if mark.index else 0.0
        impact = [shown(side[0][0], exponent) for side in (book.bids, book.asks) if side]
        interest = self._open_interest(instrument.id)
        return {
            "funding": rows.rate(mark.funding_rate),
            "openInterest": shown(interest, instrument.quantity_exponent),
            "prevDayPx": shown(day[0].open if day else mark.mark, exponent),
            "dayNtlVlm": money(sum(bar.notional for bar in day)),
            "premium": f"{premium:.10f}",
            "oraclePx": shown(mark.index, exponent),
            "markPx": shown(mark.mark, exponent),
            "midPx": self._mid(instrument) if has_touch else None,
            "impactPxs": impact if has_touch else None,
            "dayBaseVlm": shown(sum(bar.volume for bar in day), instrument.quantity_exponent),
        }

    def book(self, ts: int, instrument: Instrument) -> Row:
        """A whole book."""
        levels = self._state.options.levels
        view = self._state.core.book(instrument.id, levels)
        return rows.book_row(view, instrument, ts, levels=levels)

    def candle(self, ts: int, instrument: Instrument, interval: str) -> Row | None:
        """The bar that is not complete yet."""
        step = INTERVALS[interval]
        bars: list[BarRow] = self._state.core.bars(instrument.id, step, ts - ts % step, ts + 1)
        return rows.candle_row(bars[-1], instrument, interval, step_ns=step) if bars else None

    def recent_trades(self, ts: int, instrument: Instrument) -> list[Row]:
        """The last trades, newest first."""
        asset = self._state.universe.index(instrument.id)
        found = self._state.core.prints_since(instrument.id, max(0, ts - _HOUR_NS))
        return [rows.trade_row(item, instrument, asset) for item in reversed(found[-_TRADES_MAX:])]

    def _candles(self, ts: int, question: Question) -> list[Row]:
        asked = question.get("req")
        if not isinstance(asked, dict) or asked.get("interval") not in INTERVALS:
            raise Unreadable("req")
        instrument, interval = self._state.of_coin(asked.get("coin")), asked["interval"]
        step = INTERVALS[interval]
        start = time_of(asked, "startTime", default=0)
        end = min(time_of(asked, "endTime", default=ts), ts)
        start = max(start - start % step, end - step * _CANDLES_MAX, 0)
        bars = self._state.core.bars(instrument.id, step, start, end + 1)
        return [rows.candle_row(bar, instrument, interval, step_ns=step) for bar in bars]

    def _funding_history(self, ts: int, question: Question) -> list[Row]:
        instrument = self._state.of_coin(question.get("coin"))
        start = time_of(question, "startTime", default=None)
        end = time_of(question, "endTime", default=ts)
        paid = self._state.core.fundings(instrument.id, start)
        return [
            {
                "coin": instrument.base,
                "fundingRate": rows.rate(row.rate),
                "premium": "0.0",
                "time": ms(row.ts),
            }
            for row in paid
            if row.ts <= end
        ][:_FUNDINGS_MAX]

    def _mid(self, instrument: Instrument) -> str:
        """The middle of the touch; where a side is empty, the mark."""
        book = self._state.core.book(instrument.id, 1)
        if not book.bids or not book.asks:
            mark = self._state.core.mark(instrument.id).mark
            return shown(mark, instrument.price_exponent)
        return shown((book.bids[0][0] + book.asks[0][0]) * 5, instrument.price_exponent + 1)

    def _open_interest(self, symbol: str) -> int:
        """The long side of the known users."""
        total = 0
        for _, account in self._state.access.users():
            for position in self._state.core.account(account).positions:
                total += max(0, position.quantity) if position.symbol == symbol else 0
        return total


def time_of(question: Question, name: str, *, default: int | None) -> int:
    """A time in ms of a question, as ns; without a default it must be there."""
    value = question.get(name)
    if value is None and default is not None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _TIME_MAX_MS:
        raise Unreadable(name)
    return value * NS_PER_MS
