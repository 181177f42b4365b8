"""Recorded data: one command imports it, and the checks say what is known of it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from interlock.research.catalog import (
    Catalog,
    CatalogError,
    Finding,
    ImportReport,
    ImportRequest,
    InstrumentOptions,
    check_bars,
    import_files,
    instant,
    iso,
)
from interlock.research.catalog.convert import Reading
from interlock.strategy.columns import BarColumns

pytestmark = pytest.mark.shared
NOW = instant("2026-11-01")
AUTO = InstrumentOptions(tick="auto", lot="auto")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path)


def load(
    catalog: Catalog, path: Path, instrument: str, symbol: str = "", **options: object
) -> ImportReport:
    chosen = InstrumentOptions(tick="auto", lot="auto", **options)  # type: ignore[arg-type]
    request = ImportRequest((path,), instrument, options=chosen, reading=Reading(symbol=symbol))
    return import_files(catalog, request, now_ns=NOW)


def found(report: ImportReport, code: str) -> Finding:
    return next(item for item in report.findings if item.code == code)


def test_perpetual_minutes_are_clean(catalog: Catalog, shared_data: Path) -> None:
    path = shared_data / "klines/binance_usdm/BTCUSDT_1m_202307_202308.parquet"
    report = load(catalog, path, "BTCUSDT-PERP.BINANCE")
    assert (report.rows, report.entry.name, report.findings) == (43_199, "bars-1m", ())


def test_spot_outages_are_27_holes_of_122_hours(catalog: Catalog, shared_data: Path) -> None:
    path = shared_data / "klines/binance_spot/BTCUSDT_1h_2018_202605.parquet"
    gap = found(load(catalog, path, "BTCUSDT.BINANCE"), "gap")
    assert gap.count == 27
    assert "122 bars in 27 holes, the largest 33 bars" in gap.meaning


def test_bitfinex_minutes_without_a_trade_are_absent(catalog: Catalog, shared_data: Path) -> None:
    path = shared_data / "klines/bitfinex_spot/BTCUSD_1m_201801_201901.parquet"
    gap = found(load(catalog, path, "BTCUSD.BITFINEX"), "gap")
    assert "5101 bars" in gap.meaning


def test_quotes_sampled_apart_are_crossed(catalog: Catalog, shared_data: Path) -> None:
    path = shared_data / "fx/USDJPY_1m_bidask_201302.parquet"
    report = load(catalog, path, "USDJPY.FXCM")
    assert report.entry.name == "quotes"
    assert found(report, "crossed_quote").count == 683


def test_a_bad_print_of_an_equity_is_an_outlier(catalog: Catalog, shared_data: Path) -> None:
    path = shared_data / "equities/us_daily_1998_202103.parquet"
    report = load(catalog, path, "GOOG.XNAS", symbol="GOOG")
    outlier = found(report, "outlier")
    assert [iso(row.ts)[:10] for row in outlier.rows] == ["2008-09-30"]
    assert "gap" not in [item.code for item in report.findings]
    with pytest.raises(CatalogError, match="holds several symbols"):
        load(catalog, path, "IBM.XNYS")


def test_a_session_calendar_has_no_gaps(catalog: Catalog, shared_data: Path) -> None:
    path = shared_data / "equities/SPY_1h_2010_202103.parquet"
    assert load(catalog, path, "SPY.ARCA").findings == ()


def test_ticks_of_a_perpetual_are_whole(catalog: Catalog, shared_data: Path) -> None:
    for kind, name in (("depth", "depth"), ("bbo", "quotes"), ("trades", "trades")):
        path = shared_data / f"l2/binance_usdm_BTCUSDT_20240808_{kind}.parquet"
        report = load(catalog, path, "BTCUSDT-PERP.BINANCE")
        assert (report.entry.name, report.findings) == (name, ())


def test_orders_funding_and_marks_are_known_by_their_names(
    catalog: Catalog, shared_data: Path
) -> None:
    path = shared_data / "l2/bitstamp_BTCUSD_20150501_l3_orders.parquet"
    assert load(catalog, path, "BTCUSD.BITSTAMP").entry.name == "orders"
    perpetual = "BTCUSDT-PERP.BINANCE"
    path = shared_data / "mark/binance_usdm/BTCUSDT_mark_1h_2019_202605.parquet"
    assert load(catalog, path, perpetual).entry.name == "mark"
    path = shared_data / "funding/binance_usdm_BTCUSDT_8h.parquet"
    report = load(catalog, path, perpetual)
    assert (report.entry.name, report.findings) == ("funding", ())
    assert catalog.funding(perpetual).rate[0] == 1_000_000
    dataset = catalog.dataset([perpetual])
    assert [part.kind for part in dataset.parts()] == ["funding", "mark"]


def test_a_million_bars_are_checked_in_well_under_a_second(
    catalog: Catalog, shared_data: Path
) -> None:
    path = shared_data / "klines/binance_usdm/BTCUSDT_1m_20250504_20250624.parquet"
    load(catalog, path, "BTCUSDT-PERP.BINANCE")
    part = catalog.bars("BTCUSDT-PERP.BINANCE", "1m")
    times = 1_000_000 // len(part) + 1
    arrays = {name: np.tile(array, times) for name, array in part.arrays()}
    arrays["ts"] = part.ts[0] + np.arange(len(arrays["ts"])) * part.step_ns
    million = BarColumns(instrument=part.instrument, step_ns=part.step_ns, **arrays)
    best = min(_seconds(million) for _ in range(3))
    assert best < 1.0


def _seconds(columns: BarColumns) -> float:
    start = time.perf_counter()
    check_bars(columns, now_ns=NOW)
    return time.perf_counter() - start
