"""The venue's whole state, what is due when, and the one place that numbers and tells events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from heapq import heappush
from typing import Protocol

from interlock.model.instrument import Instrument
from interlock.sim.venue.accounts import INSURANCE, PARTICIPANTS, Account
from interlock.sim.venue.market import Market
from interlock.sim.venue.values import (
    BookChange,
    ConditionalEvent,
    Fill,
    Order,
    OrderEvent,
    TopChange,
    VenueEvent,
    VenueRules,
)

NEVER = 1 << 62


class VenueError(ValueError):
    """A call that no client can make: an unknown account, a symbol that cannot be traded here."""


class Flow(Protocol):
    """The other participants of one symbol."""

    def act(self, state: VenueState, market: Market, ts: int) -> int:
        """Do what is due at ``ts``; returns when to be called again (NEVER = no more)."""

    def gap(self, state: VenueState, market: Market, ratio: float) -> None:
        """The price everybody believes in jumps by a ratio without trading in between."""


class VenueState:
    """Everything the venue knows. Functions of this package change it; callers read it."""

    def __init__(self, instruments: Sequence[Instrument], rules: VenueRules, seed: int) -> None:
        self.rules = rules
        self.seed = seed
        self.now = 0
        self.markets: dict[str, Market] = {}
        for instrument in instruments:
            self.add_market(instrument)
        insurance = {item.quote: rules.insurance for item in instruments}
        self.accounts: dict[str, Account] = {}
        self.add_account(PARTICIPANTS, {})
        self.add_account(INSURANCE, insurance)
        self.events: deque[VenueEvent] = deque()
        self.flows: dict[str, Flow] = {}
        self.dead_men: dict[tuple[str, str], int] = {}
        self.due: list[tuple[int, int, Callable[[VenueState, int], None]]] = []
        self.sequence = 0
        self.has_started = False
        self.order_id = 1_000
        self.payment_id = 0
        self._due_count = 0
        # What the present call has to look after before it returns.
        self.changed: dict[tuple[str, str], None] = {}
        self.ended: deque[Order] = deque()

    def add_market(self, instrument: Instrument) -> Market:
        """List a symbol; only margined instruments trade here."""
        if not instrument.is_margined:
            raise VenueError(
                f"{instrument.id} is a {instrument.kind}; this venue lists perpetuals only"
            )
        market = self.markets[instrument.id] = Market(instrument)
        return market

    def add_account(self, name: str, balances: Mapping[str, int]) -> Account:
        """Open an account with its starting wallets in money units."""
        if name in self.accounts:
            raise VenueError(f"account {name!r} exists already; choose another name")
        account = self.accounts[name] = Account(name, balances, self.rules.history)
        return account

    def owner(self, name: str) -> Account:
        """An account by its name."""
        found = self.accounts.get(name)
        if found is None:
            raise VenueError(f"there is no account {name!r}; add it first")
        return found

    def plan(self, ts: int, action: Callable[[VenueState, int], None]) -> None:
        """Have something happen at ``ts``; what is planned first happens first."""
        self._due_count += 1
        heappush(self.due, (ts, self._due_count, action))

    def next_order_id(self) -> int:
        """A new order number."""
        self.order_id += 1
        return self.order_id

    def count(self) -> int:
        """The next event's sequence number."""
        self.sequence += 1
        return self.sequence

    def tell_order(self, order: Order, execution: str, fill: Fill | None = None) -> None:
        """Tell what an order is now."""
        self.events.append(
            OrderEvent(
                ts=self.now,
                sequence=self.count(),
                order=copy(order),
                execution=execution,
                fill=fill,
            )
        )

    def tell_conditional(self, order: Order, status: str) -> None:
        """Tell what a conditional order is now."""
        self.events.append(
            ConditionalEvent(ts=self.now, sequence=self.count(), order=copy(order), status=status)
        )

    def flush(self, market: Market) -> None:
        """Tell the levels that changed since the last time, and the touch when it moved."""
        touched = market.touched
        if not touched:
            return
        book = market.book
        levels = []
        for key in touched:
            side, price = (1, key) if key > 0 else (-1, -key)
            quantity = sum([order.quantity for order in book.queue(side, price)])
            levels.append((side, price, quantity))
        touched.clear()
        previous = market.update_id
        market.update_id = previous + len(levels)
        self.events.append(
            BookChange(
                ts=self.now,
                sequence=self.count(),
                symbol=market.symbol,
                first_id=previous + 1,
                last_id=market.update_id,
                previous_id=previous,
                levels=levels,
            )
        )
        self._tell_top(market)

    def _tell_top(self, market: Market) -> None:
        book = market.book
        bid, ask = book.best(1), book.best(-1)
        bid_quantity = sum([order.quantity for order in book.queue(1, bid)]) if bid else 0
        ask_quantity = sum([order.quantity for order in book.queue(-1, ask)]) if ask else 0
        top = (bid, bid_quantity, ask, ask_quantity)
        if top == market.top:
            return
        market.top = top
        self.events.append(
            TopChange(
                ts=self.now,
                sequence=self.count(),
                symbol=market.symbol,
                bid=bid,
                bid_quantity=bid_quantity,
                ask=ask,
                ask_quantity=ask_quantity,
                update_id=market.update_id,
            )
        )
