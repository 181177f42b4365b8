"""One symbol: its book, its tape, its prices, and what changed since it was told last."""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from interlock.model.instrument import Instrument
from interlock.sim.matching import OrderBook
from interlock.sim.venue.values import BarRow, FundingRow, Order, TradePrint

MINUTE_NS = 60_000_000_000
# Bars and prints kept for queries: a week of minutes, and enough trades for the longest page.
_BARS = 10_080
_PRINTS = 10_000


class Trading(StrEnum):
    """What a symbol lets its traders do."""

    TRADING = "trading"
    HALTED = "halted"
    SETTLING = "settling"
    DELISTED = "delisted"


class Market:
    """A symbol's state. ``orders`` holds the accounts' orders; all others are participants'."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.symbol = instrument.id
        self.book = OrderBook()
        self.status = Trading.TRADING
        self.orders: dict[int, Order] = {}
        self.conditionals: dict[int, Order] = {}
        self.reducing = 0
        self.touched: dict[int, None] = {}
        self.update_id = 0
        self.trade_id = 0
        self.top = (0, 0, 0, 0)
        self.last = 0
        self.mark = 0
        self.index = 0
        self.basis = 0
        self.pinned = 0
        self.flow_signed = 0
        self.funding_ts = 0
        self.premium_sum = 0
        self.premium_count = 0
        self.funding_rate = 0
        # Prices that conditionals have yet to see, oldest first: (is it a mark, price).
        self.path: list[tuple[bool, int]] = []
        self.prints: deque[TradePrint] = deque(maxlen=_PRINTS)
        self.minutes: deque[BarRow] = deque(maxlen=_BARS)
        self.fundings: deque[FundingRow] = deque(maxlen=1_000)

    def middle(self) -> int:
        """The middle of the touch; where a side is empty, the last price within the other."""
        bid, ask = self.book.best(1), self.book.best(-1)
        if bid and ask:
            return (bid + ask) // 2
        if bid:
            return max(bid, self.last)
        return min(ask, self.last or ask) if ask else self.last

    def reference(self) -> int:
        """The price that bands and margins are judged by: the mark where there is one."""
        return self.mark or self.middle()

    def touch(self, side: int, price: int) -> None:
        """Remember that a level changed."""
        self.touched[side * price] = None

    def add_to_bar(self, ts: int, price: int, quantity: int, side: int) -> None:
        """Count a trade into its minute."""
        notional = self.instrument.notional(price, quantity)
        start = ts - ts % MINUTE_NS
        minutes = self.minutes
        if not minutes or minutes[-1].ts != start:
            minutes.append(BarRow(ts=start, open=price, high=price, low=price, close=price))
        bar = minutes[-1]
        bar.close = price
        if price > bar.high:
            bar.high = price
        elif price < bar.low:
            bar.low = price
        bar.volume += quantity
        bar.notional += notional
        bar.count += 1
        if side > 0:
            bar.taker_buy_volume += quantity
            bar.taker_buy_notional += notional
