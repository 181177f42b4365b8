"""What can be asked of the venue; nothing here changes it. Orders are returned as copies."""

from __future__ import annotations

from bisect import bisect_left
from copy import copy

from interlock.model.instrument import Instrument
from interlock.sim.venue.accounts import INSURANCE, PARTICIPANTS
from interlock.sim.venue.margin import account_view, leverage_of
from interlock.sim.venue.market import MINUTE_NS, Market
from interlock.sim.venue.marks import mark_view
from interlock.sim.venue.state import VenueError, VenueState
from interlock.sim.venue.values import (
    AccountView,
    BarRow,
    BookView,
    Fill,
    FundingRow,
    MarkView,
    Order,
    Payment,
    TradePrint,
)


class Queries:
    """Views of a venue's state. An unknown account or symbol raises VenueError."""

    state: VenueState

    def account(self, name: str) -> AccountView:
        """Wallets, holdings and margin figures."""
        return account_view(self.state, self.state.owner(name))

    @property
    def accounts(self) -> tuple[str, ...]:
        """Names of the accounts, without the venue's own."""
        own = (PARTICIPANTS, INSURANCE)
        return tuple(name for name in self.state.accounts if name not in own)

    def leverage(self, account: str, symbol: str) -> tuple[int, bool]:
        """(leverage, is the margin isolated) of an account on a symbol."""
        owner = self.state.owner(account)
        self._market(symbol)
        return leverage_of(self.state, owner, symbol), owner.is_isolated(symbol)

    def order(
        self,
        account: str,
        symbol: str,
        *,
        order_id: int = 0,
        client_id: str = "",
        conditional: bool = False,
    ) -> Order | None:
        """The open order of this number or client id, else the newest ended one."""
        shelf = self.state.owner(account).shelf(conditional)
        found = shelf.find(symbol, order_id, client_id)
        return copy(found) if found is not None else None

    def open_orders(
        self, account: str, symbol: str | None = None, *, conditional: bool = False
    ) -> list[Order]:
        """Open orders of one numbering, oldest first."""
        orders = self.state.owner(account).shelf(conditional).open.values()
        return [copy(order) for order in orders if symbol in (None, order.symbol)]

    def orders_since(
        self, account: str, symbol: str | None, ts: int, *, conditional: bool = False
    ) -> list[Order]:
        """Orders created at or after ``ts``, ended ones included, by their number."""
        shelf = self.state.owner(account).shelf(conditional)
        found = {
            number: order
            for orders in (shelf.closed, shelf.open)
            for number, order in orders.items()
            if order.ts_created >= ts and symbol in (None, order.symbol)
        }
        return [copy(found[number]) for number in sorted(found)]

    def fills_since(self, account: str, symbol: str | None, ts: int) -> list[Fill]:
        """Fills at or after ``ts``, oldest first."""
        fills = self.state.owner(account).fills
        return [item for item in fills if item.ts >= ts and symbol in (None, item.symbol)]

    def payments_since(self, account: str, ts: int) -> list[Payment]:
        """Payments at or after ``ts``, oldest first."""
        return [item for item in self.state.owner(account).payments if item.ts >= ts]

    def book(self, symbol: str, limit: int = 0) -> BookView:
        """The best ``limit`` levels of each side (0 = all)."""
        market = self._market(symbol)
        sides = []
        for side in (1, -1):
            levels = []
            for price, quantity in market.book.levels(side, limit):
                levels.append((price, quantity, len(market.book.queue(side, price))))
            sides.append(tuple(levels))
        return BookView(
            symbol=symbol,
            ts=self.state.now,
            update_id=market.update_id,
            bids=sides[0],
            asks=sides[1],
        )

    def prints_since(self, symbol: str, ts: int) -> list[TradePrint]:
        """Trades at or after ``ts`` as far as they are kept, oldest first."""
        return [item for item in self._market(symbol).prints if item.ts >= ts]

    def bars(self, symbol: str, step_ns: int, start: int, end: int) -> list[BarRow]:
        """Bars that open in start <= ts < end, whole minutes each; quiet ones repeat the close."""
        if step_ns <= 0 or step_ns % MINUTE_NS:
            raise VenueError(f"bars of {step_ns} ns are not kept; ask for whole minutes")
        minutes = list(self._market(symbol).minutes)
        if not minutes:
            return []
        first = max(start, minutes[0].ts)
        first -= first % step_ns
        first += step_ns if first < start else 0
        last = min(end - 1, self.state.now)
        low = bisect_left(minutes, first, key=lambda item: item.ts)
        close = minutes[low - 1].close if low else minutes[0].open
        rows = []
        for ts in range(first, last + 1, step_ns):
            high = bisect_left(minutes, ts + step_ns, key=lambda item: item.ts)
            rows.append(merged(ts, minutes[low:high], close))
            low, close = high, rows[-1].close
        return rows

    def mark(self, symbol: str) -> MarkView:
        """Mark, index, last price and funding as they stand."""
        return mark_view(self.state, self._market(symbol))

    def fundings(self, symbol: str, ts: int) -> list[FundingRow]:
        """Fundings paid at or after ``ts``, oldest first."""
        return [row for row in self._market(symbol).fundings if row.ts >= ts]

    def status(self, symbol: str) -> str:
        """trading, halted, settling or delisted."""
        return self._market(symbol).status.value

    def instrument(self, symbol: str) -> Instrument:
        """The symbol's rules as they are now."""
        return self._market(symbol).instrument

    @property
    def symbols(self) -> tuple[str, ...]:
        """Every listed symbol, delisted ones included."""
        return tuple(self.state.markets)

    def _market(self, symbol: str) -> Market:
        found = self.state.markets.get(symbol)
        if found is None:
            raise VenueError(f"there is no symbol {symbol!r}; list it first")
        return found


def merged(ts: int, minutes: list[BarRow], close_before: int) -> BarRow:
    """One bar of some minutes; without any it stands at the close before."""
    if not minutes:
        price = close_before
        return BarRow(ts=ts, open=price, high=price, low=price, close=price)
    return BarRow(
        ts=ts,
        open=minutes[0].open,
        high=max(item.high for item in minutes),
        low=min(item.low for item in minutes),
        close=minutes[-1].close,
        volume=sum(item.volume for item in minutes),
        notional=sum(item.notional for item in minutes),
        count=sum(item.count for item in minutes),
        taker_buy_volume=sum(item.taker_buy_volume for item in minutes),
        taker_buy_notional=sum(item.taker_buy_notional for item in minutes),
    )
