"""A result made from random numbers, for tests of what reads results."""

from typing import Any

import numpy as np
import polars as pl

from interlock.research import metrics
from interlock.research.result import BacktestResult

START = 1_672_531_200_000_000_000  # 2023-01-01 UTC
MINUTE = 60_000_000_000
CONFIG: dict[str, Any] = {
    "strategy": "volatility_trend",
    "parameters": {"fast": 20, "slow": 100, "target_volatility": 0.3},
    "instruments": ["BTCUSDT-PERP.BINANCE"],
    "timeframe": "1h",
    "seed": 7,
    "conventions": {
        "Fill time": "next open: a decision on a bar fills at the open of the next bar",
        "Path inside a bar": "open, nearer extreme, farther extreme, close",
        "Latency": "50 ms order, 50 ms acknowledgment",
        "Slippage": "bar path, volume cap 2.5 % of the bar",
        "Valuation": "open positions are marked at the last close",
    },
    "command": "interlock backtest examples/volatility_trend.py --data synthetic",
    "versions": {"interlock": "0.1.0", "python": "3.11.7", "numpy": "2.4.6"},
}


def demo_result(
    *,
    rows: int = 17_520,
    step: int = 60 * MINUTE,
    seed: int = 7,
    fill_count: int = 900,
    **changes: Any,
) -> BacktestResult:
    """Random prices, positions from a slow mean, equity that follows them; no kernel involved."""
    rng = np.random.default_rng(seed)
    ts = START + step * np.arange(1, rows + 1, dtype=np.int64)
    noise = rng.standard_t(4, rows) * 0.8 * np.sqrt(step / (365 * 86_400e9)) / 1.41
    price = 20_000.0 * np.exp(np.cumsum(noise + 0.35 * step / (365 * 86_400e9)))
    position = _positions(rng, rows, fill_count)
    held = np.concatenate(([0.0], position[:-1]))
    equity = 100_000.0 * np.exp(np.cumsum(0.6 * held * noise + 0.05 * np.abs(held) * step / 3e16))
    fill_frame = _fills(ts, price, position, rng)
    trips = _round_trips(fill_frame, ts, price)
    bars = _bars(ts, price, rng)
    equity_frame = _equity(ts, equity, position)
    costs = {"fees": 3120.4, "slippage": 1204.7, "funding": -310.2, "rebates": 220.0, "borrow": 0.0}
    given: dict[str, Any] = {
        "config": CONFIG,
        "synthetic": True,
        "data_digest": "9f2c" * 16,
        "currency": "USDT",
        "initial_equity": 100_000.0,
        "periods_per_year": 365,
        "orders": fill_frame.select("seq", "ts", "instrument", "client_order_id", "side"),
        "fills": fill_frame,
        "equity": equity_frame,
        "round_trips": trips,
        "bars": bars,
        "costs": costs,
        "counters": {"ambiguous_bars": 3, "denied": 2, "rejected": 0, "liquidations": 0},
        "journal_digest": "a1" * 32,
        "result_digest": "b7" * 32,
    }
    given |= changes
    if "metrics" not in given:
        given["metrics"] = metrics.compute(
            metrics.Source(
                equity=given["equity"],
                fills=given["fills"],
                round_trips=given["round_trips"],
                initial_equity=given["initial_equity"],
                periods_per_year=given["periods_per_year"],
                costs=given["costs"],
                benchmark=given["bars"].select("ts", price="close"),
            )
        )
    return BacktestResult(**given)


def _equity(ts: np.ndarray, equity: np.ndarray, position: np.ndarray) -> pl.DataFrame:
    unrealized = np.where(position != 0, equity * 0.02, 0.0)
    return pl.DataFrame(
        {
            "ts": ts,
            "equity": equity,
            "equity_units": (equity * 1e8).astype(np.int64),
            "cash": equity - unrealized,
            "unrealized": unrealized,
            "exposure": position * 0.6,
            "gross_notional": np.abs(position) * 0.6 * equity,
        }
    )


def _positions(rng: np.random.Generator, rows: int, fill_count: int) -> np.ndarray:
    changes = np.zeros(rows)
    count = min(fill_count, rows // 2)
    where = np.sort(rng.choice(rows - 1, count, replace=False))
    changes[where] = 1.0
    level = np.cumsum(changes).astype(np.int64) % 4
    return np.choose(level, [0.0, 1.0, 0.0, -1.0])


def _fills(
    ts: np.ndarray, price: np.ndarray, position: np.ndarray, rng: np.random.Generator
) -> pl.DataFrame:
    change = np.diff(position, prepend=0.0)
    at = np.flatnonzero(change)
    count = at.size
    quantity = np.abs(change[at]) * 2.5
    paid = price[at] * (1.0 + 0.0001 * change[at])
    return pl.DataFrame(
        {
            "seq": np.arange(count, dtype=np.int64),
            "ts": ts[at],
            "instrument": ["BTCUSDT-PERP.BINANCE"] * count,
            "strategy": ["volatility_trend"] * count,
            "client_order_id": [f"vt-{number:06d}" for number in range(count)],
            "side": np.sign(change[at]).astype(np.int64),
            "quantity": quantity,
            "price": paid,
            "quantity_units": (quantity * 1000).astype(np.int64),
            "price_units": (paid * 10).astype(np.int64),
            "notional": quantity * paid,
            "fee": quantity * paid * 0.0004,
            "fee_units": (quantity * paid * 0.0004 * 1e8).astype(np.int64),
            "fee_asset": ["USDT"] * count,
            "liquidity": ["taker"] * count,
            "realized": rng.normal(0.0, 300.0, count),
            "slippage": quantity * paid * 0.0001,
            "position_after": position[at] * 2.5,
            "tag": [""] * count,
        }
    )


def _round_trips(fills: pl.DataFrame, ts: np.ndarray, price: np.ndarray) -> pl.DataFrame:
    opened, closed = fills[0::2], fills[1::2]
    is_open = opened.height > closed.height
    last = int(ts[-1])
    exits = [*closed["price"], *([float(price[-1])] if is_open else [])]
    ends = [*closed["ts"], *([last] if is_open else [])]
    fees = opened["fee"].to_numpy() * 2.0
    gain = (np.array(exits) - opened["price"].to_numpy()) * opened["side"].to_numpy() * 2.5 - fees
    return pl.DataFrame(
        {
            "instrument": opened["instrument"],
            "strategy": opened["strategy"],
            "side": opened["side"],
            "opened_ts": opened["ts"],
            "closed_ts": np.array(ends, dtype=np.int64),
            "quantity": opened["quantity"],
            "entry_price": opened["price"],
            "exit_price": np.array(exits, dtype=np.float64),
            "pnl": gain,
            "fees": fees,
            "bars_held_ns": np.array(ends, dtype=np.int64) - opened["ts"].to_numpy(),
            "is_open": [False] * closed.height + [True] * is_open,
        }
    )


def _bars(ts: np.ndarray, price: np.ndarray, rng: np.random.Generator) -> pl.DataFrame:
    opened = np.concatenate((price[:1], price[:-1]))
    wick = np.abs(rng.normal(0.0, 0.002, price.size)) * price
    return pl.DataFrame(
        {
            "ts": ts,
            "instrument": pl.repeat("BTCUSDT-PERP.BINANCE", ts.size, eager=True),
            "open": opened,
            "high": np.maximum(opened, price) + wick,
            "low": np.minimum(opened, price) - wick,
            "close": price,
        }
    )
