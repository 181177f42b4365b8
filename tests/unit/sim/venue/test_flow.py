"""Other participants: seeded flow, its figures, gaps, and recorded data as flow."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from interlock.model.instrument import SignificantFigures
from interlock.sim.venue.core import VenueCore
from interlock.sim.venue.participants import Participants, shape_of
from interlock.sim.venue.replay import Replay, rows_of
from interlock.sim.venue.values import TopChange
from interlock.strategy.columns import BarColumns, QuoteColumns, TradeColumns
from tests.unit.sim.venue.cases import (
    BTC,
    ETH,
    MONEY,
    SECOND,
    held,
    limit,
    market,
    perpetual,
    stop,
    taken,
    venue,
)

STEP = 50_000_000
ROOT = Path(__file__).resolve().parents[4]


def busy(seconds: int, seed: int = 3) -> VenueCore:
    """Two symbols under synthetic flow for some seconds."""
    core = venue(wallet=10**6)
    for symbol, price in ((BTC, 600_000), (ETH, 30_000)):
        shape = shape_of(core.instrument(symbol), price, changes_per_second=300.0)
        core.add_flow(symbol, Participants(core.instrument(symbol), shape, seed), ts=0)
    core.advance(seconds * SECOND)
    return core


def test_flow_makes_a_market() -> None:
    core = busy(60)
    tops = [item for item in core.events if isinstance(item, TopChange) and item.symbol == BTC]
    assert len(tops) > 300
    narrow = sum(item.ask - item.bid == 1 for item in tops if item.bid and item.ask)
    assert narrow / len(tops) > 0.6
    book = core.book(BTC, 20)
    assert len(book.bids) == len(book.asks) == 20
    assert len(core.prints_since(BTC, 0)) > 300
    assert 580_000 < core.mark(BTC).mark < 620_000
    assert core.bars(BTC, 60 * SECOND, 0, 60 * SECOND)[0].count > 300
    assert core.mark(ETH).last


def test_everybody_quotes_valid_prices_where_the_step_depends_on_the_price() -> None:
    # 60,000.0 has whole steps; around 100.00 the ladder reaches into steps of 0.001 and 0.01.
    for start, exponent in ((600_000, 1), (1_000_000, 4), (99_990_000, 3)):
        instrument = perpetual(
            BTC, price_exponent=exponent, price_rule=SignificantFigures(5, exponent)
        )
        core = VenueCore([instrument], seed=3)
        shape = shape_of(instrument, start, changes_per_second=300.0)
        core.add_flow(BTC, Participants(instrument, shape, 3), ts=0)
        core.advance(20 * SECOND)
        core.gap(core.now, BTC, 0.97)
        core.advance(core.now + 5 * SECOND)
        book = core.book(BTC, 1_000)
        assert len(book.bids) > 20 and len(book.asks) > 20
        traded = [item.price for item in core.prints_since(BTC, 0)]
        prices = [row[0] for row in (*book.bids, *book.asks)] + traded
        assert [price for price in prices if instrument.price_fault(price)] == []


def test_our_orders_meet_a_queue_and_partial_fills() -> None:
    core = busy(5)
    bid = core.book(BTC, 1).bids[0]
    order = taken(core.place(core.now, "ann", limit(1, 2_000, bid[0])))
    assert core.state.markets[BTC].book.ahead(order.order_id) == bid[1]
    core.advance(core.now + 30 * SECOND)
    assert held(core, "ann") > 0
    sizes = {fill.quantity for fill in core.fills_since("ann", BTC, 0)}
    assert all(fill.is_maker for fill in core.fills_since("ann", BTC, 0)) and sizes


def test_a_gap_runs_through_a_stop() -> None:
    core = busy(5)
    taken(core.place(core.now, "ann", market(1, 100)))
    trigger = core.mark(BTC).last * 99 // 100
    taken(core.place(core.now, "ann", stop(-1, 100, trigger, reduce_only=True)))
    core.gap(core.now, BTC, 0.88)
    assert held(core, "ann") == 0
    exit_price = core.fills_since("ann", BTC, 0)[-1].price
    assert exit_price < trigger * 90 // 100
    core.advance(core.now + 2 * SECOND)
    assert core.mark(BTC).last < trigger * 98 // 100


def test_takers_move_the_price_they_take_at() -> None:
    core = busy(5)
    before = core.book(BTC, 1).asks[0][0]
    depth = core.book(BTC, 1).asks[0][1]
    core.transfer(core.now, "ann", "USDT", 10**9 * MONEY)
    order = taken(core.place(core.now, "ann", market(1, depth + 500)))
    assert order.notional > core.instrument(BTC).notional(before, order.filled)


SCRIPT = """
import hashlib, msgspec
from tests.unit.sim.venue.test_flow import busy
from tests.unit.sim.venue.cases import BTC, limit, market, stop
core = busy(3, seed=int({seed}))
for k in range(40):
    side = 1 if k % 3 else -1
    core.place(core.now + k * 10**7, "ann", market(side, 5 + k, client_id=f"a{{k}}"))
    price = core.book(BTC, 1).bids[0][0] - k
    core.place(core.now, "bob", limit(1, 50, price))
    core.place(core.now, "bob", stop(side, 7, core.mark(BTC).last + side * 40))
