"""Import: files as users have them, and one message for each that cannot be kept exactly."""

from __future__ import annotations

import gzip
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from interlock.model.instrument import FixedTick, InstrumentKind, SignificantFigures
from interlock.research.catalog import (
    Catalog,
    CatalogError,
    ImportReport,
    ImportRequest,
    InstrumentOptions,
    NotFound,
    import_files,
    instant,
)
from interlock.research.catalog.convert import Reading
from interlock.research.catalog.importer import expand
from interlock.research.catalog.layouts import Hints

ID = "BTCUSDT-PERP.BINANCE"
START = instant("2024-01-01")
MINUTE = 60 * 10**9
HEADER = (
    "open_time,open,high,low,close,volume,close_time,quote_volume,count,"
    "taker_buy_volume,taker_buy_quote_volume,ignore\n"
)
OPTIONS = InstrumentOptions(tick="0.1", lot="0.001")


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog(tmp_path / "catalog")


def kline(row: int, *, unit: int = 10**6, price: str = "42000.10") -> str:
    time = (START + row * MINUTE) // unit
    return f"{time},{price},42010.00,41990.50,{price},12.345,{time + 59999},1,2,3,4,0\n"


def load(catalog: Catalog, path: Path, text: str | None = None, **options: object) -> ImportReport:
    if text is not None:
        path.write_text(text)
    request = ImportRequest((path,), ID, options=OPTIONS)
    return import_files(catalog, replace(request, **options), now_ns=instant("2026-01-01"))  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [10**6, 10**3])
@pytest.mark.parametrize("header", ["", HEADER])
def test_binance_klines(catalog: Catalog, tmp_path: Path, header: str, unit: int) -> None:
    text = header + "".join(kline(row, unit=unit) for row in range(3))
    report = load(catalog, tmp_path / "BTCUSDT-1m-2024-01.csv", text)
    loaded = catalog.bars(ID, "1m")
    assert loaded.ts.tolist() == [START + row * MINUTE for row in range(3)]
    assert (loaded.open[0], loaded.low[0], loaded.volume[0]) == (420_001, 419_905, 12_345)
    assert report.findings == ()
    assert report.instrument.price_rule == FixedTick(1)
    assert report.instrument.kind is InstrumentKind.PERPETUAL
    assert (report.instrument.base, report.instrument.quote) == ("BTC", "USDT")


@pytest.mark.parametrize("suffix", [".csv.gz", ".zip"])
def test_packed_csv(catalog: Catalog, tmp_path: Path, suffix: str) -> None:
    text = HEADER + kline(0) + kline(1)
    path = tmp_path / f"BTCUSDT-1m-2024-01{suffix}"
    if suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("BTCUSDT-1m-2024-01.csv", text)
    else:
        path.write_bytes(gzip.compress(text.encode()))
    assert load(catalog, path).rows == 2


