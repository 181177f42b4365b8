"""Fills from individual orders: our true place, what moves it, and a recorded venue."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from interlock.model.instrument import Instrument
from interlock.model.market import Book
from interlock.model.order import OrderSpec, TimeInForce
from interlock.sim.order_flow import OrderFlowMarket
from interlock.strategy.api import Strategy
from interlock.strategy.columns import Dataset, OrderColumns, TradeColumns
from tests.unit.sim.recorded_flow import COIN, SECOND, fills, limit, market, replay, show, tell

ADD, CHANGE, DELETE = 1, 2, 3


def started() -> OrderFlowMarket:
    """Bids 1: 4@99, 2: 6@99, 3: 5@98; asks 7: 4@101, 8: 3@101, 9: 9@103."""
    of = market(OrderFlowMarket)
    assert isinstance(of, OrderFlowMarket)
    tell(
        of, 1,
        (1, ADD, 1, 99, 4), (2, ADD, 1, 99, 6), (3, ADD, 1, 98, 5),
        (7, ADD, -1, 101, 4), (8, ADD, -1, 101, 3), (9, ADD, -1, 103, 9),
    )  # fmt: skip
    return of


def ahead(of: OrderFlowMarket, key: str = "a") -> int:
    return of.working[key].ahead


def test_taker_takes_orders_one_by_one() -> None:
    of = started()
    of.submit(2, "a", OrderSpec(COIN.id, 1, 9))
    assert fills(of) == [("a", 4, 101), ("a", 3, 101), ("a", 2, 103)]


def test_what_was_taken_stays_taken_while_its_order_stands() -> None:
    of = started()
    of.submit(2, "a", OrderSpec(COIN.id, 1, 5))
    tell(of, 3, (8, CHANGE, -1, 101, 2), (6, ADD, -1, 101, 1))
    of.submit(4, "b", OrderSpec(COIN.id, 1, 3))
    assert fills(of)[2:] == [("b", 1, 101), ("b", 1, 101), ("b", 1, 103)]
    tell(of, 5, (7, DELETE, -1, 101, 0))
    # A new order under an old id owes us nothing.
    tell(of, 6, (7, ADD, -1, 101, 2))
    of.submit(7, "c", limit(1, 101, 9, time_in_force=TimeInForce.IOC))
    assert fills(of)[5:] == [("c", 2, 101)]


def test_levels_are_the_sums_of_others() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 50))
    tell(of, 3, (2, CHANGE, 1, 99, 5), (3, DELETE, 1, 98, 0), (5, ADD, 1, 97, 2))
    assert (of.book.bids, of.book.asks) == ({99: 9, 97: 2}, {101: 7, 103: 9})
    assert of.orders.levels(1) == [(99, 59), (97, 2)]


def test_cancel_before_us_moves_us_up_and_one_behind_does_not() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99))
    tell(of, 3, (4, ADD, 1, 99, 8))
    assert ahead(of) == 10
    tell(of, 4, (4, DELETE, 1, 99, 0))
    assert ahead(of) == 10
    tell(of, 5, (2, CHANGE, 1, 99, 5))
    assert ahead(of) == 9
    tell(of, 6, (2, DELETE, 1, 99, 0))
    assert ahead(of) == 4


def test_front_order_that_goes_may_have_traded() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99))
    tell(of, 3, (1, DELETE, 1, 99, 0))
    of.on_trade(3, 99, 4, -1)
    assert ahead(of) == 6
    # Nothing explains this one in time: it was a cancel.
    tell(of, 4, (2, CHANGE, 1, 99, 1))
    assert ahead(of) == 6
    of.on_trade(SECOND, 99, 1, -1)
    assert (ahead(of), fills(of)) == (0, [])
    of.on_trade(SECOND, 99, 1, -1)
    assert fills(of) == [("a", 1, 99)]


@pytest.mark.parametrize("trade_first", [True, False])
def test_sweep_reaches_us_whoever_tells_first(trade_first: bool) -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 9))
    tell(of, 2, (4, ADD, 1, 99, 3))
    steps = [
        lambda: tell(of, 3, (1, DELETE, 1, 99, 0), (2, DELETE, 1, 99, 0), (4, DELETE, 1, 99, 0)),
        lambda: [of.on_trade(3, 99, size, -1) for size in (4, 6, 3)],
    ]
    for step in reversed(steps) if trade_first else steps:
        step()
    assert fills(of) == [("a", 3, 99)]
    assert ahead(of) == 0


def test_order_that_goes_after_its_trade_was_told_moves_nobody_again() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99))
    of.on_trade(3, 99, 6, -1)
    tell(of, 4, (1, DELETE, 1, 99, 0), (2, CHANGE, 1, 99, 4))
    assert ahead(of) == 4
    of.on_trade(SECOND, 99, 1, -1)
    assert ahead(of) == 3


def test_growth_and_a_new_price_go_to_the_back() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99))
    tell(of, 3, (1, CHANGE, 1, 99, 5))
    assert ahead(of) == 6
    tell(of, 4, (2, CHANGE, 1, 97, 6))
    assert ahead(of) == 0
    assert of.book.bids == {99: 5, 98: 5, 97: 6}
    assert [order.order_id for order in of.orders.queue(1, 99)] == ["a", 1]


def test_crossing_order_left_standing_trades_with_us() -> None:
    of = started()
    of.submit(2, "a", limit(1, 100, 5))
    tell(of, 3, (11, ADD, -1, 100, 2))
    assert fills(of) == [("a", 2, 100)]
    tell(of, 4, (11, CHANGE, -1, 100, 1), (12, ADD, -1, 99, 30))
    # Twelve reaches 10 of others at 99 first: those trades are still to be told.
    assert fills(of)[1:] == [("a", 3, 100)]


def test_crossing_order_that_others_absorb_waits_for_its_trades() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 5))
    tell(of, 3, (11, ADD, -1, 99, 8))
    assert not fills(of)
    tell(of, 4, (1, DELETE, 1, 99, 0), (2, CHANGE, 1, 99, 2), (11, DELETE, -1, 99, 0))
    of.on_trade(4, 99, 4, -1)
    of.on_trade(4, 99, 4, -1)
    assert (ahead(of), fills(of)) == (2, [])


def test_our_orders_queue_among_themselves() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 2))
    tell(of, 3, (4, ADD, 1, 99, 3))
    of.submit(4, "b", limit(1, 99, 2))
    assert (ahead(of), ahead(of, "b")) == (10, 13)
    of.on_trade(5, 99, 12, -1)
    assert fills(of) == [("a", 2, 99)]
    assert ahead(of, "b") == 3
    of.on_trade(6, 99, 4, -1)
    assert fills(of)[1:] == [("b", 1, 99)]


def test_amendments_and_cancels_keep_the_book_in_step() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 5))
    of.amend(3, "a", quantity=3)
    tell(of, 4, (3, CHANGE, 1, 98, 4))
    assert of.orders.order("a").quantity == 3
    assert ahead(of) == 10
    of.amend(5, "a", price=98)
    assert (ahead(of), of.orders.order("a").price) == (4, 98)
    of.cancel(6, "a")
    assert "a" not in of.orders
    assert not of._queues


def test_what_does_not_stand_is_not_changed() -> None:
    of = started()
    tell(of, 2, (3, DELETE, 1, 98, 0), (3, CHANGE, 1, 98, 2), (3, ADD, 1, 98, 5))
    tell(of, 2, (77, DELETE, 1, 99, 4))
    show(of, 3, (1, 99, 1))
    assert of.book.bids == {99: 10, 98: 5}


class Quoter(Strategy):
    """Renews a buy at the touch every hundred messages."""

    def on_start(self) -> None:
        self.ref = self.heard = self.crossed = 0

    def on_book(self, book: Book) -> None:
        self.heard += 1
        self.crossed += bool(book.bids) and bool(book.asks) and book.bid >= book.ask
        if self.heard > 2_000 and self.heard % 100 == 0 and book.bid < book.ask:
            if self.ref:
                self.cancel(self.ref)
            self.ref = self.limit(1, 0.1, book.bid, post_only=True)


@pytest.mark.shared
def test_recorded_venue_orders(shared_data) -> None:
    instrument = Instrument(
        id="BTCUSD.BITSTAMP", kind=COIN.kind, base="BTC", quote="USD", price_exponent=2,
        quantity_exponent=8, price_rule=COIN.price_rule, lot=1, leverage_max=100, allow_short=True,
    )  # fmt: skip

    def units(rows: pl.DataFrame) -> dict[str, np.ndarray]:
        scaled = rows.with_columns(
            (pl.col("price") * 100).round().cast(pl.Int64),
            (pl.col("qty") * 10**8).round().cast(pl.Int64).alias("quantity"),
        )
        return {name: scaled[name].to_numpy() for name in scaled.columns}

    folder = shared_data / "l2"
    rows = units(pl.read_parquet(folder / "bitstamp_BTCUSD_20150501_l3_orders.parquet"))
    told = units(pl.read_parquet(folder / "bitstamp_BTCUSD_20150501_trades.parquet"))
    orders = OrderColumns(instrument=instrument, **{n: rows[n] for n in OrderColumns.names()})
    trades = TradeColumns(instrument=instrument, **{n: told[n] for n in TradeColumns.names()})
    dataset = Dataset(name="x", digest="", orders=(orders,), trades=(trades,))
    quoter = Quoter()
    session = replay(instrument, dataset, quoter)
    of = session.exchange.markets[instrument.id]
    assert isinstance(of, OrderFlowMarket)
    # This venue shows aggressors as standing orders until it tells what they traded.
    assert quoter.crossed < quoter.heard / 40
    sums = dict(of.orders.levels(1)), dict(of.orders.levels(-1))
    for side, levels in zip((1, -1), sums, strict=True):
        for price, quantity in levels.items():
            ours = sum(o.quantity for o in of.orders.queue(side, price) if o.owner)
            assert (of.book.bids if side > 0 else of.book.asks).get(price, 0) == quantity - ours
    closed = session.recorder.orders
    done = [order for order in closed if order.filled]
    assert len(closed) > 200
    assert 0 < len(done) < len(closed)
    assert sum(order.filled for order in done) < int(trades.quantity.sum())