core.gap(core.now, BTC, 0.97)
core.advance(core.now + 3 * 10**9)
print(hashlib.sha256(msgspec.msgpack.encode(list(core.events))).hexdigest())
"""


def digest(hash_seed: str, seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(seed=seed)],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment,
    )
    return done.stdout.strip()


def test_equal_seeds_and_calls_give_equal_events_in_two_processes() -> None:
    first = digest("1", 3)
    assert len(first) == 64
    assert digest("2", 3) == first
    assert digest("1", 4) != first


def quotes(*rows: tuple[int, int, int, int, int]) -> QuoteColumns:
    ts, bid, bid_quantity, ask, ask_quantity = (
        np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)
    )
    return QuoteColumns(
        instrument=perpetual(),
        ts=ts,
        bid=bid,
        bid_quantity=bid_quantity,
        ask=ask,
        ask_quantity=ask_quantity,
    )


def trades(*rows: tuple[int, int, int, int]) -> TradeColumns:
    ts, price, quantity, side = (
        np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)
    )
    return TradeColumns(instrument=perpetual(), ts=ts, price=price, quantity=quantity, side=side)


def test_recorded_quotes_and_trades_keep_our_place_in_the_queue() -> None:
    core = venue()
    rows = rows_of(
        quotes=quotes(
            (10, 500_000, 300, 500_001, 200),
            (20, 500_000, 120, 500_001, 200),
            (40, 499_999, 50, 500_000, 90),
        ),
        trades=trades((30, 500_000, 150, -1)),
    )
    core.add_flow(BTC, Replay(rows), ts=10)
    core.advance(10)
    order = taken(core.place(12, "ann", limit(1, 50, 500_000)))
    ahead = core.state.markets[BTC].book.ahead
    assert ahead(order.order_id) == 300
    core.advance(20)
    assert ahead(order.order_id) == 120
    core.advance(30)
    assert held(core, "ann") == 30
    assert sum(item.quantity for item in core.prints_since(BTC, 0)) == 150
    core.advance(40)
    # The recorded market moved through our bid: what was left of it has been taken.
    assert held(core, "ann") == 50
    assert core.book(BTC).bids[0][:2] == (499_999, 50)


def test_a_trade_the_quotes_did_not_show_still_happens() -> None:
    core = venue()
    rows = rows_of(trades=trades((10, 500_000, 40, 1), (20, 500_100, 40, 0)), quotes=None)
    core.add_flow(BTC, Replay(rows, shift_ns=5), ts=0)
    core.advance(100)
    assert [(item.ts, item.price) for item in core.prints_since(BTC, 0)][0] == (15, 500_000)
    assert sum(item.quantity for item in core.prints_since(BTC, 0)) >= 80
    assert core.book(BTC).bids and core.book(BTC).asks


def test_recorded_bars_come_back_as_bars() -> None:
    minute = 60 * SECOND
    names = ("open", "high", "low", "close", "volume")
    values = ((500_000, 501_000, 499_500, 500_800, 4_000), (500_800, 500_900, 500_000, 500_100, 80))
    columns = {
        name: np.array([row[place] for row in values], dtype=np.int64)
        for place, name in enumerate(names)
    }
    bars = BarColumns(
        instrument=perpetual(),
        ts=np.array([minute, 2 * minute], dtype=np.int64),
        step_ns=minute,
        **columns,
    )
    core = venue()
    core.add_flow(BTC, Replay(rows_of(bars=bars)), ts=minute)
    core.advance(3 * minute)
    rows = core.bars(BTC, minute, 0, 3 * minute)
    told = [(row.open, row.high, row.low, row.close, row.volume) for row in rows]
    assert told == list(values)
