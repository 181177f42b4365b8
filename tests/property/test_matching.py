"""The matching engine against a list of orders that is searched from end to end each time."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from interlock.model.order import TimeInForce
from interlock.sim.matching import BookError, Incoming, OrderBook, Outcome, SelfTrade

SIDES = st.sampled_from([1, -1])
PRICES = st.integers(95, 105)
QUANTITIES = st.integers(1, 20)
OWNERS = st.sampled_from(["", "ann", "ben"])
TIMES = st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])


@dataclass(frozen=True)
class Row:
    """One open order of the list model; ``turn`` is when it took its place."""

    key: int
    side: int
    price: int
    quantity: int
    owner: str
    post_only: bool
    turn: int


class ListBook:
    """An independent model: a list, searched for the best candidate before every trade."""

    def __init__(self, self_trade: SelfTrade) -> None:
        self.self_trade = self_trade
        self.rows: list[Row] = []
        self.turn = 0

    def candidates(self, side: int, price: int) -> list[Row]:
        """Orders that an order of this side and price may meet, in no particular order."""
        found = []
        for row in self.rows:
            if row.side == side:
                continue
            if price == 0 or (row.price <= price if side > 0 else row.price >= price):
                found.append(row)
        return found

    def first(self, side: int, price: int) -> Row | None:
        """The candidate with priority."""
        best = None
        for row in self.candidates(side, price):
            if best is None:
                best = row
            elif row.price == best.price:
                best = row if row.turn < best.turn else best
            elif (row.price < best.price) == (side > 0):
                best = row
        return best

    def put(self, row: Row) -> None:
        self.turn += 1
        self.rows.append(replace(row, turn=self.turn))

    def take(self, row: Row, quantity: int) -> None:
        """Quantity leaves an order; at 0 the order leaves the list."""
        at = self.rows.index(row)
        if quantity == row.quantity:
            del self.rows[at]
        else:
            self.rows[at] = replace(row, quantity=row.quantity - quantity)

    def match(self, row: Row) -> tuple[list[tuple[int, int, int]], int, bool]:
        """Trades as (maker, price, quantity), what is left, and whether prevention ended it."""
        trades, left = [], row.quantity
        while left:
            maker = self.first(row.side, row.price)
            if maker is None:
                break
            own = row.owner and row.owner == maker.owner
            if own and self.self_trade is not SelfTrade.ALLOW:
                if self.self_trade in (SelfTrade.CANCEL_RESTING, SelfTrade.CANCEL_BOTH):
                    self.take(maker, maker.quantity)
                if self.self_trade in (SelfTrade.CANCEL_INCOMING, SelfTrade.CANCEL_BOTH):
                    return trades, left, True
                continue
            size = min(left, maker.quantity)
            self.take(maker, size)
            trades.append((maker.key, maker.price, size))
            left -= size
        return trades, left, False

    def place(self, row: Row, time_in_force: TimeInForce) -> tuple[list[tuple[int, int, int]], int]:
        """Trades, and what rests."""
        if row.post_only and self.candidates(row.side, row.price):
            return [], 0
        kept = list(self.rows)
        trades, left, stopped = self.match(row)
        if time_in_force is TimeInForce.FOK and left:
            self.rows = kept
            return [], 0
        if left and not stopped and row.price and time_in_force is TimeInForce.GTC:
            self.put(replace(row, quantity=left))
            return trades, left
        return trades, 0


class MatchingMachine(RuleBasedStateMachine):
    """Any sequence of requests leaves the engine and the list with the same book."""

    @initialize(self_trade=st.sampled_from(SelfTrade))
    def start(self, self_trade: SelfTrade) -> None:
        self.book = OrderBook(self_trade)
        self.model = ListBook(self_trade)
        self.next_key = 0
        self.placed = self.traded = self.removed = 0

    def check_outcome(
        self, row: Row, outcome: Outcome, expected: tuple[list[tuple[int, int, int]], int]
    ) -> None:
        trades, resting = expected
        assert [(t.maker, t.price, t.quantity) for t in outcome.trades] == trades
        assert outcome.resting == resting
        done = sum(t.quantity for t in outcome.trades)
        assert done + outcome.resting + outcome.ended == row.quantity
        assert bool(outcome.ended) == bool(outcome.reason)
        for trade in outcome.trades:
            assert trade.side == row.side
            assert trade.taker == row.key
            assert trade.quantity > 0
            if row.price:
                assert (trade.price - row.price) * row.side <= 0
        # Both sides of every trade lose what it says.
        self.traded += 2 * done
        self.removed += outcome.ended

    @rule(
        side=SIDES,
        price=PRICES,
        quantity=QUANTITIES,
        owner=OWNERS,
        time=TIMES,
        kind=st.sampled_from(["limit", "limit", "limit", "market", "post_only"]),
    )
    def place(
        self, side: int, price: int, quantity: int, owner: str, time: TimeInForce, kind: str
    ) -> None:
        self.next_key += 1
        price = 0 if kind == "market" else price
        time = TimeInForce.GTC if kind == "post_only" else time
        row = Row(self.next_key, side, price, quantity, owner, kind == "post_only", 0)
        before = self.snapshot()
        outcome = self.book.place(
            Incoming(
                order_id=row.key,
                side=side,
                quantity=quantity,
                price=price,
                owner=owner,
                time_in_force=time,
                post_only=row.post_only,
            )
        )
        self.placed += quantity
        self.forget(outcome)
        self.check_outcome(row, outcome, self.model.place(row, time))
        if row.post_only:
            assert not outcome.trades
        if time is TimeInForce.FOK:
            filled = sum(t.quantity for t in outcome.trades)
            assert filled in (0, quantity)
            if not filled:
                assert self.snapshot() == before

    def forget(self, outcome: Outcome) -> None:
        """Count what self-trade prevention takes off the book."""
        for key in outcome.yielded:
            assert key not in self.book
            self.removed += next(r.quantity for r in self.model.rows if r.key == key)

    def snapshot(self) -> list[tuple[object, ...]]:
        return [(o.order_id, o.side, o.price, o.quantity, o.owner) for o in self.book]

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.model.rows))
        assert self.book.cancel(row.key).quantity == row.quantity
        self.model.take(row, row.quantity)
        self.removed += row.quantity
        with pytest.raises(BookError):
            self.book.cancel(row.key)

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data())
    def reduce(self, data: st.DataObject) -> None:
        row = data.draw(st.sampled_from(self.model.rows))
        less = data.draw(st.integers(1, row.quantity))
        assert self.book.reduce(row.key, less) == row.quantity - less
        self.model.take(row, less)
        self.removed += less

    @precondition(lambda self: self.model.rows)
    @rule(data=st.data(), price=PRICES, quantity=QUANTITIES)
    def amend(self, data: st.DataObject, price: int, quantity: int) -> None:
        row = data.draw(st.sampled_from(self.model.rows))
        price = data.draw(st.sampled_from([price, row.price]))
        if price == row.price and quantity <= row.quantity:
            assert self.book.amend(row.key, price=price, quantity=quantity).resting == quantity
            self.removed += row.quantity - quantity
            if quantity < row.quantity:
                self.model.take(row, row.quantity - quantity)
            return
        if row.post_only and self.model.candidates(row.side, price):
            before = self.snapshot()
            with pytest.raises(BookError, match="post-only"):
                self.book.amend(row.key, price=price, quantity=quantity)
            assert self.snapshot() == before
            return
        outcome = self.book.amend(row.key, price=price, quantity=quantity)
        self.placed += quantity
        self.removed += row.quantity
        self.model.take(row, row.quantity)
        self.forget(outcome)
        moved = replace(row, price=price, quantity=quantity)
        self.check_outcome(moved, outcome, self.model.place(moved, TimeInForce.GTC))

    @invariant()
    def is_the_list(self) -> None:
        if not hasattr(self, "book"):
            return
        rows = sorted(self.model.rows, key=lambda r: (-r.side, -r.side * r.price, r.turn))
        assert self.snapshot() == [(r.key, r.side, r.price, r.quantity, r.owner) for r in rows]
        assert len(self.book) == len(rows)
        for row in rows:
            before = [r for r in rows if (r.side, r.price) == (row.side, row.price)]
            before = [r for r in before if r.turn < row.turn]
            assert self.book.ahead(row.key) == sum(r.quantity for r in before)

    @invariant()
    def is_never_crossed(self) -> None:
        if not hasattr(self, "book"):
            return
        bid, ask = self.book.best(1), self.book.best(-1)
        assert not bid or not ask or bid < ask
        for side in (1, -1):
            levels = self.book.levels(side)
            assert [price for price, _ in levels] == sorted(
                {p for p, _ in levels}, reverse=side > 0
            )
            assert all(quantity > 0 for _, quantity in levels)
            assert self.book.levels(side, 2) == levels[:2]

    @invariant()
    def conserves_quantity(self) -> None:
        if not hasattr(self, "book"):
            return
        open_now = sum(order.quantity for order in self.book)
        assert self.placed == self.traded + self.removed + open_now


MatchingMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40)
TestMatching = MatchingMachine.TestCase
