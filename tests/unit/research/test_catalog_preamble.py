"""CSV files as sites and spreadsheets write them: encodings, lines before the table, commas."""

from __future__ import annotations

import codecs
import gzip
import zipfile
from pathlib import Path

import pytest

from interlock.research.catalog import (
    Catalog,
    CatalogError,
    ImportReport,
    ImportRequest,
    InstrumentOptions,
    import_files,
    instant,
)

ID = "BTCUSDT-PERP.BINANCE"
START = instant("2024-01-01") // 10**6
OPTIONS = InstrumentOptions(tick="0.1", lot="0.001")
HOUR = 3_600_000
HEADER = "time,open,high,low,close,volume\n"
ROWS = [f"{START + row * HOUR},42000.1,42000.5,41999.9,42000.2,1.5\n" for row in range(4)]
PLAIN = HEADER + "".join(ROWS)


def load(tmp_path: Path, content: bytes, *, name: str = "bars.csv") -> ImportReport:
    path = tmp_path / name
    path.write_bytes(content)
    request = ImportRequest((path,), ID, options=OPTIONS, sort=True)
    return import_files(Catalog(tmp_path / "catalog"), request, now_ns=instant("2026-01-01"))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> ImportReport:
    return load(tmp_path_factory.mktemp("plain"), PLAIN.encode())


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        codecs.BOM_UTF16_BE + PLAIN.encode("utf-16-be"),
        PLAIN.encode("utf-16-le"),
        PLAIN.encode("utf-16-be"),
        PLAIN.replace("\n", "\r\n").replace(",", "\t").encode("utf-16"),
        "".join(ROWS).encode("utf-16"),
    ],
)
def test_the_encoding_is_told_by_the_first_bytes(
    tmp_path: Path, plain: ImportReport, content: bytes
) -> None:
    assert load(tmp_path, content).entry.digest == plain.entry.digest


def test_a_packed_file_of_utf_16_is_read_in_blocks(
    tmp_path: Path, plain: ImportReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("interlock.research.catalog.sources._CSV_BLOCK", 50)
    content = PLAIN.encode("utf-16")
    packed = load(tmp_path, gzip.compress(content), name="bars.csv.gz")
    with zipfile.ZipFile(tmp_path / "bars.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bars.csv", content)
    again = Catalog(tmp_path / "other")
    zipped = import_files(again, ImportRequest((tmp_path / "bars.zip",), ID, options=OPTIONS))
    assert packed.entry.digest == zipped.entry.digest == plain.entry.digest


def test_utf_32_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="UTF-32.*save the file as UTF-8"):
        load(tmp_path, PLAIN.encode("utf-32"))


@pytest.mark.parametrize(
    ("before", "told"),
    [
        ("https://www.CryptoDataDownload.com\n", 1),
        ("\n\nhttps://example.com/a,b\n\n", 1),
        ("# prices, as they were\n# source: nowhere\n", 2),
        ("BTC/USDT hourly\n", 1),
        ("sep=,\n", 1),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_line_that_cannot_belong_to_the_table_is_passed_over_and_told(
    tmp_path: Path, plain: ImportReport, before: str, told: int, encoding: str
) -> None:
    report = load(tmp_path, (before + PLAIN).encode(encoding))
    assert report.entry.digest == plain.entry.digest
    notes = [note for note in report.notes if note.startswith("not part of the table: ")]
    assert len(notes) == told
    assert before.split("\n")[-2 if told > 1 else 0].strip() in " ".join(notes)


def test_a_file_of_crypto_data_download_as_it_is(tmp_path: Path) -> None:
    rows = [
        f"{START + row * HOUR},2024-01-01 0{row}:00:00,BTC/USDT,42000.1,42000.5,41999.9,42000.2,"
        "1.5,63000,12\n"
        for row in (3, 2, 1, 0)
    ]
    text = (
        "https://www.CryptoDataDownload.com\n"
        "Unix,Date,Symbol,Open,High,Low,Close,Volume BTC,Volume USDT,tradecount\n"
    )
    report = load(tmp_path, (text + "".join(rows)).encode())
    assert (report.rows, report.entry.first) == (4, START * 10**6)
    assert any("--columns volume=COLUMN" in note for note in report.notes)


@pytest.mark.parametrize(
    "head",
    [
        # As many cells as the rows below: it may be a head, and its names decide.
        "# time,open,high,low,close,volume\n",
        # A number alone may be a row that was cut.
        "42\n" + HEADER,
        "a line, with one comma\n" + HEADER,
    ],
)
def test_a_first_line_that_may_mean_something_is_not_passed_over(tmp_path: Path, head: str) -> None:
    with pytest.raises(CatalogError, match="columns"):
        load(tmp_path, (head + "".join(ROWS)).encode())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (PLAIN.replace(",", ";").replace(".", ","), "open 42000,1 in data row 1 has a comma"),
        (PLAIN.replace(",", ";").replace("42000.5", "42.000,5"), "high 42.000,5 in data row 1"),
        (PLAIN.replace("42000.1", '"42,000.1"'), "open 42,000.1 in data row 1 has a comma"),
        (PLAIN.replace(".", ","), "rows of 11 columns under 6 names.*decimal comma"),
    ],
)
def test_a_comma_in_a_number_is_refused_with_its_cell_and_the_remedy(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(CatalogError, match=words + ".*with decimal points"):
        load(tmp_path, text.encode())
