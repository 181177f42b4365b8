"""Fills from book levels: takers, queues, cancels and trades told twice."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from interlock.model.events import OrderAccepted, OrderExpired, OrderFilled, OrderTriggered
from interlock.model.instrument import Instrument
from interlock.model.market import Book
from interlock.model.order import OrderSpec, OrderType, TimeInForce
from interlock.sim.costs import Latency
from interlock.sim.depth import ECHO_NS, DepthMarket, after_cancel, queue_power
from interlock.sim.messages import (
    SKIP,
    SNAPSHOT,
    UPDATE,
    depth_messages,
    message_kinds,
    message_starts,
)
from interlock.strategy.api import Strategy
from interlock.strategy.columns import Dataset, DepthColumns, TradeColumns
from tests.unit.sim.recorded_flow import COIN, fills, limit, market, replay, show

LATER = 2 * ECHO_NS
START = [(1, 99, 10), (1, 98, 5), (-1, 101, 4), (-1, 102, 6), (-1, 103, 20)]


def started(queue: str = "risk_averse") -> DepthMarket:
    """Bids 10@99, 5@98; asks 4@101, 6@102, 20@103."""
    of = market(DepthMarket, queue)
    assert isinstance(of, DepthMarket)
    show(of, 1, *START)
    return of


def ahead(of: DepthMarket) -> int:
    return of.working["a"].ahead


# Takers.
def test_taker_walks_the_levels() -> None:
    of = started()
    of.submit(2, "a", OrderSpec(COIN.id, 1, 12))
    assert fills(of) == [("a", 4, 101), ("a", 6, 102), ("a", 2, 103)]
    found = [report for report in of.reports if isinstance(report, OrderFilled)]
    assert {report.reference for report in found} == {101}
    assert not any(report.is_maker for report in found)


def test_what_was_taken_stays_taken_until_the_level_falls_below_it() -> None:
    of = started()
    of.submit(2, "a", OrderSpec(COIN.id, 1, 4))
    of.submit(3, "b", OrderSpec(COIN.id, 1, 1))
    show(of, 4, (-1, 101, 7))
    of.submit(5, "c", OrderSpec(COIN.id, 1, 4))
    show(of, 6, (-1, 101, 0))
    show(of, 7, (-1, 101, 4))
    of.submit(8, "d", OrderSpec(COIN.id, 1, 1))
    assert fills(of) == [("a", 4, 101), ("b", 1, 102), ("c", 3, 101), ("c", 1, 102), ("d", 1, 101)]


def test_what_was_taken_is_no_more_than_the_level_has_shown_since() -> None:
    of = started()
    of.submit(2, "a", OrderSpec(COIN.id, 1, 4))
    show(of, 3, (-1, 101, 2))
    show(of, 4, (-1, 101, 6))
    of.submit(5, "b", limit(1, 101, 9, time_in_force=TimeInForce.IOC))
    assert fills(of) == [("a", 4, 101), ("b", 4, 101)]


def test_limit_takes_up_to_its_price_and_rests() -> None:
    of = started()
    of.submit(2, "a", limit(1, 102, 15))
    assert fills(of) == [("a", 4, 101), ("a", 6, 102)]
    assert (of.working["a"].leaves, ahead(of)) == (5, 0)


@pytest.mark.parametrize("quantity, traded", [(10, 10), (11, 0)])
def test_fill_or_kill_counts_every_level_in_reach(quantity: int, traded: int) -> None:
    of = started()
    of.submit(2, "a", limit(1, 102, quantity, time_in_force=TimeInForce.FOK))
    assert sum(size for _, size, _ in fills(of)) == traded
    assert isinstance(of.reports[-1], OrderFilled if traded else OrderExpired)


def test_market_order_waits_for_more() -> None:
    of = started()
    of.submit(2, "a", OrderSpec(COIN.id, 1, 33))
    assert of.working["a"].leaves == 3
    show(of, 3, (-1, 104, 2))
    show(of, 4, (-1, 104, 9))
    assert fills(of)[3:] == [("a", 2, 104), ("a", 1, 104)]
    assert not any(r.is_maker for r in of.reports if isinstance(r, OrderFilled))


def test_post_only_is_refused_when_it_would_take() -> None:
    of = started()
    of.submit(2, "a", limit(1, 101, 1, post_only=True))
    assert "post-only" in of.reports[-1].reason
    of.submit(2, "a", limit(1, 100, 1, post_only=True))
    assert isinstance(of.reports[-1], OrderAccepted)


def test_stop_triggers_on_the_touch() -> None:
    of = started()
    of.submit(2, "a", OrderSpec(COIN.id, 1, 1, OrderType.STOP_MARKET, trigger=103))
    show(of, 3, (-1, 101, 0))
    assert "a" in of.working
    show(of, 4, (-1, 102, 0))
    assert isinstance(of.reports[-2], OrderTriggered)
    assert fills(of) == [("a", 1, 103)]


# Queues.
def test_rest_joins_behind_what_is_shown() -> None:
    of = started()
    of.submit(2, "a", limit(1, 98))
    assert ahead(of) == 5
    of.submit(2, "b", limit(1, 100))
    assert of.working["b"].ahead == 0


def test_trades_eat_what_is_before_us_then_us() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 5))
    of.on_trade(3, 99, 8, -1)
    assert (ahead(of), fills(of)) == (2, [])
    of.on_trade(4, 99, 4, -1)
    assert fills(of) == [("a", 2, 99)]
    of.on_trade(5, 99, 4, -1)
    assert fills(of)[1:] == [("a", 3, 99)]
    assert all(r.is_maker for r in of.reports if isinstance(r, OrderFilled))


def test_trades_of_the_other_aggressor_pass_by() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99))
    of.on_trade(3, 99, 50, 1)
    assert not fills(of)


def test_trade_beyond_our_price_fills_up_to_its_quantity() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 5))
    of.submit(2, "b", limit(1, 100, 2))
    of.on_trade(3, 98, 3, -1)
    assert fills(of) == [("b", 2, 100), ("a", 1, 99)]


def test_book_that_crosses_us_fills_what_it_shows_once() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 5))
    show(of, 3, (1, 99, 0), (-1, 99, 3))
    assert fills(of) == [("a", 3, 99)]
    show(of, 4, (-1, 99, 4))
    assert fills(of)[1:] == [("a", 1, 99)]
    show(of, 5, (-1, 98, 0), (-1, 97, 9), (1, 98, 0))
    assert fills(of)[2:] == [("a", 1, 99)]


def test_crossed_record_trades_within_itself_first() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 5))
    show(of, 3, (-1, 99, 12))
    assert fills(of) == [("a", 2, 99)]


@pytest.mark.parametrize("trade_first", [True, False])
def test_one_execution_told_twice_counts_once(trade_first: bool) -> None:
    of = started()
    of.submit(2, "a", limit(1, 99))
    show(of, 2, (1, 99, 14))
    if trade_first:
        of.on_trade(3, 99, 6, -1)
        show(of, 4, (1, 99, 8))
    else:
        show(of, 3, (1, 99, 8))
        of.on_trade(4, 99, 6, -1)
    show(of, 4 + LATER, (1, 99, 9))
    assert ahead(of) == 4


@pytest.mark.parametrize("trade_first", [True, False])
def test_trade_through_the_queue_reaches_us_whoever_tells_first(trade_first: bool) -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 5))
    show(of, 2, (1, 99, 14))
    if trade_first:
        of.on_trade(3, 99, 12, -1)
    show(of, 3, (1, 99, 2))
    if not trade_first:
        of.on_trade(3, 99, 12, -1)
    assert fills(of) == [("a", 2, 99)]


@pytest.mark.parametrize(
    "queue, left", [("risk_averse", 10), ("proportional", 7), ("power", 8), ("power:3", 9)]
)
def test_cancels_are_shared_by_the_queue_model(queue: str, left: int) -> None:
    # 10 before us, 20 behind; 10 of them cancel: a third, a fifth, a ninth is from before us.
    of = started(queue)
    of.submit(2, "a", limit(1, 99))
    show(of, 3, (1, 99, 30))
    show(of, 4, (1, 99, 20))
    assert ahead(of) == 10
    of.on_trade(4 + LATER, 99, 0, -1)
    show(of, 4 + LATER, (1, 99, 20))
    assert ahead(of) == left


def test_risk_averse_queue_is_never_longer_than_the_level() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99))
    show(of, 3, (1, 99, 4))
    show(of, 3 + LATER, (1, 99, 30))
    assert ahead(of) == 4


@pytest.mark.parametrize("power", [0, 1, 2, 3, 8])
@pytest.mark.parametrize("front, level", [(0, 0), (0, 7), (7, 7), (3, 10), (9, 10)])
def test_cancels_never_take_more_than_there_is(power: int, front: int, level: int) -> None:
    for canceled in range(level + 1):
        left = after_cancel(front, level, canceled=canceled, power=power)
        assert max(0, front - canceled) <= left <= min(front, level - canceled)


def test_queue_models_have_names() -> None:
    assert [queue_power(n) for n in ("risk_averse", "proportional", "power", "power:3")] == [
        0, 1, 2, 3,
    ]  # fmt: skip
    for name in ("", "power:", "power:0", "power:9", "risk"):
        with pytest.raises(ValueError, match="is not known; use risk_averse"):
            queue_power(name)


def test_older_order_of_ours_is_served_first() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 2))
    of.submit(3, "b", limit(1, 99, 2))
    of.on_trade(4, 99, 13, -1)
    assert fills(of) == [("a", 2, 99), ("b", 1, 99)]


def test_amendment_keeps_the_place_only_when_smaller() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99, 5))
    of.on_trade(3, 99, 6, -1)
    of.amend(4, "a", quantity=3)
    assert (of.working["a"].leaves, ahead(of)) == (3, 4)
    show(of, 5, (1, 99, 14))
    of.amend(6, "a", quantity=9)
    assert ahead(of) == 14
    of.amend(7, "a", price=98)
    assert ahead(of) == 5
    of.cancel(8, "a")
    of.on_trade(9, 97, 50, -1)
    assert not fills(of)


def test_snapshot_replaces_the_book() -> None:
    of = started()
    of.submit(2, "a", limit(1, 99))
    show(of, 3, (1, 97, 1), (-1, 101, 1), is_snapshot=True)
    assert (of.book.bids, of.book.asks) == ({97: 1}, {101: 1})
    of.on_trade(3 + LATER, 99, 1, -1)
    assert fills(of) == [("a", 1, 99)]


# The book.
def test_best_prices_follow_the_levels() -> None:
    generator = np.random.Generator(np.random.PCG64(7))
    book = Book(COIN)
    for _ in range(2_000):
        side = 1 if generator.random() < 0.5 else -1
        quantity = int(generator.integers(0, 3))
        book.set_level(side, int(generator.integers(1, 12)), quantity=quantity)
        assert book.bid_units == max(book.bids, default=0)
        assert book.ask_units == min(book.asks, default=0)
        assert list(book.prices(1)) == sorted(book.bids, reverse=True)
        assert list(book.prices(-1)) == sorted(book.asks)
        kept = book.copy()
        assert (kept.bid_units, kept.ask_units) == (book.bid_units, book.ask_units)


# Messages.
def columns(*rows: tuple[int, int, int, int, int, int], instrument: Instrument = COIN):
    """Depth of (ts, sequence, is_snapshot, side, price, quantity) rows."""
    names = ("ts", "sequence", "is_snapshot", "side", "price", "quantity")
    values = np.array(rows, np.int64).T
    return DepthColumns(instrument=instrument, **dict(zip(names, values, strict=True)))


def test_snapshot_takes_newer_updates_again_and_drops_older() -> None:
    depth = columns(
        (1, 5, 0, 1, 98, 1),
        (2, 8, 0, 1, 97, 1), (2, 8, 0, 1, 96, 1),
        (3, 6, 1, 1, 99, 1), (4, 6, 1, -1, 101, 1),
        (5, 6, 0, 1, 99, 9),
        (6, 9, 0, 1, 99, 3),
    )  # fmt: skip
    starts = message_starts(depth)
    assert starts.tolist() == [0, 1, 3, 4, 5, 6]
    assert message_kinds(depth, starts).tolist() == [SKIP, SKIP, SNAPSHOT, UPDATE, SKIP, UPDATE]
    found = list(depth_messages(depth))
    assert [list(part) for part in found[2][2]] == [[1, 1, 1], [99, 97, 96], [1, 1, 1]]


def test_record_without_snapshots_starts_empty() -> None:
    depth = columns((1, 0, 0, 1, 98, 1), (1, 0, 0, 1, 97, 1), (2, 0, 0, 1, 98, 0))
    assert message_kinds(depth, message_starts(depth)).tolist() == [UPDATE, UPDATE]
    empty = columns((1, 0, 0, 1, 98, 1)).between(5, 6)
    assert len(message_starts(empty)) == 0


# Replay.
class Watcher(Strategy):
    """Writes down what it hears, and keeps one order at the touch."""

    def on_start(self) -> None:
        self.heard: list[tuple[int, float, float]] = []
        self.sizes: list[tuple[float, float, bool]] = []
        self.ref = 0

    def on_book(self, book: Book) -> None:
        self.heard.append((book.ts_event, book.bid, book.ask))
        assert book.bid < book.ask or not book.asks
        if len(self.heard) % 200 == 100 and book.bids and book.asks:
            if self.ref:
                self.cancel(self.ref)
            side = 1 if len(self.heard) % 400 == 100 else -1
            price = book.bid if side > 0 else book.ask
            self.ref = self.limit(side, 0.01, price, post_only=True)

    def on_fill(self, fill) -> None:
        self.sizes.append((fill.quantity, fill.price, fill.is_maker))


@pytest.mark.parametrize("feed_ns", [0, 5])
def test_strategy_hears_once_per_message(feed_ns: int) -> None:
    depth = columns(
        (10, 1, 1, 1, 99, 1), (10, 1, 1, -1, 101, 1), (20, 2, 0, 1, 99, 0), (20, 2, 0, 1, 98, 1),
        (30, 3, 0, -1, 100, 1),
    )  # fmt: skip
    watcher = Watcher()
    latency = Latency(feed_ns=feed_ns)
    replay(COIN, Dataset(name="x", digest="", depth=(depth,)), watcher, latency=latency)
    # The last message is still on its way when the record ends.
    told = [(10, 99.0, 101.0), (20, 98.0, 101.0), (30, 98.0, 100.0)]
    full = [(ts + feed_ns, bid, ask) for ts, bid, ask in told]
    assert watcher.heard == (full[:2] if feed_ns else full)


@pytest.mark.shared
@pytest.mark.parametrize("queue", ["risk_averse", "power:3"])
def test_recorded_venue_depth(shared_data, queue: str) -> None:
    instrument = Instrument(
        id="BTCUSDT-PERP.BINANCE", kind=COIN.kind, base="BTC", quote="USDT", price_exponent=1,
        quantity_exponent=3, price_rule=COIN.price_rule, lot=1, leverage_max=100, allow_short=True,
    )  # fmt: skip
    folder = shared_data / "l2"
    rows = pl.read_parquet(folder / "binance_usdm_BTCUSDT_20240808_depth.parquet")
    units = rows.with_columns(
        (pl.col("price") * 10).round().cast(pl.Int64), (pl.col("qty") * 1000).round().cast(pl.Int64)
    ).rename({"seq": "sequence", "qty": "quantity"})
    names = DepthColumns.names()
    depth = DepthColumns(instrument=instrument, **{n: units[n].to_numpy() for n in names})
    # The chain of messages has no break.
    updates = (
        rows.filter(pl.col("is_snapshot") == 0)
        .select("seq", "prev_seq")
        .unique(maintain_order=True)
    )
    assert updates["prev_seq"][1:].to_list() == updates["seq"][:-1].to_list()
    told = pl.read_parquet(folder / "binance_usdm_BTCUSDT_20240808_trades.parquet")
    trades = TradeColumns(
        instrument=instrument,
        ts=told["ts"].to_numpy(),
        price=(told["price"] * 10).round().cast(pl.Int64).to_numpy(),
        quantity=(told["qty"] * 1000).round().cast(pl.Int64).to_numpy(),
        side=told["side"].to_numpy(),
    )
    dataset = Dataset(name="x", digest="", depth=(depth,), trades=(trades,))
    watcher = Watcher()
    session = replay(instrument, dataset, watcher, queue=queue)
    # Every message after the snapshot was heard, and none of them left a crossed book.
    late = int((rows.filter(pl.col("is_snapshot") == 1)["ts"])[0])
    assert len(watcher.heard) >= rows.filter(pl.col("ts") > late)["seq"].n_unique()
    orders = session.recorder.orders
    assert len(orders) > 25
    done = [order for order in orders if order.filled]
    assert 0.2 < len(done) / len(orders) <= 1
    assert all(is_maker for _, _, is_maker in watcher.sizes)
