"""hftbacktest on W2: `python -m bench.peers.hftbacktest w2_pass|w2_quotes`, a compiled strategy.

Zero latency, risk-averse queue model, no partial fills, maker fee 0. The venue and the strategy
see the same event at the same time; the venue handles it first.
"""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Any

import numpy as np
from hftbacktest import (
    BUY_EVENT,
    DEPTH_EVENT,
    EXCH_EVENT,
    GTC,
    LIMIT,
    LOCAL_EVENT,
    SELL_EVENT,
    TRADE_EVENT,
    BacktestAsset,
    HashMapMarketDepthBacktest,
    event_dtype,
)
from numba import njit

from bench import workloads
from bench.measure import Stopwatch, emit, peak_rss_mb

FOREVER_NS = 10**15
END_OF_DATA = 1
RESTING = 1  # hftbacktest's order status NEW.
WIDEST_TOUCH_TICKS = 50  # Until the first quote a side is missing, at an extreme tick.
WARM_UP_ROWS = 2_000
OFFSET = workloads.QUOTE_OFFSET_TICKS


def events(rows: np.ndarray) -> np.ndarray:
    """W2 as hftbacktest events: a quote is up to four level updates, a trade is one event.

    Of a quote's updates the bid comes first, and a level that the touch left is removed before
    the new one is set.
    """
    is_quote = rows[:, 1] == 0
    moved = np.zeros((len(rows), 2), dtype=bool)
    left = np.zeros((len(rows), 2), dtype=np.int64)
    touch = rows[is_quote][:, 2:4]
    moved[np.nonzero(is_quote)[0][1:]] = touch[1:] != touch[:-1]
    left[np.nonzero(is_quote)[0][1:]] = touch[:-1]
    present = np.column_stack([~is_quote, moved[:, 0], is_quote, moved[:, 1], is_quote])
    everywhere = np.uint64(EXCH_EVENT | LOCAL_EVENT)
    bid, ask = np.uint64(DEPTH_EVENT | BUY_EVENT), np.uint64(DEPTH_EVENT | SELL_EVENT)
    bought, sold = np.uint64(TRADE_EVENT | BUY_EVENT), np.uint64(TRADE_EVENT | SELL_EVENT)
    kinds = np.empty(present.shape, dtype=np.uint64)
    kinds[:] = (bought, bid, bid, ask, ask)
    kinds[rows[:, 6] < 0, 0] = sold
    ticks = np.column_stack([rows[:, 4], left[:, 0], rows[:, 2], left[:, 1], rows[:, 3]])
    quantities = np.zeros(present.shape)
    quantities[:, [0, 2, 4]] = rows[:, 5:6]
    row_of = np.nonzero(present)[0]
    result = np.zeros(len(row_of), dtype=event_dtype)
    result["ev"] = kinds[present] | everywhere
    result["exch_ts"] = result["local_ts"] = rows[row_of, 0]
    result["px"] = ticks[present] * workloads.TICK
    result["qty"] = quantities[present]
    return result


@njit
def do_nothing(engine: Any, tick: float) -> tuple[int, int, int]:
    steps = 0
    while engine.wait_next_feed(False, FOREVER_NS) != END_OF_DATA:
        steps += 1
    return steps, 0, 0


@njit
def keep_quotes(engine: Any, tick: float) -> tuple[int, int, int]:
    steps = submitted = canceled = 0
    last_id = np.uint64(0)
    live = np.zeros(2, np.uint64)
    priced = np.zeros(2, np.int64)
    while engine.wait_next_feed(False, FOREVER_NS) != END_OF_DATA:
        steps += 1
        if len(engine.last_trades(0)) > 0:  # S2 acts on quotes only.
            engine.clear_last_trades(0)
            continue
        depth = engine.depth(0)
        bid, ask = depth.best_bid_tick, depth.best_ask_tick
        if bid <= 0 or ask - bid > WIDEST_TOUCH_TICKS:
            continue
        orders = engine.orders(0)
        for side in range(2):
            wanted = bid - OFFSET if side == 0 else ask + OFFSET
            order = orders.get(live[side]) if live[side] > 0 else None
            rests = order is not None and order.status == RESTING
            if rests and priced[side] == wanted:
                continue
            if rests:
                engine.cancel(0, live[side], False)
                canceled += 1
            last_id += np.uint64(1)
            if side == 0:
                engine.submit_buy_order(0, last_id, wanted * tick, 1.0, GTC, LIMIT, False)
            else:
                engine.submit_sell_order(0, last_id, wanted * tick, 1.0, GTC, LIMIT, False)
            live[side], priced[side] = last_id, wanted
            submitted += 1
        engine.clear_inactive_orders(0)
    return steps, submitted, canceled


def run(data: np.ndarray, strategy: Any, watch: Stopwatch) -> dict[str, float]:
    asset = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(0, 0)
        .risk_adverse_queue_model()
        .no_partial_fill_exchange()
        .trading_value_fee_model(0.0, workloads.FEE_RATE)
        .tick_size(workloads.TICK)
        .lot_size(0.001)
        .last_trades_capacity(8)
    )
    engine = HashMapMarketDepthBacktest([asset])
    with watch:
        steps, submitted, canceled = strategy(engine, workloads.TICK)
    state, depth = engine.state_values(0), engine.depth(0)
    cash = float(state.balance - state.fee)
    middle = (depth.best_bid + depth.best_ask) / 2
    result = {
        "fills": int(state.num_trades),
        "orders": submitted,
        "cancels": canceled,
        "feed_steps": steps,
        "position": float(state.position),
        "profit": cash + float(state.position) * middle,
    }
    engine.close()
    return result


def main(mode: str) -> None:
    strategy = keep_quotes if mode == "w2_quotes" else do_nothing
    data = events(workloads.ticks())
    # numba cannot cache a function over hftbacktest's pointers: each process compiles anew.
    compiling, watch = Stopwatch(), Stopwatch()
    run(data[:WARM_UP_ROWS].copy(), strategy, compiling)
    before = peak_rss_mb()
    result = run(data, strategy, watch)
    emit(
        "hftbacktest",
        mode,
        watch,
        version=version("hftbacktest"),
        events=2_000_000,
        raw_events=len(data),
        compile_seconds=compiling.seconds,
        rss_before_mb=before,
        **result,
    )


if __name__ == "__main__":
    main(sys.argv[1])
