"""The example strategies on the synthetic market, and on recorded data where they are present."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from interlock.model.effects import SubmitOrder
from interlock.model.events import OrderAccepted, OrderCanceled, OrderFilled, OrderUpdated
from interlock.model.order import OrderSpec
from interlock.research.backtest import RunOptions, run
from interlock.research.catalog import (
    Catalog,
    ImportRequest,
    InstrumentOptions,
    import_files,
    instant,
)
from interlock.research.catalog.convert import Reading
from interlock.research.loading import example_names, load_strategy
from interlock.research.lookahead.runs import perform
from interlock.research.result import BacktestResult
from interlock.research.synthetic import dataset
from interlock.strategy.columns import Dataset

NOW = instant("2026-11-01")
CASH = 100_000.0
BTC = "BTCUSDT-PERP.BINANCE"
MAJORS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "LINKUSDT")


def example(name: str, **parameters: Any) -> Any:
    return load_strategy(name).kind(**parameters)


def ran(name: str, data: Dataset, options: dict[str, Any] | None = None, **parameters: Any) -> Any:
    return run(example(name, **parameters), data, RunOptions(cash=CASH, **(options or {})))


# ---------------------------------------------------------------- data


@pytest.fixture(scope="module")
def synthetic_hours() -> Dataset:
    return dataset(days=150, symbols=["BTCUSDT-PERP"], step="1h")


@pytest.fixture(scope="module")
def synthetic_majors() -> Dataset:
    return dataset(days=120, step="1h")


@pytest.fixture(scope="module")
def synthetic_ticks() -> Dataset:
    return dataset("crypto-ticks", days=300 / 86_400)


@pytest.fixture(scope="module")
def recorded(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """Recorded bars, funding, quotes and trades, imported as a user imports them."""
    catalog = Catalog(tmp_path_factory.mktemp("catalog"))

    def take(path: str, instrument: str, symbol: str = "") -> None:
        options = InstrumentOptions(tick="auto", lot="auto")
        if catalog.has_instrument(instrument):
            options = InstrumentOptions()
        request = ImportRequest(
            (shared_data / path,), instrument, options=options, reading=Reading(symbol=symbol)
        )
        import_files(catalog, request, now_ns=NOW)

    take("klines/binance_usdm/BTCUSDT_1h_2019_202605.parquet", BTC)
    take("klines/binance_usdm/BTCUSDT_1m_202307_202308.parquet", BTC)
    take("funding/binance_usdm_BTCUSDT_8h.parquet", BTC)
    for symbol in MAJORS:
        take("klines/binance_spot/majors7_1h_202401_202604.parquet", f"{symbol}.BINANCE", symbol)
    take("l2/binance_usdm_BTCUSDT_20240808_bbo.parquet", "BTCUSDT-PERP.TICKS")
    take("l2/binance_usdm_BTCUSDT_20240808_trades.parquet", "BTCUSDT-PERP.TICKS")
    return catalog


@pytest.fixture(scope="module")
def recorded_hours(recorded: Catalog) -> Dataset:
    return recorded.dataset(
        [f"{BTC}:1h", f"{BTC}:funding"], start=instant("2023-01-01"), end=instant("2024-01-01")
    )


@pytest.fixture(scope="module")
def recorded_minutes(recorded: Catalog) -> Dataset:
    return recorded.dataset(
        [f"{BTC}:1m", f"{BTC}:funding"], start=instant("2023-07-20"), end=instant("2023-08-01")
    )


@pytest.fixture(scope="module")
def recorded_majors(recorded: Catalog) -> Dataset:
    return recorded.dataset(
        [f"{symbol}.BINANCE:1h" for symbol in MAJORS],
        start=instant("2024-01-01"),
        end=instant("2024-09-01"),
    )


@pytest.fixture(scope="module")
def recorded_ticks(recorded: Catalog) -> Dataset:
    return recorded.dataset(["BTCUSDT-PERP.TICKS"])


SHARED = pytest.mark.shared
BARS = ["synthetic_hours", pytest.param("recorded_hours", marks=SHARED),
        pytest.param("recorded_minutes", marks=SHARED)]  # fmt: skip
PORTFOLIOS = ["synthetic_majors", pytest.param("recorded_majors", marks=SHARED)]
TICKS = ["synthetic_ticks", pytest.param("recorded_ticks", marks=SHARED)]


@pytest.fixture
def data(request: pytest.FixtureRequest) -> Dataset:
    made: Dataset = request.getfixturevalue(request.param)
    return made


# ---------------------------------------------------------------- what holds for every run


def books_are_equal(result: BacktestResult, data: Dataset) -> None:
    """Positions, cash and equity follow from the fills and payments alone."""
    fills = result.fills
    held = (
        fills.group_by("instrument")
        .agg((pl.col("side") * pl.col("quantity_units")).sum().alias("units"))
        .to_dicts()
    )
    cash = sum(-row["side"] * row["notional"] - row["fee"] for row in fills.to_dicts())
    cash -= result.costs["funding"]
    value = 0.0
    for row in held:
        instrument = next(item for item in data.instruments() if item.id == row["instrument"])
        size = row["units"] / 10**instrument.quantity_exponent
        value += size * last_mark(data, instrument.id)
    expected = CASH + cash + value
    assert result.equity["equity"][-1] == pytest.approx(expected, abs=1e-4)
    assert result.initial_equity == CASH
    assert result.counters["rejected"] == 0


def last_mark(data: Dataset, instrument: str) -> float:
    quotes = [part for part in data.quotes if part.instrument.id == instrument]
    if quotes:
        total = int(quotes[0].bid[-1]) + int(quotes[0].ask[-1])
        half = total // 2 + (total % 2 and (total // 2) % 2)  # half to even
        return half / 10 ** quotes[0].instrument.price_exponent
    return float(data.bar(instrument).prices("close")[-1])


def repeats(name: str, data: Dataset, result: BacktestResult) -> None:
    again = ran(name, data)
    assert again.result_digest == result.result_digest
    assert again.journal_digest == result.journal_digest


# ---------------------------------------------------------------- the examples


def test_the_tests_know_every_example() -> None:
    assert example_names() == [
        "bracket_breakout", "ma_cross", "market_maker", "pulse", "rotation", "vol_trend",
    ]  # fmt: skip


@pytest.mark.parametrize("data", BARS, indirect=True)
def test_ma_cross_is_long_exactly_while_the_fast_average_leads(data: Dataset) -> None:
    repeats("ma_cross", data, ran("ma_cross", data))
    # Without the volume cap an order is done at the next open, whatever that minute traded.
    result = ran("ma_cross", data, {"volume_cap_pct": None})
    books_are_equal(result, data)
    close = data.bars[0].prices("close")
    fast, slow = (
        np.convolve(close, np.full(length, 1 / length), mode="valid") for length in (20, 100)
    )
    wanted = np.concatenate([np.zeros(99), fast[80:] > slow])
    # The order of a close fills at the next open; compare at the end of the bar that follows.
    held = result.equity["exposure"].to_numpy()[1:] > 0.01
    apart = np.abs(np.concatenate([np.full(99, np.inf), fast[80:] - slow])) > 1e-6 * close
    sure = apart[:-1]
    assert (held == (wanted[:-1] > 0))[sure].all()
    assert len(result.fills) > 10
    assert result.equity["exposure"].max() < 1.1
    assert result.equity["exposure"].min() == 0.0


@pytest.mark.parametrize("data", BARS, indirect=True)
def test_vol_trend_keeps_its_risk_and_its_limits(data: Dataset) -> None:
    result = ran("vol_trend", data)
    books_are_equal(result, data)
    repeats("vol_trend", data, result)
    fills = result.fills
    assert set(fills["side"]) == {1, -1}
    # No decision before the volatility has forgotten its start.
    bars = data.bars[0]
    assert int(fills["ts"][0]) >= int(bars.close_ts[example("vol_trend").warmup])
    assert result.equity["exposure"].abs().max() < 1.15
    low = ran("vol_trend", data, risk=0.05)
    assert low.equity["exposure"].abs().mean() < result.equity["exposure"].abs().mean()


@pytest.mark.parametrize("data", BARS, indirect=True)
def test_every_position_of_the_breakout_had_its_stop(data: Dataset) -> None:
    result = ran("bracket_breakout", data)
    books_are_equal(result, data)
    repeats("bracket_breakout", data, result)
    assert result.counters["denied"] == 0
    orders = {row["client_order_id"]: row for row in result.orders.to_dicts()}
    entries = [row for row in orders.values() if not row["reduce_only"] and row["filled"] > 0]
    assert len(entries) > 5
    for entry in entries:
        prefix, _, ref = entry["client_order_id"].rpartition("-")
        stop = orders[f"{prefix}-{int(ref, 16) + 1:x}"]
        target = orders[f"{prefix}-{int(ref, 16) + 2:x}"]
        assert (stop["type"], stop["reduce_only"], stop["side"]) == (
            "stop_market", True, -entry["side"],
        )  # fmt: skip
        assert (target["type"], target["side"]) == ("limit", -entry["side"])
        assert (target["price"] - stop["trigger"]) * entry["side"] > 0
        assert stop["filled"] + target["filled"] <= entry["filled"] + 1e-9
    stops_cover_the_position(data)
    assert result.equity["exposure"].abs().max() < 1.1


def stops_cover_the_position(data: Dataset) -> None:
    """At the end of every moment the accepted stops are as large as the position, to the unit."""
    run = perform(lambda: example("bracket_breakout"), data, RunOptions(cash=CASH))
    specs: dict[str, OrderSpec] = {}
    stops: dict[str, int] = {}
    position, moments = 0, 0
    for row, after in pairwise(run.rows[1:]):
        match row:
            case SubmitOrder(client_order_id=name, spec=spec):
                specs[name] = spec
            case OrderAccepted(client_order_id=name) if specs[name].type == "stop_market":
                stops[name] = specs[name].quantity
            case OrderUpdated(client_order_id=name, quantity=quantity) if name in stops:
                stops[name] = quantity
            case OrderCanceled(client_order_id=name):
                stops.pop(name, None)
            case OrderFilled(client_order_id=name, quantity=quantity):
                position += specs[name].side * quantity
                if name in stops:
                    stops[name] -= quantity
        if after.ts_event > row.ts_event:
            moments += 1
            assert sum(stops.values()) == abs(position), row
    assert moments > 100


@pytest.mark.parametrize("data", PORTFOLIOS, indirect=True)
def test_rotation_holds_the_strongest_in_equal_parts(data: Dataset) -> None:
    result = ran("rotation", data)
    books_are_equal(result, data)
    repeats("rotation", data, result)
    strategy = example("rotation")
    fills = result.fills
    assert len(set(fills["instrument"])) >= 3
    held: dict[str, float] = {}
    for row in fills.sort("seq").to_dicts():
        held[row["instrument"]] = row["position_after"]
        assert all(quantity >= 0 for quantity in held.values())
        assert sum(quantity > 0 for quantity in held.values()) <= strategy.top
    # Decided at midnight: sold at once, bought an hour later or when the sales are done.
    hour = 3600 * 10**9
    for row in result.orders.to_dicts():
        submitted = row["ts_submitted"] // hour % 24
        assert submitted == 0 if row["side"] < 0 else submitted >= 1
    assert result.counters["denied"] == 0
    assert result.equity["gross_notional"].max() < 1.1 * result.equity["equity"].max()


@pytest.mark.parametrize("data", TICKS, indirect=True)
def test_the_market_maker_bounds_its_inventory_and_never_takes_by_accident(data: Dataset) -> None:
    result = ran("market_maker", data)
    books_are_equal(result, data)
    repeats("market_maker", data, result)
    strategy = example("market_maker")
    fills, orders = result.fills, result.orders
    assert len(fills) > 5
    assert set(fills["side"]) == {1, -1}
    assert fills["position_after"].abs().max() <= strategy.inventory + 1e-9
    quotes = orders.filter(pl.col("type") == "limit")
    assert quotes["post_only"].all()
    assert (fills.filter(pl.col("tag") != "stop")["liquidity"] == "maker").all()
    exits = orders.filter(pl.col("tag") == "stop")
    assert exits["reduce_only"].all()
    # It quotes, it does not flicker: far fewer orders than quotes of the market.
    assert len(orders) < 0.2 * len(data.quotes[0])


@pytest.mark.parametrize("data", ["synthetic_ticks"], indirect=True)
def test_the_market_maker_leaves_at_its_stop_and_stays_away(data: Dataset) -> None:
    result = ran("market_maker", data, stop_bps=1.0, pause=20)
    fills = result.fills.sort("seq")
    stops = fills.filter(pl.col("tag") == "stop")
    assert len(stops) > 0
    assert (stops["liquidity"] == "taker").all()
    assert (stops["position_after"] == 0.0).any()
    closed = stops.filter(pl.col("position_after") == 0.0)["ts"].to_list()
    times = fills["ts"].to_numpy()
    for ts in closed:
        assert not ((times > ts) & (times < ts + 20 * 10**9)).any()


@pytest.mark.parametrize("data", TICKS, indirect=True)
def test_pulse_trades_within_seconds_and_never_without_a_stop(data: Dataset) -> None:
    result = ran("pulse", data)
    books_are_equal(result, data)
    repeats("pulse", data, result)
    orders, fills = result.orders, result.fills
    first = data.quotes[0].ts[0]
    assert fills["ts"].min() - first < 5 * 10**9
    assert set(fills["side"]) == {1, -1}
    entries, stops = (orders.filter(pl.col("tag") == tag) for tag in ("entry", "stop"))
    assert set(entries["type"]) == {"market", "limit"}
    assert stops["reduce_only"].all()
    # Every entry that filled brought its stop, and no position outlives its time by much.
    assert len(stops) >= fills.filter(pl.col("tag") == "entry")["client_order_id"].n_unique()
    flat = fills.filter(pl.col("position_after") == 0.0)["ts"].to_numpy()
    assert np.diff(flat).max() < 60 * 10**9
