"""One account at the venue: wallets, holdings, settings, and its orders and history."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from interlock.kernel.positions import Position
from interlock.model.instrument import Instrument
from interlock.sim.venue.values import Fill, Order, Payment

# Accounts of the venue itself: who stands behind the other participants, and the insurance fund.
PARTICIPANTS = "participants"
INSURANCE = "insurance"


class Holding:
    """A position with the money put aside for it (isolated margin only)."""

    __slots__ = ("isolated_wallet", "position", "position_side", "ts_updated")

    def __init__(self, instrument: Instrument, position_side: str) -> None:
        self.position = Position(instrument)
        self.position_side = position_side
        self.isolated_wallet = 0
        self.ts_updated = 0

    @property
    def quantity(self) -> int:
        """Signed quantity units."""
        return self.position.quantity


class OrderShelf:
    """Orders of one numbering: the open ones, and the newest of those that ended."""

    def __init__(self, history: int) -> None:
        self.open: dict[int, Order] = {}
        self.open_ids: dict[tuple[str, str], int] = {}
        self.closed: dict[int, Order] = {}
        self.closed_ids: dict[tuple[str, str], int] = {}
        self._history = history

    def add(self, order: Order) -> None:
        """Keep a new open order."""
        self.open[order.order_id] = order
        if order.client_id:
            self.open_ids[(order.symbol, order.client_id)] = order.order_id

    def close(self, order: Order) -> None:
        """Move an order to the ended ones; the oldest of them is forgotten when there are many."""
        del self.open[order.order_id]
        key = (order.symbol, order.client_id)
        if order.client_id:
            del self.open_ids[key]
            self.closed_ids[key] = order.order_id
        self.closed[order.order_id] = order
        if len(self.closed) > self._history:
            oldest = self.closed.pop(next(iter(self.closed)))
            known = (oldest.symbol, oldest.client_id)
            if self.closed_ids.get(known) == oldest.order_id:
                del self.closed_ids[known]

    def find_open(self, symbol: str, order_id: int, client_id: str) -> Order | None:
        """The open order of this number, or else of this client id."""
        found = self.open.get(order_id or self.open_ids.get((symbol, client_id), 0))
        return found if found is not None and found.symbol == symbol else None

    def find(self, symbol: str, order_id: int, client_id: str) -> Order | None:
        """As ``find_open``, else the newest ended order of that number or client id."""
        found = self.find_open(symbol, order_id, client_id)
        if found is None:
            found = self.closed.get(order_id or self.closed_ids.get((symbol, client_id), 0))
        return found if found is not None and found.symbol == symbol else None


class Account:
    """What the venue keeps for one account; money is changed through ``ledger`` only."""

    def __init__(self, name: str, balances: Mapping[str, int], history: int) -> None:
        self.name = name
        self.wallets: dict[str, int] = dict(balances)
        self.holdings: dict[tuple[str, str], Holding] = {}
        self.leverages: dict[str, int] = {}
        self.isolated: dict[str, bool] = {}
        self.is_hedged = False
        self.is_liquidating = False
        self.orders = OrderShelf(history)
        self.conditionals = OrderShelf(history)
        self.fills: deque[Fill] = deque(maxlen=history)
        self.payments: deque[Payment] = deque(maxlen=history)

    @property
    def is_venue(self) -> bool:
        """Whether this is one of the venue's own accounts, which pay no fees and hold no margin."""
        return self.name in (PARTICIPANTS, INSURANCE)

    def holding(self, instrument: Instrument, position_side: str) -> Holding:
        """The holding of a symbol and position side, made when there is none."""
        key = (instrument.id, position_side)
        found = self.holdings.get(key)
        if found is None:
            found = self.holdings[key] = Holding(instrument, position_side)
        return found

    def held(self, symbol: str, position_side: str) -> int:
        """Signed quantity of a holding."""
        found = self.holdings.get((symbol, position_side))
        return found.position.quantity if found is not None else 0

    def holdings_of(self, symbol: str) -> list[Holding]:
        """The holdings of a symbol, zero ones included."""
        sides = ("both", "long", "short")
        found = (self.holdings.get((symbol, side)) for side in sides)
        return [holding for holding in found if holding is not None]

    def is_isolated(self, symbol: str) -> bool:
        """Whether the symbol's positions stand on margin of their own."""
        return self.isolated.get(symbol, False)

    def shelf(self, conditional: bool) -> OrderShelf:
        """The orders of a numbering."""
        return self.conditionals if conditional else self.orders

    def cross_wallet(self, asset: str) -> int:
        """The wallet without what isolated holdings have put aside."""
        aside = sum(
            held.isolated_wallet
            for held in self.holdings.values()
            if held.isolated_wallet and held.position.instrument.quote == asset
        )
        return self.wallets.get(asset, 0) - aside


def is_closing(order: Order) -> bool:
    """Whether an order may only make its holding smaller."""
    if order.position_side == "both":
        return order.reduce_only or order.close_position
    return order.side == (-1 if order.position_side == "long" else 1)