def test_a_csv_is_read_in_blocks(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.research.catalog.sources._CSV_BLOCK", 100)
    text = HEADER + "".join(kline(row) for row in range(40))
    assert load(catalog, tmp_path / "BTCUSDT-1m.csv", text.rstrip("\n")).rows == 40
    # The row in a refusal counts from the start of the file, not of the block.
    bad = text.replace(kline(30), kline(30, price="nan"))
    with pytest.raises(CatalogError, match="open nan in data row 31 is missing"):
        load(catalog, tmp_path / "BTCUSDT-1m-bad.csv", bad, mode="replace")


@pytest.mark.parametrize(
    ("name", "row", "side"),
    [
        ("aggTrades.csv", "26129,0.01633102,4.70443515,27781,27781,{t},true,true", -1),
        ("aggTrades2.csv", "26129,0.01633102,4.70443515,27781,27781,{t},false", 1),
        ("trades.csv", "4,0.01633102,4.70443515,48.0,{t},false,true", 1),
        ("trades2.csv", "4,0.01633102,4.70443515,48.0,{t},true", -1),
    ],
)
def test_binance_trades_without_header(
    catalog: Catalog, tmp_path: Path, name: str, row: str, side: int
) -> None:
    text = row.format(t=START // 10**6) + "\n"
    load(catalog, tmp_path / name, text, options=InstrumentOptions(tick="auto", lot="auto"))
    loaded = catalog.trades(ID)
    assert (loaded.price[0], loaded.quantity[0], loaded.side[0]) == (1633102, 470443515, side)
    assert loaded.instrument.price_exponent == 8


def frame(rows: int = 3) -> pl.DataFrame:
    times = pl.Series([START + row * MINUTE for row in range(rows)])
    prices = {name: [42000.1] * rows for name in ("open", "high", "low", "close")}
    return pl.DataFrame({"date": times.cast(pl.Datetime("ns", "UTC")), **prices, "volume": 1.5})


def test_freqtrade_feather(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT_USDT-1m-futures.feather"
    frame().with_columns(pl.col("date").dt.cast_time_unit("ms")).write_ipc(path, compression="lz4")
    load(catalog, path)
    assert catalog.bars(ID, "1m").close.tolist() == [420_001] * 3


def test_freqtrade_json_gz(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1m.json.gz"
    rows = f"[[{START // 10**6}, 1.0, 2.5, 0.5, 2.0, 10.0]]"
    path.write_bytes(gzip.compress(rows.encode()))
    load(catalog, path)
    assert catalog.bars(ID, "1m").high.tolist() == [25]


def test_parquet_and_numpy_give_the_same_bars(catalog: Catalog, tmp_path: Path) -> None:
    plain = frame().with_columns(pl.col("date").dt.timestamp("ns").alias("date"))
    plain.write_parquet(tmp_path / "a.parquet")
    matrix = plain.with_columns(pl.col("date") / 10**6).to_numpy()
    np.save(tmp_path / "a.npy", matrix)
    np.savez(tmp_path / "a.npz", **{name: plain[name].to_numpy() for name in plain.columns})
    digests = {
        load(catalog, tmp_path / name, mode="replace").entry.digest
        for name in ("a.parquet", "a.npy", "a.npz")
    }
    assert len(digests) == 1


def test_columns_can_be_named(catalog: Catalog, tmp_path: Path) -> None:
    text = "When;Von;Hoch;Tief;Bis;Menge\n2024-01-01 01:00;1;2;0.5;1.5;7\n"
    path = tmp_path / "eigene.csv"
    with pytest.raises(CatalogError, match="unknown columns When, Von, .*--columns"):
        load(catalog, path, text, step="1h")
    columns = {
        "time": "When", "open": "Von", "high": "Hoch", "low": "Tief", "close": "Bis",
        "volume": "Menge",
    }  # fmt: skip
    reading = Reading(Hints("bars", columns), timezone="Europe/Berlin")
    load(catalog, path, step="1h", reading=reading)
    assert catalog.bars(ID, "1h").ts.tolist() == [START]
    wrong = Reading(Hints("bars", {"open": "Offen"}))
    with pytest.raises(CatalogError, match="no column 'Offen'"):
        load(catalog, path, reading=wrong)


OHLC = "time,open,high,low,close,volume\n"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("2024-01-01T00:00:00Z,1,2,0.5,,7\n", "close \\(empty\\) in data row 1"),
        ("2024-01-01T00:00:00Z,1,2,0.5,NaN,7\n", "a number is never made up"),
        ("2024-01-01T00:00:00Z,1,2,0.5,1.5,abc\n", "volume abc in data row 1 is not a number"),
        ("2024-01-01T00:00:00Z,1,2,0.5,1.12345678901,7\n", "more than 9 decimals"),
        ("2024-01-01 00:00:00,1,2,0.5,1.5,7\n", "--timezone"),
        ("2024-01-01T00:00:00Z,1,2,0.5,1.5,7\n2024-01-01T00:01:00,1,2,0.5,1,7\n", "mixes time"),
        ("2024-01-01T00:01:00Z,1,2,0.5,1.5,7\n2024-01-01T00:00:00Z,1,2,0.5,1,7\n", "--sort"),
        ("2024-01-01T00:01:00Z,1,2,0.5,1.5,7\n2024-01-01T00:01:00Z,1,2,0.5,1.5,7\n", "--merge"),
        ("2024-01-01T00:01:00Z,1,2,0.5,1.5,7\n2024-01-01T00:01:00Z,1,2,0.5,1,7\n", "disagree on"),
        ("2024-01-01T00:01:00Z,1,2,0.5\n", "columns"),
        ("", "no rows"),
    ],
)
def test_bad_input_is_one_message_and_nothing_is_stored(
    catalog: Catalog, tmp_path: Path, rows: str, words: str
) -> None:
    with pytest.raises(CatalogError, match=words):
        load(catalog, tmp_path / "bars-1m-.csv", OHLC + rows)
    assert not catalog.has_instrument(ID)


def test_rows_are_sorted_and_collapsed_on_request_only(catalog: Catalog, tmp_path: Path) -> None:
    rows = [f"2024-01-01T00:0{m}:00Z,1,2,0.5,1.5,7\n" for m in (2, 0, 1, 1)]
    report = load(catalog, tmp_path / "a.csv", OHLC + "".join(rows), sort=True, mode="merge")
    assert (report.rows, report.entry.collapsed) == (3, 1)
    assert any("sorted by time" in note for note in report.notes)


def test_an_instrument_needs_a_tick_and_a_lot(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "X-1m-.csv"
    path.write_text(HEADER + kline(0))
    for options, words in [
        (InstrumentOptions(), "--tick 0.1"),
        (InstrumentOptions(tick="0.1"), "--lot 0.001"),
        (InstrumentOptions(tick="0", lot="1"), "tick 0 must be positive"),
        (InstrumentOptions(tick="0.1", lot="1", like="mars"), "templates are"),
        (InstrumentOptions(tick="0.1", lot="1", price_exponent=0), "too small"),
    ]:
        request = ImportRequest((path,), "XYZUSDT.KRAKEN", options=options)
        with pytest.raises(CatalogError, match=words):
            import_files(catalog, request)
    with pytest.raises(CatalogError, match="--base BTC --quote USDT"):
        import_files(catalog, ImportRequest((path,), "XYZ.KRAKEN", options=OPTIONS))


def test_known_symbols_come_with_their_increments(catalog: Catalog, tmp_path: Path) -> None:
    text = HEADER + kline(0) + kline(1)
    report = load(catalog, tmp_path / "B-1m-.csv", text, options=InstrumentOptions())
    assert report.instrument.taker_rate == 500
    assert any("taker 5 bps" in note for note in report.notes)
    assert report.instrument.funding_interval_ns == 8 * 3600 * 10**9


def test_hyperliquid_prices_follow_significant_figures(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "H-1m-.csv"
    path.write_text(HEADER + kline(0))
    request = ImportRequest(
        (path,), "BTC-PERP.HYPERLIQUID", options=InstrumentOptions(lot="0.00001")
    )
    instrument = import_files(catalog, request).instrument
    assert instrument.price_rule == SignificantFigures(figures=5, decimals=1)
    assert instrument.quote == "USDC"


def test_a_registered_instrument_is_not_changed_in_passing(
    catalog: Catalog, tmp_path: Path
) -> None:
    load(catalog, tmp_path / "A-1m-.csv", HEADER + kline(0))
    more = HEADER + kline(1)
    assert load(catalog, tmp_path / "B-1m-.csv", more, options=InstrumentOptions()).entry.rows == 2
    with pytest.raises(CatalogError, match="registered with tick 0.1, not 0.5"):
        load(catalog, tmp_path / "C-1m-.csv", options=InstrumentOptions(tick="0.5"))


def test_finer_prices_need_a_finer_unit_or_an_explicit_rounding(
    catalog: Catalog, tmp_path: Path
) -> None:
    load(catalog, tmp_path / "A-1m-.csv", HEADER + kline(0))
    path = tmp_path / "B-1m-.csv"
    finer = HEADER + kline(1, price="42000.125")
    none = InstrumentOptions()
    with pytest.raises(CatalogError, match="42000.125 in data row 1 is finer.*--price-exponent 3"):
        load(catalog, path, finer, options=none)
    rounded = load(catalog, path, options=none, round_values=True)
    assert (rounded.entry.rows, rounded.entry.rounded) == (2, 2)
    wider = load(catalog, path, options=InstrumentOptions(price_exponent=3), mode="replace")
    assert (wider.instrument.price_exponent, wider.instrument.price_rule) == (3, FixedTick(100))
    assert catalog.bars(ID, "1m").open.tolist() == [42_000_125]


def test_several_files_are_one_import(catalog: Catalog, tmp_path: Path) -> None:
    for month in (1, 2, 3):
        rows = "".join(kline(row) for row in range(month * 10, month * 10 + 10))
        (tmp_path / f"BTCUSDT-1m-2024-0{month}.csv").write_text(HEADER + rows)
    paths = expand((str(tmp_path / "BTCUSDT-1m-*.csv"),))
    report = import_files(catalog, ImportRequest(paths[::-1], ID, options=OPTIONS))
    assert (report.files, report.rows, report.findings) == (3, 30, ())
    with pytest.raises(CatalogError, match="overlap"):
        import_files(catalog, ImportRequest(paths[:1], ID))
    again = import_files(catalog, ImportRequest(paths[:1], ID, mode="merge"))
    assert (again.entry.rows, again.entry.collapsed) == (30, 10)
    with pytest.raises(CatalogError, match="matches no file"):
        expand((str(tmp_path / "*.xlsx"),))


def test_a_stated_step_must_be_true(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="file name says 1h, most rows are 60 s apart"):
        load(catalog, tmp_path / "BTC-1h-x.csv", HEADER + kline(0) + kline(1))
    with pytest.raises(CatalogError, match="--step says 5m"):
        load(catalog, tmp_path / "BTC-1m-x.csv", HEADER + kline(0) + kline(1), step="5m")
    with pytest.raises(CatalogError, match="one time only"):
        load(catalog, tmp_path / "one.csv", HEADER + kline(0))


def test_bars_labeled_by_their_close_are_moved_to_their_open(
    catalog: Catalog, tmp_path: Path
) -> None:
    load(catalog, tmp_path / "B-1m-.csv", HEADER + kline(1) + kline(2), labeled_by_close=True)
    assert catalog.bars(ID, "1m").ts[0] == START


def test_files_of_unknown_or_damaged_format_are_one_message(
    catalog: Catalog, tmp_path: Path
) -> None:
    with pytest.raises(CatalogError, match="supported are csv"):
        load(catalog, tmp_path / "a.xlsx", "x")
    for name in ("a.parquet", "a.feather", "a.npy", "a.npz", "a.csv.gz", "a.zip", "a.json"):
        with pytest.raises(CatalogError, match="cannot be read|is no list"):
            load(catalog, tmp_path / name, "not what the name says")
    with pytest.raises(CatalogError, match="is not a file"):
        load(catalog, tmp_path / "absent.csv")
    with pytest.raises(NotFound):
        catalog.instrument(ID)


def test_an_instrument_file_says_everything(catalog: Catalog, tmp_path: Path) -> None:
    path = tmp_path / "btc.toml"
    path.write_text(
        f'id = "{ID}"\nkind = "perpetual"\nbase = "BTC"\nquote = "USDT"\nprice_exponent = 2\n'
        'quantity_exponent = 3\nlot = 1\n[price_rule]\ntype = "fixed_tick"\ntick = 10\n'
    )
    load(catalog, tmp_path / "B-1m-.csv", HEADER + kline(0), options=InstrumentOptions(file=path))
    assert catalog.instrument(ID).price_exponent == 2
    path.write_text("id = 3")
    with pytest.raises(CatalogError, match="instrument file .* cannot be used"):
        load(catalog, tmp_path / "C-1m-.csv", HEADER + kline(1),
             options=InstrumentOptions(file=path))  # fmt: skip


def test_a_funding_rate_is_rounded_on_request_only(catalog: Catalog, tmp_path: Path) -> None:
    text = "calc_time,funding_interval_hours,last_funding_rate\n"
    text += f"{START // 10**6},8,0.0001\n{START // 10**6 + 28_800_000},8,0.000012345678\n"
    path = tmp_path / "BTCUSDT-fundingRate-2024-01.csv"
    with pytest.raises(CatalogError, match="0.000012345678 in data row 2 has more than 10"):
        load(catalog, path, text)
    options = InstrumentOptions(tick="0.1", lot="0.001", price_exponent=1, quantity_exponent=3)
    report = load(catalog, path, options=options, round_values=True)
    assert report.entry.rounded == 1
    assert catalog.funding(ID).rate.tolist() == [1_000_000, 123_457]


def test_a_volume_under_another_name_is_pointed_at(catalog: Catalog, tmp_path: Path) -> None:
    text = "time,open,high,low,close,Volume BTC,Volume USDT\n" + "".join(
        f"{(START + row * MINUTE) // 10**6},1,1,1,1,5,5\n" for row in range(3)
    )
    report = load(catalog, tmp_path / "bars.csv", text)
    notes = " ".join(report.notes)
    assert "of Volume BTC, Volume USDT name the one in base units: --columns volume=COLUMN" in notes


def test_a_tick_that_is_coarser_than_the_prices_is_an_error(
    catalog: Catalog, tmp_path: Path
) -> None:
    price = "0.000000012"
    text = OHLC + "".join(
        f"{(START + row * MINUTE) // 10**6},{price},{price},{price},{price},5\n" for row in range(3)
    )
    report = load(catalog, tmp_path / "bars.csv", text)
    assert {item.code for item in report.findings} >= {"off_tick_price", "coarse_tick"}
